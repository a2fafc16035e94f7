#include "milter/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mail/subject.h"
#include "milter/inbound.h"
#include "milter/outbound.h"

#define REFERENCE_BYTES 200
#define HOUR_S          3600

static const char *const route_names[] = {
	[ROUTE_PASS] = "pass",       [ROUTE_STRIP] = "strip",       [ROUTE_OUTBOUND] = "outbound",
	[ROUTE_TRACKED] = "tracked", [ROUTE_INTERNAL] = "internal", [ROUTE_INBOUND] = "inbound",
	[ROUTE_ALERT] = "alert",     [ROUTE_ACTION] = "action",
};

const char *route_name(enum route route)
{
	return route_names[route];
}

const char *route_status(enum route route)
{
	switch (route) {
	case ROUTE_OUTBOUND:
		return "rewritten";
	case ROUTE_TRACKED:
		return "tracked";
	case ROUTE_INTERNAL:
		return "internal";
	case ROUTE_INBOUND:
		return "tagged";
	case ROUTE_ALERT:
		return "alert";
	default:
		return "stripped";
	}
}

static bool has_fields_of_ours(const struct mail *mail)
{
	for (size_t i = 0; i < mail->header.count; i++)
		if (header_is_ours(mail->header.fields[i].name))
			return true;
	return false;
}

/* A word in front of blanks, `;` or the end, whatever its case. */
static bool says(const struct mail *mail, const char *name, const char *word)
{
	const char *value = header_get(&mail->header, name);
	size_t length = strlen(word);

	return value != NULL && strncasecmp(value, word, length) == 0 &&
	       (value[length] == '\0' || strchr(" \t\r\n;", value[length]) != NULL);
}

static bool looks_like_report(const struct mail *mail)
{
	return mail->sender[0] == '\0' || says(mail, "Content-Type", "multipart/report") ||
	       strncasecmp(mail_from(mail), "mailer-daemon@", 14) == 0 ||
	       strncasecmp(mail_from(mail), "postmaster@", 11) == 0;
}

static void ask_store(struct plan *plan, const struct mail *mail, enum route if_known)
{
	if (mail->has_own_id || mail->token_conversation != 0) {
		plan->route = if_known;
	} else if (mail->name_count > 0) {
		plan->asks_store = true;
		plan->if_known = if_known;
	}
}

static void route_outbound(struct plan *plan, const struct mail *mail)
{
	plan->reason = "somebody passes on what was written before";
	if (mail_is_passed_on(mail))
		return;
	plan->reason = "it says Rejoinder: no";
	if (says(mail, "Rejoinder", "no"))
		return;
	plan->is_opted_in = says(mail, "Rejoinder", "yes") ||
	                    header_get(&mail->header, "Rejoinder-Reference") != NULL;
	plan->account = outbound_account(mail, plan->is_opted_in, &plan->reason);
	if (plan->account != NULL && outbound_may_rewrite(mail, plan->account, &plan->reason)) {
		plan->route = ROUTE_OUTBOUND;
		plan->account_reason = plan->reason;
		plan->reason = "staff write to the outside, and an account is named for it";
		return;
	}
	plan->account = NULL;
	if (mail->is_from_inside)
		ask_store(plan, mail, ROUTE_TRACKED);
}

/*
 * The account that a message came in by: of several the first that opens conversations, and of
 * those one where a colleague can wait comes first for him.
 */
static const struct account *incoming_account(const struct mail *mail)
{
	const struct account *first = NULL;

	for (size_t i = 0; i < mail->rcpt_count && mail->is_from_inside; i++) {
		const struct account *account = mail->rcpts[i].account;
		if (account != NULL && account->opens_new && account->has_internal_customers)
			return account;
	}

	for (size_t i = 0; i < mail->rcpt_count; i++) {
		const struct account *account = mail->rcpts[i].account;
		if (account != NULL && account->opens_new)
			return account;
		if (first == NULL)
			first = account;
	}
	return first;
}

void plan_route(struct plan *plan, const struct mail *mail)
{
	bool is_staff = mail_is_trusted(mail) && mail->sender[0] != '\0';

	memset(plan, 0, sizeof(*plan));
	plan->route = has_fields_of_ours(mail) ? ROUTE_STRIP : ROUTE_PASS;
	plan->account = incoming_account(mail);
	action_read(&plan->action, mail);

	if (plan->action.is_there) {
		plan->reason = "it goes to a link of an alert, and to nobody else";
		plan->route = ROUTE_ACTION;
	} else if (mail->is_alert) {
		plan->reason = "it has the mark of our scheduler";
		plan->route = mail->has_own_id ? ROUTE_ALERT : ROUTE_STRIP;
	} else if (is_staff && mail->has_outside_rcpt) {
		route_outbound(plan, mail);
	} else if (is_staff && mail->is_from_inside && mail->has_account_rcpt) {
		plan->reason = "staff write to an account, and to nobody outside";
		plan->route = ROUTE_INTERNAL;
	} else if (is_staff && mail->is_from_inside) {
		plan->reason = "staff write to people inside only";
		ask_store(plan, mail, ROUTE_INTERNAL);
	} else if (mail_is_trusted(mail) && mail->has_outside_rcpt) {
		/* No tag leaves. */
		plan->reason = "our own side reports to the outside";
	} else if (mail->has_account_rcpt) {
		plan->reason = mail->fetched_for != NULL
		                       ? "our fetcher brings it for an account"
		                       : "a recipient is the address of an account";
		plan->route = ROUTE_INBOUND;
	} else if (looks_like_report(mail)) {
		plan->reason = "it may be a report on a message of ours";
		plan->route = ROUTE_INBOUND;
	} else {
		plan->reason = "no recipient is the address of an account";
		ask_store(plan, mail, ROUTE_INBOUND);
	}
}

/* What every route records alike. */
static void record_common(struct plan *plan, const struct mail *mail)
{
	struct record *record = &plan->record;
	const struct field *subject = header_field(&mail->header, "Subject", 1);

	if (subject != NULL)
		plan->subject = subject_decode(subject->value, subject->length, 500);
	record->config = mail->policy->config;
	record->class = mail->classification.class;
	record->rule = mail->classification.rule;
	record->received_at = mail->received_at;
	record->msgid = mail->msgid;
	record->from = mail_from(mail);
	if (mail->from.count > 0)
		plan->from_name =
			address_phrase_text(mail->from.items[0].phrase, RECORD_NAME_BYTES);
	if (plan->from_name != NULL && plan->from_name[0] != '\0')
		record->from_name = plan->from_name;
	record->subject = plan->subject;
	record->names = mail->names;
	record->name_count = mail->name_count;
	record->account = plan->account != NULL ? plan->account->name : NULL;
	record->invalid_tokens = mail->bad_tokens;
	record->arrival = mail->fetched_for != NULL ? ARRIVAL_FETCH
	                  : mail->client.is_local   ? ARRIVAL_LOCAL
	                                            : ARRIVAL_SMTP;
	record->queue_id = mail->queue_id[0] != '\0' ? mail->queue_id : NULL;
	record->client = mail->client.address;

	memcpy(plan->ids, mail->ids, mail->id_count * sizeof(plan->ids[0]));
	record->match.ids = plan->ids;
	record->match.id_count = mail->id_count;
	record->match.token_conversation = mail->token_conversation;
	record->match.further_conversation = mail->further_conversation;

	/* Believed of a trusted client only: a field from outside is a forgery. */
	if (mail_is_trusted(mail)) {
		const struct field *field = header_field(&mail->header, "Rejoinder-Reference", 1);
		if (field != NULL)
			plan->reference =
				subject_decode(field->value, field->length, REFERENCE_BYTES);
		if (plan->reference != NULL && plan->reference[0] != '\0')
			record->reference = plan->reference;
	}
	if (plan->account != NULL && plan->account->keep_text) {
		struct message message = {.header = &mail->header,
		                          .body = mail->body.data,
		                          .body_length = mail->body.length};
		plan->text = message_new_text(&message, 1024);
		record->text = plan->text;
	}
}

static const char *leaving_from(const struct plan *plan)
{
	return plan->final_from != NULL ? plan->final_from : plan->record.from;
}

void plan_make_key(unsigned char out[DIGEST_BYTES], const struct plan *plan,
                   const struct mail *mail)
{
	const char *date = header_get(&mail->header, "Date");
	char hour[24];

	record_key(out, mail->msgid, leaving_from(plan), date, plan->record.direction,
	           plan->subject, mail->body.data, mail->body.length);
	if (mail->msgid != NULL)
		return;
	/* Order confirmations of a program are alike but for whom they go to, and when. */
	for (size_t i = 0; i < mail->rcpt_count; i++)
		record_key_add(out, mail->rcpts[i].address);
	if (date == NULL) {
		snprintf(hour, sizeof(hour), "%" PRId64, mail->received_at / HOUR_S);
		record_key_add(out, hour);
	}
}

/*
 * Over the From that leaves, so that a message that passes twice (after a
 * content filter) is known again although its From was rewritten, and so is the copy
 * of it that comes back in.  One without an id has no copies: it would be a guess.
 */
static void make_keys(struct plan *plan, const struct mail *mail)
{
	const char *date = header_get(&mail->header, "Date");
	struct record *record = &plan->record;
	const char *from = leaving_from(plan);
	size_t copies = 0;

	plan_make_key(record->key, plan, mail);
	record->has_copy_keys = mail->msgid != NULL && date != NULL;
	for (int i = 0; i < DIRECTIONS && record->has_copy_keys; i++)
		if (i != (int)record->direction)
			record_key(record->copy_keys[copies++], mail->msgid, from, date,
			           (enum direction)i, plan->subject, mail->body.data,
			           mail->body.length);
}

void plan_record(struct plan *plan, const struct mail *mail)
{
	struct record *record = &plan->record;

	if (plan->route == ROUTE_ACTION) {
		action_record(&plan->action, mail, record);
		return;
	}
	record_common(plan, mail);
	if (plan->route == ROUTE_OUTBOUND || plan->route == ROUTE_TRACKED)
		outbound_record(plan, mail);
	else
		inbound_record(plan, mail);
	if (plan->route == ROUTE_ALERT)
		record->class = CLASS_NOTIFICATION;
	if (plan->route == ROUTE_STRIP)
		return;
	make_keys(plan, mail);
}

void plan_edits(const struct plan *plan, const struct mail *mail, const struct recorded *recorded,
                struct edit_list *edits)
{
	memset(edits, 0, sizeof(*edits));
	if (plan->route == ROUTE_OUTBOUND || plan->route == ROUTE_TRACKED)
		outbound_edits(plan, mail, recorded, edits);
	else if ((plan->route == ROUTE_INTERNAL || plan->route == ROUTE_INBOUND) &&
	         recorded != NULL)
		inbound_edits(plan, mail, recorded, edits);
	else if (plan->route == ROUTE_ACTION)
		action_edits(edits);
	else
		edit_delete_ours(edits, &mail->header);
}

void plan_release(struct plan *plan)
{
	free(plan->subject);
	free(plan->from_name);
	free(plan->text);
	free(plan->reference);
	free(plan->added_msgid);
	free(plan->final_from);
	free(plan->recipients);
	free(plan->counted);
	free(plan->failures);
	memset(plan, 0, sizeof(*plan));
}
