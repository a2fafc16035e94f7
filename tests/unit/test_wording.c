#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/mail/undelivered.h"
#include "lib/mail/wording.h"

static void texts_are_made_comparable(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		const char *folded;
	} rows[] = {
		{"ASCII in lower case", "Hello WORLD", "hello world"},
		{"white space of any kind is one blank",
	         "a \r\n\t b\xc2\xa0\xe3\x80\x80"
	         "c ",
	         "a b c"},
		{"Latin letters with marks", "ÀÖØÞ ŐŹŻĄ Ýß×", "àöøþ őźżą ýß×"},
		{"Greek and Cyrillic", "ΑΩ АЯЁ", "αω аяё"},
		{"typographic marks", "don’t “x” – «y»", "don't \"x\" - \"y\""},
		{"full-width marks", "自动回复：【x】（y）", "自动回复:[x](y)"},
		{"bytes that are no UTF-8 stay", "A\xff\xc3", "a\xff\xc3"},
		{"nothing", " \n", ""},
	};
	(void)state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *folded = wording_fold(rows[i].text, 1000);

		if (strcmp(folded, rows[i].folded) != 0)
			fail_msg("%s: found \"%s\"", rows[i].name, folded);
		free(folded);
	}
}

static void a_text_is_read_to_its_limit(void **state)
{
	char *folded = wording_fold("abcdef", 3);
	(void)state;

	assert_string_equal(folded, "abc");
	free(folded);
}

static void refusals_need_no_language(void **state)
{
	static const struct {
		const char *text;
		bool is_refusal;
	} rows[] = {
		{"xyz 550 5.1.1 xyz", true},
		{"550-5.7.26 x", true},
		{"(554 #5.4.6 x)", true},
		{"421 4.7.0 x", true},
		{"550 user unknown", false},
		{"550 4.1.1 codes that do not agree", false},
		{"1550 5.1.1 a longer number", false},
		{"5.1.1 without a code", false},
		{"version 5.1.1", false},
		{"on 5.1.2027 at 550 bc", false},
		{"550 5", false},
		{"", false},
	};
	(void)state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (undelivered_has_refusal(rows[i].text) != rows[i].is_refusal)
			fail_msg("%s", rows[i].text);
	}
}

static void forms_differ_from_what_people_write(void **state)
{
	static const struct {
		const char *text;
		bool is_text, is_form, is_delayed;
	} rows[] = {
		{"a message that you sent could not be delivered to one or more of its recipients",
	         true, true, false},
		{"my mail could not be delivered", true, false, false},
		{"delivery to the following recipient has been delayed", true, true, true},
		{"we will keep trying", true, false, true},
		{"ваше письмо не доставлено следующим получателям", true, true, false},
		{"以下の宛先に配信できませんでした", true, true, false},
		{"my answer is delayed", false, false, false},
		{"see you on monday", false, false, false},
	};
	(void)state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (undelivered_is_text(rows[i].text) != rows[i].is_text ||
		    undelivered_is_form(rows[i].text) != rows[i].is_form ||
		    undelivered_is_delayed(rows[i].text) != rows[i].is_delayed)
			fail_msg("%s", rows[i].text);
	}
}

static void reasons_in_words_have_a_status(void **state)
{
	static const struct {
		const char *text;
		const char *detail; /* "" for none */
	} rows[] = {
		{"user unknown", "1.1"},
		{"unknown host", "1.2"},
		{"the mailbox is full", "2.2"},
		{"message too large for this mailbox", "3.4"},
		{"too many hops", "4.6"},
		{"connection timed out", "4.1"},
		{"relay access denied: user unknown", "7.1"},
		{"it did not work", ""},
	};
	(void)state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *detail = wording_status_detail(rows[i].text);

		if (strcmp(detail == NULL ? "" : detail, rows[i].detail) != 0)
			fail_msg("%s: found %s", rows[i].text, detail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_made_comparable),
		cmocka_unit_test(a_text_is_read_to_its_limit),
		cmocka_unit_test(refusals_need_no_language),
		cmocka_unit_test(forms_differ_from_what_people_write),
		cmocka_unit_test(reasons_in_words_have_a_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
