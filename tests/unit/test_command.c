#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "lib/base/command.h"
#include "lib/base/secret.h"

static int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void what_a_command_prints_is_read_whole(void **state)
{
	struct error err;
	size_t length;
	char *out;

	(void)state;
	assert_int_equal(command_output("  printf  a\\nb%s  c ", 5000, 5, &out, &length, &err), 0);
	assert_int_equal(length, 4);
	assert_string_equal(out, "a\nbc");
	secret_free(out, length);
}

static void a_command_that_prints_more_than_it_may_fails(void **state)
{
	struct error err;
	size_t length;
	char *out;

	(void)state;
	assert_int_equal(command_output("printf abcd", 5000, 4, &out, &length, &err), 0);
	secret_free(out, length);
	assert_int_equal(command_output("printf abcde", 5000, 4, &out, &length, &err), -1);
	assert_null(out);
	assert_int_equal(err.kind, ERROR_TEMPORARY);
	assert_string_equal(err.text, "printf failed: it printed too much");
}

static void a_command_that_lasts_too_long_is_ended(void **state)
{
	static const char *const lines[] = {"sleep 100", "sh -c exec>&-;sleep${IFS}100"};
	struct error err;
	size_t length;
	char *out;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int64_t started_ms = clock_ms();

		assert_int_equal(command_output(lines[i], 50, 100, &out, &length, &err), -1);
		assert_int_equal(err.kind, ERROR_TEMPORARY);
		assert_non_null(strstr(err.text, "failed: it did not end in time"));
		assert_true(clock_ms() - started_ms < 5000);
	}
}

static void how_a_command_failed_is_said(void **state)
{
	struct error err;
	size_t length;
	char *out;

	(void)state;
	assert_int_equal(command_output("sh -c exit${IFS}7", 5000, 9, &out, &length, &err), -1);
	assert_string_equal(err.text, "sh failed: exit status 7");
	assert_int_equal(command_output("sh -c kill${IFS}$$", 5000, 9, &out, &length, &err), -1);
	assert_string_equal(err.text, "sh failed: ended by signal 15");
	assert_int_equal(command_output(" ", 5000, 9, &out, &length, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
}

static void words_may_hold_blanks(void **state)
{
	static const char *const argv[] = {"printf", "%s|", "a b", " c ", "", NULL};
	struct error err;
	size_t length;
	char *out;

	(void)state;
	assert_int_equal(
		command_output_argv(argv, COMMAND_STDERR_OURS, 5000, 99, &out, &length, &err), 0);
	assert_string_equal(out, "a b| c ||");
	secret_free(out, length);
}

static void what_a_command_complains_goes_where_it_shall(void **state)
{
	static const char *const argv[] = {"sh", "-c", "echo said; echo complained >&2; exit 3",
	                                   NULL};
	struct error err;
	size_t length;
	char *out;

	(void)state;
	assert_int_equal(command_output_argv(argv, COMMAND_STDERR_WITH_OUTPUT, 5000, 99, &out,
	                                     &length, &err),
	                 -1);
	assert_string_equal(err.text, "sh failed: exit status 3");
	assert_string_equal(out, "said\ncomplained\n");
	assert_int_equal(length, strlen(out));
	secret_free(out, length);
	assert_int_equal(
		command_output_argv(argv, COMMAND_STDERR_DROPPED, 5000, 99, &out, &length, &err),
		-1);
	assert_null(out);
	/* What was cut in the middle is not given away. */
	assert_int_equal(
		command_output_argv(argv, COMMAND_STDERR_WITH_OUTPUT, 5000, 3, &out, &length, &err),
		-1);
	assert_null(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_command_prints_is_read_whole),
		cmocka_unit_test(a_command_that_prints_more_than_it_may_fails),
		cmocka_unit_test(a_command_that_lasts_too_long_is_ended),
		cmocka_unit_test(how_a_command_failed_is_said),
		cmocka_unit_test(words_may_hold_blanks),
		cmocka_unit_test(what_a_command_complains_goes_where_it_shall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
