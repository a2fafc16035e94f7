#include "tests/unit/alert_fixture.h"

#include <sys/wait.h>

/* What people do to a conversation: by command, and by the links of an alert. */

#define NOW ((int64_t)100000)
#define DAY ((int64_t)86400)

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

/* The owner of a conversation as it is now. */
static void owner_is(int64_t conversation, const char *owner, bool is_pinned)
{
	struct conversation_row row;
	struct error err = {0};

	assert_int_equal(store_get_conversation(fixture.store, conversation, &row, &err), 1);
	assert_int_equal(row.is_owner_pinned, is_pinned);
	if (owner == NULL)
		assert_null(row.owner);
	else
		assert_string_equal(row.owner, owner);
	conversation_row_release(&row);
}

static int64_t snoozed_until(int64_t conversation)
{
	return number_of(fixture.store, "SELECT snoozed_until FROM conversation WHERE id = ?1",
	                 conversation);
}

static int64_t running(int64_t conversation)
{
	return number_of(fixture.store,
	                 "SELECT count(*) FROM wait WHERE conversation = ?1 AND ended_at IS NULL",
	                 conversation);
}

static void snooze(int64_t conversation, int64_t until)
{
	OK(store_snooze(fixture.store, conversation, until, NOW, in_five_seconds(), err));
}

static void assign(int64_t conversation, const char *owner)
{
	OK(store_assign(fixture.store, conversation, owner, NOW, in_five_seconds(), err));
}

/* The notice of level 0 of a wait for a recipient, created at `now`. */
static int64_t notice_about(int64_t wait, const char *recipient, int64_t now)
{
	pass(fixture.store, wait, 0, recipient, now);
	return number_of(fixture.store, "SELECT max(notice) FROM alert WHERE wait = ?1", wait);
}

static enum care_result act(enum action action, int64_t notice, const char *by, int64_t now)
{
	struct care_outcome outcome;

	OK(store_do_action(fixture.store, NULL, action, notice, by, now, in_five_seconds(),
	                   &outcome, err));
	return outcome.result;
}

static void a_close_ends_the_waits_for_good(void **state)
{
	struct waiting first = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct waiting other = ask(fixture.store, "<2@x>", OTHER, first.conversation, 1100);
	struct waiting answered = ask(fixture.store, "<3@x>", CUSTOMER, 0, 1000);
	struct wait_row *waits;
	size_t count;

	(void)state;
	plan(fixture.store, first.wait, 2, 2000);
	answer(fixture.store, "<a@x>", answered.conversation, 1500);
	OK(store_set_closed(fixture.store, NULL, first.conversation, true, NOW, in_five_seconds(),
	                    err));
	assert_int_equal(running(first.conversation), 0);
	OK(store_list_waits(fixture.store, first.conversation, &waits, &count, err));
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(waits[i].ended_at, NOW);
		assert_int_equal(waits[i].ended_by, 0);
		assert_string_equal(waits[i].end_reason, "closed");
	}
	wait_rows_free(waits, count);
	count_is(fixture.store,
	         "SELECT count(*) FROM wait WHERE ended_by IS NOT NULL"
	         " AND end_reason = 'answered'",
	         1);
	OK(store_set_closed(fixture.store, NULL, first.conversation, false, NOW, in_five_seconds(),
	                    err));
	assert_int_equal(running(first.conversation), 0);

	OK(store_set_closed(fixture.store, NULL, first.conversation, true, NOW, in_five_seconds(),
	                    err));
	first = ask(fixture.store, "<4@x>", CUSTOMER, first.conversation, 200000);
	assert_int_equal(running(first.conversation), 1);
	assert_int_equal(number_of(fixture.store,
	                           "SELECT level FROM wait WHERE id = ?1 AND"
	                           " started_at = 200000 AND due_at IS NULL",
	                           first.wait),
	                 0);
	assert_int_not_equal(first.wait, other.wait);
}

static void a_close_before_the_wait_began_ends_it_then(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, NOW + 5);

	(void)state;
	OK(store_set_closed(fixture.store, NULL, waiting.conversation, true, NOW, in_five_seconds(),
	                    err));
	assert_int_equal(
		number_of(fixture.store, "SELECT ended_at FROM wait WHERE id = ?1", waiting.wait),
		NOW + 5);
}

/* The bounce of an answer makes its wait run again: it is answered no more. */
static void a_wait_that_resumes_has_no_reason_to_have_ended(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);

	(void)state;
	answer(fixture.store, "<a@x>", waiting.conversation, 1500);
	bounce(fixture.store, "<b@x>", "<a@x>", waiting.conversation, 1600);
	count_is(fixture.store,
	         "SELECT count(*) FROM wait WHERE ended_at IS NULL AND end_reason IS NULL", 1);
}

static void a_snooze_puts_levels_off_and_ends_with_close_reopen_and_assign(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct planned_wait *waits;
	size_t count;

	(void)state;
	plan(fixture.store, waiting.wait, 1, 2000);
	snooze(waiting.conversation, NOW + DAY);
	OK(store_list_unplanned(fixture.store, 10, &waits, &count, err));
	assert_int_equal(count, 1);
	assert_int_equal(waits[0].level, 1);
	assert_int_equal(waits[0].snoozed_until, NOW + DAY);
	planned_waits_free(waits, count);

	ask(fixture.store, "<2@x>", CUSTOMER, waiting.conversation, 1200);
	answer(fixture.store, "<a@x>", waiting.conversation, 1500);
	assert_int_equal(snoozed_until(waiting.conversation), NOW + DAY);

	set_closed(fixture.store, waiting.conversation, true);
	assert_int_equal(snoozed_until(waiting.conversation), 0);
	snooze(waiting.conversation, NOW + DAY);
	set_closed(fixture.store, waiting.conversation, false);
	assert_int_equal(snoozed_until(waiting.conversation), 0);
	snooze(waiting.conversation, NOW + DAY);
	assign(waiting.conversation, NULL);
	assert_int_equal(snoozed_until(waiting.conversation), NOW + DAY);
	assign(waiting.conversation, BOSS);
	assert_int_equal(snoozed_until(waiting.conversation), 0);
	snooze(waiting.conversation, NOW + DAY);
	snooze(waiting.conversation, 0);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE snoozed_until IS NULL", 1);
}

/* The scheduler saw it due, then somebody snoozed it. */
static void what_is_snoozed_meanwhile_is_not_told(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);

	(void)state;
	plan(fixture.store, waiting.wait, 0, 2000);
	snooze(waiting.conversation, NOW + DAY);
	pass(fixture.store, waiting.wait, 0, JANE, NOW);
	count_is(fixture.store, "SELECT count(*) FROM notice", 0);
	count_is(fixture.store, "SELECT count(*) FROM wait WHERE level = 0 AND due_at IS NULL", 1);
	pass(fixture.store, waiting.wait, 0, JANE, NOW + DAY);
	count_is(fixture.store, "SELECT count(*) FROM notice", 1);
}

static void what_was_closed_before_it_was_sent_is_never_told(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct notice *notices;

	(void)state;
	pass(fixture.store, waiting.wait, 0, JANE, 2000);
	set_closed(fixture.store, waiting.conversation, true);
	notices = take(fixture.store, NOW, 1);
	assert_false(notices[0].items[0].is_running);
	OK(store_end_notice(fixture.store, notices[0].id, NOTICE_DROPPED, NOW, in_five_seconds(),
	                    err));
	notices_free(notices, 1);
	set_closed(fixture.store, waiting.conversation, false);
	assert_true(next_due(fixture.store) == DUE_NEVER);
}

static void an_owner_who_was_assigned_stays(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);

	(void)state;
	owner_is(waiting.conversation, NULL, false);
	assign(waiting.conversation, BOSS);
	answer(fixture.store, "<a@x>", waiting.conversation, 1500);
	owner_is(waiting.conversation, BOSS, true);
	assign(waiting.conversation, NULL);
	owner_is(waiting.conversation, BOSS, false);
	ask(fixture.store, "<2@x>", CUSTOMER, waiting.conversation, 1600);
	answer(fixture.store, "<b@x>", waiting.conversation, 1700);
	owner_is(waiting.conversation, JANE, false);
}

static void what_is_not_there_cannot_be_changed(void **state)
{
	struct error err = {0};

	(void)state;
	assert_int_equal(
		store_set_closed(fixture.store, NULL, 1, true, NOW, in_five_seconds(), &err), 0);
	assert_int_equal(store_snooze(fixture.store, 1, NOW, NOW, in_five_seconds(), &err), 0);
	assert_int_equal(store_assign(fixture.store, 1, JANE, NOW, in_five_seconds(), &err), 0);
	assert_int_equal(store_assign(fixture.store, 1, NULL, NOW, in_five_seconds(), &err), 0);
}

static void each_link_does_what_it_says_once(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	int64_t notice = notice_about(waiting.wait, JANE, NOW);

	(void)state;
	assert_int_equal(act(ACTION_SNOOZE, notice, JANE, NOW + 10), CARE_DONE);
	assert_int_equal(snoozed_until(waiting.conversation), NOW + 10 + DAY);
	assert_int_equal(act(ACTION_SNOOZE, notice, JANE, NOW + 20), CARE_USED);
	assert_int_equal(snoozed_until(waiting.conversation), NOW + 10 + DAY);

	assert_int_equal(act(ACTION_TAKE_OVER, notice, JANE, NOW + 30), CARE_DONE);
	owner_is(waiting.conversation, JANE, true);
	assert_int_equal(snoozed_until(waiting.conversation), 0);
	assert_int_equal(act(ACTION_TAKE_OVER, notice, BOSS, NOW + 40), CARE_USED);
	owner_is(waiting.conversation, JANE, true);

	assert_int_equal(running(waiting.conversation), 1);
	assert_int_equal(act(ACTION_CLOSE, notice, JANE, NOW + 50), CARE_DONE);
	assert_int_equal(running(waiting.conversation), 0);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE state = 'closed'", 1);
	set_closed(fixture.store, waiting.conversation, false);
	assert_int_equal(act(ACTION_CLOSE, notice, JANE, NOW + 60), CARE_USED);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE state = 'closed'", 0);
	count_is(fixture.store, "SELECT count(*) FROM action_done WHERE done_by = '" JANE "'", 3);
	count_is(fixture.store, "SELECT done_at FROM action_done WHERE action = 'take-over'",
	         NOW + 30);
}

static void an_old_link_does_nothing(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	int64_t notice = notice_about(waiting.wait, JANE, NOW);

	(void)state;
	assert_int_equal(act(ACTION_SNOOZE, notice, JANE, NOW + 30 * DAY + 1), CARE_OLD);
	assert_int_equal(snoozed_until(waiting.conversation), 0);
	count_is(fixture.store, "SELECT count(*) FROM action_done", 0);
	assert_int_equal(act(ACTION_CLOSE, notice, JANE, NOW + 30 * DAY), CARE_DONE);
}

static void a_notice_of_several_or_of_nothing_has_no_links(void **state)
{
	struct waiting one = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct waiting two = ask(fixture.store, "<2@x>", OTHER, 0, 1000);
	const struct passed_level levels[] = {
		{.wait = one.wait, .level = 0, .recipient = JANE},
		{.wait = one.wait, .level = 1, .recipient = JANE},
		{.wait = two.wait, .level = 0, .recipient = JANE},
	};
	struct notice *notices;
	int64_t notice;

	(void)state;
	assert_int_equal(act(ACTION_CLOSE, 4711, JANE, NOW), CARE_ABSENT);
	OK(store_create_notices(fixture.store, levels, 3, NULL, 0, NOW, in_five_seconds(), err));
	notice = number(fixture.store, "SELECT max(id) FROM notice");
	assert_int_equal(act(ACTION_CLOSE, notice, JANE, NOW), CARE_SEVERAL);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE state = 'closed'", 0);

	/* One was answered before it was sent: the mail tells of the other alone, and has links. */
	set_closed(fixture.store, two.conversation, true);
	notices = take(fixture.store, NOW, 1);
	notices_free(notices, 1);
	assert_int_equal(act(ACTION_CLOSE, notice, JANE, NOW), CARE_DONE);
	assert_int_equal(running(one.conversation), 0);
}

static void what_would_be_in_vain_is_said(void **state)
{
	struct waiting closed = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct waiting answered = ask(fixture.store, "<2@x>", CUSTOMER, 0, 1000);
	int64_t of_closed = notice_about(closed.wait, JANE, NOW);
	int64_t of_answered = notice_about(answered.wait, JANE, NOW);

	(void)state;
	set_closed(fixture.store, closed.conversation, true);
	answer(fixture.store, "<a@x>", answered.conversation, NOW + 5);
	assert_int_equal(act(ACTION_CLOSE, of_closed, JANE, NOW + 9), CARE_CLOSED);
	assert_int_equal(act(ACTION_SNOOZE, of_closed, JANE, NOW + 9), CARE_CLOSED);
	assert_int_equal(act(ACTION_SNOOZE, of_answered, JANE, NOW + 9), CARE_ENDED);
	count_is(fixture.store, "SELECT count(*) FROM action_done", 0);
	count_is(fixture.store, "SELECT count(*) FROM conversation WHERE snoozed_until IS NOT NULL",
	         0);
	assert_int_equal(act(ACTION_TAKE_OVER, of_closed, BOSS, NOW + 9), CARE_DONE);
	owner_is(closed.conversation, BOSS, true);
	/* Of what is asked anew that alert did not tell. */
	ask(fixture.store, "<3@x>", CUSTOMER, answered.conversation, NOW + 6);
	assert_int_equal(act(ACTION_CLOSE, of_answered, JANE, NOW + 9), CARE_NEWER);
	assert_int_equal(running(answered.conversation), 1);
	answer(fixture.store, "<b@x>", answered.conversation, NOW + 7);
	assert_int_equal(act(ACTION_CLOSE, of_answered, JANE, NOW + 9), CARE_DONE);
}

/* Mail as the milter records it. */
static struct record action_mail(const char *msgid, enum action action, int64_t notice)
{
	struct record record = {.is_action = true,
	                        .action = action,
	                        .notice = notice,
	                        .from = JANE,
	                        .received_at = NOW,
	                        .has_copy_keys = msgid != NULL};

	record_key(record.key, msgid, JANE, "today", DIRECTION_INTERNAL, NULL, NULL, 0);
	return record;
}

static int recorded_as(const struct record *record)
{
	struct recorded recorded;

	record_ok(fixture.store, record, &recorded);
	assert_int_equal(recorded.status == 0, recorded.care.result == CARE_DONE);
	recorded_release(&recorded);
	return recorded.status == 0 ? CARE_DONE : (int)recorded.care.result;
}

static void a_mail_that_comes_again_is_no_second_use(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	int64_t notice = notice_about(waiting.wait, JANE, NOW);
	struct record first = action_mail("<m1@x>", ACTION_SNOOZE, notice);
	struct record second = action_mail("<m2@x>", ACTION_SNOOZE, notice);
	struct record nameless = action_mail(NULL, ACTION_CLOSE, notice);
	int64_t messages = number(fixture.store, "SELECT count(*) FROM message");

	(void)state;
	assert_int_equal(recorded_as(&first), CARE_DONE);
	snooze(waiting.conversation, 0);
	assert_int_equal(recorded_as(&first), CARE_DONE);
	assert_int_equal(snoozed_until(waiting.conversation), 0);
	assert_int_equal(recorded_as(&second), CARE_USED);
	assert_int_equal(recorded_as(&nameless), CARE_DONE);
	assert_int_equal(recorded_as(&nameless), CARE_USED);
	count_is(fixture.store, "SELECT count(*) FROM message", messages);
}

/* In a batch with other mail, each has what it asked for. */
static void actions_are_recorded_beside_messages(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	int64_t notice = notice_about(waiting.wait, JANE, NOW);
	struct record in_vain = action_mail("<m1@x>", ACTION_CLOSE, 4711);
	struct record close = action_mail("<m2@x>", ACTION_CLOSE, notice);
	struct record message = record_of("<2@x>", NOW + 1);
	const struct record *const batch[] = {&in_vain, &close, &message};
	struct recorded results[3];

	(void)state;
	message.match.token_conversation = waiting.conversation;
	message.reopens = true;
	OK(store_record(fixture.store, batch, results, 3, in_five_seconds(), err));
	assert_int_equal(results[0].status, RECORDED_IN_VAIN);
	assert_int_equal(results[0].care.result, CARE_ABSENT);
	assert_int_equal(results[1].status, 0);
	assert_int_equal(results[1].conversation, waiting.conversation);
	assert_int_equal(results[2].waits_started, 1);
	for (size_t i = 0; i < 3; i++)
		recorded_release(&results[i]);
	assert_int_equal(running(waiting.conversation), 1);
}

enum { RACERS = 4, LINKS = 25 };

/* Use every link as fast as it goes; how many were ours, as exit status. */
static int race(const int64_t *notices, int start_fd)
{
	struct error err = {0};
	struct store *store = store_open(fixture.path, STORE_WRITE, &err);
	int done = 0;
	char c;

	if (store == NULL || read(start_fd, &c, 1) != 0)
		return 99;
	for (size_t i = 0; i < LINKS; i++) {
		struct care_outcome outcome;

		if (store_do_action(store, NULL, ACTION_TAKE_OVER, notices[i], JANE, NOW,
		                    store_clock_ms() + 20000, &outcome, &err) < 0)
			return 99;
		done += outcome.result == CARE_DONE;
	}
	store_close(store);
	return done;
}

static void of_two_who_use_a_link_at_once_one_does(void **state)
{
	int64_t notices[LINKS];
	pid_t children[RACERS];
	int fds[2], done = 0;

	(void)state;
	for (int i = 0; i < LINKS; i++) {
		char msgid[20];

		snprintf(msgid, sizeof(msgid), "<%d@x>", i);
		notices[i] =
			notice_about(ask(fixture.store, msgid, CUSTOMER, 0, 1000).wait, JANE, NOW);
	}
	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < RACERS; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			close(fds[1]);
			_exit(race(notices, fds[0]));
		}
	}
	close(fds[0]);
	close(fds[1]);
	for (int i = 0; i < RACERS; i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= LINKS);
		done += WEXITSTATUS(status);
	}
	assert_int_equal(done, LINKS);
	count_is(fixture.store, "SELECT count(*) FROM action_done", LINKS);
}

static void none_of_it_visits_a_whole_table(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	int64_t notice = notice_about(waiting.wait, JANE, NOW);

	(void)state;
	assert_int_equal(act(ACTION_SNOOZE, notice, JANE, NOW), CARE_DONE);
	assert_int_equal(act(ACTION_TAKE_OVER, notice, JANE, NOW), CARE_DONE);
	assign(waiting.conversation, NULL);
	assert_int_equal(act(ACTION_CLOSE, notice, JANE, NOW), CARE_DONE);
	set_closed(fixture.store, waiting.conversation, false);
	assert_no_scans(fixture.store, "care");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_close_ends_the_waits_for_good),
		TEST(a_close_before_the_wait_began_ends_it_then),
		TEST(a_wait_that_resumes_has_no_reason_to_have_ended),
		TEST(a_snooze_puts_levels_off_and_ends_with_close_reopen_and_assign),
		TEST(what_is_snoozed_meanwhile_is_not_told),
		TEST(what_was_closed_before_it_was_sent_is_never_told),
		TEST(an_owner_who_was_assigned_stays),
		TEST(what_is_not_there_cannot_be_changed),
		TEST(each_link_does_what_it_says_once),
		TEST(an_old_link_does_nothing),
		TEST(a_notice_of_several_or_of_nothing_has_no_links),
		TEST(what_would_be_in_vain_is_said),
		TEST(a_mail_that_comes_again_is_no_second_use),
		TEST(actions_are_recorded_beside_messages),
		TEST(of_two_who_use_a_link_at_once_one_does),
		TEST(none_of_it_visits_a_whole_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
