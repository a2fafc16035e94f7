#include "tests/unit/store_fixture.h"

#include "lib/store/rehearse.h"
#include "lib/store/trace.h"

/* A customer's message, Jane's answer to it, and a bounce of that. */

static struct fixture fixture;
static int64_t conversation, question, answer, bounce;

static int64_t add(struct record *record, const char *queue_id)
{
	struct recorded recorded;
	int64_t message;

	record->queue_id = queue_id;
	record_ok(fixture.store, record, &recorded);
	message = recorded.message;
	conversation = recorded.conversation;
	recorded_release(&recorded);
	return message;
}

static int set_up(void **state)
{
	static const char *const recipients[] = {"customer@example.org"};
	static const struct record_failure failures[] = {
		{"customer@example.org", "failed", "5.1.1", "550 no such user", NULL}};
	struct record record = record_of("<question@example.org>", 1000);

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	record.from = "Customer@example.org";
	question = add(&record, "4bFirst11");
	assert_int_equal(add(&record, "4bSecond2"), question);

	record = record_of("<answer@company.test>", 1600);
	record.direction = DIRECTION_OUT;
	record.from = "jane@company.test";
	record.match.token_conversation = conversation;
	record.recipients = recipients;
	record.recipient_count = 1;
	record.starts_wait = false;
	record.ends_waits = true;
	answer = add(&record, "4bFirst11");

	record = record_of("<bounce@example.org>", 1700);
	record.class = CLASS_BOUNCE;
	record.from = NULL;
	record.starts_wait = false;
	record.match.report_conversation = conversation;
	record.original_msgid = "<answer@company.test>";
	record.failures = failures;
	record.failure_count = 1;
	bounce = add(&record, "4bThird33");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fixture_end(&fixture);
	return 0;
}

static void see_ids(const char *name, int result, int64_t *ids, size_t count,
                    const int64_t *expected, size_t expected_count)
{
	assert_int_equal(result, 0);
	if (count != expected_count)
		fail_msg("%s: found %zu messages", name, count);
	for (size_t i = 0; i < count; i++)
		if (ids[i] != expected[i])
			fail_msg("%s: message %zu is another", name, i);
	free(ids);
}

static void messages_are_found(void **state)
{
	const int64_t by_first[] = {answer, question}, all[] = {bounce, answer, question};
	struct error err;
	int64_t *ids;
	size_t count;
	int result;

	(void)state;
	result = store_trace_queue_id(fixture.store, "4bFirst11", 10, &ids, &count, &err);
	see_ids("a queue id that was used twice", result, ids, count, by_first, 2);
	result = store_trace_queue_id(fixture.store, "4bfirst11", 10, &ids, &count, &err);
	see_ids("their case counts", result, ids, count, NULL, 0);
	result = store_trace_queue_id(fixture.store, "4bFirst11", 1, &ids, &count, &err);
	see_ids("the newest", result, ids, count, by_first, 1);
	result = store_trace_msgid(fixture.store, "<answer@company.test>", 10, &ids, &count, &err);
	see_ids("a Message-ID", result, ids, count, by_first, 1);
	result = store_trace_address(fixture.store, "CUSTOMER@example.org", 10, &ids, &count, &err);
	see_ids("what an address sent and got", result, ids, count, by_first, 2);
	result = store_trace_conversation(fixture.store, conversation, 10, &ids, &count, &err);
	see_ids("a conversation", result, ids, count, all, 3);
	result = store_trace_companions(fixture.store, answer, &ids, &count, &err);
	see_ids("the report on an answer", result, ids, count, all, 1);
}

/* An alert belongs to the story, and not what only has an id like one. */
static void alerts_are_companions(void **state)
{
	struct record record;
	int64_t alert, *ids;
	struct error err;
	size_t count;
	int result;

	(void)state;
	result = store_run(fixture.store,
	                   "INSERT INTO notice (id, recipient, created_at)"
	                   " VALUES (7, 'boss@company.test', 1);"
	                   "INSERT INTO alert (wait, level, recipient, notice, due_at)"
	                   " SELECT id, 0, 'boss@company.test', 7, 0 FROM wait",
	                   &err);
	assert_int_equal(result, 0);
	record = record_of("<rejoinder-notice-7@company.test>", 1800);
	record.direction = DIRECTION_INTERNAL;
	record.class = CLASS_NOTIFICATION;
	record.starts_wait = false;
	record.match.token_conversation = conversation;
	alert = add(&record, "4bAlert12");
	record = record_of("<rejoinder-notice-7@example.org>", 1900);
	add(&record, "4bStrange");
	record = record_of("<rejoinder-notice-77@company.test>", 1900);
	record.class = CLASS_NOTIFICATION;
	add(&record, "4bOther12");
	result = store_trace_companions(fixture.store, question, &ids, &count, &err);
	see_ids("the alert on a question", result, ids, count, &alert, 1);
}

static const struct trace_fact *find_fact(const struct trace_fact *facts, size_t count,
                                          enum trace_kind kind)
{
	for (size_t i = 0; i < count; i++)
		if (facts[i].kind == kind)
			return &facts[i];
	return NULL;
}

static void facts_are_told(void **state)
{
	const struct trace_fact *fact;
	struct trace_message message;
	struct trace_fact *facts;
	struct error err;
	size_t count;

	(void)state;
	assert_int_equal(store_trace_message(fixture.store, question, &message, &err), 1);
	assert_string_equal(message.msgid, "<question@example.org>");
	assert_int_equal(message.conversation, conversation);
	trace_message_release(&message);
	assert_int_equal(store_trace_message(fixture.store, 1, &message, &err), 0);

	assert_int_equal(store_trace_facts(fixture.store, question, &facts, &count, &err), 0);
	assert_int_equal(count, 3);
	assert_string_equal(facts[0].queue_id, "4bFirst11");
	assert_string_equal(facts[1].queue_id, "4bSecond2");
	assert_string_equal(facts[1].what, "smtp");
	assert_int_equal(facts[2].kind, TRACE_WAIT_BEGAN);
	assert_string_equal(facts[2].who, "customer@example.org");
	assert_int_equal(facts[2].at, 1000);
	trace_facts_free(facts, count);

	assert_int_equal(store_trace_facts(fixture.store, answer, &facts, &count, &err), 0);
	fact = find_fact(facts, count, TRACE_FAILED);
	assert_non_null(fact);
	assert_string_equal(fact->what, "failed");
	assert_string_equal(fact->detail, "5.1.1 550 no such user");
	assert_int_equal(fact->other, bounce);
	assert_int_equal(fact->at, 1700);
	trace_facts_free(facts, count);

	assert_int_equal(store_trace_facts(fixture.store, bounce, &facts, &count, &err), 0);
	fact = find_fact(facts, count, TRACE_REPORTS);
	assert_non_null(fact);
	assert_int_equal(fact->other, answer);
	trace_facts_free(facts, count);
}

/* What a rehearsal foretells, recording does; and it writes nothing. */
static void a_rehearsal_foretells_what_is_recorded(void **state)
{
	static const char *const recipients[] = {"customer@example.org"};
	static const char *const names[] = {"a new question", "a token", "an answer",
	                                    "the first message again"};
	struct record records[] = {
		record_of("<1@example.org>", 2000), record_of("<2@example.org>", 2001),
		record_of("<3@company.test>", 2002), record_of("<question@example.org>", 1000)};

	(void)state;
	records[1].match.token_conversation = records[2].match.token_conversation = conversation;
	records[1].from = "second@example.org";
	records[2].direction = DIRECTION_OUT;
	records[2].from = records[2].owner = "jane@company.test";
	records[2].recipients = recipients;
	records[2].recipient_count = 1;
	records[2].starts_wait = false;
	records[2].ends_waits = true;
	records[3].from = "Customer@example.org";
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct recorded foretold, recorded;
		int64_t before = sqlite3_total_changes64(fixture.store->db);
		struct error err;

		assert_int_equal(store_rehearse(fixture.store, &records[i], &foretold, &err), 0);
		assert_int_equal(sqlite3_total_changes64(fixture.store->db), before);
		record_ok(fixture.store, &records[i], &recorded);
		if (foretold.is_new_conversation != recorded.is_new_conversation ||
		    foretold.reason != recorded.reason ||
		    foretold.is_repeat != recorded.is_repeat ||
		    foretold.is_known_sender != recorded.is_known_sender ||
		    foretold.waits_started != recorded.waits_started ||
		    foretold.waits_ended != recorded.waits_ended)
			fail_msg("%s: another thing is recorded", names[i]);
		if (recorded.is_new_conversation)
			assert_int_equal(foretold.conversation, REHEARSED_CONVERSATION);
		else
			assert_int_equal(foretold.conversation, recorded.conversation);
		if (recorded.owner != NULL)
			assert_string_equal(foretold.owner, recorded.owner);
		recorded_release(&foretold);
		recorded_release(&recorded);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_are_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(alerts_are_companions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(facts_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_rehearsal_foretells_what_is_recorded, set_up,
	                                        tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
