#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "scheduler/levels.h"

#define START  INT64_C(1000000)
#define FIRST  3600
#define SECOND 7200
#define THIRD  7210

/* Literals in members that elsewhere are on the heap; nothing frees them here. */
#define UNOWNED(text) ((char *)(text))

static char *owner_and_list[] = {UNOWNED("owner"), UNOWNED("list@company.test")};
static char *boss_and_bob[] = {UNOWNED("boss@example.com"), UNOWNED("bob@company.test")};
static char *bob[] = {UNOWNED("bob@company.test")};
static struct alert_level three_levels[] = {
	{.after_s = FIRST, .recipients = {.items = owner_and_list, .count = 2}},
	{.after_s = SECOND, .recipients = {.items = boss_and_bob, .count = 2}},
	{.after_s = THIRD, .recipients = {.items = bob, .count = 1}},
};
static struct account accounts[] = {
	{.name = UNOWNED("Replies"),
         .is_enabled = true,
         .address = UNOWNED("replies@company.test"),
         .alerts = {three_levels, 3}},
	{.name = UNOWNED("Quiet"), .is_enabled = true, .address = UNOWNED("quiet@company.test")},
	{.name = UNOWNED("Off"),
         .address = UNOWNED("off@company.test"),
         .alerts = {three_levels, 3}},
};
static char *staff[] = {UNOWNED("@company.test")};
static const struct config config = {
	.staff = {.items = staff, .count = 1}, .accounts = accounts, .account_count = 3};

static void plans(void **state)
{
	static const struct {
		const char *sentence;
		const char *account;
		int level;
		int64_t expected;
	} rows[] = {
		{"the first level", "Replies", 0, START + FIRST},
		{"the second, whatever the case", "replies", 1, START + SECOND},
		{"there is no fourth", "Replies", 3, DUE_NEVER},
		{"an account without levels", "Quiet", 0, DUE_NEVER},
		{"a disabled account", "Off", 0, DUE_NEVER},
		{"an account that is gone", "Gone", 0, DUE_NEVER},
		{"no account", NULL, 0, DUE_NEVER},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct planned_wait wait = {.started_at = START,
		                            .level = rows[i].level,
		                            .account = UNOWNED(rows[i].account)};

		levels_plan(&config, &wait);
		if (wait.due_at != rows[i].expected)
			fail_msg("%s", rows[i].sentence);
	}
}

/* One text for the list: "wait.level recipient group; ..." */
static const char *describe(char out[2000], const struct passed_list *list)
{
	size_t length = 0;

	out[0] = '\0';
	for (size_t i = 0; i < list->count; i++) {
		const struct passed_level *row = &list->items[i];

		assert_true(row->group < list->count && row->group < list->group_count);
		length += (size_t)snprintf(out + length, 2000 - length, "%s%d.%d %.*s %zu",
		                           i > 0 ? "; " : "", (int)row->wait, row->level,
		                           (int)strcspn(row->recipient, "@"), row->recipient,
		                           row->group);
	}
	return out;
}

struct wait_facts {
	int level;
	int64_t age_s;
	const char *account, *owner;
};

static void what_was_passed(void **state)
{
	static const struct {
		const char *sentence;
		struct wait_facts waits[3]; /* up to the first without an age */
		const char *expected;
		size_t moved;
	} rows[] = {
		{"the owner and the list, a mail each",
	         {{0, FIRST, "Replies", "Jane@company.test"}},
	         "1.0 jane 0; 1.0 list 1",
	         1},
		{"two waits in time are two mails to each",
	         {{0, FIRST, "Replies", "jane@company.test"},
	          {0, FIRST + 120, "Replies", "jane@company.test"}},
	         "1.0 jane 0; 1.0 list 1; 2.0 jane 2; 2.0 list 3",
	         2},
		{"two late waits are one mail to each",
	         {{0, FIRST + 121, "Replies", "jane@company.test"},
	          {0, FIRST + 500, "Replies", "jane@company.test"}},
	         "1.0 jane 0; 1.0 list 1; 2.0 jane 0; 2.0 list 1",
	         2},
		{"late owners have a digest of their own each",
	         {{0, FIRST + 121, "Replies", "jane@company.test"},
	          {0, FIRST + 500, "Replies", "bob@company.test"}},
	         "1.0 jane 0; 1.0 list 1; 2.0 bob 2; 2.0 list 1",
	         2},
		{"what is in time is in no digest",
	         {{0, FIRST + 121, "Replies", "jane@company.test"},
	          {0, FIRST + 1, "Replies", "jane@company.test"}},
	         "1.0 jane 0; 1.0 list 1; 2.0 jane 2; 2.0 list 3",
	         2},
		{"no owner means the account's address",
	         {{0, FIRST, "Replies", NULL}},
	         "1.0 replies 0; 1.0 list 1",
	         1},
		{"an owner who left means it too",
	         {{0, FIRST, "Replies", "jane@example.org"}},
	         "1.0 replies 0; 1.0 list 1",
	         1},
		{"an owner on the list is told once",
	         {{0, FIRST, "Replies", "LIST@company.test"}},
	         "1.0 list 0",
	         1},
		{"two levels at once are one mail for him whom both name",
	         {{1, THIRD, "Replies", NULL}},
	         "1.1 boss 0; 1.1 bob 1; 1.2 bob 1",
	         1},
		{"a late level rides with one in time, for the same recipient",
	         {{0, THIRD, "Replies", "bob@company.test"},
	          {0, FIRST + 500, "Replies", "bob@company.test"}},
	         "1.0 bob 0; 1.0 list 1; 1.1 boss 2; 1.1 bob 0; 1.2 bob 0; 2.0 bob 3; 2.0 list 1",
	         2},
		{"a wait that is not due any more stands behind",
	         {{1, FIRST, "Replies", NULL}, {0, FIRST, "Replies", NULL}},
	         "2.0 replies 0; 2.0 list 1",
	         1},
		{"an account that is gone tells nobody", {{0, FIRST, "Gone", NULL}}, "", 0},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct planned_wait waits[3];
		struct passed_list list;
		char text[2000];
		size_t count = 0, moved;

		for (; count < 3 && rows[i].waits[count].age_s > 0; count++) {
			const struct wait_facts *facts = &rows[i].waits[count];

			waits[count] = (struct planned_wait){.wait = (int64_t)count + 1,
			                                     .started_at = START - facts->age_s,
			                                     .level = facts->level,
			                                     .account = UNOWNED(facts->account),
			                                     .owner = UNOWNED(facts->owner)};
		}
		moved = levels_pass(&config, waits, count, START, &list);
		if (moved != rows[i].moved || strcmp(describe(text, &list), rows[i].expected) != 0)
			fail_msg("%s: %zu moved, %s", rows[i].sentence, moved, text);
		for (size_t j = 0; j < count; j++) {
			if (waits[j].due_at <= START || (j < moved && waits[j].level == 0))
				fail_msg("%s: not planned on", rows[i].sentence);
		}
		passed_list_release(&list);
	}
}

static void differences(void **state)
{
	static struct alert_level later_level[] = {
		{.after_s = FIRST + 1, .recipients = {.items = bob, .count = 1}}};
	static struct alert_level other_people[] = {
		{.after_s = FIRST, .recipients = {.items = bob, .count = 1}},
		{.after_s = SECOND, .recipients = {.items = bob, .count = 1}},
		{.after_s = THIRD, .recipients = {.items = bob, .count = 1}}};
	const struct {
		const char *sentence;
		struct account account;
		bool expected;
	} rows[] = {
		{"the same", accounts[0], false},
		{"other people are told at the same times",
	         {.name = UNOWNED("REPLIES"), .is_enabled = true, .alerts = {other_people, 3}},
	         false},
		{"other times",
	         {.name = UNOWNED("Replies"), .is_enabled = true, .alerts = {later_level, 1}},
	         true},
		{"a level less",
	         {.name = UNOWNED("Replies"), .is_enabled = true, .alerts = {three_levels, 2}},
	         true},
		{"another account",
	         {.name = UNOWNED("Other"), .is_enabled = true, .alerts = {three_levels, 3}},
	         true},
		{"disabled", {.name = UNOWNED("Replies"), .alerts = {three_levels, 3}}, true},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct account account = rows[i].account;
		const struct config other = {.accounts = &account, .account_count = 1};

		if (levels_differ(&config, &other) != rows[i].expected ||
		    levels_differ(&other, &config) != rows[i].expected)
			fail_msg("%s", rows[i].sentence);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans),
		cmocka_unit_test(what_was_passed),
		cmocka_unit_test(differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
