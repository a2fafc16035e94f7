#ifndef REJOINDER_TESTS_YEAR_MODEL_H
#define REJOINDER_TESTS_YEAR_MODEL_H

#include "tests/unit/year_fixture.h"

/*
 * What a year must come to, slowly and obviously: it counts minutes.  Nothing of lib/ is
 * asked but the zones.
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

/* How long a wait that has ended was. */
struct model_length {
	int64_t wall_s, business_s; /* -1: there was no calendar */
};

static inline struct model_length expect_length(int wait)
{
	const struct story *story = &stories[wait];
	const struct account *account = &accounts[(int)config_at[story->answer]][story->account];
	struct model_length length = {60 * (int64_t)(story->answer - story->start) + 30, -1};
	const bool *open;

	if (account->calendar == NULL)
		return length;
	open = open_at[account->calendar - calendars];
	length.business_s = open[story->answer] ? 30 : 0;
	for (int m = story->start; m < story->answer; m++)
		length.business_s += open[m] ? 60 : 0;
	return length;
}

/* The conversations of each customer, in the order in which they began. */
static struct {
	int count;
	int closed_at[PARTS]; /* minute; -1: it is open */
} chains[ROOTS];

/* The number of the conversation that a wait is in, as of its start. */
static inline int expect_conversation(int wait)
{
	const struct story *story = &stories[wait];
	int64_t reopen_s = accounts[(int)config_at[story->start]][story->account].reopen_s;
	int number;

	for (number = 0; number < chains[story->customer].count; number++) {
		int closed_at = chains[story->customer].closed_at[number];

		/* It is closed in the middle of its minute. */
		if (closed_at < 0 || reopen_s < 0 ||
		    (reopen_s > 0 && 60 * (int64_t)(story->start - closed_at) - 30 <= reopen_s))
			break;
	}
	chains[story->customer].closed_at[number] = -1;
	if (number == chains[story->customer].count)
		chains[story->customer].count++;
	return number;
}

#endif
