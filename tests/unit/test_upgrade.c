#include "tests/unit/alert_fixture.h"

#include <signal.h>
#include <sys/resource.h>

#include "lib/base/buffer.h"
#include "lib/store/schema.h"

/* Files of earlier versions, made by the migrations that led to them. */

static const char rows_1[] =
	"INSERT INTO conversation (id, created_at, updated_at, subject, reference, state, owner,"
	" is_owner_pinned, account) VALUES (1, 10, 20, 'An offer', 'SO-0001', 'open',"
	" 'jane@company.test', 1, 'Sales'), (2, 11, 21, NULL, NULL, 'closed', NULL, 0, NULL);"
	"INSERT INTO message (id, conversation, dedupe_key, direction, class, rule, match, msgid,"
	" from_address, subject, received_at, account, auth, text, is_known_sender, owner, related)"
	" VALUES (3, 1, zeroblob(32), 'in', 'human', 'none', 'new', '<1@example.org>',"
	" 'customer@example.org', 'An offer', 10, 'Sales', 'pass', 'Hello', 0, NULL, 2);"
	"INSERT INTO recipient VALUES (3, 'sales@company.test');"
	"INSERT INTO message_id VALUES ('<1@example.org>', 'has', 3);"
	"INSERT INTO participant VALUES (1, 'customer@example.org');"
	"INSERT INTO delivery VALUES (4, 3, 'smtp', 'QUEUEID', '192.0.2.1', 'Sales', 10);"
	"INSERT INTO wait (id, conversation, customer, reply_to, started_at, started_by, ended_at,"
	" ended_by) VALUES (5, 1, 'customer@example.org', NULL, 10, 3, NULL, NULL),"
	" (6, 1, 'other@example.com', 'answers@example.com', 5, 3, 6, 7),"
	" (8, 2, 'customer@example.org', NULL, 11, 3, NULL, NULL);"
	"INSERT INTO failure VALUES (9, 3, 'nobody@example.org', 'failed', '5.1.1', NULL, 3, 30);"
	"INSERT INTO relation VALUES (1, 2);"
	"INSERT INTO counter VALUES ('invalid-token', 7);";

static const char rows_2[] =
	"INSERT INTO uidl VALUES ('Sales', 'uidl-1', 'delivered', 12);"
	"INSERT INTO inbox VALUES ('Sales', 1, 2, 3, 4, 5, 6, 7, 'it is closed');"
	"UPDATE wait SET due_at = 100, level = 1 WHERE id = 5;"
	"INSERT INTO notice VALUES (10, 'jane@company.test', 'open', 13, 14, 15, NULL),"
	" (11, 'boss@company.test', 'sent', 16, 17, 18, 19);"
	"INSERT INTO alert VALUES (5, 0, 'jane@company.test', 10, 20, 1);";

static const char rows_3[] =
	"UPDATE conversation SET reference_type = 'Issue', snoozed_until = 50 WHERE id = 1;"
	"INSERT INTO action_done VALUES (10, 'close', 20, 'jane@company.test', zeroblob(32));"
	"UPDATE recipient SET is_counted = 1;"
	"INSERT INTO account_day VALUES ('Sales', 3, 4, 5);"
	"INSERT INTO digest VALUES ('Sales', 6);"
	"INSERT INTO letter VALUES (12, 'acknowledgement', 'customer@example.org', 'Sales', NULL,"
	" 3, '<0@example.org>', 7, NULL, 'open', 8, 9, 1, NULL),"
	" (13, 'limit-near', NULL, 'Sales', NULL, NULL, NULL, 7, 80, 'sent', 8, 9, 1, 10),"
	" (14, 'sender-capped', NULL, NULL, 'loop@example.org', 3, NULL, 7, 20, 'dropped', 8, 9,"
	" 1, 10);";

static const char rows_4[] = "INSERT INTO trouble VALUES ('inbox Sales', 5, 'cannot connect');"
			     "INSERT INTO upkeep VALUES ('backup', 6, 7, NULL);"
			     "INSERT INTO relay VALUES ('Sales', 8, 9, 'no password');"
			     "INSERT INTO daemon VALUES ('rejoinder-milter', '0.9', 10, 11);";

/* The rows that each version's tables hold; the first entry is of version 1. */
static const char *const rows[] = {rows_1, rows_2, rows_3, rows_4};

enum { LAST_VERSION = sizeof(rows) / sizeof(rows[0]) };

_Static_assert(LAST_VERSION == STORE_SCHEMA_VERSION - 1, "an upgrade from each version");

static sqlite3 *open_raw(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

/* A file as a version left it, which came from version 1. */
static void make_version(const char *path, int version)
{
	sqlite3 *db = open_raw(path);
	struct store store = {.db = db, .path = (char *)path, .doing = "make a store"};

	for (int i = 1; i <= version; i++) {
		OK(schema_migrate_to(&store, i, err));
		run_sql(&store, rows[i - 1]);
	}
	assert_int_equal(number(&store, "PRAGMA user_version"), version);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void run_raw(const char *path, const char *sql)
{
	sqlite3 *db = open_raw(path);

	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* All that a query gives, a line a row. */
static void append_rows(sqlite3 *db, const char *sql, struct buffer *out)
{
	sqlite3_stmt *raw;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &raw, NULL), SQLITE_OK);
	while (sqlite3_step(raw) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(raw); i++) {
			const char *text = (const char *)sqlite3_column_text(raw, i);

			assert_int_equal(buffer_append_text(out, text != NULL ? text : "NULL"), 0);
			assert_int_equal(buffer_append_char(out, '|'), 0);
		}
		assert_int_equal(buffer_append_char(out, '\n'), 0);
	}
	sqlite3_finalize(raw);
}

static char *rows_of(const char *path, const char *sql)
{
	sqlite3 *db = open_raw(path);
	struct buffer out;

	buffer_init(&out, 1 << 16);
	append_rows(db, sql, &out);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return buffer_take(&out);
}

/*
 * One query for each table of the file, over the columns that it has now.  Wait 8 is that of
 * a closed conversation.
 */
static const char tables_sql[] =
	"SELECT 'SELECT ' || (SELECT group_concat('quote(' || c.name || ')')"
	" FROM pragma_table_info(s.name) c) || ' FROM ' || s.name ||"
	" iif(s.name = 'wait', ' WHERE id <> 8', '') || ' ORDER BY 1, 2'"
	" FROM sqlite_schema s WHERE s.type = 'table' ORDER BY s.name";

/* What these queries give, as rows_of() wrote them: each with a bar at its end. */
static char *dump(const char *path, const char *queries)
{
	sqlite3 *db = open_raw(path);
	struct buffer out;

	buffer_init(&out, 1 << 16);
	for (const char *at = queries; *at != '\0'; at = strchr(at, '\n') + 1) {
		char *sql = xmemdup0(at, strcspn(at, "|\n"));

		append_rows(db, sql, &out);
		free(sql);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return buffer_take(&out);
}

static void keeps_all_rows(int version)
{
	struct fixture fixture;
	char *queries, *before, *after;

	fixture_begin(&fixture);
	make_version(fixture.path, version);
	queries = rows_of(fixture.path, tables_sql);
	before = dump(fixture.path, queries);
	assert_non_null(strstr(before, "'other@example.com'|'answers@example.com'|5|3|6|7|"));
	assert_non_null(strstr(before, "'invalid-token'|7|"));
	assert_true(version < 2 || strstr(before, "'boss@company.test'|'sent'|16|") != NULL);
	fixture_open(&fixture);
	assert_int_equal(number(fixture.store, "PRAGMA user_version"), STORE_SCHEMA_VERSION);
	after = dump(fixture.path, queries);
	assert_string_equal(before, after);
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM pragma_integrity_check"
	                                       " WHERE integrity_check <> 'ok'"),
	                 0);
	free(queries);
	free(before);
	free(after);
	fixture_end(&fixture);
}

static void an_upgrade_keeps_all_rows(void **state)
{
	(void)state;
	for (int version = 1; version <= LAST_VERSION; version++)
		keeps_all_rows(version);
}

static void an_upgraded_file_has_the_tables_of_a_new_one(void **state)
{
	static const char all[] = "SELECT type, name, sql FROM sqlite_schema ORDER BY name, type";
	struct fixture upgraded, fresh;
	char *a, *b;

	(void)state;
	fixture_begin(&upgraded);
	make_version(upgraded.path, 1);
	fixture_open(&upgraded);
	fixture_begin(&fresh);
	fixture_open(&fresh);
	a = rows_of(upgraded.path, all);
	b = rows_of(fresh.path, all);
	assert_string_equal(a, b);
	free(a);
	free(b);
	fixture_end(&upgraded);
	fixture_end(&fresh);
}

/* first_fetch has decided already; an inbox that was never read is chosen from as a new one. */
static void a_known_inbox_is_not_chosen_from_again(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	make_version(fixture.path, LAST_VERSION);
	run_raw(fixture.path, "INSERT INTO inbox VALUES ('Failing', 1, 0, 3, 4, 0, 0, 0, NULL);");
	fixture_open(&fixture);
	count_is(fixture.store, "SELECT is_chosen FROM maildrop WHERE account = 'Sales'", 1);
	count_is(fixture.store, "SELECT is_chosen FROM maildrop WHERE account = 'Failing'", 0);
	fixture_end(&fixture);
}

static void the_waits_of_version_1_are_unplanned(void **state)
{
	struct fixture fixture;
	struct planned_wait *waits;
	size_t count;

	(void)state;
	fixture_begin(&fixture);
	make_version(fixture.path, 1);
	fixture_open(&fixture);
	OK(store_list_unplanned(fixture.store, 10, &waits, &count, err));
	assert_int_equal(count, 1);
	assert_int_equal(waits[0].wait, 5);
	assert_int_equal(waits[0].level, 0);
	planned_waits_free(waits, count);
	fixture_end(&fixture);
}

static void waits_that_were_closed_before_have_ended(void **state)
{
	(void)state;
	for (int version = 1; version <= LAST_VERSION; version++) {
		struct fixture fixture;

		fixture_begin(&fixture);
		make_version(fixture.path, version);
		fixture_open(&fixture);
		count_is(fixture.store,
		         "SELECT ended_at FROM wait WHERE id = 8 AND end_reason = 'closed'"
		         " AND ended_by IS NULL",
		         21);
		count_is(fixture.store,
		         "SELECT ended_at FROM wait WHERE id = 6 AND end_reason = 'answered'", 6);
		count_is(fixture.store,
		         "SELECT id FROM wait WHERE ended_at IS NULL AND end_reason IS NULL", 5);
		set_closed(fixture.store, 2, false);
		count_is(fixture.store, "SELECT count(*) FROM wait WHERE ended_at IS NULL", 1);
		count_is(fixture.store, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'",
		         0);
		fixture_end(&fixture);
	}
}

/* A message that was recorded before counting began counts when it comes again. */
static void what_version_2_recorded_was_not_counted(void **state)
{
	static const char *const to[] = {"Sales@company.test"};
	struct fixture fixture;
	struct record record = sending_of("<1@example.org>", 50, to, 1);
	struct recorded recorded;

	(void)state;
	fixture_begin(&fixture);
	make_version(fixture.path, 2);
	fixture_open(&fixture);
	count_is(fixture.store, "SELECT count(*) FROM recipient WHERE is_counted = 0", 1);
	count_is(fixture.store, "SELECT count(*) FROM account_day", 0);
	count_is(fixture.store, "SELECT count(*) FROM letter", 0);
	memset(record.key, 0, sizeof(record.key));
	for (int i = 0; i < 2; i++) {
		record_ok(fixture.store, &record, &recorded);
		assert_true(recorded.is_repeat);
		assert_int_equal(recorded.message, 3);
		assert_null(recorded.reference_type);
		assert_int_equal(recorded.counted_today, 1);
		recorded_release(&recorded);
	}
	count_is(fixture.store, "SELECT count(*) FROM recipient WHERE is_counted = 1", 1);
	fixture_end(&fixture);
}

static void a_reader_waits_for_the_upgrade(void **state)
{
	(void)state;
	for (int version = 1; version <= LAST_VERSION; version++) {
		struct fixture fixture;
		struct error err = {0};
		char expected[40];

		fixture_begin(&fixture);
		make_version(fixture.path, version);
		assert_null(store_open(fixture.path, STORE_READ, &err));
		assert_int_equal(err.kind, ERROR_TEMPORARY);
		snprintf(expected, sizeof(expected), "schema %d awaits", version);
		assert_non_null(strstr(err.text, expected));
		fixture_end(&fixture);
	}
}

/* Where the copy of an older one stands. */
static char *copy_path(const struct fixture *fixture)
{
	return xasprintf("%s.before-%d", fixture->path, STORE_SCHEMA_VERSION);
}

static void an_older_store_is_copied_before_it_is_upgraded(void **state)
{
	(void)state;
	for (int version = 1; version <= LAST_VERSION; version++) {
		struct fixture fixture;
		char *queries, *before, *after, *copy;
		sqlite3 *db;

		fixture_begin(&fixture);
		make_version(fixture.path, version);
		queries = rows_of(fixture.path, tables_sql);
		before = dump(fixture.path, queries);
		copy = copy_path(&fixture);
		fixture_open(&fixture);
		assert_string_equal(store_upgrade_copy(fixture.store), copy);
		after = dump(copy, queries);
		assert_string_equal(before, after);
		db = open_raw(copy);
		assert_int_equal(number(&(struct store){.db = db}, "PRAGMA user_version"), version);
		assert_int_equal(sqlite3_close(db), SQLITE_OK);

		/* The next one has nothing to do. */
		store_close(fixture.store);
		fixture_open(&fixture);
		assert_null(store_upgrade_copy(fixture.store));
		free(queries);
		free(before);
		free(after);
		free(copy);
		fixture_end(&fixture);
	}
}

static void a_new_store_is_copied_nowhere(void **state)
{
	struct fixture fixture;
	char *copy;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	copy = copy_path(&fixture);
	assert_null(store_upgrade_copy(fixture.store));
	assert_int_equal(access(copy, F_OK), -1);
	free(copy);
	fixture_end(&fixture);
}

/* And is passed off as no copy of what is upgraded now. */
static void a_copy_of_another_time_is_put_aside(void **state)
{
	struct fixture fixture;
	char text[20] = "";
	FILE *stream;
	char *copy, *aside;
	sqlite3 *db;

	(void)state;
	fixture_begin(&fixture);
	make_version(fixture.path, 1);
	copy = copy_path(&fixture);
	stream = fopen(copy, "w");
	assert_non_null(stream);
	fputs("of another time", stream);
	assert_int_equal(fclose(stream), 0);
	fixture_open(&fixture);
	assert_int_equal(number(fixture.store, "PRAGMA user_version"), STORE_SCHEMA_VERSION);
	aside = xasprintf("%s.1", copy);
	stream = fopen(aside, "r");
	assert_non_null(stream);
	assert_non_null(fgets(text, sizeof(text), stream));
	fclose(stream);
	assert_string_equal(text, "of another time");
	db = open_raw(copy);
	assert_int_equal(number(&(struct store){.db = db}, "PRAGMA user_version"), 1);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	free(aside);
	free(copy);
	fixture_end(&fixture);
}

/* Past a limit on the size of files writing fails, as where there is no room. */
static void without_room_for_the_copy_nothing_is_upgraded(void **state)
{
	struct rlimit limit, low;
	struct fixture fixture;
	struct error err = {0};
	char *copy, *half;
	sqlite3 *db;

	(void)state;
	fixture_begin(&fixture);
	make_version(fixture.path, LAST_VERSION);
	copy = copy_path(&fixture);
	half = xasprintf("%s.tmp", copy);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	low = limit;
	low.rlim_cur = 40000;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	assert_null(store_open(fixture.path, STORE_WRITE, &err));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(err.kind, ERROR_TEMPORARY);
	assert_non_null(strstr(err.text, "copy the store before its upgrade"));
	assert_int_equal(access(copy, F_OK), -1);
	assert_int_equal(access(half, F_OK), -1);
	db = open_raw(fixture.path);
	assert_int_equal(number(&(struct store){.db = db}, "PRAGMA user_version"), LAST_VERSION);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	fixture_open(&fixture);
	assert_string_equal(store_upgrade_copy(fixture.store), copy);
	free(half);
	free(copy);
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_upgrade_keeps_all_rows),
		cmocka_unit_test(an_upgraded_file_has_the_tables_of_a_new_one),
		cmocka_unit_test(a_known_inbox_is_not_chosen_from_again),
		cmocka_unit_test(the_waits_of_version_1_are_unplanned),
		cmocka_unit_test(waits_that_were_closed_before_have_ended),
		cmocka_unit_test(what_version_2_recorded_was_not_counted),
		cmocka_unit_test(a_reader_waits_for_the_upgrade),
		cmocka_unit_test(an_older_store_is_copied_before_it_is_upgraded),
		cmocka_unit_test(a_new_store_is_copied_nowhere),
		cmocka_unit_test(a_copy_of_another_time_is_put_aside),
		cmocka_unit_test(without_room_for_the_copy_nothing_is_upgraded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
