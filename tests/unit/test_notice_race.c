#include "tests/unit/alert_fixture.h"

#include <sys/wait.h>

#define NOW 5000

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

enum { WAITS = 60, CHUNK = 5, SCHEDULERS = 2 };

/* Tell Jane and the boss of the first level of these waits, each in one notice. */
static int create_chunk(struct store *store, const struct planned_wait *due)
{
	struct passed_level levels[2 * CHUNK];
	struct planned_wait moved[CHUNK];
	struct error err = {0};

	for (size_t i = 0; i < CHUNK; i++) {
		levels[2 * i] = (struct passed_level){due[i].wait, 0, NOW, JANE, 0, 0};
		levels[2 * i + 1] = (struct passed_level){due[i].wait, 0, NOW, BOSS, 1, 0};
		moved[i] =
			(struct planned_wait){.wait = due[i].wait, .level = 1, .due_at = DUE_NEVER};
	}
	if (store_create_notices(store, levels, 2 * CHUNK, moved, CHUNK, NOW, in_five_seconds(),
	                         &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.text);
	return -1;
}

/* Take two, and say which to the parent. The number of them, or -1. */
static int take_and_tell(struct store *store, int fd)
{
	struct notice *notices;
	struct error err = {0};
	size_t count;
	int status = 0;

	if (store_take_notices(store, NOW, 3600, 2, &notices, &count, in_five_seconds(), &err) <
	    0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	for (size_t i = 0; i < count && status == 0; i++)
		if (notices[i].attempts != 1 ||
		    write(fd, &notices[i].id, sizeof(notices[i].id)) != sizeof(notices[i].id))
			status = -1;
	notices_free(notices, count);
	return status < 0 ? -1 : (int)count;
}

/* One that saw all these due before any other began; the end of the pipe starts them as one. */
static int schedule(const struct planned_wait *due, int start_fd, int result_fd)
{
	struct error err = {0};
	struct store *store = store_open(fixture.path, STORE_WRITE, &err);
	int taken = 1;
	char c;

	if (store == NULL || read(start_fd, &c, 1) != 0)
		return 2;
	for (size_t i = 0; i < WAITS && taken >= 0; i += CHUNK)
		if (create_chunk(store, &due[i]) < 0)
			taken = -1;
		else
			taken = take_and_tell(store, result_fd);
	while (taken > 0)
		taken = take_and_tell(store, result_fd);
	store_close(store);
	return taken < 0 ? 1 : 0;
}

static void run_schedulers(int result_fd)
{
	pid_t children[SCHEDULERS];
	struct planned_wait *due;
	size_t count;
	int start[2];

	OK(store_list_due(fixture.store, NOW, WAITS + 1, &due, &count, err));
	assert_int_equal(count, WAITS);
	/* a child may not inherit what its parent has of SQLite */
	store_close(fixture.store);
	fixture.store = NULL;
	assert_int_equal(pipe(start), 0);
	for (int i = 0; i < SCHEDULERS; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			close(start[1]);
			_exit(schedule(due, start[0], result_fd));
		}
	}
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < SCHEDULERS; i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	planned_waits_free(due, count);
	fixture_open(&fixture);
}

static void two_schedulers_tell_each_once(void **state)
{
	int64_t taken[4 * WAITS];
	size_t count = 0;
	int result[2];

	(void)state;
	for (int i = 0; i < WAITS; i++) {
		char msgid[16];

		snprintf(msgid, sizeof(msgid), "<%d@x>", i);
		plan(fixture.store, ask(fixture.store, msgid, CUSTOMER, 0, 1000).wait, 0, 2000);
	}
	assert_int_equal(pipe(result), 0);
	run_schedulers(result[1]);
	close(result[1]);
	while (count < 4 * WAITS &&
	       read(result[0], &taken[count], sizeof(taken[count])) == sizeof(taken[count]))
		count++;
	close(result[0]);

	assert_int_equal(count, 2 * WAITS / CHUNK);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(taken[i], taken[j]);
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM notice"), 2 * WAITS / CHUNK);
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM alert"), 2 * WAITS);
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM (SELECT notice FROM alert"
	                                       " GROUP BY notice HAVING count(*) = 5)"),
	                 2 * WAITS / CHUNK);
	notices_free(take(fixture.store, NOW + 3599, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_schedulers_tell_each_once, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
