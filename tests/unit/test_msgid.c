#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/msgid.h"

static const struct {
	const char *name;
	const char *value;
	const char *expected; /* each followed by a blank */
} rows[] = {
	{"one id", "<a@b.test>", "<a@b.test> "},
	{"several, folded", "<a@b.test>\r\n\t<c@d.test> <e@f.test>",
         "<a@b.test> <c@d.test> <e@f.test> "},
	{"no white space between them", "<a@b.test><c@d.test>", "<a@b.test> <c@d.test> "},
	{"case is kept, doubles too", "<A@b.test> <a@b.test> <A@b.test>",
         "<A@b.test> <a@b.test> <A@b.test> "},
	{"white space inside goes", "<a @\r\n\tb.test>", "<a@b.test> "},
	{"an id without an @", "<12345>", "<12345> "},
	{"words of older clients", "Your message of Monday, \"the <1st>\" <a@b.test> (from <c@d>)",
         "<a@b.test> "},
	{"a comment that is not closed", "Jane :( <a@b.test>", "<a@b.test> "},
	{"a quote that is not closed", "the 5\" one <a@b.test>", "<a@b.test> "},
	{"a bracket twice", "<<a@b.test>>", "<a@b.test> "},
	{"a bracket that is not closed, then a good one", "<a@b.test <c@d.test>",
         "<a@b.test> <c@d.test> "},
	{"a bracket that is not closed", "<a@b.test", "<a@b.test> "},
	{"one before words is none", "<a@b.test says hello", ""},
	{"nor is one without an @", "<12345", ""},
	{"commas between them", "<a@b.test>, <c@d.test>,<e@f.test>",
         "<a@b.test> <c@d.test> <e@f.test> "},
	{"comments between them", "(re: <x@y.test>) <a@b.test> (of (Monday)) <c@d.test>",
         "<a@b.test> <c@d.test> "},
	{"brackets lost", " a@b.test ", "<a@b.test> "},
	{"the first bracket lost", "a@b.test>", "<a@b.test> "},
	{"the brackets of several lost", "a@b.test, c@d.test\r\n\te@f.test",
         "<a@b.test> <c@d.test> <e@f.test> "},
	{"of several only one is a word", "a@b.test of c@d.test", ""},
	{"a comment beside one without brackets", "a@b.test (Jane)", ""},
	{"words are no id", "a@b.test says hello", ""},
	{"one word without an @ is no id", "12345", ""},
	{"an empty one", "<> < >", ""},
	{"a control byte makes it none", "<a\x01@b.test> <c@d.test>", "<c@d.test> "},
	{"nothing", "", ""},
};

static void ids_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct string_list ids = {0};
		char found[200] = "";

		msgid_parse(&ids, rows[i].value, strlen(rows[i].value), 10);
		for (size_t j = 0; j < ids.count; j++) {
			strcat(found, ids.items[j]);
			strcat(found, " ");
		}
		if (strcmp(found, rows[i].expected) != 0)
			fail_msg("%s: found \"%s\"", rows[i].name, found);
		string_list_release(&ids);
	}
}

static void the_list_never_passes_its_maximum(void **state)
{
	const char *value = "<a@b> <c@d> <e@f>";
	struct string_list ids = {0};
	(void)state;

	msgid_parse(&ids, value, strlen(value), 2);
	assert_int_equal(ids.count, 2);
	msgid_parse(&ids, value, strlen(value), 4);
	assert_int_equal(ids.count, 4);
	msgid_parse(&ids, "x@y", 3, 4);
	assert_int_equal(ids.count, 4);
	string_list_release(&ids);
}

static void an_id_has_at_most_998_bytes(void **state)
{
	char value[MSGID_MAX_BYTES + 2];
	char *id;
	(void)state;

	memset(value, 'a', sizeof value);
	value[0] = '<';
	value[MSGID_MAX_BYTES - 1] = '>';
	id = msgid_first(value, MSGID_MAX_BYTES);
	assert_non_null(id);
	assert_int_equal(strlen(id), MSGID_MAX_BYTES);
	free(id);
	value[MSGID_MAX_BYTES - 1] = 'a';
	value[MSGID_MAX_BYTES] = '>';
	assert_null(msgid_first(value, MSGID_MAX_BYTES + 1));
}

static void the_first_id_is_given(void **state)
{
	char *id = msgid_first("(x) <a@b.test> <c@d.test>", 25);
	(void)state;

	assert_string_equal(id, "<a@b.test>");
	free(id);
	assert_null(msgid_first("", 0));
}

static void a_megabyte_of_brackets_is_read_at_once(void **state)
{
	static const char *const patterns[] = {"<", "(", "\"", "<(", "\"<\" "};
	size_t size = 1024 * 1024;
	char *value = xmalloc(size);
	(void)state;

	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		struct string_list ids = {0};
		size_t length = strlen(patterns[i]);

		for (size_t at = 0; at < size; at++)
			value[at] = patterns[i][at % length];
		msgid_parse(&ids, value, size, 50);
		assert_int_equal(ids.count, 0);
		string_list_release(&ids);
	}
	free(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_read),
		cmocka_unit_test(the_list_never_passes_its_maximum),
		cmocka_unit_test(an_id_has_at_most_998_bytes),
		cmocka_unit_test(the_first_id_is_given),
		cmocka_unit_test(a_megabyte_of_brackets_is_read_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
