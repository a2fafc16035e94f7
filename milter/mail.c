#include "milter/mail.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/conversation/mark.h"
#include "lib/conversation/token.h"
#include "lib/mail/message.h"
#include "lib/mail/msgid.h"
#include "milter/token_address.h"

#define REFERENCES_READ 2000 /* ids; of an endless list the nearest are still the last */
#define OWN_IDS_MAX     8

#define FIELD_ADDRESSES_READ 100
#define ADDRESS_FIELDS_READ  50 /* of one name */
#define CALENDAR_BYTES_READ  4000

struct mail *mail_new(const struct policy *policy)
{
	struct mail *mail = xzalloc(sizeof(*mail));

	mail->policy = policy;
	header_init(&mail->header);
	buffer_init(&mail->body, MAIL_BODY_BYTES);
	return mail;
}

void mail_free(struct mail *mail)
{
	if (mail == NULL)
		return;
	for (size_t i = 0; i < mail->rcpt_count; i++) {
		free(mail->rcpts[i].given);
		free(mail->rcpts[i].address);
	}
	free(mail->rcpts);
	free(mail->sender);
	free(mail->reply_to);
	free(mail->outside_reply_to);
	free(mail->msgid);
	header_release(&mail->header);
	buffer_release(&mail->body);
	address_list_release(&mail->from);
	string_list_release(&mail->in_reply_to);
	string_list_release(&mail->references);
	classification_release(&mail->classification);
	free(mail);
}

bool mail_is_trusted(const struct mail *mail)
{
	return mail->fetched_for == NULL && !mail->has_bad_mark &&
	       (mail->client.is_local || mail->client.is_internal || mail->client.is_authenticated);
}

bool mail_is_passed_on(const struct mail *mail)
{
	static const char *const names[] = {"Resent-From", "Resent-Sender", "Delivered-To",
	                                    "X-Sieve-Redirected-From"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (header_get(&mail->header, names[i]) != NULL)
			return true;
	return false;
}

const char *mail_from(const struct mail *mail)
{
	return mail->from.count > 0 ? mail->from.items[0].address : "";
}

void mail_add_rcpt(struct mail *mail, const char *given)
{
	struct rcpt *rcpt;

	if (mail->rcpt_count == MAIL_RCPTS_MAX) {
		mail->rcpts_ignored++;
		return;
	}
	/* Grow by doubling: capacity is the power of two at or above the count. */
	if ((mail->rcpt_count & (mail->rcpt_count - 1)) == 0)
		mail->rcpts =
			xreallocarray(mail->rcpts, mail->rcpt_count == 0 ? 1 : mail->rcpt_count * 2,
		                      sizeof(*rcpt));
	rcpt = &mail->rcpts[mail->rcpt_count++];
	memset(rcpt, 0, sizeof(*rcpt));
	rcpt->given = xstrdup(given);
	rcpt->address = address_from_envelope(given);
	if (rcpt->address == NULL)
		rcpt->address = xstrdup("");
}

/* The same token counts once, wherever it stands: it is one mistake. */
static void add_bad_token(struct mail *mail, const char *text, size_t length,
                          enum token_verdict verdict)
{
	unsigned known = mail->bad_tokens < BAD_TOKENS_KNOWN ? mail->bad_tokens : BAD_TOKENS_KNOWN;

	if (length > TOKEN_LENGTH)
		length = TOKEN_LENGTH;
	for (unsigned i = 0; i < known; i++)
		if (strncasecmp(mail->known_bad_tokens[i], text, length) == 0 &&
		    mail->known_bad_tokens[i][length] == '\0')
			return;
	if (known < BAD_TOKENS_KNOWN)
		memcpy(mail->known_bad_tokens[known], text, length);
	if (mail->bad_tokens == 0)
		mail->bad_verdict = verdict;
	mail->bad_tokens++;
}

/* The first conversation decides, a second one is a further clue, for what is related. */
static void add_token_clue(struct mail *mail, int64_t conversation)
{
	if (mail->token_conversation == 0)
		mail->token_conversation = conversation;
	else if (conversation != mail->token_conversation && mail->further_conversation == 0)
		mail->further_conversation = conversation;
}

/* The account that an address belongs to; a token in it is noted. Returns the token's conversation, or 0. */
static int64_t read_token(struct mail *mail, const char *address,
                          const struct account **account_out)
{
	struct token_address found;

	token_address_read(&found, mail->policy, address, mail->received_at);
	*account_out = found.account;
	if (found.text != NULL && found.verdict != TOKEN_VALID)
		add_bad_token(mail, found.text, found.length, found.verdict);
	add_token_clue(mail, found.conversation);
	return found.conversation;
}

static void read_rcpt(struct mail *mail, struct rcpt *rcpt)
{
	if (rcpt->address[0] == '\0')
		return;
	rcpt->is_inside = config_is_inside(mail->policy->config, rcpt->address);
	if (!rcpt->is_inside)
		mail->has_outside_rcpt = true;
	rcpt->conversation = read_token(mail, rcpt->address, &rcpt->account);
	/* The mailbox of an inbox stands for its account. */
	if (rcpt->account == NULL)
		rcpt->account = mail->fetched_for;
	if (rcpt->account != NULL)
		mail->has_account_rcpt = true;
}

/* Read the addresses of every field of these names, until NULL. */
static void read_address_fields(const struct mail *mail, const char *const *names,
                                void (*read)(void *context, const char *address), void *context)
{
	for (; *names != NULL; names++) {
		unsigned count = header_count(&mail->header, *names);

		for (unsigned i = 1; i <= count && i <= ADDRESS_FIELDS_READ; i++) {
			const struct field *field = header_field(&mail->header, *names, i);
			struct address_list list = {0};

			if (field == NULL)
				continue;
			address_list_parse(&list, field->value, field->length,
			                   FIELD_ADDRESSES_READ);
			for (size_t j = 0; j < list.count; j++)
				read(context, list.items[j].address);
			address_list_release(&list);
		}
	}
}

static void read_token_of_field(void *context, const char *address)
{
	const struct account *account;

	(void)read_token(context, address, &account);
}

/*
 * The envelope of fetched mail is ours; whom it was sent to stands in its header:
 * what servers noted of the envelope comes before what the author wrote.
 */
static void read_tokens_of_header(struct mail *mail)
{
	static const char *const names[] = {"Delivered-To",
	                                    "X-Original-To",
	                                    "X-Delivered-To",
	                                    "Envelope-To",
	                                    "X-Envelope-To",
	                                    "To",
	                                    "Cc",
	                                    NULL};

	read_address_fields(mail, names, read_token_of_field, mail);
}

struct addressee {
	const struct mail *mail;
	const struct account *account;
	bool is_found;
};

static void look_for_account(void *context, const char *address)
{
	struct addressee *addressee = context;
	struct token_address found;

	token_address_read(&found, addressee->mail->policy, address, addressee->mail->received_at);
	if (found.account == addressee->account)
		addressee->is_found = true;
}

bool mail_is_addressed_to(const struct mail *mail, const struct account *account)
{
	static const char *const names[] = {"To", "Cc", NULL};
	struct addressee addressee = {mail, account, false};

	read_address_fields(mail, names, look_for_account, &addressee);
	return addressee.is_found;
}

static void read_mark(struct mail *mail)
{
	const struct config *config = mail->policy->config;
	const char *mark = header_get(&mail->header, MARK_FIELD);
	char detail[MARK_DETAIL_BYTES + 1];
	enum mark_kind kind;

	if (mark == NULL || !mail->client.is_internal)
		return;
	if (!mark_verify(&mail->policy->keys, mark, mail->received_at, &kind, detail)) {
		mail->has_bad_mark = true;
		return;
	}
	mail->is_alert = kind == MARK_ALERT;
	for (size_t i = 0; kind == MARK_FETCHED && i < config->account_count; i++)
		if (config->accounts[i].is_enabled &&
		    strcasecmp(config->accounts[i].name, detail) == 0)
			mail->fetched_for = &config->accounts[i];
	/* An account that we do not know yet: the fetcher read the configuration before us. */
	if (kind == MARK_FETCHED && mail->fetched_for == NULL)
		mail->has_bad_mark = true;
}

static bool has_id(const struct mail *mail, const char *msgid)
{
	for (size_t i = 0; i < mail->id_count; i++)
		if (strcmp(mail->ids[i].msgid, msgid) == 0)
			return true;
	return false;
}

static void add_own_id(struct mail *mail, const char *msgid, enum match_source source)
{
	const struct config *config = mail->policy->config;
	enum token_verdict verdict;
	int64_t conversation;

	if (mail->id_count == OWN_IDS_MAX || has_id(mail, msgid))
		return;
	verdict = token_verify_msgid(&mail->policy->keys, msgid, config->domains.items,
	                             config->domains.count, mail->received_at,
	                             config->token_lifetime_s, &conversation);
	if (verdict == TOKEN_VALID)
		mail->ids[mail->id_count++] = (struct match_id){
			.msgid = msgid, .source = source, .own_conversation = conversation};
	else if (verdict != TOKEN_MALFORMED)
		add_bad_token(mail, msgid + 1, TOKEN_LENGTH, verdict);
}

static void add_id(struct mail *mail, const char *msgid, enum match_source source)
{
	if (mail->id_count == MATCH_IDS_MAX || has_id(mail, msgid))
		return;
	mail->ids[mail->id_count++] = (struct match_id){.msgid = msgid, .source = source};
	mail->names[mail->name_count++] = msgid;
}

static void read_id_fields(struct mail *mail, const char *name, struct string_list *ids, size_t max)
{
	for (unsigned i = 1; i <= header_count(&mail->header, name); i++) {
		const struct field *field = header_field(&mail->header, name, i);
		if (field != NULL)
			msgid_parse(ids, field->value, field->length, max);
	}
}

/*
 * Our own ids come first and from anywhere in the list, since ours is the oldest
 * of a long thread and needs no look-up; of the others only the nearest.
 */
static void read_ids(struct mail *mail)
{
	void (*const passes[])(struct mail *, const char *, enum match_source) = {add_own_id,
	                                                                          add_id};

	read_id_fields(mail, "In-Reply-To", &mail->in_reply_to, MATCH_IDS_MAX);
	read_id_fields(mail, "References", &mail->references, REFERENCES_READ);
	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < mail->in_reply_to.count; i++)
			passes[pass](mail, mail->in_reply_to.items[i], MATCH_FROM_IN_REPLY_TO);
		for (size_t i = mail->references.count; i-- > 0;)
			passes[pass](mail, mail->references.items[i], MATCH_FROM_REFERENCES);
		if (pass == 0)
			mail->has_own_id = mail->id_count > 0;
	}
}

/* The first outside is where a customer wants the answer; of staff it is a third party's. */
static void read_reply_to(struct mail *mail)
{
	for (unsigned i = 1; i <= header_count(&mail->header, "Reply-To"); i++) {
		const struct field *field = header_field(&mail->header, "Reply-To", i);
		struct address_list list = {0};

		if (field == NULL)
			continue;
		address_list_parse(&list, field->value, field->length, FIELD_ADDRESSES_READ);
		for (size_t j = 0; j < list.count; j++) {
			const char *address = list.items[j].address;

			if (mail->reply_to == NULL)
				mail->reply_to = xstrdup(address);
			if (mail->outside_reply_to == NULL &&
			    !config_is_inside(mail->policy->config, address))
				mail->outside_reply_to = xstrdup(address);
		}
		address_list_release(&list);
	}
}

void mail_read_header(struct mail *mail)
{
	const struct header *header = &mail->header;
	const struct field *from = header_field(header, "From", 1);
	const struct field *msgid = header_field(header, "Message-ID", 1);

	if (from != NULL)
		address_list_parse(&mail->from, from->value, from->length, 2);
	mail->has_one_author = mail->from.count == 1 && header_count(header, "From") == 1;
	mail->is_from_inside = config_is_inside(mail->policy->config, mail_from(mail));
	read_reply_to(mail);
	if (msgid != NULL)
		mail->msgid = msgid_first(msgid->value, msgid->length);

	read_mark(mail);
	for (size_t i = 0; i < mail->rcpt_count; i++)
		read_rcpt(mail, &mail->rcpts[i]);
	if (mail->fetched_for != NULL)
		read_tokens_of_header(mail);
	read_ids(mail);
}

/* RFC 5546 1.4: what attendees send back. */
static bool is_calendar_answer(const struct part *part)
{
	static const char *const methods[] = {"METHOD:REPLY", "METHOD:COUNTER", "METHOD:REFRESH"};
	size_t length;
	char *text = part_decode(part, CALENDAR_BYTES_READ, &length);
	bool is_it = false;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]) && !is_it; i++)
		is_it = strcasestr(text, methods[i]) != NULL;
	free(text);
	return is_it;
}

void mail_read_body(struct mail *mail)
{
	struct message message = {
		.header = &mail->header, .body = mail->body.data, .body_length = mail->body.length};
	struct envelope_facts envelope = {.is_null_sender = mail->sender[0] == '\0'};
	struct part_list parts;

	classify(&message, &envelope, &mail->classification);
	message_parts(&message, &parts);
	for (size_t i = 0; i < parts.count; i++) {
		if (strcmp(parts.items[i].type, "text/calendar") != 0)
			continue;
		mail->has_calendar = true;
		mail->is_calendar_answer =
			mail->is_calendar_answer || is_calendar_answer(&parts.items[i]);
	}
	part_list_release(&parts);
}
