#include "tests/unit/store_fixture.h"

static void two_of_one_batch_that_meet_in_an_unseen_id_join(void **state)
{
	struct fixture fixture;
	struct record records[2] = {record_of("<1@x>", 1000), record_of("<2@x>", 1000)};
	const struct record *batch[] = {&records[0], &records[1]};
	const struct match_id id = {"<unseen@x>", MATCH_FROM_REFERENCES, 0};
	struct recorded recorded[2];
	struct error err = {0};

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	for (int i = 0; i < 2; i++) {
		records[i].match.ids = &id;
		records[i].match.id_count = 1;
		records[i].names = &id.msgid;
		records[i].name_count = 1;
	}
	assert_int_equal(store_record(fixture.store, batch, recorded, 2, in_five_seconds(), &err),
	                 0);
	assert_int_equal(recorded[0].status, 0);
	assert_int_equal(recorded[1].status, 0);
	assert_true(recorded[0].is_new_conversation);
	assert_int_equal(recorded[1].reason, MATCH_NAMED);
	assert_int_equal(recorded[0].conversation, recorded[1].conversation);
	recorded_release(&recorded[0]);
	recorded_release(&recorded[1]);
	fixture_end(&fixture);
}

static void the_same_message_twice_in_one_batch_is_one(void **state)
{
	struct fixture fixture;
	struct record records[2] = {record_of("<1@x>", 1000), record_of("<1@x>", 1000)};
	const struct record *batch[] = {&records[0], &records[1]};
	struct recorded recorded[2];
	struct error err = {0};

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	records[1].queue_id = "other";
	assert_int_equal(store_record(fixture.store, batch, recorded, 2, in_five_seconds(), &err),
	                 0);
	assert_true(recorded[1].is_repeat);
	assert_int_equal(recorded[0].message, recorded[1].message);
	count_is(fixture.store, "SELECT count(*) FROM message", 1);
	count_is(fixture.store, "SELECT count(*) FROM delivery", 2);
	recorded_release(&recorded[0]);
	recorded_release(&recorded[1]);
	fixture_end(&fixture);
}

static void a_delivery_is_unique_by_its_queue_id(void **state)
{
	static const struct {
		const char *queue_id;
		int64_t deliveries;
	} rows[] = {{"4bA", 1}, {"4bA", 1}, {"4bB", 2}, {NULL, 3}, {NULL, 4}, {"4bB", 4}};
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record record = record_of("<1@x>", 1000 + (int64_t)i);
		struct recorded recorded;

		record.queue_id = rows[i].queue_id;
		record_ok(fixture.store, &record, &recorded);
		assert_int_equal(recorded.is_repeat, i > 0);
		assert_int_equal(recorded.first_received_at, 1000);
		recorded_release(&recorded);
		count_is(fixture.store, "SELECT count(*) FROM delivery", rows[i].deliveries);
	}
	fixture_end(&fixture);
}

static void a_failing_record_leaves_the_others_whole(void **state)
{
	struct fixture fixture;
	struct record records[3] = {record_of("<1@x>", 1000), record_of("<2@x>", 1000),
	                            record_of("<3@x>", 1000)};
	const struct record *batch[] = {&records[0], &records[1], &records[2]};
	struct recorded recorded[3];
	struct error err = {0};

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	records[1].auth = "no such verdict";
	assert_int_equal(store_record(fixture.store, batch, recorded, 3, in_five_seconds(), &err),
	                 0);
	assert_int_equal(recorded[0].status, 0);
	assert_int_equal(recorded[1].status, -1);
	assert_int_equal(recorded[1].error.kind, ERROR_PERMANENT);
	assert_non_null(strstr(recorded[1].error.text, "cannot record a message in "));
	assert_non_null(strstr(recorded[1].error.text, fixture.path));
	assert_int_equal(recorded[2].status, 0);
	/* nothing of it stayed, its conversation neither */
	count_is(fixture.store, "SELECT count(*) FROM message", 2);
	count_is(fixture.store, "SELECT count(*) FROM conversation", 2);
	count_is(fixture.store, "SELECT count(*) FROM wait", 2);
	for (int i = 0; i < 3; i++)
		recorded_release(&recorded[i]);
	fixture_end(&fixture);
}

static void a_full_disk_fails_the_whole_batch(void **state)
{
	struct fixture fixture;
	static char subject[400];
	const struct record *batch[40];
	struct record records[40];
	struct recorded recorded[40];
	char msgids[40][32];
	struct error err = {0};

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	memset(subject, 'x', sizeof(subject) - 1);
	for (int i = 0; i < 40; i++) {
		snprintf(msgids[i], sizeof(msgids[i]), "<%d@x>", i);
		records[i] = record_of(msgids[i], 1000);
		records[i].subject = subject;
		batch[i] = &records[i];
	}
	assert_int_equal(store_run(fixture.store, "PRAGMA max_page_count = 30", &err), 0);
	assert_int_equal(store_record(fixture.store, batch, recorded, 40, in_five_seconds(), &err),
	                 -1);
	assert_int_equal(err.kind, ERROR_FULL);
	assert_non_null(strstr(err.text, "disk is full"));
	for (int i = 0; i < 40; i++) {
		assert_int_equal(recorded[i].status, -1);
		assert_int_equal(recorded[i].error.kind, ERROR_FULL);
		assert_null(recorded[i].rule);
	}
	count_is(fixture.store, "SELECT count(*) FROM message", 0);
	/* and it clears by itself */
	assert_int_equal(store_run(fixture.store, "PRAGMA max_page_count = 10000", &err), 0);
	assert_int_equal(store_record(fixture.store, batch, recorded, 40, in_five_seconds(), &err),
	                 0);
	count_is(fixture.store, "SELECT count(*) FROM message", 40);
	for (int i = 0; i < 40; i++)
		recorded_release(&recorded[i]);
	fixture_end(&fixture);
}

static void a_taken_id_gives_way_to_the_next(void **state)
{
	struct fixture fixture;
	struct record first = record_of("<1@x>", 1000), second = record_of("<2@x>", 1000);
	struct recorded recorded[2];

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	record_ok(fixture.store, &first, &recorded[0]);
	/* as if another process had given out the same ids in the same millisecond */
	fixture.store->id_ms = (recorded[0].conversation >> 21) + 1000000;
	fixture.store->id_counter = 32760;
	record_ok(fixture.store, &second, &recorded[1]);
	recorded_release(&recorded[1]);
	fixture.store->id_ms = (recorded[0].conversation >> 21) + 1000000;
	fixture.store->id_counter = 32760;
	second = record_of("<3@x>", 1000);
	record_ok(fixture.store, &second, &recorded[1]);
	count_is(fixture.store, "SELECT count(*) FROM message", 3);
	count_is(fixture.store, "SELECT count(*) FROM conversation", 3);
	recorded_release(&recorded[0]);
	recorded_release(&recorded[1]);
	fixture_end(&fixture);
}

static void every_class_arrival_and_direction_has_its_word(void **state)
{
	struct fixture fixture;
	int count = 0;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	for (int class = CLASS_HUMAN; class <= CLASS_NOTIFICATION; class ++) {
		for (int arrival = ARRIVAL_SMTP; arrival <= ARRIVAL_FETCH; arrival++) {
			for (int direction = DIRECTION_OUT; direction <= DIRECTION_INTERNAL;
			     direction++) {
				char msgid[32];
				struct record record;
				struct recorded recorded;

				snprintf(msgid, sizeof(msgid), "<%d@x>", ++count);
				record = record_of(msgid, 1000);
				record.class = (enum message_class) class;
				record.arrival = (enum arrival)arrival;
				record.direction = (enum direction)direction;
				record_ok(fixture.store, &record, &recorded);
				recorded_release(&recorded);
				record_ok(fixture.store, &record, &recorded);
				assert_true(recorded.is_repeat);
				assert_int_equal(recorded.class, class);
				recorded_release(&recorded);
			}
		}
	}
	count_is(fixture.store, "SELECT count(DISTINCT class) FROM message", 8);
	count_is(fixture.store, "SELECT count(DISTINCT direction) FROM message", 3);
	count_is(fixture.store, "SELECT count(DISTINCT arrival) FROM delivery", 3);
	fixture_end(&fixture);
}

static void what_is_kept_of_one_message_is_bounded(void **state)
{
	enum { MANY = 1500 };
	static char addresses[MANY][32], names[MANY][32];
	static const char *recipients[MANY], *named[MANY];
	static char text[100000];
	struct fixture fixture;
	struct record ask, record = record_of("<1@x>", 1010);
	struct recorded recorded;
	struct match_id id = {"<q@x>", MATCH_FROM_IN_REPLY_TO, 0};

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	memset(text, 'x', sizeof(text) - 1);
	ask = record_of("<q@x>", 1000);
	ask.from = "address1400@example.org";
	ask.match.may_open = true;
	record_ok(fixture.store, &ask, &recorded);
	recorded_release(&recorded);
	for (int i = 0; i < MANY; i++) {
		snprintf(addresses[i], sizeof(addresses[i]), "address%d@example.org", i);
		snprintf(names[i], sizeof(names[i]), "<named%d@x>", i);
		recipients[i] = addresses[i];
		named[i] = names[i];
	}
	record.direction = DIRECTION_OUT;
	record.starts_wait = false;
	record.ends_waits = true;
	record.adds_participants = true;
	record.recipients = recipients;
	record.recipient_count = MANY;
	record.names = named;
	record.name_count = MANY;
	record.match.ids = &id;
	record.match.id_count = 1;
	record.from = record.subject = record.text = record.reference = record.owner = text;
	record.account = record.client = record.queue_id = record.rule = text;
	record_ok(fixture.store, &record, &recorded);
	/* though not kept, the recipient at the end has his answer */
	assert_int_equal(recorded.waits_ended, 1);
	recorded_release(&recorded);
	count_is(fixture.store, "SELECT count(*) FROM recipient", RECORD_RECIPIENTS_KEPT);
	count_is(fixture.store, "SELECT count(*) FROM participant", 1000);
	count_is(fixture.store, "SELECT count(*) FROM message_id WHERE relation = 'names'",
	         MATCH_IDS_MAX);
	count_is(fixture.store,
	         "SELECT max(length(from_address) + length(subject) + length(text)) FROM message",
	         320 + 500 + 1024);
	count_is(fixture.store, "SELECT max(length(queue_id) + length(client)) FROM delivery",
	         64 + 200);
	fixture_end(&fixture);
}

static void what_a_conversation_is_called_is_settled_by_its_first_message(void **state)
{
	struct fixture fixture;
	struct record first = record_of("<1@x>", 1000), second = record_of("<2@x>", 1001);
	const struct record *records[] = {&first, &second, &first};
	struct recorded recorded;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	first.reference_type = "Issue";
	second.reference_type = "Lead";
	for (int i = 0; i < 3; i++) {
		record_ok(fixture.store, records[i], &recorded);
		assert_string_equal(recorded.reference_type, "Issue");
		second.match.token_conversation = recorded.conversation;
		recorded_release(&recorded);
		assert_null(recorded.reference_type);
	}
	second = record_of("<3@x>", 1002);
	record_ok(fixture.store, &second, &recorded);
	assert_null(recorded.reference_type);
	recorded_release(&recorded);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE reference_type = 'Issue'",
	         1);
	fixture_end(&fixture);
}

static void text_is_cut_between_characters(void **state)
{
	char subject[600];
	struct fixture fixture;
	struct record record = record_of("<1@x>", 1000);
	struct recorded recorded;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	memset(subject, 'x', sizeof(subject));
	memcpy(subject + 498, "\xe2\x82\xac", 4); /* a Euro sign over the limit of 500 bytes */
	record.subject = subject;
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	count_is(fixture.store, "SELECT length(CAST(subject AS BLOB)) FROM message", 498);
	fixture_end(&fixture);
}

static void the_name_of_its_author_is_kept(void **state)
{
	struct fixture fixture;
	struct record record = record_of("<1@x>", 1000);
	struct recorded recorded;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	record.from_name = "Bob Builder";
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	record = record_of("<2@x>", 1000);
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	count_is(fixture.store, "SELECT count(*) FROM message WHERE from_name = 'Bob Builder'", 1);
	count_is(fixture.store, "SELECT count(*) FROM message WHERE from_name IS NULL", 1);
	fixture_end(&fixture);
}

static void invalid_tokens_are_counted_once(void **state)
{
	static const struct {
		const char *msgid;
		unsigned tokens;
		int64_t sum;
	} rows[] = {{"<1@x>", 2, 2}, {"<1@x>", 2, 2}, {"<2@x>", 0, 2}, {"<3@x>", 1, 3}};
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record record = record_of(rows[i].msgid, 1000);
		struct recorded recorded;

		record.invalid_tokens = rows[i].tokens;
		record_ok(fixture.store, &record, &recorded);
		recorded_release(&recorded);
		count_is(fixture.store, "SELECT value FROM counter WHERE name = 'invalid-token'",
		         rows[i].sum);
	}
	fixture_end(&fixture);
}

static void ids_that_a_message_has_or_names_are_known_to_readers(void **state)
{
	static const struct {
		const char *ids[2];
		size_t count;
		int known;
	} rows[] = {
		{{"<1@x>", NULL}, 1, 1},        {{"<named@x>", NULL}, 1, 1},
		{{"<other@x>", NULL}, 1, 0},    {{"<other@x>", "<named@x>"}, 2, 1},
		{{"<NAMED@x>", "<2@x>"}, 2, 0}, {{NULL, NULL}, 0, 0},
	};
	struct fixture fixture;
	struct record record = record_of("<1@x>", 1000);
	const char *name = "<named@x>";
	struct recorded recorded;
	struct error err = {0};
	struct store *reader;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	reader = store_open(fixture.path, STORE_READ, &err);
	assert_non_null(reader);
	assert_int_equal(store_knows_ids(reader, &name, 1, &err), 0);
	record.names = &name;
	record.name_count = 1;
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(store_knows_ids(reader, rows[i].ids, rows[i].count, &err),
		                 rows[i].known);
	store_close(reader);
	fixture_end(&fixture);
}

struct key_row {
	const char *name;
	const char *msgid, *from, *date;
	enum direction direction;
	const char *subject, *body;
	bool is_same; /* as the first row of its kind */
};

static const struct key_row key_rows[] = {
	{"the message", "<1@x>", "a@x", "d", DIRECTION_IN, "s", "b", true},
	{"From in another case", "<1@x>", "A@X", "d", DIRECTION_IN, "s", "b", true},
	{"another subject and body", "<1@x>", "a@x", "d", DIRECTION_IN, "t", "c", true},
	{"another From", "<1@x>", "b@x", "d", DIRECTION_IN, "s", "b", false},
	{"another date", "<1@x>", "a@x", "e", DIRECTION_IN, "s", "b", false},
	{"another direction", "<1@x>", "a@x", "d", DIRECTION_OUT, "s", "b", false},
	{"another id", "<2@x>", "a@x", "d", DIRECTION_IN, "s", "b", false},
	{"no id at all", NULL, "a@x", "d", DIRECTION_IN, "s", "b", false},
};

static const struct key_row key_rows_without_id[] = {
	{"the message", NULL, "a@x", "d", DIRECTION_IN, "s", "b", true},
	{"an empty id", "", "a@x", "d", DIRECTION_IN, "s", "b", true},
	{"another subject", NULL, "a@x", "d", DIRECTION_IN, "t", "b", false},
	{"another body", NULL, "a@x", "d", DIRECTION_IN, "s", "c", false},
	{"a letter moved from subject to body", NULL, "a@x", "d", DIRECTION_IN, "", "sb", false},
	{"nothing but a direction", NULL, NULL, NULL, DIRECTION_IN, NULL, "", false},
};

static void check_keys(const struct key_row *rows, size_t count)
{
	unsigned char first[DIGEST_BYTES], key[DIGEST_BYTES];

	for (size_t i = 0; i < count; i++) {
		const struct key_row *row = &rows[i];

		record_key(key, row->msgid, row->from, row->date, row->direction, row->subject,
		           row->body, strlen(row->body));
		if (i == 0)
			memcpy(first, key, sizeof(first));
		if ((memcmp(first, key, sizeof(first)) == 0) != row->is_same)
			fail_msg("%s: the key is %s", row->name,
			         row->is_same ? "another" : "the same");
	}
}

static void the_key_tells_messages_apart(void **state)
{
	static char body[2][8192];
	unsigned char keys[2][DIGEST_BYTES];

	(void)state;
	check_keys(key_rows, sizeof(key_rows) / sizeof(key_rows[0]));
	check_keys(key_rows_without_id,
	           sizeof(key_rows_without_id) / sizeof(key_rows_without_id[0]));
	/* of the body the first 4 KiB count */
	body[1][4096] = 'x';
	for (int i = 0; i < 2; i++)
		record_key(keys[i], NULL, "a@x", "d", DIRECTION_IN, "s", body[i], sizeof(body[i]));
	assert_memory_equal(keys[0], keys[1], DIGEST_BYTES);
	body[1][4095] = 'x';
	record_key(keys[1], NULL, "a@x", "d", DIRECTION_IN, "s", body[1], sizeof(body[1]));
	assert_memory_not_equal(keys[0], keys[1], DIGEST_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_of_one_batch_that_meet_in_an_unseen_id_join),
		cmocka_unit_test(the_same_message_twice_in_one_batch_is_one),
		cmocka_unit_test(a_delivery_is_unique_by_its_queue_id),
		cmocka_unit_test(a_failing_record_leaves_the_others_whole),
		cmocka_unit_test(a_full_disk_fails_the_whole_batch),
		cmocka_unit_test(a_taken_id_gives_way_to_the_next),
		cmocka_unit_test(every_class_arrival_and_direction_has_its_word),
		cmocka_unit_test(what_is_kept_of_one_message_is_bounded),
		cmocka_unit_test(what_a_conversation_is_called_is_settled_by_its_first_message),
		cmocka_unit_test(text_is_cut_between_characters),
		cmocka_unit_test(the_name_of_its_author_is_kept),
		cmocka_unit_test(invalid_tokens_are_counted_once),
		cmocka_unit_test(ids_that_a_message_has_or_names_are_known_to_readers),
		cmocka_unit_test(the_key_tells_messages_apart),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
