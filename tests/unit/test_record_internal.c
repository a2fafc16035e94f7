#include "tests/unit/store_fixture.h"

#include "lib/store/care.h"
#include "lib/store/query.h"

/*
 * Colleagues who are customers: mail inside the company, recorded one after the other,
 * and after each what came of it.  Steps are counted from 1.
 */

#define UNOWNED(text) ((char *)(text)) /* literals in members that elsewhere are on the heap */
#define BOB           "bob@company.test"
#define ALICE         "alice@company.test"
#define JANE          "jane@company.test"
#define DESK          "desk@company.test"
#define CUSTOMER      "customer@example.org"

#define AT        INT64_C(1795132800)
#define STEPS_MAX 6

static struct account accounts[] = {
	{.name = UNOWNED("Desk"),
         .is_enabled = true,
         .has_internal_customers = true,
         .reopen_s = -1},
	{.name = UNOWNED("Never"),
         .is_enabled = true,
         .has_internal_customers = true,
         .reopen_s = 0},
	{.name = UNOWNED("Sales"), .is_enabled = true, .reopen_s = -1},
	{.name = UNOWNED("Off"), .is_enabled = false, .has_internal_customers = true},
};
static const struct config config = {.accounts = accounts, .account_count = 4};

struct step {
	const char *from, *account; /* NULL: it came in by none */
	const char *to[3];
	int answers; /* names the message of that step; 0: a new conversation */
	enum direction direction;
	enum message_class class;
	bool is_of_account; /* its sender is one */
	bool is_closed_before;

	unsigned started, ended;
	int waiting;       /* customers, in its conversation */
	bool is_elsewhere; /* not in the conversation of the step that it names */
};

#define INSIDE .direction = DIRECTION_INTERNAL
#define ASKS                                                                                       \
	{                                                                                          \
		INSIDE, .from = BOB, .account = "Desk", .to = {DESK}, .started = 1, .waiting = 1   \
	}
#define JANE_ANSWERS                                                                               \
	{                                                                                          \
		INSIDE, .from = JANE, .to = {BOB}, .answers = 1, .ended = 1                        \
	}

static const struct story {
	const char *name;
	struct step steps[STEPS_MAX];
} stories[] = {
	{"a colleague who writes to the desk waits", {ASKS}},
	{"one who writes to another account does not",
         {{INSIDE, .from = BOB, .account = "Sales", .to = {"sales@company.test"}}}},
	{"nor to one that is disabled", {{INSIDE, .from = BOB, .account = "Off", .to = {DESK}}}},
	{"nor an account of ours",
         {{INSIDE, .from = "sales@company.test", .account = "Desk", .to = {DESK},
           .is_of_account = true}}},
	{"nor a machine",
         {{INSIDE, .from = BOB, .class = CLASS_NOTIFICATION, .account = "Desk", .to = {DESK}}}},
	{"any colleague's answer to him ends it", {ASKS, JANE_ANSWERS}},
	{"so does that of the desk's own address",
         {ASKS,
          {INSIDE, .from = DESK, .to = {BOB}, .answers = 1, .is_of_account = true, .ended = 1}}},
	{"and mail that leaves as well",
         {ASKS,
          {.direction = DIRECTION_OUT,
           .from = JANE,
           .to = {BOB, CUSTOMER},
           .answers = 1,
           .ended = 1}}},
	{"an automatic answer does not",
         {ASKS,
          {INSIDE, .from = JANE, .class = CLASS_AUTO_REPLY, .to = {BOB}, .answers = 1,
           .waiting = 1}}},
	{"nor mail to somebody else",
         {ASKS, {INSIDE, .from = JANE, .to = {ALICE}, .answers = 1, .waiting = 1}}},
	{"nor his own, with a copy to himself",
         {ASKS,
          {INSIDE, .from = BOB, .account = "Desk", .to = {DESK, BOB}, .answers = 1, .waiting = 1}}},
	{"what he asks again starts a wait, to whomever it goes",
         {ASKS,
          JANE_ANSWERS,
          {INSIDE, .from = BOB, .to = {JANE}, .answers = 2, .started = 1, .waiting = 1}}},
	{"who never waited there does not begin to",
         {ASKS,
          {INSIDE, .from = ALICE, .account = "Desk", .to = {DESK}, .answers = 1, .waiting = 1},
          {INSIDE, .from = JANE, .to = {BOB}, .answers = 1, .ended = 1}}},
	{"a customer outside in it is answered by mail that leaves only",
         {{.direction = DIRECTION_IN,
           .from = CUSTOMER,
           .account = "Desk",
           .to = {DESK},
           .started = 1,
           .waiting = 1},
          {INSIDE, .from = JANE, .to = {BOB}, .answers = 1, .waiting = 1},
          {.direction = DIRECTION_OUT, .from = JANE, .to = {CUSTOMER}, .answers = 1, .ended = 1}}},
	{"two wait side by side",
         {ASKS,
          {INSIDE, .from = ALICE, .account = "Desk", .to = {DESK}, .started = 1, .waiting = 1},
          {INSIDE, .from = JANE, .to = {BOB}, .answers = 1, .ended = 1},
          {INSIDE, .from = JANE, .to = {ALICE, BOB}, .answers = 2, .ended = 1}}},
	{"what he writes in a closed one opens it",
         {ASKS,
          {INSIDE, .from = BOB, .account = "Desk", .to = {DESK}, .answers = 1,
           .is_closed_before = true, .started = 1, .waiting = 1}}},
	{"or begins another, where the account says so",
         {{INSIDE, .from = BOB, .account = "Never", .to = {DESK}, .started = 1, .waiting = 1},
          {INSIDE, .from = BOB, .to = {JANE}, .answers = 1, .is_closed_before = true, .started = 1,
           .waiting = 1, .is_elsewhere = true},
          {INSIDE, .from = JANE, .to = {BOB}, .answers = 2, .ended = 1}}},
	{"a colleague's word in a closed one leaves it closed",
         {ASKS, {INSIDE, .from = JANE, .to = {BOB}, .answers = 1, .is_closed_before = true}}},
};

static struct record record_of_step(const struct step *step, int number, char msgid[40])
{
	struct record record = {0};

	snprintf(msgid, 40, "<%d@company.test>", number);
	record = record_of(msgid, AT + number);
	record.config = &config;
	record.direction = step->direction;
	record.class = step->class;
	record.from = step->from;
	record.account = step->account;
	record.match.may_open = step->account != NULL;
	record.recipients = step->to;
	while (record.recipient_count < 3 && step->to[record.recipient_count] != NULL)
		record.recipient_count++;
	/* As milter/inbound.c and milter/outbound.c have it. */
	record.starts_wait = record.reopens = step->direction == DIRECTION_IN;
	record.ends_waits = step->direction == DIRECTION_OUT;
	record.answers_colleagues =
		step->direction == DIRECTION_INTERNAL && class_is_human(step->class);
	record.asks_as_colleague = record.answers_colleagues && !step->is_of_account;
	record_key(record.key, msgid, record.from, "today", record.direction, NULL, NULL, 0);
	return record;
}

static int count_waiting(struct store *store, int64_t conversation)
{
	struct conversation_row row;
	struct error err = {0};
	int count;

	assert_int_equal(store_get_conversation(store, conversation, &row, &err), 1);
	count = (int)row.waiting_count;
	conversation_row_release(&row);
	return count;
}

static void each_story_ends_as_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		int64_t conversations[STEPS_MAX + 1] = {0};
		char msgids[STEPS_MAX + 1][40];
		struct fixture fixture;
		struct error err = {0};

		fixture_begin(&fixture);
		fixture_open(&fixture);
		for (int n = 1; n <= STEPS_MAX && stories[i].steps[n - 1].from != NULL; n++) {
			const struct step *step = &stories[i].steps[n - 1];
			struct record record = record_of_step(step, n, msgids[n]);
			struct match_id named = {.source = MATCH_FROM_IN_REPLY_TO};
			struct recorded recorded;

			if (step->answers > 0) {
				named.msgid = msgids[step->answers];
				record.match.ids = &named;
				record.match.id_count = 1;
			}
			if (step->is_closed_before)
				assert_int_equal(store_set_closed(fixture.store, &config,
				                                  conversations[1], true, AT + n,
				                                  in_five_seconds(), &err),
				                 1);
			record_ok(fixture.store, &record, &recorded);
			recorded_release(&recorded);
			conversations[n] = recorded.conversation;
			if (recorded.waits_started != step->started ||
			    recorded.waits_ended != step->ended ||
			    count_waiting(fixture.store, recorded.conversation) != step->waiting)
				fail_msg("%s: step %d: started=%u ended=%u waiting=%d",
				         stories[i].name, n, recorded.waits_started,
				         recorded.waits_ended,
				         count_waiting(fixture.store, recorded.conversation));
			if (step->answers > 0 &&
			    (recorded.conversation != conversations[step->answers]) !=
			            step->is_elsewhere)
				fail_msg("%s: step %d is elsewhere", stories[i].name, n);
		}
		fixture_end(&fixture);
	}
}

static void an_answer_that_comes_once_a_recipient_answers_each(void **state)
{
	static const struct step asks[] = {
		ASKS, {INSIDE, .from = ALICE, .account = "Desk", .to = {DESK}}};
	static const struct step answers[] = {{INSIDE, .from = JANE, .to = {ALICE}},
	                                      {INSIDE, .from = JANE, .to = {BOB}}};
	struct fixture fixture;
	struct record record;
	struct recorded recorded;
	int64_t conversation;
	char msgid[40];
	(void)state;

	fixture_begin(&fixture);
	fixture_open(&fixture);
	record = record_of_step(&asks[0], 1, msgid);
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	conversation = recorded.conversation;
	for (int i = 0; i < 2; i++) {
		record = record_of_step(&answers[i], 2, msgid);
		record.match.token_conversation = conversation;
		record.queue_id = i == 0 ? "4bA" : "4bB";
		record_ok(fixture.store, &record, &recorded);
		recorded_release(&recorded);
		assert_int_equal(recorded.is_repeat, i);
		assert_int_equal(recorded.waits_ended, i);
	}
	fixture_end(&fixture);
}

/* A report of that number, of a message to Bob. Returns how many wait again. */
static int bounce(struct store *store, int number, const char *original, int64_t conversation)
{
	const struct record_failure failure = {BOB, "failed", "5.2.2", "mailbox full", NULL};
	struct recorded recorded;
	struct record record;
	char msgid[40];

	snprintf(msgid, sizeof(msgid), "<bounce-%d@x>", number);
	record = record_of(msgid, AT + 100 + number);
	record.config = &config;
	record.class = CLASS_BOUNCE;
	record.from = "";
	record.starts_wait = false;
	record.match.report_conversation = conversation;
	record.original_msgid = original;
	record.failures = &failure;
	record.failure_count = 1;
	record_ok(store, &record, &recorded);
	recorded_release(&recorded);
	return (int)recorded.waits_resumed;
}

static void a_bounced_answer_to_a_colleague_lets_him_wait_again(void **state)
{
	static const struct step steps[] = {
		ASKS, {INSIDE, .from = JANE, .to = {BOB}}, {INSIDE, .from = JANE, .to = {BOB}}};
	struct fixture fixture;
	struct record record;
	struct recorded recorded = {0};
	char msgids[3][40];
	int64_t conversation;
	(void)state;

	fixture_begin(&fixture);
	fixture_open(&fixture);
	for (int i = 0; i < 3; i++) {
		record = record_of_step(&steps[i], i + 1, msgids[i]);
		record.match.token_conversation = recorded.conversation;
		record_ok(fixture.store, &record, &recorded);
		recorded_release(&recorded);
		assert_int_equal(recorded.waits_ended, i == 1);
	}
	conversation = recorded.conversation;
	/* The second answer ends it in the place of the first. */
	assert_int_equal(bounce(fixture.store, 1, msgids[1], conversation), 0);
	count_is(fixture.store,
	         "SELECT w.ended_at - w.started_at FROM wait w JOIN message m ON m.id = w.ended_by"
	         " WHERE m.msgid = '<3@company.test>'",
	         2);
	assert_int_equal(bounce(fixture.store, 2, msgids[2], conversation), 1);
	/* That of what he wrote himself is on nothing. */
	assert_int_equal(bounce(fixture.store, 3, msgids[0], conversation), 0);
	count_is(fixture.store, "SELECT count(*) FROM failure", 2);
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_story_ends_as_told),
		cmocka_unit_test(an_answer_that_comes_once_a_recipient_answers_each),
		cmocka_unit_test(a_bounced_answer_to_a_colleague_lets_him_wait_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
