#include "tests/unit/store_fixture.h"

#include "lib/store/care.h"

/*
 * Threads that a client or a forger bends: answers to what was continued, colleagues who
 * forward, programs between people, a clock that was set back.
 */

#define CUSTOMER "customer@example.org"
#define JANE     "jane@company.test"
#define BOB      "bob@company.test"
#define ALICE    "alice@company.test"
#define DESK     "desk@company.test"
#define NOON     INT64_C(1795132800)
#define DAY      INT64_C(86400)

#define NAME(text) ((char *)(text))

static struct account accounts[] = {
	{.name = NAME("Never"), .is_enabled = true, .reopen_s = 0},
	{.name = NAME("Always"), .is_enabled = true, .reopen_s = -1},
	{.name = NAME("Desk"), .is_enabled = true, .reopen_s = -1, .has_internal_customers = true},
	{.name = NAME("Closing"),
         .is_enabled = true,
         .reopen_s = 0,
         .has_internal_customers = true},
};
static const struct config config = {.accounts = accounts,
                                     .account_count = sizeof(accounts) / sizeof(accounts[0])};
static struct fixture fixture;

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

static struct recorded put(struct record *record, const char *msgid)
{
	struct recorded out;

	record->config = &config;
	record->msgid = record->queue_id = msgid;
	record_key(record->key, msgid, record->from, "today", record->direction, NULL, NULL, 0);
	record_ok(fixture.store, record, &out);
	recorded_release(&out);
	return out;
}

/* A customer's message; conversation: that its token names, or 0. */
static struct recorded ask(const char *msgid, const char *account, int64_t conversation, int64_t at)
{
	struct record record = record_of(msgid, at);

	record.from = CUSTOMER;
	record.account = account;
	record.reopens = true;
	record.match.token_conversation = conversation;
	return put(&record, msgid);
}

/* Mail of ours to the customer, found by its ids or by a conversation that it names. */
static struct recorded answer_by_ids(const char *msgid, const struct match_id *ids, size_t id_count,
                                     int64_t conversation, int64_t at)
{
	const char *recipients[] = {CUSTOMER};
	struct record record = record_of(msgid, at);

	record.direction = DIRECTION_OUT;
	record.from = record.owner = JANE;
	record.account = "Never";
	record.starts_wait = false;
	record.ends_waits = record.adds_participants = true;
	record.recipients = recipients;
	record.recipient_count = 1;
	record.match.is_outbound = true;
	record.match.ids = ids;
	record.match.id_count = id_count;
	record.match.token_conversation = conversation;
	return put(&record, msgid);
}

static struct recorded answer(const char *msgid, int64_t conversation, int64_t at)
{
	return answer_by_ids(msgid, NULL, 0, conversation, at);
}

/* Mail of ours that a program sent: it answers nobody. */
static void inform(const char *msgid, int64_t conversation, int64_t at)
{
	const char *recipients[] = {CUSTOMER};
	struct record record = record_of(msgid, at);

	record.direction = DIRECTION_OUT;
	record.from = "noreply@company.test";
	record.account = "Never";
	record.starts_wait = false;
	record.recipients = recipients;
	record.recipient_count = 1;
	record.match.is_outbound = true;
	record.match.token_conversation = conversation;
	put(&record, msgid);
}

/* A colleague's message inside the company; names: an id, or NULL. */
static struct recorded write_inside(const char *msgid, const char *from, const char *account,
                                    const char *to, const char *names, int64_t at)
{
	const char *recipients[] = {to};
	struct match_id id = {.msgid = names, .source = MATCH_FROM_IN_REPLY_TO};
	struct record record = record_of(msgid, at);

	record.direction = DIRECTION_INTERNAL;
	record.from = from;
	record.account = account;
	record.starts_wait = false;
	record.match.may_open = account != NULL;
	record.recipients = recipients;
	record.recipient_count = 1;
	record.answers_colleagues = record.asks_as_colleague = true;
	record.match.ids = &id;
	record.match.id_count = names != NULL;
	return put(&record, msgid);
}

static struct recorded bounce(const char *msgid, const char *original, const struct match_id *ids,
                              size_t id_count, int64_t conversation, int64_t at)
{
	static const struct record_failure failure = {CUSTOMER, "failed", "5.1.1", "gone", NULL};
	struct record record = record_of(msgid, at);

	record.class = CLASS_BOUNCE;
	record.from = "";
	record.starts_wait = false;
	record.match.ids = ids;
	record.match.id_count = id_count;
	record.match.report_conversation = conversation;
	record.original_msgid = original;
	record.failures = &failure;
	record.failure_count = 1;
	return put(&record, msgid);
}

static void close_it(int64_t conversation, int64_t at)
{
	struct error err = {0};

	assert_int_equal(store_set_closed(fixture.store, &config, conversation, true, at,
	                                  in_five_seconds(), &err),
	                 1);
}

/* One that was closed, and what the customer's next message made of it. */
static void make_continued(int64_t *old_out, struct recorded *question_out)
{
	*old_out = ask("<c1@x>", "Never", 0, NOON).conversation;
	answer("<s1@company.test>", *old_out, NOON + 10);
	close_it(*old_out, NOON + 20);
	*question_out = ask("<c2@x>", "Never", *old_out, NOON + DAY);
	assert_int_not_equal(question_out->conversation, *old_out);
	assert_int_equal(question_out->waits_started, 1);
}

/* As every client writes the thread: our own id of the old conversation stands in it. */
static void an_answer_that_names_the_old_thread_ends_the_wait_in_the_new_one(void **state)
{
	struct recorded question, answered;
	int64_t old;

	(void)state;
	make_continued(&old, &question);
	const struct match_id ids[] = {
		{.msgid = "<own@company.test>",
	         .source = MATCH_FROM_REFERENCES,
	         .own_conversation = old},
		{.msgid = "<c2@x>", .source = MATCH_FROM_IN_REPLY_TO},
		{.msgid = "<s1@company.test>", .source = MATCH_FROM_REFERENCES},
		{.msgid = "<c1@x>", .source = MATCH_FROM_REFERENCES},
	};
	answered = answer_by_ids("<s2@company.test>", ids, sizeof(ids) / sizeof(ids[0]), 0,
	                         NOON + DAY + 60);
	assert_int_equal(answered.conversation, question.conversation);
	assert_int_equal(answered.related, old);
	assert_int_equal(answered.waits_ended, 1);
}

static void an_answer_to_an_old_mail_ends_the_wait_in_the_new_one(void **state)
{
	const struct match_id id = {.msgid = "<c1@x>", .source = MATCH_FROM_IN_REPLY_TO};
	struct recorded question, answered;
	int64_t old;

	(void)state;
	make_continued(&old, &question);
	answered = answer_by_ids("<s2@company.test>", &id, 1, 0, NOON + DAY + 60);
	assert_int_equal(answered.conversation, question.conversation);
	assert_int_equal(answered.waits_ended, 1);
}

static void an_answer_into_a_closed_one_that_nothing_continues_stays_there(void **state)
{
	const struct match_id id = {.msgid = "<c1@x>", .source = MATCH_FROM_IN_REPLY_TO};
	int64_t old;

	(void)state;
	old = ask("<c1@x>", "Never", 0, NOON).conversation;
	close_it(old, NOON + 20);
	assert_int_equal(answer_by_ids("<s2@company.test>", &id, 1, 0, NOON + DAY).conversation,
	                 old);
	count_is(fixture.store, "SELECT count(*) FROM conversation", 1);
}

static void a_bounce_is_told_where_the_returned_message_is(void **state)
{
	struct recorded question, report;
	int64_t old;

	(void)state;
	make_continued(&old, &question);
	answer("<s2@company.test>", question.conversation, NOON + DAY + 10);
	const struct match_id ids[] = {
		{.msgid = "<s2@company.test>", .source = MATCH_FROM_REPORT},
		{.msgid = "<own@company.test>",
	         .source = MATCH_FROM_REPORT,
	         .own_conversation = old},
	};
	report = bounce("<b@x>", "<s2@company.test>", ids, 2, 0, NOON + DAY + 30);
	assert_int_equal(report.conversation, question.conversation);
	assert_int_equal(report.waits_resumed, 1);
}

static void an_owner_who_was_assigned_stays_in_what_continues(void **state)
{
	struct error err = {0};
	struct recorded question;
	int64_t old;

	(void)state;
	old = ask("<c1@x>", "Never", 0, NOON).conversation;
	assert_int_equal(store_assign(fixture.store, old, "boss@company.test", NOON + 5,
	                              in_five_seconds(), &err),
	                 1);
	close_it(old, NOON + 20);
	question = ask("<c2@x>", "Never", old, NOON + DAY);
	answer("<s1@company.test>", question.conversation, NOON + DAY + 10);
	count_is(fixture.store,
	         "SELECT count(*) FROM conversation WHERE owner = 'boss@company.test'"
	         " AND is_owner_pinned = 1",
	         2);
}

static void a_conversation_of_an_account_that_is_gone_goes_over_to_another(void **state)
{
	int64_t old, open;

	(void)state;
	old = ask("<c1@x>", "Gone", 0, NOON).conversation;
	close_it(old, NOON + 20);
	ask("<c2@x>", "Never", old, NOON + DAY);
	count_is(fixture.store,
	         "SELECT count(*) FROM conversation WHERE continues IS NOT NULL"
	         " AND account = 'Never'",
	         1);
	open = ask("<c3@x>", "Gone too", 0, NOON).conversation;
	ask("<c4@x>", "Always", open, NOON + 10);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE account = 'Always'", 1);
	ask("<c5@x>", "Never", open, NOON + 20);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE account = 'Always'", 1);
}

static void an_answer_ends_the_wait_though_the_clock_was_set_back(void **state)
{
	int64_t conversation;

	(void)state;
	conversation = ask("<c1@x>", "Always", 0, NOON + 3600).conversation;
	assert_int_equal(answer("<s1@x>", conversation, NOON).waits_ended, 1);
	count_is(fixture.store,
	         "SELECT count(*) FROM wait WHERE wall_s = 0 AND ended_at = started_at", 1);
}

static void fifty_forged_senders_do_not_silence_the_customer(void **state)
{
	int64_t conversation;

	(void)state;
	conversation = ask("<c1@x>", "Always", 0, NOON).conversation;
	answer("<s1@x>", conversation, NOON + 10);
	for (int i = 0; i < 50; i++) {
		char msgid[40], from[40];
		struct record record;

		snprintf(msgid, sizeof(msgid), "<f%d@x>", i);
		snprintf(from, sizeof(from), "f%d@example.com", i);
		record = record_of(msgid, NOON + 20 + i);
		record.from = from;
		record.auth = "fail";
		record.account = "Always";
		record.match.token_conversation = conversation;
		put(&record, msgid);
	}
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE ended_at IS NULL", 50);
	assert_int_equal(ask("<c2@x>", "Always", conversation, NOON + 100).waits_started, 1);
}

static void a_forged_reply_to_is_not_where_the_answer_goes(void **state)
{
	const char *recipients[] = {"evil@example.com"};
	struct record forged = record_of("<e1@x>", NOON + 10);
	struct record record = record_of("<s1@x>", NOON + 20);
	int64_t conversation;

	(void)state;
	conversation = ask("<c1@x>", "Always", 0, NOON).conversation;
	forged.account = "Always";
	forged.from = CUSTOMER;
	forged.auth = "fail";
	forged.reply_to = "evil@example.com";
	forged.match.token_conversation = conversation;
	put(&forged, "<e1@x>");
	record.direction = DIRECTION_OUT;
	record.from = JANE;
	record.starts_wait = false;
	record.ends_waits = true;
	record.recipients = recipients;
	record.recipient_count = 1;
	record.match.token_conversation = conversation;
	assert_int_equal(put(&record, "<s1@x>").waits_ended, 0);
}

static void a_programs_mail_is_not_the_later_answer(void **state)
{
	int64_t conversation;

	(void)state;
	conversation = ask("<c1@x>", "Always", 0, NOON).conversation;
	answer("<s1@x>", conversation, NOON + 10);
	inform("<p1@x>", conversation, NOON + 20);
	assert_int_equal(bounce("<b@x>", "<s1@x>", NULL, 0, conversation, NOON + 30).waits_resumed,
	                 1);
}

static void who_forwards_a_thread_to_the_desk_waits_there(void **state)
{
	struct recorded forwarded;
	int64_t sale;

	(void)state;
	sale = ask("<c1@x>", "Always", 0, NOON).conversation;
	forwarded = write_inside("<b1@x>", BOB, "Desk", DESK, "<c1@x>", NOON + 10);
	assert_int_not_equal(forwarded.conversation, sale);
	assert_int_equal(forwarded.related, sale);
	assert_int_equal(forwarded.waits_started, 1);
	/* What he writes there next is the same question. */
	assert_int_equal(
		write_inside("<b2@x>", BOB, "Desk", DESK, "<b1@x>", NOON + 20).conversation,
		forwarded.conversation);
}

static void who_waited_in_the_old_one_is_a_customer_of_the_new_one(void **state)
{
	struct recorded first, next;

	(void)state;
	first = write_inside("<a1@x>", ALICE, "Closing", DESK, NULL, NOON);
	close_it(first.conversation, NOON + 20);
	next = write_inside("<a2@x>", ALICE, NULL, JANE, "<a1@x>", NOON + DAY);
	assert_int_equal(next.waits_started, 1);
	assert_int_not_equal(next.conversation, first.conversation);
	close_it(next.conversation, NOON + DAY + 20);
	next = write_inside("<a3@x>", ALICE, NULL, JANE, "<a2@x>", NOON + 2 * DAY);
	assert_int_equal(next.waits_started, 1);
	/* Who never asked does not wait for writing there. */
	assert_int_equal(
		write_inside("<j1@x>", JANE, NULL, BOB, "<a3@x>", NOON + 3 * DAY).waits_started, 0);
}

static void a_copy_that_comes_to_the_desk_alone_makes_him_wait(void **state)
{
	(void)state;
	assert_int_equal(write_inside("<b1@x>", BOB, "Always", "sales@company.test", NULL, NOON)
	                         .waits_started,
	                 0);
	for (int i = 0; i < 2; i++) {
		struct recorded copy = write_inside("<b1@x>", BOB, "Desk", DESK, NULL, NOON + i);

		assert_true(copy.is_repeat);
		assert_int_equal(copy.waits_started, i == 0);
	}
	count_is(fixture.store, "SELECT count(*) FROM wait", 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_that_names_the_old_thread_ends_the_wait_in_the_new_one),
		TEST(an_answer_to_an_old_mail_ends_the_wait_in_the_new_one),
		TEST(an_answer_into_a_closed_one_that_nothing_continues_stays_there),
		TEST(a_bounce_is_told_where_the_returned_message_is),
		TEST(an_owner_who_was_assigned_stays_in_what_continues),
		TEST(a_conversation_of_an_account_that_is_gone_goes_over_to_another),
		TEST(an_answer_ends_the_wait_though_the_clock_was_set_back),
		TEST(fifty_forged_senders_do_not_silence_the_customer),
		TEST(a_forged_reply_to_is_not_where_the_answer_goes),
		TEST(a_programs_mail_is_not_the_later_answer),
		TEST(who_forwards_a_thread_to_the_desk_waits_there),
		TEST(who_waited_in_the_old_one_is_a_customer_of_the_new_one),
		TEST(a_copy_that_comes_to_the_desk_alone_makes_him_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
