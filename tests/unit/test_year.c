#include "tests/unit/year_model.h"

#include "lib/store/care.h"
#include "lib/store/wait.h"

/*
 * A year of a scheduler, minute by minute, with its real store: customers write, are
 * answered and write again, it is down at times, and the configuration changes.  What it told
 * must be what a slow model says that counts the minutes of each wait; so must be how
 * long each was, and in which conversation.
 */

static struct fixture fixture;

/*
 * The scheduler, as scheduler/due.c has it
 */

static void take_all(struct told_list *list, int minute)
{
	int64_t now = BEGIN + 60 * (int64_t)minute;
	struct notice *notices;
	size_t count;

	do {
		OK(store_take_notices(fixture.store, now, 60, 100, &notices, &count,
		                      in_five_seconds(), err));
		for (size_t i = 0; i < count; i++) {
			size_t running = 0;

			for (size_t j = 0; j < notices[i].item_count; j++) {
				const struct notice_item *item = &notices[i].items[j];
				const struct told row = {(int)item->wait - 1,
				                         item->level,
				                         recipient_number(notices[i].recipient),
				                         minute,
				                         item->due_at,
				                         notices[i].id};

				running += item->is_running;
				if (item->is_running)
					told_add(list, &row);
			}
			OK(store_end_notice(fixture.store, notices[i].id,
			                    running > 0 ? NOTICE_SENT : NOTICE_DROPPED, now,
			                    in_five_seconds(), err));
		}
		notices_free(notices, count);
	} while (count > 0);
}

/* Returns when there is something to do again. */
static int64_t work(const struct config *config, struct told_list *list, int minute)
{
	int64_t now = BEGIN + 60 * (int64_t)minute, next_at;
	struct planned_wait *waits;
	struct passed_list passed;
	size_t count, moved;

	OK(store_list_unplanned(fixture.store, 100000, &waits, &count, err));
	for (size_t i = 0; i < count; i++)
		levels_plan(config, &waits[i]);
	OK(store_plan_waits(fixture.store, waits, count, in_five_seconds(), err));
	planned_waits_free(waits, count);
	OK(store_list_due(fixture.store, now, 100000, &waits, &count, err));
	moved = levels_pass(config, waits, count, now, &passed);
	OK(store_plan_waits(fixture.store, waits + moved, count - moved, in_five_seconds(), err));
	OK(store_create_notices(fixture.store, passed.items, passed.count, waits, moved, now,
	                        in_five_seconds(), err));
	passed_list_release(&passed);
	planned_waits_free(waits, count);
	take_all(list, minute);
	OK(store_next_due(fixture.store, &next_at, err));
	OK(store_checkpoint(fixture.store, 1000, false, err));
	return next_at;
}

/* Where each wait is, and the conversations of each customer. */
static int64_t conversation_of[WAITS];
static int64_t conversations[ROOTS][PARTS];

static const struct config *config_of(int minute)
{
	return &configs[(int)config_at[minute]];
}

static void start_first(int number)
{
	const struct story *story = &stories[number];
	const char *owner = owners[story->owner];
	char sql[500];

	snprintf(sql, sizeof(sql),
	         "BEGIN IMMEDIATE; INSERT INTO conversation (id, created_at, updated_at, account,"
	         " owner) VALUES (%d, 0, 0, '%s', nullif('%s', '')); INSERT INTO wait (id,"
	         " conversation, customer, started_at, started_by) VALUES (%d, %d,"
	         " 'c%d@example.org', %lld, 1); COMMIT",
	         number + 1, accounts[0][story->account].name, owner != NULL ? owner : "",
	         number + 1, number + 1, story->customer,
	         (long long)(BEGIN + 60 * (int64_t)story->start));
	run_sql(fixture.store, sql);
	conversation_of[number] = number + 1;
}

/* He answers to the first conversation that he had, and writes to a person. */
static void start_again(int number)
{
	const struct story *story = &stories[number];
	char msgid[40], from[40], sql[200];
	struct recorded recorded;
	struct record record;

	snprintf(msgid, sizeof(msgid), "<%d@example.org>", number);
	snprintf(from, sizeof(from), "c%d@example.org", story->customer);
	record = record_of(msgid, BEGIN + 60 * (int64_t)story->start);
	record.config = config_of(story->start);
	record.from = from;
	record.reopens = true;
	record.match.may_open = false;
	record.match.token_conversation = conversations[story->customer][0];
	record_ok(fixture.store, &record, &recorded);
	assert_int_equal(recorded.waits_started, 1);
	conversation_of[number] = recorded.conversation;
	recorded_release(&recorded);
	snprintf(sql, sizeof(sql),
	         "UPDATE wait SET id = %d WHERE conversation = %lld AND ended_at IS NULL",
	         number + 1, (long long)conversation_of[number]);
	run_sql(fixture.store, sql);
}

static void start_wait(int number)
{
	const struct story *story = &stories[number];
	int expected = expect_conversation(number);
	int64_t *of_customer = conversations[story->customer];

	if (story->part == 0)
		start_first(number);
	else
		start_again(number);
	for (int i = 0; i < PARTS; i++)
		if ((of_customer[i] == conversation_of[number]) != (i == expected) &&
		    of_customer[i] != 0)
			fail_msg("part %d of customer %d is in conversation %d, expected %d",
			         story->part, story->customer, i, expected);
	of_customer[expected] = conversation_of[number];
}

static void end_by_answer(const struct config *config, int number, int64_t at)
{
	char customer[40];
	const char *const recipients[] = {customer};
	const struct wait_answer answer = {.conversation = conversation_of[number],
	                                   .recipients = recipients,
	                                   .recipient_count = 1,
	                                   .message = 1,
	                                   .at = at};
	unsigned count = 0;

	snprintf(customer, sizeof(customer), "c%d@example.org", stories[number].customer);
	OK(transaction_begin(fixture.store, in_five_seconds(), err));
	OK(wait_end(fixture.store, config, &answer, &count, err));
	OK(transaction_commit(fixture.store, err));
	assert_int_equal(count, 1);
}

static void end_wait(int number)
{
	const struct story *story = &stories[number];
	const struct config *config = config_of(story->answer);
	int64_t at = BEGIN + 60 * (int64_t)story->answer + 30;

	if (!story->is_closed) {
		end_by_answer(config, number, at);
		return;
	}
	OK(store_set_closed(fixture.store, config, conversation_of[number], true, at,
	                    in_five_seconds(), err));
	for (int i = 0; i < PARTS; i++)
		if (conversations[story->customer][i] == conversation_of[number])
			chains[story->customer].closed_at[i] = story->answer;
}

static int compare_answers(const void *a, const void *b)
{
	return stories[*(const int *)a].answer - stories[*(const int *)b].answer;
}

static void live(struct told_list *list)
{
	static int by_answer[WAITS];
	int next = 0, next_answer = 0, config = config_at[0];
	int64_t next_at = 0;

	for (int i = 0; i < WAITS; i++)
		by_answer[i] = i;
	qsort(by_answer, WAITS, sizeof(by_answer[0]), compare_answers);
	for (int m = 0; m < MINUTES; m++) {
		for (; next < WAITS && stories[next].start == m; next++) {
			start_wait(next);
			next_at = 0;
		}
		if (!is_down[m] && config != config_at[m]) {
			if (levels_differ(&configs[config], &configs[(int)config_at[m]]))
				OK(store_replan_all(fixture.store, BEGIN + 60 * (int64_t)m,
				                    in_five_seconds(), err));
			config = config_at[m];
			next_at = 0;
		}
		if (!is_down[m] && next_at <= BEGIN + 60 * (int64_t)m)
			next_at = work(&configs[config], list, m);
		while (next_answer < WAITS && stories[by_answer[next_answer]].answer == m)
			end_wait(by_answer[next_answer++]);
	}
}

/*
 * Both
 */

static int begin(void **state)
{
	static const char *const hours[] = {"09:00-17:00", "08:30-12:00", "13:00-17:30"};

	(void)state;
	for (int i = 0; i < CALENDARS; i++) {
		struct calendar *calendar = &calendars[i].hours;

		calendar->zone = zone_open(calendars[i].zone_name, NULL);
		assert_non_null(calendar->zone);
		for (int day = 0; day < 5; day++)
			for (int j = i == BERLIN ? 0 : 1; j < (i == BERLIN ? 1 : 3); j++)
				assert_null(calendar_add_interval(&calendar->days[day], hours[j]));
	}
	assert_null(calendar_add_holiday(&calendars[BERLIN].hours, "12-25"));
	assert_null(calendar_add_holiday(&calendars[BERLIN].hours, "2026-12-24"));
	assert_null(calendar_add_interval(&calendars[ADELAIDE].hours.days[4], "22:00-02:00"));
	for (int i = 0; i < CONFIGS; i++)
		configs[i] = (struct config){.staff = {.items = staff, .count = 1},
		                             .accounts = accounts[i],
		                             .account_count = ACCOUNTS};
	fixture_begin(&fixture);
	fixture_open(&fixture);
	/* What a crash leaves is another test's. */
	run_sql(fixture.store, "PRAGMA synchronous = OFF");
	return 0;
}

static int end(void **state)
{
	(void)state;
	fixture_end(&fixture);
	for (int i = 0; i < CALENDARS; i++)
		calendar_release(&calendars[i].hours);
	return 0;
}

static int compare_mails(const void *a, const void *b)
{
	const struct told *one = a, *other = b;

	if (one->minute != other->minute)
		return one->minute - other->minute;
	if (one->recipient != other->recipient)
		return one->recipient - other->recipient;
	return (one->notice > other->notice) - (one->notice < other->notice);
}

/* What is told late comes in one mail; two kinds of it meet where an outage ends after quiet hours. */
static void check_digests(struct told_list *list)
{
	int digests = 0, mails = 0;

	qsort(list->items, list->count, sizeof(*list->items), compare_mails);
	for (size_t i = 0; i < list->count; i++) {
		const struct told *row = &list->items[i], *last = i > 0 ? row - 1 : NULL;
		bool is_late = BEGIN + 60 * (int64_t)row->minute - row->due_at > LEVEL_LATE_S;

		if (!is_late)
			continue;
		if (last == NULL || last->minute != row->minute ||
		    last->recipient != row->recipient)
			mails = 0;
		if (mails == 0 || last->notice != row->notice)
			mails++;
		else
			digests++;
		if (mails > (row->minute > 0 && is_down[row->minute - 1] ? 3 : 1))
			fail_msg("%s got %d mails at minute %d", recipients[row->recipient], mails,
			         row->minute);
	}
	assert_true(digests > 100);
}

static void check_lengths(void)
{
	struct statement query;
	struct error error;
	int status, ended = 0, without = 0;

	statement_begin(&query, fixture.store,
	                "SELECT id, coalesce(wall_s, -1), coalesce(business_s, -1) FROM wait"
	                " WHERE ended_at IS NOT NULL");
	while ((status = statement_step(&query, &error)) > 0) {
		int wait = (int)column_int(&query, 0) - 1;
		struct model_length expected = expect_length(wait);
		int64_t wall_s = column_int(&query, 1), business_s = column_int(&query, 2);

		if (wall_s != expected.wall_s || business_s != expected.business_s)
			fail_msg("wait %d: %lld s, %lld in business time; expected %lld and %lld",
			         wait, (long long)wall_s, (long long)business_s,
			         (long long)expected.wall_s, (long long)expected.business_s);
		ended++;
		without += business_s < 0;
	}
	statement_end(&query);
	assert_int_equal(status, 0);
	assert_true(ended > WAITS - WAITS / 50 && without > 100);
}

/* Closed conversations were opened again, and were continued by others. */
static void check_chains(void)
{
	static int last[ROOTS]; /* wait of each customer, plus 1 */
	int continued = 0, reopened = 0;

	for (int i = 0; i < WAITS; i++) {
		int before = last[stories[i].customer] - 1;

		last[stories[i].customer] = i + 1;
		if (before < 0 || !stories[before].is_closed)
			continue;
		if (conversation_of[i] == conversation_of[before])
			reopened++;
		else
			continued++;
	}
	if (continued < 100 || reopened < 100)
		fail_msg("%d continued, %d reopened", continued, reopened);
}

static void a_year_is_told_as_the_model_says(void **state)
{
	struct told_list actual = {0}, expected = {0};

	(void)state;
	draw();
	fill_model();
	for (int i = 0; i < WAITS; i++)
		expect_wait(&expected, i);
	live(&actual);
	qsort(actual.items, actual.count, sizeof(*actual.items), compare_told);
	qsort(expected.items, expected.count, sizeof(*expected.items), compare_told);
	for (size_t i = 0; i < actual.count && i < expected.count; i++) {
		const struct told *one = &actual.items[i], *other = &expected.items[i];

		if (compare_told(one, other) != 0 || one->minute != other->minute)
			fail_msg("row %zu: wait %d level %d %s at %d; expected wait %d level %d "
			         "%s at %d; %zu rows, expected %zu",
			         i, one->wait, one->level, recipients[one->recipient], one->minute,
			         other->wait, other->level, recipients[other->recipient],
			         other->minute, actual.count, expected.count);
	}
	assert_int_equal(actual.count, expected.count);
	assert_true(actual.count > WAITS);
	check_digests(&actual);
	check_lengths();
	check_chains();
	free(actual.items);
	free(expected.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_year_is_told_as_the_model_says, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
