#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/base/calendar.h"
#include "lib/base/civil.h"

#define HOUR 3600

static const char *const weekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

/* "mon-fri 09:00-17:00, sat 10:00-12:00" into a calendar, which is released by the caller. */
static void make(struct calendar *calendar, const char *zone, const char *hours,
                 const char *holidays)
{
	char text[200], *rest = text, *part;

	*calendar = (struct calendar){0};
	if (zone != NULL)
		assert_non_null(calendar->zone = zone_open(zone, NULL));
	strcpy(text, hours);
	while ((part = strsep(&rest, ",")) != NULL) {
		char days[8], interval[12];
		int first = -1, last = -1;

		assert_int_equal(sscanf(part, " %7[a-z-] %11s", days, interval), 2);
		for (int i = 0; i < 7; i++) {
			if (strncmp(days, weekdays[i], 3) == 0)
				first = last = i;
			if (strlen(days) == 7 && strncmp(days + 4, weekdays[i], 3) == 0)
				last = i;
		}
		for (int i = first; i <= last; i++)
			assert_null(calendar_add_interval(&calendar->days[i], interval));
	}
	strcpy(text, holidays);
	for (rest = text; *holidays != '\0' && (part = strsep(&rest, " ")) != NULL;)
		assert_null(calendar_add_holiday(calendar, part));
}

/* "2026-11-22 10:00" as that zone's clock shows it. */
static int64_t moment(const struct calendar *calendar, const char *text)
{
	int year, month, day, hour, minute;

	assert_int_equal(sscanf(text, "%d-%d-%d %d:%d", &year, &month, &day, &hour, &minute), 5);
	return zone_to_unix(calendar->zone, civil_to_days(year, month, day) * CIVIL_DAY_S +
	                                            hour * HOUR + minute * 60);
}

struct span {
	const char *name, *zone, *hours, *holidays, *from, *to;
	int64_t seconds;
};

#define OFFICE "mon-fri 09:00-12:00, mon-fri 13:00-17:00"

static const struct span spans[] = {
	{"within an interval", "Europe/Berlin", OFFICE, "", "2026-11-23 09:30", "2026-11-23 10:00",
         HOUR / 2},
	{"over a pause", "Europe/Berlin", OFFICE, "", "2026-11-23 11:30", "2026-11-23 13:30", HOUR},
	{"over a night", "Europe/Berlin", OFFICE, "", "2026-11-23 16:00", "2026-11-24 10:00",
         2 * HOUR},
	{"over a weekend", "Europe/Berlin", OFFICE, "", "2026-11-20 16:30", "2026-11-23 09:30",
         HOUR},
	{"within a weekend nobody works", "Europe/Berlin", OFFICE, "", "2026-11-21 00:00",
         "2026-11-22 23:00", 0},
	{"a dated holiday", "Europe/Berlin", OFFICE, "2026-11-23", "2026-11-20 17:00",
         "2026-11-24 10:00", HOUR},
	{"the same date of another year is none", "Europe/Berlin", OFFICE, "2025-11-23",
         "2026-11-23 00:00", "2026-11-24 00:00", 7 * HOUR},
	{"a yearly holiday", "Europe/Berlin", OFFICE, "12-25", "2026-12-25 00:00",
         "2026-12-26 00:00", 0},
	{"a day in between of a whole week", "Europe/Berlin", OFFICE, "", "2026-11-23 00:00",
         "2026-11-30 00:00", 35 * HOUR},
	{"an interval over midnight", "Europe/Berlin", "mon 22:00-06:00", "", "2026-11-23 00:00",
         "2026-11-30 00:00", 8 * HOUR},
	{"the part of it after midnight", "Europe/Berlin", "mon 22:00-06:00", "",
         "2026-11-24 05:00", "2026-11-24 09:00", HOUR},
	{"a holiday takes away the night that begins on it", "Europe/Berlin", "mon-sun 22:00-06:00",
         "2026-11-23", "2026-11-23 12:00", "2026-11-24 12:00", 0},
	{"and leaves the one that ends on it", "Europe/Berlin", "mon-sun 22:00-06:00", "2026-11-24",
         "2026-11-23 12:00", "2026-11-24 12:00", 8 * HOUR},
	{"a night shorter by the leap of spring", "Europe/Berlin", "sat 22:00-06:00", "",
         "2026-03-28 00:00", "2026-03-30 00:00", 7 * HOUR},
	{"a night longer by that of autumn", "Europe/Berlin", "sat 22:00-06:00", "",
         "2026-10-24 00:00", "2026-10-26 00:00", 9 * HOUR},
	{"an interval in the hour left out", "Europe/Berlin", "sun 02:10-02:50", "",
         "2026-03-29 00:00", "2026-03-30 00:00", 0},
	{"one that ends in it ends at the leap", "Europe/Berlin", "sun 01:00-02:30", "",
         "2026-03-29 00:00", "2026-03-30 00:00", HOUR},
	{"one within the hour shown twice is worked once", "Europe/Berlin", "sun 02:10-02:50", "",
         "2026-10-25 00:00", "2026-10-26 00:00", 2400},
	{"in the south summer time begins in October", "Australia/Sydney", "sat 22:00-06:00", "",
         "2026-10-03 00:00", "2026-10-05 00:00", 7 * HOUR},
	{"a zone of half an hour", "Asia/Kolkata", OFFICE, "", "2026-11-23 08:45",
         "2026-11-23 09:15", 900},
	{"a day that an island left out", "Pacific/Apia", "mon-sun 00:00-24:00", "",
         "2011-12-29 00:00", "2012-01-01 00:00", 48 * HOUR},
	{"all day, every day, a day of 23 hours", "Europe/Berlin", "mon-sun 00:00-24:00", "",
         "2026-03-29 00:00", "2026-03-30 00:00", 23 * HOUR},
	{"a night into a morning that overlaps it counts once", "Europe/Berlin",
         "mon 20:00-10:00, tue 09:00-11:00", "", "2026-11-23 00:00", "2026-11-25 00:00", 15 * HOUR},
	{"backwards is nothing", "Europe/Berlin", OFFICE, "", "2026-11-23 12:00",
         "2026-11-23 09:00", 0},
	{"UTC", NULL, OFFICE, "", "2026-11-23 00:00", "2026-11-24 00:00", 7 * HOUR},
};

static void working_time_between_two_moments(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		const struct span *row = &spans[i];
		struct calendar calendar;
		int64_t seconds;

		make(&calendar, row->zone, row->hours, row->holidays);
		seconds = calendar_between(&calendar, moment(&calendar, row->from),
		                           moment(&calendar, row->to));
		if (seconds != row->seconds)
			fail_msg("%s: %lld s, not %lld", row->name, (long long)seconds,
			         (long long)row->seconds);
		calendar_release(&calendar);
	}
	assert_int_equal(calendar_between(NULL, 5, 12), 7);
}

struct addition {
	const char *name, *hours, *from;
	int64_t seconds;
	const char *to;
};

static const struct addition additions[] = {
	{"within an interval", OFFICE, "2026-11-23 09:30", HOUR, "2026-11-23 10:30"},
	{"to its end and not to the next opening", OFFICE, "2026-11-23 09:00", 3 * HOUR,
         "2026-11-23 12:00"},
	{"over the pause", OFFICE, "2026-11-23 11:30", HOUR, "2026-11-23 13:30"},
	{"from a Saturday", OFFICE, "2026-11-21 12:00", HOUR, "2026-11-23 10:00"},
	{"from before the opening", OFFICE, "2026-11-23 03:00", HOUR, "2026-11-23 10:00"},
	{"a week and more", OFFICE, "2026-11-23 09:00", 36 * HOUR, "2026-11-30 10:00"},
	{"nothing, at night", OFFICE, "2026-11-23 20:00", 0, "2026-11-24 09:00"},
	{"nothing, in working time", OFFICE, "2026-11-23 10:00", 0, "2026-11-23 10:00"},
	{"from the very end of a day", OFFICE, "2026-11-23 17:00", 1800, "2026-11-24 09:30"},
	{"in the second half of a night", "mon-sun 22:00-06:00", "2026-11-23 05:00", 2 * HOUR,
         "2026-11-23 23:00"},
};

static void working_time_added(void **state)
{
	struct calendar calendar;

	(void)state;
	for (size_t i = 0; i < sizeof(additions) / sizeof(additions[0]); i++) {
		const struct addition *row = &additions[i];
		int64_t at;

		make(&calendar, "Europe/Berlin", row->hours, "");
		at = calendar_add(&calendar, moment(&calendar, row->from), row->seconds);
		if (at != moment(&calendar, row->to))
			fail_msg("%s: %lld, not %lld", row->name, (long long)at,
			         (long long)moment(&calendar, row->to));
		calendar_release(&calendar);
	}
	assert_int_equal(calendar_add(NULL, 100, 20), 120);
	assert_true(calendar_add(NULL, INT64_MAX - 1, 20) == CALENDAR_NEVER);
	calendar = (struct calendar){0};
	assert_true(calendar_is_empty(&calendar));
	assert_true(calendar_add(&calendar, 0, 1) == CALENDAR_NEVER);
	make(&calendar, NULL, "sun 10:00-11:00", "");
	assert_false(calendar_is_empty(&calendar));
	assert_true(calendar_add(&calendar, 0, 1000 * HOUR) == CALENDAR_NEVER);
	calendar_release(&calendar);
}

/* Read off the clock minute by minute: is one of the intervals, of this day or the last, on? */
static bool shows_open(const struct calendar *calendar, int64_t at)
{
	int64_t local = at + zone_offset(calendar->zone, at), day = civil_day_of(local);
	int minute = (int)((local - day * CIVIL_DAY_S) / 60);

	for (int back = 0; back < 2; back++) {
		const struct calendar_day *hours = &calendar->days[civil_weekday(day - back)];

		for (size_t i = 0; i < hours->count; i++)
			if (minute + back * 1440 >= hours->intervals[i].from &&
			    minute + back * 1440 < hours->intervals[i].to)
				return true;
	}
	return false;
}

static void a_year_agrees_with_a_clock_read_every_minute(void **state)
{
	static const char *const zones[] = {"Europe/Berlin", "America/New_York",
	                                    "Australia/Lord_Howe", "Asia/Kathmandu"};
	const int64_t begin = 1767225600, end = begin + 366 * CIVIL_DAY_S;

	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		struct calendar calendar;
		int64_t sum = 0;

		make(&calendar, zones[i],
		     "mon-fri 08:15-12:00, mon-thu 13:00-16:45, sat 21:00-05:30", "");
		for (int64_t at = begin; at < end; at += 60) {
			bool is_open = shows_open(&calendar, at);

			sum += is_open ? 60 : 0;
			if (at % 5400 == 0 && is_open != calendar_is_open(&calendar, at))
				fail_msg("%s at %lld", zones[i], (long long)at);
		}
		assert_int_equal(calendar_between(&calendar, begin, end), sum);
		/* The way there and back. */
		assert_int_equal(
			calendar_between(&calendar, begin, calendar_add(&calendar, begin, sum / 3)),
			sum / 3);
		calendar_release(&calendar);
	}
}

static void what_is_no_interval_or_date_is_refused(void **state)
{
	static const char *const intervals[] = {
		"",
		"09:00",
		"9:00-17:00",
		"09:00-17:60",
		"09:00-25:00",
		"24:00-25:00",
		"24:00-01:00",
		"09.00-17.00",
		"09:00-17:00 ",
		"09:00 17:00",
		"24:01-02:00",
		"-9:00-17:00",
	};
	static const char *const dates[] = {
		"",      "2026-02-29", "02-30",      "13-01",      "00-10",       "2026-1-01",
		"12-00", "2026/12/24", "1226-12-24", "12-25-2026", "2026-12-24 ", "24.12",
	};
	struct calendar_day day = {0};
	struct calendar calendar = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++)
		if (calendar_add_interval(&day, intervals[i]) == NULL)
			fail_msg("\"%s\" is taken for an interval", intervals[i]);
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++)
		if (calendar_add_holiday(&calendar, dates[i]) == NULL)
			fail_msg("\"%s\" is taken for a date", dates[i]);
	assert_int_equal(day.count, 0);
	assert_int_equal(calendar.holiday_count, 0);
	assert_null(calendar_add_interval(&day, "09:00-12:00"));
	assert_non_null(calendar_add_interval(&day, "11:59-13:00"));
	assert_non_null(calendar_add_interval(&day, "08:00-09:01"));
	assert_non_null(calendar_add_interval(&day, "08:00-08:00"));
	assert_null(calendar_add_interval(&day, "12:00-13:00"));
	assert_null(calendar_add_holiday(&calendar, "02-29"));
	calendar_release(&calendar);
}

static const struct {
	const char *name, *zone, *hours, *at, *closes; /* closes: NULL if it is closed then */
} closings[] = {
	{"in the middle", NULL, "mon-fri 09:00-17:00", "2026-11-23 10:00", "2026-11-23 17:00"},
	{"as it opens", NULL, "mon-fri 09:00-17:00", "2026-11-23 09:00", "2026-11-23 17:00"},
	{"as it closes", NULL, "mon-fri 09:00-17:00", "2026-11-23 17:00", NULL},
	{"before it opens", NULL, "mon-fri 09:00-17:00", "2026-11-23 08:59", NULL},
	{"at the week's end", NULL, "mon-fri 09:00-17:00", "2026-11-21 10:00", NULL},
	{"over midnight, in the evening", NULL, "mon-sun 22:00-07:00", "2026-11-23 23:00",
         "2026-11-24 07:00"},
	{"and in the morning", NULL, "mon-sun 22:00-07:00", "2026-11-23 06:59", "2026-11-23 07:00"},
	{"intervals that touch", NULL, "mon-sun 09:00-12:00, mon-sun 12:00-13:00",
         "2026-11-23 10:00", "2026-11-23 13:00"},
	{"days that touch", NULL, "mon-sun 00:00-06:00, mon-sun 20:00-24:00", "2026-11-23 21:00",
         "2026-11-24 06:00"},
	{"the night with an hour less", "Europe/Berlin", "mon-sun 22:00-07:00", "2026-03-28 23:00",
         "2026-03-29 07:00"},
	{"the night with an hour more", "Europe/Berlin", "mon-sun 22:00-07:00", "2026-10-24 23:00",
         "2026-10-25 07:00"},
	{"an end that is left out comes when clocks leap", "Europe/Berlin", "mon-sun 22:00-02:30",
         "2026-03-28 23:00", "2026-03-29 03:00"},
	{"in the south", "Australia/Sydney", "mon-sun 22:00-07:00", "2026-10-03 23:00",
         "2026-10-04 07:00"},
	{"half an hour off", "Asia/Kolkata", "mon-sun 22:00-07:00", "2026-11-23 01:00",
         "2026-11-23 07:00"},
};

static void when_it_closes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(closings) / sizeof(closings[0]); i++) {
		struct calendar calendar;
		int64_t at, closes;

		make(&calendar, closings[i].zone, closings[i].hours, "");
		at = moment(&calendar, closings[i].at);
		closes = closings[i].closes != NULL ? moment(&calendar, closings[i].closes) : at;
		if (calendar_closes_at(&calendar, at) != closes)
			fail_msg("%s: %lld seconds later, not %lld", closings[i].name,
			         (long long)(calendar_closes_at(&calendar, at) - at),
			         (long long)(closes - at));
		calendar_release(&calendar);
	}
}

static void always_open_ends_within_what_is_looked_at(void **state)
{
	struct calendar calendar;
	int64_t closes;

	(void)state;
	make(&calendar, NULL, "mon-sun 00:00-24:00", "");
	closes = calendar_closes_at(&calendar, 1000000);
	assert_true(closes > 1000000 && closes < 1000000 + 10 * (int64_t)CIVIL_DAY_S);
	calendar_release(&calendar);
}

static void a_full_day(void **state)
{
	static const struct {
		const char *intervals[3];
		bool is_full;
	} rows[] = {
		{{NULL}, false},
		{{"00:00-24:00"}, true},
		{{"08:00-08:00"}, true},
		{{"22:00-07:00", "07:00-22:00"}, true},
		{{"22:00-07:00", "07:00-21:59"}, false},
		{{"22:00-07:00", "06:00-22:00"}, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct calendar_day day = {0};

		for (int j = 0; rows[i].intervals[j] != NULL; j++)
			assert_null(calendar_add_interval(&day, rows[i].intervals[j]));
		if (calendar_day_is_full(&day) != rows[i].is_full)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(working_time_between_two_moments),
		cmocka_unit_test(working_time_added),
		cmocka_unit_test(a_year_agrees_with_a_clock_read_every_minute),
		cmocka_unit_test(what_is_no_interval_or_date_is_refused),
		cmocka_unit_test(when_it_closes),
		cmocka_unit_test(always_open_ends_within_what_is_looked_at),
		cmocka_unit_test(a_full_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
