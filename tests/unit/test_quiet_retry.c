#include "tests/unit/alert_fixture.h"

#include <time.h>

#include "scheduler/levels.h"
#include "scheduler/notices.h"

/* A notice that Postfix did not take is not sent in quiet hours. */

/* 2026-11-23 10:00 UTC, a Monday. */
#define MONDAY INT64_C(1795428000)

#define UNOWNED(text) ((char *)(text))

static char *boss[] = {UNOWNED(BOSS)};
static struct alert_level levels[] = {
	{.after_s = 3600, .recipients = {.items = boss, .count = 1}},
	{.after_s = 7200, .is_urgent = true, .recipients = {.items = boss, .count = 1}},
};

static struct account account_with(const char *name, int from, int to)
{
	struct account account = {.name = UNOWNED(name),
	                          .is_enabled = true,
	                          .address = UNOWNED("sales@company.test"),
	                          .domain = UNOWNED("company.test"),
	                          .alerts = {levels, 2}};

	if (to > 0)
		account.quiet =
			(struct calendar_day){.intervals = {{from * 60, to * 60}}, .count = 1};
	return account;
}

static void retries(void **state)
{
	static const struct {
		const char *sentence;
		int64_t retry_s; /* from Monday 10:00 on */
		struct {
			const char *account;
			int level;
			bool is_over;
		} items[2]; /* up to the first without an account */
		int64_t expected_s;
	} rows[] = {
		{"in quiet hours: at their end", 0, {{"Till 12", 0, false}}, 7200},
		{"before they begin", -3601, {{"Till 12", 0, false}}, -3601},
		{"just when they begin", -3600, {{"Till 12", 0, false}}, 7200},
		{"just when they end", 7200, {{"Till 12", 0, false}}, 7200},
		{"an urgent level", 0, {{"Till 12", 1, false}}, 0},
		{"an urgent one beside another",
	         0,
	         {{"Till 12", 0, false}, {"Till 12", 1, false}},
	         0},
		{"of two accounts the first end",
	         0,
	         {{"Till 12", 0, false}, {"Till 11", 0, false}},
	         3600},
		{"one of two is not quiet", 0, {{"Till 12", 0, false}, {"Loud", 0, false}}, 0},
		{"one that waits no more does not count",
	         0,
	         {{"Till 12", 0, false}, {"Loud", 0, true}},
	         7200},
		{"nor its urgent level", 0, {{"Till 12", 0, false}, {"Till 12", 1, true}}, 7200},
		{"an account that is gone", 0, {{"Gone", 0, false}}, 0},
		{"a level that there is no more", 0, {{"Till 12", 7, false}}, 7200},
		{"a daily digest", 0, {{"Till 12", ALERT_DIGEST_LEVEL + 7, false}}, 7200},
		{"nobody waits", 0, {{"Till 12", 0, true}}, 0},
	};
	struct account accounts[] = {account_with("Till 12", 9, 12), account_with("Till 11", 9, 11),
	                             account_with("Loud", 0, 0)};
	const struct config config = {.accounts = accounts, .account_count = 3};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notice_item items[2] = {0};
		struct notice notice = {.items = items};
		int64_t at;

		while (notice.item_count < 2 && rows[i].items[notice.item_count].account != NULL) {
			size_t j = notice.item_count++;

			items[j].account = UNOWNED(rows[i].items[j].account);
			items[j].level = rows[i].items[j].level;
			items[j].is_running = !rows[i].items[j].is_over;
			items[j].started_at = MONDAY - 7200;
		}
		at = levels_retry_at(&config, &notice, MONDAY + rows[i].retry_s);
		if (at != MONDAY + rows[i].expected_s)
			fail_msg("%s: %d", rows[i].sentence, (int)(at - MONDAY));
	}
}

/* Nobody listens where it is sent to, and it is quiet now, from an hour ago to in two hours. */
static void a_notice_that_was_not_taken(void **state)
{
	static const struct {
		const char *sentence;
		int level;
		bool is_held;
	} rows[] = {{"an ordinary level", 0, true}, {"an urgent one", 1, false}};
	int64_t hour = time(NULL) / 3600 % 24, midnight = time(NULL) / 86400 * 86400;
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* The hours may go over midnight. */
		struct account account =
			account_with("Sales", (int)((hour + 23) % 24), (int)((hour + 23) % 24 + 3));
		const struct config config = {.accounts = &account,
		                              .account_count = 1,
		                              .alert_from = UNOWNED("postmaster@company.test"),
		                              .delimiter = UNOWNED("+"),
		                              .submit_to = UNOWNED("127.0.0.1:1"),
		                              .commit_timeout_ms = 1000};
		struct fixture fixture;
		struct sending sending = {.config = (struct config *)&config,
		                          .keys = {.keys = {{.id = 'c'}}, .count = 1}};
		struct notices notices = {0};
		struct waiting waiting;
		int64_t now = time(NULL), until;

		fixture_begin(&fixture);
		fixture_open(&fixture);
		sending.store = fixture.store;
		waiting = ask(fixture.store, "<1@x>", CUSTOMER, 0, now - 10000);
		pass(fixture.store, waiting.wait, rows[i].level, BOSS, now);
		OK(notices_send_next(&notices, &sending, now, err));
		sending_rest(&sending);
		until = number(fixture.store, "SELECT leased_until FROM notice");
		if (rows[i].is_held ? until != midnight + (hour + 2) * 3600
		                    : until < now + 55 || until > now + 120)
			fail_msg("%s: %d s from now", rows[i].sentence, (int)(until - now));
		notices_release(&notices);
		fixture_end(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retries),
		cmocka_unit_test(a_notice_that_was_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
