#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/civil.h"
#include "lib/base/zone.h"

/* Both hemispheres, halves and quarters of hours, none, a negative summer, rules past 24 h. */
static const char *const names[] = {
	"UTC",
	"Europe/Berlin",
	"Europe/Dublin",
	"America/New_York",
	"America/St_Johns",
	"America/Sao_Paulo",
	"America/Santiago",
	"Asia/Kolkata",
	"Asia/Kathmandu",
	"Asia/Jerusalem",
	"Asia/Gaza",
	"Australia/Sydney",
	"Australia/Lord_Howe",
	"Pacific/Auckland",
	"Pacific/Chatham",
	"Pacific/Apia",
	"Africa/Casablanca",
	"Africa/Nairobi",
	"America/Nuuk",
	"EST5EDT",
};

static int64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)(*state >> 16);
}

static void days_and_dates_agree_with_gmtime(void **state)
{
	(void)state;
	for (int64_t days = -150000; days < 150000; days += 7) {
		time_t at = (time_t)days * CIVIL_DAY_S;
		struct civil civil = civil_from_days(days);
		struct tm tm;

		gmtime_r(&at, &tm);
		assert_int_equal(civil.year, tm.tm_year + 1900);
		assert_int_equal(civil.month, tm.tm_mon + 1);
		assert_int_equal(civil.day, tm.tm_mday);
		assert_int_equal(civil_weekday(days), (tm.tm_wday + 6) % 7);
		assert_int_equal(civil_to_days(civil.year, civil.month, civil.day), days);
		assert_int_equal(civil_day_of(at + CIVIL_DAY_S - 1), days);
	}
	assert_int_equal(civil_month_length(2024, 2), 29);
	assert_int_equal(civil_month_length(2100, 2), 28);
	assert_int_equal(civil_month_length(2000, 2), 29);
	assert_int_equal(civil_month_length(2026, 12), 31);
}

static void offsets_are_those_of_the_c_library(void **state)
{
	const int64_t end = 4102444800; /* 2100 */
	uint64_t random = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct zone *zone = zone_open(names[i], NULL);

		if (zone == NULL)
			fail_msg("%s cannot be read", names[i]);
		setenv("TZ", names[i], 1);
		tzset();
		for (int j = 0; j < 20000; j++) {
			/* A regular hour too, since changes strike at whole hours. */
			int64_t at = j % 2 == 0 ? next_random(&random) % end
			                        : next_random(&random) % end / 3600 * 3600;
			time_t c_at = (time_t)at;
			struct tm tm;

			localtime_r(&c_at, &tm);
			if (zone_offset(zone, at) != tm.tm_gmtoff)
				fail_msg("%s at %lld: %lld, not %ld", names[i], (long long)at,
				         (long long)zone_offset(zone, at), tm.tm_gmtoff);
		}
		zone_free(zone);
	}
	unsetenv("TZ");
	tzset();
}

static void a_local_time_is_the_first_moment_that_shows_it(void **state)
{
	uint64_t random = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct zone *zone = zone_open(names[i], NULL);

		assert_non_null(zone);
		for (int j = 0; j < 20000; j++) {
			int64_t at = 946684800 + next_random(&random) % 1577836800;
			int64_t local = at + zone_offset(zone, at);
			int64_t found = zone_to_unix(zone, local);

			/* `at` shows it too, so it is that moment or one shown before. */
			if (found > at || found + zone_offset(zone, found) != local)
				fail_msg("%s, local %lld: %lld, not %lld", names[i],
				         (long long)local, (long long)found, (long long)at);
		}
		zone_free(zone);
	}
}

struct local_time {
	const char *name, *zone;
	int year, month, day, hour, minute;
	int64_t at;
};

static const struct local_time local_times[] = {
	{"an ordinary time", "Europe/Berlin", 2026, 11, 22, 10, 0, 1795338000},
	{"the last minute before a leap", "Europe/Berlin", 2026, 3, 29, 1, 59, 1774745940},
	{"what the leap leaves out is its moment", "Europe/Berlin", 2026, 3, 29, 2, 30, 1774746000},
	{"the first minute after it", "Europe/Berlin", 2026, 3, 29, 3, 0, 1774746000},
	{"what is shown twice is the first", "Europe/Berlin", 2026, 10, 25, 2, 30, 1792888200},
	{"after both", "Europe/Berlin", 2026, 10, 25, 3, 0, 1792893600},
	{"by the rule of the footer", "Europe/Berlin", 2060, 3, 28, 2, 30, 2847661200},
	{"half an hour is left out", "Australia/Lord_Howe", 2026, 10, 4, 2, 15, 1791041400},
	{"a zone without summer time", "Asia/Kolkata", 2026, 7, 1, 5, 30, 1782864000},
};

static void local_times_around_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(local_times) / sizeof(local_times[0]); i++) {
		const struct local_time *row = &local_times[i];
		struct zone *zone = zone_open(row->zone, NULL);
		int64_t local = civil_to_days(row->year, row->month, row->day) * CIVIL_DAY_S +
		                row->hour * 3600 + row->minute * 60;

		assert_non_null(zone);
		if (zone_to_unix(zone, local) != row->at)
			fail_msg("%s: %lld, not %lld", row->name,
			         (long long)zone_to_unix(zone, local), (long long)row->at);
		zone_free(zone);
	}
}

static void what_is_no_zone_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",       "Europe",         "Europe/Berlín", "Europe/Nowhere", "../../etc/passwd",
		"/etc/x", "Europe/Berlin/", "zone.tab",
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (zone_open(wrong[i], &err) != NULL)
			fail_msg("\"%s\" is taken for a zone", wrong[i]);
		assert_int_equal(err.kind, ERROR_CONFIG);
	}
}

/* Cut anywhere, and with any byte changed, it is read within bounds. */
static void a_damaged_file_is_refused_or_harmless(void **state)
{
	static char bytes[ZONE_MAX_BYTES];
	uint64_t random = 3;
	size_t length;
	FILE *stream = fopen(ZONE_DIRECTORY "/Europe/Berlin", "rb");

	(void)state;
	assert_non_null(stream);
	length = fread(bytes, 1, sizeof(bytes), stream);
	fclose(stream);
	for (size_t cut = 0; cut < length; cut++) {
		char *copy = malloc(cut + 1); /* so that a step too far is seen */

		memcpy(copy, bytes, cut);
		assert_null(zone_parse(copy, cut, NULL));
		free(copy);
	}
	for (int i = 0; i < 20000; i++) {
		size_t at = (size_t)next_random(&random) % length;
		char before = bytes[at];
		struct zone *zone;

		bytes[at] = (char)next_random(&random);
		zone = zone_parse(bytes, length, NULL);
		if (zone != NULL)
			(void)zone_to_unix(zone, next_random(&random) % 4102444800);
		zone_free(zone);
		bytes[at] = before;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(days_and_dates_agree_with_gmtime),
		cmocka_unit_test(offsets_are_those_of_the_c_library),
		cmocka_unit_test(a_local_time_is_the_first_moment_that_shows_it),
		cmocka_unit_test(local_times_around_changes),
		cmocka_unit_test(what_is_no_zone_is_refused),
		cmocka_unit_test(a_damaged_file_is_refused_or_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
