#include "tests/unit/alert_fixture.h"

#include "lib/store/letter.h"

#define DAY   86400
#define TODAY 10
#define NOON  (TODAY * DAY + DAY / 2)

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

static int64_t next_letter(void)
{
	int64_t at = -1;

	OK(store_next_letter(fixture.store, &at, err));
	return at;
}

/* Take all that is free for 60 s; it must be `count` letters. */
static struct letter *take_letters(int64_t now, size_t count)
{
	struct letter *letters;
	size_t taken;

	OK(store_take_letters(fixture.store, now, 60, 100, &letters, &taken, in_five_seconds(),
	                      err));
	assert_int_equal(taken, count);
	return letters;
}

static void take_none(int64_t now)
{
	letters_free(take_letters(now, 0), 0);
}

static int64_t take_one(int64_t now)
{
	struct letter *letters = take_letters(now, 1);
	int64_t id = letters[0].id;

	letters_free(letters, 1);
	return id;
}

/* The first message of a customer, which is acknowledged. */
static struct record question_of(const char *msgid, int64_t received_at)
{
	struct record record = record_of(msgid, received_at);

	record.account = "Sales";
	record.acknowledged_to = CUSTOMER;
	return record;
}

static void record_one(const struct record *record)
{
	struct recorded recorded;

	record_ok(fixture.store, record, &recorded);
	recorded_release(&recorded);
}

/* One letter that nobody took yet. */
static void make_letter(const char *msgid, const char *recipient, int64_t at)
{
	struct record record = question_of(msgid, at);

	record.acknowledged_to = recipient;
	record_one(&record);
}

static void an_acknowledgement_knows_the_message(void **state)
{
	static const char *const names[] = {"<near@x>", "<far@x>"};
	struct record record = question_of("<question@example.org>", NOON);
	struct recorded recorded;
	struct letter *letters;

	(void)state;
	record.acknowledged_to = "Answers@Example.org";
	record.from = "Customer@Example.org";
	record.reference = "Sales Order SO-0001";
	record.names = names;
	record.name_count = 2;
	record_ok(fixture.store, &record, &recorded);
	letters = take_letters(NOON, 1);
	assert_true(letters[0].id > 0);
	assert_int_equal(letters[0].kind, LETTER_ACKNOWLEDGEMENT);
	assert_string_equal(letters[0].recipient, "answers@example.org");
	assert_string_equal(letters[0].account, "Sales");
	assert_int_equal(letters[0].conversation, recorded.conversation);
	assert_int_equal(letters[0].message, recorded.message);
	assert_int_equal(letters[0].created_at, NOON);
	assert_int_equal(letters[0].attempts, 1);
	assert_int_equal(letters[0].count, 0);
	assert_string_equal(letters[0].msgid, "<question@example.org>");
	assert_string_equal(letters[0].from, "Customer@Example.org");
	assert_string_equal(letters[0].subject, "An offer");
	assert_string_equal(letters[0].reference, "Sales Order SO-0001");
	assert_string_equal(letters[0].named_ids, "<far@x> <near@x>");
	letters_free(letters, 1);
	recorded_release(&recorded);
}

static void a_message_without_anything_is_acknowledged_too(void **state)
{
	struct record record = question_of(NULL, NOON);
	struct letter *letters;

	(void)state;
	record.from = record.subject = NULL;
	record_one(&record);
	letters = take_letters(NOON, 1);
	assert_null(letters[0].msgid);
	assert_null(letters[0].from);
	assert_null(letters[0].subject);
	assert_null(letters[0].reference);
	assert_null(letters[0].named_ids);
	letters_free(letters, 1);
}

static void ids_are_named_once_and_as_many_of_the_nearest_as_fit(void **state)
{
	static char ids[5][1000], too_long[1200];
	const char *names[] = {ids[0], too_long, "",     ids[0], ids[1],
	                       ids[2], ids[0],   ids[3], "<z>",  "<y>"};
	struct record record = question_of("<1@x>", NOON);
	struct letter *letters;
	char *expected;

	(void)state;
	memset(too_long, 'x', sizeof(too_long) - 1);
	for (int i = 0; i < 4; i++) {
		memset(ids[i], 'a' + i, 998);
		ids[i][i == 3 ? 990 : 998] = '\0';
	}
	record.names = names;
	record.name_count = sizeof(names) / sizeof(names[0]);
	record_one(&record);
	letters = take_letters(NOON, 1);
	/* the long ids leave room for 109 bytes */
	expected = xasprintf("<y> <z> %s %s %s %s", ids[3], ids[2], ids[1], ids[0]);
	assert_string_equal(letters[0].named_ids, expected);
	free(expected);
	letters_free(letters, 1);

	record = question_of("<2@x>", NOON + DAY);
	memset(ids[4], 'e', 109);
	names[8] = ids[4];
	record.names = names;
	record.name_count = sizeof(names) / sizeof(names[0]);
	record_one(&record);
	letters = take_letters(NOON, 1);
	assert_int_equal(strlen(letters[0].named_ids), 3 * 999 + 990);
	assert_memory_equal(letters[0].named_ids, ids[3], 990);
	letters_free(letters, 1);

	record = question_of("<3@x>", NOON + 2 * DAY);
	ids[4][105] = '\0';
	record.names = names;
	record.name_count = sizeof(names) / sizeof(names[0]);
	record_one(&record);
	letters = take_letters(NOON, 1);
	assert_int_equal(strlen(letters[0].named_ids), 3 * 999 + 990 + 106);
	letters_free(letters, 1);
}

struct asked {
	const char *name;
	const char *msgid;
	const char *to; /* who is acknowledged */
	int64_t at;
	bool joins; /* the conversation of the first row */
	bool is_not_ours, has_no_account, fails;
	int64_t letters; /* in all, then */
};

static const struct asked asked[] = {
	{"who opens a conversation", "<1@x>", CUSTOMER, NOON, .letters = 1},
	{"a repeat", "<1@x>", CUSTOMER, NOON + 1, .letters = 1},
	{"a repeat with another sender", "<1@x>", OTHER, NOON + 1, .letters = 1},
	{"another conversation on that day", "<2@x>", CUSTOMER, NOON + 2, .letters = 1},
	{"he in another case", "<3@x>", "Customer@EXAMPLE.org", NOON + 3, .letters = 1},
	{"somebody else", "<4@x>", OTHER, NOON + 4, .letters = 2},
	{"the last second of the day", "<5@x>", CUSTOMER, (TODAY + 1) * DAY - 1, .letters = 2},
	{"the next day", "<6@x>", CUSTOMER, (TODAY + 1) * DAY, .letters = 3},
	{"a conversation that is there", "<7@x>", "third@example.org", NOON, .joins = true,
         .letters = 3},
	{"nobody", "<8@x>", NULL, NOON, .letters = 3},
	{"the null sender", "<9@x>", "", NOON, .letters = 3},
	{"mail that is not ours", "<10@x>", "fourth@example.org", NOON, .is_not_ours = true,
         .letters = 3},
	{"mail of no account", "<11@x>", "fifth@example.org", NOON, .has_no_account = true,
         .letters = 3},
	{"mail that cannot be recorded", "<12@x>", "sixth@example.org", NOON, .fails = true,
         .letters = 3},
};

static void one_acknowledgement_goes_to_a_recipient_and_day(void **state)
{
	int64_t first = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct record record = question_of(asked[i].msgid, asked[i].at);
		const struct record *batch[] = {&record};
		struct recorded recorded;

		record.acknowledged_to = asked[i].to;
		if (asked[i].joins)
			record.match.token_conversation = first;
		if (asked[i].is_not_ours)
			record.match.may_open = false;
		if (asked[i].has_no_account)
			record.account = NULL;
		if (asked[i].fails)
			record.auth = "no such verdict";
		OK(store_record(fixture.store, batch, &recorded, 1, in_five_seconds(), err));
		if (recorded.status != (asked[i].fails ? -1 : asked[i].is_not_ours))
			fail_msg("%s: status %d", asked[i].name, recorded.status);
		if (i == 0)
			first = recorded.conversation;
		if (number(fixture.store, "SELECT count(*) FROM letter") != asked[i].letters)
			fail_msg("%s: %lld letters", asked[i].name,
			         (long long)number(fixture.store, "SELECT count(*) FROM letter"));
		recorded_release(&recorded);
	}
}

static void a_letter_of_a_limit_says_how_many_and_when(void **state)
{
	static const char *const to[] = {"1@x", "2@x", "3@x"};
	struct record record = sending_of("<1@x>", NOON, to, 3);
	struct letter *letters;

	(void)state;
	record.daily_limit = record.daily_limit_warn = 2;
	record_one(&record);
	letters = take_letters(NOON, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(letters[i].kind, LETTER_LIMIT_NEAR + i);
		assert_null(letters[i].recipient);
		assert_string_equal(letters[i].account, "Sales");
		assert_int_equal(letters[i].conversation, 0);
		assert_int_equal(letters[i].message, 0);
		assert_int_equal(letters[i].created_at, NOON);
		assert_int_equal(letters[i].count, 3);
		assert_int_equal(letters[i].day, TODAY);
		assert_null(letters[i].msgid);
		assert_null(letters[i].named_ids);
	}
	letters_free(letters, 2);
}

static void a_taken_letter_is_free_again_after_its_lease_under_the_same_id(void **state)
{
	struct letter *letters;
	int64_t id;

	(void)state;
	make_letter("<1@x>", CUSTOMER, NOON);
	id = take_one(NOON);
	take_none(NOON + 59);
	letters = take_letters(NOON + 60, 1);
	assert_int_equal(letters[0].id, id);
	assert_int_equal(letters[0].attempts, 2);
	assert_string_equal(letters[0].msgid, "<1@x>");
	letters_free(letters, 1);
}

static void the_longest_free_are_taken_first_up_to_the_limit(void **state)
{
	struct letter *letters;
	int64_t first;
	size_t count;

	(void)state;
	make_letter("<1@x>", CUSTOMER, NOON);
	first = take_one(NOON);
	make_letter("<2@x>", OTHER, NOON + 1);
	make_letter("<3@x>", JANE, NOON + 2);
	OK(store_take_letters(fixture.store, NOON + 100, 60, 2, &letters, &count, in_five_seconds(),
	                      err));
	assert_int_equal(count, 2);
	assert_string_equal(letters[0].recipient, OTHER);
	assert_string_equal(letters[1].recipient, JANE);
	letters_free(letters, 2);
	assert_int_equal(take_one(NOON + 100), first);
}

static void a_letter_is_put_off(void **state)
{
	int64_t id;

	(void)state;
	make_letter("<1@x>", CUSTOMER, NOON);
	id = take_one(NOON);
	OK(store_retry_letter(fixture.store, id, NOON + 500, true, in_five_seconds(), err));
	assert_int_equal(next_letter(), NOON + 500);
	take_none(NOON + 499);
	assert_int_equal(take_one(NOON + 500), id);
}

static void an_ended_letter_stays_as_it_ended(void **state)
{
	static const struct {
		enum letter_end end, then;
		const char *sql;
	} rows[] = {
		{LETTER_SENT, LETTER_DROPPED, "SELECT count(*) FROM letter WHERE state = 'sent'"},
		{LETTER_DROPPED, LETTER_SENT,
	         "SELECT count(*) FROM letter WHERE state = 'dropped'"},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int64_t at = NOON + (int64_t)i * DAY, id;

		make_letter(i == 0 ? "<1@x>" : "<2@x>", CUSTOMER, at);
		id = take_one(at);
		OK(store_end_letter(fixture.store, id, rows[i].end, at + 5, in_five_seconds(),
		                    err));
		OK(store_end_letter(fixture.store, id, rows[i].then, at + 6, in_five_seconds(),
		                    err));
		OK(store_retry_letter(fixture.store, id, at + 7, true, in_five_seconds(), err));
		count_is(fixture.store, rows[i].sql, 1);
		assert_int_equal(
			number_of(fixture.store, "SELECT ended_at FROM letter WHERE id = ?1", id),
			at + 5);
		take_none(at + 10000);
		assert_true(next_letter() == DUE_NEVER);
	}
	/* and one of that day stays the only one */
	make_letter("<3@x>", CUSTOMER, NOON + 1000);
	count_is(fixture.store, "SELECT count(*) FROM letter", 2);
}

static void the_next_letter_is_known(void **state)
{
	int64_t id;

	(void)state;
	assert_true(next_letter() == DUE_NEVER);
	make_letter("<1@x>", CUSTOMER, NOON);
	assert_int_equal(next_letter(), NOON);
	id = take_one(NOON + 3);
	assert_int_equal(next_letter(), NOON + 63);
	make_letter("<2@x>", OTHER, NOON + 10);
	assert_int_equal(next_letter(), NOON + 10);
	OK(store_end_letter(fixture.store, take_one(NOON + 11), LETTER_SENT, NOON + 12,
	                    in_five_seconds(), err));
	assert_int_equal(next_letter(), NOON + 63);
	OK(store_end_letter(fixture.store, id, LETTER_SENT, NOON + 13, in_five_seconds(), err));
	assert_true(next_letter() == DUE_NEVER);
}

static void a_letter_goes_with_its_message(void **state)
{
	(void)state;
	make_letter("<1@x>", CUSTOMER, NOON);
	run_sql(fixture.store, "DELETE FROM message");
	take_none(NOON);
	count_is(fixture.store, "SELECT count(*) FROM letter", 0);
}

static void a_letter_of_an_unknown_kind_is_no_letter(void **state)
{
	struct letter *letters;
	struct error err = {0};
	size_t count;

	(void)state;
	make_letter("<1@x>", CUSTOMER, NOON);
	run_sql(fixture.store, "PRAGMA ignore_check_constraints = ON;"
	                       "UPDATE letter SET kind = 'love'");
	assert_int_equal(store_take_letters(fixture.store, NOON, 60, 10, &letters, &count,
	                                    in_five_seconds(), &err),
	                 -1);
	assert_int_equal(err.kind, ERROR_CORRUPT);
	assert_null(letters);
	assert_int_equal(count, 0);
	count_is(fixture.store, "SELECT attempts FROM letter", 0);
}

/* What SQLite means to do. */
static void plan_has(const char *sql, const char *expected)
{
	char *explain = xasprintf("EXPLAIN QUERY PLAN %s", sql);
	bool is_found = false;
	sqlite3_stmt *raw;

	assert_int_equal(sqlite3_prepare_v2(fixture.store->db, explain, -1, &raw, NULL), SQLITE_OK);
	while (sqlite3_step(raw) == SQLITE_ROW) {
		const char *detail = (const char *)sqlite3_column_text(raw, 3);

		is_found = is_found || strstr(detail, expected) != NULL;
		if (strstr(detail, "TEMP B-TREE") != NULL)
			fail_msg("%s: %s", detail, sql);
	}
	if (!is_found)
		fail_msg("no %s: %s", expected, sql);
	sqlite3_finalize(raw);
	free(explain);
}

static void letters_are_looked_up_by_index(void **state)
{
	size_t found = 0;

	(void)state;
	run_sql(fixture.store,
	        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
	        " INSERT INTO letter (id, kind, account, day, created_at, state, ended_at)"
	        " SELECT i, 'limit-near', 'Sales', i, 0, 'sent', 0 FROM n");
	make_letter("<1@x>", CUSTOMER, NOON);
	assert_int_equal(next_letter(), NOON);
	OK(store_end_letter(fixture.store, take_one(NOON), LETTER_SENT, NOON, in_five_seconds(),
	                    err));
	for (size_t i = 0; i < fixture.store->kept_count; i++) {
		const char *sql = sqlite3_sql(fixture.store->kept[i].raw);

		if (strstr(sql, "FROM letter") == NULL)
			continue;
		plan_has(sql, "USING INDEX letter_by_state (state=?");
		found++;
	}
	assert_int_equal(found, 2);
	assert_no_scans(fixture.store, "letters");
	plan_has("DELETE FROM letter WHERE message = 5", "letter_by_message (message=?)");
}

static void kinds_have_names(void **state)
{
	(void)state;
	assert_string_equal(letter_kind_name(LETTER_ACKNOWLEDGEMENT), "acknowledgement");
	assert_string_equal(letter_kind_name(LETTER_SENDER_CAPPED), "sender-capped");
	assert_string_equal(letter_kind_name(LETTER_TROUBLE_ENDED), "trouble-ended");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_have_names),
		EACH(an_acknowledgement_knows_the_message),
		EACH(a_message_without_anything_is_acknowledged_too),
		EACH(ids_are_named_once_and_as_many_of_the_nearest_as_fit),
		EACH(one_acknowledgement_goes_to_a_recipient_and_day),
		EACH(a_letter_of_a_limit_says_how_many_and_when),
		EACH(a_taken_letter_is_free_again_after_its_lease_under_the_same_id),
		EACH(the_longest_free_are_taken_first_up_to_the_limit),
		EACH(a_letter_is_put_off),
		EACH(an_ended_letter_stays_as_it_ended),
		EACH(the_next_letter_is_known),
		EACH(a_letter_goes_with_its_message),
		EACH(a_letter_of_an_unknown_kind_is_no_letter),
		EACH(letters_are_looked_up_by_index),
	};

	return cmocka_run_group_tests_name("letter", tests, NULL, NULL);
}
