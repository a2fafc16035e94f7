#include "milter/inbound.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"
#include "lib/conversation/token.h"
#include "lib/mail/auth.h"
#include "lib/mail/program.h"
#include "milter/acknowledge.h"
#include "milter/token_address.h"

static bool is_report(enum message_class class)
{
	return class == CLASS_BOUNCE || class == CLASS_RECEIPT || class == CLASS_COMPLAINT;
}

/* What a report returns are further clues: our token in an address, our id or a stored one among its ids. */
static void add_returned_ids(struct plan *plan, const struct mail *mail)
{
	const struct classification *report = &mail->classification;
	const struct config *config = mail->policy->config;
	struct match_input *match = &plan->record.match;
	size_t count = report->returned_ids.count;

	for (size_t i = 0; i <= count && match->id_count < MATCH_IDS_MAX; i++) {
		struct match_id *id = &plan->ids[match->id_count];
		const char *msgid =
			i == 0 ? report->original_msgid : report->returned_ids.items[count - i];

		if (msgid == NULL)
			continue;
		*id = (struct match_id){.msgid = msgid, .source = MATCH_FROM_REPORT};
		if (token_verify_msgid(&mail->policy->keys, msgid, config->domains.items,
		                       config->domains.count, mail->received_at,
		                       config->token_lifetime_s,
		                       &id->own_conversation) != TOKEN_VALID)
			id->own_conversation = 0;
		match->id_count++;
	}
	for (size_t i = 0; i < report->returned_addresses.count && match->report_conversation == 0;
	     i++) {
		struct token_address found;

		token_address_read(&found, mail->policy, report->returned_addresses.items[i],
		                   mail->received_at);
		match->report_conversation = found.conversation;
	}
}

static void record_failures(struct plan *plan, const struct mail *mail)
{
	const struct classification *report = &mail->classification;
	struct record *record = &plan->record;

	record->original_msgid = report->original_msgid;
	plan->failures =
		xreallocarray(NULL, report->recipient_count + 1, sizeof(plan->failures[0]));
	for (size_t i = 0; i < report->recipient_count; i++) {
		const struct report_recipient *recipient = &report->recipients[i];
		plan->failures[i] = (struct record_failure){.recipient = recipient->address,
		                                            .action = recipient->action,
		                                            .status = recipient->status,
		                                            .diagnostic = recipient->diagnostic,
		                                            .original = recipient->original};
	}
	record->failures = plan->failures;
	record->failure_count = report->recipient_count;
}

/*
 * Who wrote it: of a customer's mail whose From nobody can read, whoever sent it.  He waits all the
 * same, and an answer reaches him.
 */
static const char *author_of(const struct plan *plan, const struct mail *mail)
{
	bool is_unreadable = mail->from.count == 0 && plan->route == ROUTE_INBOUND &&
	                     !config_is_inside(mail->policy->config, mail->sender);

	return is_unreadable ? mail->sender : mail_from(mail);
}

void inbound_record(struct plan *plan, const struct mail *mail)
{
	const struct config *config = mail->policy->config;
	struct record *record = &plan->record;
	const char *from = author_of(plan, mail);
	bool is_person = from[0] != '\0' && config_account_by_address(config, from) == NULL;
	bool is_human = class_is_human(record->class) && plan->route != ROUTE_ALERT;

	record->from = from;
	record->direction = plan->route == ROUTE_INBOUND ? DIRECTION_IN : DIRECTION_INTERNAL;
	/* An answer to an address of ours would not reach the customer. */
	record->reply_to = mail->outside_reply_to;
	record->match.may_open =
		plan->account != NULL && plan->account->opens_new && !is_report(record->class);
	if (plan->account != NULL && plan->route != ROUTE_ALERT)
		record->reference_type = plan->account->reference_type;
	if (record->direction == DIRECTION_IN && is_human && is_person && !mail->is_from_inside &&
	    !mail->is_calendar_answer) {
		record->starts_wait = true;
		record->reopens = true;
	}
	record->answers_colleagues =
		plan->route == ROUTE_INTERNAL && is_human && !address_is_program(mail_from(mail));
	record->asks_as_colleague = record->answers_colleagues && is_person;
	/* Our verifiers never saw fetched mail: whoever wrote it could write their name. */
	if (config->authserv_id != NULL)
		record->auth = mail->fetched_for != NULL
		                       ? "none"
		                       : auth_verdict(&mail->header, config->authserv_id);
	record->acknowledged_to = acknowledge_recipient(plan, mail);
	if (is_report(record->class)) {
		add_returned_ids(plan, mail);
		if (record->class == CLASS_BOUNCE)
			record_failures(plan, mail);
	}

	plan->recipients = xreallocarray(NULL, mail->rcpt_count + 1, sizeof(plan->recipients[0]));
	for (size_t i = 0; i < mail->rcpt_count; i++)
		if (mail->rcpts[i].address[0] != '\0')
			plan->recipients[record->recipient_count++] = mail->rcpts[i].address;
	record->recipients = plan->recipients;
}

static void edit_tag(const struct plan *plan, const struct recorded *recorded,
                     struct edit_list *edits)
{
	bool is_found = recorded->status == 0;
	char conversation[CONVERSATION_ID_SIZE];
	char *class;

	/* Each goes to the top, so the last one here is the first to be read. */
	if (is_found && recorded->related != 0) {
		conversation_id_format(recorded->related, conversation);
		edit_insert_field(edits, "Rejoinder-Related", conversation);
	}
	if (is_found && recorded->reference_type != NULL)
		edit_insert_field(edits, "Rejoinder-Reference-Type", recorded->reference_type);
	if (is_found && recorded->reference != NULL)
		edit_insert_field(edits, "Rejoinder-Reference", recorded->reference);
	if (is_found && recorded->owner != NULL)
		edit_insert_field(edits, "Rejoinder-Owner", recorded->owner);
	if (plan->record.auth != NULL)
		edit_insert_field(edits, "Rejoinder-Auth", plan->record.auth);
	if (is_found)
		edit_insert_field(edits, "Rejoinder-Sender",
		                  recorded->is_known_sender ? "known" : "stranger");
	class = is_found ? xasprintf("%s; rule=%s", class_name(recorded->class), recorded->rule)
	                 : xasprintf("%s; rule=%s", class_name(plan->record.class),
	                             plan->record.rule);
	edit_insert_field(edits, "Rejoinder-Class", class);
	free(class);
	edit_insert_field(edits, "Rejoinder-Match",
	                  match_reason_name(is_found ? recorded->reason : MATCH_NONE));
	if (is_found) {
		conversation_id_format(recorded->conversation, conversation);
		edit_insert_field(edits, "Rejoinder-Conversation", conversation);
	}
}

/* An owner who became an account since has a way of his own for what comes to him. */
static bool may_get(const struct config *config, const char *owner)
{
	const char *detail;
	size_t detail_length;

	return config_is_staff(config, owner) &&
	       config_incoming_for_rcpt(config, owner, &detail, &detail_length) == NULL;
}

/*
 * Does a recipient stand for the conversation?  For who is outside each address of an
 * account does; a colleague who writes to the bare address means whoever reads it, whatever
 * thread his client names.
 */
static bool is_of_conversation(const struct mail *mail, const struct rcpt *rcpt)
{
	return rcpt->account != NULL &&
	       (rcpt->conversation != 0 || !mail_is_trusted(mail) || !mail->is_from_inside);
}

/* Is a recipient to be delivered to the owner (and not, or not only, where it is addressed)? */
static bool goes_to_owner(const struct mail *mail, const struct rcpt *rcpt, const char *owner)
{
	return owner != NULL && is_of_conversation(mail, rcpt) &&
	       (rcpt->account->deliver == DELIVER_OWNER || rcpt->account->deliver == DELIVER_BOTH);
}

/*
 * Does a recipient stay in the envelope?  One who is the owner himself does: to
 * add and to delete him would leave nobody.  A token of another conversation
 * too, whose owner is not known here.
 */
static bool stays(const struct mail *mail, const struct rcpt *rcpt, const char *owner,
                  int64_t conversation)
{
	if (rcpt->account == NULL)
		return true;
	if (!is_of_conversation(mail, rcpt))
		return rcpt->account->deliver != DELIVER_NONE;
	switch (rcpt->account->deliver) {
	case DELIVER_OWNER:
		return owner == NULL || address_equal(rcpt->address, owner) ||
		       (rcpt->conversation != 0 && rcpt->conversation != conversation);
	case DELIVER_NONE:
		return false;
	default:
		return true;
	}
}

static void edit_recipients(const struct mail *mail, const char *owner, int64_t conversation,
                            struct edit_list *edits)
{
	bool has_owner = false, needs_owner = false;
	size_t remaining = mail->rcpts_ignored;

	for (size_t i = 0; i < mail->rcpt_count; i++) {
		const struct rcpt *rcpt = &mail->rcpts[i];
		if (goes_to_owner(mail, rcpt, owner))
			needs_owner = true;
		if (!stays(mail, rcpt, owner, conversation))
			continue;
		remaining++;
		if (address_equal(rcpt->address, owner))
			has_owner = true;
	}
	/* The new one before the old one goes: half of it is a copy too many, never a loss. */
	if (needs_owner && !has_owner) {
		edit_add_rcpt(edits, owner);
		remaining++;
	}
	edits->is_discard = remaining == 0;
	for (size_t i = 0; i < mail->rcpt_count && remaining > 0; i++)
		if (!stays(mail, &mail->rcpts[i], owner, conversation))
			edit_delete_rcpt(edits, mail->rcpts[i].given);
}

static bool has_recipient(const struct mail *mail, const char *address)
{
	for (size_t i = 0; i < mail->rcpt_count; i++)
		if (address_equal(mail->rcpts[i].address, address))
			return true;
	return false;
}

/*
 * Staff wrote to the token and to somebody else: the token has done its work.  For whoever wrote it
 * there it stood for the owner, who gets it unless he does anyhow, or it is his own.
 */
static bool drop_tokens(const struct plan *plan, const struct mail *mail, const char *owner,
                        struct edit_list *edits)
{
	size_t tokens = 0;

	if (plan->route != ROUTE_INTERNAL || mail->token_conversation == 0)
		return false;
	for (size_t i = 0; i < mail->rcpt_count; i++)
		tokens += mail->rcpts[i].conversation != 0;
	if (tokens == mail->rcpt_count && mail->rcpts_ignored == 0)
		return false;
	if (owner != NULL && tokens > 0 && !address_equal(owner, mail_from(mail)) &&
	    !has_recipient(mail, owner))
		edit_add_rcpt(edits, owner);
	for (size_t i = 0; i < mail->rcpt_count; i++)
		if (mail->rcpts[i].conversation != 0)
			edit_delete_rcpt(edits, mail->rcpts[i].given);
	return true;
}

void inbound_edits(const struct plan *plan, const struct mail *mail,
                   const struct recorded *recorded, struct edit_list *edits)
{
	const char *owner = recorded->owner;
	bool is_for_us = recorded->status == 0 || mail->has_account_rcpt;

	edit_delete_ours(edits, &mail->header);
	/* local(8) would take the mailbox's own field for a loop. */
	if (mail->fetched_for != NULL)
		edit_delete_fields(edits, &mail->header, "Delivered-To");
	if (is_for_us)
		edit_tag(plan, recorded, edits);
	if (recorded->status != 0 || mail->sender[0] == '\0' || is_report(recorded->class))
		return;
	if (owner != NULL && !may_get(mail->policy->config, owner))
		owner = NULL;
	if (!drop_tokens(plan, mail, owner, edits))
		edit_recipients(mail, owner, recorded->conversation, edits);
}
