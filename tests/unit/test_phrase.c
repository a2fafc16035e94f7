#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/header.h"
#include "lib/mail/phrase.h"

static const struct {
	const char *name;
	const char *phrase;
	const char *expected;
} phrases[] = {
	{"ASCII stays as it stands", "\"Jane, of Sales\"", "\"Jane, of Sales\""},
	{"encoded words too", "=?iso-8859-1?q?J=E4ne?= B.", "=?iso-8859-1?q?J=E4ne?= B."},
	{"raw UTF-8 is encoded", "Jäne", "=?UTF-8?B?SsOkbmU=?="},
	{"raw windows-1252 too", "J\xe4ne", "=?UTF-8?B?SsOkbmU=?="},
	{"in quotes, without the quotes", "\"Jäne\"", "=?UTF-8?B?SsOkbmU=?="},
	{"and what was escaped in them", "\"Jä\\\"ne\\\\\"", "=?UTF-8?B?SsOkIm5lXA==?="},
	{"an encoded word beside it is one text with it", "=?utf-8?q?=C3=A4?= ö",
         "=?UTF-8?B?w6Qgw7Y=?="},
	{"a line break that was encoded becomes a blank", "=?utf-8?q?a=0D=0ABcc:_x?= ö",
         "=?UTF-8?B?YSAgQmNjOiB4IMO2?="},
	{"nothing", "", ""},
};

static void a_phrase_is_made_ascii(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
		char *found = address_phrase_ascii(phrases[i].phrase);

		if (strcmp(found, phrases[i].expected) != 0)
			fail_msg("%s: found \"%s\"", phrases[i].name, found);
		free(found);
	}
}

static const struct {
	const char *name;
	const char *phrase;
	const char *expected; /* with the address, after `From: ` */
} folded[] = {
	{"words",
         "one two three four five six seven eight nine ten eleven twelve thirteen fourteen",
         "one two three four five six seven eight nine ten eleven twelve thirteen\n"
         " fourteen <a@b.test>"},
	{"a quoted string, at a blank inside",
         "\"one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, 13\"",
         "\"one, two, three, four, five, six, seven, eight, nine, ten, eleven,\n"
         " twelve, 13\" <a@b.test>"},
	{"but not at a blank that is escaped",
         "\"one, two, three, four, five, six, seven, eight, nine, ten, eleven,\\ twelve,\\ 13\"",
         "\"one, two, three, four, five, six, seven, eight, nine, ten,\n"
         " eleven,\\ twelve,\\ 13\" <a@b.test>"},
	{"no line of blanks comes of many",
         "\"one                                                                             \"",
         "\"one\n"
         "                                                                             \"\n"
         " <a@b.test>"},
	{"a word longer than a line stays",
         "one eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
         "one\n eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\n"
         " <a@b.test>"},
};

static void fields_are_folded_at_78(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof folded / sizeof folded[0]; i++) {
		char *found = address_format(folded[i].phrase, "a@b.test", strlen("From"));

		if (strcmp(found, folded[i].expected) != 0)
			fail_msg("%s: found\n%s", folded[i].name, found);
		free(found);
	}
}

/* No line of a field may pass 998 bytes, nor be read as anything but the same name. */
static void check_hostile(const char *name)
{
	struct address_list list;
	char *value = xasprintf("%s <jane@company.test>", name), *phrase, *field;
	size_t column = strlen("Reply-To: ");

	address_list_parse(&list, value, strlen(value), 10);
	free(value);
	phrase = address_phrase_ascii(list.count > 0 ? list.items[0].phrase : "");
	address_list_release(&list);
	field = address_format(phrase, "boss@company.test", strlen("Reply-To"));
	for (const char *p = field; *p != '\0'; p++) {
		assert_true(*p == '\n' || (*p >= 0x20 && *p < 0x7f));
		column = *p == '\n' ? 0 : column + 1;
		assert_true(column <= 998);
		assert_true(*p != '\n' || p[1] == ' ');
	}
	address_list_parse(&list, field, strlen(field), 10);
	if (list.count != 1 || strcmp(list.items[0].address, "boss@company.test") != 0)
		fail_msg("written as\n%s\nand read as %zu addresses", field, list.count);
	address_list_release(&list);
	free(field);
	free(phrase);
}

static void hostile_names_stay_names(void **state)
{
	static const char *const names[] = {
		"\"a\" <b@c.test>,",
		"a\r\nBcc: x@example.org",
		"a\nBcc: x@example.org",
		"a\rb",
		"\"a\\",
		"\"a\\\"",
		"\"a\" \"",
		"(",
		")",
		"a (",
		"<",
		">",
		"a@b.test,",
		"a;",
		":",
		"a:b",
		"\\",
		"\"\\\r\nx\"",
		"\xff\xfe\x80",
		"\"\xff\" \"ä",
		"=?utf-8?q?=22=3E=2C_x=40y?=",
		"=?utf-8?b?Ig0KQmNjOiB4?= ä",
		"\"=?utf-8?q?=0D=0A?=\" ö",
		"\x01\x7f\x1b[31m",
		"ä\x85ö",
		"\xe2\x80\xa8line\xe2\x80\xae",
		"a,b,c",
		"group: x@y.test;",
		"\"\"",
		"[",
		"]",
		". .",
	};
	static const char *const endless[] = {"a",  "\"",   "\\", "(", "ä", "\xff",  " ",
	                                      "a ", "\\\"", "=?", ",", "<", "\"a\" "};
	char *name = xmalloc(60001);
	(void)state;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		check_hostile(names[i]);
	for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
		static const size_t lengths[] = {60000, PHRASE_MAX_BYTES, PHRASE_MAX_BYTES - 1,
		                                 PHRASE_MAX_BYTES - 10};

		for (size_t j = 0; j < 4; j++) {
			for (size_t at = 0; at < lengths[j]; at++)
				name[at] = endless[i][at % strlen(endless[i])];
			name[lengths[j]] = '\0';
			check_hostile(name);
		}
	}
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_phrase_is_made_ascii),
		cmocka_unit_test(fields_are_folded_at_78),
		cmocka_unit_test(hostile_names_stay_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
