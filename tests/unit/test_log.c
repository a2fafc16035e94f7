#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"

static int saved_stderr;
static int reading_end;

static int catch_stderr(void **state)
{
	int ends[2];

	(void)state;
	/* As packets, so that one read is one write. */
	if (pipe2(ends, O_DIRECT | O_NONBLOCK) != 0)
		return -1;
	saved_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	reading_end = ends[0];
	return 0;
}

static int release_stderr(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	return close(reading_end);
}

/* What one write brought, "" if there was none. */
static const char *written(void)
{
	static char text[4096];
	ssize_t length = read(reading_end, text, sizeof(text) - 1);

	text[length > 0 ? length : 0] = '\0';
	return text;
}

static void a_line_is_one_write(void **state)
{
	(void)state;
	log_open("prog", LOG_TARGET_STDERR, LOG_LEVEL_DEBUG);
	log_error("one %d", 1);
	log_warning("two");
	log_info("three");
	log_debug("four");
	assert_string_equal(written(), "prog: error: one 1\n");
	assert_string_equal(written(), "prog: warning: two\n");
	assert_string_equal(written(), "prog: info: three\n");
	assert_string_equal(written(), "prog: debug: four\n");
	assert_string_equal(written(), "");
}

static void lines_under_the_level_are_dropped(void **state)
{
	(void)state;
	log_open("prog", LOG_TARGET_STDERR, LOG_LEVEL_WARNING);
	log_debug("x");
	log_info("x");
	log_warning("kept");
	assert_string_equal(written(), "prog: warning: kept\n");
	assert_string_equal(written(), "");
}

static void control_bytes_cannot_forge_a_line(void **state)
{
	(void)state;
	log_open("prog", LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	log_info("%s", "a\nprog: error: b\r\t\033[1m\x7f");
	assert_string_equal(written(), "prog: info: a?prog: error: b???[1m?\n");
}

static void a_long_line_is_cut(void **state)
{
	char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_open("prog", LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	log_info("%s", text);
	assert_int_equal(strlen(written()), strlen("prog: info: \n") + 1000);
	log_info("%s", "next");
	assert_string_equal(written(), "prog: info: next\n");
}

static void a_value_has_no_blanks_commas_or_foreign_bytes(void **state)
{
	char out[16];

	(void)state;
	assert_string_equal(log_value(out, sizeof(out), "a@b.test"), "a@b.test");
	assert_string_equal(log_value(out, sizeof(out), "a b,c\n\xc3\xbc\x7f"), "a?b?c????");
	assert_string_equal(log_value(out, sizeof(out), ""), "-");
	assert_string_equal(log_value(out, sizeof(out), NULL), "-");
	assert_string_equal(log_value(out, 4, "abcdef"), "abc");
	assert_string_equal(log_value(out, 1, "abc"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_is_one_write, catch_stderr, release_stderr),
		cmocka_unit_test_setup_teardown(lines_under_the_level_are_dropped, catch_stderr,
	                                        release_stderr),
		cmocka_unit_test_setup_teardown(control_bytes_cannot_forge_a_line, catch_stderr,
	                                        release_stderr),
		cmocka_unit_test_setup_teardown(a_long_line_is_cut, catch_stderr, release_stderr),
		cmocka_unit_test(a_value_has_no_blanks_commas_or_foreign_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
