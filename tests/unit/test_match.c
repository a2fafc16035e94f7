#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "lib/conversation/match.h"

/* What the store of these tests holds: conversation 1 is open, 2 open, 9 closed. */
struct stored_id {
	const char *msgid;
	int64_t conversation;
	bool is_named_only;
};

static const struct stored_id stored[] = {
	{"<one@company.test>", 1, false},  {"<two@company.test>", 2, false},
	{"<nine@company.test>", 9, false}, {"<named@example.org>", 2, true},
	{"<One@company.test>", 2, false},
};

static int find_stored(const char *msgid, bool is_named_only, int64_t *conversation_out)
{
	for (size_t i = 0; i < sizeof(stored) / sizeof(stored[0]); i++) {
		if (strcmp(stored[i].msgid, msgid) == 0 &&
		    stored[i].is_named_only == is_named_only) {
			*conversation_out = stored[i].conversation;
			return 1;
		}
	}
	return 0;
}

static int find_msgid(void *context, const char *msgid, int64_t *conversation_out,
                      struct error *err)
{
	unsigned *lookups = context;

	(*lookups)++;
	if (strcmp(msgid, "<disk@fails>") == 0)
		return error_set(err, ERROR_TEMPORARY, "cannot look up an id: the disk fails");
	return find_stored(msgid, false, conversation_out);
}

static int find_named(void *context, const char *msgid, int64_t *conversation_out,
                      struct error *err)
{
	(void)context;
	(void)err;
	return find_stored(msgid, true, conversation_out);
}

static int find_conversation(void *context, int64_t conversation, bool *is_closed_out,
                             struct error *err)
{
	(void)context;
	(void)err;
	*is_closed_out = conversation == 9;
	return conversation == 1 || conversation == 2 || conversation == 9;
}

#define IRT(id)                                                                                    \
	{                                                                                          \
		id, MATCH_FROM_IN_REPLY_TO, 0                                                      \
	}
#define REF(id)                                                                                    \
	{                                                                                          \
		id, MATCH_FROM_REFERENCES, 0                                                       \
	}
#define RET(id)                                                                                    \
	{                                                                                          \
		id, MATCH_FROM_REPORT, 0                                                           \
	}
#define OWN(conv)                                                                                  \
	{                                                                                          \
		"<own@company.test>", MATCH_FROM_REFERENCES, conv                                  \
	}
#define IDS_OF_ROW 4

static const struct {
	const char *sentence;
	int64_t token, report;
	struct match_id ids[IDS_OF_ROW];
	bool is_outbound, opens_none;
	enum match_reason reason;
	int64_t conversation, related;
	bool is_lost;
} rows[] = {
	{"nothing known opens a conversation",
         0,
         0,
         {IRT("<x@x>")},
         false,
         false,
         MATCH_NEW,
         0,
         0,
         false},
	{"nothing known where none may be opened",
         0,
         0,
         {IRT("<x@x>")},
         false,
         true,
         MATCH_NONE,
         0,
         0,
         false},
	{"a token", 1, 0, {{0}}, false, false, MATCH_TOKEN, 1, 0, false},
	{"a token before an id, the other is related",
         1,
         0,
         {IRT("<two@company.test>")},
         false,
         false,
         MATCH_TOKEN,
         1,
         2,
         false},
	{"our own id before a stored one",
         0,
         0,
         {IRT("<two@company.test>"), OWN(1)},
         false,
         false,
         MATCH_OWN_ID,
         1,
         2,
         false},
	{"In-Reply-To before References",
         0,
         0,
         {IRT("<one@company.test>"), REF("<two@company.test>")},
         false,
         false,
         MATCH_IN_REPLY_TO,
         1,
         2,
         false},
	{"the nearest of References",
         0,
         0,
         {REF("<x@x>"), REF("<two@company.test>"), REF("<one@company.test>")},
         false,
         false,
         MATCH_REFERENCES,
         2,
         1,
         false},
	{"an id that an earlier message named",
         0,
         0,
         {IRT("<named@example.org>")},
         false,
         false,
         MATCH_NAMED,
         2,
         0,
         false},
	{"a stored id before one that was only named",
         0,
         0,
         {IRT("<named@example.org>"), REF("<one@company.test>")},
         false,
         false,
         MATCH_REFERENCES,
         1,
         0,
         false},
	{"ids that differ in case are different",
         0,
         0,
         {IRT("<One@company.test>")},
         false,
         false,
         MATCH_IN_REPLY_TO,
         2,
         0,
         false},
	{"a report by the id that it returns",
         0,
         0,
         {RET("<two@company.test>")},
         false,
         false,
         MATCH_REPORT,
         2,
         0,
         false},
	{"a report by the token that it returns",
         0,
         1,
         {{0}},
         false,
         true,
         MATCH_REPORT,
         1,
         0,
         false},
	{"a report of ours that answers is matched by what it answers",
         0,
         2,
         {IRT("<one@company.test>")},
         false,
         false,
         MATCH_IN_REPLY_TO,
         1,
         0,
         false},
	{"a believed token of a conversation that the store lacks",
         77,
         0,
         {{0}},
         false,
         false,
         MATCH_TOKEN,
         77,
         0,
         true},
	{"inbound, a closed conversation is found",
         9,
         0,
         {{0}},
         false,
         false,
         MATCH_TOKEN,
         9,
         0,
         false},
	{"outbound, a token alone does not join a closed one",
         9,
         0,
         {{0}},
         true,
         false,
         MATCH_NEW,
         0,
         9,
         false},
	{"outbound, a token and an id do",
         9,
         0,
         {IRT("<nine@company.test>")},
         true,
         false,
         MATCH_TOKEN,
         9,
         0,
         false},
	{"outbound, an id alone does",
         0,
         0,
         {IRT("<nine@company.test>")},
         true,
         false,
         MATCH_IN_REPLY_TO,
         9,
         0,
         false},
};

static void first_hit_wins(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned lookups = 0;
		struct match_lookup lookup = {&lookups, find_msgid, find_named, find_conversation};
		struct match_input input = {.token_conversation = rows[i].token,
		                            .report_conversation = rows[i].report,
		                            .ids = rows[i].ids,
		                            .is_outbound = rows[i].is_outbound,
		                            .may_open = !rows[i].opens_none};
		struct match match;
		struct error err;

		while (input.id_count < IDS_OF_ROW && rows[i].ids[input.id_count].msgid != NULL)
			input.id_count++;
		assert_int_equal(match_find(&input, &lookup, &match, &err), 0);
		if (match.reason != rows[i].reason || match.conversation != rows[i].conversation ||
		    match.related != rows[i].related || match.is_lost != rows[i].is_lost)
			fail_msg("%s: %s, conversation %lld, related %lld", rows[i].sentence,
			         match_reason_name(match.reason), (long long)match.conversation,
			         (long long)match.related);
	}
}

static void a_failed_lookup_is_no_absence(void **state)
{
	unsigned lookups = 0;
	struct match_lookup lookup = {&lookups, find_msgid, find_named, find_conversation};
	struct match_id id = REF("<disk@fails>");
	struct match_input input = {.ids = &id, .id_count = 1, .may_open = true};
	struct match match;
	struct error err;
	(void)state;

	assert_int_equal(match_find(&input, &lookup, &match, &err), -1);
	assert_int_equal(err.kind, ERROR_TEMPORARY);
}

static void no_more_than_the_nearest_ids_are_looked_up(void **state)
{
	unsigned lookups = 0;
	struct match_lookup lookup = {&lookups, find_msgid, find_named, find_conversation};
	struct match_id ids[MATCH_IDS_MAX + 10];
	struct match_input input = {.ids = ids, .id_count = MATCH_IDS_MAX + 10, .may_open = true};
	struct match match;
	struct error err;
	(void)state;

	for (size_t i = 0; i < MATCH_IDS_MAX + 10; i++)
		ids[i] = (struct match_id)REF("<x@x>");
	ids[MATCH_IDS_MAX].msgid = "<one@company.test>";
	assert_int_equal(match_find(&input, &lookup, &match, &err), 0);
	assert_int_equal(match.reason, MATCH_NEW);
	assert_int_equal(lookups, MATCH_IDS_MAX);
}

static void reasons_have_names(void **state)
{
	(void)state;
	for (int reason = MATCH_TOKEN; reason <= MATCH_NONE; reason++) {
		enum match_reason back;
		assert_int_equal(match_reason_from_name(match_reason_name(reason), &back), 1);
		assert_int_equal(back, reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_hit_wins),
		cmocka_unit_test(a_failed_lookup_is_no_absence),
		cmocka_unit_test(no_more_than_the_nearest_ids_are_looked_up),
		cmocka_unit_test(reasons_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
