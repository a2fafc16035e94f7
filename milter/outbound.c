#include "milter/outbound.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/digest.h"
#include "lib/base/memory.h"
#include "lib/base/pattern.h"
#include "lib/conversation/token.h"
#include "lib/mail/address.h"
#include "lib/mail/subject.h"

/* Fields in which a client or server tells who really wrote. */
static const char *const revealing_fields[] = {
	"Autocrypt",
	"Disposition-Notification-To",
	"Errors-To",
	"Mail-Followup-To",
	"Mail-Reply-To",
	"Resent-From",
	"Resent-Sender",
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

const struct account *outbound_account(const struct mail *mail, bool is_opted_in)
{
	const struct config *config = mail->policy->config;
	const char *from = mail_from(mail);
	const struct account *own;

	if (!mail->has_one_author)
		return NULL;
	own = config_account_by_address(config, from);
	if (own != NULL && own->is_outgoing)
		return own;
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		if (account->is_enabled && account->is_outgoing &&
		    pattern_list_matches(&account->senders, from))
			return account;
	}
	if (own != NULL || is_opted_in || pattern_list_matches(&config->senders, from))
		return config_default_outgoing(config, address_domain(from));
	return NULL;
}

bool outbound_may_rewrite(const struct mail *mail, const struct account *account)
{
	const struct config *config = mail->policy->config;
	const char *from = mail_from(mail);

	if (pattern_list_matches(&config->exclude_senders, from) ||
	    pattern_list_matches(&account->exclude_senders, from))
		return false;
	for (size_t i = 0; i < mail->rcpt_count; i++)
		if (pattern_list_matches(&config->exclude_recipients, mail->rcpts[i].address) ||
		    pattern_list_matches(&account->exclude_recipients, mail->rcpts[i].address))
			return false;
	return !mail->has_outside_reply_to;
}

/* The account whose address answers are to go to, or NULL. */
static const struct account *replies_account(const struct plan *plan, const struct mail *mail)
{
	const struct config *config = mail->policy->config;
	const struct account *account = NULL;
	const char *detail;
	size_t detail_length;

	if (mail->reply_to != NULL)
		account = config_incoming_for_rcpt(config, mail->reply_to, &detail, &detail_length);
	if (account == NULL && plan->account->is_incoming)
		account = plan->account;
	if (account == NULL)
		account = config_default_incoming(config, plan->account->domain);
	return account;
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

/* Answers go to people: not to an account, which has its own way, and not to a program. */
static bool may_own(const struct config *config, const char *from)
{
	static const char *const programs[] = {
		"noreply",    "no-reply", "donotreply", "do-not-reply", "mailer-daemon",
		"postmaster", "root",     "daemon",     "www-data",     "nobody",
	};
	const char *detail;
	size_t detail_length, local_length = strcspn(from, "@");

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (strlen(programs[i]) == local_length &&
		    strncasecmp(programs[i], from, local_length) == 0)
			return false;
	return config_account_by_address(config, from) == NULL &&
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
		return mail->has_calendar;
	}
}

void outbound_record(struct plan *plan, const struct mail *mail)
{
	const struct config *config = mail->policy->config;
	struct record *record = &plan->record;
	const char *from = mail_from(mail);
	bool is_human;

	if (is_untouchable(mail)) {
		plan->route = ROUTE_STRIP;
		return;
	}
	record->direction = DIRECTION_OUT;
	record->class = outbound_class(mail);
	is_human = class_is_human(record->class);
	record->match.is_outbound = true;
	record->match.may_open = plan->route == ROUTE_OUTBOUND;
	record->adds_participants = true;
	record->ends_waits = is_human;
	if (is_human && mail->is_from_inside && may_own(config, from))
		record->owner = from;

	plan->recipients = xreallocarray(NULL, mail->rcpt_count + 1, sizeof(plan->recipients[0]));
	for (size_t i = 0; i < mail->rcpt_count; i++)
		if (mail->rcpts[i].account == NULL && mail->rcpts[i].address[0] != '\0')
			plan->recipients[record->recipient_count++] = mail->rcpts[i].address;
	record->recipients = plan->recipients;

	if (plan->account != NULL && plan->account->from != FROM_KEEP)
		plan->final_from = xstrdup(plan->account->address);
	if (plan->route == ROUTE_OUTBOUND && mail->msgid == NULL) {
		/* Of the key, so that the same message gets the same id when it is sent again. */
		char unique[25];
		record_key(record->key, NULL, plan->final_from != NULL ? plan->final_from : from,
		           header_get(&mail->header, "Date"), record->direction, plan->subject,
		           mail->body.data, mail->body.length);
		base32_encode(record->key, 15, unique);
		plan->added_msgid = xasprintf("<%s@%s>", unique, plan->account->domain);
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
		return xstrdup(phrase);
	decoded = subject_decode(phrase, strlen(phrase), 500);
	has_address = strchr(decoded, '@') != NULL;
	free(decoded);
	return account->from == FROM_NAME || has_address ? address_phrase(account->display_name)
	                                                 : xstrdup(phrase);
}

static void edit_reply_to(const struct plan *plan, const struct mail *mail, const char *token,
                          const struct account *replies, struct edit_list *edits)
{
	const struct config *config = mail->policy->config;
	char *address, *phrase, *value;

	if (replies == NULL || plan->account->reply_to == REPLY_TO_KEEP)
		return;
	if (plan->account->reply_to == REPLY_TO_TOKEN && config->delimiter[0] != '\0')
		address = xasprintf("%.*s%s%s@%s",
		                    (int)(strlen(replies->address) - strlen(replies->domain) - 1),
		                    replies->address, config->delimiter, token, replies->domain);
	else
		address = xstrdup(replies->address);
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

/*
 * Our id goes to the root of the thread.  Where a client sent In-Reply-To alone,
 * what it answers follows, since readers prefer References once there are any.
 */
static void edit_references(const struct mail *mail, const char *token, const char *domain,
                            int64_t conversation, struct edit_list *edits)
{
	const char *references = header_get(&mail->header, "References");
	struct buffer value;

	for (size_t i = 0; i < mail->id_count; i++)
		if (mail->ids[i].own_conversation == conversation &&
		    string_list_has(&mail->references, mail->ids[i].msgid))
			return;
	buffer_init(&value, HEADER_VALUE_MAX + 1024);
	if (buffer_printf(&value, "<%s@%s>", token, domain) < 0)
		goto out;
	if (references != NULL && references[0] != '\0') {
		if (buffer_printf(&value, "\n\t%s", references) < 0)
			goto out;
	} else {
		for (size_t i = 0; i < mail->in_reply_to.count; i++)
			if (buffer_printf(&value, "\n\t%s", mail->in_reply_to.items[i]) < 0)
				goto out;
	}
	edit_make_field(edits, &mail->header, "References", value.data);
out:
	buffer_release(&value);
}

void outbound_edits(const struct plan *plan, const struct mail *mail,
                    const struct recorded *recorded, struct edit_list *edits)
{
	if (plan->route == ROUTE_OUTBOUND) {
		const struct account *replies = replies_account(plan, mail);
		const char *domain = replies != NULL ? replies->domain : plan->account->domain;
		char token[TOKEN_SIZE];

		token_make(token, &mail->policy->keys, recorded->conversation,
		           recorded->first_received_at, domain);
		edit_reply_to(plan, mail, token, replies, edits);
		edit_from(plan, mail, edits);
		edit_references(mail, token, domain, recorded->conversation, edits);
		if (plan->added_msgid != NULL)
			edit_make_field(edits, &mail->header, "Message-ID", plan->added_msgid);
	}
	edit_delete_ours(edits, &mail->header);
	for (size_t i = 0; i < mail->rcpt_count; i++)
		if (mail->rcpts[i].conversation != 0)
			edit_delete_rcpt(edits, mail->rcpts[i].given);
}
