#include "tests/unit/store_fixture.h"

/* A message of the customer, or of another one, in a conversation (0: a new one). */
static int64_t ask(struct store *store, const char *msgid, const char *from, int64_t conversation,
                   int64_t at)
{
	struct record record = record_of(msgid, at);
	struct recorded recorded;

	record.from = from;
	record.match.token_conversation = conversation;
	record_ok(store, &record, &recorded);
	conversation = recorded.conversation;
	recorded_release(&recorded);
	return conversation;
}

static struct record answer_of(const char *msgid, const char *const *recipients, size_t count,
                               int64_t conversation, int64_t at)
{
	struct record record = record_of(msgid, at);

	record.direction = DIRECTION_OUT;
	record.from = "jane@company.test";
	record.match.token_conversation = conversation;
	record.recipients = recipients;
	record.recipient_count = count;
	record.starts_wait = false;
	record.ends_waits = record.adds_participants = true;
	record_key(record.key, msgid, record.from, "today", record.direction, NULL, NULL, 0);
	return record;
}

static void an_answer_that_comes_once_a_recipient_answers_each(void **state)
{
	static const char *const both[] = {"customer@example.org", "boss@example.org"};
	struct fixture fixture;
	struct record record;
	struct recorded recorded;
	int64_t conversation;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	conversation = ask(fixture.store, "<1@x>", both[0], 0, 1000);
	ask(fixture.store, "<2@x>", both[1], conversation, 1001);
	for (size_t i = 0; i < 2; i++) {
		record =
			answer_of("<3@company.test>", &both[i], 1, conversation, 2000 + (int64_t)i);
		record.queue_id = both[i];
		record_ok(fixture.store, &record, &recorded);
		assert_int_equal(recorded.is_repeat, i == 1);
		assert_int_equal(recorded.waits_ended, 1);
		recorded_release(&recorded);
	}
	count_is(fixture.store, "SELECT count(*) FROM message WHERE direction = 'out'", 1);
	count_is(fixture.store,
	         "SELECT count(*) FROM recipient r JOIN message m ON m.id = r.message"
	         " WHERE m.direction = 'out'",
	         2);
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE ended_at IS NULL", 0);

	/* What he asks afterwards is not answered by one more copy. */
	ask(fixture.store, "<4@x>", both[0], conversation, 3000);
	record = answer_of("<3@company.test>", &both[0], 1, conversation, 3001);
	record.queue_id = "late";
	record_ok(fixture.store, &record, &recorded);
	assert_int_equal(recorded.waits_ended, 0);
	recorded_release(&recorded);
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE ended_at IS NULL", 1);
	fixture_end(&fixture);
}

static void a_bounce_of_what_we_did_not_send_marks_nothing_of_ours(void **state)
{
	static const char *const recipients[] = {"customer@example.org"};
	static const struct {
		const char *original;
		int64_t failures;
	} rows[] = {{"<1@x>", 0}, {"<never-seen@x>", 1}, {"<2@company.test>", 2}};
	struct fixture fixture;
	struct recorded recorded;
	struct record record;
	int64_t conversation;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	conversation = ask(fixture.store, "<1@x>", recipients[0], 0, 1000);
	record = answer_of("<2@company.test>", recipients, 1, conversation, 2000);
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct record_failure failure = {"gone@company.test", "failed", "5.1.1", "",
		                                       NULL};
		char msgid[20];

		snprintf(msgid, sizeof(msgid), "<report-%zu@x>", i);
		record = record_of(msgid, 3000);
		record.class = CLASS_BOUNCE;
		record.starts_wait = false;
		record.match.token_conversation = conversation;
		record.original_msgid = rows[i].original;
		record.failures = &failure;
		record.failure_count = 1;
		record_ok(fixture.store, &record, &recorded);
		recorded_release(&recorded);
		count_is(fixture.store, "SELECT count(*) FROM failure", rows[i].failures);
	}
	fixture_end(&fixture);
}

static void a_report_without_an_id_looks_at_the_newest_two_hundred(void **state)
{
	static const char *const first[] = {"first@example.org"},
				 *const second[] = {"second@example.org"},
				 *const others[] = {"other@example.org"};
	static const char *const failed[] = {"second@example.org", "other@example.org",
	                                     "nobody@example.org", "first@example.org"};
	struct record_failure failures[4];
	struct fixture fixture;
	struct recorded recorded;
	struct record record;
	int64_t conversation;
	char msgid[40];

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	conversation = ask(fixture.store, "<1@x>", "customer@example.org", 0, 1000);
	for (int i = -1; i < 200; i++) {
		snprintf(msgid, sizeof(msgid), "<%d@company.test>", i);
		record = answer_of(i < 0    ? "<first@company.test>"
		                   : i == 0 ? "<second@company.test>"
		                            : msgid,
		                   i < 0    ? first
		                   : i == 0 ? second
		                            : others,
		                   1, conversation, 2000 + i);
		record_ok(fixture.store, &record, &recorded);
		recorded_release(&recorded);
	}
	for (size_t i = 0; i < 4; i++)
		failures[i] = (struct record_failure){failed[i], "failed", "5.1.1", "", NULL};
	record = record_of("<report@x>", 3000);
	record.class = CLASS_BOUNCE;
	record.starts_wait = false;
	record.match.token_conversation = conversation;
	record.failures = failures;
	record.failure_count = 4;
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	count_is(fixture.store, "SELECT count(*) FROM failure", 4);
	count_is(fixture.store,
	         "SELECT count(*) FROM failure f JOIN message m ON m.id = f.message"
	         " WHERE (f.recipient, m.msgid) IN (VALUES"
	         " ('second@example.org', '<second@company.test>'),"
	         " ('other@example.org', '<199@company.test>'),"
	         " ('nobody@example.org', '<199@company.test>'),"
	         " ('first@example.org', '<199@company.test>'))",
	         4);
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_that_comes_once_a_recipient_answers_each),
		cmocka_unit_test(a_bounce_of_what_we_did_not_send_marks_nothing_of_ours),
		cmocka_unit_test(a_report_without_an_id_looks_at_the_newest_two_hundred),
	};

	return cmocka_run_group_tests_name("record answers", tests, NULL, NULL);
}
