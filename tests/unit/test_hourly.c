#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "milter/hourly.h"

#define NOW ((int64_t)1800000000)

static void each_sender_is_due_once_an_hour(void **state)
{
	static const struct {
		const char *sentence, *sender;
		int64_t at;
		bool is_due;
	} rows[] = {
		{"the first time", "a@example.org", NOW, true},
		{"in the same second", "a@example.org", NOW, false},
		{"in capitals", "A@Example.ORG", NOW + 1, false},
		{"another sender", "b@example.org", NOW + 1, true},
		{"nobody", "", NOW + 1, true},
		{"nobody again", "", NOW + 2, false},
		{"at the end of the hour", "a@example.org", NOW + 3599, false},
		{"after it", "a@example.org", NOW + 3600, true},
		{"the hour begins anew", "a@example.org", NOW + 3601, false},
		{"the clock was set back", "a@example.org", NOW - 100, true},
	};
	struct hourly *hourly = hourly_new();
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (hourly_is_due(hourly, rows[i].sender, rows[i].at) != rows[i].is_due)
			fail_msg("%s", rows[i].sentence);
	hourly_free(hourly);
}

static void a_flood_of_senders_pushes_out_the_oldest_only(void **state)
{
	struct hourly *hourly = hourly_new();
	(void)state;

	for (int i = 0; i < 100000; i++) {
		char sender[40];

		snprintf(sender, sizeof(sender), "%d@example.org", i);
		assert_true(hourly_is_due(hourly, sender, NOW + i / 1000));
		assert_false(hourly_is_due(hourly, sender, NOW + i / 1000));
	}
	hourly_free(hourly);
}

static void without_a_table_everybody_is_due(void **state)
{
	(void)state;
	assert_true(hourly_is_due(NULL, "a@example.org", NOW));
	assert_true(hourly_is_due(NULL, "a@example.org", NOW));
	hourly_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sender_is_due_once_an_hour),
		cmocka_unit_test(a_flood_of_senders_pushes_out_the_oldest_only),
		cmocka_unit_test(without_a_table_everybody_is_due),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
