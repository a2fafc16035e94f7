#include "tests/unit/alert_fixture.h"

/* Planning waits and creating notices; test_notice.c has what becomes of these. */

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

/* The unplanned waits, at most limit, are these. */
static void expect_unplanned(size_t limit, const struct planned_wait *waits, size_t count)
{
	struct planned_wait *found;
	size_t found_count;

	OK(store_list_unplanned(fixture.store, limit, &found, &found_count, err));
	assert_int_equal(found_count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(found[i].wait, waits[i].wait);
		assert_int_equal(found[i].started_at, waits[i].started_at);
		assert_int_equal(found[i].level, waits[i].level);
		assert_string_equal(found[i].account, "Sales");
	}
	planned_waits_free(found, found_count);
}

/* Those due are these, by their ids. */
static void expect_due(int64_t now, size_t limit, const int64_t *waits, size_t count)
{
	struct planned_wait *found;
	size_t found_count;

	OK(store_list_due(fixture.store, now, limit, &found, &found_count, err));
	assert_int_equal(found_count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(found[i].wait, waits[i]);
	planned_waits_free(found, found_count);
}

static void a_wait_that_starts_is_unplanned(void **state)
{
	struct waiting late = ask(fixture.store, "<1@x>", CUSTOMER, 0, 2000);
	struct waiting early = ask(fixture.store, "<2@x>", OTHER, 0, 1000);
	const struct planned_wait expected[] = {
		{.wait = early.wait, .started_at = 1000},
		{.wait = late.wait, .started_at = 2000},
	};

	(void)state;
	expect_unplanned(10, expected, 2);
	expect_unplanned(1, expected, 1);
	expect_due(INT64_MAX - 1, 10, NULL, 0);
	assert_int_equal(next_due(fixture.store), 0);
}

static void an_empty_store_has_nothing_to_do(void **state)
{
	(void)state;
	expect_unplanned(10, NULL, 0);
	expect_due(INT64_MAX, 10, NULL, 0);
	assert_true(next_due(fixture.store) == DUE_NEVER);
}

static void a_planned_wait_is_due_at_its_time(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct planned_wait *due;
	size_t count;

	(void)state;
	plan(fixture.store, waiting.wait, 3, 5000);
	expect_unplanned(10, NULL, 0);
	assert_int_equal(next_due(fixture.store), 5000);
	expect_due(4999, 10, NULL, 0);
	OK(store_list_due(fixture.store, 5000, 10, &due, &count, err));
	assert_int_equal(count, 1);
	assert_int_equal(due[0].wait, waiting.wait);
	assert_int_equal(due[0].started_at, 1000);
	assert_int_equal(due[0].level, 3);
	assert_int_equal(due[0].due_at, 5000);
	assert_string_equal(due[0].account, "Sales");
	planned_waits_free(due, count);
}

static void the_oldest_due_come_first(void **state)
{
	int64_t waits[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		char msgid[16];

		snprintf(msgid, sizeof(msgid), "<%d@x>", i);
		waits[3 - i] = ask(fixture.store, msgid, CUSTOMER, 0, 1000).wait;
		plan(fixture.store, waits[3 - i], 0, 9000 - i);
	}
	expect_due(9000, 10, waits, 4);
	expect_due(9000, 2, waits, 2);
	expect_due(8998, 10, waits, 2);
	assert_int_equal(next_due(fixture.store), 8997);
}

static void a_wait_without_a_further_level_is_never_due(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);

	(void)state;
	plan(fixture.store, waiting.wait, 2, DUE_NEVER);
	expect_unplanned(10, NULL, 0);
	expect_due(INT64_MAX - 1, 10, NULL, 0);
	assert_true(next_due(fixture.store) == DUE_NEVER);
}

static void a_wait_that_ended_is_neither_unplanned_nor_due(void **state)
{
	struct waiting planned = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct waiting unplanned = ask(fixture.store, "<2@x>", CUSTOMER, 0, 1000);

	(void)state;
	plan(fixture.store, planned.wait, 0, 2000);
	answer(fixture.store, "<a1@x>", planned.conversation, 1500);
	answer(fixture.store, "<a2@x>", unplanned.conversation, 1500);
	expect_unplanned(10, NULL, 0);
	expect_due(9000, 10, NULL, 0);
	assert_true(next_due(fixture.store) == DUE_NEVER);

	plan(fixture.store, unplanned.wait, 7, 2000);
	assert_int_equal(
		number_of(fixture.store, "SELECT level FROM wait WHERE id = ?1", unplanned.wait),
		0);
}

static void a_wait_that_resumes_is_unplanned_from_its_level(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	const struct planned_wait expected = {.wait = waiting.wait, .started_at = 1000, .level = 2};

	(void)state;
	plan(fixture.store, waiting.wait, 2, 2000);
	answer(fixture.store, "<a@x>", waiting.conversation, 1500);
	bounce(fixture.store, "<b@x>", "<a@x>", waiting.conversation, 1600);
	expect_due(9000, 10, NULL, 0);
	expect_unplanned(10, &expected, 1);
	assert_int_equal(next_due(fixture.store), 0);
}

static void the_waits_of_a_closed_conversation_are_over(void **state)
{
	struct waiting planned = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct waiting unplanned = ask(fixture.store, "<2@x>", CUSTOMER, 0, 1001);
	struct waiting anew;

	(void)state;
	plan(fixture.store, planned.wait, 1, 2000);
	set_closed(fixture.store, planned.conversation, true);
	set_closed(fixture.store, unplanned.conversation, true);
	expect_unplanned(10, NULL, 0);
	expect_due(9000, 10, NULL, 0);
	assert_true(next_due(fixture.store) == DUE_NEVER);
	plan(fixture.store, unplanned.wait, 0, 2000);
	OK(store_replan_all(fixture.store, 5000, in_five_seconds(), err));
	set_closed(fixture.store, planned.conversation, false);
	expect_unplanned(10, NULL, 0);

	anew = ask(fixture.store, "<3@x>", CUSTOMER, unplanned.conversation, 1500);
	assert_int_not_equal(anew.wait, unplanned.wait);
	expect_unplanned(10, &(struct planned_wait){.wait = anew.wait, .started_at = 1500}, 1);
}

static void a_wait_that_starts_in_a_closed_conversation_rests(void **state)
{
	struct waiting first = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct record record = record_of("<2@x>", 1100);
	struct recorded recorded;

	(void)state;
	set_closed(fixture.store, first.conversation, true);
	record.from = OTHER;
	record.match.token_conversation = first.conversation;
	record_ok(fixture.store, &record, &recorded);
	assert_int_equal(recorded.waits_started, 1);
	recorded_release(&recorded);
	expect_unplanned(10, NULL, 0);
	assert_true(next_due(fixture.store) == DUE_NEVER);
}

static void planning_anew_makes_running_waits_unplanned(void **state)
{
	struct waiting due = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct waiting never = ask(fixture.store, "<2@x>", CUSTOMER, 0, 1001);
	struct waiting ended = ask(fixture.store, "<3@x>", CUSTOMER, 0, 1002);
	const struct planned_wait expected[] = {
		{.wait = due.wait, .started_at = 1000, .level = 1},
		{.wait = never.wait, .started_at = 1001, .level = 2},
	};

	(void)state;
	plan(fixture.store, due.wait, 1, 2000);
	plan(fixture.store, never.wait, 2, DUE_NEVER);
	plan(fixture.store, ended.wait, 0, 2000);
	answer(fixture.store, "<a@x>", ended.conversation, 1500);
	OK(store_replan_all(fixture.store, 5000, in_five_seconds(), err));
	expect_unplanned(10, expected, 2);
}

/* Waits are numbered 0, 1 (running), 2 (answered), 3 (closed). */
struct creation {
	const char *name;
	struct {
		int wait, level;
		const char *recipient;
		size_t group;
	} levels[4];
	size_t count;
	int notices, alerts; /* that are there afterwards */
	bool is_refused;
};

/* In this order on one store. */
static const struct creation creations[] = {
	{"a passed level makes a notice", {{0, 0, JANE, 0}}, 1, 1, 1, false},
	{"the same again makes none", {{0, 0, JANE, 0}}, 1, 1, 1, false},
	{"nor in another spelling", {{0, 0, "Jane@Company.TEST", 0}}, 1, 1, 1, false},
	{"another recipient gets his own", {{0, 0, BOSS, 0}}, 1, 2, 2, false},
	{"a wait that was answered makes none", {{2, 0, JANE, 0}}, 1, 2, 2, false},
	{"a closed conversation makes none", {{3, 0, JANE, 0}}, 1, 2, 2, false},
	{"a wait that is unknown makes none", {{-1, 0, JANE, 0}}, 1, 2, 2, false},
	{"of a group what is new goes into one notice",
         {{0, 0, JANE, 1}, {0, 1, JANE, 1}, {1, 0, JANE, 1}, {2, 0, JANE, 1}},
         4,
         3,
         4,
         false},
	{"of two groups the one with nothing new gets no notice",
         {{1, 0, JANE, 0}, {1, 0, BOSS, 1}},
         2,
         4,
         5,
         false},
	{"the same level twice in one call counts once",
         {{1, 1, JANE, 0}, {1, 1, JANE, 1}},
         2,
         5,
         6,
         false},
	{"a group without a number of its own is refused, and all with it",
         {{1, 2, JANE, 0}, {1, 3, JANE, 2}},
         2,
         5,
         6,
         true},
	{"after it the store goes on", {{1, 2, JANE, 0}}, 1, 6, 7, false},
};

static void each_wait_level_and_recipient_has_one_notice(void **state)
{
	struct waiting waits[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		char msgid[16];

		snprintf(msgid, sizeof(msgid), "<%d@x>", i);
		waits[i] = ask(fixture.store, msgid, CUSTOMER, 0, 1000);
	}
	answer(fixture.store, "<a@x>", waits[2].conversation, 1500);
	set_closed(fixture.store, waits[3].conversation, true);
	for (size_t i = 0; i < sizeof(creations) / sizeof(creations[0]); i++) {
		const struct creation *row = &creations[i];
		struct passed_level levels[4];
		struct error err = {0};
		int64_t notices, alerts;
		int status;

		for (size_t j = 0; j < row->count; j++)
			levels[j] = (struct passed_level){
				.wait = row->levels[j].wait < 0 ? 12345
			                                        : waits[row->levels[j].wait].wait,
				.level = row->levels[j].level,
				.due_at = 1800,
				.recipient = row->levels[j].recipient,
				.group = row->levels[j].group,
			};
		status = store_create_notices(fixture.store, levels, row->count, NULL, 0, 2000,
		                              in_five_seconds(), &err);
		notices = number(fixture.store, "SELECT count(*) FROM notice");
		alerts = number(fixture.store, "SELECT count(*) FROM alert");
		if ((status < 0) != row->is_refused || notices != row->notices ||
		    alerts != row->alerts)
			fail_msg("%s: status %d %s, %d notices, %d alerts", row->name, status,
			         err.text, (int)notices, (int)alerts);
	}
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM notice WHERE id NOT IN"
	                                       " (SELECT notice FROM alert)"),
	                 0);
	assert_int_equal(number(fixture.store,
	                        "SELECT count(*) FROM alert a JOIN notice n ON n.id = a.notice"
	                        " WHERE a.recipient <> n.recipient"),
	                 0);
}

static void a_wait_moves_on_with_its_notices_and_never_back(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct waiting ended = ask(fixture.store, "<2@x>", CUSTOMER, 0, 1000);
	struct waiting closed = ask(fixture.store, "<3@x>", CUSTOMER, 0, 1000);
	const struct planned_wait to_two[] = {
		{.wait = waiting.wait, .level = 2, .due_at = 7000},
		{.wait = ended.wait, .level = 2, .due_at = 7000},
		{.wait = closed.wait, .level = 2, .due_at = 7000},
	};
	const struct planned_wait to_one = {.wait = waiting.wait, .level = 1, .due_at = 3000};
	const struct planned_wait two_again = {.wait = waiting.wait, .level = 2, .due_at = 3000};
	const char *level_of = "SELECT level FROM wait WHERE id = ?1";

	(void)state;
	plan(fixture.store, waiting.wait, 0, 2000);
	plan(fixture.store, ended.wait, 0, 2000);
	plan(fixture.store, closed.wait, 0, 2000);
	answer(fixture.store, "<a@x>", ended.conversation, 1500);
	set_closed(fixture.store, closed.conversation, true);
	OK(store_create_notices(fixture.store, NULL, 0, to_two, 3, 2000, in_five_seconds(), err));
	assert_int_equal(number_of(fixture.store, level_of, waiting.wait), 2);
	assert_int_equal(number_of(fixture.store, level_of, ended.wait), 0);
	assert_int_equal(number_of(fixture.store, level_of, closed.wait), 0);
	assert_int_equal(next_due(fixture.store), 7000);
	OK(store_create_notices(fixture.store, NULL, 0, &to_one, 1, 2000, in_five_seconds(), err));
	OK(store_create_notices(fixture.store, NULL, 0, &two_again, 1, 2000, in_five_seconds(),
	                        err));
	assert_int_equal(number_of(fixture.store, level_of, waiting.wait), 2);
	assert_int_equal(next_due(fixture.store), 7000);
}

static void notices_and_moves_are_one_transaction(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	const struct passed_level level = {.wait = waiting.wait, .due_at = 1800, .recipient = JANE};
	const struct planned_wait moved = {.wait = waiting.wait, .level = 1, .due_at = DUE_NEVER};
	struct error err = {0};

	(void)state;
	plan(fixture.store, waiting.wait, 0, 1800);
	run_sql(fixture.store, "CREATE TEMP TRIGGER broken BEFORE UPDATE OF level ON main.wait"
	                       " BEGIN SELECT raise(ABORT, 'broken'); END");
	assert_int_equal(store_create_notices(fixture.store, &level, 1, &moved, 1, 2000,
	                                      in_five_seconds(), &err),
	                 -1);
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM notice"), 0);
	run_sql(fixture.store, "DROP TRIGGER broken");
	expect_due(2000, 10, &waiting.wait, 1);
	pass(fixture.store, waiting.wait, 0, JANE, 2000);
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM notice"), 1);
	expect_due(2000, 10, NULL, 0);
}

static void a_process_that_begins_again_in_the_same_second_finds_free_ids(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);

	(void)state;
	for (int level = 0; level < 5; level++) {
		store_close(fixture.store);
		fixture_open(&fixture);
		pass(fixture.store, waiting.wait, level, JANE, 1700000000);
		assert_int_equal(number(fixture.store, "SELECT count(*) FROM notice"), level + 1);
	}
	assert_true(number(fixture.store, "SELECT min(id) FROM notice") == INT64_C(1700000000000)
	                                                                           << 21);
}

static void a_notice_is_due_at_once_and_again_when_its_lease_ends(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct notice *notices;

	(void)state;
	pass(fixture.store, waiting.wait, 0, JANE, 2000);
	assert_int_equal(next_due(fixture.store), 2000);
	notices = take(fixture.store, 2010, 1);
	assert_int_equal(next_due(fixture.store), 2070);
	plan(fixture.store, waiting.wait, 1, 2069);
	assert_int_equal(next_due(fixture.store), 2069);
	plan(fixture.store, waiting.wait, 1, 2071);
	assert_int_equal(next_due(fixture.store), 2070);
	OK(store_end_notice(fixture.store, notices[0].id, NOTICE_SENT, 2011, in_five_seconds(),
	                    err));
	assert_int_equal(next_due(fixture.store), 2071);
	notices_free(notices, 1);
}

static void another_connections_commit_shows(void **state)
{
	struct error err = {0};
	struct store *other = store_open(fixture.path, STORE_WRITE, &err);
	int64_t before = 0, after = 0;

	(void)state;
	assert_non_null(other);
	OK(store_data_version(fixture.store, &before, err));
	OK(store_data_version(fixture.store, &after, err));
	assert_int_equal(before, after);
	ask(fixture.store, "<own@x>", CUSTOMER, 0, 1000);
	OK(store_data_version(fixture.store, &after, err));
	assert_int_equal(before, after);
	ask(other, "<other@x>", CUSTOMER, 0, 1000);
	OK(store_data_version(fixture.store, &after, err));
	assert_int_not_equal(before, after);
	store_close(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_wait_that_starts_is_unplanned),
		TEST(an_empty_store_has_nothing_to_do),
		TEST(a_planned_wait_is_due_at_its_time),
		TEST(the_oldest_due_come_first),
		TEST(a_wait_without_a_further_level_is_never_due),
		TEST(a_wait_that_ended_is_neither_unplanned_nor_due),
		TEST(a_wait_that_resumes_is_unplanned_from_its_level),
		TEST(the_waits_of_a_closed_conversation_are_over),
		TEST(a_wait_that_starts_in_a_closed_conversation_rests),
		TEST(planning_anew_makes_running_waits_unplanned),
		TEST(each_wait_level_and_recipient_has_one_notice),
		TEST(a_wait_moves_on_with_its_notices_and_never_back),
		TEST(notices_and_moves_are_one_transaction),
		TEST(a_process_that_begins_again_in_the_same_second_finds_free_ids),
		TEST(a_notice_is_due_at_once_and_again_when_its_lease_ends),
		TEST(another_connections_commit_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
