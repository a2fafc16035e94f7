#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "lib/mail/date.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NONE         (-1)

struct date_row {
	const char *name;
	const char *text;
	int64_t expected; /* NONE: it is no date */
};

static const struct date_row date_rows[] = {
	{"a date as it should be", " Fri, 21 Nov 1997 09:55:06 -0600", 880127706},
	{"without the day of the week", "21 Nov 1997 09:55:06 -0600", 880127706},
	{"without seconds", "21 Nov 97 09:55 GMT", 880106100},
	{"with comments and folded", " Fri, 21 Nov\r\n 1997 (a \\) b(c)) 09:55:06\t-0600 (CST)",
         880127706},
	{"east of UTC", "Thu, 1 Jan 1970 01:00:00 +0100", 0},
	{"a zone by name", "21 Nov 1997 09:55:06 CST", 880127706},
	{"an unknown zone is UTC", "Thu, 1 Jan 1970 00:00:07 X", 7},
	{"no zone is UTC", "1 jan 1970 00:00:07", 7},
	{"a year of two digits", "1 Jan 26 00:00:00 +0000", 1767225600},
	{"a year of three digits", "1 Jan 126 00:00:00 +0000", 1767225600},
	{"nothing", "", NONE},
	{"words", "yesterday, about noon", NONE},
	{"an hour that is none", "1 Jan 2026 24:00:00 +0000", NONE},
	{"a month that is none", "1 Foo 2026 00:00:00 +0000", NONE},
	{"no time", "1 Jan 2026", NONE},
	{"before 1970", "1 Jan 1960 00:00:00 +0000", NONE},
	{"a number too large for it", "99999999999 Jan 2026 00:00:00 +0000", NONE},
	{"negative numbers", "-1 Jan -2026 -1:-1:00 +0000", NONE},
	{"a comment without end", "1 Jan 2026 00:00:00 (((((", 1767225600},
	{"a very long one",
         "1 Jan 2026 00:00:00 +0000 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
         NONE},
};

static void a_date_is_read(void **state)
{
	const struct date_row *row = *state;
	int64_t out = NONE;

	assert_int_equal(date_parse(row->text, strlen(row->text), &out), row->expected != NONE);
	assert_int_equal(out, row->expected);
}

static const struct date_row message_rows[] = {
	{"the topmost Received counts",
         "Return-Path: <x>\r\nDate: 1 Jan 1970 00:00:01 +0000\r\n"
         "received : from a; b\r\n\tby c; 1 Jan 1970 00:00:02 +0000\r\n"
         "Received: x; 1 Jan 1970 00:00:03 +0000\r\n\r\n",
         2},
	{"without a Received the Date", "Subject: x\r\nDate: 1 Jan 1970 00:00:01 +0000\r\n\r\nx",
         1},
	{"a Received without a date is passed over",
         "Received: x\nReceived: y; 1 Jan 1970 00:00:03 +0000\n\n", 3},
	{"the first Date counts",
         "Date: 1 Jan 1970 00:00:01 +0000\nDate: 1 Jan 1970 00:00:02 +0000\n\n", 1},
	{"a header without its end", "Date: 1 Jan 1970 00:00:01 +0000", 1},
	{"the body says nothing", "Subject: x\r\n\r\nDate: 1 Jan 1970 00:00:01 +0000\r\n", NONE},
	{"names that begin alike", "Dated: 1 Jan 1970 00:00:01 +0000\r\n\r\n", NONE},
	{"nothing at all", "", NONE},
};

static void the_date_of_a_message_is_found(void **state)
{
	const struct date_row *row = *state;
	int64_t out = NONE;

	assert_int_equal(date_of_message(row->text, strlen(row->text), &out),
	                 row->expected != NONE);
	assert_int_equal(out, row->expected);
}

int main(void)
{
	struct CMUnitTest tests[COUNT(date_rows) + COUNT(message_rows)];
	size_t count = 0;

	for (size_t i = 0; i < COUNT(date_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = date_rows[i].name,
		                            .test_func = a_date_is_read,
		                            .initial_state = (void *)(uintptr_t)&date_rows[i]};
	for (size_t i = 0; i < COUNT(message_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = message_rows[i].name,
		                            .test_func = the_date_of_a_message_is_found,
		                            .initial_state = (void *)(uintptr_t)&message_rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
