#ifndef REJOINDER_TESTS_YEAR_FIXTURE_H
#define REJOINDER_TESTS_YEAR_FIXTURE_H

#include "tests/unit/alert_fixture.h"

#include <time.h>

#include "scheduler/levels.h"

/* A year: who writes and is answered when, what is configured when, and when the scheduler is down. */

#define BEGIN   INT64_C(1767225600) /* 2026-01-01 00:00 UTC */
#define MINUTES (366 * 1440)
#define LOOK    (MINUTES + 60 * 1440) /* the model looks beyond the end */
#define STEP    15                    /* minutes: waits begin at such, and levels last such */
#define WAITS   10000
#define ROOTS   9000 /* the first messages of their customers; the others write again */
#define PARTS   3    /* how often a customer writes at most */
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
#define DAYS(number)  ((number)*86400)
/* Of reopen_s. */
#define NEVER  0
#define ALWAYS -1

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
#define ACCOUNT(number, title, mail, reopen, levels_, ...)                                         \
	[number] = {.name = UNOWNED(title),                                                        \
	            .is_enabled = true,                                                            \
	            .reopen_s = reopen,                                                            \
	            .address = UNOWNED(mail),                                                      \
	            .alerts = {levels_, sizeof(levels_) / sizeof((levels_)[0])},                   \
	            __VA_ARGS__}

static struct account accounts[CONFIGS][ACCOUNTS] = {
	{ACCOUNT(SALES, "Sales", "sales@company.test", ALWAYS, sales_levels,
                 .calendar = &calendars[BERLIN], .warn_s = 900, .repeat = {HOURS(24), 2},
                 .quiet = QUIET({22 * 60, 31 * 60})),
         ACCOUNT(SUPPORT, "Support", "support@company.test", DAYS(14), support_levels,
                 .calendar = &calendars[ADELAIDE],
                 .quiet = QUIET({0, 5 * 60 + 30}, {13 * 60, 14 * 60}))},
	{ACCOUNT(SALES, "Sales", "sales@company.test", NEVER, other_sales_levels,
                 .calendar = &calendars[BERLIN], .repeat = {HOURS(4), 3}),
         ACCOUNT(SUPPORT, "Support", "support@company.test", DAYS(7), other_support_levels,
                 .calendar = &calendars[BERLIN], .warn_s = 1800,
                 .quiet = QUIET({0, 6 * 60}, {20 * 60, 24 * 60}))},
	{ACCOUNT(SALES, "Sales", "sales@company.test", DAYS(14), sales_levels,
                 .calendar = &calendars[ADELAIDE], .warn_s = 900, .repeat = {HOURS(24), 2},
                 .quiet = QUIET({22 * 60, 31 * 60})),
         [SUPPORT] = {.name = UNOWNED("Support"),
                      .is_enabled = true,
                      .address = UNOWNED("support@company.test"),
                      .reopen_s = NEVER}},
};
static char *staff[] = {UNOWNED("@company.test")};
static struct config configs[CONFIGS];

/* What happens, drawn beforehand. */
struct story {
	int account, owner;
	int start, answer; /* minutes; it is answered, or closed, in the middle of that minute */
	bool is_closed;
	int customer, part; /* whose wait, and which of his: from 0 */
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

static int random_below(int end)
{
	static uint64_t seed = 20260101;

	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (int)((seed >> 33) % (uint64_t)end);
}

static int compare_stories(const void *a, const void *b)
{
	const struct story *one = a, *other = b;

	if (one->start != other->start)
		return one->start - other->start;
	return one->customer - other->customer;
}

static struct story draw_story(int start)
{
	int steps = random_below(4) == 0 ? random_below(400) : random_below(30);

	return (struct story){.account = random_below(ACCOUNTS),
	                      .owner = random_below(4),
	                      .start = start,
	                      .answer = start + steps * STEP + random_below(STEP),
	                      .is_closed = random_below(5) == 0};
}

/* He writes again, some time after he was answered or his conversation was closed. False: too late. */
static bool draw_sequel(struct story *story, const struct story *before)
{
	int start = (before->answer / STEP + 1 + random_below(40 * 1440 / STEP)) * STEP;

	if (before->part + 1 == PARTS || start >= MINUTES)
		return false;
	*story = draw_story(start);
	story->account = before->account;
	story->owner = before->owner;
	story->is_closed = random_below(2) == 0;
	story->customer = before->customer;
	story->part = before->part + 1;
	return true;
}

static void draw(void)
{
	int count = ROOTS;

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
	for (int i = 0; i < ROOTS; i++) {
		stories[i] = draw_story(random_below(MINUTES / STEP) * STEP);
		stories[i].customer = i;
	}
	/* Whose conversation was closed writes more often. */
	for (int i = 0; i < count && count < WAITS; i++)
		if ((stories[i].is_closed || random_below(20) == 0) &&
		    draw_sequel(&stories[count], &stories[i]))
			count++;
	assert_int_equal(count, WAITS);
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

#endif
