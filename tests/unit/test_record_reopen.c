#include "tests/unit/store_fixture.h"

#include "lib/store/care.h"
#include "lib/store/letter.h"
#include "lib/store/query.h"

/* Where a customer's message goes that leads to a closed conversation. */

#define UNOWNED(text) ((char *)(text)) /* literals in members that elsewhere are on the heap */
#define CUSTOMER      "customer@example.org"
#define JANE          "jane@company.test"

#define DAY    INT64_C(86400)
#define CLOSED INT64_C(1795132800)

static struct account accounts[] = {
	{.name = UNOWNED("Always"), .is_enabled = true, .reopen_s = -1},
	{.name = UNOWNED("Never"), .is_enabled = true, .reopen_s = 0},
	{.name = UNOWNED("Fortnight"), .is_enabled = true, .reopen_s = 14 * DAY},
};
static const struct config config = {.accounts = accounts, .account_count = 3};
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

static struct recorded record_it(struct record *record)
{
	struct recorded recorded;
	char msgid[40];

	snprintf(msgid, sizeof(msgid), "<%d@x>", numbers++);
	record->config = &config;
	record->msgid = record->queue_id = msgid;
	record_key(record->key, msgid, record->from, "today", record->direction, NULL, NULL, 0);
	record_ok(fixture.store, record, &recorded);
	recorded_release(&recorded);
	return recorded;
}

/* A human message of the customer; account: that it came in by, conversation: of its token. */
static struct record message_of(const char *account, int64_t conversation, int64_t at)
{
	struct record record = record_of("", at);

	record.account = account;
	record.reopens = true;
	record.match.token_conversation = conversation;
	return record;
}

static struct recorded write_one(const char *account, int64_t conversation, int64_t at)
{
	struct record record = message_of(account, conversation, at);

	return record_it(&record);
}

static void set_closed(int64_t conversation, bool is_closed, int64_t at)
{
	struct error err = {0};

	assert_int_equal(store_set_closed(fixture.store, &config, conversation, is_closed, at,
	                                  in_five_seconds(), &err),
	                 1);
}

static void run(const char *sql)
{
	struct error err = {0};

	if (store_run(fixture.store, sql, &err) < 0)
		fail_msg("%s", err.text);
}

/* A conversation of Jane with the customer, closed at CLOSED. */
static int64_t closed_one(const char *account)
{
	static const char *const recipients[] = {CUSTOMER};
	struct record record = record_of("", CLOSED - DAY);
	int64_t conversation;

	record.direction = DIRECTION_OUT;
	record.from = record.owner = JANE;
	record.account = account;
	record.subject = "Your order";
	record.reference = "Sales Order SO-0001";
	record.reference_type = "Sales Order";
	record.starts_wait = false;
	record.adds_participants = true;
	record.recipients = recipients;
	record.recipient_count = 1;
	conversation = record_it(&record).conversation;
	set_closed(conversation, true, CLOSED);
	return conversation;
}

static bool is_closed(int64_t conversation)
{
	struct conversation_row row;
	struct error err = {0};
	bool found;

	assert_int_equal(store_get_conversation(fixture.store, conversation, &row, &err), 1);
	found = row.is_closed;
	conversation_row_release(&row);
	return found;
}

static const struct {
	const char *sentence, *account, *came_by;
	int64_t after_s;
	bool has_no_moment; /* it was closed before that was kept */
	bool opens;
} rows[] = {
	{"always: years later", "Always", "Always", 1000 * DAY, false, true},
	{"never: at once", "Never", "Never", 0, false, false},
	{"14d: on the last day", "Fortnight", "Fortnight", 14 * DAY, false, true},
	{"14d: a second later", "Fortnight", "Fortnight", 14 * DAY + 1, false, false},
	{"14d: closed before that was kept, its last change counts", "Fortnight", "Fortnight",
         14 * DAY, true, true},
	{"14d: and is too long ago", "Fortnight", "Fortnight", 14 * DAY + 1, true, false},
	{"to a person: the account of the conversation says", "Never", NULL, 5, false, false},
	{"to a person: or lets it", "Always", NULL, 5, false, true},
	{"by another account: that one says", "Never", "Always", 5, false, true},
	{"by another account: that does not", "Always", "Never", 5, false, false},
	{"by one that is no more: that of the conversation", "Never", "Renamed", 5, false, false},
	{"an account that is no more: it opens", "Renamed", NULL, 5, false, true},
};

static void the_account_says_whether_it_opens_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct recorded recorded;
		int64_t old;

		if (i > 0)
			set_up(NULL);
		old = closed_one(rows[i].account);
		if (rows[i].has_no_moment)
			run("UPDATE conversation SET closed_at = NULL");
		recorded = write_one(rows[i].came_by, old, CLOSED + rows[i].after_s);
		if (recorded.is_new_conversation == rows[i].opens ||
		    (recorded.conversation == old) != rows[i].opens ||
		    is_closed(old) == rows[i].opens || is_closed(recorded.conversation))
			fail_msg("%s: new=%d", rows[i].sentence, recorded.is_new_conversation);
		if (recorded.waits_started != 1 || recorded.reason != MATCH_TOKEN ||
		    recorded.related != (rows[i].opens ? 0 : old) || !recorded.is_known_sender)
			fail_msg("%s: started=%u reason=%s known=%d", rows[i].sentence,
			         recorded.waits_started, match_reason_name(recorded.reason),
			         recorded.is_known_sender);
		if (i + 1 < sizeof(rows) / sizeof(rows[0]))
			tear_down(NULL);
	}
}

static void the_new_one_has_what_the_old_one_had(void **state)
{
	struct conversation_row row;
	struct recorded recorded;
	struct error err = {0};
	int64_t old = closed_one("Never"), *ids;
	size_t count;
	struct record record = message_of("Always", old, CLOSED + DAY);
	(void)state;

	accounts[0].reopen_s = 0;
	record.subject = "Re: Your order, and something else";
	record.reference_type = "Issue";
	recorded = record_it(&record);
	accounts[0].reopen_s = -1;
	assert_true(recorded.is_new_conversation);
	assert_int_equal(store_get_conversation(fixture.store, recorded.conversation, &row, &err),
	                 1);
	assert_string_equal(row.subject, "Your order");
	assert_string_equal(row.reference, "Sales Order SO-0001");
	assert_string_equal(row.reference_type, "Sales Order");
	assert_string_equal(row.account, "Never");
	assert_string_equal(row.owner, JANE);
	assert_false(row.is_closed);
	assert_true(row.continues == old && row.created_at == CLOSED + DAY);
	conversation_row_release(&row);
	assert_int_equal(store_list_continued(fixture.store, old, &ids, &count, &err), 0);
	assert_int_equal(count, 1);
	assert_true(ids[0] == recorded.conversation);
	free(ids);
	assert_int_equal(store_list_related(fixture.store, old, &ids, &count, &err), 0);
	assert_int_equal(count, 1);
	free(ids);
	count_is(fixture.store, "SELECT count(*) FROM participant", 4);
	count_is(fixture.store, "SELECT count(*) FROM message WHERE related IS NOT NULL", 1);
}

static void what_he_writes_next_joins_the_new_one(void **state)
{
	int64_t old = closed_one("Never");
	struct recorded second = write_one("Never", old, CLOSED + DAY), third, fourth;
	(void)state;

	third = write_one("Never", old, CLOSED + 2 * DAY);
	assert_false(third.is_new_conversation);
	assert_true(third.conversation == second.conversation && third.related == old);
	assert_int_equal(third.reason, MATCH_TOKEN);
	/* Through several: each closed one is continued by the next. */
	set_closed(second.conversation, true, CLOSED + 3 * DAY);
	third = write_one("Never", old, CLOSED + 4 * DAY);
	assert_true(third.is_new_conversation && third.related == second.conversation);
	fourth = write_one("Never", old, CLOSED + 5 * DAY);
	assert_true(fourth.conversation == third.conversation && fourth.related == old);
	fourth = write_one("Never", second.conversation, CLOSED + 5 * DAY);
	assert_true(fourth.conversation == third.conversation);
	assert_true(fourth.related == second.conversation);
	count_is(fixture.store, "SELECT count(*) FROM conversation", 3);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE state = 'open'", 1);
	/* Whoever opens the old one by hand wants it to be used. */
	set_closed(old, false, CLOSED + 6 * DAY);
	assert_true(write_one("Never", old, CLOSED + 7 * DAY).conversation == old);
}

static void what_continues_it_may_open_again(void **state)
{
	int64_t old = closed_one("Fortnight");
	struct recorded second = write_one("Fortnight", old, CLOSED + 15 * DAY), third;
	(void)state;

	assert_true(second.is_new_conversation);
	set_closed(second.conversation, true, CLOSED + 20 * DAY);
	third = write_one("Fortnight", old, CLOSED + 30 * DAY);
	assert_true(third.conversation == second.conversation);
	assert_false(is_closed(second.conversation));
	/* It was closed anew then, so the time begins anew. */
	set_closed(second.conversation, true, CLOSED + 31 * DAY);
	third = write_one("Fortnight", old, CLOSED + 44 * DAY);
	assert_true(third.conversation == second.conversation);
}

static void when_it_was_closed_is_kept(void **state)
{
	int64_t old = closed_one("Always");
	(void)state;

	count_is(fixture.store, "SELECT closed_at FROM conversation", CLOSED);
	set_closed(old, true, CLOSED + DAY);
	count_is(fixture.store, "SELECT closed_at FROM conversation", CLOSED);
	set_closed(old, false, CLOSED + 2 * DAY);
	count_is(fixture.store, "SELECT closed_at IS NULL FROM conversation", 1);
	set_closed(old, true, CLOSED + 3 * DAY);
	count_is(fixture.store, "SELECT closed_at FROM conversation", CLOSED + 3 * DAY);
	write_one("Always", old, CLOSED + 4 * DAY);
	count_is(fixture.store, "SELECT closed_at IS NULL FROM conversation", 1);
}

static const struct {
	const char *sentence;
	enum direction direction;
	enum message_class class;
	const char *from;
} others[] = {
	{"an automatic answer", DIRECTION_IN, CLASS_AUTO_REPLY, CUSTOMER},
	{"a bounce", DIRECTION_IN, CLASS_BOUNCE, ""},
	{"mail inside", DIRECTION_INTERNAL, CLASS_HUMAN, "bob@company.test"},
};

static void what_is_no_customers_mail_stays_in_the_closed_one(void **state)
{
	int64_t old = closed_one("Never");
	(void)state;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct record record = message_of("Never", old, CLOSED + DAY);
		struct recorded recorded;

		record.direction = others[i].direction;
		record.class = others[i].class;
		record.from = others[i].from;
		record.starts_wait = record.reopens = false;
		recorded = record_it(&record);
		if (recorded.conversation != old || recorded.is_new_conversation || !is_closed(old))
			fail_msg("%s: new=%d", others[i].sentence, recorded.is_new_conversation);
	}
	count_is(fixture.store, "SELECT closed_at FROM conversation", CLOSED);
}

static void another_clue_is_related_too(void **state)
{
	int64_t old = closed_one("Never"), other = closed_one("Always");
	struct record record = message_of("Never", old, CLOSED + DAY);
	struct recorded recorded;
	(void)state;

	record.match.further_conversation = other;
	recorded = record_it(&record);
	assert_true(recorded.related == old);
	count_is(fixture.store, "SELECT count(*) FROM relation", 2);
}

static void the_same_message_again_is_tagged_alike(void **state)
{
	int64_t old = closed_one("Never");
	struct record record = record_of("<same@x>", CLOSED + DAY);
	struct recorded first, again;
	(void)state;

	record.config = &config;
	record.account = "Never";
	record.reopens = true;
	record.match.token_conversation = old;
	record_ok(fixture.store, &record, &first);
	record_ok(fixture.store, &record, &again);
	assert_true(again.is_repeat && again.conversation == first.conversation &&
	            again.related == old);
	recorded_release(&first);
	recorded_release(&again);
	count_is(fixture.store, "SELECT count(*) FROM conversation", 2);
}

static void past_a_cap_nothing_new_begins(void **state)
{
	int64_t old = closed_one("Never"), first = 0;
	struct recorded recorded;
	(void)state;

	/* Counted where they go, though they name the old one. */
	for (int i = 0; i < 11; i++) {
		recorded = write_one("Never", old, CLOSED + DAY + i);
		if (i == 0)
			first = recorded.conversation;
		assert_true(recorded.conversation == first);
		assert_int_equal(recorded.is_capped, i == 10);
	}
	/* And in a closed one they stay. */
	set_closed(first, true, CLOSED + DAY + 20);
	recorded = write_one("Never", old, CLOSED + DAY + 30);
	assert_true(recorded.is_capped && recorded.conversation == first);
	assert_int_equal(recorded.waits_started, 0);
	count_is(fixture.store, "SELECT count(*) FROM conversation", 2);
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE ended_at IS NULL", 0);
}

static void no_step_of_it_visits_a_whole_table(void **state)
{
	int64_t old = closed_one("Never");
	(void)state;

	write_one("Never", old, CLOSED + DAY);
	write_one("Never", old, CLOSED + 2 * DAY);
	assert_no_scans(fixture.store, "a message to a closed conversation");
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(the_account_says_whether_it_opens_again),
		EACH(the_new_one_has_what_the_old_one_had),
		EACH(what_he_writes_next_joins_the_new_one),
		EACH(what_continues_it_may_open_again),
		EACH(when_it_was_closed_is_kept),
		EACH(what_is_no_customers_mail_stays_in_the_closed_one),
		EACH(another_clue_is_related_too),
		EACH(the_same_message_again_is_tagged_alike),
		EACH(past_a_cap_nothing_new_begins),
		EACH(no_step_of_it_visits_a_whole_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
