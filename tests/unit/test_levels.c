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

/* 2026-11-23 10:00 UTC, a Monday. */
#define MONDAY INT64_C(1795428000)

static char *owner[] = {UNOWNED("owner")};
static struct alert_level two_levels[] = {
	{.after_s = FIRST, .recipients = {.items = owner, .count = 1}},
	{.after_s = SECOND, .is_urgent = true, .recipients = {.items = boss_and_bob, .count = 2}},
};

/* What is held stands as ">" and the minutes from now on. */
static void what_is_held(void **state)
{
	static const struct {
		const char *sentence, *zone;
		struct calendar_interval quiet[2];
		int64_t age_s;
		const char *expected;
	} rows[] = {
		{"not quiet", NULL, {{22 * 60, 31 * 60}}, FIRST, "sales>0"},
		{"quiet", NULL, {{9 * 60, 12 * 60}}, FIRST, "sales>120"},
		{"quiet begins now", NULL, {{10 * 60, 12 * 60}}, FIRST, "sales>120"},
		{"quiet ends now", NULL, {{9 * 60, 10 * 60}}, FIRST, "sales>0"},
		{"over midnight", NULL, {{22 * 60, 35 * 60}}, FIRST, "sales>60"},
		{"two intervals that touch",
	         NULL,
	         {{0, 11 * 60}, {11 * 60, 13 * 60}},
	         FIRST,
	         "sales>180"},
		{"what is late is held too", NULL, {{9 * 60, 12 * 60}}, FIRST + 1000, "sales>120"},
		{"urgent is not", NULL, {{9 * 60, 12 * 60}}, SECOND, "sales>120 boss>0 bob>0"},
		{"a zone of half hours: 15:30 there",
	         "Asia/Kolkata",
	         {{15 * 60, 17 * 60}},
	         FIRST,
	         "sales>90"},
		{"where it is tomorrow",
	         "Pacific/Auckland",
	         {{22 * 60, 31 * 60}},
	         FIRST,
	         "sales>480"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct account account = {.name = UNOWNED("Sales"),
		                          .is_enabled = true,
		                          .address = UNOWNED("sales@company.test"),
		                          .alerts = {two_levels, 2}};
		struct config quiet = {.accounts = &account, .account_count = 1};
		struct planned_wait wait = {.wait = 1,
		                            .started_at = MONDAY - rows[i].age_s,
		                            .account = UNOWNED("Sales")};
		struct passed_list list;
		char text[200] = "";

		while (account.quiet.count < 2 && rows[i].quiet[account.quiet.count].to > 0) {
			account.quiet.intervals[account.quiet.count] =
				rows[i].quiet[account.quiet.count];
			account.quiet.count++;
		}
		if (rows[i].zone != NULL)
			assert_non_null(quiet.zone = zone_open(rows[i].zone, NULL));
		levels_pass(&quiet, &wait, 1, MONDAY, &list);
		for (size_t j = 0; j < list.count; j++) {
			const struct passed_level *row = &list.items[j];

			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s>%d",
			         j > 0 ? " " : "", (int)strcspn(row->recipient, "@"),
			         row->recipient,
			         row->not_before > 0 ? (int)(row->not_before - MONDAY) / 60 : 0);
		}
		passed_list_release(&list);
		zone_free(quiet.zone);
		if (strcmp(text, rows[i].expected) != 0)
			fail_msg("%s: %s", rows[i].sentence, text);
	}
}

static void a_snooze_puts_levels_off(void **state)
{
	struct planned_wait wait = {.wait = 1,
	                            .started_at = START - FIRST,
	                            .account = UNOWNED("Replies"),
	                            .snoozed_until = START + 500};
	struct passed_list list;
	(void)state;

	levels_plan(&config, &wait);
	assert_int_equal(wait.due_at, START + 500);
	assert_int_equal(levels_pass(&config, &wait, 1, START + 499, &list), 0);
	assert_int_equal(list.count, 0);
	passed_list_release(&list);
	assert_int_equal(levels_pass(&config, &wait, 1, START + 500, &list), 1);
	assert_int_equal(list.items[0].due_at, START + 500);
	passed_list_release(&list);
}

static void a_digest_to_owner_and_others(void **state)
{
	char *names[] = {UNOWNED("owner"), UNOWNED("boss@example.com")};
	struct account account = accounts[0];
	const struct planned_wait waits[] = {
		{.wait = 1, .owner = UNOWNED("jane@company.test")},
		{.wait = 2, .owner = UNOWNED("jane@example.org")},
		{.wait = 3, .owner = UNOWNED("jane@company.test")},
	};
	struct passed_list list;
	char text[2000];
	(void)state;

	account.digest.recipients = (struct string_list){.items = names, .count = 2};
	levels_digest(&config, &account, waits, 3, 7, START, &list);
	assert_string_equal(describe(text, &list),
	                    "1.1000007 jane 0; 1.1000007 boss 1; 2.1000007 replies 2; "
	                    "2.1000007 boss 1; 3.1000007 jane 0; 3.1000007 boss 1");
	passed_list_release(&list);
}

static void rules_that_differ(void **state)
{
	static struct alert_level business[] = {
		{.after_s = FIRST, .is_business = true, .recipients = {.items = bob, .count = 1}}};
	static struct alert_level urgent[] = {
		{.after_s = FIRST, .is_urgent = true, .recipients = {.items = bob, .count = 1}}};
	static struct alert_level plain[] = {
		{.after_s = FIRST, .recipients = {.items = bob, .count = 1}}};
	static struct calendar_holiday holiday = {.month = 12, .day = 25};
	static struct named_calendar berlin = {.zone_name = UNOWNED("Europe/Berlin")};
	static struct named_calendar tokyo = {.zone_name = UNOWNED("Asia/Tokyo")};
	static struct named_calendar holidays = {
		.zone_name = UNOWNED("Europe/Berlin"),
		.hours = {.holidays = &holiday, .holiday_count = 1}};
	static struct named_calendar hours = {
		.zone_name = UNOWNED("Europe/Berlin"),
		.hours = {.days = {{.intervals = {{540, 600}}, .count = 1}}}};
#define RULES(levels, ...)                                                                         \
	{                                                                                          \
		.name = UNOWNED("Sales"), .is_enabled = true, .alerts = {levels, 1}, __VA_ARGS__   \
	}
	static struct {
		const char *sentence;
		struct account one, other;
		bool expected;
	} rows[] = {
		{"urgent or not, it passes when it did", RULES(plain, .warn_s = 0),
	         RULES(urgent, .warn_s = 0), false},
		{"business or not", RULES(plain, .calendar = &berlin),
	         RULES(business, .calendar = &berlin), true},
		{"a warning", RULES(plain, .warn_s = 0), RULES(plain, .warn_s = 60), true},
		{"a repetition", RULES(plain, .warn_s = 0), RULES(plain, .repeat = {60, 1}), true},
		{"one more", RULES(plain, .repeat = {60, 2}), RULES(plain, .repeat = {60, 1}),
	         true},
		{"quiet hours", RULES(plain, .warn_s = 0), RULES(plain, .quiet = {.count = 1}),
	         false},
		{"a zone", RULES(business, .calendar = &berlin),
	         RULES(business, .calendar = &tokyo), true},
		{"holidays", RULES(business, .calendar = &berlin),
	         RULES(business, .calendar = &holidays), true},
		{"hours", RULES(business, .calendar = &berlin), RULES(business, .calendar = &hours),
	         true},
		{"a calendar that no level asks", RULES(plain, .calendar = &berlin),
	         RULES(plain, .calendar = &tokyo), false},
		{"the same calendar", RULES(business, .calendar = &hours),
	         RULES(business, .calendar = &hours), false},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct config one = {.accounts = &rows[i].one, .account_count = 1};
		const struct config other = {.accounts = &rows[i].other, .account_count = 1};

		if (levels_differ(&one, &other) != rows[i].expected ||
		    levels_differ(&other, &one) != rows[i].expected)
			fail_msg("%s", rows[i].sentence);
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
		cmocka_unit_test(what_is_held),
		cmocka_unit_test(a_snooze_puts_levels_off),
		cmocka_unit_test(a_digest_to_owner_and_others),
		cmocka_unit_test(rules_that_differ),
		cmocka_unit_test(differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
