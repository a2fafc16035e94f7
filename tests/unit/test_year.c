#include "tests/unit/alert_fixture.h"

#include <time.h>

#include "lib/base/civil.h"
#include "scheduler/levels.h"

/*
 * A year of a scheduler, minute by minute, with its real store: customers write and are
 * answered, it is down at times, and the configuration changes.  What it told must be
 * what a slow model says that counts the minutes of each wait.
 */

#define BEGIN   INT64_C(1767225600) /* 2026-01-01 00:00 UTC */
#define MINUTES (366 * 1440)
#define LOOK    (MINUTES + 60 * 1440) /* the model looks beyond the end */
#define STEP    15                    /* minutes: waits begin at such, and levels last such */
#define WAITS   10000
#define CONFIGS 3
#define OUTAGES 40
#define CHANGES 24

enum { BERLIN, ADELAIDE, CALENDARS };
enum { SALES, SUPPORT, ACCOUNTS };

/* Literals in members that elsewhere are on the heap; nothing frees them here. */
#define UNOWNED(text) ((char *)(text))
#define LIST(...)                                                                                  \
	{                                                                                          \
		.items = (char *[]){__VA_ARGS__},                                                  \
		.count = sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)                          \
	}
#define OWNER         UNOWNED("owner")
#define THE_BOSS      UNOWNED("boss@company.test")
#define TEAM          UNOWNED("team@company.test")
#define HOURS(number) ((number)*3600)

static const char *const recipients[] = {"jane@company.test",  "bob@company.test",
                                         "boss@company.test",  "team@company.test",
                                         "sales@company.test", "support@company.test"};
/* Of conversations; who is no staff, or not known, leaves it to the account. */
static const char *const owners[] = {"jane@company.test", "bob@company.test", "x@example.org",
                                     NULL};

static struct named_calendar calendars[CALENDARS] = {
	{.name = UNOWNED("Berlin"), .zone_name = UNOWNED("Europe/Berlin")},
	{.name = UNOWNED("Adelaide"), .zone_name = UNOWNED("Australia/Adelaide")},
};

static struct alert_level sales_levels[] = {
	{.after_s = HOURS(1), .recipients = LIST(OWNER, THE_BOSS)},
	{.after_s = HOURS(4), .is_business = true, .recipients = LIST(THE_BOSS)},
	{.after_s = HOURS(5), .is_urgent = true, .recipients = LIST(TEAM)},
};
static struct alert_level other_sales_levels[] = {
	{.after_s = HOURS(2), .is_business = true, .recipients = LIST(OWNER)},
	{.after_s = HOURS(3), .is_urgent = true, .recipients = LIST(THE_BOSS, OWNER)},
};
static struct alert_level support_levels[] = {
	{.after_s = 1800, .is_business = true, .is_urgent = true, .recipients = LIST(OWNER)},
	{.after_s = HOURS(6), .recipients = LIST(TEAM, OWNER)},
};
static struct alert_level other_support_levels[] = {
	{.after_s = 2700, .recipients = LIST(OWNER)},
	{.after_s = 5400, .is_business = true, .recipients = LIST(TEAM)},
};

#define QUIET(...)                                                                                 \
	{                                                                                          \
		.intervals = {__VA_ARGS__},                                                        \
		.count = sizeof((struct calendar_interval[]){__VA_ARGS__}) /                       \
		         sizeof(struct calendar_interval)                                          \
	}
#define ACCOUNT(number, title, mail, levels_, ...)                                                 \
	[number] = {.name = UNOWNED(title),                                                        \
	            .is_enabled = true,                                                            \
	            .address = UNOWNED(mail),                                                      \
	            .alerts = {levels_, sizeof(levels_) / sizeof((levels_)[0])},                   \
	            __VA_ARGS__}

static struct account accounts[CONFIGS][ACCOUNTS] = {
	{ACCOUNT(SALES, "Sales", "sales@company.test", sales_levels, .calendar = &calendars[BERLIN],
                 .warn_s = 900, .repeat = {HOURS(24), 2}, .quiet = QUIET({22 * 60, 31 * 60})),
         ACCOUNT(SUPPORT, "Support", "support@company.test", support_levels,
                 .calendar = &calendars[ADELAIDE],
                 .quiet = QUIET({0, 5 * 60 + 30}, {13 * 60, 14 * 60}))},
	{ACCOUNT(SALES, "Sales", "sales@company.test", other_sales_levels,
                 .calendar = &calendars[BERLIN], .repeat = {HOURS(4), 3}),
         ACCOUNT(SUPPORT, "Support", "support@company.test", other_support_levels,
                 .calendar = &calendars[BERLIN], .warn_s = 1800,
                 .quiet = QUIET({0, 6 * 60}, {20 * 60, 24 * 60}))},
	{ACCOUNT(SALES, "Sales", "sales@company.test", sales_levels,
                 .calendar = &calendars[ADELAIDE], .warn_s = 900, .repeat = {HOURS(24), 2},
                 .quiet = QUIET({22 * 60, 31 * 60})),
         [SUPPORT] = {.name = UNOWNED("Support"),
                      .is_enabled = true,
                      .address = UNOWNED("support@company.test"),
                      .calendar = &calendars[ADELAIDE]}},
};
static char *staff[] = {UNOWNED("@company.test")};
static struct config configs[CONFIGS];

/* What happens, drawn beforehand. */
struct story {
	int account, owner;
	int start, answer; /* minutes; it is answered, or closed, in the middle of that minute */
	bool is_closed;
};

/* One row of what was told. */
struct told {
	int wait, level, recipient, minute;
	int64_t due_at, notice; /* not of the model */
};

struct told_list {
	struct told *items;
	size_t count;
};

static struct story stories[WAITS];
static bool is_down[LOOK];
static signed char config_at[LOOK];
static struct fixture fixture;

static int random_below(int end)
{
	static uint64_t seed = 20260101;

	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (int)((seed >> 33) % (uint64_t)end);
}

static int compare_stories(const void *a, const void *b)
{
	return ((const struct story *)a)->start - ((const struct story *)b)->start;
}

static void draw(void)
{
	for (int i = 0; i < OUTAGES; i++) {
		int from = random_below(MINUTES / STEP) * STEP + 7;
		int steps = 1 + random_below(i % 4 == 0 ? 200 : 12);

		for (int m = from; m < from + steps * STEP && m < MINUTES; m++)
			is_down[m] = true;
	}
	for (int i = 1; i < CHANGES; i++) {
		int next = (config_at[LOOK - 1] + 1 + random_below(CONFIGS - 1)) % CONFIGS;

		for (int m = i * (MINUTES / CHANGES / STEP) * STEP + 3; m < LOOK; m++)
			config_at[m] = (signed char)next;
	}
	for (int i = 0; i < WAITS; i++) {
		int steps = random_below(4) == 0 ? random_below(400) : random_below(30);
		int start = random_below(MINUTES / STEP) * STEP;

		stories[i] = (struct story){.account = random_below(ACCOUNTS),
		                            .owner = random_below(4),
		                            .start = start,
		                            .answer = start + steps * STEP + random_below(STEP),
		                            .is_closed = random_below(5) == 0};
	}
	qsort(stories, WAITS, sizeof(stories[0]), compare_stories);
}

static void told_add(struct told_list *list, const struct told *row)
{
	if ((list->count & (list->count - 1)) == 0)
		list->items = xreallocarray(list->items, list->count > 0 ? 2 * list->count : 1,
		                            sizeof(*list->items));
	list->items[list->count++] = *row;
}

static int compare_told(const void *a, const void *b)
{
	const struct told *one = a, *other = b;

	if (one->wait != other->wait)
		return one->wait - other->wait;
	if (one->level != other->level)
		return one->level - other->level;
	return one->recipient - other->recipient;
}

static int recipient_number(const char *address)
{
	for (int i = 0; i < (int)(sizeof(recipients) / sizeof(recipients[0])); i++)
		if (strcmp(recipients[i], address) == 0)
			return i;
	fail_msg("%s is nobody", address);
	return -1;
}

/*
 * The model
 */

static bool open_at[CALENDARS][LOOK];
static bool quiet_at[CONFIGS][ACCOUNTS][LOOK];

static struct tm local_time(int calendar, int minute)
{
	time_t at = (time_t)(BEGIN + 60 * (int64_t)minute);
	struct tm tm;

	at += zone_offset(calendars[calendar].hours.zone, at);
	gmtime_r(&at, &tm);
	return tm;
}

static bool is_open(int calendar, const struct tm *tm)
{
	int minute = tm->tm_hour * 60 + tm->tm_min;
	bool is_weekday = tm->tm_wday >= 1 && tm->tm_wday <= 5;

	if (calendar == BERLIN)
		return is_weekday && minute >= 540 && minute < 1020 &&
		       !(tm->tm_mon == 11 && (tm->tm_mday == 25 || tm->tm_mday == 24));
	if (tm->tm_wday == 5 && minute >= 1320)
		return true;
	if (tm->tm_wday == 6 && minute < 120)
		return true;
	return is_weekday && ((minute >= 510 && minute < 720) || (minute >= 780 && minute < 1050));
}

static void fill_model(void)
{
	static const int zones[CONFIGS][ACCOUNTS] = {
		{BERLIN, ADELAIDE}, {BERLIN, BERLIN}, {ADELAIDE, ADELAIDE}};

	for (int m = 0; m < LOOK; m++) {
		for (int i = 0; i < CALENDARS; i++) {
			const struct tm tm = local_time(i, m);

			open_at[i][m] = is_open(i, &tm);
		}
		for (int i = 0; i < CONFIGS; i++)
			for (int j = 0; j < ACCOUNTS; j++) {
				const struct tm tm = local_time(zones[i][j], m);
				int hour = tm.tm_hour, half = tm.tm_min >= 30;

				quiet_at[i][j][m] =
					j == SALES ? i != 1 && (hour >= 22 || hour < 7)
					: i == 0   ? hour < 5 || (hour == 5 && !half) || hour == 13
						   : i == 1 && (hour >= 20 || hour < 6);
			}
	}
}

/* The minute at which so many have passed. */
static int count_minutes(int start, int minutes, const bool open[LOOK])
{
	while (minutes > 0 && start < LOOK)
		minutes -= open[start++];
	return start;
}

static int passes_at(const struct account *account, const struct alert_level *level, int start,
                     int64_t seconds)
{
	int minutes = (int)(seconds / 60);

	if (!level->is_business)
		return start + minutes;
	return count_minutes(start, minutes, open_at[account->calendar - calendars]);
}

struct model_moment {
	int at;
	const struct alert_level *level;
	bool is_warning;
};

/* All that a wait passes: taken one by one, the earliest that is left, the first in the list. */
static int lay_out(const struct account *account, int start, struct model_moment *out)
{
	bool is_taken[10] = {false};
	int count = 0;

	for (size_t n = 0; n < account->alerts.count; n++) {
		int best = -1, best_at = 0;

		for (int i = 0; i < (int)account->alerts.count; i++) {
			const struct alert_level *level = &account->alerts.items[i];
			int at = passes_at(account, level, start, level->after_s);

			if (!is_taken[i] && (best < 0 || at < best_at)) {
				best = i;
				best_at = at;
			}
		}
		is_taken[best] = true;
		if (n == 0 && account->warn_s > 0) {
			const struct alert_level *first = &account->alerts.items[best];

			out[count++] = (struct model_moment){
				passes_at(account, first, start, first->after_s - account->warn_s),
				first, true};
		}
		out[count++] = (struct model_moment){best_at, &account->alerts.items[best], false};
	}
	for (int i = 1; count > 0 && i <= account->repeat.times; i++) {
		const struct alert_level *last = out[count - 1].level;

		out[count++] = (struct model_moment){
			passes_at(account, last, start,
		                  last->after_s + i * account->repeat.every_s),
			last, false};
	}
	return count;
}

/* A recipient of one level at one moment. */
static void expect(struct told_list *list, int wait, int level, const char *address, int minute)
{
	struct told row = {wait, level, recipient_number(address), minute, 0, 0};

	for (size_t i = list->count; i > 0 && list->items[i - 1].wait == wait; i--)
		if (compare_told(&list->items[i - 1], &row) == 0)
			return;
	/* Nobody is told while it is down, nor after an answer. */
	while (minute < MINUTES && is_down[minute])
		minute++;
	row.minute = minute;
	if (minute < MINUTES && minute <= stories[wait].answer)
		told_add(list, &row);
}

static const char *stands_for(const char *recipient, bool is_warning, const struct story *story,
                              const struct account *account)
{
	if (!is_warning && strcmp(recipient, ALERT_OWNER) != 0)
		return recipient;
	return story->owner < 2 ? owners[story->owner] : account->address;
}

/* What passes in one minute: numbers first to end. */
static void expect_passed(struct told_list *list, int wait, const struct account *account,
                          const bool *quiet, const struct model_moment *moments, int first, int end,
                          int minute)
{
	const struct story *story = &stories[wait];
	int quiet_end = minute;

	while (quiet[quiet_end])
		quiet_end++;
	for (int n = first; n < end; n++) {
		const struct string_list *names = &moments[n].level->recipients;

		for (size_t r = 0; r < (moments[n].is_warning ? 1 : names->count); r++) {
			const char *who =
				stands_for(names->items[r], moments[n].is_warning, story, account);
			bool is_urgent = false;

			/* He gets one mail of all that passes now. */
			for (int i = first; i < end; i++) {
				const struct string_list *others = &moments[i].level->recipients;

				for (size_t j = 0; j < (moments[i].is_warning ? 1 : others->count);
				     j++)
					if (moments[i].level->is_urgent &&
					    strcmp(stands_for(others->items[j],
					                      moments[i].is_warning, story,
					                      account),
					           who) == 0)
						is_urgent = true;
			}
			expect(list, wait, n, who, is_urgent ? minute : quiet_end);
		}
	}
}

static void expect_wait(struct told_list *list, int wait)
{
	const struct story *story = &stories[wait];
	struct model_moment moments[20];
	int number = 0, count = 0, config = -1;

	for (int m = story->start; m <= story->answer && m < MINUTES; m++) {
		const struct account *account;
		int end;

		if (is_down[m])
			continue;
		account = &accounts[(int)config_at[m]][story->account];
		if (config != config_at[m])
			count = lay_out(account, story->start, moments);
		config = config_at[m];
		for (end = number; end < count && moments[end].at <= m; end++)
			continue;
		expect_passed(list, wait, account, quiet_at[config][story->account], moments,
		              number, end, m);
		if (end > number)
			number = end;
	}
}

/*
 * The scheduler, as scheduler/due.c has it
 */

static void take_all(struct told_list *list, int minute)
{
	int64_t now = BEGIN + 60 * (int64_t)minute;
	struct notice *notices;
	size_t count;

	do {
		OK(store_take_notices(fixture.store, now, 60, 100, &notices, &count,
		                      in_five_seconds(), err));
		for (size_t i = 0; i < count; i++) {
			size_t running = 0;

			for (size_t j = 0; j < notices[i].item_count; j++) {
				const struct notice_item *item = &notices[i].items[j];
				const struct told row = {(int)item->wait - 1,
				                         item->level,
				                         recipient_number(notices[i].recipient),
				                         minute,
				                         item->due_at,
				                         notices[i].id};

				running += item->is_running;
				if (item->is_running)
					told_add(list, &row);
			}
			OK(store_end_notice(fixture.store, notices[i].id,
			                    running > 0 ? NOTICE_SENT : NOTICE_DROPPED, now,
			                    in_five_seconds(), err));
		}
		notices_free(notices, count);
	} while (count > 0);
}

/* Returns when there is something to do again. */
static int64_t work(const struct config *config, struct told_list *list, int minute)
{
	int64_t now = BEGIN + 60 * (int64_t)minute, next_at;
	struct planned_wait *waits;
	struct passed_list passed;
	size_t count, moved;

	OK(store_list_unplanned(fixture.store, 100000, &waits, &count, err));
	for (size_t i = 0; i < count; i++)
		levels_plan(config, &waits[i]);
	OK(store_plan_waits(fixture.store, waits, count, in_five_seconds(), err));
	planned_waits_free(waits, count);
	OK(store_list_due(fixture.store, now, 100000, &waits, &count, err));
	moved = levels_pass(config, waits, count, now, &passed);
	OK(store_plan_waits(fixture.store, waits + moved, count - moved, in_five_seconds(), err));
	OK(store_create_notices(fixture.store, passed.items, passed.count, waits, moved, now,
	                        in_five_seconds(), err));
	passed_list_release(&passed);
	planned_waits_free(waits, count);
	take_all(list, minute);
	OK(store_next_due(fixture.store, &next_at, err));
	OK(store_checkpoint(fixture.store, 1000, false, err));
	return next_at;
}

static void start_wait(int number)
{
	const struct story *story = &stories[number];
	const char *owner = owners[story->owner];
	char sql[500];

	snprintf(sql, sizeof(sql),
	         "BEGIN IMMEDIATE; INSERT INTO conversation (id, created_at, updated_at, account,"
	         " owner) VALUES (%d, 0, 0, '%s', nullif('%s', '')); INSERT INTO wait (id,"
	         " conversation, customer, started_at, started_by) VALUES (%d, %d, 'c', %lld, 1);"
	         " COMMIT",
	         number + 1, accounts[0][story->account].name, owner != NULL ? owner : "",
	         number + 1, number + 1, (long long)(BEGIN + 60 * (int64_t)story->start));
	run_sql(fixture.store, sql);
}

static void end_wait(int number)
{
	char sql[200];

	if (stories[number].is_closed)
		snprintf(sql, sizeof(sql), "UPDATE conversation SET state = 'closed' WHERE id = %d",
		         number + 1);
	else
		snprintf(sql, sizeof(sql), "UPDATE wait SET ended_at = %lld WHERE id = %d",
		         (long long)(BEGIN + 60 * (int64_t)stories[number].answer + 30),
		         number + 1);
	run_sql(fixture.store, sql);
}

static int compare_answers(const void *a, const void *b)
{
	return stories[*(const int *)a].answer - stories[*(const int *)b].answer;
}

static void live(struct told_list *list)
{
	static int by_answer[WAITS];
	int next = 0, next_answer = 0, config = config_at[0];
	int64_t next_at = 0;

	for (int i = 0; i < WAITS; i++)
		by_answer[i] = i;
	qsort(by_answer, WAITS, sizeof(by_answer[0]), compare_answers);
	for (int m = 0; m < MINUTES; m++) {
		for (; next < WAITS && stories[next].start == m; next++) {
			start_wait(next);
			next_at = 0;
		}
		if (!is_down[m] && config != config_at[m]) {
			if (levels_differ(&configs[config], &configs[(int)config_at[m]]))
				OK(store_replan_all(fixture.store, in_five_seconds(), err));
			config = config_at[m];
			next_at = 0;
		}
		if (!is_down[m] && next_at <= BEGIN + 60 * (int64_t)m)
			next_at = work(&configs[config], list, m);
		while (next_answer < WAITS && stories[by_answer[next_answer]].answer == m)
			end_wait(by_answer[next_answer++]);
	}
}

/*
 * Both
 */

static int begin(void **state)
{
	static const char *const hours[] = {"09:00-17:00", "08:30-12:00", "13:00-17:30"};

	(void)state;
	for (int i = 0; i < CALENDARS; i++) {
		struct calendar *calendar = &calendars[i].hours;

		calendar->zone = zone_open(calendars[i].zone_name, NULL);
		assert_non_null(calendar->zone);
		for (int day = 0; day < 5; day++)
			for (int j = i == BERLIN ? 0 : 1; j < (i == BERLIN ? 1 : 3); j++)
				assert_null(calendar_add_interval(&calendar->days[day], hours[j]));
	}
	assert_null(calendar_add_holiday(&calendars[BERLIN].hours, "12-25"));
	assert_null(calendar_add_holiday(&calendars[BERLIN].hours, "2026-12-24"));
	assert_null(calendar_add_interval(&calendars[ADELAIDE].hours.days[4], "22:00-02:00"));
	for (int i = 0; i < CONFIGS; i++)
		configs[i] = (struct config){.staff = {.items = staff, .count = 1},
		                             .accounts = accounts[i],
		                             .account_count = ACCOUNTS};
	fixture_begin(&fixture);
	fixture_open(&fixture);
	/* What a crash leaves is another test's. */
	run_sql(fixture.store, "PRAGMA synchronous = OFF");
	return 0;
}

static int end(void **state)
{
	(void)state;
	fixture_end(&fixture);
	for (int i = 0; i < CALENDARS; i++)
		calendar_release(&calendars[i].hours);
	return 0;
}

static int compare_mails(const void *a, const void *b)
{
	const struct told *one = a, *other = b;

	if (one->minute != other->minute)
		return one->minute - other->minute;
	if (one->recipient != other->recipient)
		return one->recipient - other->recipient;
	return (one->notice > other->notice) - (one->notice < other->notice);
}

/* What is told late comes in one mail; two kinds of it meet where an outage ends after quiet hours. */
static void check_digests(struct told_list *list)
{
	int digests = 0, mails = 0;

	qsort(list->items, list->count, sizeof(*list->items), compare_mails);
	for (size_t i = 0; i < list->count; i++) {
		const struct told *row = &list->items[i], *last = i > 0 ? row - 1 : NULL;
		bool is_late = BEGIN + 60 * (int64_t)row->minute - row->due_at > LEVEL_LATE_S;

		if (!is_late)
			continue;
		if (last == NULL || last->minute != row->minute ||
		    last->recipient != row->recipient)
			mails = 0;
		if (mails == 0 || last->notice != row->notice)
			mails++;
		else
			digests++;
		if (mails > (row->minute > 0 && is_down[row->minute - 1] ? 3 : 1))
			fail_msg("%s got %d mails at minute %d", recipients[row->recipient], mails,
			         row->minute);
	}
	assert_true(digests > 100);
}

static void a_year_is_told_as_the_model_says(void **state)
{
	struct told_list actual = {0}, expected = {0};

	(void)state;
	draw();
	fill_model();
	for (int i = 0; i < WAITS; i++)
		expect_wait(&expected, i);
	live(&actual);
	qsort(actual.items, actual.count, sizeof(*actual.items), compare_told);
	qsort(expected.items, expected.count, sizeof(*expected.items), compare_told);
	for (size_t i = 0; i < actual.count && i < expected.count; i++) {
		const struct told *one = &actual.items[i], *other = &expected.items[i];

		if (compare_told(one, other) != 0 || one->minute != other->minute)
			fail_msg("row %zu: wait %d level %d %s at %d; expected wait %d level %d "
			         "%s at %d; %zu rows, expected %zu",
			         i, one->wait, one->level, recipients[one->recipient], one->minute,
			         other->wait, other->level, recipients[other->recipient],
			         other->minute, actual.count, expected.count);
	}
	assert_int_equal(actual.count, expected.count);
	assert_true(actual.count > WAITS);
	check_digests(&actual);
	free(actual.items);
	free(expected.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_year_is_told_as_the_model_says, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
