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
	const char *may_scan; /* or NULL: the index of those that wait is no table */
} plans[] = {
	{"w.due_at IS NULL ORDER BY", "SEARCH w USING INDEX wait_due (due_at=?)", false, NULL},
	{"w.due_at <= ?1 ORDER BY", "SEARCH w USING INDEX wait_due (due_at<?)", false, NULL},
	{"SELECT CASE WHEN EXISTS", "SEARCH w USING INDEX wait_due (due_at=?)", false, NULL},
	{"SELECT CASE WHEN EXISTS", "SEARCH w USING INDEX wait_due (due_at<?)", false, NULL},
	{"SELECT CASE WHEN EXISTS", "SEARCH notice USING INDEX notice_by_state (state=?)", false,
         NULL},
	{"SELECT id, recipient, created_at", "notice_by_state (state=? AND leased_until<?)", false,
         NULL},
	{"SELECT id FROM notice", "notice_by_state (state=? AND leased_until=?)", false, NULL},
	{"c.account = ?1", "w USING INDEX wait_", true, "w USING INDEX wait_by_start"},
	{"FROM alert a JOIN wait w", "SEARCH a USING INDEX alert_by_notice (notice=?)", true, NULL},
};

/* A scan of anything but a constant row, or what this row may scan. */
static bool is_scan(const char *plan, const char *may_scan)
{
	for (const char *at = strstr(plan, "SCAN "); at != NULL; at = strstr(at + 5, "SCAN "))
		if (strncmp(at + 5, "CONSTANT ROW", 12) != 0 &&
		    (may_scan == NULL || strncmp(at + 5, may_scan, strlen(may_scan)) != 0))
			return true;
	return false;
}

/* What the store has run that has this part; it must be there. */
static const char *statement_with(const char *part)
{
	for (size_t i = 0; i < fixture.store->kept_count; i++) {
		const char *sql = sqlite3_sql(fixture.store->kept[i].raw);

		if (strstr(sql, part) != NULL)
			return sql;
	}
	fail_msg("nothing was run with: %s", part);
	return NULL;
}

/* Is the plan of this row what it says?  *text_out is what SQLite means to do. */
static bool is_as_planned(size_t row, char *text_out, size_t size)
{
	plan_of(statement_with(plans[row].part), text_out, size);
	return strstr(text_out, plans[row].uses) != NULL &&
	       !is_scan(text_out, plans[row].may_scan) &&
	       (plans[row].may_sort || strstr(text_out, "B-TREE") == NULL);
}

#define PLANS (sizeof(plans) / sizeof(plans[0]))

static void check_plans(void)
{
	char text[1000];

	for (size_t i = 0; i < PLANS; i++)
		if (!is_as_planned(i, text, sizeof(text)))
			fail_msg("%s: %s", plans[i].part, text);
}

static void fill_with_waits(void)
{
	run_sql(fixture.store,
	        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
	        " INSERT INTO conversation (id, created_at, updated_at) SELECT i, 0, 0 FROM n;"
	        "INSERT INTO wait (id, conversation, customer, started_at, started_by, due_at)"
	        " SELECT id, id, 'customer@example.org', id, 1,"
	        " CASE WHEN id % 1000 = 0 THEN NULL ELSE 1000000 + id END FROM conversation;");
}

/* All that asks for what is due, once. */
static void look_up(int64_t now)
{
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
	notices_free(take(fixture.store, now, 1), 1);
}

static void begin_notices(void)
{
	const struct passed_level held = {
		.wait = 50002, .due_at = 2000, .recipient = JANE, .not_before = 9000};

	OK(store_create_notices(fixture.store, &held, 1, NULL, 0, 2000, in_five_seconds(), err));
	pass(fixture.store, 50001, 0, JANE, 2000);
}

static void many_running_waits_are_looked_up_by_index(void **state)
{
	(void)state;
	fill_with_waits();
	begin_notices();
	look_up(2000);
	check_plans();
	/* What ANALYZE knows of these tables must not lead astray. */
	run_sql(fixture.store, "ANALYZE");
	look_up(2100);
	check_plans();
}

/* The plans above are no accident: each row finds out that its index is gone. */
static void a_lost_index_is_noticed(void **state)
{
	static const char *const indexes[] = {"wait_due", "notice_by_state", "alert_by_notice"};

	(void)state;
	fill_with_waits();
	begin_notices();
	look_up(2000);
	check_plans();
	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
		char text[1000], drop[60];
		size_t noticed = 0;

		snprintf(drop, sizeof(drop), "DROP INDEX %s", indexes[i]);
		run_sql(fixture.store, drop);
		for (size_t row = 0; row < PLANS; row++) {
			if (strstr(plans[row].uses, indexes[i]) == NULL)
				continue;
			if (is_as_planned(row, text, sizeof(text)))
				fail_msg("without %s: %s: %s", indexes[i], plans[row].part, text);
			noticed++;
		}
		assert_true(noticed > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_running_waits_are_looked_up_by_index, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(a_lost_index_is_noticed, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
