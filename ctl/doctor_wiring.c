#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/doctor.h"
#include "ctl/doctor_paths.h"
#include "lib/base/buffer.h"
#include "lib/base/memory.h"

/*
 * What Postfix's configuration says of Rejoinder.  Nothing is asked but the files, so that
 * a mistake is found before Postfix is started.
 */

#define SETUP     "Run: rejoinder setup"
#define NAMES_MAX 500

/* The names of those paths that a check has picked, joined. */
struct names {
	struct buffer text;
	size_t count;
};

static void names_add(struct names *names, const char *name)
{
	if (names->count++ == 0)
		buffer_init(&names->text, NAMES_MAX);
	else
		buffer_append_text(&names->text, ", ");
	buffer_append_text(&names->text, name);
}

static void names_release(struct names *names)
{
	if (names->count > 0)
		buffer_release(&names->text);
}

static bool is_program(const struct postconf_milter *milter, const char *const *programs)
{
	const char *program = postconf_milter_program(milter->endpoint);

	for (; program != NULL && *programs != NULL; programs++)
		if (strcmp(program, *programs) == 0)
			return true;
	return false;
}

/* The admin has said that no milter is to see it: setup does not say otherwise for him. */
static const char *cure_of(const struct path *path)
{
	return path->has_no_milters ? "Take no_milters out of its receive_override_options" : SETUP;
}

/* Which of the mail that comes in never sees our milter? */
static size_t check_missing(struct doctor *doctor, const struct paths *paths)
{
	size_t count = 0, outside = 0;

	for (size_t i = 0; i < paths->count; i++)
		outside += paths->items[i].duty == DUTY_OUTSIDE && path_is_ours(&paths->items[i]);
	for (size_t i = 0; i < paths->count; i++) {
		const struct path *path = &paths->items[i];

		if (path_is_ours(path) || path->duty == DUTY_RETURN || path->duty == DUTY_HANDOVER)
			continue;
		count++;
		if (path->duty == DUTY_LOCAL)
			doctor_fail(doctor, SETUP,
			            "mail of sendmail(1) and bounces do not pass the milter: it is "
			            "not in non_smtpd_milters");
		else if (path->duty == DUTY_SUBMISSION || outside == 0 ||
		         postconf_is_port_25(postconf_service(doctor->postconf, path->service)))
			doctor_fail(
				doctor, cure_of(path),
				"mail %s does not pass the milter: it is not in smtpd_milters "
				"of service %s%s",
				path->duty == DUTY_SUBMISSION ? "of your people" : "from outside",
				path->name, path->has_no_milters ? ", which has no_milters" : "");
		else
			doctor_warn(doctor, "If customers' mail comes in there: rejoinder setup",
			            "service %s has a list of milters of its own, without ours",
			            path->name);
	}
	return count;
}

/* A signature over what is changed afterwards is broken; a verdict after us is not seen. */
static size_t check_order(struct doctor *doctor, const struct path *path)
{
	static const char *const signers[] = {"opendkim", "rspamd", NULL};
	static const char *const verifiers[] = {"opendkim", "opendmarc", "rspamd", "amavis", NULL};
	bool goes_out = path->duty == DUTY_SUBMISSION || path->duty == DUTY_LOCAL;
	size_t count = 0;

	if (!path_is_ours(path) || path->duty == DUTY_HANDOVER || path->duty == DUTY_RETURN)
		return 0;
	for (size_t i = 0; i < path->milters.count; i++) {
		const struct postconf_milter *milter = &path->milters.items[i];

		if (goes_out && i < path->our_place && is_program(milter, signers)) {
			doctor_fail(doctor, "Put our milter first in that list",
			            "%s: the milter stands after %s, which signs mail: its "
			            "signatures are broken",
			            path->name, milter->endpoint);
			count++;
		} else if (!goes_out && i > path->our_place && is_program(milter, verifiers)) {
			doctor_fail(doctor, "Put our milter last in that list",
			            "%s: the milter stands before %s, whose verdict it does not "
			            "see",
			            path->name, milter->endpoint);
			count++;
		}
	}
	return count;
}

/* By client it is decided there who passes which milters, whatever the lists say. */
static size_t check_milter_maps(struct doctor *doctor, const struct path *path)
{
	const char *maps;

	if (path->duty == DUTY_LOCAL || !path_is_ours(path))
		return 0;
	maps = postconf_service_value(doctor->postconf, path->service, "smtpd_milter_maps");
	if (*maps == '\0')
		return 0;
	if (path->duty == DUTY_HANDOVER)
		doctor_fail(doctor, SETUP,
		            "the listener %s has smtpd_milter_maps, %s: fetched mail is not tagged "
		            "if this host stands there",
		            path->name, maps);
	else
		doctor_warn(doctor, "Name $rejoinder_milter there too, where it is to see the mail",
		            "service %s has smtpd_milter_maps, %s: mail of the clients that stand "
		            "there passes the milter only if it is among theirs",
		            path->name, maps);
	return 1;
}

static void check_lists(struct doctor *doctor)
{
	struct paths paths;
	size_t count;

	paths_find(doctor->postconf, doctor->config, &paths);
	count = check_missing(doctor, &paths);
	for (size_t i = 0; i < paths.count; i++)
		count += check_order(doctor, &paths.items[i]) +
		         check_milter_maps(doctor, &paths.items[i]);
	if (count == 0)
		doctor_ok(doctor, "the milter is in all lists, at its place");
	paths_release(&paths);
}

static void check_default_action(struct doctor *doctor)
{
	struct names accept = {0}, refuse = {0};
	struct paths paths;

	paths_find(doctor->postconf, doctor->config, &paths);
	for (size_t i = 0; i < paths.count; i++) {
		const struct path *path = &paths.items[i];
		const char *action;

		if (!path_is_ours(path))
			continue;
		action = path->milters.items[path->our_place].default_action;
		if (strcmp(action, "accept") == 0)
			names_add(&accept, path->name);
		else if (strcmp(action, "tempfail") != 0 && strcmp(action, "shutdown") != 0)
			names_add(&refuse, path->name);
	}
	if (accept.count > 0)
		doctor_fail(doctor, "Say default_action=tempfail in rejoinder_milter of main.cf",
		            "accept, for our milter in %s: if it dies in the middle of a message, "
		            "Postfix takes the half-changed message",
		            accept.text.data);
	if (refuse.count > 0)
		doctor_fail(doctor, "Say default_action=tempfail in rejoinder_milter of main.cf",
		            "neither tempfail nor accept, for our milter in %s: mail is refused "
		            "while it is restarted",
		            refuse.text.data);
	if (accept.count + refuse.count == 0)
		doctor_ok(doctor, "tempfail: mail waits while the milter is down");
	names_release(&accept);
	names_release(&refuse);
	paths_release(&paths);
}

/* Is the transport of a content_filter one whose program gives mail back by sendmail(1)? */
static bool is_pipe(const struct postconf *postconf, const char *filter)
{
	size_t length = strcspn(filter, ":");

	for (size_t i = 0; i < postconf_service_count(postconf); i++) {
		const struct postconf_service *service = postconf_service(postconf, i);

		if (strlen(service->name) == length &&
		    strncmp(service->name, filter, length) == 0 &&
		    strcmp(service->type, "unix") == 0)
			return strcmp(service->command, "pipe") == 0;
	}
	return false;
}

static size_t check_path_twice(struct doctor *doctor, const struct path *path, bool is_local_ours)
{
	const char *filter =
		path->duty == DUTY_LOCAL
			? postconf_value(doctor->postconf, "content_filter")
			: postconf_service_value(doctor->postconf, path->service, "content_filter");
	size_t count = 0;

	if (path_is_ours(path) && path->our_count > 1) {
		doctor_fail(doctor, "Name it once", "%s names the milter %zu times", path->name,
		            path->our_count);
		count++;
	}
	if (path_is_ours(path) && path->duty == DUTY_RETURN) {
		doctor_fail(doctor, "Add no_milters to its receive_override_options, as setup does",
		            "service %s: mail that comes back from a filter passes the milter "
		            "again",
		            path->name);
		count++;
	}
	if (path->duty != DUTY_LOCAL && *filter != '\0' && path_is_ours(path) && is_local_ours &&
	    is_pipe(doctor->postconf, filter)) {
		doctor_warn(doctor,
		            "Let the filter give mail back by SMTP, to a listener with "
		            "no_milters",
		            "service %s: its content_filter %s is a program; if it gives mail back "
		            "by sendmail(1), it passes the milter again",
		            path->name, filter);
		count++;
	}
	return count;
}

static void check_twice(struct doctor *doctor)
{
	bool is_local_ours = false;
	struct paths paths;
	size_t count = 0;

	paths_find(doctor->postconf, doctor->config, &paths);
	for (size_t i = 0; i < paths.count; i++)
		is_local_ours = is_local_ours || (paths.items[i].duty == DUTY_LOCAL &&
		                                  path_is_ours(&paths.items[i]));
	for (size_t i = 0; i < paths.count; i++)
		count += check_path_twice(doctor, &paths.items[i], is_local_ours);
	if (count == 0)
		doctor_ok(doctor, "no mail passes the milter twice");
	paths_release(&paths);
}

/* Postfix filters such mail before it is in the queue, where a milter may change nothing. */
static void check_proxy(struct doctor *doctor)
{
	struct paths paths;
	size_t count = 0;

	paths_find(doctor->postconf, doctor->config, &paths);
	for (size_t i = 0; i < paths.count; i++) {
		const struct path *path = &paths.items[i];
		const char *filter;

		if (path->duty == DUTY_LOCAL || !path_is_ours(path))
			continue;
		filter = postconf_service_value(doctor->postconf, path->service,
		                                "smtpd_proxy_filter");
		if (*filter == '\0')
			continue;
		doctor_fail(doctor, "Let the filter work after the queue (content_filter)",
		            "service %s has smtpd_proxy_filter %s: no milter can change its mail",
		            path->name, filter);
		count++;
	}
	if (count == 0)
		doctor_ok(doctor, "no smtpd_proxy_filter keeps the milter from changing mail");
	paths_release(&paths);
}

static bool wants_delimiter(const struct config *config)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (config->accounts[i].is_enabled && config->accounts[i].is_incoming &&
		    config->accounts[i].token_domain == NULL)
			return true;
	return false;
}

static void check_delimiter(struct doctor *doctor)
{
	const char *theirs = postconf_value(doctor->postconf, "recipient_delimiter");
	const char *ours = doctor->config->delimiter;

	if (*ours == '\0')
		doctor_none(doctor, "delimiter is empty: no tokens in addresses with a detail");
	else if (!wants_delimiter(doctor->config))
		doctor_ok(doctor, "all tokens stand in domains of their own (token_domain)");
	else if (*theirs == '\0')
		doctor_fail(doctor, SETUP,
		            "Postfix has no recipient_delimiter: it refuses answers to an address "
		            "with a token");
	else if (strchr(theirs, *ours) == NULL)
		doctor_fail(doctor, "Say the same in rejoinder.conf (delimiter)",
		            "recipient_delimiter of Postfix is \"%s\", delimiter of "
		            "rejoinder.conf is \"%s\": Postfix refuses answers to an address "
		            "with a token",
		            theirs, ours);
	else
		doctor_ok(doctor, "\"%s\", in Postfix as here", ours);
}

static void check_bounces(struct doctor *doctor)
{
	const char *value = postconf_value(doctor->postconf, "internal_mail_filter_classes");
	struct string_list classes = {0};

	postconf_list_split(value, &classes);
	if (string_list_has(&classes, "bounce"))
		doctor_ok(doctor, "Postfix's own bounces pass the milter");
	else
		doctor_fail(doctor, "Run: rejoinder setup",
		            "bounces that Postfix writes itself do not pass the milter: they find "
		            "no conversation");
	string_list_release(&classes);
}

/* The largest message that is fetched, as it is coded on its way; 0: none is fetched. */
static int64_t largest_fetched(const struct config *config)
{
	int64_t most = 0;

	for (size_t i = 0; i < config->account_count; i++)
		if (config->accounts[i].is_enabled && config->accounts[i].pop3 != NULL &&
		    config->accounts[i].max_message_bytes > most)
			most = config->accounts[i].max_message_bytes;
	return most;
}

static size_t find_service(const struct postconf *postconf, const char *name)
{
	size_t i = 0;

	while (i < postconf_service_count(postconf) &&
	       strcmp(postconf_service(postconf, i)->name, name) != 0)
		i++;
	return i;
}

static size_t check_handover_size(struct doctor *doctor, const struct path *path)
{
	const struct postconf *postconf = doctor->postconf;
	const char *cleanup =
		postconf_service_value(postconf, path->service, "cleanup_service_name");
	const size_t services[] = {path->service, find_service(postconf, cleanup)};
	int64_t largest = largest_fetched(doctor->config), limit, most;
	const char *parameter = "";
	size_t count = 0;

	most = postconf_mailbox_limit(postconf, &parameter);

	for (size_t i = 0; i < 2; i++) {
		if (services[i] == postconf_service_count(postconf)) {
			doctor_fail(doctor, "Take that service from contrib/postfix/master.cf",
			            "the listener %s names the service %s, which is not there",
			            path->name, cleanup);
			count++;
			continue;
		}
		limit = strtoll(postconf_service_value(postconf, services[i], "message_size_limit"),
		                NULL, 10);
		if (most > 0 && (limit == 0 || limit > most)) {
			doctor_fail(doctor, "Run: rejoinder setup",
			            "service %s takes %" PRId64 " bytes, and %s is %" PRId64
			            ": one larger message stops delivery for all",
			            postconf_service(postconf, services[i])->name, limit, parameter,
			            most);
			count++;
			continue;
		}
		if (limit == 0 || limit >= largest)
			continue;
		doctor_warn(doctor, "Raise message_size_limit there, or lower max_message_size",
		            "service %s takes %" PRId64 " bytes, and messages of %" PRId64
		            " may be fetched",
		            postconf_service(postconf, services[i])->name, limit, largest);
		count++;
	}
	return count;
}

static void check_handover_path(struct doctor *doctor, const struct path *path)
{
	static const char rewrite[] = "local_header_rewrite_clients";
	size_t count = 0;

	if (!path_is_ours(path)) {
		doctor_fail(doctor, "Say -o smtpd_milters=$rejoinder_milter there",
		            "the listener %s does not run our milter: what is fetched is not "
		            "tagged",
		            path->name);
		count++;
	} else if (path->milters.count > path->our_count) {
		doctor_warn(doctor, "Say -o smtpd_milters=$rejoinder_milter there",
		            "the listener %s runs other milters too: mail that was fetched fails "
		            "their checks, as its client is this host",
		            path->name);
		count++;
	}
	if (!postconf_is_on_loopback(doctor->postconf,
	                             postconf_service(doctor->postconf, path->service))) {
		doctor_fail(doctor, "Put 127.0.0.1: before its port in master.cf",
		            "the listener %s can be reached from other hosts", path->name);
		count++;
	}
	if (*postconf_service_value(doctor->postconf, path->service, rewrite) != '\0') {
		doctor_warn(doctor, "Say -o local_header_rewrite_clients= there",
		            "the listener %s completes addresses of fetched mail with your own "
		            "domain",
		            path->name);
		count++;
	}
	count += check_handover_size(doctor, path);
	if (count == 0)
		doctor_ok(doctor, "%s runs our milter, for this host only", path->name);
}

static void check_handover(struct doctor *doctor)
{
	bool is_there = false;
	struct paths paths;

	if (!paths_submit_is_here(doctor->config)) {
		doctor_none(doctor, "submit_to names another host, %s", doctor->config->submit_to);
		return;
	}
	paths_find(doctor->postconf, doctor->config, &paths);
	for (size_t i = 0; i < paths.count; i++) {
		if (paths.items[i].duty != DUTY_HANDOVER)
			continue;
		is_there = true;
		check_handover_path(doctor, &paths.items[i]);
	}
	if (!is_there)
		doctor_fail(doctor, SETUP,
		            "there is no listener %s, where fetched mail and alerts are handed in",
		            doctor->config->submit_to);
	paths_release(&paths);
}

static void check_relay_services(struct doctor *doctor)
{
	static const char *const services[] = {[RELAY_SCHEME_STARTTLS] = "rejoinder-relay",
	                                       [RELAY_SCHEME_TLS] = "rejoinder-relays"};
	const char *maps =
		postconf_value(doctor->postconf, "sender_dependent_default_transport_maps");
	bool is_wanted[2] = {false, false};
	size_t relays = 0, count = 0;

	for (size_t i = 0; i < doctor->config->account_count; i++) {
		const struct account *account = &doctor->config->accounts[i];
		char host[ENDPOINT_HOST_SIZE];
		enum relay_scheme scheme;
		uint16_t port;

		if (!account->is_enabled || config_relay(account, &scheme, host, &port) != 1)
			continue;
		is_wanted[scheme] = true;
		relays++;
	}
	for (size_t i = 0; i < 2; i++) {
		if (!is_wanted[i] || find_service(doctor->postconf, services[i]) <
		                             postconf_service_count(doctor->postconf))
			continue;
		doctor_fail(doctor, SETUP, "Postfix has no service %s for the relays of accounts",
		            services[i]);
		count++;
	}
	if (relays > 0 && strstr(maps, doctor->config->transport_map) == NULL) {
		doctor_fail(doctor, SETUP,
		            "sender_dependent_default_transport_maps does not name %s: mail of "
		            "accounts with a relay leaves by another way",
		            doctor->config->transport_map);
		count++;
	}
	if (relays == 0)
		doctor_none(doctor, "no account has a relay");
	else if (count == 0)
		doctor_ok(doctor, "Postfix has what the relays of %zu account%s need", relays,
		          relays == 1 ? "" : "s");
}

const struct doctor_check *doctor_wiring_checks(void)
{
	static const struct doctor_check checks[] = {
		{"lists", check_lists},
		{"default_action", check_default_action},
		{"twice", check_twice},
		{"proxy", check_proxy},
		{"delimiter", check_delimiter},
		{"bounces", check_bounces},
		{"hand-over", check_handover},
		{"relays", check_relay_services},
		{NULL, NULL},
	};

	return checks;
}
