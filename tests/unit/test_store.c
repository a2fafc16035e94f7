#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/store/query.h"

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* What another program does to the file. */
static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Root makes it for the owner of the directory; any other user is that owner. */
static void a_new_store_is_readable_by_its_group_only(void **state)
{
	struct fixture fixture;
	struct stat directory, status;
	const char *paths[3];
	mode_t mask = umask(0);

	(void)state;
	fixture_begin(&fixture);
	if (geteuid() == 0)
		assert_int_equal(chown(fixture.directory, 65534, 65534), 0);
	assert_int_equal(stat(fixture.directory, &directory), 0);
	fixture_open(&fixture);
	umask(mask);
	paths[0] = fixture.path;
	paths[1] = fixture.lock_path;
	paths[2] = fixture.wal_path;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(stat(paths[i], &status), 0);
		assert_int_equal(status.st_mode & 07777, 0640);
		assert_int_equal(status.st_uid, directory.st_uid);
		assert_int_equal(status.st_gid, directory.st_gid);
	}
	fixture_end(&fixture);
}

static void what_was_recorded_is_there_after_a_second_open(void **state)
{
	struct fixture fixture;
	struct record record = record_of("<1@example.org>", 1000);
	struct recorded recorded;
	struct store_totals totals;
	struct error err = {0};

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	store_close(fixture.store);
	fixture_open(&fixture);
	assert_int_equal(store_totals(fixture.store, &totals, &err), 0);
	assert_int_equal(totals.messages_in, 1);
	assert_int_equal(totals.schema_version, STORE_SCHEMA_VERSION);
	assert_true(totals.wal_bytes > 0);
	fixture_end(&fixture);
}

struct refusal {
	const char *name;
	enum store_mode mode;
	const char *text; /* what the file holds, or NULL */
	const char *sql;  /* what another program did to it, or NULL */
	enum error_kind kind;
	const char *says;
};

static const struct refusal refusals[] = {
	{"a text file is not a store", STORE_WRITE,
         "This is some text which is no database, and it is longer than the header of one: a "
         "hundred bytes.\n",
         NULL, ERROR_CORRUPT, "not a database"},
	{"a short text file is not a store", STORE_WRITE, "no\n", NULL, ERROR_CORRUPT,
         "not a database"},
	{"the database of another program is refused", STORE_WRITE, NULL,
         "CREATE TABLE theirs (x); PRAGMA application_id = 7", ERROR_CORRUPT, "another program"},
	{"tables without an application id are refused", STORE_WRITE, NULL,
         "CREATE TABLE theirs (x)", ERROR_CORRUPT, "another program"},
	{"an empty file is nothing to read from yet", STORE_READ, "", NULL, ERROR_TEMPORARY,
         "awaits migration"},
	{"an absent file is nothing to read from yet", STORE_READ, NULL, NULL, ERROR_TEMPORARY,
         "no such file"},
};

static void what_is_no_store_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *row = &refusals[i];
		struct fixture fixture;
		struct error err = {0};

		fixture_begin(&fixture);
		if (row->text != NULL)
			write_file(fixture.path, row->text);
		if (row->sql != NULL)
			run_sql(fixture.path, row->sql);
		fixture.store = store_open(fixture.path, row->mode, &err);
		if (fixture.store != NULL || err.kind != row->kind ||
		    strstr(err.text, row->says) == NULL)
			fail_msg("%s: kind %d, %s", row->name, (int)err.kind, err.text);
		fixture_end(&fixture);
	}
}

static void the_database_of_another_program_is_not_touched(void **state)
{
	struct fixture fixture;
	struct error err = {0};
	char before[4096] = {0}, after[4096] = {0};
	FILE *file;

	(void)state;
	fixture_begin(&fixture);
	run_sql(fixture.path, "CREATE TABLE theirs (x)");
	file = fopen(fixture.path, "r");
	assert_int_equal(fread(before, sizeof(before), 1, file), 1);
	fclose(file);
	assert_null(store_open(fixture.path, STORE_WRITE, &err));
	file = fopen(fixture.path, "r");
	assert_int_equal(fread(after, sizeof(after), 1, file), 1);
	fclose(file);
	assert_memory_equal(before, after, sizeof(before));
	fixture_end(&fixture);
}

static void a_newer_version_is_refused_to_readers_and_writers(void **state)
{
	struct fixture fixture;
	struct error err = {0};

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	store_close(fixture.store);
	run_sql(fixture.path, "PRAGMA user_version = 99");
	fixture.store = store_open(fixture.path, STORE_WRITE, &err);
	assert_null(fixture.store);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.text, "newer"));
	assert_null(store_open(fixture.path, STORE_READ, &err));
	assert_int_equal(err.kind, ERROR_CONFIG);
	fixture_end(&fixture);
}

static void a_missing_directory_is_a_mistake_of_configuration(void **state)
{
	struct error err = {0};

	(void)state;
	assert_null(store_open("/nonexistent/directory/store.db", STORE_WRITE, &err));
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.text, "/nonexistent/directory/store.db"));
}

/* The children wait for the pipe to close, so that they start as one. */
static void open_in_child(const char *path, int start_fd)
{
	struct error err = {0};
	struct store *store;
	char c;

	if (read(start_fd, &c, 1) != 0)
		_exit(2);
	store = store_open(path, STORE_WRITE, &err);
	if (store == NULL)
		fprintf(stderr, "%s\n", err.text);
	store_close(store);
	_exit(store == NULL);
}

static void three_processes_migrate_an_empty_database_at_once(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct fixture fixture;
		int start[2];
		pid_t children[3];

		fixture_begin(&fixture);
		assert_int_equal(pipe(start), 0);
		for (int i = 0; i < 3; i++) {
			children[i] = fork();
			assert_true(children[i] >= 0);
			if (children[i] == 0) {
				close(start[1]);
				open_in_child(fixture.path, start[0]);
			}
		}
		close(start[0]);
		close(start[1]);
		for (int i = 0; i < 3; i++) {
			int status;
			assert_int_equal(waitpid(children[i], &status, 0), children[i]);
			assert_true(WIFEXITED(status));
			assert_int_equal(WEXITSTATUS(status), 0);
		}
		fixture_open(&fixture);
		fixture_end(&fixture);
	}
}

static void assert_refuses_to_write(struct store *store)
{
	struct record record = record_of("<2@example.org>", 1000);
	const struct record *records[] = {&record};
	struct recorded recorded;
	struct error err = {0};

	assert_false(store_is_current(store));
	assert_int_equal(store_record(store, records, &recorded, 1, in_five_seconds(), &err), -1);
	assert_int_equal(err.kind, ERROR_TEMPORARY);
	assert_int_equal(recorded.status, -1);
	assert_string_equal(recorded.error.text, err.text);
	assert_non_null(strstr(err.text, "removed or replaced"));
}

static void a_removed_database_is_noticed(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	assert_true(store_is_current(fixture.store));
	assert_int_equal(unlink(fixture.path), 0);
	assert_refuses_to_write(fixture.store);
	fixture_end(&fixture);
}

static void a_replaced_database_is_noticed(void **state)
{
	struct fixture fixture;
	char other[96];

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	snprintf(other, sizeof(other), "%s/other", fixture.directory);
	write_file(other, "");
	assert_int_equal(rename(other, fixture.path), 0);
	assert_refuses_to_write(fixture.store);
	fixture_end(&fixture);
}

static void a_removed_wal_is_noticed(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	assert_int_equal(unlink(fixture.wal_path), 0);
	assert_refuses_to_write(fixture.store);
	fixture_end(&fixture);
}

static void a_busy_lock_fails_at_the_deadline_and_then_clears(void **state)
{
	struct fixture fixture;
	struct record record = record_of("<1@example.org>", 1000);
	const struct record *records[] = {&record};
	struct recorded recorded;
	struct error err = {0};
	int64_t began;
	int held[2], done[2], status;
	pid_t child;
	char c;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	assert_int_equal(pipe(held), 0);
	assert_int_equal(pipe(done), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int fd = open(fixture.lock_path, O_RDONLY);
		close(done[1]);
		if (fd < 0 || flock(fd, LOCK_EX) < 0 || write(held[1], "x", 1) != 1)
			_exit(1);
		_exit(read(done[0], &c, 1) != 0);
	}
	close(held[1]);
	assert_int_equal(read(held[0], &c, 1), 1);
	began = store_clock_ms();
	assert_int_equal(store_record(fixture.store, records, &recorded, 1, began + 100, &err), -1);
	assert_true(store_clock_ms() - began >= 100);
	assert_int_equal(err.kind, ERROR_TEMPORARY);
	assert_int_equal(recorded.status, -1);
	/* a checkpoint that finds the lock busy is no failure */
	assert_int_equal(store_checkpoint(fixture.store, 0, true, &err), 0);

	close(done[0]);
	close(done[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	close(held[0]);
	fixture_end(&fixture);
}

static void a_removed_lock_file_still_locks(void **state)
{
	struct fixture fixture;
	struct record record = record_of("<1@example.org>", 1000);
	struct recorded recorded;
	struct stat status;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	assert_int_equal(unlink(fixture.lock_path), 0);
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	assert_int_equal(stat(fixture.lock_path, &status), 0);
	fixture_end(&fixture);
}

static void a_reader_cannot_write(void **state)
{
	struct fixture fixture;
	struct record record = record_of("<1@example.org>", 1000);
	const struct record *records[] = {&record};
	struct recorded recorded;
	struct error err = {0};
	struct store *reader;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	reader = store_open(fixture.path, STORE_READ, &err);
	assert_non_null(reader);
	assert_int_equal(store_record(reader, records, &recorded, 1, in_five_seconds(), &err), -1);
	assert_int_equal(store_set_closed(reader, NULL, 1, true, 1, in_five_seconds(), &err), -1);
	store_close(reader);
	fixture_end(&fixture);
}

static void a_look_up_past_its_deadline_is_stopped(void **state)
{
	struct fixture fixture;
	struct store_totals totals;
	struct error err = {0};
	struct store *reader;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	record_many(&fixture, 0, 200);
	reader = store_open(fixture.path, STORE_READ, &err);
	assert_non_null(reader);
	store_set_deadline(reader, store_clock_ms());
	assert_int_equal(store_totals(reader, &totals, &err), -1);
	assert_int_equal(err.kind, ERROR_TEMPORARY);
	assert_non_null(strstr(err.text, "deadline"));
	store_set_deadline(reader, 0);
	assert_int_equal(store_totals(reader, &totals, &err), 0);
	assert_int_equal(totals.messages_in, 200);
	store_close(reader);
	fixture_end(&fixture);
}

static void new_ids_rise_and_are_never_zero(void **state)
{
	static const int64_t clocks[] = {0, -5, 1, 1, 1, 500, 3, INT64_MAX, 7};
	struct fixture fixture;
	int64_t last = 0;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		int64_t id = store_new_id(fixture.store, clocks[i]);
		assert_true(id > last);
		last = id;
	}
	for (int i = 0; i < 3 * 32768; i++)
		assert_true(store_new_id(fixture.store, 9) > 0);
	store_close(fixture.store);
	fixture_open(&fixture);
	assert_int_equal(store_new_id(fixture.store, 1000), INT64_C(1000) << 21);
	for (int i = 1; i < 40000; i++) {
		int64_t id = store_new_id(fixture.store, 1000);
		assert_int_equal(id, (INT64_C(1000) + i / 32768) << 21 | i % 32768);
	}
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_store_is_readable_by_its_group_only),
		cmocka_unit_test(what_was_recorded_is_there_after_a_second_open),
		cmocka_unit_test(what_is_no_store_is_refused),
		cmocka_unit_test(the_database_of_another_program_is_not_touched),
		cmocka_unit_test(a_newer_version_is_refused_to_readers_and_writers),
		cmocka_unit_test(a_missing_directory_is_a_mistake_of_configuration),
		cmocka_unit_test(three_processes_migrate_an_empty_database_at_once),
		cmocka_unit_test(a_removed_database_is_noticed),
		cmocka_unit_test(a_replaced_database_is_noticed),
		cmocka_unit_test(a_removed_wal_is_noticed),
		cmocka_unit_test(a_busy_lock_fails_at_the_deadline_and_then_clears),
		cmocka_unit_test(a_removed_lock_file_still_locks),
		cmocka_unit_test(a_reader_cannot_write),
		cmocka_unit_test(a_look_up_past_its_deadline_is_stopped),
		cmocka_unit_test(new_ids_rise_and_are_never_zero),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
