#include "tests/unit/alert_fixture.h"

#include <sys/wait.h>

#include "lib/store/letter.h"

#define DAY   86400
#define NOON  (10 * DAY + DAY / 2)
#define TODAY 10

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

static int64_t count_of_day(struct store *store, const char *account, int64_t day)
{
	int64_t count = -1;

	OK(store_count_of_day(store, account, day, &count, err));
	return count;
}

#define STEPS_MAX 6

struct step {
	const char *msgid;
	int64_t after; /* seconds after noon */
	const char *to[4];
	int64_t limit;
	bool stops, is_tracked_only;
	const char *account; /* NULL: Sales */
	size_t further;

	int64_t counted;
	int status;
	bool is_repeat;
};

struct story {
	const char *name;
	struct step steps[STEPS_MAX];
};

/* clang-format off */
static const struct story stories[] = {
	{"each recipient counts, also without a limit",
	 {{"<1@x>", .to = {CUSTOMER, OTHER}, .counted = 2},
	  {"<2@x>", .to = {CUSTOMER}, .counted = 3}}},
	{"one that is listed twice, in whatever case, counts once",
	 {{"<1@x>", .to = {CUSTOMER, OTHER, "Customer@Example.ORG", CUSTOMER}, .counted = 2}}},
	{"a repeat counts nobody twice",
	 {{"<1@x>", .to = {CUSTOMER, OTHER}, .counted = 2},
	  {"<1@x>", .to = {OTHER, CUSTOMER}, .counted = 2, .is_repeat = true}}},
	{"the same message for another recipient counts him",
	 {{"<1@x>", .to = {CUSTOMER}, .counted = 1},
	  {"<1@x>", .to = {OTHER}, .counted = 2, .is_repeat = true},
	  {"<1@x>", .to = {CUSTOMER, OTHER, "third@example.org"}, .counted = 3,
	   .is_repeat = true}}},
	{"one who was a recipient and not counted counts when he is",
	 {{"<1@x>", .to = {CUSTOMER}, .is_tracked_only = true},
	  {"<1@x>", .to = {CUSTOMER}, .counted = 1, .is_repeat = true},
	  {"<1@x>", .to = {CUSTOMER}, .counted = 1, .is_repeat = true}}},
	{"accounts count apart",
	 {{"<1@x>", .to = {CUSTOMER}, .counted = 1},
	  {"<2@x>", .to = {CUSTOMER, OTHER}, .account = "Support", .counted = 2},
	  {"<3@x>", .to = {CUSTOMER}, .counted = 2}}},
	{"a day ends at 00:00 UTC",
	 {{"<1@x>", .to = {CUSTOMER}, .after = DAY / 2 - 1, .counted = 1},
	  {"<2@x>", .to = {CUSTOMER}, .after = DAY / 2, .counted = 1},
	  {"<3@x>", .to = {CUSTOMER}, .after = DAY / 2 - 1, .counted = 2}}},
	{"a repeat on the next day counts there, and only who is new",
	 {{"<1@x>", .to = {CUSTOMER}, .counted = 1},
	  {"<1@x>", .after = DAY, .to = {CUSTOMER}, .is_repeat = true},
	  {"<1@x>", .after = DAY, .to = {CUSTOMER, OTHER}, .counted = 1, .is_repeat = true}}},
	{"a limit that does not stop is passed",
	 {{"<1@x>", .to = {CUSTOMER}, .limit = 1, .counted = 1},
	  {"<2@x>", .to = {CUSTOMER}, .limit = 1, .counted = 2}}},
	{"one that stops is met, never passed, and what fits goes on",
	 {{"<1@x>", .to = {CUSTOMER, OTHER}, .limit = 3, .stops = true, .counted = 2},
	  {"<2@x>", .to = {CUSTOMER, OTHER}, .limit = 3, .stops = true, .counted = 4,
	   .status = RECORDED_OVER_LIMIT},
	  {"<2@x>", .to = {CUSTOMER}, .limit = 3, .stops = true, .counted = 3},
	  {"<3@x>", .to = {CUSTOMER}, .limit = 3, .stops = true, .counted = 4,
	   .status = RECORDED_OVER_LIMIT},
	  {"<3@x>", .after = DAY / 2, .to = {CUSTOMER}, .limit = 3, .stops = true,
	   .counted = 1}}},
	{"a message larger than the limit is over it",
	 {{"<1@x>", .to = {CUSTOMER, OTHER}, .limit = 1, .stops = true, .counted = 2,
	   .status = RECORDED_OVER_LIMIT}}},
	{"a repeat of what was counted passes at the limit, somebody new does not",
	 {{"<1@x>", .to = {CUSTOMER}, .limit = 1, .stops = true, .counted = 1},
	  {"<1@x>", .to = {CUSTOMER}, .limit = 1, .stops = true, .counted = 1,
	   .is_repeat = true},
	  {"<1@x>", .to = {OTHER}, .limit = 1, .stops = true, .counted = 2,
	   .status = RECORDED_OVER_LIMIT}}},
	{"those beyond count too, and no repeat counts them again",
	 {{"<1@x>", .to = {CUSTOMER}, .further = 4, .counted = 5},
	  {"<1@x>", .to = {CUSTOMER}, .further = 4, .counted = 5, .is_repeat = true},
	  {"<2@x>", .further = 2, .counted = 7},
	  {"<3@x>", .to = {CUSTOMER}, .further = 2, .limit = 9, .stops = true, .counted = 10,
	   .status = RECORDED_OVER_LIMIT}}},
	{"no limit stops nothing",
	 {{"<1@x>", .to = {CUSTOMER}, .stops = true, .counted = 1}}},
};
/* clang-format on */

static void play(const struct story *story, const struct step *step, struct store *store)
{
	struct record record;
	struct recorded recorded;
	size_t count = 0;

	while (count < 4 && step->to[count] != NULL)
		count++;
	record = sending_of(step->msgid, NOON + step->after, step->to, count);
	if (step->account != NULL)
		record.account = step->account;
	if (step->is_tracked_only)
		record.counted_count = 0;
	record.counted_further = step->further;
	record.daily_limit = step->limit;
	record.stops_at_limit = step->stops;
	record_ok(store, &record, &recorded);
	if (recorded.status != step->status || recorded.counted_today != step->counted ||
	    recorded.is_repeat != step->is_repeat)
		fail_msg("%s, step %d: status %d, counted %lld, repeat %d", story->name,
		         (int)(step - story->steps) + 1, recorded.status,
		         (long long)recorded.counted_today, recorded.is_repeat);
	if (recorded.status == 0 &&
	    count_of_day(store, record.account, record.received_at / DAY) != step->counted)
		fail_msg("%s, step %d: the store has %lld", story->name,
		         (int)(step - story->steps) + 1,
		         (long long)count_of_day(store, record.account, record.received_at / DAY));
	recorded_release(&recorded);
}

static void recipients_are_counted_as_the_stories_tell(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		struct fixture own;

		fixture_begin(&own);
		fixture_open(&own);
		for (const struct step *step = stories[i].steps;
		     step < stories[i].steps + STEPS_MAX && step->msgid != NULL; step++)
			play(&stories[i], step, own.store);
		fixture_end(&own);
	}
}

static void who_sent_to_nobody_has_counted_none(void **state)
{
	(void)state;
	assert_int_equal(count_of_day(fixture.store, "Sales", TODAY), 0);
}

static void without_an_account_nobody_counts(void **state)
{
	static const char *const to[] = {CUSTOMER};
	struct record record = sending_of("<1@x>", NOON, to, 1);
	struct recorded recorded;

	(void)state;
	record.account = NULL;
	record_ok(fixture.store, &record, &recorded);
	assert_int_equal(recorded.counted_today, 0);
	recorded_release(&recorded);
	count_is(fixture.store, "SELECT count(*) FROM account_day", 0);
}

/* All rows that a record could have added or changed. */
static int64_t rows_now(void)
{
	return number(fixture.store,
	              "SELECT (SELECT count(*) + sum(updated_at) FROM conversation)"
	              " + (SELECT count(*) FROM message) + (SELECT count(*) FROM recipient)"
	              " + (SELECT count(*) FROM message_id) + (SELECT count(*) FROM participant)"
	              " + (SELECT count(*) FROM delivery) + (SELECT count(*) FROM letter)"
	              " + (SELECT count(*) FROM wait WHERE ended_at IS NULL)"
	              " + (SELECT coalesce(sum(count), 0) FROM account_day)");
}

static void over_the_limit_nothing_is_written_and_the_batch_goes_on(void **state)
{
	static const char *const one[] = {CUSTOMER}, *const two[] = {CUSTOMER, OTHER};
	struct waiting waiting = ask(fixture.store, "<q@x>", CUSTOMER, 0, 1000);
	struct record records[4] = {
		sending_of("<1@x>", NOON, one, 1), sending_of("<2@x>", NOON, two, 2),
		sending_of("<3@x>", NOON, one, 1), sending_of("<2@x>", NOON, two, 2)};
	const struct record *over = &records[1];
	const struct record *batch[] = {&records[0], &records[1], &records[2], &records[3]};
	struct recorded recorded[4];
	int64_t before;

	(void)state;
	for (int i = 0; i < 4; i++) {
		records[i].daily_limit = 2;
		records[i].daily_limit_warn = 1;
		records[i].stops_at_limit = true;
		records[i].match.token_conversation = waiting.conversation;
		records[i].owner = JANE;
		records[i].adds_participants = true;
		records[i].ends_waits = i == 1;
	}
	OK(store_record(fixture.store, batch, recorded, 4, in_five_seconds(), err));
	assert_int_equal(recorded[0].status, 0);
	assert_int_equal(recorded[0].counted_today, 1);
	assert_int_equal(recorded[1].status, RECORDED_OVER_LIMIT);
	assert_int_equal(recorded[1].counted_today, 3);
	assert_int_equal(recorded[1].message, 0);
	assert_int_equal(recorded[1].conversation, 0);
	assert_null(recorded[1].rule);
	assert_int_equal(recorded[2].status, 0);
	assert_int_equal(recorded[2].counted_today, 2);
	assert_int_equal(recorded[3].status, RECORDED_OVER_LIMIT);
	for (int i = 0; i < 4; i++)
		recorded_release(&recorded[i]);
	count_is(fixture.store, "SELECT count(*) FROM message", 3);
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE ended_at IS NULL", 1);
	count_is(fixture.store, "SELECT count(*) FROM participant WHERE address LIKE 'other%'", 0);

	before = rows_now();
	records[1].received_at += 100;
	OK(store_record(fixture.store, &over, recorded, 1, in_five_seconds(), err));
	assert_int_equal(recorded[0].status, RECORDED_OVER_LIMIT);
	assert_int_equal(rows_now(), before);
	/* of one that is there neither */
	records[0].counted = records[0].recipients = two;
	records[0].counted_count = records[0].recipient_count = 2;
	records[0].queue_id = "other";
	OK(store_record(fixture.store, batch, recorded, 1, in_five_seconds(), err));
	assert_int_equal(recorded[0].status, RECORDED_OVER_LIMIT);
	assert_false(recorded[0].is_repeat);
	assert_int_equal(rows_now(), before);
}

static void a_failing_record_counts_nobody(void **state)
{
	static const char *const to[] = {CUSTOMER};
	struct record record = sending_of("<1@x>", NOON, to, 1);
	const struct record *batch[] = {&record};
	struct recorded recorded;

	(void)state;
	record.auth = "no such verdict";
	OK(store_record(fixture.store, batch, &recorded, 1, in_five_seconds(), err));
	assert_int_equal(recorded.status, -1);
	assert_int_equal(count_of_day(fixture.store, "Sales", TODAY), 0);
}

enum { MANY = 10000 };

static void ten_thousand_recipients_are_all_remembered_and_soon(void **state)
{
	static char addresses[MANY + 1][40];
	static const char *to[MANY + 1];
	struct record record;
	struct recorded recorded;
	struct message_row *rows;
	int64_t start;
	size_t count;

	(void)state;
	for (int i = 0; i <= MANY; i++) {
		snprintf(addresses[i], sizeof(addresses[i]), "address%d@example.org", i);
		to[i] = addresses[i];
	}
	record = sending_of("<1@x>", NOON, to, MANY);
	start = store_clock_ms();
	record_ok(fixture.store, &record, &recorded);
	assert_int_equal(recorded.counted_today, MANY);
	recorded_release(&recorded);
	/* one more in a repeat: neither those that are kept anyway nor the rest count again */
	record.recipients = record.counted = to + 1;
	record_ok(fixture.store, &record, &recorded);
	assert_true(store_clock_ms() - start < 3000);
	assert_true(recorded.is_repeat);
	assert_int_equal(recorded.counted_today, MANY + 1);
	count_is(fixture.store, "SELECT count(*) FROM recipient WHERE is_counted", MANY + 1);
	/* and whom people are shown are the first of them */
	OK(store_list_messages(fixture.store, recorded.conversation, &rows, &count, err));
	assert_int_equal(count, 1);
	assert_int_equal(rows[0].recipients.count, RECORD_RECIPIENTS_KEPT);
	assert_string_equal(rows[0].recipients.items[0], "address0@example.org");
	assert_string_equal(rows[0].recipients.items[2], "address1000@example.org");
	message_rows_free(rows, count);
	recorded_release(&recorded);
}

struct sending {
	const char *name;
	int64_t at;
	size_t count; /* recipients */
	int64_t limit, near;
	const char *account; /* NULL: Sales */
	int64_t near_letters, reached_letters;
};

static const struct sending sendings[] = {
	{"under both", NOON, 3, 10, 4, NULL, 0, 0},
	{"near", NOON + 1, 1, 10, 4, NULL, 1, 0},
	{"nearer", NOON + 2, 5, 10, 4, NULL, 1, 0},
	{"there", NOON + 3, 1, 10, 4, NULL, 1, 1},
	{"beyond", NOON + 4, 3, 10, 4, NULL, 1, 1},
	{"a greater limit on the same day", NOON + 5, 7, 20, 16, NULL, 1, 1},
	{"another account, far beyond at once", NOON + 6, 9, 5, 4, "Support", 2, 2},
	{"the next day, without a limit", NOON + DAY, 5, 0, 0, NULL, 2, 2},
	{"a limit that was lowered under the count", NOON + DAY, 1, 3, 2, NULL, 3, 3},
	{"a limit of which nothing is near", NOON + 2 * DAY, 2, 4, 0, NULL, 3, 3},
	{"and that is reached", NOON + 2 * DAY, 2, 4, 0, NULL, 3, 4},
};

static void the_operator_is_told_of_a_limit_once_a_day(void **state)
{
	static const char *const to[] = {"1@x", "2@x", "3@x", "4@x", "5@x",
	                                 "6@x", "7@x", "8@x", "9@x"};

	(void)state;
	for (size_t i = 0; i < sizeof(sendings) / sizeof(sendings[0]); i++) {
		char msgid[40];
		struct record record;
		struct recorded recorded;

		snprintf(msgid, sizeof(msgid), "<%zu@x>", i);
		record = sending_of(msgid, sendings[i].at, to, sendings[i].count);
		if (sendings[i].account != NULL)
			record.account = sendings[i].account;
		record.daily_limit = sendings[i].limit;
		record.daily_limit_warn = sendings[i].near;
		for (int repeat = 0; repeat < 2; repeat++) {
			record_ok(fixture.store, &record, &recorded);
			recorded_release(&recorded);
		}
		if (number(fixture.store,
		           "SELECT count(*) FROM letter"
		           " WHERE kind = 'limit-near'") != sendings[i].near_letters ||
		    number(fixture.store,
		           "SELECT count(*) FROM letter"
		           " WHERE kind = 'limit-reached'") != sendings[i].reached_letters)
			fail_msg("%s: other letters", sendings[i].name);
	}
}

static int64_t released(int64_t day, int64_t limit, int64_t wanted)
{
	int64_t granted = -1;

	OK(store_release(fixture.store, "Sales", day, limit, wanted, &granted, in_five_seconds(),
	                 err));
	return granted;
}

static int64_t released_of_day(int64_t day)
{
	int64_t count = -1;

	OK(store_released_of_day(fixture.store, "Sales", day, &count, err));
	return count;
}

static void what_is_released_and_what_is_counted_are_apart(void **state)
{
	static const char *const to[] = {CUSTOMER, OTHER};
	struct record record = sending_of("<1@x>", NOON, to, 2);
	struct recorded recorded;

	(void)state;
	assert_int_equal(released_of_day(TODAY), 0);
	assert_int_equal(released(TODAY, 10, 4), 4);
	assert_int_equal(count_of_day(fixture.store, "Sales", TODAY), 0);
	record_ok(fixture.store, &record, &recorded);
	assert_int_equal(recorded.counted_today, 2);
	recorded_release(&recorded);
	assert_int_equal(released_of_day(TODAY), 4);
	assert_int_equal(released(TODAY, 10, 7), 6);
	assert_int_equal(released(TODAY, 10, 1), 0);
	/* a limit that was lowered under what has gone, and one that was raised */
	assert_int_equal(released(TODAY, 3, 1), 0);
	assert_int_equal(released(TODAY, 12, 5), 2);
	assert_int_equal(released_of_day(TODAY), 12);
	assert_int_equal(released(TODAY + 1, 12, 1), 1);
	assert_int_equal(released_of_day(TODAY), 12);
	assert_int_equal(count_of_day(fixture.store, "Sales", TODAY), 2);
}

enum { SENDERS = 2, MESSAGES = 120, BATCH = 3, LIMIT = 150 };

/*
 * One process: messages that the other one sends too, or its own ones under a
 * limit.  The end of the pipe starts them as one.
 */
static int send_all(const char *name, bool stops, int start_fd)
{
	static const char *const to[] = {CUSTOMER, OTHER};
	struct error err = {0};
	struct store *store = store_open(fixture.path, STORE_WRITE, &err);
	char c;

	if (store == NULL || read(start_fd, &c, 1) != 0)
		return 2;
	for (int i = 0; i < MESSAGES; i += BATCH) {
		struct record records[BATCH];
		const struct record *batch[BATCH];
		struct recorded recorded[BATCH];
		char msgids[BATCH][40];

		for (int j = 0; j < BATCH; j++) {
			snprintf(msgids[j], sizeof(msgids[j]), "<%s%d@x>", name, i + j);
			records[j] = sending_of(msgids[j], NOON, to, stops ? 1 : 2);
			records[j].daily_limit = records[j].daily_limit_warn = LIMIT;
			records[j].stops_at_limit = stops;
			batch[j] = &records[j];
		}
		if (store_record(store, batch, recorded, BATCH, in_five_seconds(), &err) < 0)
			return 1;
		for (int j = 0; j < BATCH; j++)
			recorded_release(&recorded[j]);
	}
	store_close(store);
	return 0;
}

static void run_senders(const char *const *names, bool stops,
                        int (*act)(const char *name, bool stops, int start_fd))
{
	pid_t children[SENDERS];
	int start[2];

	/* a child may not inherit what its parent has of SQLite */
	store_close(fixture.store);
	fixture.store = NULL;
	assert_int_equal(pipe(start), 0);
	for (int i = 0; i < SENDERS; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			close(start[1]);
			_exit(act(names[i], stops, start[0]));
		}
	}
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < SENDERS; i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	fixture_open(&fixture);
}

static void two_that_send_the_same_messages_count_them_once(void **state)
{
	static const char *const names[SENDERS] = {"both", "both"};

	(void)state;
	run_senders(names, false, send_all);
	assert_int_equal(count_of_day(fixture.store, "Sales", TODAY), 2 * MESSAGES);
	count_is(fixture.store, "SELECT count(*) FROM message", MESSAGES);
	count_is(fixture.store, "SELECT count(*) FROM letter", 2);
}

static void two_that_send_at_once_meet_the_limit_exactly(void **state)
{
	static const char *const names[SENDERS] = {"a", "b"};

	(void)state;
	run_senders(names, true, send_all);
	assert_int_equal(count_of_day(fixture.store, "Sales", TODAY), LIMIT);
	count_is(fixture.store, "SELECT count(*) FROM message", LIMIT);
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE count = 150", 2);
}

static int release_all(const char *name, bool stops, int start_fd)
{
	struct error err = {0};
	struct store *store = store_open(fixture.path, STORE_WRITE, &err);
	char c;

	(void)name;
	(void)stops;
	if (store == NULL || read(start_fd, &c, 1) != 0)
		return 2;
	for (int i = 0; i < MESSAGES; i++) {
		int64_t granted;

		if (store_release(store, "Sales", TODAY, LIMIT, 1 + i % 2, &granted,
		                  in_five_seconds(), &err) < 0)
			return 1;
	}
	store_close(store);
	return 0;
}

static void two_that_release_at_once_meet_the_limit_exactly(void **state)
{
	static const char *const names[SENDERS] = {"a", "b"};

	(void)state;
	run_senders(names, false, release_all);
	assert_int_equal(released_of_day(TODAY), LIMIT);
}

static void counting_visits_no_whole_table(void **state)
{
	static const char *const to[] = {CUSTOMER};
	struct record record = sending_of("<1@x>", NOON, to, 1);
	struct recorded recorded;

	(void)state;
	record.daily_limit = record.daily_limit_warn = 1;
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	assert_int_equal(count_of_day(fixture.store, "Sales", TODAY), 1);
	assert_int_equal(released(TODAY, 2, 1), 1);
	assert_int_equal(released_of_day(TODAY), 1);
	assert_no_scans(fixture.store, "counting");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		EACH(recipients_are_counted_as_the_stories_tell),
		EACH(who_sent_to_nobody_has_counted_none),
		EACH(without_an_account_nobody_counts),
		EACH(over_the_limit_nothing_is_written_and_the_batch_goes_on),
		EACH(a_failing_record_counts_nobody),
		EACH(ten_thousand_recipients_are_all_remembered_and_soon),
		EACH(the_operator_is_told_of_a_limit_once_a_day),
		EACH(two_that_send_the_same_messages_count_them_once),
		EACH(two_that_send_at_once_meet_the_limit_exactly),
		EACH(what_is_released_and_what_is_counted_are_apart),
		EACH(two_that_release_at_once_meet_the_limit_exactly),
		EACH(counting_visits_no_whole_table),
	};

	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
