#ifndef REJOINDER_TESTS_PLAN_FIXTURE_H
#define REJOINDER_TESTS_PLAN_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/memory.h"
#include "lib/conversation/mark.h"
#include "lib/conversation/token.h"
#include "milter/plan.h"

/*
 * From a message and a configuration to the edits, without a store: what the
 * store would have answered stands in the row.  In every text of a row @T@ is
 * the token of conversation 42 at company.test, @B@ one with its last character
 * changed, @C@ the conversation's id, @F@ and @A@ are the marks of the fetcher (for account Support)
 * and of the scheduler.
 */

#define NOW          ((int64_t)1800000000)
#define CONVERSATION 42

static struct policy policy;
static char token[TOKEN_SIZE], bad_token[TOKEN_SIZE], conversation_text[CONVERSATION_ID_SIZE];
static char other_token[TOKEN_SIZE], fetched_mark[MARK_SIZE], alert_mark[MARK_SIZE];

/* Read the configuration, make the keys and what rows name. */
static inline int load_policy(const char *configuration)
{
	char path[] = "/tmp/rejoinder-test-XXXXXX";
	struct string_list mistakes = {0};
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, configuration, strlen(configuration)) < 0)
		return -1;
	close(fd);
	if (config_load(path, &policy.config, &mistakes) < 0) {
		for (size_t i = 0; i < mistakes.count; i++)
			fprintf(stderr, "%s\n", mistakes.items[i]);
		return -1;
	}
	unlink(path);
	string_list_release(&mistakes);
	policy.keys = (struct keyring){.keys = {{.id = 'a',
	                                         .made_on = "2026-01-01",
	                                         .bytes = "thirty-two bytes of a test key.."}},
	                               .count = 1};
	token_make(token, &policy.keys, CONVERSATION, NOW, "company.test");
	token_make(other_token, &policy.keys, CONVERSATION + 1, NOW, "company.test");
	strcpy(bad_token, token);
	bad_token[TOKEN_LENGTH - 1] = token[TOKEN_LENGTH - 1] == 'a' ? 'b' : 'a';
	conversation_id_format(CONVERSATION, conversation_text);
	mark_make(fetched_mark, &policy.keys, MARK_FETCHED, "Support", NOW);
	mark_make(alert_mark, &policy.keys, MARK_ALERT, conversation_text, NOW);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	config_free(policy.config);
	return 0;
}

/* Replace @T@ and its like. Heap string. */
static inline char *fill_in(const char *text)
{
	const struct {
		const char *name, *value;
	} values[] = {{"@T@", token},       {"@B@", bad_token},    {"@C@", conversation_text},
	              {"@O@", other_token}, {"@F@", fetched_mark}, {"@A@", alert_mark}};
	struct buffer out;

	buffer_init(&out, 100000);
	while (*text != '\0') {
		size_t i = 0;

		while (i < 6 && strncmp(text, values[i].name, 3) != 0)
			i++;
		if (i < 6)
			buffer_append_text(&out, values[i].value);
		else
			buffer_append_char(&out, *text);
		text += i < 6 ? 3 : 1;
	}
	return buffer_take(&out);
}

enum who { OUTSIDE, STAFF, LOCAL, INTERNAL };

struct row {
	const char *sentence;
	enum who who;
	const char *sender, *rcpts; /* recipients separated by blanks */
	const char *header, *body;
	enum route route;
	const char *owner;    /* of the conversation, as the store says */
	const char *expected; /* the edits, a line each; NULL: not looked at */
};

static inline struct mail *mail_of_row(const struct row *row)
{
	struct mail *mail = mail_new(&policy);
	char *header = fill_in(row->header), *rcpts = fill_in(row->rcpts), *rest = rcpts, *rcpt;
	struct header parsed;

	mail->client.is_authenticated = row->who == STAFF;
	mail->client.is_local = row->who == LOCAL;
	mail->client.is_internal = row->who == INTERNAL;
	mail->received_at = NOW;
	mail->sender = xstrdup(row->sender);
	while ((rcpt = strsep(&rest, " ")) != NULL)
		mail_add_rcpt(mail, rcpt);
	header_init(&parsed);
	header_parse(&parsed, header, strlen(header));
	for (size_t i = 0; i < parsed.count; i++)
		header_add(&mail->header, parsed.fields[i].name, parsed.fields[i].value,
		           parsed.fields[i].length);
	header_release(&parsed);
	if (row->body != NULL)
		buffer_append_text(&mail->body, row->body);
	free(header);
	free(rcpts);
	return mail;
}

static inline char *describe(const struct edit_list *edits)
{
	static const char *const kinds[] = {
		[EDIT_SET_FIELD] = "set",       [EDIT_DELETE_FIELD] = "delete",
		[EDIT_INSERT_FIELD] = "insert", [EDIT_SET_SENDER] = "sender",
		[EDIT_ADD_RCPT] = "to",         [EDIT_DELETE_RCPT] = "not to",
	};
	struct buffer out;

	buffer_init(&out, 100000);
	for (size_t i = 0; i < edits->count; i++) {
		const struct edit *edit = &edits->items[i];
		buffer_append_text(&out, kinds[edit->kind]);
		if (edit->name != NULL)
			buffer_printf(&out, " %s", edit->name);
		if (edit->name != NULL && edit->kind != EDIT_INSERT_FIELD)
			buffer_printf(&out, " %u", edit->index);
		if (edit->value != NULL)
			buffer_printf(&out, edit->name != NULL ? ": %s" : " %s", edit->value);
		buffer_append_char(&out, '\n');
	}
	if (edits->is_discard)
		buffer_append_text(&out, "discard\n");
	return buffer_take(&out);
}

#define HUMAN    "Message-ID: <1@x>\nDate: today\nSubject: hello\n"
#define CUSTOMER "From: Customer <customer@example.org>\n" HUMAN
#define JANE     "From: Jane Doe <jane@company.test>\n" HUMAN
#define OUR_TAG                                                                                    \
	"insert Rejoinder-Sender: stranger\n"                                                      \
	"insert Rejoinder-Class: human; rule=none\n"                                               \
	"insert Rejoinder-Match: token\n"                                                          \
	"insert Rejoinder-Conversation: @C@\n"
#define OWNED_TAG     "insert Rejoinder-Owner: jane@company.test\n" OUR_TAG
#define REPLY_TO_JANE "Jane Doe <replies+@T@@company.test>\n"

/* Everything up to the record; plan and mail are the caller's. */
static inline struct mail *plan_row(const struct row *row, struct plan *plan)
{
	struct mail *mail = mail_of_row(row);

	mail_read_header(mail);
	plan_route(plan, mail);
	if (plan->route != ROUTE_PASS && plan->route != ROUTE_STRIP) {
		mail_read_body(mail);
		plan_record(plan, mail);
	}
	return mail;
}

/* The edits of a row, as text. Heap string. */
static inline char *edits_of(const struct plan *plan, const struct mail *mail,
                             const struct recorded *recorded)
{
	struct edit_list edits = {0};
	char *found;

	plan_edits(plan, mail, plan->route == ROUTE_STRIP ? NULL : recorded, &edits);
	found = describe(&edits);
	edit_list_release(&edits);
	return found;
}

static inline void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &rows[i];
		struct plan plan;
		struct mail *mail = plan_row(row, &plan);
		struct recorded recorded = {.conversation = CONVERSATION,
		                            .first_received_at = NOW,
		                            .reason = MATCH_TOKEN,
		                            .class = plan.record.class,
		                            .rule = (char[]){"none"},
		                            .owner = row->owner != NULL ? xstrdup(row->owner)
		                                                        : NULL};

		if (plan.route != row->route)
			fail_msg("%s: the route is %s", row->sentence, route_name(plan.route));
		if (row->expected != NULL) {
			char *expected = fill_in(row->expected);
			char *found = edits_of(&plan, mail, &recorded);

			if (strcmp(found, expected) != 0)
				fail_msg("%s: found edits\n%sexpected\n%s", row->sentence, found,
				         expected);
			free(found);
			free(expected);
		}
		plan_release(&plan);
		mail_free(mail);
		free(recorded.owner);
	}
}

static inline const struct row *row_named(const struct row *rows, size_t count,
                                          const char *sentence)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].sentence, sentence) == 0)
			return &rows[i];
	fail_msg("no row \"%s\"", sentence);
	return NULL;
}

#endif
