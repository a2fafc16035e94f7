#include "tests/unit/store_fixture.h"

#include "lib/conversation/token.h"
#include "lib/store/query.h"

/* Four conversations: 0 Sales, two wait; 1 Support, answered; 2 Sales, one waits, the longest; 3 tracked. */

enum { CONVERSATIONS = 4 };

static struct fixture fixture;
static int64_t ids[CONVERSATIONS];

static void add(const char *msgid, int64_t at, const char *from, const char *account,
                int64_t conversation, int64_t *conversation_out)
{
	struct record record = record_of(msgid, at);
	struct recorded recorded;

	record.from = from;
	record.account = account;
	if (account != NULL)
		record.reference_type = record.acknowledged_to = account;
	record.match.token_conversation = conversation;
	record_ok(fixture.store, &record, &recorded);
	if (conversation_out != NULL)
		*conversation_out = recorded.conversation;
	recorded_release(&recorded);
}

static void add_bounce(int64_t conversation, int64_t at)
{
	const struct record_failure failures[] = {
		{"nobody@example.org", "failed", "5.1.1", "550 no such user", NULL},
		{"slow@example.org", "delayed", "4.4.1", NULL, NULL},
	};
	struct record record = record_of("<bounce@example.org>", at);
	struct recorded recorded;

	record.class = CLASS_BOUNCE;
	record.rule = "report";
	record.from = NULL;
	record.starts_wait = false;
	record.match.report_conversation = conversation;
	record.failures = failures;
	record.failure_count = 2;
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
}

static void add_answer(int64_t conversation, int64_t related, int64_t at)
{
	static const char *const recipients[] = {"customer@example.org", "Other@example.com"};
	const struct match_id id = {"<own@company.test>", MATCH_FROM_REFERENCES, related};
	struct record record = record_of("<answer@company.test>", at);
	struct recorded recorded;

	record.direction = DIRECTION_OUT;
	record.from = record.owner = "jane@company.test";
	record.account = "Support";
	record.reference = "Sales Order SO-0001";
	record.text = "Dear customer";
	record.auth = NULL;
	record.starts_wait = false;
	record.ends_waits = record.adds_participants = true;
	record.recipients = recipients;
	record.recipient_count = 2;
	record.match = (struct match_input){
		.token_conversation = conversation, .ids = &id, .id_count = 1, .is_outbound = true};
	record_ok(fixture.store, &record, &recorded);
	assert_int_equal(recorded.waits_ended, recorded.is_repeat ? 0 : 1);
	assert_int_equal(recorded.related, related);
	recorded_release(&recorded);
}

static int setup(void **state)
{
	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	add("<c0@x>", 2000, "customer@example.org", "Sales", 0, &ids[0]);
	add("<c0b@x>", 5000, "other@example.com", "Sales", ids[0], NULL);
	add("<c1@x>", 1000, "customer@example.org", "Support", 0, &ids[1]);
	add_answer(ids[1], ids[0], 3000);
	add_bounce(ids[1], 3010);
	add_answer(ids[1], ids[0], 3020); /* delivered once more */
	add("<c2@x>", 1500, "third@example.org", "Sales", 0, &ids[2]);
	add("<c3@x>", 6000, NULL, NULL, 0, &ids[3]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_end(&fixture);
	return 0;
}

struct listing {
	const char *name;
	struct conversation_filter filter;
	int conversations[CONVERSATIONS + 1]; /* in order, -1 ends */
};

static const struct listing listings[] = {
	{"all, the newest activity first", {false, NULL, 10}, {3, 0, 1, 2, -1}},
	{"not more than asked for", {false, NULL, 2}, {3, 0, -1}},
	{"of one account", {false, "Sales", 10}, {0, 2, -1}},
	{"of an account that is none", {false, "None", 10}, {-1}},
	{"who waits, the longest first, each conversation once", {true, NULL, 10}, {2, 0, -1}},
	{"who waits longest", {true, NULL, 1}, {2, -1}},
	{"who waits for an account without waits", {true, "Support", 10}, {-1}},
	{"nothing", {false, NULL, 0}, {-1}},
};

static void conversations_are_listed_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(listings) / sizeof(listings[0]); i++) {
		const struct listing *row = &listings[i];
		struct conversation_row *rows;
		struct error err = {0};
		size_t count, expected = 0;

		if (store_list_conversations(fixture.store, &row->filter, &rows, &count, &err) < 0)
			fail_msg("%s: %s", row->name, err.text);
		while (row->conversations[expected] >= 0)
			expected++;
		if (count != expected)
			fail_msg("%s: %zu rows, not %zu", row->name, count, expected);
		for (size_t j = 0; j < count; j++)
			if (rows[j].id != ids[row->conversations[j]])
				fail_msg("%s: row %zu is another", row->name, j);
		conversation_rows_free(rows, count);
	}
}

static void a_conversation_tells_its_state(void **state)
{
	struct conversation_row row;
	struct error err = {0};

	(void)state;
	assert_int_equal(store_get_conversation(fixture.store, ids[0], &row, &err), 1);
	assert_int_equal(row.id, ids[0]);
	assert_int_equal(row.created_at, 2000);
	assert_int_equal(row.updated_at, 5000);
	assert_string_equal(row.subject, "An offer");
	assert_string_equal(row.account, "Sales");
	assert_null(row.owner);
	assert_null(row.reference);
	assert_string_equal(row.reference_type, "Sales");
	assert_false(row.is_closed);
	assert_false(row.is_owner_pinned);
	assert_int_equal(row.message_count, 2);
	assert_int_equal(row.waiting_count, 2);
	assert_int_equal(row.waiting_since, 2000);
	conversation_row_release(&row);

	assert_int_equal(store_get_conversation(fixture.store, ids[1], &row, &err), 1);
	assert_string_equal(row.owner, "jane@company.test");
	assert_string_equal(row.reference, "Sales Order SO-0001");
	assert_int_equal(row.waiting_count, 0);
	assert_int_equal(row.waiting_since, 0);
	assert_string_equal(row.reference_type, "Support");
	conversation_row_release(&row);
	assert_null(row.reference_type);

	assert_int_equal(store_get_conversation(fixture.store, ids[3], &row, &err), 1);
	assert_null(row.reference_type);
	conversation_row_release(&row);
	assert_int_equal(store_get_conversation(fixture.store, 1, &row, &err), 0);
}

static void a_conversation_is_found_by_the_beginning_of_its_id(void **state)
{
	struct error err = {0};

	(void)state;
	for (int i = 0; i < CONVERSATIONS; i++) {
		char formatted[CONVERSATION_ID_SIZE];

		conversation_id_format(ids[i], formatted);
		for (size_t length = 0; length <= CONVERSATION_ID_LENGTH; length++) {
			char prefix[CONVERSATION_ID_SIZE];
			size_t expected = 0, count;
			int64_t *found;
			bool has_it = false;

			for (size_t j = 0; j < CONVERSATION_ID_SIZE; j++)
				prefix[j] = formatted[j] >= 'a' && j % 2 ? formatted[j] - 'a' + 'A'
				                                         : formatted[j];
			prefix[length] = '\0';
			for (int j = 0; j < CONVERSATIONS; j++) {
				char other[CONVERSATION_ID_SIZE];
				conversation_id_format(ids[j], other);
				expected += strncmp(other, formatted, length) == 0;
			}
			assert_int_equal(store_find_by_prefix(fixture.store, prefix, 10, &found,
			                                      &count, &err),
			                 0);
			assert_int_equal(count, expected);
			for (size_t j = 0; j < count; j++)
				has_it = has_it || found[j] == ids[i];
			assert_true(has_it);
			free(found);
		}
	}
}

static void a_prefix_that_no_id_has_finds_nothing(void **state)
{
	static const char *const prefixes[] = {"1",
	                                       "b!",
	                                       "i",
	                                       "7zzz",
	                                       "aaaaaaaaaaaaaa",
	                                       "7777777777777",
	                                       "abcdefghijklmnopqrstuvwxyz"};
	struct error err = {0};
	int64_t *found;
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		assert_int_equal(
			store_find_by_prefix(fixture.store, prefixes[i], 10, &found, &count, &err),
			0);
		if (count != 0)
			fail_msg("%s finds something", prefixes[i]);
	}
	assert_int_equal(store_find_by_prefix(fixture.store, "", 2, &found, &count, &err), 0);
	assert_int_equal(count, 2);
	free(found);
}

static void messages_are_listed_with_all_that_happened_to_them(void **state)
{
	struct message_row *rows;
	struct error err = {0};
	size_t count;

	(void)state;
	assert_int_equal(store_list_messages(fixture.store, ids[1], &rows, &count, &err), 0);
	assert_int_equal(count, 3);
	assert_string_equal(rows[0].direction, "in");
	assert_string_equal(rows[0].class, "human");
	assert_string_equal(rows[0].rule, "none");
	assert_string_equal(rows[0].match, "new");
	assert_string_equal(rows[0].msgid, "<c1@x>");
	assert_string_equal(rows[0].from, "customer@example.org");
	assert_string_equal(rows[0].subject, "An offer");
	assert_string_equal(rows[0].auth, "none");
	assert_null(rows[0].text);
	assert_false(rows[0].is_known_sender);
	assert_false(rows[0].is_bounced);
	assert_int_equal(rows[0].deliveries.count, 1);
	assert_string_equal(rows[0].deliveries.items[0], "smtp <c1@x> 1970-01-01T00:16:40Z");

	assert_int_equal(rows[1].received_at, 3000);
	assert_string_equal(rows[1].direction, "out");
	assert_string_equal(rows[1].match, "token");
	assert_string_equal(rows[1].account, "Support");
	assert_string_equal(rows[1].text, "Dear customer");
	assert_null(rows[1].auth);
	assert_int_equal(rows[1].related, ids[0]);
	assert_int_equal(rows[1].recipients.count, 2);
	assert_true(string_list_has(&rows[1].recipients, "customer@example.org"));
	assert_true(string_list_has(&rows[1].recipients, "Other@example.com"));
	assert_true(rows[1].is_bounced);
	assert_int_equal(rows[1].failures.count, 2);
	assert_string_equal(rows[1].failures.items[0],
	                    "nobody@example.org failed 5.1.1 550 no such user");
	assert_string_equal(rows[1].failures.items[1], "slow@example.org delayed 4.4.1");
	assert_int_equal(rows[1].deliveries.count, 1);

	assert_string_equal(rows[2].class, "bounce");
	assert_string_equal(rows[2].rule, "report");
	assert_string_equal(rows[2].match, "report");
	assert_null(rows[2].from);
	message_rows_free(rows, count);

	assert_int_equal(store_list_messages(fixture.store, 1, &rows, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_null(rows);
}

static void waits_are_listed_with_what_began_and_ended_them(void **state)
{
	struct wait_row *waits;
	struct message_row *messages;
	struct error err = {0};
	size_t wait_count, message_count;

	(void)state;
	assert_int_equal(store_list_waits(fixture.store, ids[1], &waits, &wait_count, &err), 0);
	assert_int_equal(
		store_list_messages(fixture.store, ids[1], &messages, &message_count, &err), 0);
	assert_int_equal(wait_count, 1);
	assert_int_equal(waits[0].conversation, ids[1]);
	assert_string_equal(waits[0].customer, "customer@example.org");
	assert_int_equal(waits[0].started_at, 1000);
	assert_int_equal(waits[0].ended_at, 3000);
	assert_int_equal(waits[0].started_by, messages[0].id);
	assert_int_equal(waits[0].ended_by, messages[1].id);
	wait_rows_free(waits, wait_count);
	message_rows_free(messages, message_count);

	assert_int_equal(store_list_waits(fixture.store, ids[0], &waits, &wait_count, &err), 0);
	assert_int_equal(wait_count, 2);
	assert_string_equal(waits[0].customer, "customer@example.org");
	assert_string_equal(waits[1].customer, "other@example.com");
	assert_int_equal(waits[0].ended_at, 0);
	assert_int_equal(waits[0].ended_by, 0);
	wait_rows_free(waits, wait_count);
}

static void participants_are_those_our_side_wrote_to_and_who_wrote(void **state)
{
	struct string_list participants;
	struct error err = {0};

	(void)state;
	assert_int_equal(store_list_participants(fixture.store, ids[1], &participants, &err), 0);
	assert_int_equal(participants.count, 3);
	assert_string_equal(participants.items[0], "customer@example.org");
	assert_string_equal(participants.items[1], "jane@company.test");
	assert_string_equal(participants.items[2], "other@example.com");
	string_list_release(&participants);
	assert_int_equal(store_list_participants(fixture.store, ids[0], &participants, &err), 0);
	assert_int_equal(participants.count, 0);
}

static void a_relation_is_seen_from_both_sides(void **state)
{
	struct error err = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		int64_t *related;
		size_t count;

		assert_int_equal(store_list_related(fixture.store, ids[i], &related, &count, &err),
		                 0);
		assert_int_equal(count, 1);
		assert_int_equal(related[0], ids[1 - i]);
		free(related);
	}
}

static void totals_count_everything(void **state)
{
	struct store_totals totals;
	struct error err = {0};

	(void)state;
	assert_int_equal(
		store_set_closed(fixture.store, NULL, ids[3], true, 7000, in_five_seconds(), &err),
		1);
	assert_int_equal(store_totals(fixture.store, &totals, &err), 0);
	assert_int_equal(totals.conversations_open, 3);
	assert_int_equal(totals.conversations_closed, 1);
	assert_int_equal(totals.messages_out, 1);
	assert_int_equal(totals.messages_in, 6);
	assert_int_equal(totals.messages_internal, 0);
	assert_int_equal(totals.deliveries, 7);
	assert_int_equal(totals.messages_bounced, 1);
	assert_int_equal(totals.waits_running, 3);
	assert_int_equal(totals.oldest_wait_at, 1500);
	assert_int_equal(totals.invalid_tokens, 0);
	assert_int_equal(totals.letters_waiting, 2);
	assert_true(totals.database_bytes > 0);
	assert_true(totals.wal_bytes > 0);
	assert_int_equal(totals.schema_version, STORE_SCHEMA_VERSION);
	assert_int_equal(
		store_set_closed(fixture.store, NULL, ids[3], false, 6000, in_five_seconds(), &err),
		1);
}

static void nobody_waits_in_a_closed_conversation(void **state)
{
	const struct conversation_filter waiting = {.is_waiting = true, .limit = 10};
	struct conversation_row *rows, row;
	struct store_totals before, after;
	struct error err = {0};
	size_t count, fewer;
	int64_t id, own;

	(void)state;
	assert_int_equal(store_totals(fixture.store, &before, &err), 0);
	assert_int_equal(store_list_conversations(fixture.store, &waiting, &rows, &count, &err), 0);
	assert_true(count > 0);
	id = rows[0].id;
	own = rows[0].waiting_count;
	conversation_rows_free(rows, count);

	assert_int_equal(
		store_set_closed(fixture.store, NULL, id, true, 0, in_five_seconds(), &err), 1);
	assert_int_equal(store_list_conversations(fixture.store, &waiting, &rows, &fewer, &err), 0);
	conversation_rows_free(rows, fewer);
	assert_int_equal(fewer, count - 1);
	assert_int_equal(store_get_conversation(fixture.store, id, &row, &err), 1);
	assert_int_equal(row.waiting_count, 0);
	assert_int_equal(row.waiting_since, 0);
	conversation_row_release(&row);
	assert_int_equal(store_totals(fixture.store, &after, &err), 0);
	assert_int_equal(after.waits_running, before.waits_running - own);
	assert_int_equal(
		store_set_closed(fixture.store, NULL, id, false, 0, in_five_seconds(), &err), 1);
}

static void totals_of_many_rows_are_added_up_in_chunks(void **state)
{
	struct fixture many = {0};
	struct store_totals totals;
	struct error err = {0};

	(void)state;
	fixture_begin(&many);
	fixture_open(&many);
	assert_int_equal(store_totals(many.store, &totals, &err), 0);
	assert_int_equal(totals.conversations_open, 0);
	assert_int_equal(
		store_run(many.store,
	                  "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
	                  " WHERE i < 45000) INSERT INTO conversation (id, created_at, updated_at,"
	                  " state) SELECT i, 1, i, iif(i % 3 = 0, 'closed', 'open') FROM n",
	                  &err),
		0);
	assert_int_equal(store_totals(many.store, &totals, &err), 0);
	assert_int_equal(totals.conversations_open, 30000);
	assert_int_equal(totals.conversations_closed, 15000);
	fixture_end(&many);
}

static void a_state_is_set_by_hand(void **state)
{
	static const struct {
		bool is_closed;
		int64_t now, updated_at;
	} rows[] = {{true, 7000, 7000}, {true, 7500, 7500}, {false, 10, 7500}};
	struct conversation_row row;
	struct error err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(store_set_closed(fixture.store, NULL, ids[2], rows[i].is_closed,
		                                  rows[i].now, in_five_seconds(), &err),
		                 1);
		assert_int_equal(store_get_conversation(fixture.store, ids[2], &row, &err), 1);
		assert_int_equal(row.is_closed, rows[i].is_closed);
		assert_int_equal(row.updated_at, rows[i].updated_at);
		conversation_row_release(&row);
	}
	assert_int_equal(store_set_closed(fixture.store, NULL, 1, true, 1, in_five_seconds(), &err),
	                 0);
}

/* Runs after the others, whose statements the connection has kept. */
static void no_look_up_visits_a_whole_table(void **state)
{
	(void)state;
	assert_no_scans(fixture.store, "look-ups");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversations_are_listed_in_order),
		cmocka_unit_test(a_conversation_tells_its_state),
		cmocka_unit_test(a_conversation_is_found_by_the_beginning_of_its_id),
		cmocka_unit_test(a_prefix_that_no_id_has_finds_nothing),
		cmocka_unit_test(messages_are_listed_with_all_that_happened_to_them),
		cmocka_unit_test(waits_are_listed_with_what_began_and_ended_them),
		cmocka_unit_test(participants_are_those_our_side_wrote_to_and_who_wrote),
		cmocka_unit_test(a_relation_is_seen_from_both_sides),
		cmocka_unit_test(totals_count_everything),
		cmocka_unit_test(nobody_waits_in_a_closed_conversation),
		cmocka_unit_test(totals_of_many_rows_are_added_up_in_chunks),
		cmocka_unit_test(a_state_is_set_by_hand),
		cmocka_unit_test(no_look_up_visits_a_whole_table),
	};

	return cmocka_run_group_tests_name("query", tests, setup, teardown);
}
