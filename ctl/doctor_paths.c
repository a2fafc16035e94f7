#include "ctl/doctor_paths.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/endpoint.h"
#include "lib/base/memory.h"

static bool list_has(const char *value, const char *word)
{
	struct string_list list = {0};
	bool has;

	postconf_list_split(value, &list);
	has = string_list_has(&list, word);
	string_list_release(&list);
	return has;
}

static bool is_loopback_host(const char *host)
{
	return strcmp(host, "[::1]") == 0 || postconf_is_loopback_host(host);
}

bool paths_submit_is_here(const struct config *config)
{
	char host[ENDPOINT_HOST_SIZE];
	uint16_t port;

	return endpoint_parse(config->submit_to, 0, host, &port) == 0 && is_loopback_host(host);
}

/* Without its "unix:" or "local:", or NULL if it has none. */
static const char *socket_path(const char *endpoint)
{
	if (strncasecmp(endpoint, "unix:", 5) == 0)
		return endpoint + 5;
	if (strncasecmp(endpoint, "local:", 6) == 0)
		return endpoint + 6;
	return NULL;
}

static bool is_same_file(const char *a, const char *b)
{
	char *real_a, *real_b;
	bool is = strcmp(a, b) == 0;

	if (is)
		return true;
	real_a = realpath(a, NULL);
	real_b = realpath(b, NULL);
	is = real_a != NULL && real_b != NULL && strcmp(real_a, real_b) == 0;
	free(real_a);
	free(real_b);
	return is;
}

/* Postfix says inet:host:port, libmilter inet:port@host: the latter, a heap string. */
static char *inet_for_libmilter(const char *endpoint)
{
	const char *colon = strrchr(endpoint, ':'), *host = strchr(endpoint, ':') + 1;
	char *spelling;

	if (colon < host)
		return xstrdup(endpoint);
	spelling = xasprintf("%.*s:%s@%.*s", (int)(host - 1 - endpoint), endpoint, colon + 1,
	                     (int)(colon - host), host);
	return spelling;
}

/* Where Postfix looks, as who is in no chroot sees it: libmilter's spelling, a heap string. */
static char *see_endpoint(const struct postconf *postconf, const char *endpoint, bool is_chrooted)
{
	const char *path = socket_path(endpoint), *queue;

	if (path == NULL)
		return strncasecmp(endpoint, "inet", 4) == 0 && strchr(endpoint, ':') != NULL
		               ? inet_for_libmilter(endpoint)
		               : xstrdup(endpoint);
	queue = postconf_value(postconf, "queue_directory");
	if (*path == '/' && !is_chrooted)
		return xasprintf("unix:%s", path);
	return xasprintf("unix:%s%s%s", queue, *path == '/' ? "" : "/", path);
}

/* Both as libmilter spells them. */
static bool is_same_inet(const char *a, const char *b)
{
	const char *at_a = strchr(a, '@'), *at_b = strchr(b, '@');

	if (strncasecmp(a, "inet", 4) != 0 || strncasecmp(b, "inet", 4) != 0 || at_a == NULL ||
	    at_b == NULL)
		return false;
	a = strchr(a, ':') + 1;
	b = strchr(b, ':') + 1;
	return at_a - a == at_b - b && strncmp(a, b, (size_t)(at_a - a)) == 0 &&
	       (strcasecmp(at_a, at_b) == 0 ||
	        (is_loopback_host(at_a + 1) && is_loopback_host(at_b + 1)));
}

/* Is it our milter, whether it can be found there or not? */
static bool is_ours(const struct postconf *postconf, const struct config *config,
                    const char *endpoint)
{
	const char *program = postconf_milter_program(endpoint);
	const char *socket = socket_path(config->milter_socket);
	bool is = program != NULL && strcmp(program, "rejoinder") == 0;

	for (int i = 0; i < 2 && !is; i++) {
		char *seen = see_endpoint(postconf, endpoint, i == 1);
		const char *path = socket_path(seen);

		is = path != NULL && socket != NULL ? is_same_file(path, socket)
		                                    : is_same_inet(seen, config->milter_socket);
		free(seen);
	}
	return is;
}

static void add_path(const struct postconf *postconf, const struct config *config,
                     struct paths *out, struct path path, const char *list)
{
	postconf_milters_read(postconf, list, &path.milters);
	for (size_t i = path.milters.count; i-- > 0;) {
		const char *endpoint = path.milters.items[i].endpoint;

		if (!is_ours(postconf, config, endpoint))
			continue;
		path.our_count++;
		path.our_place = i;
		free(path.seen_at);
		path.seen_at = see_endpoint(postconf, endpoint, path.is_chrooted);
	}
	out->items = xreallocarray(out->items, out->count + 1, sizeof(*out->items));
	out->items[out->count++] = path;
}

void paths_find(const struct postconf *postconf, const struct config *config, struct paths *out)
{
	bool is_cleanup_chrooted = false;

	*out = (struct paths){0};
	for (size_t i = 0; i < postconf_service_count(postconf); i++) {
		const struct postconf_service *service = postconf_service(postconf, i);
		struct path path = {.name = service->name, .service = i};

		if (strcmp(service->name, "cleanup") == 0)
			is_cleanup_chrooted = service->is_chrooted;
		if (strcmp(service->command, "smtpd") != 0)
			continue;
		path.duty = postconf_duty(postconf, config, i);
		path.is_chrooted = service->is_chrooted;
		path.has_no_milters =
			list_has(postconf_service_value(postconf, i, "receive_override_options"),
		                 "no_milters");
		add_path(postconf, config, out, path,
		         postconf_service_value(postconf, i, "smtpd_milters"));
	}
	add_path(postconf, config, out,
	         (struct path){.duty = DUTY_LOCAL,
	                       .name = "non_smtpd_milters",
	                       .is_chrooted = is_cleanup_chrooted},
	         postconf_value(postconf, "non_smtpd_milters"));
}

void paths_release(struct paths *paths)
{
	for (size_t i = 0; i < paths->count; i++) {
		postconf_milters_release(&paths->items[i].milters);
		free(paths->items[i].seen_at);
	}
	free(paths->items);
	*paths = (struct paths){0};
}

bool path_is_ours(const struct path *path)
{
	return path->our_count > 0 && !path->has_no_milters;
}
