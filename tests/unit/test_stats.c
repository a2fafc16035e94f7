#include "tests/unit/alert_fixture.h"

#include "lib/store/stats.h"

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

static struct stats stats_since(const char *account, int64_t since)
{
	struct stats stats;

	OK(store_read_stats(fixture.store, account, since, &stats, err));
	return stats;
}

static const struct wait_stats *of(const struct stats *stats, const char *account)
{
	for (size_t i = 0; i < stats->account_count; i++) {
		const char *name = stats->accounts[i].account;

		if (name == account ||
		    (name != NULL && account != NULL && strcmp(name, account) == 0))
			return &stats->accounts[i];
	}
	fail_msg("no account %s", account != NULL ? account : "(none)");
	return NULL;
}

static void a_percentile_is_of_the_nearest_rank(void **state)
{
	static int64_t few[] = {15, 20, 35, 40, 50};
	static int64_t one[] = {7};
	int64_t hundred[100];
	const struct {
		const char *what;
		struct durations durations;
		unsigned percent;
		int64_t expected;
	} rows[] = {
		{"none have none", {NULL, 0}, 50, -1},
		{"one is all of them", {one, 1}, 1, 7},
		{"one is the last too", {one, 1}, 99, 7},
		{"a fifth does not exceed the first", {few, 5}, 5, 15},
		{"just at a rank", {few, 5}, 20, 15},
		{"just over it the next", {few, 5}, 21, 20},
		{"30 of five", {few, 5}, 30, 20},
		{"40 of five", {few, 5}, 40, 20},
		{"the middle of five", {few, 5}, 50, 35},
		{"100 is the greatest", {few, 5}, 100, 50},
		{"the middle of four is the lower", {few, 4}, 50, 20},
		{"50 of a hundred", {hundred, 100}, 50, 50},
		{"99 of a hundred", {hundred, 100}, 99, 99},
		{"100 of a hundred", {hundred, 100}, 100, 100},
	};

	(void)state;
	for (int i = 0; i < 100; i++)
		hundred[i] = i + 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t found = durations_percentile(&rows[i].durations, rows[i].percent);

		if (found != rows[i].expected)
			fail_msg("%s: %lld", rows[i].what, (long long)found);
	}
}

static void within_counts_what_is_at_most_so_long(void **state)
{
	static int64_t seconds[] = {0, 5, 5, 5, 9};
	const struct durations durations = {seconds, 5};
	static const struct {
		int64_t seconds;
		size_t expected;
	} rows[] = {{-1, 0}, {0, 1}, {4, 1}, {5, 4}, {6, 4}, {9, 5}, {INT64_MAX, 5}};
	const struct durations none = {NULL, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(durations_within(&durations, rows[i].seconds), rows[i].expected);
	assert_int_equal(durations_within(&none, 5), 0);
}

static void an_empty_store_has_none(void **state)
{
	struct stats stats = stats_since(NULL, 0);

	(void)state;
	assert_int_equal(stats.account_count, 0);
	assert_int_equal(stats.all.answered + stats.all.closed + stats.all.waiting, 0);
	stats_release(&stats);
}

static void waits_are_counted_by_account_and_by_how_they_ended(void **state)
{
	struct stats stats;

	(void)state;
	run_sql(fixture.store,
	        "INSERT INTO conversation (id, created_at, updated_at, account, state) VALUES"
	        " (1, 0, 0, 'Sales', 'open'), (2, 0, 0, 'sALES', 'closed'),"
	        " (3, 0, 0, NULL, 'open'), (4, 0, 0, 'Old', 'open');"
	        "INSERT INTO wait (conversation, customer, started_at, started_by, ended_at,"
	        " end_reason, wall_s, business_s) VALUES"
	        " (1, 'a', 50, 1, 99, 'answered', 49, NULL)," /* before */
	        " (1, 'b', 10, 1, 100, 'answered', 90, 40),"
	        " (1, 'c', 80, 1, 101, 'answered', 21, NULL),"
	        " (2, 'd', 80, 1, 170, 'closed', 90, 90),"
	        " (2, 'e', 80, 1, 120, NULL, 40, 0)," /* as an earlier version left it */
	        " (3, 'f', 80, 1, 130, 'answered', NULL, NULL),"
	        " (3, 'g', 85, 1, NULL, NULL, NULL, NULL),"
	        " (4, 'h', 70, 1, NULL, NULL, NULL, NULL),"
	        " (4, 'i', 60, 1, NULL, NULL, NULL, NULL),"
	        " (2, 'j', 20, 1, NULL, NULL, NULL, NULL);"); /* closed: he does not wait */
	stats = stats_since(NULL, 100);
	assert_int_equal(stats.account_count, 3);
	assert_int_equal(of(&stats, "Sales")->answered, 3);
	assert_int_equal(of(&stats, "Sales")->closed, 1);
	assert_int_equal(of(&stats, "Sales")->wall.count, 3);
	assert_memory_equal(of(&stats, "Sales")->wall.seconds, ((int64_t[]){21, 40, 90}), 24);
	assert_int_equal(of(&stats, "Sales")->business.count, 2);
	assert_memory_equal(of(&stats, "Sales")->business.seconds, ((int64_t[]){0, 40}), 16);
	assert_int_equal(of(&stats, "Sales")->waiting, 0);
	assert_int_equal(of(&stats, NULL)->answered, 1);
	assert_int_equal(of(&stats, NULL)->wall.count, 0);
	assert_int_equal(of(&stats, NULL)->waiting_since, 85);
	assert_int_equal(of(&stats, "Old")->waiting, 2);
	assert_int_equal(of(&stats, "Old")->waiting_since, 60);
	assert_int_equal(stats.all.answered, 4);
	assert_int_equal(stats.all.closed, 1);
	assert_int_equal(stats.all.waiting, 3);
	assert_int_equal(stats.all.waiting_since, 60);
	stats_release(&stats);

	stats = stats_since("SALES", 100);
	assert_int_equal(stats.account_count, 1);
	assert_int_equal(stats.all.answered, 3);
	assert_int_equal(stats.all.waiting, 0);
	stats_release(&stats);
	stats = stats_since(NULL, 0);
	assert_int_equal(stats.all.answered, 5);
	stats_release(&stats);
	stats = stats_since("Nobody", 0);
	assert_int_equal(stats.account_count, 0);
	stats_release(&stats);
}

/* More than one transaction reads; many end, and begin, in the same second. */
static void many_are_read_in_pages_and_none_twice(void **state)
{
	struct stats stats;

	(void)state;
	run_sql(fixture.store,
	        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 45000)"
	        " INSERT INTO conversation (id, created_at, updated_at, account)"
	        " SELECT i, 0, 0, 'Sales' FROM n;"
	        "INSERT INTO wait (id, conversation, customer, started_at, started_by, ended_at,"
	        " end_reason, wall_s) SELECT id, id, 'customer@example.org', id / 20000, 1,"
	        " CASE WHEN id % 2 THEN 1000 + id / 20000 END,"
	        " CASE WHEN id % 2 THEN 'answered' END,"
	        " CASE WHEN id % 2 THEN 45000 - id END FROM conversation");
	stats = stats_since(NULL, 1000);
	assert_int_equal(stats.all.answered, 22500);
	assert_int_equal(stats.all.waiting, 22500);
	assert_int_equal(stats.all.wall.count, 22500);
	for (size_t i = 0; i < 22500; i++)
		assert_int_equal(stats.all.wall.seconds[i], 1 + 2 * i);
	stats_release(&stats);
	stats = stats_since(NULL, 1001);
	assert_int_equal(stats.all.answered, 12500);
	stats_release(&stats);
}

static void a_store_that_cannot_be_read_gives_an_error_and_nothing(void **state)
{
	struct stats stats;
	struct error err = {0};

	(void)state;
	run_sql(fixture.store, "DROP TABLE wait");
	assert_int_equal(store_read_stats(fixture.store, NULL, 0, &stats, &err), -1);
	assert_non_null(strstr(err.text, "cannot read how long customers waited in "));
	assert_int_equal(stats.account_count, 0);
	stats_release(&stats);
}

/* Both readings go along an index: the waits of years are no matter. */
static void no_page_begins_with_a_scan(void **state)
{
	struct stats stats = stats_since(NULL, 0);
	size_t found = 0;

	(void)state;
	stats_release(&stats);
	for (size_t i = 0; i < fixture.store->kept_count; i++) {
		const char *sql = sqlite3_sql(fixture.store->kept[i].raw);
		char *explain = xasprintf("EXPLAIN QUERY PLAN %s", sql);
		sqlite3_stmt *plan;

		assert_int_equal(sqlite3_prepare_v2(fixture.store->db, explain, -1, &plan, NULL),
		                 SQLITE_OK);
		while (strstr(sql, "end_reason IS") != NULL && sqlite3_step(plan) == SQLITE_ROW) {
			const char *detail = (const char *)sqlite3_column_text(plan, 3);

			if (strncmp(detail, "SEARCH ", 7) != 0)
				fail_msg("%s: %s", detail, sql);
			found++;
		}
		sqlite3_finalize(plan);
		free(explain);
	}
	assert_int_equal(found, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_percentile_is_of_the_nearest_rank),
		cmocka_unit_test(within_counts_what_is_at_most_so_long),
		cmocka_unit_test_setup_teardown(an_empty_store_has_none, begin, end),
		cmocka_unit_test_setup_teardown(waits_are_counted_by_account_and_by_how_they_ended,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(many_are_read_in_pages_and_none_twice, begin, end),
		cmocka_unit_test_setup_teardown(
			a_store_that_cannot_be_read_gives_an_error_and_nothing, begin, end),
		cmocka_unit_test_setup_teardown(no_page_begins_with_a_scan, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
