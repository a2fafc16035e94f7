#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fetcher/deliver.h"
#include "lib/conversation/mark.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW          1800000000
#define MARK         MARK_FIELD ": "

static struct keyring keyring = {.keys = {{.id = 'a', .made_on = "2026-11-22", .bytes = {1}}},
                                 .count = 1};

struct deliver_row {
	const char *name;
	const char *message;
	const char *sender;
	const char *after_mark; /* what the prefix ends with */
};

static const struct deliver_row deliver_rows[] = {
	{"the Return-Path is the sender",
         "Return-Path: <bounce@example.org>\r\nFrom: a@example.com\r\n\r\n", "bounce@example.org",
         ""},
	{"an empty Return-Path is the null sender",
         "Return-Path: <>\r\nFrom: a@example.com\r\n\r\n", "", ""},
	{"a Return-Path that is no plain address is the null sender",
         "Return-Path: <\"a b\"@example.org>\r\nFrom: a@example.com\r\n\r\n", "", ""},
	{"what follows the address is no part of it",
         "Return-Path: <a@example.org>\r\n BODY=8BITMIME <b@example.org>\r\n\r\n", "a@example.org",
         ""},
	{"without it the author is", "From: A <a@example.com>\r\n\r\n", "a@example.com", ""},
	{"without anything nobody is", "Subject: x\r\n\r\n", "", ""},
	{"the line of a mailbox becomes a field", "From x Sun Nov 22\r\nSubject: x\r\n\r\n", "",
         "X-Mailbox-Line: "},
	{"also a quoted one", ">From x Sun Nov 22\r\nSubject: x\r\n\r\n", "", "X-Mailbox-Line: "},
	{"a line that continues nothing does not continue the mark", " x\r\nSubject: x\r\n\r\n", "",
         "Rejoinder-Continued:\r\n"},
	{"an empty message", "", "", ""},
};

static void a_message_is_prepared(void **state)
{
	static char name[] = "Sales inbox";
	const struct deliver_row *row = *state;
	const struct account account = {.name = name};
	char detail[MARK_DETAIL_BYTES + 1];
	enum mark_kind kind;
	struct buffer prefix;
	char *sender, *end;

	buffer_init(&prefix, 1024);
	sender = deliver_prepare(&keyring, &account, row->message, strlen(row->message), NOW,
	                         &prefix);
	assert_string_equal(sender, row->sender);
	assert_memory_equal(prefix.data, MARK, strlen(MARK));
	end = strstr(prefix.data, "\r\n");
	assert_non_null(end);
	assert_string_equal(end + 2, row->after_mark);
	*end = '\0';
	assert_int_equal(mark_verify(&keyring, prefix.data + strlen(MARK), NOW, &kind, detail), 1);
	assert_int_equal(kind, MARK_FETCHED);
	assert_string_equal(detail, name);
	free(sender);
	buffer_release(&prefix);
}

int main(void)
{
	struct CMUnitTest tests[COUNT(deliver_rows)];

	for (size_t i = 0; i < COUNT(deliver_rows); i++)
		tests[i] =
			(struct CMUnitTest){.name = deliver_rows[i].name,
		                            .test_func = a_message_is_prepared,
		                            .initial_state = (void *)(uintptr_t)&deliver_rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
