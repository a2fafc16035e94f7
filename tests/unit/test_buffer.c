#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buffer.h"

static void an_empty_buffer_is_an_empty_string(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 10);
	assert_string_equal(buffer.data, "");
	assert_int_equal(buffer.length, 0);
	assert_false(buffer.is_full);
	buffer_release(&buffer);
	buffer_release(&buffer);
}

static void bytes_are_appended_in_every_form(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 100);
	assert_int_equal(buffer_append(&buffer, "a\0b", 3), 0);
	assert_int_equal(buffer_append_text(&buffer, "cd"), 0);
	assert_int_equal(buffer_append_char(&buffer, 'e'), 0);
	assert_int_equal(buffer_printf(&buffer, "%d-%s", 12, "x"), 0);
	assert_int_equal(buffer.length, 10);
	assert_memory_equal(buffer.data, "a\0bcde12-x", 11);
	buffer_release(&buffer);
}

static void it_grows_to_its_maximum_and_no_further(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buffer_append_char(&buffer, (char)('a' + i % 26)), 0);
	assert_false(buffer.is_full);
	assert_int_equal(buffer.data[999], 'a' + 999 % 26);
	assert_int_equal(buffer_append_char(&buffer, 'x'), -1);
	assert_true(buffer.is_full);
	assert_int_equal(buffer.length, 1000);
	assert_int_equal(strlen(buffer.data), 1000);
	assert_true(buffer.capacity <= 1000);
	buffer_release(&buffer);
}

static void an_append_that_does_not_fit_adds_nothing(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 5);
	assert_int_equal(buffer_append_text(&buffer, "abc"), 0);
	assert_int_equal(buffer_append_text(&buffer, "def"), -1);
	assert_string_equal(buffer.data, "abc");
	assert_int_equal(buffer_printf(&buffer, "%d", 123), -1);
	assert_string_equal(buffer.data, "abc");
	assert_int_equal(buffer_append(&buffer, "x", SIZE_MAX), -1);
	assert_int_equal(buffer_append_text(&buffer, "de"), 0);
	assert_string_equal(buffer.data, "abcde");
	buffer_release(&buffer);
}

static void a_cut_append_adds_what_fits(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 5);
	buffer_append_cut(&buffer, "abcde", 5);
	assert_false(buffer.is_full);
	buffer_clear(&buffer);
	buffer_append_cut(&buffer, "abcdefgh", 8);
	assert_string_equal(buffer.data, "abcde");
	assert_true(buffer.is_full);
	buffer_append_cut(&buffer, "x", 1);
	assert_string_equal(buffer.data, "abcde");
	buffer_release(&buffer);
}

static void clear_keeps_the_storage_and_forgets_the_rest(void **state)
{
	struct buffer buffer;
	size_t capacity;

	(void)state;
	buffer_init(&buffer, 300);
	for (int i = 0; i < 301; i++)
		(void)buffer_append_char(&buffer, 'x');
	capacity = buffer.capacity;
	buffer_clear(&buffer);
	assert_string_equal(buffer.data, "");
	assert_int_equal(buffer.length, 0);
	assert_false(buffer.is_full);
	assert_int_equal(buffer.capacity, capacity);
	buffer_release(&buffer);
}

static void take_gives_the_string_away(void **state)
{
	struct buffer buffer;
	char *text;

	(void)state;
	buffer_init(&buffer, 100);
	assert_int_equal(buffer_append_text(&buffer, "mine"), 0);
	text = buffer_take(&buffer);
	assert_string_equal(text, "mine");
	assert_null(buffer.data);
	assert_int_equal(buffer_append_text(&buffer, "x"), -1);
	free(text);
}

static void a_maximum_of_nothing_holds_nothing(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 0);
	assert_int_equal(buffer_append_text(&buffer, ""), 0);
	assert_false(buffer.is_full);
	assert_int_equal(buffer_append_char(&buffer, 'x'), -1);
	assert_string_equal(buffer.data, "");
	buffer_release(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_buffer_is_an_empty_string),
		cmocka_unit_test(bytes_are_appended_in_every_form),
		cmocka_unit_test(it_grows_to_its_maximum_and_no_further),
		cmocka_unit_test(an_append_that_does_not_fit_adds_nothing),
		cmocka_unit_test(a_cut_append_adds_what_fits),
		cmocka_unit_test(clear_keeps_the_storage_and_forgets_the_rest),
		cmocka_unit_test(take_gives_the_string_away),
		cmocka_unit_test(a_maximum_of_nothing_holds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
