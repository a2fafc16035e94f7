#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/base/civil.h"
#include "lib/conversation/clock.h"

#define HOUR 3600
#define DAY  86400

/*
 * Levels in words: "30m 4hb" is a level after 30 minutes and one after 4 hours of
 * business; s, m, h and d are units.
 */
static size_t read_levels(const char *text, struct alert_level levels[ALERT_LEVELS_MAX])
{
	size_t count = 0;
	int number, used;
	char unit;

	for (; sscanf(text, " %d%c%n", &number, &unit, &used) == 2; text += used) {
		levels[count] =
			(struct alert_level){.after_s = (int64_t)number * (unit == 's'   ? 1
		                                                           : unit == 'm' ? 60
		                                                           : unit == 'h' ? HOUR
		                                                                         : DAY)};
		levels[count++].is_business = text[used] == 'b';
		used += text[used] == 'b';
	}
	return count;
}

/* Seconds since 1970 of "2026-11-22 10:00" as the zone's clock shows it. */
static int64_t moment_of(const struct zone *zone, const char *text)
{
	int year, month, day, hour, minute, second = 0;

	assert_true(sscanf(text, "%d-%d-%d %d:%d:%d", &year, &month, &day, &hour, &minute,
	                   &second) >= 5);
	return zone_to_unix(zone, civil_to_days(year, month, day) * CIVIL_DAY_S + hour * HOUR +
	                                  minute * 60 + second);
}

static void append_moment(char *out, size_t size, const struct zone *zone, int64_t at)
{
	int64_t local = at + zone_offset(zone, at);
	struct civil civil = civil_from_days(civil_day_of(local));
	int64_t second = local - civil_day_of(local) * CIVIL_DAY_S;

	snprintf(out + strlen(out), size - strlen(out), "%02d-%02d %02d:%02d", civil.month,
	         civil.day, (int)(second / HOUR), (int)(second / 60 % 60));
}

/* Mondays to Fridays 09:00 to 17:00, in a zone. */
static void make_office(struct calendar *calendar, const char *zone)
{
	*calendar = (struct calendar){0};
	if (zone != NULL)
		assert_non_null(calendar->zone = zone_open(zone, NULL));
	for (int i = 0; i < 5; i++)
		assert_null(calendar_add_interval(&calendar->days[i], "09:00-17:00"));
}

static const struct {
	const char *name, *zone, *levels;
	int64_t warn_s, every_s, times;
	const char *from, *expected; /* w warning, l level, r repetition */
} plans[] = {
	{"no levels, no moments", NULL, "", 600, 600, 3, "2026-11-23 10:00", ""},
	{"levels in their order", NULL, "30m 4h", 0, 0, 0, "2026-11-23 10:00",
         "l 11-23 10:30, l 11-23 14:00"},
	{"business in the day is as the wall has it", NULL, "30m 4hb", 0, 0, 0, "2026-11-23 10:00",
         "l 11-23 10:30, l 11-23 14:00"},
	{"in the evening business waits for the morning", NULL, "30m 4hb", 0, 0, 0,
         "2026-11-23 16:00", "l 11-23 16:30, l 11-24 12:00"},
	{"a longer one on the wall may pass first", NULL, "1hb 2h", 0, 0, 0, "2026-11-20 20:00",
         "l 11-20 22:00, l 11-23 10:00"},
	{"the owner is warned before the first", NULL, "30m 4h", 600, 0, 0, "2026-11-23 10:00",
         "w 11-23 10:20, l 11-23 10:30, l 11-23 14:00"},
	{"on its clock", NULL, "1hb", 600, 0, 0, "2026-11-23 16:05",
         "w 11-23 16:55, l 11-24 09:05"},
	{"the warning of the evening is one of the morning", NULL, "1hb", 600, 0, 0,
         "2026-11-23 16:30", "w 11-24 09:20, l 11-24 09:30"},
	{"of that which passes first", NULL, "1hb 2h", 600, 0, 0, "2026-11-20 20:00",
         "w 11-20 21:50, l 11-20 22:00, l 11-23 10:00"},
	{"a warning as long as the level is none", NULL, "10m", 600, 0, 0, "2026-11-23 10:00",
         "l 11-23 10:10"},
	{"the last is repeated, and then no more", NULL, "30m 1h", 0, DAY, 3, "2026-11-23 10:00",
         "l 11-23 10:30, l 11-23 11:00, r 11-24 11:00, r 11-25 11:00, r 11-26 11:00"},
	{"on its clock too", NULL, "4hb", 0, 4 * HOUR, 2, "2026-11-26 09:00",
         "l 11-26 13:00, r 11-26 17:00, r 11-27 13:00"},
	{"what passes last is repeated, not what is longest", NULL, "1hb 2h", 0, HOUR, 1,
         "2026-11-20 20:00", "l 11-20 22:00, l 11-23 10:00, r 11-23 11:00"},
	{"the day with 23 hours", "Europe/Berlin", "23h", 0, 0, 0, "2026-03-29 00:00",
         "l 03-30 00:00"},
	{"the day with 25 hours", "Europe/Berlin", "25h", 0, 0, 0, "2026-10-25 00:00",
         "l 10-26 00:00"},
	{"a weekend with a change in it", "Europe/Berlin", "2hb", 0, 0, 0, "2026-03-27 16:00",
         "l 03-30 10:00"},
	{"where summer is in winter", "Australia/Sydney", "2hb", 0, 0, 0, "2026-10-02 16:00",
         "l 10-05 10:00"},
	{"a zone of half hours", "Asia/Kolkata", "2hb", 0, 0, 0, "2026-11-23 16:30",
         "l 11-24 10:30"},
};

static void a_wait_passes_its_levels_in_their_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		struct alert_level levels[ALERT_LEVELS_MAX];
		struct calendar office;
		const struct clock_rules rules = {.levels = levels,
		                                  .level_count =
		                                          read_levels(plans[i].levels, levels),
		                                  .calendar = &office,
		                                  .warn_s = plans[i].warn_s,
		                                  .repeat = {plans[i].every_s, plans[i].times}};
		struct clock_moment moment;
		struct clock_plan plan;
		char text[500] = "";

		make_office(&office, plans[i].zone);
		clock_lay_out(&plan, &rules, moment_of(office.zone, plans[i].from));
		for (int j = 0; clock_moment(&plan, j, &moment); j++) {
			static const char kinds[] = {
				[CLOCK_WARNING] = 'w', [CLOCK_LEVEL] = 'l', [CLOCK_REPEAT] = 'r'};

			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%c ",
			         j > 0 ? ", " : "", kinds[moment.kind]);
			append_moment(text, sizeof(text), office.zone, moment.at);
		}
		calendar_release(&office);
		if (strcmp(text, plans[i].expected) != 0)
			fail_msg("%s: %s", plans[i].name, text);
	}
}

static const struct {
	const char *name, *levels;
	int64_t started_at;
	int number;
	int64_t now;
	int64_t at;
	size_t passed;
} passings[] = {
	{"without levels nothing is ever due", "", 1000, 0, INT64_MAX, CLOCK_NEVER, 0},
	{"a second before its time a level is not passed", "30m", 1000, 0, 2799, 2800, 0},
	{"at its very second it is", "30m", 1000, 0, 2800, 2800, 1},
	{"levels of the same time are passed together", "30m 30m 4h", 1000, 0, 2800, 2800, 2},
	{"after a long time all are, with two repetitions", "30m 30m 4h", 1000, 0, 100000, 2800, 5},
	{"those before the next one do not count again", "30m 30m 4h", 1000, 2, 100000, 15400, 3},
	{"after the last repetition there is none", "30m 30m 4h", 1000, 5, 100000, CLOCK_NEVER, 0},
	{"a number from a longer list is none", "30m", 1000, 17, 100000, CLOCK_NEVER, 0},
	{"a number below 0 is none", "30m", 1000, -1, 100000, CLOCK_NEVER, 0},
	{"a start in the future is not due yet", "30m", 5000, 0, 4000, 6800, 0},
	{"a moment past the end of time never comes", "30m", INT64_MAX - 5, 0, INT64_MAX,
         CLOCK_NEVER, 0},
};

static void a_level_is_passed_at_its_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(passings) / sizeof(passings[0]); i++) {
		struct alert_level levels[ALERT_LEVELS_MAX];
		const struct clock_rules rules = {.levels = levels,
		                                  .level_count =
		                                          read_levels(passings[i].levels, levels),
		                                  .repeat = {HOUR, 2}};
		struct clock_moment moment = {.at = CLOCK_NEVER};
		struct clock_plan plan;
		size_t passed;

		clock_lay_out(&plan, &rules, passings[i].started_at);
		(void)clock_moment(&plan, passings[i].number, &moment);
		passed = clock_passed(&plan, passings[i].number, passings[i].now);
		if (moment.at != passings[i].at || passed != passings[i].passed)
			fail_msg("%s: due at %lld, %zu passed", passings[i].name,
			         (long long)moment.at, passed);
	}
}

static void business_time_that_never_comes_is_passed_never(void **state)
{
	const struct alert_level level = {.after_s = 365 * DAY, .is_business = true};
	struct calendar minute = {0};
	const struct clock_rules rules = {.levels = &level,
	                                  .level_count = 1,
	                                  .calendar = &minute,
	                                  .warn_s = 60,
	                                  .repeat = {365 * DAY, ALERT_REPEATS_MAX}};
	struct clock_moment moment;
	struct clock_plan plan;
	(void)state;

	assert_null(calendar_add_interval(&minute.days[0], "09:00-09:01"));
	clock_lay_out(&plan, &rules, 0);
	assert_int_equal(plan.count, 0);
	assert_false(clock_moment(&plan, 0, &moment));
	assert_int_equal(clock_passed(&plan, 0, INT64_MAX), 0);
}

static const struct {
	const char *name, *zone;
	int minute;
	const char *now, *day, *next;
} dailies[] = {
	{"before its time it was yesterday", NULL, 480, "2026-11-22 07:59:59", "11-21",
         "11-22 08:00"},
	{"at its time it is today", NULL, 480, "2026-11-22 08:00", "11-22", "11-23 08:00"},
	{"at midnight", NULL, 0, "2026-11-22 00:00", "11-22", "11-23 00:00"},
	{"the last minute", NULL, 1439, "2026-11-22 23:58", "11-21", "11-22 23:59"},
	{"east of us the day is another", "Pacific/Auckland", 480, "2026-11-22 07:00", "11-21",
         "11-22 08:00"},
	{"half an hour off", "Asia/Kolkata", 480, "2026-11-22 08:00", "11-22", "11-23 08:00"},
	{"before clocks go forward", "Europe/Berlin", 480, "2026-03-28 12:00", "03-28",
         "03-29 08:00"},
	{"a time that is left out comes when they do", "Europe/Berlin", 150, "2026-03-29 01:59",
         "03-28", "03-29 03:00"},
	{"and not again that day", "Europe/Berlin", 150, "2026-03-29 03:00", "03-29",
         "03-30 02:30"},
	{"a time that comes twice is the first", "Europe/Berlin", 150, "2026-10-25 02:30", "10-25",
         "10-26 02:30"},
	{"in the south", "Australia/Sydney", 480, "2026-10-04 07:00", "10-03", "10-04 08:00"},
};

static void a_daily_time_comes_once_each_local_day(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dailies) / sizeof(dailies[0]); i++) {
		struct zone *zone =
			dailies[i].zone != NULL ? zone_open(dailies[i].zone, NULL) : NULL;
		int64_t now = moment_of(zone, dailies[i].now), next_at;
		struct civil civil =
			civil_from_days(clock_daily(zone, dailies[i].minute, now, &next_at));
		char day[30], next[40] = "";

		snprintf(day, sizeof(day), "%02d-%02d", civil.month, civil.day);
		append_moment(next, sizeof(next), zone, next_at);
		if (strcmp(day, dailies[i].day) != 0 || strcmp(next, dailies[i].next) != 0)
			fail_msg("%s: day %s, next %s", dailies[i].name, day, next);
		zone_free(zone);
	}
}

/* Each day of years once, whatever the clocks do: looked at every quarter of an hour. */
static void no_day_is_left_out_or_comes_twice(void **state)
{
	static const char *const zones[] = {"Europe/Berlin", "Australia/Lord_Howe",
	                                    "America/St_Johns", "UTC"};
	(void)state;

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		struct zone *zone = zone_open(zones[i], NULL);
		int64_t next_at = 0, last = 0;

		assert_non_null(zone);
		for (int64_t now = 1767225600; now < 1767225600 + 400 * DAY; now += 900) {
			int64_t day, was = next_at;

			day = clock_daily(zone, 145, now, &next_at);
			assert_true(next_at > now);
			if (last > 0 && day != last + (now >= was))
				fail_msg("%s: day %lld after %lld at %lld", zones[i],
				         (long long)day, (long long)last, (long long)now);
			last = day;
		}
		zone_free(zone);
	}
}

static const struct {
	int64_t seconds;
	const char *text;
} descriptions[] = {
	{INT64_MIN, "0 s"},
	{-1, "0 s"},
	{0, "0 s"},
	{59, "59 s"},
	{60, "1 min"},
	{119, "1 min"},
	{2700, "45 min"},
	{3599, "59 min"},
	{3600, "1 h"},
	{3659, "1 h"},
	{7500, "2 h 5 min"},
	{86399, "23 h 59 min"},
	{86400, "1 day"},
	{89999, "1 day"},
	{100800, "1 day 4 h"},
	{259200, "3 days"},
	{266400, "3 days 2 h"},
	{INT64_MAX, "106751991167300 days 15 h"},
};

static void a_duration_is_described_as_people_say_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(descriptions) / sizeof(descriptions[0]); i++) {
		char text[64];

		clock_describe(descriptions[i].seconds, text, sizeof(text));
		assert_string_equal(text, descriptions[i].text);
	}
}

static void a_description_stays_within_its_buffer(void **state)
{
	char text[8];
	(void)state;

	memset(text, 'x', sizeof(text));
	clock_describe(7500, text, 5);
	assert_string_equal(text, "2 h ");
	assert_int_equal(text[5], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_passes_its_levels_in_their_order),
		cmocka_unit_test(a_level_is_passed_at_its_time),
		cmocka_unit_test(business_time_that_never_comes_is_passed_never),
		cmocka_unit_test(a_daily_time_comes_once_each_local_day),
		cmocka_unit_test(no_day_is_left_out_or_comes_twice),
		cmocka_unit_test(a_duration_is_described_as_people_say_it),
		cmocka_unit_test(a_description_stays_within_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
