#include "tests/unit/alert_fixture.h"

#include "lib/base/buffer.h"
#include "lib/store/purge.h"
#include "lib/store/purge_internal.h"

/* Removing all that is known of a person. */

#define BOB "bob@example.org"

static struct fixture fixture;
static char domain[] = "company.test", staff[] = "helper@example.com";
static char *domains[] = {domain}, *staff_list[] = {staff};
static const struct config config = {.domains = {domains, 1, 1}, .staff = {staff_list, 1, 1}};

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

static struct purged purge(const char *address, bool is_trial)
{
	struct purged purged;

	OK(store_purge_address(fixture.store, &config, address, is_trial, &purged, err));
	return purged;
}

/* Does the text stand in a file, in any case? */
static bool is_in_file(const char *path, const char *text)
{
	FILE *stream = fopen(path, "r");
	struct buffer bytes;
	char chunk[4096];
	bool is_it;
	size_t got;

	buffer_init(&bytes, 1 << 26);
	while (stream != NULL && (got = fread(chunk, 1, sizeof(chunk), stream)) > 0) {
		for (size_t i = 0; i < got; i++)
			if (chunk[i] >= 'A' && chunk[i] <= 'Z')
				chunk[i] = (char)(chunk[i] - 'A' + 'a');
		assert_int_equal(buffer_append(&bytes, chunk, got), 0);
	}
	if (stream != NULL)
		fclose(stream);
	is_it = memmem(bytes.data, bytes.length, text, strlen(text)) != NULL;
	buffer_release(&bytes);
	return is_it;
}

static bool is_known(const char *text)
{
	return is_in_file(fixture.path, text) || is_in_file(fixture.wal_path, text);
}

/* Somebody writes, to us and others, in a conversation of his own if it is 0. */
static int64_t write_mail(const char *msgid, const char *from, const char *to, int64_t conversation,
                          const char *text)
{
	const char *const recipients[] = {"sales@company.test", to};
	const char *const names[] = {"<earlier@example.com>"};
	struct record record = record_of(msgid, 1000);
	struct recorded recorded;

	record.from = from;
	record.from_name = "Bob Builder";
	record.reply_to = from;
	record.text = text;
	record.queue_id = "QUEUEID";
	record.account = "Sales";
	record.match.token_conversation = conversation;
	record.recipients = recipients;
	record.recipient_count = to != NULL ? 2 : 1;
	record.names = names;
	record.name_count = 1;
	record.acknowledged_to = from;
	record_ok(fixture.store, &record, &recorded);
	conversation = recorded.conversation;
	recorded_release(&recorded);
	return conversation;
}

/* Jane writes to somebody, who is a participant from now on. */
static void write_to(const char *msgid, const char *to, int64_t conversation)
{
	struct record record = sending_of(msgid, 1100, &to, 1);
	struct recorded recorded;

	record.from = record.owner = JANE;
	record.match.token_conversation = conversation;
	record.adds_participants = true;
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
}

/* What she wrote to him comes back. */
static void come_back(const char *msgid, const char *original, int64_t conversation)
{
	const struct record_failure failure = {BOB, "failed", "5.1.1", "no bob@EXAMPLE.org here",
	                                       NULL};
	struct record record = record_of(msgid, 1200);
	struct recorded recorded;

	record.class = CLASS_BOUNCE;
	record.from = "mailer-daemon@mx.example.com";
	record.starts_wait = false;
	record.match.report_conversation = conversation;
	record.failures = &failure;
	record.failure_count = 1;
	record.original_msgid = original;
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
}

static void alert_about(int64_t conversation, const char *recipient)
{
	int64_t wait = number_of(fixture.store, "SELECT id FROM wait WHERE conversation = ?1",
	                         conversation);

	pass(fixture.store, wait, 0, recipient, 2000);
}

static void his_own_conversations_go_and_nothing_of_him_stays(void **state)
{
	int64_t own = write_mail("<1.bob@example.org>", "Bob@Example.org", NULL, 0, "It is Bob");
	struct purged trial, purged;

	(void)state;
	write_to("<2@company.test>", "BOB@example.org", own);
	come_back("<3@example.org>", "<2@company.test>", own);
	alert_about(own, BOSS);
	write_mail("<4@example.com>", OTHER, NULL, 0, "Hello");
	assert_true(is_known(BOB));
	assert_true(is_known("bob builder"));
	trial = purge(BOB, true);
	count_is(fixture.store, "SELECT count(*) FROM conversation", 2);
	purged = purge("BOB@EXAMPLE.ORG", false);
	assert_int_equal(purged.conversations, 1);
	assert_int_equal(purged.messages, 3);
	assert_int_equal(purged.scrubbed, 0);
	assert_int_equal(trial.conversations, 1);
	assert_int_equal(trial.messages, 3);
	assert_false(is_known(BOB));
	assert_false(purged.is_in_wal);
	/* So little moved no pages: what was removed was overwritten where it stood. */
	assert_false(purged.is_rewritten);
	count_is(fixture.store, "SELECT count(*) FROM conversation", 1);
	count_is(fixture.store, "SELECT count(*) FROM notice", 0);
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE recipient = '" OTHER "'", 1);
	count_is(fixture.store, "SELECT count(*) FROM pragma_foreign_key_check", 0);
}

static void what_he_shares_with_others_stays_without_him(void **state)
{
	int64_t shared = write_mail("<1@example.org>", BOB, OTHER, 0, "It is Bob");
	struct purged trial, purged;

	(void)state;
	write_mail("<2@example.com>", OTHER, BOB, shared, "And it is me; Bob@example.org wrote:");
	write_mail("<3@example.com>", OTHER, NULL, shared, "Once more");
	write_to("<4@company.test>", BOB, shared);
	alert_about(shared, BOSS);
	trial = purge(BOB, true);
	purged = purge(BOB, false);
	assert_int_equal(purged.conversations, 0);
	assert_int_equal(purged.scrubbed, 1);
	assert_int_equal(trial.scrubbed, 1);
	assert_int_equal(purged.mentions, 1 + 1); /* that text, and his acknowledgement */
	assert_false(is_known(BOB));
	assert_false(is_known("it is bob"));
	count_is(fixture.store, "SELECT count(*) FROM message", 4);
	count_is(fixture.store, "SELECT count(*) FROM participant", 1);
	count_is(fixture.store,
	         "SELECT count(*) FROM message WHERE from_address IS NULL AND from_name IS NULL"
	         " AND text IS NULL AND msgid = '<1@example.org>'",
	         1);
	count_is(fixture.store, "SELECT count(*) FROM message WHERE text = 'Once more'", 1);
	count_is(fixture.store, "SELECT count(*) FROM message WHERE from_name IS NOT NULL", 2);
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE customer = '" OTHER "'", 1);
	count_is(fixture.store, "SELECT count(*) FROM wait", 1);
	count_is(fixture.store, "SELECT count(*) FROM delivery WHERE client IS NULL", 1);
	/* An answer to his message is still known. */
	count_is(fixture.store, "SELECT count(*) FROM message_id WHERE msgid = '<1@example.org>'",
	         1);
}

struct company_row {
	const char *sentence;
	const char *to; /* whom his message went to as well */
	bool is_own;
};

static void who_is_inside_is_nobody_else(void **state)
{
	static const struct company_row rows[] = {
		{"to us alone", NULL, true},
		{"to a colleague too", "jane@COMPANY.test", true},
		{"to staff with an address elsewhere", "Helper@example.com", true},
		{"to a stranger too", "stranger@example.com", false},
		{"to himself too", "Bob@example.org", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct purged purged;

		write_mail("<1@example.org>", BOB, rows[i].to, 0, NULL);
		purged = purge(BOB, false);
		if (purged.conversations != rows[i].is_own || purged.scrubbed == rows[i].is_own)
			fail_msg("%s: %lld removed", rows[i].sentence,
			         (long long)purged.conversations);
		run_sql(fixture.store, "DELETE FROM message; DELETE FROM conversation;"
		                       "DELETE FROM message_id");
	}
}

static void machines_are_nobody_else(void **state)
{
	int64_t own = write_mail("<1@example.org>", BOB, NULL, 0, NULL);

	(void)state;
	write_to("<2@company.test>", BOB, own);
	come_back("<3@example.org>", "<2@company.test>", own);
	assert_int_equal(purge(BOB, false).conversations, 1);
}

static void who_has_a_longer_address_is_left_alone(void **state)
{
	(void)state;
	write_mail("<1@example.org>", "jim" BOB, NULL, 0, "I am Jim");
	write_mail("<2@example.org>", BOB, NULL, 0, "I am Bob");
	write_mail("<3@example.org>", BOB ".test", NULL, 0, "I am a third one");
	assert_int_equal(purge(BOB, false).conversations, 1);
	count_is(fixture.store, "SELECT count(*) FROM message WHERE from_address = 'jim" BOB "'",
	         1);
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE customer = 'jim" BOB "'", 1);
	count_is(fixture.store, "SELECT count(*) FROM message WHERE text LIKE 'I am%'", 2);
}

static void his_address_goes_from_every_text(void **state)
{
	int64_t other = write_mail("<1@example.com>", OTHER, NULL, 0, "Hello");
	char sql[1500];

	(void)state;
	snprintf(sql, sizeof(sql),
	         "UPDATE conversation SET subject = 'Re: Bob@Example.org', reference = '" BOB
	         "', owner = 'BOB@example.org';"
	         "UPDATE message SET subject = 'for <" BOB ">', msgid = '<x." BOB
	         ">', owner = '" BOB "';"
	         "INSERT INTO message_id VALUES ('<x." BOB ">', 'names', (SELECT id FROM message));"
	         "INSERT INTO failure VALUES (7, (SELECT id FROM message), 'x@example.com',"
	         " 'failed', '5.1.1', 'no Bob@example.org here', 1, 1);"
	         "INSERT INTO letter (id, kind, sender, day, created_at) VALUES"
	         " (8, 'sender-capped', '" BOB "', 1, 1);"
	         "INSERT INTO letter (id, kind, account, named_ids, day, created_at) VALUES"
	         " (9, 'limit-near', 'Sales', '<x." BOB ">', 1, 1);"
	         "INSERT INTO notice (id, recipient, created_at) VALUES (10, '" BOB "', 1);"
	         "INSERT INTO notice (id, recipient, created_at) VALUES (11, '" JANE "', 1);"
	         "INSERT INTO action_done VALUES (11, 'close', 1, 'Bob@example.org', NULL);"
	         "INSERT INTO trouble VALUES ('disk', 1, '" BOB "');"
	         "INSERT INTO inbox VALUES ('Sales', 1, 1, 1, 0, 0, 0, 0, 'not " BOB "');"
	         "INSERT INTO relay VALUES ('Sales', 1, 1, 'of " BOB "');"
	         "INSERT INTO upkeep VALUES ('check', 1, 1, '" BOB "');");
	run_sql(fixture.store, sql);
	purge(BOB, false);
	assert_false(is_known(BOB));
	count_is(fixture.store, "SELECT id FROM conversation WHERE subject = '[removed]'", other);
	count_is(fixture.store, "SELECT count(*) FROM message WHERE subject = '[removed]'", 1);
	count_is(fixture.store, "SELECT sum(id) FROM notice", 11);
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE id = 8", 0);
	count_is(fixture.store, "SELECT count(*) FROM letter WHERE id = 9", 1);
	count_is(fixture.store, "SELECT count(*) FROM failure WHERE diagnostic IS NULL", 1);
	count_is(fixture.store, "SELECT count(*) FROM message WHERE text = 'Hello'", 1);
	count_is(fixture.store, "SELECT count(*) FROM message_id WHERE msgid LIKE '<x%'", 0);
}

/*
 * A column that is new has to be thought of: it holds no address, or purging removes it
 * from there.
 */
static void every_column_of_text_is_thought_of(void **state)
{
	static const char known[] =
		"account_day.account action_done.action action_done.done_by alert.recipient "
		"conversation.account conversation.owner conversation.reference "
		"conversation.reference_type conversation.state conversation.subject counter.name "
		"daemon.name daemon.version delivery.account delivery.arrival delivery.client "
		"delivery.queue_id digest.account failure.action failure.diagnostic "
		"failure.recipient failure.status inbox.account inbox.error letter.account "
		"letter.detail letter.kind letter.named_ids letter.recipient letter.sender "
		"letter.state letter.trouble maildrop.account maildrop.broken_uidl "
		"maildrop.name message.account message.auth message.class "
		"message.direction message.from_address message.from_name message.match "
		"message.msgid message.owner message.rule message.subject message.text "
		"message_id.msgid message_id.relation notice.recipient notice.state "
		"participant.address recipient.address relay.account relay.error trouble.detail trouble.name uidl.account "
		"uidl.state uidl.uidl upkeep.error upkeep.task wait.customer wait.end_reason "
		"wait.reply_to";
	sqlite3_stmt *raw;

	(void)state;
	assert_int_equal(
		sqlite3_prepare_v2(fixture.store->db,
	                           "SELECT group_concat(name, ' ') FROM (SELECT s.name || '.' ||"
	                           " c.name AS name FROM sqlite_schema s,"
	                           " pragma_table_info(s.name) c WHERE s.type = 'table'"
	                           " AND c.type = 'TEXT' ORDER BY 1)",
	                           -1, &raw, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(raw), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(raw, 0), known);
	sqlite3_finalize(raw);
}

/* What is found in a text, by the three ways to look. */
static void what_names_him(void **state)
{
	static const struct {
		const char *text;
		bool is_address, is_id, is_bytes;
	} rows[] = {
		{"bob@example.org", true, true, true},
		{"Mail <BOB@Example.ORG>.", true, true, true},
		{"to bob@example.org.", true, true, true},
		{"to bob@example.org, at once", true, true, true},
		{"\"bob@example.org\"", true, true, true},
		{"jimbob@example.org", false, false, true},
		{"jim+bob@example.org", false, false, true},
		{"jim.bob@example.org", false, true, true},
		{"<77.bob@example.org>", false, true, true},
		{"<77-bob@example.org>", false, false, true},
		{"bob@example.org.uk", false, false, true},
		{"bob@example.organic", false, false, true},
		{"bob@example.org-x", false, false, true},
		{"bob@xexample.org", false, false, false},
		{"jimbob@example.org, bob@example.org", true, true, true},
		{"cut off: bob@example.o", true, true, false},
		{"cut off: bob@", false, false, false},
		{"bob at example.org", false, false, false},
		{"@example.org", false, false, false},
		{"", false, false, false},
	};
	struct purge_names names;

	(void)state;
	purge_names_set(&names, BOB);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *text = rows[i].text;
		size_t length = strlen(text);

		if (purge_names_stand(&names, text, length, PURGE_ADDRESS) != rows[i].is_address ||
		    purge_names_stand(&names, text, length, PURGE_ID) != rows[i].is_id ||
		    purge_names_stand(&names, text, length, PURGE_BYTES) != rows[i].is_bytes)
			fail_msg("%s", text);
	}
	purge_names_set(&names, "bob@xn--bcher-kva.example");
	for (enum purge_match match = PURGE_ADDRESS; match <= PURGE_BYTES; match++) {
		assert_true(purge_names_stand(&names,
		                              "bob@b\xc3\xbc"
		                              "cher.example",
		                              19, match));
		assert_true(purge_names_stand(&names, "bob@XN--bcher-kva.example", 25, match));
		assert_false(purge_names_stand(&names, "bob@bucher.example", 18, match));
	}
	assert_true(purge_names_stand(&names,
	                              "bob@b\xc3\xbc"
	                              "cher.exampleX",
	                              20, PURGE_BYTES));
}

/* Whose address only ends like his keeps his texts, and his thread. */
static void who_is_called_alike_keeps_all(void **state)
{
	struct purged trial, purged;

	(void)state;
	write_mail("<77.jimbob@example.org>", "jimbob@example.org", NULL, 0,
	           "Ask jimbob@example.org");
	run_sql(fixture.store, "UPDATE message SET subject = 'of jimbob@example.org'");
	write_mail("<1@example.com>", "other@example.com", NULL, 0, "Ask bob@example.org");
	trial = purge(BOB, true);
	purged = purge(BOB, false);
	assert_int_equal(purged.mentions, 1);
	assert_int_equal(trial.mentions, 1);
	count_is(fixture.store,
	         "SELECT count(*) FROM message WHERE msgid = '<77.jimbob@example.org>'"
	         " AND text = 'Ask jimbob@example.org' AND subject = 'of jimbob@example.org'",
	         1);
	count_is(fixture.store,
	         "SELECT count(*) FROM message_id WHERE msgid = '<77.jimbob@example.org>'", 1);
	count_is(fixture.store, "SELECT count(*) FROM message WHERE text IS NULL", 1);
}

/* Rows that moved between pages leave pieces where nothing stands: many make that sure. */
static void nothing_of_him_stays_in_unused_parts_of_the_file(void **state)
{
	struct purged purged;

	(void)state;
	for (int i = 0; i < 300; i++) {
		char msgid[60], text[800];

		memset(text, 'x', sizeof(text));
		snprintf(text + i * 2, 30, " %s", BOB);
		text[sizeof(text) - 1] = '\0';
		snprintf(msgid, sizeof(msgid), "<%d.%s>", i * 7919 % 300, BOB);
		write_mail(msgid, i % 2 ? BOB : OTHER, i % 3 ? BOB : NULL, 0, text);
	}
	purged = purge(BOB, false);
	assert_int_equal(purged.conversations, 150);
	assert_int_equal(purged.scrubbed, 100);
	assert_true(purged.is_rewritten);
	assert_false(is_known(BOB));
	count_is(fixture.store,
	         "SELECT count(*) FROM pragma_integrity_check"
	         " WHERE integrity_check <> 'ok'",
	         0);
	record_many(&fixture, 1, 1);
}

static void who_reads_all_the_time_is_said(void **state)
{
	struct error err = {0};
	struct store *reader;
	struct purged purged;

	(void)state;
	write_mail("<1@example.org>", BOB, NULL, 0, NULL);
	reader = store_open(fixture.path, STORE_READ, &err);
	assert_non_null(reader);
	assert_int_equal(store_run(reader, "BEGIN; SELECT * FROM message;", &err), 0);
	assert_int_equal(store_empty_wal(fixture.store, store_clock_ms() + 100, &err), 0);
	assert_int_equal(store_run(reader, "COMMIT", &err), 0);
	assert_int_equal(store_empty_wal(fixture.store, store_clock_ms() + 100, &err), 1);
	assert_int_equal(file_bytes(fixture.wal_path), 0);
	purged = purge(BOB, false);
	assert_false(purged.is_in_wal);
	store_close(reader);
}

#define EACH(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(his_own_conversations_go_and_nothing_of_him_stays),
		EACH(what_he_shares_with_others_stays_without_him),
		EACH(who_is_inside_is_nobody_else),
		EACH(machines_are_nobody_else),
		EACH(who_has_a_longer_address_is_left_alone),
		EACH(his_address_goes_from_every_text),
		EACH(every_column_of_text_is_thought_of),
		cmocka_unit_test(what_names_him),
		EACH(who_is_called_alike_keeps_all),
		EACH(nothing_of_him_stays_in_unused_parts_of_the_file),
		EACH(who_reads_all_the_time_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
