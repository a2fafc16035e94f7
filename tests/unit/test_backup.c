#include "tests/unit/alert_fixture.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "lib/base/error.h"
#include "lib/base/secret.h"
#include "lib/store/backup.h"

/* Backups, each in a directory of its own that is not the store's. */

#define NOW INT64_C(1795305600) /* 2026-11-22 00:00:00 UTC */

static struct fixture fixture;
static char directory[64], keys[96], config[96], backups[96];

static void write_text(const char *path, const char *text, mode_t mode)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	assert_true(fputs(text, stream) >= 0);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int begin(void **state)
{
	struct error err;
	char id;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	record_many(&fixture, 0, 30);
	strcpy(directory, "/tmp/rejoinder-backup-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(keys, sizeof(keys), "%s/keys", directory);
	snprintf(config, sizeof(config), "%s/rejoinder.conf", directory);
	snprintf(backups, sizeof(backups), "%s/backups", directory);
	assert_int_equal(keyring_add(keys, NOW, &id, &err), 0);
	write_text(config, "[rejoinder]\n", 0644);
	return 0;
}

static int end(void **state)
{
	char command[200];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	assert_int_equal(system(command), 0);
	fixture_end(&fixture);
	return 0;
}

static char *back_up(int64_t now)
{
	char *path = NULL;

	OK(store_backup(fixture.store, backups, keys, config, now, &path, err));
	return path;
}

static void fails(enum error_kind kind, const char *said)
{
	struct error err = {0};
	char *path = backups;

	assert_int_equal(store_backup(fixture.store, backups, keys, config, NOW, &path, &err), -1);
	if (err.kind != kind || strstr(err.text, said) == NULL)
		fail_msg("%d: %s", err.kind, err.text);
	assert_null(path);
}

/* How many entries a directory has, 0 if it is not there. */
static int count_entries(const char *path)
{
	DIR *stream = opendir(path);
	int count = 0;

	while (stream != NULL && readdir(stream) != NULL)
		count++;
	if (stream != NULL)
		closedir(stream);
	return stream != NULL ? count - 2 : 0;
}

static void mode_is(const char *path, const char *name, mode_t mode)
{
	struct stat status;
	char *whole = xasprintf("%s/%s", path, name);

	assert_int_equal(stat(whole, &status), 0);
	assert_int_equal(status.st_mode & 07777, mode);
	free(whole);
}

static void a_backup_is_whole_and_for_its_owner_alone(void **state)
{
	struct fixture copy = fixture;
	char expected[200];
	char *path;

	(void)state;
	snprintf(expected, sizeof(expected), "%s/rejoinder-20261122-000000", backups);
	path = back_up(NOW);
	assert_string_equal(path, expected);
	assert_int_equal(count_entries(backups), 1);
	assert_int_equal(count_entries(path), 3);
	mode_is(backups, "", 0700);
	mode_is(path, "", 0700);
	mode_is(path, BACKUP_STORE, 0600);
	mode_is(path, BACKUP_KEYS, 0600);
	mode_is(path, BACKUP_CONFIG, 0600);

	record_many(&fixture, 100, 1);
	snprintf(copy.path, sizeof(copy.path), "%.60s/x.db", directory);
	snprintf(expected, sizeof(expected), "%s/" BACKUP_STORE, path);
	assert_int_equal(rename(expected, copy.path), 0);
	fixture_open(&copy);
	count_is(copy.store, "SELECT count(*) FROM message", 30);
	count_is(copy.store, "SELECT count(*) FROM message_id", 30);
	record_many(&copy, 100, 1);
	count_is(copy.store, "SELECT count(*) FROM message", 31);
	store_close(copy.store);
	free(path);
}

static void one_who_only_reads_can_make_it(void **state)
{
	struct error err = {0};
	struct store *reader = store_open(fixture.path, STORE_READ, &err);
	char *path = NULL;

	(void)state;
	assert_non_null(reader);
	record_many(&fixture, 200, 300);
	/* What else it may take is another matter. */
	store_set_deadline(reader, store_clock_ms() - 1);
	OK(store_backup(reader, backups, keys, config, NOW, &path, err));
	free(path);
	store_set_deadline(reader, 0);
	assert_int_equal(store_run(reader, "DELETE FROM message_id", &err), -1);
	store_close(reader);
	count_is(fixture.store, "SELECT count(*) FROM message_id", 330);
}

static void two_of_a_second_have_two_names(void **state)
{
	char *first = back_up(NOW), *second = back_up(NOW), *third = back_up(NOW);

	(void)state;
	assert_string_equal(strrchr(first, '-'), "-000000");
	assert_string_equal(strrchr(second, '-'), "-000001");
	assert_string_equal(strrchr(third, '-'), "-000002");
	assert_int_equal(count_entries(backups), 3);
	free(first);
	free(second);
	free(third);
}

static void a_directory_that_is_missing_is_made_but_not_what_it_stands_in(void **state)
{
	(void)state;
	free(back_up(NOW));
	snprintf(backups, sizeof(backups), "%s/no/backups", directory);
	fails(ERROR_CONFIG, "No such file or directory");
}

static void where_everybody_may_write_nothing_is_made(void **state)
{
	(void)state;
	assert_int_equal(mkdir(backups, 0700), 0);
	assert_int_equal(chmod(backups, 0777), 0);
	fails(ERROR_CONFIG, "everybody may: chmod o-w it");
	assert_int_equal(count_entries(backups), 0);
	/* As /tmp is; and others may look, since each backup is closed to them. */
	assert_int_equal(chmod(backups, 01777), 0);
	free(back_up(NOW));
	assert_int_equal(chmod(backups, 0755), 0);
	free(back_up(NOW + 1));
	mode_is(backups, "rejoinder-20261122-000001", 0700);
}

static void one_that_fails_leaves_nothing(void **state)
{
	(void)state;
	free(back_up(NOW));
	assert_int_equal(rename(keys, config), 0);
	fails(ERROR_CONFIG, keys);
	write_text(keys, "no key at all\n", 0640);
	fails(ERROR_CONFIG, "found no key");
	assert_int_equal(unlink(keys), 0);
	assert_int_equal(rename(config, keys), 0);
	fails(ERROR_CONFIG, config);
	assert_int_equal(count_entries(backups), 1);
}

/* Past a limit on the size of files writing fails as on a full disk, but for its errno. */
static void no_half_of_one_stays_when_there_is_no_room(void **state)
{
	struct rlimit limit, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	for (rlim_t bytes = 0; bytes < 200000; bytes += 40000) {
		low = limit;
		low.rlim_cur = bytes;
		signal(SIGXFSZ, SIG_IGN);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
		fails(ERROR_TEMPORARY, BACKUP_STORE);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_int_equal(count_entries(backups), 0);
	}
	free(back_up(NOW));
	assert_int_equal(count_entries(backups), 1);
}

static void what_a_crash_left_is_gone_after_the_next(void **state)
{
	char left[200], file[300];

	(void)state;
	assert_int_equal(mkdir(backups, 0700), 0);
	snprintf(left, sizeof(left), "%s/rejoinder-20261121-000000.tmp", backups);
	assert_int_equal(mkdir(left, 0700), 0);
	snprintf(file, sizeof(file), "%s/" BACKUP_STORE "-journal", left);
	write_text(file, "half", 0600);
	free(back_up(NOW));
	assert_int_equal(count_entries(backups), 1);
}

static void one_is_made_at_a_time(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdir(backups, 0700), 0);
	fd = open(backups, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
	fails(ERROR_TEMPORARY, "another backup is being made");
	assert_int_equal(count_entries(backups), 0);
	close(fd);
	free(back_up(NOW));
}

/* Pages behind those of the schema are overwritten; SQLite meets them when it copies the rows. */
static void a_damaged_store_makes_none(void **state)
{
	char bytes[4096];
	struct error err;
	off_t page_count;
	int fd;

	(void)state;
	record_many(&fixture, 200, 1200);
	assert_int_equal(store_checkpoint(fixture.store, 0, true, &err), 0);
	store_close(fixture.store);
	memset(bytes, 0xa5, sizeof(bytes));
	fd = open(fixture.path, O_WRONLY);
	assert_true(fd >= 0);
	page_count = lseek(fd, 0, SEEK_END) / (off_t)sizeof(bytes);
	assert_true(page_count > 100);
	for (off_t page = page_count - 25; page < page_count - 5; page++)
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), page * 4096), sizeof(bytes));
	close(fd);
	fixture_open(&fixture);
	fails(ERROR_CORRUPT, "malformed");
	assert_int_equal(count_entries(backups), 0);
}

static void a_row_that_no_table_may_have_is_damage(void **state)
{
	(void)state;
	run_sql(fixture.store, "PRAGMA ignore_check_constraints = ON;"
	                       "UPDATE conversation SET is_owner_pinned = 7;"
	                       "PRAGMA ignore_check_constraints = OFF");
	fails(ERROR_CORRUPT, "is damaged: CHECK constraint failed in conversation");
	assert_int_equal(count_entries(backups), 0);
}

static size_t remove_older(const char *made, size_t kept)
{
	size_t removed = 0;

	OK(backup_remove_older(made, kept, &removed, err));
	return removed;
}

static bool is_there(const char *name)
{
	char *path = xasprintf("%s/%s", backups, name);
	bool is_it = access(path, F_OK) == 0;

	free(path);
	return is_it;
}

/* One that a clock which was ahead has named takes the place of no later one. */
static void those_of_the_future_are_the_oldest(void **state)
{
	char *names[4];
	static const int64_t days[] = {800, 0, 1, 2}; /* in the order in which they are made */

	(void)state;
	for (int i = 0; i < 4; i++)
		names[i] = back_up(NOW + days[i] * 86400);
	assert_int_equal(remove_older(names[3], 3), 1);
	assert_int_equal(access(names[0], F_OK), -1);
	assert_int_equal(access(names[1], F_OK), 0);
	for (int i = 0; i < 4; i++)
		free(names[i]);
}

static void the_newest_are_kept_and_others_left_alone(void **state)
{
	static const char *const others[] = {"rejoinder-20200101-000000.old", "rejoinder-2020",
	                                     "Rejoinder-20200101-000000"};
	char path[300];
	char *made = NULL;

	(void)state;
	for (int i = 0; i < 5; i++) {
		free(made);
		made = back_up(NOW + i * 86400);
	}
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", backups, others[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(path, sizeof(path), "%s/rejoinder-20200101-000000", backups);
	write_text(path, "not a directory", 0600);
	snprintf(path, sizeof(path), "%s/rejoinder-20261122-000000/notes", backups);
	write_text(path, "why I keep this one", 0600);

	assert_int_equal(remove_older(made, 0), 0);
	assert_int_equal(remove_older(made, 31), 0);
	assert_int_equal(remove_older(made, 2), 2);
	assert_true(is_there("rejoinder-20261126-000000"));
	assert_true(is_there("rejoinder-20261125-000000"));
	assert_false(is_there("rejoinder-20261124-000000"));
	assert_false(is_there("rejoinder-20261123-000000"));
	assert_true(is_there("rejoinder-20261122-000000/" BACKUP_STORE));
	assert_int_equal(count_entries(backups), 2 + 1 + 4);
	assert_int_equal(remove_older(made, 2), 0);
	free(made);
}

static void the_one_just_made_stays_whatever_the_clock_said_before(void **state)
{
	char *made;

	(void)state;
	free(back_up(NOW + 86400 * 365));
	free(back_up(NOW + 86400 * 366));
	made = back_up(NOW);
	assert_int_equal(remove_older(made, 1), 2);
	assert_true(is_there("rejoinder-20261122-000000/" BACKUP_STORE));
	free(made);
}

static void whoever_is_stopped_leaves_nothing(void **state)
{
	atomic_bool is_stopping = true;

	(void)state;
	record_many(&fixture, 200, 300);
	store_set_stop(fixture.store, &is_stopping);
	fails(ERROR_TEMPORARY, "it was told to stop");
	store_set_stop(fixture.store, NULL);
	assert_int_equal(count_entries(backups), 0);
	free(back_up(NOW));
}

#define EACH(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_backup_is_whole_and_for_its_owner_alone),
		EACH(one_who_only_reads_can_make_it),
		EACH(two_of_a_second_have_two_names),
		EACH(a_directory_that_is_missing_is_made_but_not_what_it_stands_in),
		EACH(where_everybody_may_write_nothing_is_made),
		EACH(one_that_fails_leaves_nothing),
		EACH(no_half_of_one_stays_when_there_is_no_room),
		EACH(what_a_crash_left_is_gone_after_the_next),
		EACH(one_is_made_at_a_time),
		EACH(a_damaged_store_makes_none),
		EACH(a_row_that_no_table_may_have_is_damage),
		EACH(those_of_the_future_are_the_oldest),
		EACH(the_newest_are_kept_and_others_left_alone),
		EACH(the_one_just_made_stays_whatever_the_clock_said_before),
		EACH(whoever_is_stopped_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
