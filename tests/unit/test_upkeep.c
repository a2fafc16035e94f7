#include "tests/unit/alert_fixture.h"

#include <poll.h>
#include <sys/stat.h>

#include "lib/base/secret.h"
#include "lib/base/zone.h"
#include "lib/store/upkeep.h"
#include "scheduler/upkeep.h"

/* What is done each night, and when. */

#define HOUR INT64_C(3600)
#define DAY  (24 * HOUR)

#define MIDNIGHT INT64_C(1795305600) /* 2026-11-22 00:00:00 UTC */
#define NIGHT    (MIDNIGHT + 3 * HOUR)

static struct fixture fixture;
static struct upkeep upkeep;
static struct config config;
static struct account accounts[1];
static char directory[64], keys[96], file[96], backups[96];

static int begin(void **state)
{
	struct error err;
	FILE *stream;
	char id;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	strcpy(directory, "/tmp/rejoinder-upkeep-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(keys, sizeof(keys), "%s/keys", directory);
	snprintf(file, sizeof(file), "%s/rejoinder.conf", directory);
	snprintf(backups, sizeof(backups), "%s/backups", directory);
	assert_int_equal(keyring_add(keys, NIGHT, &id, &err), 0);
	stream = fopen(file, "w");
	assert_non_null(stream);
	fclose(stream);
	upkeep = (struct upkeep){0};
	accounts[0] = (struct account){.name = (char *)"Sales"};
	config = (struct config){.path = file,
	                         .store = fixture.path,
	                         .keys = keys,
	                         .backup_directory = backups,
	                         .backups = 2,
	                         .retention_s = 100 * DAY,
	                         .accounts = accounts,
	                         .account_count = 1};
	return 0;
}

static int end(void **state)
{
	char command[200];

	(void)state;
	upkeep_release(&upkeep);
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	assert_int_equal(system(command), 0);
	fixture_end(&fixture);
	return 0;
}

/* Look at that moment, and wait for what is begun. Was anything? */
static bool work(int64_t now)
{
	int64_t ends_ms = store_clock_ms() + 30000;

	if (upkeep_work(&upkeep, &config, fixture.store, now))
		fail_msg("it had ended before it began");
	if (upkeep.job == NULL)
		return false;
	while (!upkeep_work(&upkeep, &config, fixture.store, now)) {
		assert_true(store_clock_ms() < ends_ms);
		poll(NULL, 0, 2);
	}
	return true;
}

static int count_backups(void)
{
	DIR *stream = opendir(backups);
	int count = 0;

	for (struct dirent *entry; stream != NULL && (entry = readdir(stream)) != NULL;)
		count += entry->d_name[0] != '.';
	if (stream != NULL)
		closedir(stream);
	return count;
}

static int64_t done_at(const char *task)
{
	char sql[100];

	snprintf(sql, sizeof(sql), "SELECT coalesce(done_at, 0) FROM upkeep WHERE task = '%s'",
	         task);
	return number(fixture.store, sql);
}

static void failed(const char *task, const char *said)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
	         "SELECT count(*) FROM upkeep WHERE task = '%s' AND error LIKE '%%%s%%'", task,
	         said);
	count_is(fixture.store, sql, 1);
}

static void nights(void **state)
{
	static const struct {
		const char *sentence, *zone;
		int64_t now, expected;
	} rows[] = {
		{"at three", "UTC", NIGHT, NIGHT},
		{"a second before", "UTC", NIGHT - 1, NIGHT - DAY},
		{"in the evening", "UTC", NIGHT + 20 * HOUR, NIGHT},
		{"east of us it is three earlier", "Asia/Tokyo", MIDNIGHT, MIDNIGHT - 6 * HOUR},
		/* 2026-10-25: the clock shows 02:00 to 03:00 twice. */
		{"the long night", "Europe/Berlin", 1792893600, 1792893600},
		{"and a second before it", "Europe/Berlin", 1792893599, 1792893600 - 25 * HOUR},
		/* 2026-03-29: it leaps from 02:00 to 03:00. */
		{"the short night", "Europe/Berlin", 1774746000, 1774746000},
		{"and a second before that", "Europe/Berlin", 1774745999, 1774746000 - 23 * HOUR},
		/* 2026-04-05: 03:00 becomes 02:00, so that 03:00 comes an hour later. */
		{"where three is shown after the hour twice", "Australia/Sydney", 1775322000,
	         1775322000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error err;
		struct zone *zone = zone_open(rows[i].zone, &err);
		int64_t found;

		assert_non_null(zone);
		found = upkeep_night(zone, rows[i].now);
		if (found != rows[i].expected)
			fail_msg("%s: %lld", rows[i].sentence, (long long)found);
		zone_free(zone);
	}
}

static void what_is_due(void **state)
{
	static char words[] = "no room";
	static const struct {
		const char *sentence;
		struct upkeep_row row;
		int64_t now;
		bool expected;
	} rows[] = {
		{"nothing is without a row", {0}, NIGHT, false},
		{"the night after it was set up", {true, NIGHT - 1, 0, NULL}, NIGHT, true},
		{"not in the night in which it was", {true, NIGHT, 0, NULL}, NIGHT + 5, false},
		{"it was done yesterday", {true, NIGHT - DAY, NIGHT - DAY, NULL}, NIGHT, true},
		{"it was done tonight", {true, NIGHT, NIGHT, NULL}, NIGHT + 23 * HOUR, false},
		{"nor hours later", {true, NIGHT, 0, NULL}, NIGHT + 23 * HOUR, false},
		{"it failed a little ago", {true, NIGHT, 0, words}, NIGHT + HOUR - 1, false},
		{"it failed an hour ago", {true, NIGHT, 0, words}, NIGHT + HOUR, true},
		{"its end was not told", {true, NIGHT, NIGHT - DAY, NULL}, NIGHT + HOUR, true},
		{"a clock was years ahead", {true, NIGHT * 2, NIGHT * 2, NULL}, NIGHT, true},
		{"and a little", {true, NIGHT + HOUR, NIGHT + HOUR, NULL}, NIGHT, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (upkeep_is_due(&rows[i].row, NIGHT, rows[i].now) != rows[i].expected)
			fail_msg("%s", rows[i].sentence);
}

static void each_night_once(void **state)
{
	(void)state;
	assert_false(work(NIGHT - 10 * HOUR));
	count_is(fixture.store, "SELECT count(*) FROM upkeep", 3);
	assert_false(work(NIGHT - 60));
	assert_true(work(NIGHT));
	assert_int_equal(count_backups(), 1);
	assert_int_equal(done_at("check"), NIGHT);
	assert_int_equal(done_at("backup"), NIGHT);
	assert_int_equal(done_at("purge"), NIGHT);
	for (int64_t now = NIGHT + 60; now < NIGHT + DAY; now += HOUR)
		assert_false(work(now));
	for (int night = 1; night < 5; night++) {
		assert_true(work(NIGHT + night * DAY));
		assert_int_equal(count_backups(), 2);
	}
	count_is(fixture.store, "SELECT count(*) FROM upkeep WHERE error IS NULL", 3);
}

static void a_machine_that_was_off_does_it_at_its_start(void **state)
{
	(void)state;
	work(NIGHT - 10 * HOUR);
	upkeep_release(&upkeep);
	assert_true(work(NIGHT + 6 * HOUR));
	assert_int_equal(done_at("backup"), NIGHT + 6 * HOUR);
	upkeep_release(&upkeep);
	assert_false(work(NIGHT + 7 * HOUR));
	assert_true(work(NIGHT + 10 * DAY + 12 * HOUR));
	assert_int_equal(count_backups(), 2);
}

static void it_looks_once_a_minute(void **state)
{
	(void)state;
	work(NIGHT - 30);
	run_sql(fixture.store, "UPDATE upkeep SET tried_at = 1");
	assert_false(work(NIGHT));
	assert_true(work(NIGHT + 30));
}

static void of_two_schedulers_one_does_it(void **state)
{
	struct fixture other = fixture;
	struct error err;

	(void)state;
	work(NIGHT - HOUR);
	fixture_open(&other);
	for (int night = 0; night < 3; night++) {
		int64_t night_at = NIGHT + night * DAY;
		int claims = 0;

		for (int i = 0; i < 2; i++) {
			claims += store_claim_upkeep(fixture.store, UPKEEP_BACKUP, night_at,
			                             night_at + i, in_five_seconds(), &err);
			claims += store_claim_upkeep(other.store, UPKEEP_BACKUP, night_at,
			                             night_at + i, in_five_seconds(), &err);
		}
		assert_int_equal(claims, 1);
		OK(store_end_upkeep(other.store, UPKEEP_BACKUP, NULL, night_at + 5,
		                    in_five_seconds(), err));
	}
	store_close(other.store);
}

static void who_died_in_the_middle_is_followed_an_hour_later(void **state)
{
	struct error err;

	(void)state;
	work(NIGHT - DAY - HOUR);
	work(NIGHT - DAY);
	assert_int_equal(store_claim_upkeep(fixture.store, UPKEEP_CHECK, NIGHT, NIGHT,
	                                    in_five_seconds(), &err),
	                 1);
	assert_false(work(NIGHT + 60));
	assert_false(work(NIGHT + 3540));
	assert_true(work(NIGHT + HOUR));
	assert_int_equal(done_at("purge"), NIGHT + HOUR);
}

static void what_fails_is_told_and_tried_again(void **state)
{
	char away[140];

	(void)state;
	snprintf(away, sizeof(away), "%s/away", directory);
	work(NIGHT - HOUR);
	assert_int_equal(rename(keys, away), 0);
	assert_true(work(NIGHT));
	failed("backup", "cannot read");
	assert_int_equal(count_backups(), 0);
	assert_int_equal(done_at("check"), NIGHT);
	/* Nothing is purged that was not backed up. */
	assert_int_equal(done_at("purge"), 0);
	assert_false(work(NIGHT + HOUR / 2));
	/* What was said stays until it has gone well. */
	assert_true(work(NIGHT + HOUR));
	failed("backup", "cannot read");
	assert_int_equal(rename(away, keys), 0);
	assert_true(work(NIGHT + 2 * HOUR));
	count_is(fixture.store, "SELECT count(*) FROM upkeep WHERE error IS NULL", 3);
	assert_int_equal(done_at("backup"), NIGHT + 2 * HOUR);
	assert_int_equal(done_at("purge"), NIGHT + 2 * HOUR);
	assert_int_equal(done_at("check"), NIGHT);
	assert_int_equal(count_backups(), 1);
}

/* Conversations of the day before the night in which nobody waits. */
static void record_what_may_go(void)
{
	char sql[200];

	record_many(&fixture, 1, 10);
	snprintf(sql, sizeof(sql), "DELETE FROM wait; UPDATE conversation SET updated_at = %d",
	         (int)(NIGHT - DAY));
	run_sql(fixture.store, sql);
}

/* To a clock that is years ahead all mail is old. */
static void a_clock_that_leaps_costs_no_mail(void **state)
{
	const int64_t leap = 800 * DAY;

	(void)state;
	record_what_may_go();
	work(NIGHT - HOUR);
	assert_true(work(NIGHT));
	assert_true(work(NIGHT + leap));
	failed("purge", "is the clock right");
	assert_int_equal(done_at("backup"), NIGHT + leap);
	/* Nor an hour later. */
	assert_false(work(NIGHT + leap + HOUR));
	assert_false(work(NIGHT + leap + 20 * HOUR));
	count_is(fixture.store, "SELECT count(*) FROM message", 10);
	/* It was put right. */
	assert_true(work(NIGHT + DAY));
	assert_int_equal(done_at("purge"), NIGHT + DAY);
	count_is(fixture.store, "SELECT count(*) FROM message", 10);
}

static void a_machine_that_was_off_for_long_purges_the_next_night(void **state)
{
	(void)state;
	record_what_may_go();
	work(NIGHT - HOUR);
	assert_true(work(NIGHT));
	assert_true(work(NIGHT + 800 * DAY));
	assert_true(work(NIGHT + 801 * DAY));
	assert_int_equal(done_at("purge"), NIGHT + 801 * DAY);
	count_is(fixture.store, "SELECT count(*) FROM message", 0);
}

static void a_damaged_store_costs_no_good_backup(void **state)
{
	(void)state;
	work(NIGHT - HOUR);
	config.backups = 1;
	record_many(&fixture, 1, 10);
	assert_true(work(NIGHT));
	assert_int_equal(count_backups(), 1);
	run_sql(fixture.store, "PRAGMA ignore_check_constraints = ON;"
	                       "UPDATE conversation SET state = 'nonsense';"
	                       "PRAGMA ignore_check_constraints = OFF");
	assert_true(work(NIGHT + DAY));
	failed("check", "is damaged");
	assert_int_equal(count_backups(), 1);
	assert_int_equal(done_at("backup"), NIGHT);
	assert_int_equal(done_at("purge"), NIGHT);
	/* One trouble is told, not three. */
	count_is(fixture.store, "SELECT count(*) FROM upkeep WHERE error IS NOT NULL", 1);
	assert_false(work(NIGHT + DAY + 120));
	assert_true(work(NIGHT + DAY + HOUR));
	assert_int_equal(done_at("backup"), NIGHT);
	run_sql(fixture.store, "UPDATE conversation SET state = 'open'");
	assert_true(work(NIGHT + DAY + 2 * HOUR));
	count_is(fixture.store, "SELECT count(*) FROM upkeep WHERE error IS NULL", 3);
	assert_int_equal(done_at("backup"), NIGHT + DAY + 2 * HOUR);
}

/* An index lacks a row that its table has: the quick look does not see that. */
static void a_copy_that_is_damaged_costs_none_either(void **state)
{
	(void)state;
	work(NIGHT - HOUR);
	config.backups = 1;
	record_many(&fixture, 1, 10);
	assert_true(work(NIGHT));
	sqlite3_db_config(fixture.store->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
	run_sql(fixture.store,
	        "PRAGMA writable_schema = ON;"
	        "UPDATE sqlite_schema SET sql = replace(sql, 'WHERE ended_at IS NULL',"
	        " 'WHERE ended_at IS NOT NULL') WHERE name = 'wait_due';"
	        "PRAGMA writable_schema = OFF;");
	store_close(fixture.store);
	fixture_open(&fixture);
	assert_true(work(NIGHT + DAY));
	failed("backup", "is damaged: wrong # of entries in index");
	assert_int_equal(count_backups(), 1);
}

static void only_what_is_wanted_is_done(void **state)
{
	(void)state;
	config.backups = 0;
	config.retention_s = 0;
	record_many(&fixture, 1, 3);
	run_sql(fixture.store, "UPDATE wait SET ended_at = 1, end_reason = 'closed'");
	work(NIGHT - HOUR);
	assert_true(work(NIGHT));
	count_is(fixture.store, "SELECT count(*) FROM upkeep WHERE task = 'check'", 1);
	count_is(fixture.store, "SELECT count(*) FROM upkeep", 1);
	count_is(fixture.store, "SELECT count(*) FROM message", 3);
	assert_int_equal(count_backups(), 0);

	/* What failed and is not wanted any more is no trouble any more. */
	config.backups = 2;
	config.retention_s = DAY;
	work(NIGHT + HOUR);
	run_sql(fixture.store, "UPDATE upkeep SET error = 'x' WHERE task = 'backup'");
	config.backups = 0;
	work(NIGHT + 2 * HOUR);
	count_is(fixture.store, "SELECT count(*) FROM upkeep WHERE error IS NOT NULL", 0);
	count_is(fixture.store, "SELECT count(*) FROM message", 3);
	assert_true(work(NIGHT + DAY));
	count_is(fixture.store, "SELECT count(*) FROM message", 0);
}

static void a_store_that_takes_no_record_is_left_alone_for_an_hour(void **state)
{
	(void)state;
	work(NIGHT - HOUR);
	run_sql(fixture.store, "CREATE TRIGGER no AFTER UPDATE ON upkeep BEGIN"
	                       " SELECT raise(ABORT, 'no'); END");
	assert_true(work(NIGHT));
	assert_int_equal(count_backups(), 0);
	assert_false(work(NIGHT + 120));
	run_sql(fixture.store, "DROP TRIGGER no");
	assert_false(work(NIGHT + HOUR - 1));
	assert_true(work(NIGHT + HOUR + 60));
	assert_int_equal(count_backups(), 1);
}

static void who_is_told_to_stop_does(void **state)
{
	(void)state;
	record_many(&fixture, 0, 2000);
	work(NIGHT - DAY - HOUR);
	work(NIGHT - DAY);
	assert_false(upkeep_work(&upkeep, &config, fixture.store, NIGHT));
	assert_non_null(upkeep.job);
	upkeep_release(&upkeep);
	assert_null(upkeep.job);
	count_is(fixture.store, "SELECT count(*) FROM upkeep WHERE error IS NOT NULL", 0);
	assert_true(done_at("purge") < NIGHT);
	assert_true(work(NIGHT + HOUR));
	assert_int_equal(done_at("backup"), NIGHT + HOUR);
}

#define EACH(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nights),
		cmocka_unit_test(what_is_due),
		EACH(each_night_once),
		EACH(a_machine_that_was_off_does_it_at_its_start),
		EACH(it_looks_once_a_minute),
		EACH(of_two_schedulers_one_does_it),
		EACH(who_died_in_the_middle_is_followed_an_hour_later),
		EACH(what_fails_is_told_and_tried_again),
		EACH(a_clock_that_leaps_costs_no_mail),
		EACH(a_machine_that_was_off_for_long_purges_the_next_night),
		EACH(a_damaged_store_costs_no_good_backup),
		EACH(a_copy_that_is_damaged_costs_none_either),
		EACH(only_what_is_wanted_is_done),
		EACH(a_store_that_takes_no_record_is_left_alone_for_an_hour),
		EACH(who_is_told_to_stop_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
