#include "ctl/postconf_duty.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/endpoint.h"
#include "lib/base/memory.h"

static bool is_any(const char *text, const char *const *of)
{
	for (; *of != NULL; of++)
		if (strcasecmp(text, *of) == 0)
			return true;
	return false;
}

static bool list_has(const char *value, const char *word)
{
	struct string_list list = {0};
	bool has;

	postconf_list_split(value, &list);
	has = string_list_has(&list, word);
	string_list_release(&list);
	return has;
}

const char *postconf_port(const struct postconf_service *service)
{
	const char *colon = strrchr(service->name, ':');

	return colon != NULL ? colon + 1 : service->name;
}

bool postconf_is_port_25(const struct postconf_service *service)
{
	/* Of type pass is what postscreen(8) hands connections on to. */
	return strcmp(service->type, "pass") == 0 ||
	       is_any(postconf_port(service), (const char *const[]){"smtp", "smtpd", "25", NULL});
}

bool postconf_is_loopback_host(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
	       strcasecmp(host, "localhost") == 0;
}

/* Brackets may stand around any address there. */
static bool is_loopback(const char *text, size_t length)
{
	bool is_bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
	char *host = is_bracketed ? xmemdup0(text + 1, length - 2) : xmemdup0(text, length);
	bool is = postconf_is_loopback_host(host);

	free(host);
	return is;
}

static bool are_loopback_interfaces(const char *value)
{
	struct string_list list = {0};
	bool are = true;

	postconf_list_split(value, &list);
	for (size_t i = 0; i < list.count; i++)
		are = are && (strcmp(list.items[i], "loopback-only") == 0 ||
		              is_loopback(list.items[i], strlen(list.items[i])));
	are = are && list.count > 0;
	string_list_release(&list);
	return are;
}

bool postconf_is_on_loopback(const struct postconf *postconf,
                             const struct postconf_service *service)
{
	const char *colon = strrchr(service->name, ':');

	if (colon == NULL)
		return are_loopback_interfaces(postconf_value(postconf, "inet_interfaces"));
	return is_loopback(service->name, (size_t)(colon - service->name));
}

static bool is_handover(const struct config *config, const struct postconf_service *service)
{
	char host[ENDPOINT_HOST_SIZE];
	uint16_t port;

	return strcmp(service->type, "inet") == 0 &&
	       endpoint_parse(config->submit_to, 0, host, &port) == 0 &&
	       postconf_is_loopback_host(host) && strtol(postconf_port(service), NULL, 10) == port;
}

static bool own_is(const struct postconf *postconf, size_t i, const char *parameter,
                   const char *value)
{
	const char *own = postconf_service_own_value(postconf, i, parameter);

	return own != NULL && strcmp(own, value) == 0;
}

/*
 * A filter's way back is told by this: it must not be filtered again.  Where other hosts can
 * connect, one sign alone may mean a program of the admin's that is to be trusted.
 */
static bool is_return(const struct postconf *postconf, size_t i)
{
	const char *options = postconf_service_own_value(postconf, i, "receive_override_options");
	int signs = own_is(postconf, i, "content_filter", "") +
	            (options != NULL && list_has(options, "no_header_body_checks"));

	return signs >= (postconf_is_on_loopback(postconf, postconf_service(postconf, i)) ? 1 : 2);
}

static bool begins_with(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

static bool delivers(const struct postconf *postconf, const char *domains, const char *transport,
                     const char *program)
{
	return *postconf_value(postconf, domains) != '\0' &&
	       begins_with(postconf_value(postconf, transport), program);
}

int64_t postconf_mailbox_limit(const struct postconf *postconf, const char **parameter_out)
{
	static const char *const parameters[] = {"mailbox_size_limit", "virtual_mailbox_limit"};
	const bool is_used[] = {
		delivers(postconf, "mydestination", "local_transport", "local") &&
			*postconf_value(postconf, "mailbox_command") == '\0' &&
			*postconf_value(postconf, "mailbox_transport") == '\0',
		delivers(postconf, "virtual_mailbox_domains", "virtual_transport", "virtual")};
	int64_t least = 0;

	for (size_t i = 0; i < 2; i++) {
		int64_t limit = strtoll(postconf_value(postconf, parameters[i]), NULL, 10);

		if (!is_used[i] || limit <= 0 || (least > 0 && limit >= least))
			continue;
		least = limit;
		if (parameter_out != NULL)
			*parameter_out = parameters[i];
	}
	return least;
}

enum duty postconf_duty(const struct postconf *postconf, const struct config *config, size_t i)
{
	static const char *const submission[] = {"submission", "587", "submissions",
	                                         "smtps",      "465", NULL};
	const struct postconf_service *service = postconf_service(postconf, i);

	if (strcmp(service->command, "smtpd") != 0)
		return DUTY_NONE;
	if (is_handover(config, service))
		return DUTY_HANDOVER;
	/* Whoever may sign in there too: mail of strangers comes in by it, and must be verified. */
	if (postconf_is_port_25(service))
		return DUTY_OUTSIDE;
	if (is_any(postconf_port(service), submission) ||
	    own_is(postconf, i, "smtpd_sasl_auth_enable", "yes"))
		return DUTY_SUBMISSION;
	if (is_return(postconf, i))
		return DUTY_RETURN;
	if (own_is(postconf, i, "milter_macro_daemon_name", "ORIGINATING"))
		return DUTY_SUBMISSION;
	return DUTY_OUTSIDE;
}
