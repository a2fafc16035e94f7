#include "tests/unit/store_fixture.h"

#include "lib/store/health.h"

/* What the doctor asks the store. */

static struct fixture fixture;

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

static void a_store_that_is_whole_is_found_whole(void **state)
{
	struct error err = {0};

	(void)state;
	record_many(&fixture, 0, 200);
	assert_int_equal(store_quick_check(fixture.store, in_five_seconds(), &err), 1);
}

static void a_look_that_takes_too_long_ends(void **state)
{
	struct error err = {0};
	int64_t newest;

	(void)state;
	record_many(&fixture, 0, 200);
	assert_int_equal(store_quick_check(fixture.store, store_clock_ms() - 1, &err), 0);
	/* And is not the end of other look-ups. */
	assert_int_equal(store_newest_message(fixture.store, &newest, &err), 0);
}

static void damage_is_found(void **state)
{
	struct error err = {0};
	int64_t page, size;
	char garbage[65536];
	int fd;

	(void)state;
	record_many(&fixture, 0, 200);
	assert_int_equal(store_checkpoint(fixture.store, 0, true, &err), 0);
	assert_int_equal(read_number(fixture.store, "PRAGMA page_size", &size, &err), 0);
	assert_int_equal(read_number(fixture.store,
	                             "SELECT rootpage FROM sqlite_schema"
	                             " WHERE name = 'letter_by_state'",
	                             &page, &err),
	                 0);
	memset(garbage, 0xff, sizeof(garbage));
	fd = open(fixture.path, O_WRONLY);
	assert_int_equal(pwrite(fd, garbage, (size_t)size, (page - 1) * size), size);
	close(fd);
	store_close(fixture.store);
	fixture.store = store_open(fixture.path, STORE_READ, &err);
	assert_non_null(fixture.store);
	assert_int_equal(store_quick_check(fixture.store, in_five_seconds(), &err), -1);
	assert_int_equal(err.kind, ERROR_CORRUPT);
	assert_null(strchr(err.text, '\n'));
}

static void the_newest_message_is_found(void **state)
{
	struct error err = {0};
	int64_t newest = -1;

	(void)state;
	assert_int_equal(store_newest_message(fixture.store, &newest, &err), 0);
	assert_int_equal(newest, 0);
	record_many(&fixture, 0, 5);
	assert_int_equal(store_newest_message(fixture.store, &newest, &err), 0);
	assert_int_equal(newest, 1004);
}

static void owners_of_open_conversations_are_listed_once(void **state)
{
	struct string_list owners = {0};
	struct error err = {0};

	(void)state;
	record_many(&fixture, 0, 5);
	assert_int_equal(store_run(fixture.store,
	                           "UPDATE conversation SET owner = CASE updated_at"
	                           " WHEN 1000 THEN 'jane@company.test'"
	                           " WHEN 1001 THEN 'bob@company.test'"
	                           " WHEN 1002 THEN 'boss@company.test'"
	                           " WHEN 1003 THEN 'jane@company.test' END;"
	                           "UPDATE conversation SET state = 'closed'"
	                           " WHERE owner = 'bob@company.test'",
	                           &err),
	                 0);
	assert_int_equal(store_list_owners(fixture.store, 10, &owners, &err), 0);
	assert_int_equal(owners.count, 2);
	assert_true(string_list_has(&owners, "jane@company.test"));
	assert_true(string_list_has(&owners, "boss@company.test"));
	string_list_release(&owners);
	assert_int_equal(store_list_owners(fixture.store, 1, &owners, &err), 0);
	assert_int_equal(owners.count, 1);
	string_list_release(&owners);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_store_that_is_whole_is_found_whole, begin, end),
		cmocka_unit_test_setup_teardown(a_look_that_takes_too_long_ends, begin, end),
		cmocka_unit_test_setup_teardown(damage_is_found, begin, end),
		cmocka_unit_test_setup_teardown(the_newest_message_is_found, begin, end),
		cmocka_unit_test_setup_teardown(owners_of_open_conversations_are_listed_once, begin,
	                                        end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
