#include "tests/unit/store_fixture.h"

#include <sys/file.h>
#include <sys/wait.h>

#include "lib/store/inbox.h"

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

struct known {
	const char *uidl;
	enum uidl_state state;
	int64_t done_at;
};

static int try_to_add(struct store *store, const char *account, const struct known *known,
                      size_t count, int64_t deadline_ms, struct error *err)
{
	struct uidl_row *rows = calloc(count, sizeof(*rows));
	int status;

	assert_non_null(rows);
	for (size_t i = 0; i < count; i++)
		rows[i] =
			(struct uidl_row){(char *)known[i].uidl, known[i].state, known[i].done_at};
	status = store_add_uidls(store, account, rows, count, deadline_ms, err);
	free(rows);
	return status;
}

static void add(const char *account, const struct known *known, size_t count)
{
	struct error err = {0};

	if (try_to_add(fixture.store, account, known, count, in_five_seconds(), &err) < 0)
		fail_msg("%s", err.text);
}

static void add_one(const char *account, const char *uidl, enum uidl_state state, int64_t at)
{
	const struct known known = {uidl, state, at};

	add(account, &known, 1);
}

/* The UIDLs of an account are these, in this order. */
static void expect(const char *account, const struct known *rows, size_t count)
{
	struct error err = {0};
	struct uidl_row *found;
	size_t found_count;

	if (store_list_uidls(fixture.store, account, &found, &found_count, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(found_count, count);
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(found[i].uidl, rows[i].uidl);
		assert_int_equal(found[i].state, rows[i].state);
		assert_int_equal(found[i].done_at, rows[i].done_at);
	}
	uidl_rows_free(found, found_count);
}

static void uidls_come_back_in_the_order_of_their_bytes(void **state)
{
	static const struct known rows[] = {{"b", UIDL_REFUSED, 4},
	                                    {"a2", UIDL_SKIPPED, 2},
	                                    {"\xc3\xa4", UIDL_DELIVERED, 5},
	                                    {"A", UIDL_TOO_LARGE, 1},
	                                    {"a10", UIDL_DELIVERED, 3}};
	static const struct known sorted[] = {{"A", UIDL_TOO_LARGE, 1},
	                                      {"a10", UIDL_DELIVERED, 3},
	                                      {"a2", UIDL_SKIPPED, 2},
	                                      {"b", UIDL_REFUSED, 4},
	                                      {"\xc3\xa4", UIDL_DELIVERED, 5}};

	(void)state;
	add("Sales", rows, 5);
	expect("Sales", sorted, 5);
}

static void accounts_do_not_share_uidls(void **state)
{
	static const struct known sales = {"1", UIDL_DELIVERED, 10};
	static const struct known support = {"1", UIDL_SKIPPED, 20};

	(void)state;
	add("Sales", &sales, 1);
	add("Support", &support, 1);
	expect("Sales", &sales, 1);
	expect("Support", &support, 1);
	expect("sales", NULL, 0);
}

static const struct change {
	const char *name; /* and the account */
	enum uidl_state before, after, kept;
} changes[] = {
	{"what was skipped may be delivered later", UIDL_SKIPPED, UIDL_DELIVERED, UIDL_DELIVERED},
	{"what was refused may be too large later", UIDL_REFUSED, UIDL_TOO_LARGE, UIDL_TOO_LARGE},
	{"what was delivered stays delivered", UIDL_DELIVERED, UIDL_REFUSED, UIDL_DELIVERED},
	{"what was delivered keeps its time", UIDL_DELIVERED, UIDL_DELIVERED, UIDL_DELIVERED},
};

static void a_uidl_has_one_row_and_delivered_is_final(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct change *row = &changes[i];
		const struct known kept = {"same", row->kept,
		                           row->before == UIDL_DELIVERED ? 100 : 200};

		add_one(row->name, "same", row->before, 100);
		add_one(row->name, "same", row->after, 200);
		expect(row->name, &kept, 1);
	}
}

static void a_uidl_that_cannot_be_kept_whole_is_refused_with_its_batch(void **state)
{
	char text[UIDL_MAX_BYTES + 2];
	struct known rows[] = {{"before", UIDL_DELIVERED, 1}, {text, UIDL_DELIVERED, 2}};
	struct error err = {0};

	(void)state;
	memset(text, 'u', sizeof(text));
	text[UIDL_MAX_BYTES + 1] = '\0';
	assert_int_equal(try_to_add(fixture.store, "Sales", rows, 2, in_five_seconds(), &err), -1);
	assert_int_equal(err.kind, ERROR_PERMANENT);
	expect("Sales", NULL, 0);

	text[0] = '\0';
	assert_int_equal(try_to_add(fixture.store, "Sales", rows, 2, in_five_seconds(), &err), -1);
	assert_int_equal(err.kind, ERROR_PERMANENT);
	expect("Sales", NULL, 0);

	text[0] = 'u';
	text[UIDL_MAX_BYTES] = '\0';
	add("Sales", rows, 2);
	expect("Sales", rows, 2);
}

static void what_the_server_no_longer_has_is_forgotten(void **state)
{
	static const char *const gone[] = {"1", "3", "never seen"};
	static const struct known left = {"2", UIDL_DELIVERED, 1};
	static const struct known other = {"1", UIDL_DELIVERED, 1};
	struct error err = {0};

	(void)state;
	add_one("Sales", "1", UIDL_DELIVERED, 1);
	add_one("Sales", "2", UIDL_DELIVERED, 1);
	add_one("Sales", "3", UIDL_SKIPPED, 1);
	add("Support", &other, 1);
	assert_int_equal(
		store_forget_uidls(fixture.store, "Sales", gone, 3, in_five_seconds(), &err), 0);
	expect("Sales", &left, 1);
	expect("Support", &other, 1);
}

static void a_long_list_comes_back_whole(void **state)
{
	enum { COUNT = 45000, BYTES = 9 };
	struct known *rows = calloc(COUNT, sizeof(*rows));
	char *text = malloc((size_t)COUNT * BYTES);

	(void)state;
	assert_non_null(rows);
	assert_non_null(text);
	for (int i = 0; i < COUNT; i++) {
		snprintf(text + i * BYTES, BYTES, "%08d", i);
		rows[i].uidl = text + i * BYTES;
		rows[i].done_at = i;
	}
	add("Sales", rows, COUNT);
	expect("Sales", rows, COUNT);
	add("Support", rows, 40000);
	expect("Support", rows, 40000);
	free(rows);
	free(text);
}

static void a_reader_lists_but_does_not_record(void **state)
{
	static const struct known row = {"1", UIDL_DELIVERED, 1};
	struct store *writer = fixture.store, *reader;
	struct error err = {0};

	(void)state;
	add("Sales", &row, 1);
	reader = store_open(fixture.path, STORE_READ, &err);
	assert_non_null(reader);
	fixture.store = reader;
	expect("Sales", &row, 1);
	assert_int_equal(try_to_add(reader, "Sales", &row, 1, in_five_seconds(), &err), -1);
	assert_int_equal(err.kind, ERROR_PERMANENT);
	fixture.store = writer;
	store_close(reader);
}

static void what_was_added_survives_the_death_of_its_process(void **state)
{
	static const struct known row = {"1", UIDL_DELIVERED, 7};
	int status;
	pid_t child;

	(void)state;
	store_close(fixture.store);
	fixture.store = NULL;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct error err = {0};
		struct store *store = store_open(fixture.path, STORE_WRITE, &err);

		if (store == NULL ||
		    try_to_add(store, "Sales", &row, 1, in_five_seconds(), &err) < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	fixture_open(&fixture);
	expect("Sales", &row, 1);
}

static void a_busy_lock_is_a_temporary_failure(void **state)
{
	static const struct known row = {"1", UIDL_DELIVERED, 7};
	struct error err = {0};
	int fd = open(fixture.lock_path, O_RDONLY);

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(try_to_add(fixture.store, "Sales", &row, 1, store_clock_ms() + 5, &err),
	                 -1);
	assert_int_equal(err.kind, ERROR_TEMPORARY);
	close(fd);
	expect("Sales", NULL, 0);
}

static void put(const struct inbox_row *row)
{
	struct error err = {0};

	if (store_put_inbox(fixture.store, row, in_five_seconds(), &err) < 0)
		fail_msg("%s", err.text);
}

static void a_poll_replaces_the_one_before_and_adds_what_it_delivered(void **state)
{
	struct inbox_row failed = {(char *)"Sales", 1, 2, 3, 4, 5, 6, 7, (char *)"cannot connect"};
	struct inbox_row good = {(char *)"Sales", 11, 12, 13, 0, 0, 16, 17, NULL};
	struct inbox_row other = {(char *)"Archive", 21, 0, 0, 0, 0, 0, 0, NULL};
	struct error err = {0};
	struct inbox_row *rows;
	size_t count;

	(void)state;
	put(&failed);
	assert_int_equal(store_list_inboxes(fixture.store, &rows, &count, &err), 0);
	assert_int_equal(count, 1);
	assert_string_equal(rows[0].account, "Sales");
	assert_int_equal(rows[0].polled_at, 1);
	assert_int_equal(rows[0].succeeded_at, 2);
	assert_int_equal(rows[0].next_poll_at, 3);
	assert_int_equal(rows[0].failure_count, 4);
	assert_int_equal(rows[0].backlog, 5);
	assert_int_equal(rows[0].on_server, 6);
	assert_int_equal(rows[0].delivered_total, 7);
	assert_string_equal(rows[0].error, "cannot connect");
	inbox_rows_free(rows, count);

	put(&good);
	put(&other);
	assert_int_equal(store_list_inboxes(fixture.store, &rows, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(rows[0].account, "Archive");
	assert_string_equal(rows[1].account, "Sales");
	assert_int_equal(rows[1].polled_at, 11);
	assert_int_equal(rows[1].succeeded_at, 12);
	assert_int_equal(rows[1].next_poll_at, 13);
	assert_int_equal(rows[1].failure_count, 0);
	assert_int_equal(rows[1].backlog, 0);
	assert_int_equal(rows[1].on_server, 16);
	assert_int_equal(rows[1].delivered_total, 24);
	assert_null(rows[1].error);
	inbox_rows_free(rows, count);
}

static void a_poll_without_an_account_is_refused(void **state)
{
	const struct inbox_row nameless = {.account = NULL},
			       negative = {(char *)"Sales", .backlog = -1};
	struct error err = {0};

	(void)state;
	assert_int_equal(store_put_inbox(fixture.store, &nameless, in_five_seconds(), &err), -1);
	assert_int_equal(err.kind, ERROR_PERMANENT);
	assert_int_equal(store_put_inbox(fixture.store, &negative, in_five_seconds(), &err), -1);
	assert_int_equal(err.kind, ERROR_PERMANENT);
	/* and the lock is free again */
	add_one("Sales", "1", UIDL_DELIVERED, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(uidls_come_back_in_the_order_of_their_bytes),
		TEST(accounts_do_not_share_uidls),
		TEST(a_uidl_has_one_row_and_delivered_is_final),
		TEST(a_uidl_that_cannot_be_kept_whole_is_refused_with_its_batch),
		TEST(what_the_server_no_longer_has_is_forgotten),
		TEST(a_long_list_comes_back_whole),
		TEST(a_reader_lists_but_does_not_record),
		TEST(what_was_added_survives_the_death_of_its_process),
		TEST(a_busy_lock_is_a_temporary_failure),
		TEST(a_poll_replaces_the_one_before_and_adds_what_it_delivered),
		TEST(a_poll_without_an_account_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
