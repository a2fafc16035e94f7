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

/* What a look-up is given. */
struct searched {
	unsigned lookups;
	int64_t itself; /* what is found of the message itself */
};

static int find_msgid(void *context, const char *msgid, int64_t *conversation_out,
                      bool *is_named_only_out, struct error *err)
{
	struct searched *searched = context;

	searched->lookups++;
	if (strcmp(msgid, "<disk@fails>") == 0)
		return error_set(err, ERROR_TEMPORARY, "cannot look up an id: the disk fails");
	*is_named_only_out = find_stored(msgid, false, conversation_out) == 0;
	return *is_named_only_out ? find_stored(msgid, true, conversation_out) : 1;
}

static int find_itself(void *context, int64_t *conversation_out, struct error *err)
{
	struct searched *searched = context;
	(void)err;

	*conversation_out = searched->itself;
	return searched->itself != 0;
}

static int find_conversation(void *context, int64_t conversation, bool *is_closed_out,
                             struct error *err)
{
	(void)context;
	(void)err;
	*is_closed_out = conversation == 9;
	return conversation == 1 || conversation == 2 || conversation == 9;
}

static const struct match_lookup lookup_of_stored = {
	.find_msgid = find_msgid,
	.find_itself = find_itself,
	.find_conversation = find_conversation,
};

/* clang-format off */
#define IRT(id) { id, MATCH_FROM_IN_REPLY_TO, 0 }
#define REF(id) { id, MATCH_FROM_REFERENCES, 0 }
#define RET(id) { id, MATCH_FROM_REPORT, 0 }
#define OWN(conv) { "<own@company.test>", MATCH_FROM_REFERENCES, conv }
#define OWN_RET(conv) { "<own@company.test>", MATCH_FROM_REPORT, conv }
#define IDS_OF_ROW 4

static const struct row {
	const char *sentence;
	struct match_input input;
	struct match_id ids[IDS_OF_ROW];
	int64_t itself;
	bool opens_none;
	struct match expected;
} rows[] = {
	{"nothing known opens a conversation",
	 .ids = {IRT("<x@x>")}, .expected = {MATCH_NEW, 0, 0, false}},
	{"nothing known where none may be opened",
	 .ids = {IRT("<x@x>")}, .opens_none = true, .expected = {MATCH_NONE, 0, 0, false}},
	{"a token",
	 .input = {.token_conversation = 1}, .expected = {MATCH_TOKEN, 1, 0, false}},
	{"the tokens of two conversations: the first, the other is related",
	 .input = {.token_conversation = 1, .further_conversation = 2},
	 .expected = {MATCH_TOKEN, 1, 2, false}},
	{"what the ids say is related before a second token",
	 .input = {.token_conversation = 1, .further_conversation = 9},
	 .ids = {IRT("<two@company.test>")}, .expected = {MATCH_TOKEN, 1, 2, false}},
	{"a token before an id, the other is related",
	 .input = {.token_conversation = 1}, .ids = {IRT("<two@company.test>")},
	 .expected = {MATCH_TOKEN, 1, 2, false}},
	{"a token before an id that was only named",
	 .input = {.token_conversation = 1}, .ids = {IRT("<named@example.org>")},
	 .expected = {MATCH_TOKEN, 1, 2, false}},
	{"our own id before a stored one",
	 .ids = {IRT("<two@company.test>"), OWN(1)}, .expected = {MATCH_OWN_ID, 1, 2, false}},
	{"In-Reply-To before References",
	 .ids = {IRT("<one@company.test>"), REF("<two@company.test>")},
	 .expected = {MATCH_IN_REPLY_TO, 1, 2, false}},
	{"the first of several In-Reply-To",
	 .ids = {IRT("<x@x>"), IRT("<two@company.test>"), IRT("<one@company.test>")},
	 .expected = {MATCH_IN_REPLY_TO, 2, 1, false}},
	{"the nearest of References",
	 .ids = {REF("<x@x>"), REF("<two@company.test>"), REF("<one@company.test>")},
	 .expected = {MATCH_REFERENCES, 2, 1, false}},
	{"three conversations: the second is related, the third is left out",
	 .ids = {REF("<two@company.test>"), REF("<one@company.test>"), REF("<nine@company.test>")},
	 .expected = {MATCH_REFERENCES, 2, 1, false}},
	{"an id that an earlier message named",
	 .ids = {IRT("<named@example.org>")}, .expected = {MATCH_NAMED, 2, 0, false}},
	{"one in References, too",
	 .ids = {IRT("<x@x>"), REF("<named@example.org>")},
	 .expected = {MATCH_NAMED, 2, 0, false}},
	{"a stored id before one that was only named, and that is related",
	 .ids = {IRT("<named@example.org>"), REF("<one@company.test>")},
	 .expected = {MATCH_REFERENCES, 1, 2, false}},
	{"ids that differ in case are different",
	 .ids = {IRT("<One@company.test>")}, .expected = {MATCH_IN_REPLY_TO, 2, 0, false}},
	{"and one in capitals is unknown",
	 .ids = {IRT("<ONE@company.test>")}, .expected = {MATCH_NEW, 0, 0, false}},
	{"the message itself is known",
	 .ids = {IRT("<x@x>")}, .itself = 2, .expected = {MATCH_NAMED, 2, 0, false}},
	{"which does not matter where its ids are",
	 .ids = {IRT("<one@company.test>")}, .itself = 2,
	 .expected = {MATCH_IN_REPLY_TO, 1, 0, false}},
	{"a report by the id that it returns",
	 .ids = {RET("<two@company.test>")}, .expected = {MATCH_REPORT, 2, 0, false}},
	{"not by an id that was only named",
	 .ids = {RET("<named@example.org>")}, .expected = {MATCH_NEW, 0, 0, false}},
	{"a report by our own id",
	 .ids = {OWN_RET(1), RET("<two@company.test>")}, .expected = {MATCH_REPORT, 1, 2, false}},
	{"a report by the token that it returns",
	 .input = {.report_conversation = 1}, .opens_none = true,
	 .expected = {MATCH_REPORT, 1, 0, false}},
	{"a report of ours that answers is matched by what it answers",
	 .input = {.report_conversation = 2}, .ids = {IRT("<one@company.test>")},
	 .expected = {MATCH_IN_REPLY_TO, 1, 2, false}},
	{"a believed token of a conversation that the store lacks",
	 .input = {.token_conversation = 77}, .expected = {MATCH_TOKEN, 77, 0, true}},
	{"inbound, a closed conversation is found",
	 .input = {.token_conversation = 9}, .expected = {MATCH_TOKEN, 9, 0, false}},
	{"outbound, a token alone does not join a closed one",
	 .input = {.token_conversation = 9, .is_outbound = true},
	 .expected = {MATCH_NEW, 0, 9, false}},
	{"outbound, a token and an id do",
	 .input = {.token_conversation = 9, .is_outbound = true},
	 .ids = {IRT("<nine@company.test>")}, .expected = {MATCH_TOKEN, 9, 0, false}},
	{"outbound, an id alone does",
	 .input = {.is_outbound = true}, .ids = {IRT("<nine@company.test>")},
	 .expected = {MATCH_IN_REPLY_TO, 9, 0, false}},
};
/* clang-format on */

static void first_hit_wins(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct match *expected = &rows[i].expected;
		struct searched searched = {.itself = rows[i].itself};
		struct match_lookup lookup = lookup_of_stored;
		struct match_input input = rows[i].input;
		struct match match;
		struct error err;

		lookup.context = &searched;
		input.ids = rows[i].ids;
		input.may_open = !rows[i].opens_none;
		while (input.id_count < IDS_OF_ROW && rows[i].ids[input.id_count].msgid != NULL)
			input.id_count++;
		assert_int_equal(match_find(&input, &lookup, &match, &err), 0);
		if (match.reason != expected->reason ||
		    match.conversation != expected->conversation ||
		    match.related != expected->related || match.is_lost != expected->is_lost)
			fail_msg("%s: %s, conversation %lld, related %lld", rows[i].sentence,
			         match_reason_name(match.reason), (long long)match.conversation,
			         (long long)match.related);
	}
}

static void a_failed_lookup_is_no_absence(void **state)
{
	struct searched searched = {0};
	struct match_lookup lookup = lookup_of_stored;
	struct match_id id = REF("<disk@fails>");
	struct match_input input = {.ids = &id, .id_count = 1, .may_open = true};
	struct match match;
	struct error err;
	(void)state;

	lookup.context = &searched;
	assert_int_equal(match_find(&input, &lookup, &match, &err), -1);
	assert_int_equal(err.kind, ERROR_TEMPORARY);
}

static void no_more_than_the_nearest_ids_are_looked_up(void **state)
{
	struct searched searched = {0};
	struct match_lookup lookup = lookup_of_stored;
	struct match_id ids[MATCH_IDS_MAX + 10];
	struct match_input input = {.ids = ids, .id_count = MATCH_IDS_MAX + 10, .may_open = true};
	struct match match;
	struct error err;
	(void)state;

	for (size_t i = 0; i < MATCH_IDS_MAX + 10; i++)
		ids[i] = (struct match_id)REF("<x@x>");
	ids[MATCH_IDS_MAX].msgid = "<one@company.test>";
	lookup.context = &searched;
	assert_int_equal(match_find(&input, &lookup, &match, &err), 0);
	assert_int_equal(match.reason, MATCH_NEW);
	assert_int_equal(searched.lookups, MATCH_IDS_MAX);
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
