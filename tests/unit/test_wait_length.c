#include "tests/unit/store_fixture.h"

#include "lib/store/alert.h"
#include "lib/store/care.h"
#include "lib/store/rehearse.h"
#include "lib/store/wait.h"

/* How long a wait was, kept at its end; and what runs again, and for whom. */

#define UNOWNED(text) ((char *)(text)) /* literals in members that elsewhere are on the heap */
#define CUSTOMER      "customer@example.org"
#define JANE          "jane@company.test"

#define HOUR   INT64_C(3600)
#define DAY    (24 * HOUR)
#define FRIDAY INT64_C(1795132800) /* 2026-11-20 00:00 UTC */
#define AT     (FRIDAY + 16 * HOUR)
#define NONE   -1 /* no business time is kept */

static struct named_calendar weekdays = {.name = UNOWNED("Weekdays")};
static struct named_calendar always = {.name = UNOWNED("Always")};
static struct account accounts[] = {
	{.name = UNOWNED("Sales"), .is_enabled = true, .calendar = &weekdays},
	{.name = UNOWNED("Night"), .is_enabled = true, .calendar = &always},
	{.name = UNOWNED("Plain"), .is_enabled = true},
	{.name = UNOWNED("Gone"), .is_enabled = false, .calendar = &weekdays},
};
static struct config config = {.accounts = accounts, .account_count = 4};
static struct fixture fixture;

static int set_up(void **state)
{
	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	weekdays.hours = always.hours = (struct calendar){0};
	for (int day = 0; day < 7; day++) {
		assert_null(calendar_add_interval(&always.hours.days[day], "00:00-24:00"));
		if (day < 5)
			assert_null(
				calendar_add_interval(&weekdays.hours.days[day], "09:00-17:00"));
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fixture_end(&fixture);
	return 0;
}

static struct recorded record_it(const struct record *record)
{
	struct recorded recorded;

	record_ok(fixture.store, record, &recorded);
	recorded_release(&recorded);
	return recorded;
}

/* The same, and foretold. */
static struct recorded foretell_and_record(const struct record *record)
{
	struct recorded recorded, foretold;
	struct error err;

	assert_int_equal(store_rehearse(fixture.store, record, &foretold, &err), 0);
	recorded_release(&foretold);
	recorded = record_it(record);
	if (foretold.waits_started != recorded.waits_started ||
	    foretold.is_crowded != recorded.is_crowded)
		fail_msg("%s: started=%u crowded=%d was foretold, not started=%u crowded=%d",
		         record->msgid, foretold.waits_started, foretold.is_crowded,
		         recorded.waits_started, recorded.is_crowded);
	return recorded;
}

/* A customer begins a conversation, at an account, and waits. */
static struct recorded ask(const char *msgid, const char *account, int64_t at)
{
	struct record record = record_of(msgid, at);

	record.config = &config;
	record.account = account;
	return record_it(&record);
}

static struct record answer_of(const char *msgid, int64_t conversation, int64_t at)
{
	static const char *const recipients[] = {CUSTOMER};
	struct record record = record_of(msgid, at);

	record.config = &config;
	record.direction = DIRECTION_OUT;
	record.from = JANE;
	record.match.token_conversation = conversation;
	record.recipients = recipients;
	record.recipient_count = 1;
	record.starts_wait = false;
	record.ends_waits = record.adds_participants = true;
	record_key(record.key, msgid, JANE, "today", record.direction, NULL, NULL, 0);
	return record;
}

static struct recorded answer(const char *msgid, int64_t conversation, int64_t at)
{
	struct record record = answer_of(msgid, conversation, at);

	return record_it(&record);
}

/* The answer of that id did not arrive. */
static struct recorded bounce(const char *msgid, const char *original, int64_t conversation,
                              int64_t at)
{
	const struct record_failure failure = {CUSTOMER, "failed", "5.1.1", "no such user", NULL};
	struct record record = record_of(msgid, at);

	record.config = &config;
	record.class = CLASS_BOUNCE;
	record.from = "";
	record.starts_wait = false;
	record.match.report_conversation = conversation;
	record.original_msgid = original;
	record.failures = &failure;
	record.failure_count = 1;
	return record_it(&record);
}

/* What is kept of the only wait that has ended. */
static void length_is(const char *sentence, int64_t wall_s, int64_t business_s)
{
	struct error err = {0};
	int64_t wall, business;

	count_is(fixture.store, "SELECT count(*) FROM wait WHERE ended_at IS NOT NULL", 1);
	assert_int_equal(read_number(fixture.store,
	                             "SELECT coalesce(wall_s, -1) FROM wait"
	                             " WHERE ended_at IS NOT NULL",
	                             &wall, &err),
	                 0);
	assert_int_equal(read_number(fixture.store,
	                             "SELECT coalesce(business_s, -1) FROM wait"
	                             " WHERE ended_at IS NOT NULL",
	                             &business, &err),
	                 0);
	if (wall != wall_s || business != business_s)
		fail_msg("%s: %lld s, %lld in business time", sentence, (long long)wall,
		         (long long)business);
}

static void run(const char *sql)
{
	struct error err = {0};

	if (store_run(fixture.store, sql, &err) < 0)
		fail_msg("%s", err.text);
}

enum end { BY_ANSWER, BY_COMMAND, BY_LINK };

static const struct {
	const char *sentence, *account;
	int64_t waited_s;
	enum end end;
	int64_t wall_s, business_s;
} rows[] = {
	{"from Friday afternoon to Monday morning", "Sales", 2 * DAY + 18 * HOUR, BY_ANSWER,
         66 * HOUR, 2 * HOUR},
	{"closed by command instead", "Sales", 2 * DAY + 18 * HOUR, BY_COMMAND, 66 * HOUR,
         2 * HOUR},
	{"closed by a link", "Sales", 2 * DAY + 18 * HOUR, BY_LINK, 66 * HOUR, 2 * HOUR},
	{"answered on Sunday", "Sales", 2 * DAY - 16 * HOUR + 2 * HOUR, BY_ANSWER, 34 * HOUR, HOUR},
	{"the account's name in another case", "sALES", 90, BY_ANSWER, 90, 90},
	{"an account that works always", "Night", 3 * DAY, BY_ANSWER, 3 * DAY, 3 * DAY},
	{"no time at all", "Sales", 0, BY_ANSWER, 0, 0},
	{"closed by a clock that is behind", "Sales", -5, BY_COMMAND, 0, 0},
	{"no calendar", "Plain", 3 * DAY, BY_ANSWER, 3 * DAY, NONE},
	{"no calendar, closed", "Plain", 3 * DAY, BY_COMMAND, 3 * DAY, NONE},
	{"a disabled account", "Gone", DAY, BY_ANSWER, DAY, NONE},
	{"an account that is no more", "Renamed", DAY, BY_COMMAND, DAY, NONE},
	{"no account", NULL, DAY, BY_LINK, DAY, NONE},
};

static void end_it(enum end end, int64_t conversation, int64_t at)
{
	struct care_outcome outcome;
	struct error err = {0};

	switch (end) {
	case BY_ANSWER:
		answer("<answer@x>", conversation, at);
		break;
	case BY_COMMAND:
		assert_int_equal(store_set_closed(fixture.store, &config, conversation, true, at,
		                                  in_five_seconds(), &err),
		                 1);
		break;
	case BY_LINK:
		run("INSERT INTO notice (id, recipient, created_at) VALUES (7, 'jane', 1795132800);"
		    "INSERT INTO alert (wait, level, recipient, notice, due_at)"
		    " SELECT id, 0, 'jane', 7, 0 FROM wait");
		assert_int_equal(store_do_action(fixture.store, &config, ACTION_CLOSE, 7, JANE, at,
		                                 in_five_seconds(), &outcome, &err),
		                 0);
		assert_int_equal(outcome.result, CARE_DONE);
		break;
	}
}

static void the_end_says_how_long_it_was(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct recorded asked;

		if (i > 0)
			set_up(NULL);
		asked = ask("<1@x>", rows[i].account, AT);
		count_is(fixture.store,
		         "SELECT count(*) FROM wait WHERE coalesce(wall_s, business_s) IS NOT NULL",
		         0);
		end_it(rows[i].end, asked.conversation, AT + rows[i].waited_s);
		length_is(rows[i].sentence, rows[i].wall_s, rows[i].business_s);
		if (i + 1 < sizeof(rows) / sizeof(rows[0]))
			tear_down(NULL);
	}
}

static void without_a_configuration_only_the_wall_counts(void **state)
{
	struct recorded asked = ask("<1@x>", "Sales", AT);
	struct record record = answer_of("<2@x>", asked.conversation, AT + DAY);
	(void)state;

	record.config = NULL;
	record_it(&record);
	length_is("no configuration", DAY, NONE);
}

static void another_calendar_changes_nothing_that_has_ended(void **state)
{
	int64_t conversation = ask("<1@x>", "Sales", AT).conversation;
	struct error err = {0};
	(void)state;

	answer("<2@x>", conversation, AT + 3 * DAY);
	length_is("at its end", 3 * DAY, 8 * HOUR);
	weekdays.hours = always.hours;
	/* Nor does what comes afterwards. */
	answer("<3@x>", conversation, AT + 4 * DAY);
	assert_int_equal(store_set_closed(fixture.store, &config, conversation, true, AT + 5 * DAY,
	                                  in_five_seconds(), &err),
	                 1);
	assert_int_equal(store_set_closed(fixture.store, &config, conversation, false, AT + 6 * DAY,
	                                  in_five_seconds(), &err),
	                 1);
	length_is("with another calendar", 3 * DAY, 8 * HOUR);
}

static void what_runs_again_forgets_how_long_it_was(void **state)
{
	int64_t conversation = ask("<1@x>", "Sales", AT).conversation;
	(void)state;

	answer("<2@x>", conversation, AT + HOUR);
	length_is("answered", HOUR, HOUR);
	assert_int_equal(bounce("<3@x>", "<2@x>", conversation, AT + 2 * HOUR).waits_resumed, 1);
	count_is(fixture.store,
	         "SELECT count(*) FROM wait WHERE ended_at IS NULL AND wall_s IS NULL"
	         " AND business_s IS NULL",
	         1);
	answer("<4@x>", conversation, AT + 3 * DAY);
	length_is("answered at last", 3 * DAY, 8 * HOUR);
}

static void a_later_answer_that_ends_it_instead_counts(void **state)
{
	int64_t conversation = ask("<1@x>", "Sales", AT).conversation;
	(void)state;

	answer("<2@x>", conversation, AT + HOUR);
	answer("<3@x>", conversation, AT + 3 * DAY);
	length_is("by the first answer", HOUR, HOUR);
	assert_int_equal(bounce("<4@x>", "<2@x>", conversation, AT + 4 * DAY).waits_resumed, 0);
	length_is("by the second one", 3 * DAY, 8 * HOUR);
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE end_reason = 'answered'", 1);
}

static const struct {
	const char *sentence;
	int64_t bounced_after_s;
	int level, alerts;
} levels[] = {
	{"the answer bounces at once", 5, 2, 3},
	{"within a day", WAIT_FORGOTTEN_S, 2, 3},
	{"later: the levels are passed anew, a digest of a day is not", WAIT_FORGOTTEN_S + 1, 0, 1},
};

static void after_a_day_the_levels_are_passed_anew(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct error err = {0};
		int64_t conversation, level, alerts;

		if (i > 0)
			set_up(NULL);
		conversation = ask("<1@x>", "Sales", AT).conversation;
		run("UPDATE wait SET level = 2, due_at = 1;"
		    "INSERT INTO notice (id, recipient, created_at) VALUES (7, 'jane', 1);"
		    "INSERT INTO alert (wait, level, recipient, notice, due_at)"
		    " SELECT id, value, 'jane', 7, 0 FROM wait,"
		    " (SELECT 0 AS value UNION SELECT 1 UNION SELECT 1020000)");
		answer("<2@x>", conversation, AT + HOUR);
		bounce("<3@x>", "<2@x>", conversation, AT + HOUR + levels[i].bounced_after_s);
		count_is(fixture.store,
		         "SELECT count(*) FROM wait WHERE ended_at IS NULL AND due_at IS NULL", 1);
		assert_int_equal(read_number(fixture.store, "SELECT level FROM wait", &level, &err),
		                 0);
		assert_int_equal(
			read_number(fixture.store, "SELECT count(*) FROM alert", &alerts, &err), 0);
		if (level != levels[i].level || alerts != levels[i].alerts)
			fail_msg("%s: level %d, %d alerts", levels[i].sentence, (int)level,
			         (int)alerts);
		/* He has waited since he asked. */
		assert_int_equal(
			read_number(fixture.store, "SELECT started_at FROM wait", &level, &err), 0);
		assert_true(level == AT);
		if (i + 1 < sizeof(levels) / sizeof(levels[0]))
			tear_down(NULL);
	}
}

static void fifty_wait_in_one_conversation_and_no_more(void **state)
{
	int64_t conversation = ask("<1@x>", "Sales", AT).conversation;
	struct record record;
	struct recorded recorded;
	char msgid[40], from[40];
	(void)state;

	for (int i = 1; i <= WAITS_RUNNING_MAX; i++) {
		snprintf(msgid, sizeof(msgid), "<more-%d@x>", i);
		snprintf(from, sizeof(from), "c%d@example.org", i);
		record = record_of(msgid, AT + i);
		record.from = from;
		record.match.token_conversation = conversation;
		recorded = foretell_and_record(&record);
		if (recorded.waits_started != (i < WAITS_RUNNING_MAX) ||
		    recorded.is_crowded != (i == WAITS_RUNNING_MAX))
			fail_msg("customer %d: started=%u crowded=%d", i + 1,
			         recorded.waits_started, recorded.is_crowded);
	}
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE ended_at IS NULL",
	         WAITS_RUNNING_MAX);
	/* A participant waits however many do, but not whoever only says that he is one. */
	record = record_of("<known@x>", AT + 90);
	record.from = from;
	record.match.token_conversation = conversation;
	record.auth = "fail";
	assert_true(foretell_and_record(&record).is_crowded);
	/* Who waits already is none of them; elsewhere there is room; and when one is answered. */
	record = record_of("<again@x>", AT + 100);
	record.match.token_conversation = conversation;
	assert_false(foretell_and_record(&record).is_crowded);
	assert_int_equal(ask("<elsewhere@x>", "Sales", AT + 100).waits_started, 1);
	answer("<answer@x>", conversation, AT + 200);
	record = record_of("<last@x>", AT + 300);
	record.from = from;
	record.match.token_conversation = conversation;
	assert_int_equal(record_it(&record).waits_started, 1);
}

static void nobody_answers_himself(void **state)
{
	int64_t conversation = ask("<1@x>", "Sales", AT).conversation;
	struct record record = answer_of("<2@x>", conversation, AT + HOUR);
	(void)state;

	record.from = "Customer@Example.org";
	assert_int_equal(record_it(&record).waits_ended, 0);
	/* Nor does such a message stand in for an answer that bounced. */
	answer("<3@x>", conversation, AT + 2 * HOUR);
	record = answer_of("<4@x>", conversation, AT + 3 * HOUR);
	record.from = "Customer@Example.org";
	record_it(&record);
	assert_int_equal(bounce("<5@x>", "<3@x>", conversation, AT + 4 * HOUR).waits_resumed, 1);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(the_end_says_how_long_it_was),
		EACH(without_a_configuration_only_the_wall_counts),
		EACH(another_calendar_changes_nothing_that_has_ended),
		EACH(what_runs_again_forgets_how_long_it_was),
		EACH(a_later_answer_that_ends_it_instead_counts),
		EACH(after_a_day_the_levels_are_passed_anew),
		EACH(fifty_wait_in_one_conversation_and_no_more),
		EACH(nobody_answers_himself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
