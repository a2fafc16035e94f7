#include "scheduler/compose_letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/memory.h"
#include "lib/base/pattern.h"
#include "lib/conversation/cap.h"
#include "lib/conversation/clock.h"
#include "lib/conversation/match.h"
#include "lib/conversation/token.h"
#include "lib/mail/address.h"
#include "lib/mail/msgid.h"
#include "scheduler/compose_when.h"
#include "scheduler/mail_text.h"

#define BODY_BYTES (COMPOSED_MAX_BYTES / 4) /* quoted-printable makes three of one */
#define NAMED_MAX  MATCH_IDS_MAX
#define DAY_S      86400
#define DAY_SIZE   32

void compose_letter_msgid(char out[COMPOSED_MSGID_SIZE], const struct letter *letter,
                          const char *domain)
{
	snprintf(out, COMPOSED_MSGID_SIZE, "<rejoinder-letter-%" PRId64 "@%s>", letter->id, domain);
}

struct placeholder {
	const char *name, *value;
};

/* The placeholder that `{name}` stands for, or NULL. */
static const struct placeholder *find_placeholder(const struct placeholder *known, const char *text)
{
	for (; known->name != NULL; known++) {
		size_t length = strlen(known->name);

		if (strncmp(text + 1, known->name, length) == 0 && text[1 + length] == '}')
			return known;
	}
	return NULL;
}

/* A value is not looked at again: what a customer writes is no placeholder. */
static void expand(struct buffer *out, const char *template, const struct placeholder *known)
{
	while (*template != '\0' && !out->is_full) {
		size_t length = strcspn(template, "{\r");
		const struct placeholder *found = NULL;

		buffer_append(out, template, length);
		template += length;
		if (*template == '{')
			found = find_placeholder(known, template);
		if (found != NULL) {
			buffer_append_text(out, found->value);
			template += strlen(found->name) + 2;
		} else if (*template != '\0') {
			if (*template == '{')
				buffer_append_char(out, '{');
			template ++;
		}
	}
}

/* `Auto: ` and the account's own subject, else that of the message (RFC 3834 3.1.5). */
static void append_acknowledged_subject(struct buffer *out, const struct account *account,
                                        const struct placeholder *known, const char *theirs)
{
	struct buffer own;
	char *subject;

	buffer_init(&own, BODY_BYTES);
	if (account->acknowledge_subject != NULL)
		expand(&own, account->acknowledge_subject, known);
	subject = mail_clean_line(own.data, own.length, MAIL_SUBJECT_BYTES);
	buffer_release(&own);
	if (subject[0] == '\0') {
		free(subject);
		subject = xstrdup(theirs[0] != '\0' ? theirs : "(no subject)");
	}
	mail_append_subject(out, "Auto:", subject);
	free(subject);
}

/*
 * May an id stand in the thread?  One that looks like ours would be taken for
 * the conversation's own, and then ours would not be.
 */
static bool may_name(const char *msgid, const struct compose_context *context)
{
	const struct config *config = context->config;
	int64_t conversation;

	return mail_is_field_msgid(msgid) &&
	       token_verify_msgid(context->keys, msgid, config->domains.items,
	                          config->domains.count, context->now, config->token_lifetime_s,
	                          &conversation) == TOKEN_MALFORMED;
}

/* Our id at the root of the thread, what the message names, the message. */
static void append_thread(struct buffer *out, const struct letter *letter, const char *own_msgid,
                          const struct compose_context *context)
{
	struct string_list named = {0};
	bool has_msgid = may_name(letter->msgid, context);

	if (letter->named_ids != NULL)
		msgid_parse(&named, letter->named_ids, strlen(letter->named_ids), NAMED_MAX);
	if (has_msgid)
		buffer_printf(out, "In-Reply-To: %s\r\n", letter->msgid);
	buffer_printf(out, "References: %s", own_msgid);
	for (size_t i = 0; i < named.count; i++) {
		if (may_name(named.items[i], context) &&
		    (!has_msgid || strcmp(named.items[i], letter->msgid) != 0))
			buffer_printf(out, "\r\n %s", named.items[i]);
	}
	if (has_msgid)
		buffer_printf(out, "\r\n %s", letter->msgid);
	buffer_append_text(out, "\r\n");
	string_list_release(&named);
}

/* The account whose address answers go to; NULL: to an address that is none of ours. */
static const struct account *replies_account(const struct config *config,
                                             const struct account *account)
{
	const struct account *replies = account;

	if (account->reply_to_address != NULL)
		replies = config_account_by_address(config, account->reply_to_address);
	return replies != NULL && replies->is_incoming ? replies : NULL;
}

/* Where answers go: the address of an incoming account, with a token where it takes one. */
static char *reply_address(const struct letter *letter, const struct account *account,
                           const struct account *replies, const struct compose_context *context)
{
	const char *delimiter = context->config->delimiter;
	const char *domain =
		replies->token_domain != NULL ? replies->token_domain : replies->domain;
	char token[TOKEN_SIZE];

	if (account->reply_to != REPLY_TO_TOKEN ||
	    (replies->token_domain == NULL && delimiter[0] == '\0'))
		return xstrdup(replies->address);
	token_make(token, context->keys, letter->conversation, letter->created_at, domain);
	if (replies->token_domain != NULL)
		return xasprintf("%s@%s", token, domain);
	return xasprintf("%.*s%s%s@%s", (int)(strlen(replies->address) - strlen(domain) - 1),
	                 replies->address, delimiter, token, domain);
}

static void append_reply_to(struct buffer *out, const struct letter *letter,
                            const struct account *account, const struct account *replies,
                            const struct compose_context *context)
{
	char *address;

	if (account->reply_to == REPLY_TO_KEEP ||
	    pattern_list_matches(&account->no_reply_to_for, letter->recipient))
		return;
	if (replies == NULL)
		address = xstrdup(account->reply_to_address != NULL ? account->reply_to_address
		                                                    : account->address);
	else
		address = reply_address(letter, account, replies, context);
	mail_append_address(out, "Reply-To", account->display_name, address);
	free(address);
}

/* The fields that lead an answer to the conversation. */
static void append_links(struct buffer *out, const struct letter *letter,
                         const struct account *account, const struct compose_context *context)
{
	const struct account *replies = replies_account(context->config, account);
	const char *domain = replies != NULL ? replies->domain : account->domain;
	char token[TOKEN_SIZE];
	char *own_msgid;

	append_reply_to(out, letter, account, replies, context);
	token_make(token, context->keys, letter->conversation, letter->created_at, domain);
	own_msgid = xasprintf("<%s@%s>", token, domain);
	append_thread(out, letter, own_msgid, context);
	free(own_msgid);
}

/* A text that ends in a line end. */
static void append_text(struct buffer *out, struct buffer *text)
{
	if (text->length > 0 && text->data[text->length - 1] != '\n')
		buffer_append_char(text, '\n');
	mail_append_body(out, text->data);
}

void compose_acknowledgement(struct buffer *out, const struct letter *letter,
                             const struct account *account, const struct compose_context *context)
{
	char msgid[COMPOSED_MSGID_SIZE], conversation[CONVERSATION_ID_SIZE];
	char *subject = mail_clean_text(letter->subject, MAIL_SUBJECT_BYTES);
	char *reference = mail_clean_text(letter->reference, MAIL_SUBJECT_BYTES);
	const struct placeholder known[] = {
		{"subject", subject},           {"reference", reference},
		{"conversation", conversation}, {"account", account->name},
		{"address", account->address},  {NULL, NULL}};
	const struct mail_head head = {.detail = conversation,
	                               .from_name = account->display_name,
	                               .from_address = account->address,
	                               .to = letter->recipient,
	                               .msgid = msgid,
	                               .auto_submitted = "auto-replied",
	                               .created_at = letter->created_at};
	struct buffer body;

	conversation_id_format(letter->conversation, conversation);
	compose_letter_msgid(msgid, letter, account->domain);
	buffer_clear(out);
	mail_append_head(out, &head, context->keys, context->now);
	append_acknowledged_subject(out, account, known, subject);
	append_links(out, letter, account, context);
	buffer_init(&body, BODY_BYTES);
	expand(&body, account->acknowledge_text, known);
	append_text(out, &body);
	buffer_release(&body);
	free(reference);
	free(subject);
}

/* What becomes of mail over the limit, after "from now on". */
static const char *describe_policy(const struct account *account)
{
	switch ((enum on_limit_policy)account->on_limit) {
	case ON_LIMIT_TEMPFAIL:
		return "mail clients that signed in are told to come again after\n"
		       "00:00 UTC (450), and what others send still leaves";
	case ON_LIMIT_PASS:
		return "its mail still leaves as before, and the service may refuse it";
	case ON_LIMIT_QUEUE:
	default:
		return "what it sends is accepted and waits in the queue of Postfix;\n"
		       "it leaves by itself after 00:00 UTC";
	}
}

/* "2026-11-22" */
static void format_day(char out[DAY_SIZE], int64_t day)
{
	time_t at = (time_t)(day * DAY_S);
	struct tm utc;

	if (gmtime_r(&at, &utc) == NULL || strftime(out, DAY_SIZE, "%Y-%m-%d", &utc) == 0)
		out[0] = '\0';
}

static void append_limit_text(struct buffer *out, const struct letter *letter,
                              const struct account *account, const char *name, const char *day)
{
	char reset[MAIL_TIME_SIZE];
	struct buffer body;

	buffer_init(&body, BODY_BYTES);
	buffer_printf(
		&body,
		"On %s (UTC) the account %s, %s,\n"
		"has sent to %" PRId64 " of the %" PRId64
		" recipients outside that its daily_limit allows.\n\n"
		"%s %s.\n"
		"The count begins anew at 00:00 UTC, which is %s.\n\n"
		"What to do: see the count in `rejoinder accounts`, and hold back mailings that "
		"can\nwait. If the service allows more, raise daily_limit in the section "
		"[account \"%s\"]\nof rejoinder.conf and have the daemons read it again.\n",
		day, name, account->address, letter->count, account->daily_limit,
		letter->kind == LETTER_LIMIT_REACHED ? "From now on" : "At the limit,",
		describe_policy(account), mail_describe_time(reset, (letter->day + 1) * DAY_S),
		name);
	mail_append_body(out, body.data);
	buffer_release(&body);
}

/* What the operator is told comes from nobody's account. */
static void append_operator_head(struct buffer *out, const struct letter *letter,
                                 const char *detail, const struct compose_context *context)
{
	const struct config *config = context->config;
	char msgid[COMPOSED_MSGID_SIZE];
	const struct mail_head head = {.detail = detail,
	                               .from_name = "Rejoinder",
	                               .from_address = config->alert_from,
	                               .to = letter->recipient != NULL ? letter->recipient
	                                                               : config->operator_address,
	                               .msgid = msgid,
	                               .auto_submitted = "auto-generated",
	                               .created_at = letter->created_at};

	compose_letter_msgid(msgid, letter, address_domain(config->alert_from));
	buffer_clear(out);
	mail_append_head(out, &head, context->keys, context->now);
}

void compose_capped(struct buffer *out, const struct letter *letter,
                    const struct compose_context *context)
{
	const struct cap *cap = cap_of(letter->count);
	char *sender = mail_clean_text(letter->sender, MAIL_SUBJECT_BYTES);
	char *about = mail_clean_text(letter->subject, MAIL_SUBJECT_BYTES);
	char *subject = xasprintf("%s writes faster than people do", sender);
	char conversation[CONVERSATION_ID_SIZE], window[32], when[MAIL_TIME_SIZE];
	struct buffer body;

	conversation_id_format(letter->conversation, conversation);
	clock_describe(cap != NULL ? cap->window_s : CAP_LONG_S, window, sizeof(window));
	append_operator_head(out, letter, "capped", context);
	mail_append_subject(out, "", subject);
	buffer_init(&body, BODY_BYTES);
	buffer_printf(
		&body,
		"%s\nhas sent more than %" PRId64 " messages within %s%s.\n\n"
		"Two programs that answer each other write like that. What comes from there is\n"
		"delivered and tagged as ever. But while it goes on that fast, it starts no wait\n"
		"and so no alert, opens no closed conversation again, and gets no "
		"acknowledgement.\n"
		"That ends by itself when there are fewer; until tomorrow (UTC) you are not told\n"
		"again.\n\n"
		"The message that was one too many came %s:\n"
		"    Subject:       %s\n"
		"    Conversation:  %s\n\n"
		"What to do: look at `rejoinder show %s`. If a program writes there, have\n"
		"it mark its mail (Auto-Submitted: auto-replied); if it is a flood, have Postfix\n"
		"refuse it.\n",
		sender, letter->count, window,
		cap != NULL && cap->is_of_conversation ? " in one conversation" : "",
		mail_describe_time(when, letter->created_at), about, conversation, conversation);
	mail_append_body(out, body.data);
	buffer_release(&body);
	free(subject);
	free(about);
	free(sender);
}

void compose_limit(struct buffer *out, const struct letter *letter, const struct account *account,
                   const struct compose_context *context)
{
	char day[DAY_SIZE];
	char *name = mail_clean_text(account->name, MAIL_SUBJECT_BYTES);
	char *subject;

	format_day(day, letter->day);
	subject = xasprintf("Account %s has sent to %" PRId64 " of %" PRId64 " recipients %s%s",
	                    name, letter->count, account->daily_limit,
	                    letter->day == context->now / DAY_S ? "today" : "on ",
	                    letter->day == context->now / DAY_S ? "" : day);
	append_operator_head(out, letter, "limit", context);
	mail_append_subject(out, "", subject);
	append_limit_text(out, letter, account, name, day);
	free(subject);
	free(name);
}

/* What is told of one kind of trouble. */
struct trouble_words {
	const char *name;   /* of the trouble; one that ends in a blank goes on with whose it is */
	const char *what;   /* is wrong */
	const char *broken; /* "WHAT BROKEN since" */
	const char *well;   /* "WHAT WELL after" */
	const char *meaning, *cure;
};

static const struct trouble_words trouble_words[] = {
	{"inbox ", "the inbox ", "has failed", "is well again",
         "Its mail stays on the server and is fetched when that works again.",
         "What to do: `rejoinder accounts` shows each inbox and its last error,\n"
         "`rejoinder account test` signs in there, and `rejoinder doctor` looks for more.\n"
         "It is tried again by itself."},
	{"relay ", "the relay of ", "has had no password", "has its password again",
         "Mail of that account waits in Postfix's queue and leaves when it has one.",
         "What to do: `rejoinder account test` signs in there, and `rejoinder doctor` looks\n"
         "for more. Postfix tries each message again by itself."},
	{"disk", "the disk of the store", "has been nearly full", "has room again",
         "When it is full, mail that Rejoinder handles is deferred until there is room.",
         "What to do: make room there, or give the store a larger disk. `rejoinder doctor`\n"
         "shows what is free."},
	{"backup", "the nightly backup", "has failed", "is well again",
         "The backups that were made before are still there.",
         "What to do: look at backup_directory in rejoinder.conf and at what\n"
         "`rejoinder doctor` says. It is tried again the next night."},
	{"check", "the nightly check of the store", "has failed", "is well again",
         "The store may be damaged.",
         "What to do: see what `rejoinder doctor` says. A damaged store is replaced by a\n"
         "backup; keep the damaged one."},
	{"purge", "the nightly purge of old mail", "has failed", "is well again",
         "What is older than `retention` says stays in the store until then.",
         "What to do: see what `rejoinder doctor` says. It is tried again the next night."},
};
static const struct trouble_words other_words = {"",
                                                 "",
                                                 "has been in trouble",
                                                 "is well again",
                                                 "",
                                                 "What to do: see what `rejoinder doctor` says."};

static const struct trouble_words *words_of(const char *name)
{
	for (size_t i = 0; i < sizeof(trouble_words) / sizeof(trouble_words[0]); i++) {
		const struct trouble_words *words = &trouble_words[i];
		size_t length = strlen(words->name);

		if (words->name[length - 1] == ' ' ? strncmp(name, words->name, length) == 0
		                                   : strcmp(name, words->name) == 0)
			return words;
	}
	return &other_words;
}

/* The body of either letter; what: begins with a small letter. */
static void append_trouble_text(struct buffer *out, const struct letter *letter,
                                const struct trouble_words *words, const char *what,
                                const struct compose_clock *clock)
{
	char *detail = mail_clean_text(letter->detail, MAIL_SUBJECT_BYTES);
	char since[WHEN_SINCE_SIZE], until[WHEN_SINCE_SIZE], lasted[WHEN_DURATION_SIZE];
	const char *error = detail[0] != '\0' ? detail : "(nothing more is known)";
	struct buffer body;

	when_describe_since(since, letter->since, clock);
	when_describe_since(until, letter->created_at, clock);
	when_describe_wait(lasted, letter->since, letter->created_at);
	buffer_init(&body, BODY_BYTES);
	if (letter->kind == LETTER_TROUBLE_BEGAN)
		buffer_printf(&body,
		              "%s %s since %s:\n\n    %s\n\n%s%s%s\n\n"
		              "Another mail comes when it is well, and none before.\n",
		              what, words->broken, since, error, words->meaning,
		              words->meaning[0] != '\0' ? "\n\n" : "", words->cure);
	else
		buffer_printf(&body,
		              "%s %s. That was seen %s.\n\n"
		              "It lasted %s, since %s. What was said of it then:\n\n    %s\n\n"
		              "There is nothing to do.\n",
		              what, words->well, until, lasted, since, error);
	if (body.length > 0 && body.data[0] >= 'a' && body.data[0] <= 'z' && words != &other_words)
		body.data[0] = (char)(body.data[0] - 'a' + 'A');
	mail_append_body(out, body.data);
	buffer_release(&body);
	free(detail);
}

void compose_trouble(struct buffer *out, const struct letter *letter,
                     const struct compose_context *context)
{
	const char *zone_name = config_zone_name(context->config, NULL);
	struct compose_clock clock = {.zone = config_zone(context->config, NULL), .business_s = -1};
	char *name = mail_clean_text(letter->trouble, MAIL_SUBJECT_BYTES);
	const struct trouble_words *words = words_of(name);
	char at[WHEN_SINCE_SIZE], lasted[WHEN_DURATION_SIZE];
	char *what, *subject;

	if (zone_name != NULL && strcmp(zone_name, ZONE_LOCAL) != 0)
		clock.zone_name = zone_name;
	what = xasprintf("%s%s", words->what,
	                 words == &other_words || words->name[strlen(words->name) - 1] == ' '
	                         ? name + strlen(words->name)
	                         : "");
	if (letter->kind == LETTER_TROUBLE_BEGAN)
		subject = xasprintf(
			"%s %s since %s", what, words->broken,
			when_describe_moment(at, letter->since, letter->created_at, &clock));
	else
		subject = xasprintf("%s %s after %s", what, words->well,
		                    when_describe_wait(lasted, letter->since, letter->created_at));
	append_operator_head(out, letter, "trouble", context);
	mail_append_subject(out, "Rejoinder:", subject);
	append_trouble_text(out, letter, words, what, &clock);
	free(subject);
	free(what);
	free(name);
}
