#include "tests/unit/store_fixture.h"

#include "lib/store/letter.h"

/* Rate caps: what comes of human mail that comes faster than people write. */

#define START INT64_C(1790006400) /* noon, so that no day ends */

static struct fixture fixture;
static int numbers;

static int set_up(void **state)
{
	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fixture_end(&fixture);
	return 0;
}

/* One more message of a sender, in a conversation or (0) a new one. */
static struct recorded write_one(const char *from, int64_t conversation, int64_t at)
{
	char msgid[40];
	struct record record;
	struct recorded recorded;

	snprintf(msgid, sizeof(msgid), "<%d@example.org>", numbers++);
	record = record_of(msgid, at);
	record.from = from;
	record.account = "Support";
	record.acknowledged_to = from;
	record.reopens = true;
	record.match.token_conversation = conversation;
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	return recorded;
}

static void set_closed(int64_t conversation)
{
	char sql[100];

	snprintf(sql, sizeof(sql), "UPDATE conversation SET state = 'closed' WHERE id = %lld",
	         (long long)conversation);
	assert_int_equal(sqlite3_exec(fixture.store->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void end_waits(void)
{
	assert_int_equal(
		sqlite3_exec(fixture.store->db, "UPDATE wait SET ended_at = 1", NULL, NULL, NULL),
		SQLITE_OK);
}

static void the_eleventh_in_ten_minutes_is_only_recorded(void **state)
{
	struct recorded first = write_one("Customer@Example.org", 0, START), last;
	(void)state;

	assert_true(first.is_new_conversation && first.waits_started == 1);
	for (int i = 1; i < 10; i++)
		assert_false(write_one("customer@example.org", first.conversation, START + 50 * i)
		                     .is_capped);
	end_waits();
	set_closed(first.conversation);

	last = write_one("customer@EXAMPLE.org", first.conversation, START + 599);
	assert_true(last.is_capped);
	assert_true(last.conversation == first.conversation && last.reason == MATCH_TOKEN);
	assert_int_equal(last.waits_started, 0);
	count_is(fixture.store, "SELECT count(*) FROM message", 11);
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE ended_at IS NULL", 0);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE state = 'closed'", 1);
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE kind = 'sender-capped'", 1);

	/* Somebody else may, there and then; and he himself elsewhere. */
	assert_false(write_one("other@example.org", first.conversation, START + 599).is_capped);
	assert_false(write_one("customer@example.org", 0, START + 599).is_capped);
	/* And he himself when the first of them are ten minutes old. */
	last = write_one("customer@example.org", first.conversation, START + 700);
	assert_false(last.is_capped);
	assert_int_equal(last.waits_started, 1);
}

static void the_hundredth_and_first_in_ten_hours_too(void **state)
{
	struct recorded first = write_one("customer@example.org", 0, START), last;
	(void)state;

	for (int i = 1; i < 100; i++)
		assert_false(write_one("customer@example.org", first.conversation, START + 300 * i)
		                     .is_capped);
	last = write_one("customer@example.org", first.conversation, START + 35999);
	assert_true(last.is_capped);
	count_is(fixture.store, "SELECT count FROM letter WHERE kind = 'sender-capped'", 100);
	assert_false(
		write_one("customer@example.org", first.conversation, START + 36300).is_capped);
}

static void a_sender_has_sixty_everywhere(void **state)
{
	struct recorded last;
	(void)state;

	for (int i = 0; i < 60; i++)
		assert_false(write_one("customer@example.org", 0, START + i).is_capped);
	last = write_one("customer@example.org", 0, START + 60);
	assert_true(last.is_capped && last.is_new_conversation);
	assert_int_equal(last.waits_started, 0);
	count_is(fixture.store, "SELECT count FROM letter WHERE kind = 'sender-capped'", 60);
	assert_false(write_one("other@example.org", 0, START + 60).is_capped);
}

static void past_a_cap_nothing_is_acknowledged(void **state)
{
	(void)state;
	for (int i = 0; i < 60; i++)
		write_one("customer@example.org", 0, START + i);
	assert_int_equal(sqlite3_exec(fixture.store->db, "DELETE FROM letter", NULL, NULL, NULL),
	                 SQLITE_OK);
	write_one("customer@example.org", 0, START + 60);
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE kind = 'acknowledgement'", 0);
	count_is(fixture.store, "SELECT count(*) FROM letter", 1);
}

static void the_operator_is_told_once_a_sender_and_day(void **state)
{
	struct letter *letters;
	struct error err;
	size_t count;
	(void)state;

	for (int i = 0; i < 65; i++) {
		write_one("customer@example.org", 0, START + i);
		write_one("Other@example.org", 0, START + i);
	}
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE kind = 'sender-capped'", 2);
	assert_int_equal(sqlite3_exec(fixture.store->db,
	                              "DELETE FROM letter WHERE kind = 'acknowledgement'", NULL,
	                              NULL, NULL),
	                 SQLITE_OK);
	assert_int_equal(store_take_letters(fixture.store, START + 70, 60, 10, &letters, &count,
	                                    in_five_seconds(), &err),
	                 0);
	assert_int_equal(count, 2);
	assert_int_equal(letters[1].kind, LETTER_SENDER_CAPPED);
	assert_string_equal(letters[1].sender, "other@example.org");
	assert_null(letters[1].recipient);
	assert_string_equal(letters[1].account, "Support");
	assert_string_equal(letters[1].subject, "An offer");
	assert_true(letters[1].conversation != 0 && letters[1].count == 60);
	letters_free(letters, count);

	for (int i = 0; i < 61; i++)
		write_one("customer@example.org", 0, START + 86400 + i);
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE kind = 'sender-capped'", 3);
}

static void only_human_mail_from_outside_counts(void **state)
{
	static const struct {
		const char *sentence;
		enum direction direction;
		enum message_class class;
		const char *from;
	} rows[] = {
		{"machine mail", DIRECTION_IN, CLASS_AUTO_REPLY, "customer@example.org"},
		{"mail of a list", DIRECTION_IN, CLASS_LIST, "customer@example.org"},
		{"mail that leaves", DIRECTION_OUT, CLASS_HUMAN, "customer@example.org"},
		{"mail of nobody", DIRECTION_IN, CLASS_HUMAN, ""},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct recorded recorded = {0};

		for (int j = 0; j < 70; j++) {
			char msgid[40];
			struct record record;

			snprintf(msgid, sizeof(msgid), "<%d@example.org>", numbers++);
			record = record_of(msgid, START + j);
			record.direction = rows[i].direction;
			record.class = rows[i].class;
			record.from = rows[i].from;
			record.starts_wait = false;
			record_ok(fixture.store, &record, &recorded);
			recorded_release(&recorded);
			if (recorded.is_capped)
				fail_msg("%s: message %d", rows[i].sentence, j + 1);
		}
	}
	assert_false(write_one("customer@example.org", 0, START + 71).is_capped);
}

static void a_repeat_is_not_another_message(void **state)
{
	struct recorded first = write_one("customer@example.org", 0, START), again;
	struct record record = record_of("<again@example.org>", START + 1);
	(void)state;

	record.match.token_conversation = first.conversation;
	for (int i = 0; i < 20; i++) {
		record_ok(fixture.store, &record, &again);
		recorded_release(&again);
	}
	assert_false(again.is_capped);
	assert_false(write_one("customer@example.org", first.conversation, START + 2).is_capped);
}

/* The same, with a verdict on who wrote it. */
static struct recorded write_as(const char *auth, int64_t conversation, int64_t at)
{
	char msgid[40];
	struct record record;
	struct recorded recorded;

	snprintf(msgid, sizeof(msgid), "<%d@example.org>", numbers++);
	record = record_of(msgid, at);
	record.auth = auth;
	record.reopens = true;
	record.match.token_conversation = conversation;
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	return recorded;
}

static void forged_mail_does_not_silence_whom_it_names(void **state)
{
	struct recorded first = write_as("pass", 0, START), last = {0};
	(void)state;

	/* It is past its own cap by the eleventh, which tells of the flood. */
	for (int i = 1; i <= 11; i++)
		last = write_as("fail", first.conversation, START + i);
	assert_true(last.is_capped);
	assert_false(write_as("pass", first.conversation, START + 20).is_capped);
	assert_false(write_as("none", first.conversation, START + 21).is_capped);
	/* Nor is forged mail capped by what he wrote. */
	for (int i = 0; i < 8; i++)
		last = write_as("pass", first.conversation, START + 30 + i);
	assert_true(last.is_capped);
	assert_false(write_as("fail", first.conversation, START + 612).is_capped);
}

static void whom_the_conversation_knows_still_waits(void **state)
{
	static const char *const recipients[] = {"customer@example.org"};
	struct recorded first, last = {0};
	struct record record = record_of("<jane@company.test>", START);
	(void)state;

	record.direction = DIRECTION_OUT;
	record.from = "jane@company.test";
	record.starts_wait = false;
	record.adds_participants = record.ends_waits = true;
	record.recipients = recipients;
	record.recipient_count = 1;
	record_ok(fixture.store, &record, &first);
	recorded_release(&first);
	for (int i = 1; i <= 12; i++)
		last = write_one("customer@example.org", first.conversation, START + i);
	assert_true(last.is_capped && last.is_known_sender && last.waits_started == 0);
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE ended_at IS NULL", 1);
	/* Answered, he waits again: once. */
	end_waits();
	last = write_one("customer@example.org", first.conversation, START + 20);
	assert_true(last.is_capped && last.waits_started == 1);
	last = write_one("customer@example.org", first.conversation, START + 21);
	assert_true(last.is_capped && last.waits_started == 0);
	/* But not in a closed one, which it does not open. */
	end_waits();
	set_closed(first.conversation);
	last = write_one("customer@example.org", first.conversation, START + 22);
	assert_true(last.is_capped && last.waits_started == 0);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE state = 'closed'", 1);
}

static void counting_visits_one_sender_only(void **state)
{
	(void)state;
	write_one("customer@example.org", 0, START);
	assert_no_scans(fixture.store, "a message");
	for (size_t i = 0; i < fixture.store->kept_count; i++) {
		const char *sql = sqlite3_sql(fixture.store->kept[i].raw);
		char explain[2000];
		sqlite3_stmt *plan;
		bool uses_index = false;

		if (strstr(sql, "COLLATE NOCASE AND received_at") == NULL)
			continue;
		snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
		assert_int_equal(sqlite3_prepare_v2(fixture.store->db, explain, -1, &plan, NULL),
		                 SQLITE_OK);
		while (sqlite3_step(plan) == SQLITE_ROW)
			if (strstr((const char *)sqlite3_column_text(plan, 3),
			           "USING INDEX message_by_sender (from_address=? AND received_at>?)") !=
			    NULL)
				uses_index = true;
		sqlite3_finalize(plan);
		assert_true(uses_index);
		return;
	}
	fail_msg("nothing was counted");
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(the_eleventh_in_ten_minutes_is_only_recorded),
		EACH(the_hundredth_and_first_in_ten_hours_too),
		EACH(a_sender_has_sixty_everywhere),
		EACH(past_a_cap_nothing_is_acknowledged),
		EACH(the_operator_is_told_once_a_sender_and_day),
		EACH(only_human_mail_from_outside_counts),
		EACH(a_repeat_is_not_another_message),
		EACH(forged_mail_does_not_silence_whom_it_names),
		EACH(whom_the_conversation_knows_still_waits),
		EACH(counting_visits_one_sender_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
