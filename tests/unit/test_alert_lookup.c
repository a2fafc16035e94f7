#include "tests/unit/alert_fixture.h"

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

/* What SQLite means to do for a statement that the store has run. */
static void plan_of(const char *sql, char *out, size_t size)
{
	char *explain = xasprintf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *raw;
	size_t length = 0;

	out[0] = '\0';
	assert_int_equal(sqlite3_prepare_v2(fixture.store->db, explain, -1, &raw, NULL), SQLITE_OK);
	while (sqlite3_step(raw) == SQLITE_ROW && length < size)
		length += (size_t)snprintf(out + length, size - length, "%s; ",
		                           (const char *)sqlite3_column_text(raw, 3));
	sqlite3_finalize(raw);
	free(explain);
}

static const struct {
	const char *part; /* of the statement */
	const char *uses;
	bool may_sort;
} plans[] = {
	{"w.due_at IS NULL ORDER BY", "SEARCH w USING INDEX wait_due (due_at=?)", false},
	{"w.due_at <= ?1 ORDER BY", "SEARCH w USING INDEX wait_due (due_at<?)", false},
	{"SELECT CASE WHEN EXISTS", "SEARCH w USING INDEX wait_due (due_at=?)", false},
	{"SELECT CASE WHEN EXISTS", "SEARCH w USING INDEX wait_due (due_at<?)", false},
	{"SELECT CASE WHEN EXISTS", "SEARCH notice USING INDEX notice_by_state (state=?)", false},
	{"SELECT id, recipient, created_at", "notice_by_state (state=? AND leased_until<?)", false},
	{"SELECT id FROM notice", "notice_by_state (state=? AND leased_until=?)", false},
	{"c.account = ?1", "w USING INDEX wait_", true},
	{"FROM alert a JOIN wait w", "SEARCH a USING INDEX alert_by_notice (notice=?)", true},
};

static void many_running_waits_are_looked_up_by_index(void **state)
{
	(void)state;
	run_sql(fixture.store,
	        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
	        " INSERT INTO conversation (id, created_at, updated_at) SELECT i, 0, 0 FROM n;"
	        "INSERT INTO wait (id, conversation, customer, started_at, started_by, due_at)"
	        " SELECT id, id, 'customer@example.org', id, 1,"
	        " CASE WHEN id % 1000 = 0 THEN NULL ELSE 1000000 + id END FROM conversation;");
	for (int i = 0; i < 2; i++) {
		struct planned_wait *waits;
		size_t count;

		OK(store_list_unplanned(fixture.store, 1000, &waits, &count, err));
		assert_int_equal(count, 100);
		planned_waits_free(waits, count);
		OK(store_list_due(fixture.store, 1000010, 1000, &waits, &count, err));
		assert_int_equal(count, 10);
		planned_waits_free(waits, count);
		assert_int_equal(next_due(fixture.store), 0);
		OK(store_list_waiting(fixture.store, "Sales", 10, &waits, &count, err));
		planned_waits_free(waits, count);
		if (i == 0) {
			const struct passed_level held = {.wait = 50002,
			                                  .due_at = 2000,
			                                  .recipient = JANE,
			                                  .not_before = 9000};

			OK(store_create_notices(fixture.store, &held, 1, NULL, 0, 2000,
			                        in_five_seconds(), err));
			pass(fixture.store, 50001, 0, JANE, 2000);
		}
		notices_free(take(fixture.store, 2000 + 100 * i, 1), 1);
		/* with and without what ANALYZE knows */
		run_sql(fixture.store, "ANALYZE");
		for (size_t p = 0; p < sizeof(plans) / sizeof(plans[0]); p++) {
			char text[1000] = "";
			bool is_found = false;

			for (size_t k = 0; k < fixture.store->kept_count && !is_found; k++) {
				const char *sql = sqlite3_sql(fixture.store->kept[k].raw);

				is_found = strstr(sql, plans[p].part) != NULL;
				if (is_found)
					plan_of(sql, text, sizeof(text));
			}
			if (strstr(text, plans[p].uses) == NULL ||
			    (!plans[p].may_sort && strstr(text, "B-TREE") != NULL))
				fail_msg("%s: %s", plans[p].part, text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_running_waits_are_looked_up_by_index, begin,
	                                        end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
