#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/postconf_expand.h"
#include "ctl/relay_map.h"
#include "ctl/setup.h"
#include "ctl/setup_lists.h"
#include "ctl/setup_plan.h"
#include "lib/base/memory.h"
#include "lib/mail/address.h"

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
	free(facts->transport_map);
	free(facts->handover_fault);
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

/* A list as it is in force: of main.cf, or its default if that says anything. */
static const char *in_force(const struct plan_work *work, const char *parameter)
{
	const char *own = postconf_own_value(work->postconf, parameter);

	if (own != NULL)
		return own;
	return *postconf_value(work->postconf, parameter) != '\0'
	               ? postconf_raw_value(work->postconf, parameter)
	               : "";
}

static void put_into_list(struct plan_work *work, const char *parameter, const char *value,
                          const char *element, const char *instead, const char *reason)
{
	struct setup_edit *edit = setup_set_main(work, parameter, value, reason);

	edit->element = xstrdup(element);
	edit->instead = xstrdup(instead);
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

/* A list with what those of its $names stand for that name our milter among others. */
static char *opened(const struct plan_work *work, const char *list)
{
	struct string_list elements = {0};
	char *open = xstrdup(""), *longer, *expanded;

	postconf_list_split(list, &elements);
	for (size_t i = 0; i < elements.count; i++) {
		const char *element = elements.items[i];

		expanded = element[0] == '$' && has_ours(work, element)
		                   ? postconf_expand(work->postconf, element)
		                   : xstrdup(element);
		longer = setup_list_join(open, expanded);
		free(expanded);
		free(open);
		open = longer;
	}
	string_list_release(&elements);
	return open;
}

/* A list without our milter, however it stands there. A heap string. */
static char *without_ours(const struct plan_work *work, const char *list)
{
	struct string_list elements = {0};
	char *kept = xstrdup(""), *longer, *open = opened(work, list);

	postconf_list_split(open, &elements);
	free(open);
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
	const char *now = in_force(work, "internal_mail_filter_classes");
	char *value;

	if (setup_list_has(now, "bounce"))
		return;
	value = setup_list_join(now, "bounce");
	put_into_list(work, "internal_mail_filter_classes", value, "bounce", NULL,
	              "bounces that Postfix writes find the conversation of what bounced");
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

/* Is ours the first milter of the list?  One that signs must not stand before it. */
static bool stands_first(const struct plan_work *work, const char *list)
{
	struct postconf_milters milters;
	bool is_first;

	postconf_milters_read(work->postconf, list, &milters);
	is_first =
		milters.count > 0 && string_list_has(&work->endpoints, milters.items[0].endpoint);
	postconf_milters_release(&milters);
	return is_first;
}

/* The value that non_smtpd_milters gets, a heap string, NULL if it is well. */
static char *wanted_non_smtpd(const struct plan_work *work)
{
	const char *now = setup_own(work, "non_smtpd_milters");
	char *resolved, *wanted;

	if (setup_has_ours(work, now) &&
	    (stands_first(work, now) || !setup_list_has(now, "$smtpd_milters")))
		return NULL;
	/* $smtpd_milters as it was before our milter came into it. */
	resolved = setup_list_replace(now, "$smtpd_milters", work->others);
	if (setup_has_ours(work, resolved)) {
		free(resolved);
		return NULL;
	}
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

static bool lacks_newline(const char *text)
{
	return text != NULL && *text != '\0' && text[strlen(text) - 1] != '\n';
}

/* What is in the map stays as it is; who was the operator then may be gone. */
static void note_other_targets(struct plan_work *work, const struct setup_facts *facts)
{
	const char *operator= work->config->operator_address;
	struct string_list lines = {0};

	relay_map_split(facts->replies_map, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		size_t length = strcspn(lines.items[i], " \t");
		const char *target = lines.items[i] + length;
		char *address = xmemdup0(lines.items[i], length);
		const struct account *account = config_account_by_address(work->config, address);

		target += strspn(target, " \t");
		if (account != NULL && account->is_incoming && !address_equal(target, operator))
			string_list_take(&work->plan->notes,
			                 xasprintf("mail to %s that nobody owns goes to %s by %s, "
			                           "but operator of rejoinder.conf is %s: if "
			                           "that is to have it, change the line",
			                           address, target,
			                           facts->replies_map_path, operator));
		free(address);
	}
	string_list_release(&lines);
}

/* The map's lines, each for an address that Postfix would refuse. */
static void plan_replies(struct plan_work *work, const struct setup_facts *facts)
{
	static const char heading[] =
		"# Addresses for replies that nobody else knows, added by `rejoinder setup`.  Their\n"
		"# mail goes to the owner of the conversation, and without one to whom is named here.\n";
	char *element = xasprintf("texthash:%s", facts->replies_map_path), *text, *value;
	const char *now = in_force(work, "virtual_alias_maps");

	if (facts->replies_map != NULL && setup_list_has(now, element))
		note_other_targets(work, facts);
	if (facts->unknown.count == 0)
		goto out;
	text = xasprintf("%s%s", facts->replies_map != NULL ? facts->replies_map : heading,
	                 lacks_newline(facts->replies_map) ? "\n" : "");
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
	const char *maps = in_force(work, "sender_dependent_default_transport_maps");
	char *socket, *map, *value, *text;

	work->has_relay = has_relay(work->config);
	map = xasprintf("texthash:%s", work->config->transport_map);
	/* Where no account has a relay any more the map must not go on naming one. */
	if (!facts->has_transport_map && (work->has_relay || setup_list_has(maps, map))) {
		text = relay_map_text(work->config);
		setup_plan_add(work->plan, SETUP_FILE, work->config->transport_map,
		               facts->transport_map, text,
		               "which relay takes whose mail; `rejoinder postfix maps` writes it");
		free(text);
	}
	socket = work->has_relay ? setup_socket_path(work->postconf, "password_socket",
	                                             work->config->password_socket, err)
	                         : NULL;
	if (socket == NULL) {
		free(map);
		return work->has_relay ? -1 : 0;
	}
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
	setup_plan_milter(work);
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
	struct plan_work work = {
		.postconf = postconf, .config = config, .facts = facts, .plan = out};
	int rc = -1;

	*out = (struct setup_plan){0};
	if (setup_list_check(postconf, setup_own(&work, "smtpd_milters"), "smtpd_milters", err) <
	            0 ||
	    setup_list_check(postconf, setup_own(&work, "non_smtpd_milters"), "non_smtpd_milters",
	                     err) < 0 ||
	    setup_find_endpoints(&work, err) < 0)
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

static int check_once(const struct plan_work *work, const char *list, const char *of,
                      struct error *err)
{
	struct postconf_milters milters;
	size_t count = 0;

	postconf_milters_read(work->postconf, list, &milters);
	for (size_t i = 0; i < milters.count; i++)
		count += string_list_has(&work->endpoints, milters.items[i].endpoint);
	postconf_milters_release(&milters);
	return count <= 1 ? 0
	                  : error_set(err, ERROR_CONFIG,
	                              "%s would call the milter %zu times, since it names another "
	                              "list that gets it too: write its milters out first",
	                              of, count);
}

int setup_plan_verify(const struct postconf *postconf, const struct config *config,
                      struct error *err)
{
	struct plan_work work = {.postconf = postconf, .config = config};
	int rc = setup_find_endpoints(&work, err);

	if (rc == 0)
		rc = check_once(&work, setup_own(&work, "non_smtpd_milters"), "non_smtpd_milters",
		                err);
	for (size_t i = 0; i < postconf_service_count(postconf) && rc == 0; i++) {
		const struct postconf_service *service = postconf_service(postconf, i);
		const char *own = postconf_service_own_value(postconf, i, "smtpd_milters");
		char *of = xasprintf("smtpd_milters of service %s", service->name);

		if (strcmp(service->command, "smtpd") == 0)
			rc = check_once(&work,
			                own != NULL ? own : setup_own(&work, "smtpd_milters"), of,
			                err);
		free(of);
	}
	string_list_release(&work.endpoints);
	return rc;
}
