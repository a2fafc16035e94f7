#include "tests/unit/store_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "lib/store/query.h"

/*
 * A writer is killed while it records: what it had acknowledged is there, and
 * the file is whole.  (The kernel survives, so this shows the order of writes, not the fsync.)
 */

enum { ROUNDS = 10, BATCH = 8, ACKNOWLEDGED_AT_LEAST = 100 };

/* Records batches without end and writes the number of the last message of each. */
static void write_until_killed(const char *path, int fd, int first)
{
	static const char *const counted[] = {"customer@example.org"};
	struct error err = {0};
	struct store *store = store_open(path, STORE_WRITE, &err);

	for (int number = first; store != NULL; number += BATCH) {
		char msgids[BATCH][32], senders[BATCH][32];
		struct record records[BATCH];
		const struct record *batch[BATCH];
		struct recorded recorded[BATCH];
		int last = number + BATCH - 1;

		for (int i = 0; i < BATCH; i++) {
			snprintf(msgids[i], sizeof(msgids[i]), "<%d@example.org>", number + i);
			records[i] = record_of(msgids[i], 1000 + number + i);
			/* Each from another, since one who writes so fast is capped. */
			snprintf(senders[i], sizeof(senders[i]), "%d@example.org", number + i);
			records[i].from = senders[i];
			records[i].account = "Sales";
			records[i].counted = counted;
			records[i].counted_count = 1;
			records[i].daily_limit = 1000000;
			records[i].daily_limit_warn = 90;
			batch[i] = &records[i];
		}
		if (store_record(store, batch, recorded, BATCH, in_five_seconds(), &err) < 0 ||
		    write(fd, &last, sizeof(last)) != sizeof(last) ||
		    store_checkpoint(store, 50, false, &err) < 0)
			break;
		for (int i = 0; i < BATCH; i++)
			recorded_release(&recorded[i]);
	}
	fprintf(stderr, "%s\n", err.text);
	_exit(1);
}

/* Returns the last number that was acknowledged before the kill. */
static int run_and_kill(const char *path, int first)
{
	int acks[2], last = -1, status;
	pid_t child;

	assert_int_equal(pipe(acks), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(acks[0]);
		write_until_killed(path, acks[1], first);
	}
	close(acks[1]);
	while (last < first + ACKNOWLEDGED_AT_LEAST)
		if (read(acks[0], &last, sizeof(last)) != sizeof(last))
			fail_msg("the writer ended by itself");
	kill(child, SIGKILL);
	while (read(acks[0], &last, sizeof(last)) == sizeof(last))
		;
	close(acks[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	return last;
}

static void check_whole(const char *path, int last, int64_t *message_count_out)
{
	struct error err = {0};
	struct store *store = store_open(path, STORE_WRITE, &err);
	struct statement check;
	int64_t found, joined;
	char *verdict;

	assert_non_null(store);
	statement_begin(&check, store, "PRAGMA quick_check");
	assert_int_equal(statement_step(&check, &err), 1);
	verdict = column_copy(&check, 0);
	assert_string_equal(verdict, "ok");
	free(verdict);
	statement_end(&check);

	statement_begin(&check, store,
	                "SELECT count(*) FROM message"
	                " WHERE received_at BETWEEN 1000 AND 1000 + ?1");
	bind_int(&check, 1, last);
	assert_int_equal(statement_step(&check, &err), 1);
	assert_int_equal(column_int(&check, 0), last + 1);
	statement_end(&check);

	/* of each batch all or nothing, and of each message every row */
	assert_int_equal(read_number(store, "SELECT count(*) FROM message", &found, &err), 0);
	assert_int_equal(found % BATCH, 0);
	assert_int_equal(read_number(store,
	                             "SELECT count(*) FROM message m"
	                             " JOIN conversation c ON c.id = m.conversation"
	                             " JOIN wait w ON w.started_by = m.id"
	                             " JOIN delivery d ON d.message = m.id"
	                             " JOIN message_id i ON i.msgid = m.msgid",
	                             &joined, &err),
	                 0);
	assert_int_equal(joined, found);
	count_is(store, "SELECT sum(count) FROM account_day", found);
	count_is(store, "SELECT count(*) FROM recipient WHERE is_counted", found);
	assert_int_equal(read_number(store, "SELECT count(*) FROM account_day WHERE count >= 90",
	                             &joined, &err),
	                 0);
	count_is(store, "SELECT count(*) FROM letter WHERE kind = 'limit-near'", joined);
	*message_count_out = found;
	store_close(store);
}

static void a_killed_writer_loses_nothing_it_acknowledged(void **state)
{
	struct fixture fixture;
	int64_t message_count = 0;

	(void)state;
	fixture_begin(&fixture);
	for (int round = 0; round < ROUNDS; round++) {
		int last = run_and_kill(fixture.path, (int)message_count);

		check_whole(fixture.path, last, &message_count);
		assert_true(message_count > last);
	}
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_killed_writer_loses_nothing_it_acknowledged),
	};

	return cmocka_run_group_tests_name("store crash", tests, NULL, NULL);
}
