#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/subject.h"

static const struct {
	const char *name;
	const char *value;
	const char *expected;
} decoded[] = {
	{"plain text", " Hello there ", "Hello there"},
	{"folded", "Hello\r\n there", "Hello there"},
	{"Q", "=?utf-8?Q?J=C3=A4ne_Bob?=", "J\xc3\xa4ne Bob"},
	{"B", "=?UTF-8?b?SsOkbmU=?=", "J\xc3\xa4ne"},
	{"a language tag", "=?utf-8*de?q?J=C3=A4ne?=", "J\xc3\xa4ne"},
	{"another charset", "=?iso-8859-1?q?J=E4ne?=", "J\xc3\xa4ne"},
	{"what calls itself Latin 1 is windows-1252", "=?iso-8859-1?q?=80?=", "\xe2\x82\xac"},
	{"a charset with states",
         "=?iso-2022-jp?B?GyRCJEYkOSRIGyhC?=", "\xe3\x81\xa6\xe3\x81\x99\xe3\x81\xa8"},
	{"a Korean one by its old name",
         "=?ks_c_5601-1987?B?sPi6uw==?=", "\xea\xb3\xb5\xeb\xb3\xb8"},
	{"text around words keeps its blanks", "a =?utf-8?q?b?= c", "a b c"},
	{"the blank between two words goes", "=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"},
	{"between words of two charsets too", "=?utf-8?q?a?= =?iso-8859-1?q?=E4?=", "a\xc3\xa4"},
	{"a character split between two words",
         "=?utf-8?q?J=C3?= =?utf-8?q?=A4ne?=", "J\xc3\xa4ne"},
	{"blanks inside a word, as some clients write", "=?utf-8?q?a b?=", "a b"},
	{"an unknown charset stays as written", "=?x-none?q?a?= b", "=?x-none?q?a?= b"},
	{"an unknown encoding stays as written", "=?utf-8?x?a?=", "=?utf-8?x?a?="},
	{"a word without its end stays", "=?utf-8?q?abc", "=?utf-8?q?abc"},
	{"bytes that are wrong in their charset are shown as such", "=?utf-8?q?a=FFb?=",
         "a\xef\xbf\xbd"
         "b"},
	{"raw UTF-8", "J\xc3\xa4ne", "J\xc3\xa4ne"},
	{"raw bytes that are not UTF-8 are windows-1252", "J\xe4ne \x93x\x94",
         "J\xc3\xa4ne \xe2\x80\x9cx\xe2\x80\x9d"},
	{"encoded line breaks make no line", "=?utf-8?q?a=0D=0ABcc:_x=00y=7F?=", "a  Bcc: x y"},
	{"nothing", "", ""},
};

static void subjects_are_decoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof decoded / sizeof decoded[0]; i++) {
		char *found = subject_decode(decoded[i].value, strlen(decoded[i].value), 200);

		if (strcmp(found, decoded[i].expected) != 0)
			fail_msg("%s: found \"%s\"", decoded[i].name, found);
		free(found);
	}
}

static void a_subject_is_cut_at_a_character(void **state)
{
	char *found = subject_decode("ab\xe2\x82\xac", 5, 4);
	(void)state;

	assert_string_equal(found, "ab");
	free(found);
	found = subject_decode("=?utf-8?q?ab=E2=82=AC?=", 23, 5);
	assert_string_equal(found, "ab\xe2\x82\xac");
	free(found);
}

static void a_megabyte_of_words_is_read_at_once(void **state)
{
	static const char *const patterns[] = {"=?", "=?a?q?", "=?utf-8?b?",
	                                       "=?euc-jp?q?a?= =?iso-2022-jp?q?b?= "};
	size_t size = 1024 * 1024;
	char *value = xmalloc(size);
	(void)state;

	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		size_t length = strlen(patterns[i]);
		char *found;

		for (size_t at = 0; at < size; at++)
			value[at] = patterns[i][at % length];
		found = subject_decode(value, size, 500);
		assert_true(strlen(found) > 0 && strlen(found) <= 500);
		free(found);
	}
	free(value);
}

static const struct {
	const char *name;
	const char *subject;
	const char *expected;
} stripped[] = {
	{"no mark", "Hello", "Hello"},
	{"one", "Re: Hello", "Hello"},
	{"many, mixed", "RE: AW: Fwd:Re:  Hello", "Hello"},
	{"counted", "Re[2]: Re(3): Re*4: Re^5: Hello", "Hello"},
	{"other languages", "SV: Antw: RV: TR: Odp: YNT: WG: Hello", "Hello"},
	{"French puts a blank before the colon", "RE : Hello", "Hello"},
	{"Chinese", "\xe5\x9b\x9e\xe5\xa4\x8d: Hello", "Hello"},
	{"Chinese with its own colon", "\xe5\x9b\x9e\xe5\xa4\x8d\xef\xbc\x9aHello", "Hello"},
	{"a word that begins alike stays", "Regarding: Hello", "Regarding: Hello"},
	{"a word without a colon stays", "Re Hello", "Re Hello"},
	{"a number that is none", "Re[x]: Hello", "Re[x]: Hello"},
	{"nothing behind", "Re:", ""},
	{"nothing", "", ""},
};

static void reply_marks_are_stripped(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof stripped / sizeof stripped[0]; i++) {
		const char *found = subject_strip(stripped[i].subject);

		if (strcmp(found, stripped[i].expected) != 0)
			fail_msg("%s: found \"%s\"", stripped[i].name, found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subjects_are_decoded),
		cmocka_unit_test(a_subject_is_cut_at_a_character),
		cmocka_unit_test(a_megabyte_of_words_is_read_at_once),
		cmocka_unit_test(reply_marks_are_stripped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
