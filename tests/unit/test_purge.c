#include "tests/unit/alert_fixture.h"

#include "lib/base/buffer.h"
#include "lib/store/inbox.h"
#include "lib/store/purge.h"

/* Purging by age. */

#define DAY    86400
#define OLD    INT64_C(86400000) /* day 1000 */
#define BEFORE (OLD + 100 * DAY)
#define NEW    (OLD + 200 * DAY)

static struct fixture fixture;
static struct string_list accounts;

static int begin(void **state)
{
	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	string_list_add(&accounts, "Sales");
	return 0;
}

static int end(void **state)
{
	(void)state;
	string_list_release(&accounts);
	fixture_end(&fixture);
	return 0;
}

static struct purged purge(bool is_trial)
{
	struct purged purged;

	OK(store_purge_older(fixture.store, &accounts, BEFORE, is_trial, &purged, err));
	return purged;
}

/* All rows of all tables, a number each. */
static int64_t rows_in(const char *table)
{
	char sql[80];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
	return number(fixture.store, sql);
}

static void rows_are(const char *table, int64_t expected)
{
	int64_t found = rows_in(table);

	if (found != expected)
		fail_msg("%s has %lld rows, not %lld", table, (long long)found,
		         (long long)expected);
}

/* A customer asks, Jane is alerted and answers; then it is over. Returns the conversation. */
static int64_t tell_whole_story(int number, int64_t at)
{
	static const char *const names[] = {"<named-1@example.org>", "<named-2@example.org>"};
	char question[60], reply[60], report[60];
	struct record record;
	struct recorded recorded;
	struct waiting waiting;

	snprintf(question, sizeof(question), "<question-%d@example.org>", number);
	snprintf(reply, sizeof(reply), "<reply-%d@company.test>", number);
	snprintf(report, sizeof(report), "<report-%d@example.org>", number);
	waiting = ask(fixture.store, question, CUSTOMER, 0, at);
	pass(fixture.store, waiting.wait, 0, JANE, at + 60);
	answer(fixture.store, reply, waiting.conversation, at + 120);
	record = record_of(report, at + 130);
	record.class = CLASS_BOUNCE;
	record.from = "";
	record.starts_wait = false;
	record.match.report_conversation = waiting.conversation;
	record.failures = &(const struct record_failure){CUSTOMER, "delayed", "4.1.1", NULL, NULL};
	record.failure_count = 1;
	record.original_msgid = reply;
	record.names = names;
	record.name_count = 2;
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	run_sql(fixture.store, "UPDATE notice SET state = 'sent', ended_at = 999999999");
	return waiting.conversation;
}

static void what_is_old_and_over_goes_with_all_that_belongs_to_it(void **state)
{
	static const char *const tables[] = {
		"conversation", "message", "recipient", "message_id", "participant",
		"delivery",     "wait",    "failure",   "notice",     "alert",
	};
	int64_t before[10];
	struct purged purged;
	int64_t kept;

	(void)state;
	kept = tell_whole_story(1, NEW);
	for (size_t i = 0; i < 10; i++)
		before[i] = rows_in(tables[i]);
	for (size_t i = 0; i < 10; i++)
		assert_true(before[i] > 0 || strcmp(tables[i], "participant") == 0);
	tell_whole_story(2, OLD);
	tell_whole_story(3, BEFORE - DAY);
	rows_are("message", 9);
	purged = purge(false);
	assert_int_equal(purged.conversations, 2);
	assert_int_equal(purged.messages, 6);
	assert_false(purged.is_in_wal);
	for (size_t i = 0; i < 10; i++)
		rows_are(tables[i], before[i]);
	count_is(fixture.store, "SELECT id FROM conversation", kept);
	rows_are("pragma_foreign_key_check", 0);
	purged = purge(false);
	assert_int_equal(purged.conversations + purged.messages, 0);
}

static void a_trial_counts_the_same_and_changes_nothing(void **state)
{
	struct purged trial, real;

	(void)state;
	for (int i = 0; i < 3; i++)
		tell_whole_story(i, OLD);
	tell_whole_story(9, NEW);
	trial = purge(true);
	rows_are("conversation", 4);
	rows_are("message", 12);
	real = purge(false);
	assert_int_equal(trial.conversations, real.conversations);
	assert_int_equal(trial.messages, real.messages);
	rows_are("conversation", 1);
}

static void nobody_who_waits_is_forgotten_however_old_he_is(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@example.org>", CUSTOMER, 0, OLD);
	struct purged purged = purge(false);

	(void)state;
	assert_int_equal(purged.conversations, 0);
	count_is(fixture.store, "SELECT id FROM wait WHERE ended_at IS NULL", waiting.wait);
	/* His colleague was answered long ago, but it is the same conversation. */
	ask(fixture.store, "<2@example.org>", OTHER, waiting.conversation, OLD + 1);
	answer(fixture.store, "<3@company.test>", waiting.conversation, OLD + 2);
	assert_int_equal(purge(true).conversations, 0);
	run_sql(fixture.store, "UPDATE wait SET ended_at = 1, end_reason = 'closed'");
	assert_int_equal(purge(false).conversations, 1);
	rows_are("wait", 0);
}

static void the_moment_itself_is_not_before(void **state)
{
	(void)state;
	run_sql(fixture.store, "INSERT INTO conversation (id, created_at, updated_at) VALUES"
	                       " (1, 5, 100), (2, 5, 101), (3, 101, 99)");
	for (int64_t before = 99; before <= 102; before++) {
		struct purged purged;

		OK(store_purge_older(fixture.store, &accounts, before, true, &purged, err));
		assert_int_equal(purged.conversations, before - 99);
	}
}

static void pages_of_one_moment_are_all_seen(void **state)
{
	struct purged trial, real;

	(void)state;
	/* More than two pages of them, and between them some that stay. */
	run_sql(fixture.store,
	        "INSERT INTO conversation (id, created_at, updated_at)"
	        " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)"
	        " SELECT i, 1, iif(i % 2 = 0, 7, i) FROM n");
	run_sql(fixture.store, "INSERT INTO wait (id, conversation, customer, started_at,"
	                       " started_by) SELECT id, id, 'x@example.org', 1, 1"
	                       " FROM conversation WHERE id % 5 = 0");
	trial = purge(true);
	assert_int_equal(trial.conversations, 1200);
	real = purge(false);
	assert_int_equal(real.conversations, 1200);
	rows_are("conversation", 300);
}

static int count_commit(void *context)
{
	++*(int *)context;
	return 0;
}

static void much_is_removed_a_little_at_a_time(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@example.org>", CUSTOMER, 0, OLD);
	struct purged purged;
	int commits = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		char msgid[40];

		snprintf(msgid, sizeof(msgid), "<more-%d@example.org>", i);
		ask(fixture.store, msgid, CUSTOMER, waiting.conversation, OLD + 1);
	}
	answer(fixture.store, "<2@company.test>", waiting.conversation, OLD + 2);
	sqlite3_commit_hook(fixture.store->db, count_commit, &commits);
	purged = purge(false);
	sqlite3_commit_hook(fixture.store->db, NULL, NULL);
	assert_int_equal(purged.conversations, 1);
	assert_int_equal(purged.messages, 1002);
	assert_true(commits >= 6);
	rows_are("message", 0);
	rows_are("message_id", 0);
	assert_int_equal(file_bytes(fixture.wal_path), 0);
}

static void whoever_is_stopped_goes_on_the_next_time(void **state)
{
	atomic_bool is_stopping = true;
	struct error err = {0};
	struct purged purged;

	(void)state;
	tell_whole_story(1, OLD);
	store_set_stop(fixture.store, &is_stopping);
	assert_int_equal(store_purge_older(fixture.store, &accounts, BEFORE, false, &purged, &err),
	                 -1);
	assert_int_equal(err.kind, ERROR_TEMPORARY);
	store_set_stop(fixture.store, NULL);
	/* A part of it is gone: what belongs to no message is an orphan of an earlier time. */
	run_sql(fixture.store, "DELETE FROM message WHERE direction = 'out'");
	assert_int_equal(purge(false).conversations, 1);
	rows_are("message_id", 0);
	rows_are("failure", 0);
}

static void a_notice_that_tells_of_another_too_stays(void **state)
{
	struct waiting old = ask(fixture.store, "<1@example.org>", CUSTOMER, 0, OLD);
	struct waiting fresh = ask(fixture.store, "<2@example.org>", CUSTOMER, 0, NEW);
	const struct passed_level passed[] = {
		{.wait = old.wait, .due_at = NEW, .recipient = BOSS},
		{.wait = fresh.wait, .due_at = NEW, .recipient = BOSS},
	};

	(void)state;
	OK(store_create_notices(fixture.store, passed, 2, NULL, 0, NEW, in_five_seconds(), err));
	rows_are("notice", 1);
	run_sql(fixture.store, "UPDATE wait SET ended_at = 1, end_reason = 'answered'");
	assert_int_equal(purge(false).conversations, 1);
	rows_are("alert", 1);
	rows_are("notice", 1);
	notices_free(take(fixture.store, NEW, 1), 1);
}

static void what_belongs_to_no_conversation_goes_by_its_own_age(void **state)
{
	(void)state;
	run_sql(fixture.store,
	        "INSERT INTO letter (id, kind, account, day, state, created_at, ended_at) VALUES"
	        " (1, 'limit-near', 'Sales', 1000, 'sent', 86400000, 86400000),"
	        " (2, 'limit-near', 'Sales', 1200, 'sent', 103680000, 103680000),"
	        " (3, 'limit-reached', 'Sales', 1000, 'open', 86400000, NULL);"
	        "INSERT INTO notice (id, recipient, state, created_at, ended_at) VALUES"
	        " (4, 'jane@company.test', 'sent', 1, 86400000),"
	        " (5, 'jane@company.test', 'open', 1, NULL),"
	        " (6, 'jane@company.test', 'dropped', 1, 103680000);"
	        "INSERT INTO account_day (account, day, count) VALUES ('Sales', 1000, 5),"
	        " ('Sales', 1099, 5), ('Sales', 1100, 5), ('Sales', 1200, 5);"
	        "INSERT INTO counter VALUES ('invalid-token', 7)");
	purge(false);
	count_is(fixture.store, "SELECT sum(id) FROM letter", 2 + 3);
	count_is(fixture.store, "SELECT sum(id) FROM notice", 5 + 6);
	count_is(fixture.store, "SELECT sum(day) FROM account_day", 1100 + 1200);
	count_is(fixture.store, "SELECT value FROM counter", 7);
}

static void what_was_fetched_is_known_as_long_as_there_is_an_inbox(void **state)
{
	static const char *const names[] = {"sales", "Gone", "Gone but busy", "Left"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (int j = 0; j < 1100; j++) {
			struct uidl_row row = {.uidl = xasprintf("uidl-%d", j),
			                       .state = UIDL_DELIVERED,
			                       .done_at = OLD};

			OK(store_add_uidls(fixture.store, names[i], &row, 1, in_five_seconds(),
			                   err));
			free(row.uidl);
		}
	}
	run_sql(fixture.store, "INSERT INTO inbox VALUES ('Gone', 1, 1, 1, 0, 0, 0, 0, NULL),"
	                       " ('Gone but busy', 103680000, 1, 1, 0, 0, 0, 0, NULL),"
	                       " ('Never fetched', 5, 1, 1, 0, 0, 0, 0, NULL);"
	                       "INSERT INTO maildrop SELECT account, NULL, 0, 1, NULL, 0, 0"
	                       " FROM inbox");
	assert_int_equal(purge(true).inboxes, 3);
	rows_are("uidl", 4400);
	assert_int_equal(purge(false).inboxes, 3);
	count_is(fixture.store, "SELECT count(*) FROM uidl WHERE account = 'sales'", 1100);
	count_is(fixture.store, "SELECT count(*) FROM uidl WHERE account = 'Gone but busy'", 1100);
	rows_are("uidl", 2200);
	rows_are("inbox", 1);
	rows_are("maildrop", 1);
}

static void a_closed_conversation_that_another_continues_may_go(void **state)
{
	int64_t old = tell_whole_story(1, OLD), fresh = tell_whole_story(2, NEW);
	char sql[200];

	(void)state;
	snprintf(sql, sizeof(sql),
	         "UPDATE conversation SET continues = %lld WHERE id = %lld;"
	         "INSERT INTO relation VALUES (%lld, %lld)",
	         (long long)old, (long long)fresh, (long long)fresh, (long long)old);
	run_sql(fixture.store, sql);
	assert_int_equal(purge(false).conversations, 1);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE continues IS NULL", 1);
	rows_are("relation", 0);
}

static void others_write_between_two_transactions(void **state)
{
	struct fixture other = fixture;
	struct purged purged;
	struct error err = {0};

	(void)state;
	tell_whole_story(1, OLD);
	/* Whoever holds the lock is waited for, and purging takes none with it when it fails. */
	fixture_open(&other);
	assert_int_equal(store_lock(other.store, in_five_seconds(), &err), 0);
	assert_int_equal(store_purge_older(fixture.store, &accounts, BEFORE, true, &purged, &err),
	                 0);
	store_unlock(other.store);
	purge(false);
	record_many(&other, 1, 1);
	store_close(other.store);
	rows_are("message", 1);
}

#define EACH(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(what_is_old_and_over_goes_with_all_that_belongs_to_it),
		EACH(a_trial_counts_the_same_and_changes_nothing),
		EACH(nobody_who_waits_is_forgotten_however_old_he_is),
		EACH(the_moment_itself_is_not_before),
		EACH(pages_of_one_moment_are_all_seen),
		EACH(much_is_removed_a_little_at_a_time),
		EACH(whoever_is_stopped_goes_on_the_next_time),
		EACH(a_notice_that_tells_of_another_too_stays),
		EACH(what_belongs_to_no_conversation_goes_by_its_own_age),
		EACH(what_was_fetched_is_known_as_long_as_there_is_an_inbox),
		EACH(a_closed_conversation_that_another_continues_may_go),
		EACH(others_write_between_two_transactions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
