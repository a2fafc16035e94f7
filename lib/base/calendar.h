#ifndef REJOINDER_BASE_CALENDAR_H
#define REJOINDER_BASE_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/zone.h"

/*
 * When somebody works: intervals of local time on the days of a week, but for
 * holidays.  Pure.  An interval belongs to the day on which it begins, though it may end on
 * the next one; a holiday takes away the intervals of its own day.
 * NULL as a calendar means always.
 */

#define CALENDAR_DAY_MINUTES   1440
#define CALENDAR_INTERVALS_MAX 12 /* of a day */
#define CALENDAR_HOLIDAYS_MAX  1000
#define CALENDAR_NEVER         INT64_MAX

struct calendar_interval {
	int from, to; /* minutes after midnight, from < 1440, from < to <= from + 1440 */
};

struct calendar_day {
	struct calendar_interval intervals[CALENDAR_INTERVALS_MAX]; /* ascending by from */
	size_t count;
};

struct calendar_holiday {
	int year; /* 0: every year */
	int month, day;
};

struct calendar {
	struct zone *zone;           /* the calendar's own; NULL is UTC */
	struct calendar_day days[7]; /* from Monday */
	struct calendar_holiday *holidays;
	size_t holiday_count;
};

/* Free what it holds, and leave {0}. */
void calendar_release(struct calendar *calendar);

/* Minutes after midnight of hh:mm from 00:00 to 24:00, or -1. */
int calendar_read_clock(const char *text);

/*
 * Add the interval `09:00-17:00` to a day; `22:00-06:00` ends on the next day,
 * 24:00 is midnight.  NULL, or what was expected instead: a static string.
 */
const char *calendar_add_interval(struct calendar_day *day, const char *text);

/* Add a holiday, `2026-12-24` or, every year, `12-25`. NULL, or what was expected instead. */
const char *calendar_add_holiday(struct calendar *calendar, const char *text);

/* Does every minute of the day stand in an interval that begins on the day, or on one like it? */
bool calendar_day_is_full(const struct calendar_day *day);

/* The same intervals? */
bool calendar_days_match(const struct calendar_day *day, const struct calendar_day *other);

/* The same intervals and holidays?  Zones are not compared. */
bool calendar_matches(const struct calendar *calendar, const struct calendar *other);

/* Does no day of the week have an interval? */
bool calendar_is_empty(const struct calendar *calendar);

/* Is `at` (Unix seconds) in working time? */
bool calendar_is_open(const struct calendar *calendar, int64_t at);

/* When the working time that `at` is in ends, looking a week ahead; `at` itself outside of it. */
int64_t calendar_closes_at(const struct calendar *calendar, int64_t at);

/* Working seconds in [from, to), 0 if to is earlier. At most the last hundred years are looked at. */
int64_t calendar_between(const struct calendar *calendar, int64_t from, int64_t to);

/*
 * The moment at which `seconds` (at least 0) of working time have passed since
 * `from`: at the end of an interval, not at the beginning of the next one; for 0 seconds, `from`
 * itself or the next opening.  CALENDAR_NEVER if that is over ten years away.
 */
int64_t calendar_add(const struct calendar *calendar, int64_t from, int64_t seconds);

#endif
