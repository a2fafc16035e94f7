#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "lib/conversation/clock.h"

static const int64_t delays[] = {1800, 1800, 14400};

struct passing {
	const char *name;
	int64_t started_at;
	size_t delay_count;
	int level;
	int64_t now;
	int64_t due_at;
	size_t passed;
};

static const struct passing passings[] = {
	{"without levels nothing is ever due", 1000, 0, 0, INT64_MAX, CLOCK_NEVER, 0},
	{"a second before its time a level is not passed", 1000, 1, 0, 2799, 2800, 0},
	{"at its very second it is", 1000, 1, 0, 2800, 2800, 1},
	{"levels of the same delay are passed together", 1000, 3, 0, 2800, 2800, 2},
	{"after a long time all are", 1000, 3, 0, 100000, 2800, 3},
	{"those before the next one do not count again", 1000, 3, 2, 100000, 15400, 1},
	{"after the last there is none", 1000, 3, 3, 100000, CLOCK_NEVER, 0},
	{"a level from a longer list is none", 1000, 3, 17, 100000, CLOCK_NEVER, 0},
	{"a level below 0 is none", 1000, 3, -1, 100000, CLOCK_NEVER, 0},
	{"a start in the future is not due yet", 5000, 3, 0, 4000, 6800, 0},
	{"a moment past the end of time never comes", INT64_MAX - 5, 3, 0, INT64_MAX, CLOCK_NEVER,
         0},
};

static void a_level_is_passed_at_its_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(passings) / sizeof(passings[0]); i++) {
		const struct passing *row = &passings[i];
		int64_t due_at =
			clock_due_at(row->started_at, delays, row->delay_count, row->level);
		size_t passed = clock_passed(row->started_at, delays, row->delay_count, row->level,
		                             row->now);

		if (due_at != row->due_at || passed != row->passed)
			fail_msg("%s: due at %lld, %zu passed", row->name, (long long)due_at,
			         passed);
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
		cmocka_unit_test(a_level_is_passed_at_its_time),
		cmocka_unit_test(a_duration_is_described_as_people_say_it),
		cmocka_unit_test(a_description_stays_within_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
