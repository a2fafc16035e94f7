#include "tests/unit/alert_fixture.h"

#include "lib/store/care.h"

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

static void end_notice(int64_t notice, enum notice_end how)
{
	OK(store_end_notice(fixture.store, notice, how, NOW, in_five_seconds(), err));
}

static void take_none(int64_t now)
{
	notices_free(take(fixture.store, now, 0), 0);
}

/* Take the only notice there is; it has one item. */
static int64_t take_one(int64_t now, bool is_running)
{
	struct notice *notices = take(fixture.store, now, 1);
	int64_t id = notices[0].id;

	assert_int_equal(notices[0].item_count, 1);
	assert_int_equal(notices[0].items[0].is_running, is_running);
	notices_free(notices, 1);
	return id;
}

static void a_notice_says_who_waits_and_where(void **state)
{
	struct record record = record_of("<question@example.org>", 1000);
	struct recorded recorded;
	const struct notice_item *item;
	struct notice *notices;
	struct waiting first;

	(void)state;
	first = ask(fixture.store, "<old@example.org>", CUSTOMER, 0, 900);
	answer(fixture.store, "<answer@company.test>", first.conversation, 950);
	record.from = "Customer@Example.org";
	record.reply_to = "Answers@example.org";
	record.match.token_conversation = first.conversation;
	record_ok(fixture.store, &record, &recorded);
	recorded_release(&recorded);
	first.wait = number(fixture.store, "SELECT id FROM wait WHERE ended_at IS NULL");
	pass(fixture.store, first.wait, 2, JANE, 4000);

	notices = take(fixture.store, NOW, 1);
	assert_true(notices[0].id > 0);
	assert_string_equal(notices[0].recipient, JANE);
	assert_int_equal(notices[0].created_at, 4000);
	assert_int_equal(notices[0].attempts, 1);
	assert_int_equal(notices[0].item_count, 1);
	item = &notices[0].items[0];
	assert_int_equal(item->wait, first.wait);
	assert_int_equal(item->conversation, first.conversation);
	assert_int_equal(item->level, 2);
	assert_int_equal(item->due_at, 4000);
	assert_int_equal(item->started_at, 1000);
	assert_true(item->is_running);
	assert_string_equal(item->customer, CUSTOMER);
	assert_string_equal(item->reply_to, "answers@example.org");
	assert_string_equal(item->subject, "An offer");
	assert_string_equal(item->reference, "Sales Order SO-0001");
	assert_string_equal(item->owner, JANE);
	assert_string_equal(item->account, "Sales");
	assert_string_equal(item->msgid, "<question@example.org>");
	assert_null(item->text);
	notices_free(notices, 1);
}

static void the_text_is_the_newest_of_that_customer(void **state)
{
	static const struct {
		const char *msgid, *from, *text;
		enum direction direction;
		enum message_class class;
	} messages[] = {
		{"<1@x>", CUSTOMER, "the first", DIRECTION_IN, CLASS_HUMAN},
		{"<2@x>", "Customer@EXAMPLE.org", "the newest", DIRECTION_IN, CLASS_HUMAN},
		{"<3@x>", OTHER, "of somebody else", DIRECTION_IN, CLASS_HUMAN},
		{"<4@x>", CUSTOMER, "of his machine", DIRECTION_IN, CLASS_AUTO_REPLY},
		{"<5@x>", CUSTOMER, "forwarded by staff", DIRECTION_INTERNAL, CLASS_HUMAN},
	};
	int64_t conversation = 0;
	struct notice *notices;

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct record record = record_of(messages[i].msgid, 1000 + (int64_t)i);
		struct recorded recorded;

		record.from = messages[i].from;
		record.text = messages[i].text;
		record.direction = messages[i].direction;
		record.class = messages[i].class;
		record.starts_wait = i == 0;
		record.match.token_conversation = conversation;
		record_ok(fixture.store, &record, &recorded);
		conversation = recorded.conversation;
		recorded_release(&recorded);
	}
	pass(fixture.store, number(fixture.store, "SELECT id FROM wait"), 0, JANE, NOW);
	notices = take(fixture.store, NOW, 1);
	assert_string_equal(notices[0].items[0].text, "the newest");
	assert_string_equal(notices[0].items[0].msgid, "<1@x>");
	assert_null(notices[0].items[0].reply_to);
	notices_free(notices, 1);
}

static void a_digest_lists_the_longest_wait_first(void **state)
{
	struct waiting late = ask(fixture.store, "<1@x>", CUSTOMER, 0, 2000);
	struct waiting early = ask(fixture.store, "<2@x>", CUSTOMER, 0, 1000);
	const struct passed_level levels[] = {
		{.wait = late.wait, .level = 0, .recipient = BOSS},
		{.wait = early.wait, .level = 1, .recipient = BOSS},
		{.wait = early.wait, .level = 0, .recipient = BOSS},
	};
	struct notice *notices;

	(void)state;
	OK(store_create_notices(fixture.store, levels, 3, NULL, 0, NOW, in_five_seconds(), err));
	notices = take(fixture.store, NOW, 1);
	assert_int_equal(notices[0].item_count, 3);
	assert_int_equal(notices[0].items[0].wait, early.wait);
	assert_int_equal(notices[0].items[0].level, 0);
	assert_int_equal(notices[0].items[1].wait, early.wait);
	assert_int_equal(notices[0].items[1].level, 1);
	assert_int_equal(notices[0].items[2].wait, late.wait);
	notices_free(notices, 1);
}

static void a_taken_notice_is_free_again_after_its_lease_under_the_same_id(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct notice *notices;
	int64_t id;

	(void)state;
	pass(fixture.store, waiting.wait, 0, JANE, NOW);
	id = take_one(NOW, true);
	take_none(NOW + 59);
	notices = take(fixture.store, NOW + 60, 1);
	assert_int_equal(notices[0].id, id);
	assert_int_equal(notices[0].attempts, 2);
	assert_int_equal(notices[0].item_count, 1);
	notices_free(notices, 1);
}

static void the_longest_free_are_taken_first_up_to_the_limit(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct notice *notices;
	int64_t first;
	size_t count;

	(void)state;
	pass(fixture.store, waiting.wait, 0, JANE, 1100);
	first = take_one(1100, true);
	pass(fixture.store, waiting.wait, 1, JANE, 1200);
	pass(fixture.store, waiting.wait, 2, JANE, 1300);
	OK(store_take_notices(fixture.store, NOW, 60, 2, &notices, &count, in_five_seconds(), err));
	assert_int_equal(count, 2);
	assert_int_equal(notices[0].created_at, 1200);
	assert_int_equal(notices[1].created_at, 1300);
	notices_free(notices, 2);
	assert_int_equal(take_one(NOW, true), first);
}

static void a_notice_is_put_off(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	int64_t id;

	(void)state;
	pass(fixture.store, waiting.wait, 0, JANE, NOW);
	id = take_one(NOW, true);
	OK(store_retry_notice(fixture.store, id, NOW + 7, in_five_seconds(), err));
	assert_int_equal(next_due(fixture.store), NOW + 7);
	take_none(NOW + 6);
	assert_int_equal(take_one(NOW + 7, true), id);
	end_notice(id, NOTICE_SENT);
	OK(store_retry_notice(fixture.store, id, NOW, in_five_seconds(), err));
	take_none(NOW + 100);
}

static void an_ended_notice_stays_as_it_ended(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct alert_totals totals;
	int64_t sent, dropped;

	(void)state;
	pass(fixture.store, waiting.wait, 0, JANE, NOW);
	sent = take_one(NOW, true);
	pass(fixture.store, waiting.wait, 1, JANE, NOW);
	dropped = take_one(NOW, true);
	pass(fixture.store, waiting.wait, 2, JANE, NOW);
	end_notice(sent, NOTICE_SENT);
	end_notice(dropped, NOTICE_DROPPED);
	end_notice(sent, NOTICE_DROPPED);
	end_notice(dropped, NOTICE_SENT);
	end_notice(12345, NOTICE_SENT);
	assert_int_equal(number_of(fixture.store,
	                           "SELECT ended_at FROM notice WHERE id = ?1 AND state = 'sent'",
	                           sent),
	                 NOW);
	assert_int_equal(
		number_of(fixture.store,
	                  "SELECT ended_at FROM notice WHERE id = ?1 AND state = 'dropped'",
	                  dropped),
		NOW);
	OK(store_alert_totals(fixture.store, &totals, err));
	assert_int_equal(totals.notices_waiting, 1);
	assert_int_equal(totals.notices_sent, 1);
	assert_int_equal(totals.notices_dropped, 1);
	take_one(NOW, true);
	take_none(NOW);
}

/* What happens to a wait of which level 0 passed for Jane, and whether she is told of it again. */
struct life {
	const char *name;
	bool is_answered_before, is_snoozed_before; /* it is taken */
	bool is_back_before_end; /* it runs again between being taken and the end */
	bool is_planned_before_end;
	bool is_answered_between;
	enum notice_end end;
	bool is_told_again; /* when it runs again */
};

static const struct life lives[] = {
	{"sent while it ran: told once, though the answer bounces", .is_answered_between = true,
         .end = NOTICE_SENT},
	{"refused for good while it ran: not tried for ever", .is_answered_between = true,
         .end = NOTICE_DROPPED},
	{"answered before it was sent: told if the answer bounces", .is_answered_before = true,
         .end = NOTICE_DROPPED, .is_told_again = true},
	{"the same if the answer bounces before the end", .is_answered_before = true,
         .is_back_before_end = true, .end = NOTICE_DROPPED, .is_told_again = true},
	{"and even if it was planned again by then", .is_answered_before = true,
         .is_back_before_end = true, .is_planned_before_end = true, .end = NOTICE_DROPPED,
         .is_told_again = true},
	{"left out of what was sent: told if the answer bounces", .is_answered_before = true,
         .end = NOTICE_SENT, .is_told_again = true},
	{"snoozed before it was sent: told when that ends", .is_snoozed_before = true,
         .end = NOTICE_DROPPED, .is_told_again = true},
	{"the same if that ends before the notice", .is_snoozed_before = true,
         .is_back_before_end = true, .end = NOTICE_DROPPED, .is_told_again = true},
};

static void snooze(int64_t conversation, int64_t until)
{
	OK(store_snooze(fixture.store, conversation, until, 1, in_five_seconds(), err));
}

static void run_again(const struct life *life, struct waiting waiting)
{
	if (life->is_snoozed_before)
		snooze(waiting.conversation, 0);
	else
		bounce(fixture.store, "<bounce@x>", "<answer@x>", waiting.conversation, 3000);
}

static void what_was_not_told_is_due_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		const struct life *life = &lives[i];
		struct planned_wait *waits;
		struct waiting waiting;
		int64_t id, notices;
		size_t count;

		begin(NULL);
		waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
		pass(fixture.store, waiting.wait, 0, JANE, 2000);
		if (life->is_answered_before)
			answer(fixture.store, "<answer@x>", waiting.conversation, 2500);
		if (life->is_snoozed_before)
			snooze(waiting.conversation, 9000);
		id = take_one(NOW, !life->is_answered_before && !life->is_snoozed_before);
		if (life->is_answered_between)
			answer(fixture.store, "<answer@x>", waiting.conversation, 2500);
		if (life->is_back_before_end)
			run_again(life, waiting);
		if (life->is_planned_before_end)
			plan(fixture.store, waiting.wait, 1, 9000);
		end_notice(id, life->end);
		take_none(NOW + 1000);
		if (!life->is_back_before_end) {
			/* Who is snoozed is planned anew: for the end of that. */
			assert_true(next_due(fixture.store) ==
			            (life->is_snoozed_before ? 0 : DUE_NEVER));
			run_again(life, waiting);
		}

		OK(store_list_unplanned(fixture.store, 10, &waits, &count, err));
		if (count != 1 || waits[0].level != (life->is_told_again ? 0 : 1))
			fail_msg("%s: %zu unplanned", life->name, count);
		planned_waits_free(waits, count);
		pass(fixture.store, waiting.wait, 0, JANE, NOW);
		notices = number(fixture.store, "SELECT count(*) FROM notice WHERE state = 'open'");
		if (notices != life->is_told_again)
			fail_msg("%s: %d notices", life->name, (int)notices);
		end(NULL);
	}
}

static void a_digest_takes_back_only_what_it_left_out(void **state)
{
	struct waiting stays = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct waiting goes = ask(fixture.store, "<2@x>", CUSTOMER, 0, 1001);
	const struct passed_level levels[] = {
		{.wait = stays.wait, .level = 0, .recipient = JANE},
		{.wait = goes.wait, .level = 1, .recipient = JANE},
		{.wait = goes.wait, .level = 2, .recipient = JANE},
		{.wait = goes.wait, .level = 2, .recipient = BOSS, .group = 1},
	};
	const struct planned_wait moved[] = {
		{.wait = stays.wait, .level = 1, .due_at = 9000},
		{.wait = goes.wait, .level = 3, .due_at = 9000},
	};
	const char *level_of = "SELECT level FROM wait WHERE id = ?1";
	struct notice *notices;

	(void)state;
	OK(store_create_notices(fixture.store, levels, 4, moved, 2, 2000, in_five_seconds(), err));
	notices_free(take(fixture.store, 2000, 2), 2);
	answer(fixture.store, "<answer@x>", goes.conversation, 2500);
	notices = take(fixture.store, NOW, 2);
	assert_int_equal(notices[0].item_count, 3);
	assert_true(notices[0].items[0].is_running);
	assert_false(notices[0].items[1].is_running);
	assert_false(notices[0].items[2].is_running);
	end_notice(notices[0].id, NOTICE_SENT);
	assert_int_equal(number_of(fixture.store, level_of, stays.wait), 1);
	assert_int_equal(number_of(fixture.store, level_of, goes.wait), 1);
	assert_int_equal(next_due(fixture.store), NOW + 60);
	/* the boss was told of a higher level only: that takes nothing down */
	end_notice(notices[1].id, NOTICE_DROPPED);
	assert_int_equal(number_of(fixture.store, level_of, goes.wait), 1);
	assert_int_equal(number(fixture.store, "SELECT count(*) FROM alert"), 1);
	assert_int_equal(next_due(fixture.store), 9000);
	notices_free(notices, 2);
}

static void the_name_is_that_of_the_message_that_began_the_wait(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct notice *notices;

	(void)state;
	run_sql(fixture.store, "UPDATE message SET from_name = 'Bob Builder'");
	ask(fixture.store, "<2@x>", CUSTOMER, waiting.conversation, 2000);
	run_sql(fixture.store, "UPDATE message SET from_name = 'Boss' WHERE msgid = '<2@x>'");
	pass(fixture.store, waiting.wait, 0, JANE, NOW);
	notices = take(fixture.store, NOW, 1);
	assert_string_equal(notices[0].items[0].from_name, "Bob Builder");
	notices_free(notices, 1);

	run_sql(fixture.store, "UPDATE message SET from_name = NULL WHERE msgid = '<1@x>'");
	notices = take(fixture.store, NOW + 100, 1);
	assert_int_equal(notices[0].item_count, 1);
	assert_null(notices[0].items[0].from_name);
	notices_free(notices, 1);
}

static void a_notice_of_what_is_gone_is_empty(void **state)
{
	struct waiting waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, 1000);
	struct notice *notices;

	(void)state;
	pass(fixture.store, waiting.wait, 0, JANE, NOW);
	run_sql(fixture.store, "DELETE FROM wait");
	notices = take(fixture.store, NOW, 1);
	assert_int_equal(notices[0].item_count, 0);
	end_notice(notices[0].id, NOTICE_DROPPED);
	take_none(NOW + 100);
	notices_free(notices, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_notice_says_who_waits_and_where),
		TEST(the_text_is_the_newest_of_that_customer),
		TEST(a_digest_lists_the_longest_wait_first),
		TEST(a_taken_notice_is_free_again_after_its_lease_under_the_same_id),
		TEST(the_longest_free_are_taken_first_up_to_the_limit),
		TEST(a_notice_is_put_off),
		TEST(an_ended_notice_stays_as_it_ended),
		cmocka_unit_test(what_was_not_told_is_due_again),
		TEST(a_digest_takes_back_only_what_it_left_out),
		TEST(the_name_is_that_of_the_message_that_began_the_wait),
		TEST(a_notice_of_what_is_gone_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
