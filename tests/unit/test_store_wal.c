#include "tests/unit/store_fixture.h"

#include <sys/stat.h>

static int64_t wal_bytes(const struct fixture *fixture)
{
	struct stat status;

	assert_int_equal(stat(fixture->wal_path, &status), 0);
	return status.st_size;
}

static void checkpoints_bound_the_wal(void **state)
{
	struct fixture fixture;
	struct error err = {0};
	int64_t high;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	assert_int_equal(store_checkpoint(fixture.store, 0, true, &err), 0);
	assert_int_equal(wal_bytes(&fixture), 0);
	record_many(&fixture, 0, 40);
	high = wal_bytes(&fixture);
	assert_true(high > 40 * 4096);
	/* below the mark nothing is done, so that the WAL grows on */
	assert_int_equal(store_checkpoint(fixture.store, 1000000, false, &err), 0);
	record_many(&fixture, 40, 10);
	assert_true(wal_bytes(&fixture) > high);
	high = wal_bytes(&fixture);
	/* after a passive one it is written again from its beginning */
	assert_int_equal(store_checkpoint(fixture.store, 10, false, &err), 0);
	record_many(&fixture, 50, 10);
	assert_int_equal(wal_bytes(&fixture), high);
	assert_int_equal(store_checkpoint(fixture.store, 0, true, &err), 0);
	assert_int_equal(wal_bytes(&fixture), 0);
	fixture_end(&fixture);
}

static void closing_leaves_the_wal_to_the_next_checkpoint(void **state)
{
	struct fixture fixture;
	struct error err = {0};
	int64_t bytes;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	record_many(&fixture, 0, 5);
	bytes = wal_bytes(&fixture);
	store_close(fixture.store);
	assert_int_equal(wal_bytes(&fixture), bytes);
	/* pages of a life before count too */
	fixture_open(&fixture);
	assert_int_equal(store_checkpoint(fixture.store, 5, true, &err), 0);
	assert_int_equal(wal_bytes(&fixture), 0);
	fixture_end(&fixture);
}

static void a_damaged_page_is_called_corrupt(void **state)
{
	struct fixture fixture;
	struct record record = record_of("<new@example.org>", 1000);
	const struct record *records[] = {&record};
	struct recorded recorded;
	struct error err = {0};
	char garbage[4096];
	FILE *file;
	int64_t bytes;

	(void)state;
	fixture_begin(&fixture);
	fixture_open(&fixture);
	record_many(&fixture, 0, 5);
	assert_int_equal(store_checkpoint(fixture.store, 0, true, &err), 0);
	store_close(fixture.store);
	fixture.store = NULL;
	memset(garbage, 0xa5, sizeof(garbage));
	file = fopen(fixture.path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	bytes = ftell(file);
	for (int64_t at = 2 * 4096; at < bytes; at += 4096) {
		assert_int_equal(fseek(file, at, SEEK_SET), 0);
		assert_int_equal(fwrite(garbage, sizeof(garbage), 1, file), 1);
	}
	assert_int_equal(fclose(file), 0);
	fixture.store = store_open(fixture.path, STORE_WRITE, &err);
	if (fixture.store != NULL)
		assert_int_equal(
			store_record(fixture.store, records, &recorded, 1, in_five_seconds(), &err),
			-1);
	assert_int_equal(err.kind, ERROR_CORRUPT);
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checkpoints_bound_the_wal),
		cmocka_unit_test(closing_leaves_the_wal_to_the_next_checkpoint),
		cmocka_unit_test(a_damaged_page_is_called_corrupt),
	};

	return cmocka_run_group_tests_name("store wal", tests, NULL, NULL);
}
