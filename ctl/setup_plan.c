#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/setup.h"
#include "ctl/setup_lists.h"
#include "ctl/setup_plan.h"
#include "lib/base/memory.h"

#define MILTER_OPTIONS                                                                             \
	"default_action=tempfail, connect_timeout=5s, command_timeout=15s, content_timeout=%ds"
#define CONTENT_TIMEOUT_S 60 /* and more if commit_timeout comes near it */
#define CONTENT_MARGIN_S  30

struct setup_edit *setup_plan_add(struct setup_plan *plan, enum setup_kind kind, const char *target,
                                  const char *before, const char *after, const char *reason)
{
	struct setup_edit *edit;

	plan->edits = xreallocarray(plan->edits, plan->count + 1, sizeof(*plan->edits));
	edit = &plan->edits[plan->count++];
	*edit = (struct setup_edit){.kind = kind,
	                            .target = xstrdup(target),
	                            .before = xstrdup(before),
	                            .after = xstrdup(after),
	                            .reason = xstrdup(reason)};
	return edit;
}

void setup_plan_release(struct setup_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct setup_edit *edit = &plan->edits[i];

		free(edit->target);
		free(edit->before);
		free(edit->after);
		free(edit->element);
		free(edit->instead);
		free(edit->reason);
	}
	free(plan->edits);
	string_list_release(&plan->notes);
	*plan = (struct setup_plan){0};
}

void setup_facts_release(struct setup_facts *facts)
{
	string_list_release(&facts->unknown);
	string_list_release(&facts->undecided);
	free(facts->replies_map_path);
	free(facts->replies_map);
	*facts = (struct setup_facts){0};
}

const char *setup_own(const struct plan_work *work, const char *parameter)
{
	const char *value = postconf_own_value(work->postconf, parameter);

	return value != NULL ? value : "";
}

struct setup_edit *setup_set_main(struct plan_work *work, const char *parameter, const char *value,
                                  const char *reason)
{
	return setup_plan_add(work->plan, SETUP_MAIN, parameter,
	                      postconf_own_value(work->postconf, parameter), value, reason);
}

static void put_into_list(struct plan_work *work, const char *parameter, const char *value,
                          const char *element, const char *instead, const char *reason)
{
	struct setup_edit *edit = setup_set_main(work, parameter, value, reason);

	edit->element = xstrdup(element);
	edit->instead = xstrdup(instead);
}

/* A path as a chrooted daemon of Postfix must be told it, or NULL if it is not below. */
static const char *below(const char *directory, const char *path)
{
	size_t length = strlen(directory);

	while (length > 0 && directory[length - 1] == '/')
		length--;
	if (length == 0 || strncmp(path, directory, length) != 0 || path[length] != '/')
		return NULL;
	path += length;
	return path + strspn(path, "/");
}

static bool has_chroot(const struct postconf *postconf)
{
	for (size_t i = 0; i < postconf_service_count(postconf); i++) {
		const struct postconf_service *service = postconf_service(postconf, i);

		if (service->is_chrooted && (strcmp(service->command, "smtpd") == 0 ||
		                             strcmp(service->command, "cleanup") == 0 ||
		                             strcmp(service->command, "smtp") == 0))
			return true;
	}
	return false;
}

/* The path of a socket for Postfix, a heap string; NULL with *err. */
static char *socket_path(const struct postconf *postconf, const char *key, const char *path,
                         struct error *err)
{
	const char *queue = postconf_value(postconf, "queue_directory"),
		   *inside = below(queue, path);

	if (inside != NULL)
		return xstrdup(inside);
	if (!has_chroot(postconf))
		return xstrdup(path);
	error_set(
		err, ERROR_CONFIG,
		"%s of rejoinder.conf, %s, is out of reach for Postfix, which runs chrooted in %s",
		key, path, queue);
	return NULL;
}

/* Where the milter is, as Postfix spells it: the first of work->endpoints. */
static int find_endpoints(struct plan_work *work, struct error *err)
{
	const char *spelling = work->config->milter_socket, *at;
	const char *path = strchr(spelling, ':');
	char *inside;

	if (strncmp(spelling, "inet", 4) == 0 && path != NULL &&
	    (at = strchr(spelling, '@')) != NULL) {
		string_list_take(&work->endpoints,
		                 xasprintf("inet:%s:%.*s", at + 1, (int)(at - path - 1), path + 1));
		return 0;
	}
	path = path != NULL ? path + 1 : spelling;
	inside = socket_path(work->postconf, "milter_socket", path, err);
	if (inside == NULL)
		return -1;
	string_list_take(&work->endpoints, xasprintf("unix:%s", inside));
	string_list_take(&work->endpoints, xasprintf("unix:%s", path));
	free(inside);
	return 0;
}

static bool has_ours(const struct plan_work *work, const char *list)
{
	return setup_list_has(list, SETUP_MILTER) ||
	       setup_list_has_endpoint(work->postconf, list, &work->endpoints);
}

bool setup_has_ours(const struct plan_work *work, const char *list)
{
	return has_ours(work, list) || setup_list_has(list, SETUP_SUBMISSION);
}

/* A list without our milter, however it stands there. A heap string. */
static char *without_ours(const struct plan_work *work, const char *list)
{
	struct string_list elements = {0};
	char *kept = xstrdup(""), *longer;

	postconf_list_split(list, &elements);
	for (size_t i = 0; i < elements.count; i++) {
		if (has_ours(work, elements.items[i]))
			continue;
		longer = setup_list_join(kept, elements.items[i]);
		free(kept);
		kept = longer;
	}
	string_list_release(&elements);
	return kept;
}

/* Are tokens in addresses with the delimiter? */
static bool needs_delimiter(const struct config *config)
{
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled && account->is_incoming && account->token_domain == NULL)
			return true;
	}
	return config->account_count == 0;
}

static int plan_delimiter(struct plan_work *work, struct error *err)
{
	const char *wanted = work->config->delimiter;
	const char *now = postconf_value(work->postconf, "recipient_delimiter");

	if (*wanted == '\0' || !needs_delimiter(work->config) || strchr(now, *wanted) != NULL)
		return 0;
	if (*now != '\0')
		return error_set(err, ERROR_CONFIG,
		                 "recipient_delimiter of Postfix is \"%s\", delimiter of "
		                 "rejoinder.conf is \"%s\": set delimiter = %c there",
		                 now, wanted, now[0]);
	setup_set_main(work, "recipient_delimiter", wanted,
	               "replies+TOKEN@ is delivered as replies@; else every reply is refused")
		->stays = true;
	return 0;
}

static void plan_bounces(struct plan_work *work)
{
	const char *now = setup_own(work, "internal_mail_filter_classes");
	char *value;

	if (setup_list_has(now, "bounce"))
		return;
	value = setup_list_join(now, "bounce");
	put_into_list(work, "internal_mail_filter_classes", value, "bounce", NULL,
	              "bounces that Postfix writes find the conversation of what bounced");
	free(value);
}

static void plan_milter(struct plan_work *work)
{
	int64_t commit_s = work->config->commit_timeout_ms / 1000;
	char *value;

	if (setup_list_has_endpoint(work->postconf, setup_own(work, "rejoinder_milter"),
	                            &work->endpoints))
		return;
	value = xasprintf("{ %s, " MILTER_OPTIONS " }", work->endpoints.items[0],
	                  commit_s + CONTENT_MARGIN_S > CONTENT_TIMEOUT_S
	                          ? (int)commit_s + CONTENT_MARGIN_S
	                          : CONTENT_TIMEOUT_S);
	setup_set_main(work, "rejoinder_milter", value,
	               "where the milter is; while it is down the sender tries again later");
	free(value);
}

static void plan_smtpd(struct plan_work *work)
{
	const char *now = setup_own(work, "smtpd_milters");
	char *value;

	if (has_ours(work, now))
		return;
	value = setup_list_join(now, SETUP_MILTER);
	put_into_list(work, "smtpd_milters", value, SETUP_MILTER, NULL,
	              "mail from outside; after the milters that verify it");
	free(value);
}

static void plan_submission(struct plan_work *work)
{
	const char *now = postconf_own_value(work->postconf, "submission_milters");
	char *value;

	if (now != NULL && has_ours(work, now))
		return;
	if (now == NULL && !work->needs_submission)
		return;
	value = setup_list_join(SETUP_MILTER, now != NULL ? now : work->others);
	put_into_list(work, "submission_milters", value, SETUP_MILTER, NULL,
	              "mail of your people and programs; before a milter that signs it");
	free(value);
}

/* The value that non_smtpd_milters gets, a heap string, NULL if it is well. */
static char *wanted_non_smtpd(const struct plan_work *work)
{
	const char *now = setup_own(work, "non_smtpd_milters");
	char *resolved, *wanted;

	if (setup_has_ours(work, now))
		return NULL;
	/* $smtpd_milters as it was before our milter came into it. */
	resolved = setup_list_replace(now, "$smtpd_milters", work->others);
	/* Whoever signs no mail of this host goes on not to. */
	wanted = setup_list_equal(resolved, work->others) ? xstrdup(SETUP_SUBMISSION)
	                                                  : setup_list_join(SETUP_MILTER, resolved);
	free(resolved);
	return wanted;
}

static void plan_non_smtpd(struct plan_work *work, const char *wanted)
{
	const char *now = setup_own(work, "non_smtpd_milters");

	if (wanted != NULL)
		put_into_list(work, "non_smtpd_milters", wanted,
		              strcmp(wanted, SETUP_SUBMISSION) == 0 ? SETUP_SUBMISSION
		                                                    : SETUP_MILTER,
		              strcmp(wanted, SETUP_SUBMISSION) == 0 ? now : NULL,
		              "mail of sendmail(1) and bounces, in the same order");
}

/* The map's lines, each for an address that Postfix would refuse. */
static void plan_replies(struct plan_work *work, const struct setup_facts *facts)
{
	static const char heading[] =
		"# Addresses for replies that nobody else knows, added by `rejoinder setup`.  Their\n"
		"# mail goes to the owner of the conversation, and without one to whom is named here.\n";
	char *element = xasprintf("texthash:%s", facts->replies_map_path), *text, *value;
	const char *now = setup_own(work, "virtual_alias_maps");

	if (facts->unknown.count == 0)
		goto out;
	text = xstrdup(facts->replies_map != NULL ? facts->replies_map : heading);
	for (size_t i = 0; i < facts->unknown.count; i++) {
		char *longer = xasprintf("%s%s %s\n", text, facts->unknown.items[i],
		                         work->config->operator_address);

		free(text);
		text = longer;
	}
	setup_plan_add(work->plan, SETUP_FILE, facts->replies_map_path, facts->replies_map, text,
	               "the address for replies must exist, or Postfix refuses replies")
		->stays = true;
	free(text);
	if (!setup_list_has(now, element)) {
		value = setup_list_join(now, element);
		put_into_list(work, "virtual_alias_maps", value, element, NULL,
		              "Postfix takes mail for the addresses in that map");
		work->plan->edits[work->plan->count - 1].stays = true;
		free(value);
	}
out:
	free(element);
}

static bool has_relay(const struct config *config)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (config->accounts[i].is_enabled && config->accounts[i].relay != NULL)
			return true;
	return false;
}

static void set_if_absent(struct plan_work *work, const char *parameter, const char *value,
                          const char *reason)
{
	if (postconf_own_value(work->postconf, parameter) == NULL)
		setup_set_main(work, parameter, value, reason);
}

static int plan_relays(struct plan_work *work, const struct setup_facts *facts, struct error *err)
{
	const char *maps = setup_own(work, "sender_dependent_default_transport_maps");
	char *socket, *map, *value;

	work->has_relay = has_relay(work->config);
	if (!work->has_relay)
		return 0;
	socket = socket_path(work->postconf, "password_socket", work->config->password_socket, err);
	if (socket == NULL)
		return -1;
	if (!facts->has_transport_map)
		setup_plan_add(work->plan, SETUP_FILE, work->config->transport_map, NULL, NULL,
		               "which relay takes whose mail; `rejoinder postfix maps` writes it");
	map = xasprintf("texthash:%s", work->config->transport_map);
	if (!setup_list_has(maps, map)) {
		value = setup_list_join(map, maps);
		put_into_list(work, "sender_dependent_default_transport_maps", value, map, NULL,
		              "mail of an account with a relay leaves by it");
		free(value);
	}
	value = xasprintf("socketmap:unix:%s:relay", socket);
	set_if_absent(work, "rejoinder_passwords", value,
	              "where rejoinder-fetcher tells the passwords of relays");
	set_if_absent(work, "rejoinder_relay_CAfile", "/etc/ssl/certs/ca-certificates.crt",
	              "by these a relay's certificate is verified");
	set_if_absent(work, "rejoinder-relay_destination_concurrency_failed_cohort_limit", "0",
	              "an account that cannot sign in holds up no other one");
	set_if_absent(work, "rejoinder-relays_destination_concurrency_failed_cohort_limit", "0",
	              "the same for relays that speak TLS from the first byte");
	set_if_absent(work, "rejoinder-relay_destination_recipient_limit", "1",
	              "each recipient is counted against the account's daily_limit");
	set_if_absent(work, "rejoinder-relays_destination_recipient_limit", "1",
	              "the same for relays that speak TLS from the first byte");
	free(value);
	free(map);
	free(socket);
	return 0;
}

static int plan_main(struct plan_work *work, const struct setup_facts *facts, struct error *err)
{
	char *non_smtpd;

	if (setup_list_has(postconf_value(work->postconf, "receive_override_options"),
	                   "no_milters"))
		return error_set(err, ERROR_CONFIG,
		                 "receive_override_options in main.cf says no_milters: no milter "
		                 "would see any mail");
	if (plan_delimiter(work, err) < 0)
		return -1;
	plan_bounces(work);
	plan_milter(work);
	plan_smtpd(work);
	non_smtpd = wanted_non_smtpd(work);
	work->needs_submission = setup_services_need_submission(work) ||
	                         (non_smtpd != NULL && strcmp(non_smtpd, SETUP_SUBMISSION) == 0);
	plan_submission(work);
	plan_non_smtpd(work, non_smtpd);
	free(non_smtpd);
	plan_replies(work, facts);
	return plan_relays(work, facts, err);
}

/* By kind, and else as they were found: so they are shown. */
static void order(struct setup_plan *plan)
{
	struct setup_edit *ordered = xreallocarray(NULL, plan->count + 1, sizeof(*ordered));
	size_t count = 0;

	for (enum setup_kind kind = 0; kind < SETUP_KINDS; kind++)
		for (size_t i = 0; i < plan->count; i++)
			if (plan->edits[i].kind == kind)
				ordered[count++] = plan->edits[i];
	free(plan->edits);
	plan->edits = ordered;
}

int setup_plan_make(const struct postconf *postconf, const struct config *config,
                    const struct setup_facts *facts, struct setup_plan *out, struct error *err)
{
	struct plan_work work = {.postconf = postconf, .config = config, .plan = out};
	int rc = -1;

	*out = (struct setup_plan){0};
	if (setup_list_check(postconf, setup_own(&work, "smtpd_milters"), "smtpd_milters", err) <
	            0 ||
	    setup_list_check(postconf, setup_own(&work, "non_smtpd_milters"), "non_smtpd_milters",
	                     err) < 0 ||
	    find_endpoints(&work, err) < 0)
		goto out;
	work.others = without_ours(&work, setup_own(&work, "smtpd_milters"));
	if (plan_main(&work, facts, err) < 0 || setup_plan_services(&work, err) < 0)
		goto out;
	order(out);
	for (size_t i = 0; i < facts->undecided.count; i++)
		string_list_add(&out->notes, facts->undecided.items[i]);
	rc = 0;
out:
	if (rc < 0)
		setup_plan_release(out);
	string_list_release(&work.endpoints);
	free(work.others);
	return rc;
}
