#include "milter/outbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/digest.h"
#include "lib/base/memory.h"
#include "lib/base/pattern.h"
#include "lib/conversation/token.h"
#include "lib/mail/address.h"
#include "lib/mail/program.h"
#include "lib/mail/subject.h"
#include "milter/limit.h"

#define FROM_FIELDS_READ 10
#define AUTHORS_READ     10

#define REFERENCES_BYTES 60000 /* of ids that we write: what Postfix takes for a field */

/* Fields in which a client or server tells who really wrote. */
static const char *const revealing_fields[] = {
	"Autocrypt",
	"Disposition-Notification-To",
	"Errors-To",
	"Mail-Followup-To",
	"Mail-Reply-To",
	"Return-Receipt-To",
	"Sender",
	"X-Authenticated-Sender",
	"X-Authentication-Warning",
	"X-Confirm-Reading-To",
	"X-Envelope-From",
	"X-Get-Message-Sender-Via",
	"X-Google-Original-From",
	"X-Original-From",
	"X-Original-Sender",
	"X-Originating-Email",
	"X-Return-Path",
	"X-Sender",
};

static const struct account *account_of(const struct config *config, const char *from,
                                        bool is_opted_in, const char **reason_out)
{
	const struct account *own = config_account_by_address(config, from), *by_default;

	*reason_out = "its From is the account's address";
	if (own != NULL && own->is_outgoing)
		return own;
	*reason_out = "the account's senders name its author";
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		if (account->is_enabled && account->is_outgoing &&
		    pattern_list_matches(&account->senders, from) &&
		    !pattern_list_matches(&account->exclude_senders, from))
			return account;
	}
	if (own != NULL)
		*reason_out = "its From is an incoming account's, so the default one is taken";
	else if (is_opted_in)
		*reason_out = "a field in it asks for an account, so the default one is taken";
	else if (pattern_list_matches(&config->senders, from))
		*reason_out = "senders of [rejoinder] name its author, so the default one is taken";
	else
		*reason_out = "no account names its author: left as it is";
	if (own == NULL && !is_opted_in && !pattern_list_matches(&config->senders, from))
		return NULL;
	by_default = config_default_outgoing(config, address_domain(from));
	if (by_default == NULL)
		*reason_out = "no account is the default outgoing one of its author's domain";
	return by_default;
}

const struct account *outbound_account(const struct mail *mail, bool is_opted_in,
                                       const char **reason_out)
{
	*reason_out = "it has not one author in one From";
	if (!mail->has_one_author)
		return NULL;
	return account_of(mail->policy->config, mail_from(mail), is_opted_in, reason_out);
}

/* The name of a field that stands there more often than its surplus can be removed, or NULL. */
static const char *endless_field(const struct header *header)
{
	static const char *const rewritten[] = {"Message-ID", "References", "Reply-To"};

	for (size_t i = 0; i < sizeof(rewritten) / sizeof(rewritten[0]); i++)
		if (header_count(header, rewritten[i]) > EDIT_DELETIONS_MAX)
			return rewritten[i];
	for (size_t i = 0; i < sizeof(revealing_fields) / sizeof(revealing_fields[0]); i++)
		if (header_count(header, revealing_fields[i]) > EDIT_DELETIONS_MAX)
			return revealing_fields[i];
	return NULL;
}

/* Could one who wrote the message, as far as that can be read, have it rewritten? */
static bool is_author_named(const struct mail *mail, bool is_opted_in)
{
	const struct config *config = mail->policy->config;
	bool has_author = false, is_named = false;
	const char *reason;

	for (unsigned i = 1; i <= FROM_FIELDS_READ; i++) {
		const struct field *field = header_field(&mail->header, "From", i);
		struct address_list authors;

		if (field == NULL)
			continue;
		address_list_parse(&authors, field->value, field->length, AUTHORS_READ);
		for (size_t j = 0; j < authors.count; j++) {
			has_author = true;
			if (account_of(config, authors.items[j].address, is_opted_in, &reason) !=
			    NULL)
				is_named = true;
		}
		address_list_release(&authors);
	}
	return has_author ? is_named
	                  : account_of(config, mail->sender, is_opted_in, &reason) != NULL;
}

bool outbound_is_unreadable(const struct plan *plan, const struct mail *mail,
                            char reason[OUTBOUND_REASON_SIZE])
{
	unsigned from_count = header_count(&mail->header, "From");
	const char *endless = endless_field(&mail->header);
	const char *wish = header_get(&mail->header, "Rejoinder");

	if (plan->route == ROUTE_OUTBOUND || plan->route == ROUTE_ALERT || !mail_is_trusted(mail) ||
	    mail->sender[0] == '\0' || !mail->has_outside_rcpt || mail_is_passed_on(mail) ||
	    (wish != NULL && strncasecmp(wish, "no", 2) == 0))
		return false;
	if (from_count > 1)
		snprintf(reason, OUTBOUND_REASON_SIZE, "it has %u From fields", from_count);
	else if (mail->from.count > 1)
		snprintf(reason, OUTBOUND_REASON_SIZE, "its From names several authors");
	else if (mail->from.count == 0)
		snprintf(reason, OUTBOUND_REASON_SIZE, "its From names nobody");
	else if (endless != NULL)
		snprintf(reason, OUTBOUND_REASON_SIZE, "it has over %d %s fields",
		         EDIT_DELETIONS_MAX, endless);
	else
		return false;
	return is_author_named(mail, plan->is_opted_in);
}

bool outbound_may_rewrite(const struct mail *mail, const struct account *account,
                          const char **reason_out)
{
	const struct config *config = mail->policy->config;
	const char *from = mail_from(mail), *why = NULL;

	if (pattern_list_matches(&config->exclude_senders, from) ||
	    pattern_list_matches(&account->exclude_senders, from))
		why = "exclude_senders name its author";
	for (size_t i = 0; i < mail->rcpt_count; i++)
		if (pattern_list_matches(&config->exclude_recipients, mail->rcpts[i].address) ||
		    pattern_list_matches(&account->exclude_recipients, mail->rcpts[i].address))
			why = "exclude_recipients name one of its recipients";
	if (why == NULL && endless_field(&mail->header) != NULL)
		why = "a field stands in it more often than it could be removed";
	if (why == NULL && !account->replies_always && mail->outside_reply_to != NULL)
		why = "its Reply-To leads to an address outside";
	if (why != NULL)
		*reason_out = why;
	return why == NULL;
}

/*
 * The account whose address answers are to go to, or NULL: then to *bare_out,
 * an address that is no incoming account's, unless that is NULL too.
 */
static const struct account *replies_account(const struct plan *plan, const struct mail *mail,
                                             const char **bare_out)
{
	const struct config *config = mail->policy->config;
	const struct account *leaving = plan->account, *account = NULL;
	const char *detail;
	size_t detail_length;

	*bare_out = NULL;
	if (mail->reply_to != NULL && !leaving->replies_always)
		account = config_incoming_for_rcpt(config, mail->reply_to, &detail, &detail_length);
	if (account != NULL)
		return account;
	if (leaving->reply_to_address != NULL) {
		account = config_account_by_address(config, leaving->reply_to_address);
		if (account != NULL && account->is_incoming)
			return account;
		*bare_out = leaving->reply_to_address;
		return NULL;
	}
	if (leaving->is_incoming)
		return leaving;
	/* Nobody is the default of a service's domain. */
	return config_default_incoming(config, config_has_domain(config, leaving->domain)
	                                               ? leaving->domain
	                                               : address_domain(mail_from(mail)));
}

/* Is there a recipient whose server refuses a Reply-To that differs from From? */
static bool refuses_reply_to(const struct plan *plan, const struct mail *mail)
{
	for (size_t i = 0; i < mail->rcpt_count; i++)
		if (pattern_list_matches(&plan->account->no_reply_to_for, mail->rcpts[i].address))
			return true;
	return false;
}

/* Machine mail of our own side is what an ERP sends on its own. */
static enum message_class outbound_class(const struct mail *mail)
{
	const char *auto_submitted = header_get(&mail->header, "Auto-Submitted");

	if (mail->classification.class == CLASS_AUTO_REPLY && auto_submitted != NULL &&
	    strncasecmp(auto_submitted, "auto-replied", 12) != 0)
		return CLASS_NOTIFICATION;
	return mail->classification.class;
}

/* Addresses that programs write from, whatever their mail looks like. */
/* Answers go to people: not to an account, which has its own way, and not to a program. */
static bool may_own(const struct config *config, const char *from)
{
	const char *detail;
	size_t detail_length;

	return !address_is_program(from) && config_account_by_address(config, from) == NULL &&
	       config_incoming_for_rcpt(config, from, &detail, &detail_length) == NULL;
}

static bool is_untouchable(const struct mail *mail)
{
	switch (mail->classification.class) {
	case CLASS_LIST:
	case CLASS_BOUNCE:
	case CLASS_RECEIPT:
	case CLASS_COMPLAINT:
		return true;
	default:
		return false;
	}
}

/*
 * What holds an invitation is left as it is, since calendars go by who sent it; but it answers
 * whoever waits, and belongs to its conversation.
 */
static void leave_invitation(struct plan *plan, const struct mail *mail)
{
	if (!mail->has_calendar || plan->route != ROUTE_OUTBOUND)
		return;
	plan->route = ROUTE_TRACKED;
	plan->reason = "invitations are left as they are";
	plan->account = NULL;
	plan->record.account = NULL;
}

void outbound_record(struct plan *plan, const struct mail *mail)
{
	const struct config *config = mail->policy->config;
	struct record *record = &plan->record;
	const char *from = mail_from(mail);
	bool is_human;

	if (is_untouchable(mail)) {
		plan->route = ROUTE_STRIP;
		plan->reason = "list mail and reports are left as they are";
		return;
	}
	leave_invitation(plan, mail);
	record->direction = DIRECTION_OUT;
	record->class = outbound_class(mail);
	is_human = class_is_human(record->class);
	record->match.is_outbound = true;
	record->match.may_open = plan->route == ROUTE_OUTBOUND;
	record->adds_participants = true;
	record->ends_waits = is_human && !address_is_program(from);
	if (is_human && mail->is_from_inside && may_own(config, from))
		record->owner = from;

	plan->recipients = xreallocarray(NULL, mail->rcpt_count + 1, sizeof(plan->recipients[0]));
	for (size_t i = 0; i < mail->rcpt_count; i++)
		if (mail->rcpts[i].account == NULL && mail->rcpts[i].address[0] != '\0')
			plan->recipients[record->recipient_count++] = mail->rcpts[i].address;
	record->recipients = plan->recipients;
	if (plan->route == ROUTE_OUTBOUND)
		limit_record(plan, mail);

	if (plan->account != NULL && plan->account->from != FROM_KEEP)
		plan->final_from = xstrdup(plan->account->address);
	if (plan->route == ROUTE_OUTBOUND && mail->msgid == NULL) {
		/* Of the key, so that the same message gets the same id when it is sent again. */
		char unique[25];
		plan_make_key(record->key, plan, mail);
		base32_encode(record->key, 15, unique);
		plan->added_msgid =
			xasprintf("<%s@%s>", unique, config_id_domain(config, plan->account));
		record->msgid = plan->added_msgid;
	}
}

/*
 * The name that stands beside an address.  Clients that know no name write the
 * address in its place, which would tell who wrote under an account.
 */
static char *author_phrase(const struct account *account, const struct mail *mail)
{
	const char *phrase = mail->from.items[0].phrase;
	char *decoded;
	bool has_address;

	if (account->from == FROM_KEEP)
		return address_phrase_ascii(phrase);
	decoded = subject_decode(phrase, strlen(phrase), 500);
	has_address = strchr(decoded, '@') != NULL;
	free(decoded);
	return account->from == FROM_NAME || has_address ? address_phrase(account->display_name)
	                                                 : address_phrase_ascii(phrase);
}

/* Where answers to a conversation go: the account's address, with a token where it takes one. */
static char *reply_address(const struct plan *plan, const struct mail *mail,
                           const struct account *replies, const struct recorded *recorded)
{
	const struct config *config = mail->policy->config;
	const char *domain = replies->domain;
	char token[TOKEN_SIZE];

	if (replies->token_domain != NULL)
		domain = replies->token_domain;
	/* Where answers arrive decides too: its service may know no sub-addresses. */
	if (plan->account->reply_to != REPLY_TO_TOKEN || replies->reply_to == REPLY_TO_PLAIN ||
	    (replies->token_domain == NULL && config->delimiter[0] == '\0'))
		return xstrdup(replies->address);
	token_make(token, &mail->policy->keys, recorded->conversation, recorded->first_received_at,
	           domain);
	if (replies->token_domain != NULL)
		return xasprintf("%s@%s", token, domain);
	return xasprintf("%.*s%s%s@%s", (int)(strlen(replies->address) - strlen(domain) - 1),
	                 replies->address, config->delimiter, token, domain);
}

static void edit_reply_to(const struct plan *plan, const struct mail *mail,
                          const struct recorded *recorded, const struct account *replies,
                          const char *bare, struct edit_list *edits)
{
	char *address, *phrase, *value;

	if ((replies == NULL && bare == NULL) || plan->account->reply_to == REPLY_TO_KEEP ||
	    refuses_reply_to(plan, mail))
		return;
	address = replies != NULL ? reply_address(plan, mail, replies, recorded) : xstrdup(bare);
	phrase = author_phrase(plan->account, mail);
	value = address_format(phrase, address, strlen("Reply-To"));
	edit_make_field(edits, &mail->header, "Reply-To", value);
	free(value);
	free(phrase);
	free(address);
}

static void edit_from(const struct plan *plan, const struct mail *mail, struct edit_list *edits)
{
	const struct account *account = plan->account;
	char *phrase, *value;

	if (account->envelope_from == ENVELOPE_ACCOUNT)
		edit_set_sender(edits, account->address);
	if (account->from == FROM_KEEP)
		return;
	phrase = author_phrase(account, mail);
	value = address_format(phrase, account->address, strlen("From"));
	edit_make_field(edits, &mail->header, "From", value);
	free(value);
	free(phrase);
	for (size_t i = 0; i < sizeof(revealing_fields) / sizeof(revealing_fields[0]); i++)
		edit_delete_fields(edits, &mail->header, revealing_fields[i]);
}

/* Can the only References be repeated as it was folded, in lines of 998 (RFC 5322 2.1.1)? */
static bool is_well_folded(const struct field *field)
{
	size_t line = strlen("References: ");

	for (size_t i = 0; i < field->length; i++) {
		if (field->value[i] == '\r')
			return false;
		line = field->value[i] == '\n' ? 0 : line + 1;
		if (line > 998 || (line == 0 && strspn(field->value + i + 1, " \t") ==
		                                        strcspn(field->value + i + 1, "\r\n")))
			return false;
	}
	return true;
}

/* Append ids, a line each: all of them, or of very many the nearest. Is the own one among them? */
static bool append_ids(struct buffer *value, const struct string_list *ids, const char *own)
{
	size_t first = ids->count, bytes = 0;
	bool has_own = false;

	while (first > 0 && bytes + strlen(ids->items[first - 1]) + 2 <= REFERENCES_BYTES)
		bytes += strlen(ids->items[--first]) + 2;
	for (size_t i = first; i < ids->count; i++) {
		(void)buffer_printf(value, "\n\t%s", ids->items[i]);
		has_own = has_own || (own != NULL && strcmp(own, ids->items[i]) == 0);
	}
	return has_own;
}

/*
 * Our id goes to the root of the thread.  Where a client sent In-Reply-To alone,
 * what it answers follows, since readers prefer References once there are any.
 */
static void edit_references(const struct mail *mail, const char *domain,
                            const struct recorded *recorded, struct edit_list *edits)
{
	const struct field *references = header_field(&mail->header, "References", 1);
	unsigned count = header_count(&mail->header, "References");
	const char *own = NULL;
	char token[TOKEN_SIZE], *id;
	struct buffer rest;

	for (size_t i = 0; i < mail->id_count && own == NULL; i++)
		if (mail->ids[i].own_conversation == recorded->conversation &&
		    string_list_has(&mail->references, mail->ids[i].msgid))
			own = mail->ids[i].msgid;
	if (own != NULL && count == 1)
		return;
	token_make(token, &mail->policy->keys, recorded->conversation, recorded->first_received_at,
	           domain);
	id = xasprintf("<%s@%s>", token, domain);
	buffer_init(&rest, HEADER_VALUE_MAX + 1024);
	if (count == 0)
		append_ids(&rest, &mail->in_reply_to, NULL);
	else if (count == 1 && references != NULL && is_well_folded(references))
		(void)buffer_printf(&rest, "%s%s", references->length > 0 ? "\n\t" : "",
		                    references->value);
	else if (append_ids(&rest, &mail->references, own))
		id[0] = '\0';
	/* What follows nothing begins without the fold. */
	if (id[0] == '\0') {
		edit_make_field(edits, &mail->header, "References", rest.data + strlen("\n\t"));
	} else {
		char *value = xasprintf("%s%s", id, rest.data);
		edit_make_field(edits, &mail->header, "References", value);
		free(value);
	}
	buffer_release(&rest);
	free(id);
}

/* Only in the envelope: nobody else is to see who gets a copy. */
static void add_copies(const struct account *account, const struct mail *mail,
                       struct edit_list *edits)
{
	for (size_t i = 0; i < account->bcc.count; i++) {
		const char *address = account->bcc.items[i];
		bool is_there = false;

		for (size_t j = 0; j < mail->rcpt_count && !is_there; j++)
			is_there = address_equal(mail->rcpts[j].address, address);
		for (size_t j = 0; j < i && !is_there; j++)
			is_there = address_equal(account->bcc.items[j], address);
		if (!is_there)
			edit_add_rcpt(edits, address);
	}
}

void outbound_edits(const struct plan *plan, const struct mail *mail,
                    const struct recorded *recorded, struct edit_list *edits)
{
	if (plan->route == ROUTE_OUTBOUND) {
		const char *bare;
		const struct account *replies = replies_account(plan, mail, &bare);
		const char *domain = config_id_domain(mail->policy->config,
		                                      replies != NULL ? replies : plan->account);

		edit_reply_to(plan, mail, recorded, replies, bare, edits);
		edit_from(plan, mail, edits);
		edit_references(mail, domain, recorded, edits);
		edit_make_field(edits, &mail->header, "Message-ID", plan->added_msgid);
		add_copies(plan->account, mail, edits);
	}
	edit_delete_ours(edits, &mail->header);
	for (size_t i = 0; i < mail->rcpt_count; i++)
		if (mail->rcpts[i].conversation != 0)
			edit_delete_rcpt(edits, mail->rcpts[i].given);
}
