#include "tests/unit/store_fixture.h"

#include "lib/store/daemon.h"

/* What the store knows of the daemons. */

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

static void start(const char *name, const char *version, int64_t pid, int64_t at)
{
	struct error err = {0};

	if (store_set_daemon(fixture.store, name, version, pid, at, in_five_seconds(), &err) < 0)
		fail_msg("%s", err.text);
}

static void rows_are(const struct daemon_row *expected, size_t expected_count)
{
	struct daemon_row *rows;
	struct error err = {0};
	size_t count;

	if (store_list_daemons(fixture.store, &rows, &count, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(count, expected_count);
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(rows[i].name, expected[i].name);
		assert_string_equal(rows[i].version, expected[i].version);
		assert_int_equal(rows[i].pid, expected[i].pid);
		assert_int_equal(rows[i].started_at, expected[i].started_at);
	}
	daemon_rows_free(rows, count);
}

static void a_daemon_stands_there_as_it_was_started_last(void **state)
{
	static const struct daemon_row first[] = {{(char *)DAEMON_MILTER, (char *)"1.0", 7, 100}};
	static const struct daemon_row both[] = {
		{(char *)DAEMON_FETCHER, (char *)"1.1", 9, 300},
		{(char *)DAEMON_MILTER, (char *)"1.1", 8, 200},
	};

	(void)state;
	rows_are(NULL, 0);
	start(DAEMON_MILTER, "1.0", 7, 100);
	rows_are(first, 1);
	start(DAEMON_MILTER, "1.1", 8, 200);
	start(DAEMON_FETCHER, "1.1", 9, 300);
	rows_are(both, 2);
	start(DAEMON_SCHEDULER, "1.1", 10, 400);
	count_is(fixture.store, "SELECT count(*) FROM daemon", 3);
}

static void another_name_is_refused_and_leaves_the_store_usable(void **state)
{
	struct error err = {0};

	(void)state;
	assert_int_equal(
		store_set_daemon(fixture.store, "rejoinder", "1.0", 1, 1, in_five_seconds(), &err),
		-1);
	assert_int_equal(err.kind, ERROR_PERMANENT);
	rows_are(NULL, 0);
	start(DAEMON_MILTER, "1.0", 7, 100);
}

static void a_store_that_is_locked_fails_for_now(void **state)
{
	struct fixture other = fixture;
	struct error err = {0};

	(void)state;
	fixture_open(&other);
	assert_int_equal(store_lock(other.store, in_five_seconds(), &err), 0);
	assert_int_equal(store_set_daemon(fixture.store, DAEMON_MILTER, "1.0", 7, 100,
	                                  store_clock_ms() + 50, &err),
	                 -1);
	assert_int_equal(err.kind, ERROR_TEMPORARY);
	store_unlock(other.store);
	store_close(other.store);
	start(DAEMON_MILTER, "1.0", 7, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_daemon_stands_there_as_it_was_started_last, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(another_name_is_refused_and_leaves_the_store_usable,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(a_store_that_is_locked_fails_for_now, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
