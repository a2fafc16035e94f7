#include "tests/unit/alert_fixture.h"

/* Alerts that are held back, and daily digests. */

static struct fixture fixture;

static int begin(void **state)
{
	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fixture_end(&fixture);
	return 0;
}

static void what_is_told_later_waits_for_one_moment(void **state)
{
	static const struct {
		const char *recipient;
		int64_t not_before;
	} rows[] = {{JANE, 7000}, {JANE, 7000}, {BOSS, 7000}, {JANE, 7100}, {JANE, 0}};
	struct notice *notices;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char msgid[20];
		struct waiting waiting;

		snprintf(msgid, sizeof(msgid), "<%zu@x>", i);
		waiting = ask(fixture.store, msgid, CUSTOMER, 0, 1000);
		const struct passed_level passed = {.wait = waiting.wait,
		                                    .due_at = 2000,
		                                    .recipient = rows[i].recipient,
		                                    .not_before = rows[i].not_before};
		const struct planned_wait moved = {
			.wait = waiting.wait, .level = 1, .due_at = DUE_NEVER};

		OK(store_create_notices(fixture.store, &passed, 1, &moved, 1, 5000 + (int64_t)i,
		                        in_five_seconds(), err));
	}
	notices = take(fixture.store, 6999, 1);
	assert_int_equal(notices[0].item_count, 1);
	OK(store_end_notice(fixture.store, notices[0].id, NOTICE_SENT, 6999, in_five_seconds(),
	                    err));
	notices_free(notices, 1);
	assert_int_equal(next_due(fixture.store), 7000);
	notices = take(fixture.store, 7000, 2);
	assert_string_equal(notices[0].recipient, JANE);
	assert_int_equal(notices[0].item_count, 2);
	assert_int_equal(notices[0].created_at, 7000);
	assert_string_equal(notices[1].recipient, BOSS);
	assert_int_equal(notices[1].item_count, 1);
	notices_free(notices, 2);
	notices_free(take(fixture.store, 7100, 3), 3);
}

/* What was taken is on its way: nothing is added to it, whatever its lease. */
static void nothing_joins_a_notice_that_was_taken(void **state)
{
	struct waiting first = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct waiting second = ask(fixture.store, "<2@x>", OTHER, 0, 1000);
	const struct passed_level passed = {
		.wait = second.wait, .due_at = 2000, .recipient = JANE, .not_before = 5060};

	(void)state;
	pass(fixture.store, first.wait, 0, JANE, 5000);
	notices_free(take(fixture.store, 5000, 1), 1);
	OK(store_create_notices(fixture.store, &passed, 1, NULL, 0, 5000, in_five_seconds(), err));
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM notice"
	                                       " WHERE leased_until = 5060"),
	                 2);
}

static void a_digest_is_once_a_day(void **state)
{
	const int64_t waits[] = {ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000).wait,
	                         ask(fixture.store, "<2@x>", CUSTOMER, 0, 1000).wait};
	const struct {
		const char *sentence, *account;
		int64_t day;
		int notices; /* from then on */
		int wait;
	} rows[] = {
		{"on its first day it only begins", "Sales", 100, 0, 0},
		{"the next day it is sent", "Sales", 101, 1, 0},
		{"not twice, whoever waits by then", "sales", 101, 1, 1},
		{"nor for a day that is past", "Sales", 100, 1, 1},
		{"after many days once", "Sales", 110, 2, 0},
		{"another account begins by itself", "Support", 110, 2, 0},
		{"and comes the day after", "Support", 111, 3, 0},
		{"of a day that a wrong clock says", "Sales", 9000, 4, 0},
		{"none comes when it is right again", "Sales", 112, 4, 0},
		{"but the day after", "Sales", 113, 5, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct passed_level level = {.wait = waits[rows[i].wait],
		                                   .level = ALERT_DIGEST_LEVEL + (int)rows[i].day,
		                                   .due_at = 2000,
		                                   .recipient = JANE};

		OK(store_create_digest(fixture.store, rows[i].account, rows[i].day, &level, 1, 5000,
		                       in_five_seconds(), err));
		if (number(fixture.store, "SELECT count(*) FROM notice") != rows[i].notices)
			fail_msg("%s", rows[i].sentence);
	}
}

/* What a clock a year ahead put off is due again when it is right, and not what rests for hours. */
static void no_rest_outlasts_the_clock_that_wanted_it(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	static const struct {
		int64_t until, expected;
	} rows[] = {{5000 + 3600, 5000 + 3600},
	            {5000 + LEASE_MOST_S, 5000 + LEASE_MOST_S},
	            {5000 + LEASE_MOST_S + 1, 5000},
	            {5000 + INT64_C(365) * 86400, 5000}};

	(void)state;
	pass(fixture.store, waiting.wait, 0, JANE, 4000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t notice = number(fixture.store, "SELECT id FROM notice");

		OK(store_retry_notice(fixture.store, notice, rows[i].until, in_five_seconds(),
		                      err));
		OK(store_replan_all(fixture.store, 5000, in_five_seconds(), err));
		count_is(fixture.store, "SELECT leased_until FROM notice", (int)rows[i].expected);
	}
}

static void who_waits_in_an_account(void **state)
{
	struct waiting first = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1001);
	struct waiting second = ask(fixture.store, "<2@x>", CUSTOMER, 0, 1000);
	struct waiting third = ask(fixture.store, "<3@x>", CUSTOMER, 0, 1002);
	struct planned_wait *waits;
	size_t count;

	(void)state;
	answer(fixture.store, "<a@x>", third.conversation, 1500);
	OK(store_list_waiting(fixture.store, "SALES", 10, &waits, &count, err));
	assert_int_equal(count, 2);
	assert_int_equal(waits[0].wait, second.wait);
	assert_int_equal(waits[1].wait, first.wait);
	planned_waits_free(waits, count);
	OK(store_list_waiting(fixture.store, "Support", 10, &waits, &count, err));
	assert_int_equal(count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(what_is_told_later_waits_for_one_moment),
		TEST(nothing_joins_a_notice_that_was_taken),
		TEST(a_digest_is_once_a_day),
		TEST(no_rest_outlasts_the_clock_that_wanted_it),
		TEST(who_waits_in_an_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
