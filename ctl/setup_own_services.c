#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/postconf_duty.h"
#include "ctl/setup_plan.h"
#include "lib/base/memory.h"

/* The services of master.cf that are Rejoinder's own: where it hands in mail, and relays. */

#define HANDOVER_MIN_BYTES INT64_C(75000000)
#define MILLION            INT64_C(1000000)
#define GROWTH_BYTES       INT64_C(200000) /* trace fields, and those of filters */

/* The chroot field of new services: as the service of that program has it. */
static char chroot_like(const struct postconf *postconf, const char *command)
{
	for (size_t i = 0; i < postconf_service_count(postconf); i++)
		if (strcmp(postconf_service(postconf, i)->command, command) == 0)
			return postconf_service(postconf, i)->is_chrooted ? 'y' : 'n';
	return 'y';
}

/* Its index, or the count of services. */
static size_t find_service(const struct postconf *postconf, const char *name)
{
	size_t i = 0;

	while (i < postconf_service_count(postconf) &&
	       strcmp(postconf_service(postconf, i)->name, name) != 0)
		i++;
	return i;
}

static bool has_service(const struct postconf *postconf, const char *name)
{
	return find_service(postconf, name) < postconf_service_count(postconf);
}

static void add_service(struct plan_work *work, const char *name, const char *type,
                        const char *rest, const char *reason)
{
	char *target = xasprintf("%s/%s", name, type);
	char *line = xasprintf("%s %s %s", name, type, rest);

	setup_plan_add(work->plan, SETUP_SERVICE, target, NULL, line, reason);
	free(line);
	free(target);
}

/* The largest message that is fetched, as it is coded on its way; 0: none is fetched. */
static int64_t fetched_bytes(const struct config *config)
{
	int64_t most = 0;

	for (size_t i = 0; i < config->account_count; i++) {
		int64_t coded = config->accounts[i].max_message_bytes / 7 * 10;

		coded = (coded + MILLION - 1) / MILLION * MILLION;
		if (config->accounts[i].pop3 != NULL && coded > most)
			most = coded;
	}
	return most;
}

/* What mailboxes take of a message that grows on its way to them, INT64_MAX without a limit. */
static int64_t mailbox_bytes(const struct plan_work *work)
{
	int64_t limit = postconf_mailbox_limit(work->postconf, NULL);

	if (limit == 0)
		return INT64_MAX;
	return limit > 2 * GROWTH_BYTES ? limit - GROWTH_BYTES : limit / 2;
}

static int64_t handover_bytes(const struct plan_work *work)
{
	int64_t fetched = fetched_bytes(work->config), most = mailbox_bytes(work);
	int64_t wanted = fetched > HANDOVER_MIN_BYTES ? fetched : HANDOVER_MIN_BYTES;

	return wanted < most ? wanted : most;
}

static void note_mailboxes(struct plan_work *work)
{
	const char *parameter = "";
	int64_t limit = postconf_mailbox_limit(work->postconf, &parameter);

	if (fetched_bytes(work->config) > mailbox_bytes(work))
		string_list_take(&work->plan->notes,
		                 xasprintf("%s is %" PRId64 ": what is fetched and larger stays in "
		                           "its inbox, though max_message_size would let it come",
		                           parameter, limit));
}

static bool has_protocol(const struct postconf *postconf, const char *protocol)
{
	const char *value = postconf_value(postconf, "inet_protocols");
	struct string_list protocols = {0};
	bool has;

	postconf_list_split(value, &protocols);
	has = protocols.count == 0 || string_list_has(&protocols, "all") ||
	      string_list_has(&protocols, protocol);
	string_list_release(&protocols);
	return has;
}

bool setup_handover_address(const struct postconf *postconf, const struct config *config,
                            char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out)
{
	if (endpoint_parse(config->submit_to, 0, host_out, port_out) < 0 ||
	    !postconf_is_loopback_host(host_out))
		return false;
	if (host_out[0] == 'l' || host_out[0] == 'L')
		snprintf(host_out, ENDPOINT_HOST_SIZE, "%s",
		         has_protocol(postconf, "ipv4") ? "127.0.0.1" : "::1");
	return true;
}

bool setup_has_handover(const struct postconf *postconf, const struct config *config)
{
	for (size_t i = 0; i < postconf_service_count(postconf); i++)
		if (postconf_duty(postconf, config, i) == DUTY_HANDOVER)
			return true;
	return false;
}

/* Can master(8) listen there?  It ends when it cannot, and no mail is taken any more. */
static int check_address(const struct plan_work *work, const char *host, uint16_t port,
                         struct error *err)
{
	bool is_ipv6 = strcmp(host, "::1") == 0;

	if (!has_protocol(work->postconf, is_ipv6 ? "ipv6" : "ipv4"))
		return error_set(err, ERROR_CONFIG,
		                 "inet_protocols of Postfix is \"%s\", and submit_to of "
		                 "rejoinder.conf names %s: set submit_to = %s:%u there",
		                 postconf_value(work->postconf, "inet_protocols"), host,
		                 is_ipv6 ? "127.0.0.1" : "[::1]", (unsigned)port);
	for (size_t i = 0; i < postconf_service_count(work->postconf); i++) {
		const struct postconf_service *service = postconf_service(work->postconf, i);

		if (strcmp(service->type, "inet") == 0 &&
		    strtol(postconf_port(service), NULL, 10) == port)
			return error_set(err, ERROR_CONFIG,
			                 "the service %s of master.cf has the port that submit_to "
			                 "of rejoinder.conf names: give submit_to a free one",
			                 service->name);
	}
	if (work->facts->handover_fault != NULL)
		return error_set(err, ERROR_CONFIG, "%s", work->facts->handover_fault);
	return 0;
}

#define SYSLOG_NAME "postfix/rejoinder"

/* Listeners that setup made when submit_to was another. */
static void note_older(struct plan_work *work)
{
	for (size_t i = 0; i < postconf_service_count(work->postconf); i++) {
		const struct postconf_service *service = postconf_service(work->postconf, i);
		const char *name = postconf_service_own_value(work->postconf, i, "syslog_name");

		if (strcmp(service->type, "inet") == 0 && name != NULL &&
		    strcmp(name, SYSLOG_NAME) == 0 &&
		    postconf_duty(work->postconf, work->config, i) != DUTY_HANDOVER)
			string_list_take(
				&work->plan->notes,
				xasprintf("the service %s is for another submit_to than that of "
			                  "rejoinder.conf: if nobody uses it, postconf -MX %s/inet",
			                  service->name, service->name));
	}
}

static int add_handover(struct plan_work *work, struct error *err)
{
	int64_t most = handover_bytes(work);
	char host[ENDPOINT_HOST_SIZE], *name, *rest;
	uint16_t port;

	if (!setup_handover_address(work->postconf, work->config, host, &port)) {
		string_list_take(&work->plan->notes,
		                 xasprintf("submit_to of rejoinder.conf names %s: the listener for "
		                           "its mail must be there",
		                           work->config->submit_to));
		return 0;
	}
	if (check_address(work, host, port, err) < 0)
		return -1;
	name = xasprintf(strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
	rest = xasprintf("n - %c - - smtpd -o syslog_name=" SYSLOG_NAME
	                 " -o smtpd_milters=$rejoinder_milter -o smtpd_milter_maps="
	                 " -o local_header_rewrite_clients="
	                 " -o message_size_limit=%" PRId64
	                 " -o cleanup_service_name=rejoinder-cleanup"
	                 " -o mynetworks=127.0.0.0/8,[::1]/128"
	                 " -o smtpd_client_restrictions=permit_mynetworks,reject"
	                 " -o smtpd_helo_restrictions= -o smtpd_sender_restrictions="
	                 " -o smtpd_relay_restrictions=permit_mynetworks,reject"
	                 " -o smtpd_recipient_restrictions= -o smtpd_data_restrictions="
	                 " -o smtpd_end_of_data_restrictions= -o smtpd_sasl_auth_enable=no"
	                 " -o smtpd_tls_security_level=none"
	                 " -o smtpd_client_connection_count_limit=0"
	                 " -o smtpd_client_connection_rate_limit=0"
	                 " -o smtpd_client_message_rate_limit=0",
	                 chroot_like(work->postconf, "smtpd"), most);
	add_service(work, name, "inet", rest,
	            "rejoinder-fetcher and -scheduler hand in mail here, from this host only");
	free(rest);
	free(name);
	if (has_service(work->postconf, "rejoinder-cleanup"))
		return 0;
	rest = xasprintf("n - %c - 0 cleanup -o message_size_limit=%" PRId64,
	                 chroot_like(work->postconf, "cleanup"), most);
	add_service(work, "rejoinder-cleanup", "unix", rest,
	            "with a limit of its own: what was fetched may be larger than your mail");
	free(rest);
	return 0;
}

static void mend_limit(struct plan_work *work, size_t i)
{
	static const char parameter[] = "message_size_limit";
	int64_t limit = strtoll(postconf_service_value(work->postconf, i, parameter), NULL, 10);
	int64_t fetched = fetched_bytes(work->config), most = mailbox_bytes(work);
	bool is_too_large = most < INT64_MAX && (limit == 0 || limit > most);
	char *value;

	if (!is_too_large && (limit == 0 || limit >= (fetched < most ? fetched : most)))
		return;
	value = xasprintf("%" PRId64, handover_bytes(work));
	setup_set_option(work, i, parameter, value,
	                 is_too_large
	                         ? "a message that is larger than mailboxes take stops delivery"
	                         : "max_message_size of an inbox is larger than what is taken "
	                           "here");
	free(value);
}

/* What rejoinder.conf or main.cf ask of the listener since it was made. */
static void mend_handover(struct plan_work *work, size_t i)
{
	size_t cleanup = find_service(work->postconf, "rejoinder-cleanup");
	const char *list = postconf_service_own_value(work->postconf, i, "smtpd_milters");

	if (list == NULL || !setup_has_ours(work, list))
		return;
	mend_limit(work, i);
	if (strcmp(postconf_service_value(work->postconf, i, "cleanup_service_name"),
	           "rejoinder-cleanup") == 0 &&
	    cleanup < postconf_service_count(work->postconf))
		mend_limit(work, cleanup);
	if (*postconf_service_value(work->postconf, i, "smtpd_milter_maps") != '\0')
		setup_set_option(work, i, "smtpd_milter_maps", "",
		                 "whoever hands in mail here passes our milter, and no other");
}

static void plan_relay(struct plan_work *work, const char *name, const char *wrapped)
{
	char *rest;

	if (has_service(work->postconf, name))
		return;
	rest = xasprintf("- - %c - 20 smtp -o syslog_name=postfix/%s"
	                 " -o smtp_tls_security_level=secure -o smtp_tls_wrappermode=%s"
	                 " -o smtp_tls_policy_maps= -o smtp_tls_CAfile=$rejoinder_relay_CAfile"
	                 " -o smtp_sasl_auth_enable=yes -o smtp_sender_dependent_authentication=yes"
	                 " -o smtp_sasl_password_maps=$rejoinder_passwords"
	                 " -o smtp_sasl_tls_security_options=noanonymous"
	                 " -o smtp_sasl_mechanism_filter=plain,login -o smtp_fallback_relay="
	                 " -o smtp_connection_cache_on_demand=no"
	                 " -o smtp_connection_cache_destinations=",
	                 chroot_like(work->postconf, "smtp"), name, wrapped);
	add_service(work, name, "unix", rest,
	            "sends by the relays of accounts, signed in and over verified TLS");
	free(rest);
}

int setup_plan_own_services(struct plan_work *work, struct error *err)
{
	note_older(work);
	note_mailboxes(work);
	if (!setup_has_handover(work->postconf, work->config)) {
		if (add_handover(work, err) < 0)
			return -1;
	} else {
		for (size_t i = 0; i < postconf_service_count(work->postconf); i++)
			if (postconf_duty(work->postconf, work->config, i) == DUTY_HANDOVER)
				mend_handover(work, i);
	}
	if (work->has_relay) {
		plan_relay(work, "rejoinder-relay", "no");
		plan_relay(work, "rejoinder-relays", "yes");
	}
	return 0;
}
