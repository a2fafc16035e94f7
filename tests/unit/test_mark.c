#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/conversation/mark.h"

#define DAY ((int64_t)86400)
#define NOW (20000 * DAY + 3600)

static const struct keyring ring = {
	.keys = {{.id = 'c', .made_on = "2026-02-02", .bytes = "the newest key signs, 32 bytes.."},
                 {.id = 'b', .made_on = "2026-01-01", .bytes = "an older key verifies, 32 bytes."}},
	.count = 2,
};
static const struct keyring other_ring = {
	.keys = {{.id = 'c', .made_on = "2026-02-02", .bytes = "same id, but not the same bytes."}},
	.count = 1,
};

static void a_mark_says_what_it_was_made_for(void **state)
{
	static const struct {
		enum mark_kind kind;
		const char *detail;
	} rows[] = {
		{MARK_FETCHED, "Support"},
		{MARK_FETCHED, "An account with blanks"},
		{MARK_ALERT, "aaaaaaaaaaabb"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char mark[MARK_SIZE], detail[MARK_DETAIL_BYTES + 1];
		enum mark_kind kind;

		mark_make(mark, &ring, rows[i].kind, rows[i].detail, NOW);
		assert_int_equal(mark_verify(&ring, mark, NOW, &kind, detail), 1);
		assert_int_equal(kind, rows[i].kind);
		assert_string_equal(detail, rows[i].detail);
	}
}

static void what_is_not_believed(void **state)
{
	static const struct {
		const char *sentence;
		const struct keyring *verifier;
		int64_t now;
		int expected;
	} rows[] = {
		{"two days later", &ring, NOW + 2 * DAY, 1},
		{"three days later", &ring, NOW + 3 * DAY, 0},
		{"a day early", &ring, NOW - DAY, 1},
		{"two days early", &ring, NOW - 2 * DAY, 0},
		{"with other keys", &other_ring, NOW, 0},
	};
	char mark[MARK_SIZE], detail[MARK_DETAIL_BYTES + 1];
	enum mark_kind kind;
	(void)state;

	mark_make(mark, &ring, MARK_FETCHED, "Support", NOW);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (mark_verify(rows[i].verifier, mark, rows[i].now, &kind, detail) !=
		    rows[i].expected)
			fail_msg("%s", rows[i].sentence);
}

static void any_changed_byte_is_not_believed(void **state)
{
	char mark[MARK_SIZE], detail[MARK_DETAIL_BYTES + 1];
	enum mark_kind kind;
	(void)state;

	mark_make(mark, &ring, MARK_ALERT, "Support", NOW);
	for (size_t i = 0; mark[i] != '\0'; i++) {
		char changed[MARK_SIZE];

		strcpy(changed, mark);
		changed[i] ^= 1;
		if (mark_verify(&ring, changed, NOW, &kind, detail))
			fail_msg("\"%s\" was believed", changed);
		strcpy(changed, mark);
		changed[i] = '\0';
		if (mark_verify(&ring, changed, NOW, &kind, detail))
			fail_msg("\"%s\" was believed", changed);
	}
}

static void nothing_is_too_strange_to_be_refused(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		"fetched",
		"fetched 1",
		"fetched  c aaaaaaaaaaaaa aaaaaaaaaaaaaaaa x",
		"fetched 99999999999999999999999 c aaaaaaaaaaaaa aaaaaaaaaaaaaaaa x",
		"alert -1 c aaaaaaaaaaaaa aaaaaaaaaaaaaaaa x",
		"seen 20000 c aaaaaaaaaaaaa aaaaaaaaaaaaaaaa x",
		"fetched 20000 cc aaaaaaaaaaaaa aaaaaaaaaaaaaaaa x",
	};
	char detail[MARK_DETAIL_BYTES + 1], endless[2 * MARK_SIZE];
	enum mark_kind kind;
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(mark_verify(&ring, rows[i], NOW, &kind, detail), 0);
	memset(endless, 'a', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	assert_int_equal(mark_verify(&ring, endless, NOW, &kind, detail), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mark_says_what_it_was_made_for),
		cmocka_unit_test(what_is_not_believed),
		cmocka_unit_test(any_changed_byte_is_not_believed),
		cmocka_unit_test(nothing_is_too_strange_to_be_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
