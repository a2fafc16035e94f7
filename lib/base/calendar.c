#include "lib/base/calendar.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/civil.h"
#include "lib/base/memory.h"

#define ADD_DAYS_MAX  3660
#define LOOK_DAYS_MAX 36600
#define WEEK_DAYS     7

void calendar_release(struct calendar *calendar)
{
	zone_free(calendar->zone);
	free(calendar->holidays);
	*calendar = (struct calendar){0};
}

/* Of the first five characters of longer text. */
static int read_clock(const char *text)
{
	int hours, minutes;

	for (int i = 0; i < 5; i++)
		if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
			return -1;
	hours = 10 * (text[0] - '0') + text[1] - '0';
	minutes = 10 * (text[3] - '0') + text[4] - '0';
	if (minutes > 59 || hours > 24 || (hours == 24 && minutes > 0))
		return -1;
	return 60 * hours + minutes;
}

int calendar_read_clock(const char *text)
{
	return strlen(text) == 5 ? read_clock(text) : -1;
}

const char *calendar_add_interval(struct calendar_day *day, const char *text)
{
	struct calendar_interval interval;
	size_t at = 0;

	if (strlen(text) != 11 || text[5] != '-')
		return "an interval such as 09:00-17:00";
	interval.from = read_clock(text);
	interval.to = read_clock(text + 6);
	if (interval.from < 0 || interval.to < 0 || interval.from == CALENDAR_DAY_MINUTES)
		return "an interval such as 09:00-17:00";
	if (interval.to <= interval.from)
		interval.to += CALENDAR_DAY_MINUTES;
	if (day->count == CALENDAR_INTERVALS_MAX)
		return "at most 12 intervals a day";
	while (at < day->count && day->intervals[at].from < interval.from)
		at++;
	if ((at > 0 && day->intervals[at - 1].to > interval.from) ||
	    (at < day->count && day->intervals[at].from < interval.to))
		return "intervals that do not overlap";
	memmove(&day->intervals[at + 1], &day->intervals[at],
	        (day->count - at) * sizeof(day->intervals[0]));
	day->intervals[at] = interval;
	day->count++;
	return NULL;
}

/* Two digits, or -1. */
static int read_two(const char *text)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return -1;
	return 10 * (text[0] - '0') + text[1] - '0';
}

const char *calendar_add_holiday(struct calendar *calendar, const char *text)
{
	static const char expected[] = "a date such as 2026-12-24, or 12-25 for every year";
	size_t length = strlen(text);
	struct calendar_holiday holiday = {0};

	if (length != 5 && length != 10)
		return expected;
	if (length == 10) {
		int century = read_two(text), year = read_two(text + 2);

		if (century < 19 || year < 0 || text[4] != '-')
			return expected;
		holiday.year = 100 * century + year;
		text += 5;
	}
	holiday.month = read_two(text);
	holiday.day = text[2] == '-' ? read_two(text + 3) : -1;
	/* Every year's 29 February is one of the leap years. */
	if (holiday.month < 1 || holiday.month > 12 || holiday.day < 1 ||
	    holiday.day > civil_month_length(holiday.year > 0 ? holiday.year : 2000, holiday.month))
		return expected;
	if (calendar->holiday_count == CALENDAR_HOLIDAYS_MAX)
		return "at most 1000 holidays";
	calendar->holidays = xreallocarray(calendar->holidays, calendar->holiday_count + 1,
	                                   sizeof(*calendar->holidays));
	calendar->holidays[calendar->holiday_count++] = holiday;
	return NULL;
}

bool calendar_day_is_full(const struct calendar_day *day)
{
	bool is_covered[CALENDAR_DAY_MINUTES] = {false};

	for (size_t i = 0; i < day->count; i++)
		for (int minute = day->intervals[i].from; minute < day->intervals[i].to; minute++)
			is_covered[minute % CALENDAR_DAY_MINUTES] = true;
	for (size_t i = 0; i < CALENDAR_DAY_MINUTES; i++)
		if (!is_covered[i])
			return false;
	return true;
}

bool calendar_days_match(const struct calendar_day *day, const struct calendar_day *other)
{
	if (day->count != other->count)
		return false;
	for (size_t i = 0; i < day->count; i++)
		if (day->intervals[i].from != other->intervals[i].from ||
		    day->intervals[i].to != other->intervals[i].to)
			return false;
	return true;
}

bool calendar_matches(const struct calendar *calendar, const struct calendar *other)
{
	if (calendar->holiday_count != other->holiday_count)
		return false;
	for (size_t i = 0; i < WEEK_DAYS; i++)
		if (!calendar_days_match(&calendar->days[i], &other->days[i]))
			return false;
	for (size_t i = 0; i < calendar->holiday_count; i++)
		if (calendar->holidays[i].year != other->holidays[i].year ||
		    calendar->holidays[i].month != other->holidays[i].month ||
		    calendar->holidays[i].day != other->holidays[i].day)
			return false;
	return true;
}

bool calendar_is_empty(const struct calendar *calendar)
{
	for (size_t i = 0; i < WEEK_DAYS; i++)
		if (calendar->days[i].count > 0)
			return false;
	return true;
}

static bool is_holiday(const struct calendar *calendar, int64_t day)
{
	struct civil civil = civil_from_days(day);

	for (size_t i = 0; i < calendar->holiday_count; i++) {
		const struct calendar_holiday *holiday = &calendar->holidays[i];

		if (holiday->month == civil.month && holiday->day == civil.day &&
		    (holiday->year == 0 || holiday->year == civil.year))
			return true;
	}
	return false;
}

/* The intervals of working time one after the other, none overlapping the one before. */
struct walk {
	const struct calendar *calendar;
	int64_t day; /* local, days since 1970-01-01 */
	size_t index;
	int64_t end;       /* of the one before: a night may reach into the next day's first */
	int64_t days_left; /* that are looked at */
};

static struct walk walk_from(const struct calendar *calendar, int64_t from, int64_t days)
{
	int64_t local = from + zone_offset(calendar->zone, from);

	/* What began yesterday may still last. */
	return (struct walk){.calendar = calendar,
	                     .day = civil_day_of(local) - 1,
	                     .end = INT64_MIN,
	                     .days_left = days};
}

static bool walk_next(struct walk *walk, int64_t *from_out, int64_t *to_out)
{
	const struct calendar *calendar = walk->calendar;

	while (walk->days_left > 0) {
		const struct calendar_day *day = &calendar->days[civil_weekday(walk->day)];
		const struct calendar_interval *interval = &day->intervals[walk->index];
		int64_t midnight = walk->day * CIVIL_DAY_S;

		if (walk->index == day->count ||
		    (walk->index == 0 && is_holiday(calendar, walk->day))) {
			walk->day++;
			walk->index = 0;
			walk->days_left--;
			continue;
		}
		walk->index++;
		*from_out = zone_to_unix(calendar->zone, midnight + 60 * interval->from);
		*to_out = zone_to_unix(calendar->zone, midnight + 60 * interval->to);
		if (*from_out < walk->end)
			*from_out = walk->end;
		/* In the hour that a clock leaves out nobody works. */
		if (*from_out >= *to_out)
			continue;
		walk->end = *to_out;
		return true;
	}
	return false;
}

bool calendar_is_open(const struct calendar *calendar, int64_t at)
{
	return calendar_between(calendar, at, at + 1) > 0;
}

int64_t calendar_closes_at(const struct calendar *calendar, int64_t at)
{
	struct walk walk = walk_from(calendar, at, WEEK_DAYS + 2);
	int64_t begin, end, closes_at = at;

	while (walk_next(&walk, &begin, &end) && begin <= closes_at)
		if (end > closes_at)
			closes_at = end;
	return closes_at;
}

int64_t calendar_between(const struct calendar *calendar, int64_t from, int64_t to)
{
	int64_t begin, end, sum = 0;
	struct walk walk;

	if (to <= from)
		return 0;
	if (calendar == NULL)
		return to - from;
	if (to - from > LOOK_DAYS_MAX * (int64_t)CIVIL_DAY_S)
		from = to - LOOK_DAYS_MAX * (int64_t)CIVIL_DAY_S;
	walk = walk_from(calendar, from, LOOK_DAYS_MAX + 3);
	while (walk_next(&walk, &begin, &end) && begin < to) {
		if (begin < from)
			begin = from;
		if (end > to)
			end = to;
		if (end > begin)
			sum += end - begin;
	}
	return sum;
}

int64_t calendar_add(const struct calendar *calendar, int64_t from, int64_t seconds)
{
	int64_t begin, end;
	struct walk walk;

	if (calendar == NULL)
		return __builtin_add_overflow(from, seconds, &end) ? CALENDAR_NEVER : end;
	walk = walk_from(calendar, from, ADD_DAYS_MAX);
	while (walk_next(&walk, &begin, &end)) {
		if (begin < from)
			begin = from;
		if (end <= begin)
			continue;
		if (seconds <= end - begin)
			return begin + seconds;
		seconds -= end - begin;
	}
	return CALENDAR_NEVER;
}
