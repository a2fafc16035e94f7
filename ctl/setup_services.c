#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/setup_lists.h"
#include "ctl/setup_plan.h"
#include "lib/base/endpoint.h"
#include "lib/base/memory.h"

#define HANDOVER_MIN_BYTES INT64_C(75000000)
#define MILLION            INT64_C(1000000)

/* What a service of smtpd is there for. */
enum duty {
	DUTY_NONE,       /* not smtpd */
	DUTY_OUTSIDE,    /* port 25, and whatever is none of these */
	DUTY_SUBMISSION, /* mail of people who sign in */
	DUTY_RETURN,     /* mail comes back from a content filter */
	DUTY_HANDOVER,   /* ours */
};

static bool is_any(const char *text, const char *const *of)
{
	for (; *of != NULL; of++)
		if (strcmp(text, *of) == 0)
			return true;
	return false;
}

/* The port of an inet service: behind its host, if it has one. */
static const char *port_of(const struct postconf_service *service)
{
	const char *colon = strrchr(service->name, ':');

	return colon != NULL ? colon + 1 : service->name;
}

static bool is_on_loopback(const struct postconf_service *service)
{
	const char *name = service->name;

	return strchr(name, ':') != NULL &&
	       (strncmp(name, "127.", 4) == 0 || strncmp(name, "[::1]", 5) == 0 ||
	        strncmp(name, "localhost:", 10) == 0);
}

static const char *own(const struct plan_work *work, size_t i, const char *parameter)
{
	const char *value = postconf_service_own_value(work->postconf, i, parameter);

	return value != NULL ? value : "";
}

static bool is_handover(const struct plan_work *work, const struct postconf_service *service)
{
	char host[ENDPOINT_HOST_SIZE];
	uint16_t port;

	return is_on_loopback(service) &&
	       endpoint_parse(work->config->submit_to, 0, host, &port) == 0 &&
	       strtol(port_of(service), NULL, 10) == port;
}

static enum duty duty_of(const struct plan_work *work, size_t i)
{
	static const char *const submission[] = {"submission", "587", "submissions",
	                                         "smtps",      "465", NULL};
	const struct postconf_service *service = postconf_service(work->postconf, i);
	const char *filter = postconf_service_own_value(work->postconf, i, "content_filter");

	if (strcmp(service->command, "smtpd") != 0)
		return DUTY_NONE;
	if (is_handover(work, service))
		return DUTY_HANDOVER;
	/* A filter's way back is told by this: it must not be filtered again. */
	if (is_on_loopback(service) &&
	    ((filter != NULL && *filter == '\0') ||
	     setup_list_has(own(work, i, "receive_override_options"), "no_header_body_checks")))
		return DUTY_RETURN;
	if (is_any(port_of(service), submission) ||
	    strcmp(own(work, i, "smtpd_sasl_auth_enable"), "yes") == 0 ||
	    strcmp(own(work, i, "milter_macro_daemon_name"), "ORIGINATING") == 0)
		return DUTY_SUBMISSION;
	return DUTY_OUTSIDE;
}

/* Its smtpd_milters are those of main.cf. */
static bool inherits(const struct plan_work *work, size_t i)
{
	return postconf_service_own_value(work->postconf, i, "smtpd_milters") == NULL;
}

bool setup_services_need_submission(const struct plan_work *work)
{
	for (size_t i = 0; i < postconf_service_count(work->postconf); i++) {
		const char *list = postconf_service_own_value(work->postconf, i, "smtpd_milters");

		if (duty_of(work, i) == DUTY_SUBMISSION &&
		    (inherits(work, i) || (list != NULL && setup_list_has(list, SETUP_SUBMISSION))))
			return true;
	}
	return false;
}

static struct setup_edit *set_option(struct plan_work *work, size_t i, const char *parameter,
                                     const char *value, const char *reason)
{
	const struct postconf_service *service = postconf_service(work->postconf, i);
	char *target = xasprintf("%s/%s/%s", service->name, service->type, parameter);
	struct setup_edit *edit = setup_plan_add(
		work->plan, SETUP_OPTION, target,
		postconf_service_own_value(work->postconf, i, parameter), value, reason);

	free(target);
	return edit;
}

/* Give the service a list of milters. postconf(1) takes no blanks in it. */
static int set_milters(struct plan_work *work, size_t i, const char *list, const char *element,
                       const char *instead, const char *reason, struct error *err)
{
	char *compact = setup_list_compact(list);
	struct setup_edit *edit;
	int rc = 0;

	if (strpbrk(compact, " \t") != NULL) {
		rc = error_set(err, ERROR_CONFIG,
		               "smtpd_milters of service %s: give the list \"%s\" a name of its "
		               "own in main.cf first",
		               postconf_service(work->postconf, i)->name, list);
	} else {
		edit = set_option(work, i, "smtpd_milters", compact, reason);
		edit->element = xstrdup(element);
		edit->instead = xstrdup(instead);
	}
	free(compact);
	return rc;
}

static int plan_outside(struct plan_work *work, size_t i, struct error *err)
{
	const char *now = own(work, i, "smtpd_milters");
	char *list;
	int rc;

	/* What has a list of its own is left alone, but for the port that mail comes in by. */
	if (inherits(work, i) || setup_has_ours(work, now) ||
	    !is_any(port_of(postconf_service(work->postconf, i)),
	            (const char *const[]){"smtp", "smtpd", "25", NULL}))
		return 0;
	list = setup_list_join(now, SETUP_MILTER);
	rc = set_milters(work, i, list, SETUP_MILTER, NULL,
	                 "mail from outside; after the milters that verify it", err);
	free(list);
	return rc;
}

static int plan_submission(struct plan_work *work, size_t i, struct error *err)
{
	const char *now = own(work, i, "smtpd_milters");
	char *list;
	int rc = 0;

	if (inherits(work, i)) {
		list = setup_list_compact(work->others);
		rc = set_milters(work, i, SETUP_SUBMISSION, SETUP_SUBMISSION, list,
		                 "mail of your people; before a milter that signs it", err);
		free(list);
	} else if (!setup_has_ours(work, now)) {
		list = setup_list_join(SETUP_MILTER, now);
		rc = set_milters(work, i, list, SETUP_MILTER, NULL,
		                 "mail of your people; before a milter that signs it", err);
		free(list);
	}
	if (rc == 0 &&
	    postconf_service_own_value(work->postconf, i, "milter_macro_daemon_name") == NULL)
		set_option(work, i, "milter_macro_daemon_name", "ORIGINATING",
		           "by this a milter that signs knows outgoing mail");
	return rc;
}

/* Mail that comes back has passed the milter before. */
static int plan_return(struct plan_work *work, size_t i, struct error *err)
{
	const char *options = postconf_service_value(work->postconf, i, "receive_override_options");
	struct setup_edit *edit;
	char *list, *compact;

	if (!inherits(work, i) || setup_list_has(options, "no_milters"))
		return 0;
	/* The others that were called here so far are called as before. */
	if (work->others[0] != '\0')
		return set_milters(work, i, work->others, NULL, NULL,
		                   "mail that comes back from a filter has passed Rejoinder before",
		                   err);
	list = setup_list_join(options, "no_milters");
	compact = setup_list_compact(list);
	edit = set_option(work, i, "receive_override_options", compact,
	                  "mail that comes back from a filter has passed Rejoinder before");
	edit->element = xstrdup("no_milters");
	free(compact);
	free(list);
	return 0;
}

/* The chroot field of new services: as the service of that program has it. */
static char chroot_like(const struct postconf *postconf, const char *command)
{
	for (size_t i = 0; i < postconf_service_count(postconf); i++)
		if (strcmp(postconf_service(postconf, i)->command, command) == 0)
			return postconf_service(postconf, i)->is_chrooted ? 'y' : 'n';
	return 'y';
}

static bool has_service(const struct postconf *postconf, const char *name)
{
	for (size_t i = 0; i < postconf_service_count(postconf); i++)
		if (strcmp(postconf_service(postconf, i)->name, name) == 0)
			return true;
	return false;
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

/* The largest message that is fetched, as it is coded on its way. */
static int64_t handover_bytes(const struct config *config)
{
	int64_t most = HANDOVER_MIN_BYTES;

	for (size_t i = 0; i < config->account_count; i++) {
		int64_t coded = config->accounts[i].max_message_bytes / 7 * 10;

		coded = (coded + MILLION - 1) / MILLION * MILLION;
		if (config->accounts[i].pop3 != NULL && coded > most)
			most = coded;
	}
	return most;
}

static void plan_handover(struct plan_work *work)
{
	int64_t most = handover_bytes(work->config);
	char host[ENDPOINT_HOST_SIZE], *name, *rest;
	uint16_t port;

	for (size_t i = 0; i < postconf_service_count(work->postconf); i++)
		if (duty_of(work, i) == DUTY_HANDOVER)
			return;
	if (endpoint_parse(work->config->submit_to, 0, host, &port) < 0)
		return;
	if (strncmp(host, "127.", 4) != 0 && strcmp(host, "::1") != 0 &&
	    strcmp(host, "localhost") != 0) {
		string_list_take(&work->plan->notes,
		                 xasprintf("submit_to of rejoinder.conf names %s: the listener for "
		                           "its mail must be there",
		                           work->config->submit_to));
		return;
	}
	name = strcmp(host, "::1") == 0
	               ? xasprintf("[::1]:%u", (unsigned)port)
	               : xasprintf("%s:%u", host[0] == 'l' ? "127.0.0.1" : host, (unsigned)port);
	rest = xasprintf("n - %c - - smtpd -o syslog_name=postfix/rejoinder"
	                 " -o smtpd_milters=" SETUP_MILTER " -o local_header_rewrite_clients="
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
		return;
	rest = xasprintf("n - %c - 0 cleanup -o message_size_limit=%" PRId64,
	                 chroot_like(work->postconf, "cleanup"), most);
	add_service(work, "rejoinder-cleanup", "unix", rest,
	            "with a limit of its own: what was fetched may be larger than your mail");
	free(rest);
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

static int plan_service(struct plan_work *work, size_t i, struct error *err)
{
	const char *name = postconf_service(work->postconf, i)->name;
	enum duty duty = duty_of(work, i);
	char *where;
	int rc;

	if (duty == DUTY_NONE)
		return 0;
	if (duty != DUTY_RETURN && duty != DUTY_HANDOVER &&
	    *postconf_service_value(work->postconf, i, "smtpd_proxy_filter") != '\0')
		return error_set(
			err, ERROR_CONFIG,
			"service %s has smtpd_proxy_filter: a filter before the queue lets "
			"no milter change mail; see rejoinder-postfix(7)",
			name);
	where = xasprintf("smtpd_milters of service %s", name);
	rc = setup_list_check(work->postconf, own(work, i, "smtpd_milters"), where, err);
	free(where);
	if (rc < 0)
		return -1;
	switch (duty) {
	case DUTY_OUTSIDE:
		return plan_outside(work, i, err);
	case DUTY_SUBMISSION:
		return plan_submission(work, i, err);
	case DUTY_RETURN:
		return plan_return(work, i, err);
	default:
		return 0;
	}
}

/* What a program cannot know, or should not do. */
static void add_notes(struct plan_work *work)
{
	bool has_submission = false, has_return = false;
	const char *filter = postconf_value(work->postconf, "content_filter");

	for (size_t i = 0; i < postconf_service_count(work->postconf); i++) {
		enum duty duty = duty_of(work, i);

		has_submission = has_submission || duty == DUTY_SUBMISSION;
		has_return = has_return || duty == DUTY_RETURN;
		if (duty == DUTY_HANDOVER && !setup_has_ours(work, own(work, i, "smtpd_milters")))
			string_list_take(
				&work->plan->notes,
				xasprintf(
					"the service %s is another one's, and submit_to of "
					"rejoinder.conf names its port: give submit_to a free one",
					postconf_service(work->postconf, i)->name));
	}
	for (size_t i = 0; i < work->config->account_count; i++) {
		const struct account *account = &work->config->accounts[i];

		if (account->is_enabled && account->token_domain != NULL)
			string_list_take(&work->plan->notes,
			                 xasprintf("every address of %s must lead to %s, which a "
			                           "catch-all alias of yours does",
			                           account->token_domain, account->address));
	}
	if (!has_submission)
		string_list_add(&work->plan->notes,
		                "there is no submission service, and a program should open no port "
		                "to the world: contrib/postfix/master.cf has one for your people");
	if (*filter != '\0' && !has_return)
		string_list_take(&work->plan->notes,
		                 xasprintf("content_filter is %s, but no listener is seen by which "
		                           "mail comes back: if it does, that needs no_milters",
		                           filter));
}

int setup_plan_services(struct plan_work *work, struct error *err)
{
	for (size_t i = 0; i < postconf_service_count(work->postconf); i++)
		if (plan_service(work, i, err) < 0)
			return -1;
	plan_handover(work);
	if (work->has_relay) {
		plan_relay(work, "rejoinder-relay", "no");
		plan_relay(work, "rejoinder-relays", "yes");
	}
	add_notes(work);
	return 0;
}
