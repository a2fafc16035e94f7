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
#define MAILBOX      "shop@company.test"

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
	{"so is the name that some servers give it",
         "Return-Path: <MAILER-DAEMON>\r\nFrom: a@example.com\r\n\r\n", "", ""},
	{"for a Return-Path that cannot be said the author stands",
         "Return-Path: <\"a b\"@example.org>\r\nFrom: a@example.com\r\n\r\n", "a@example.com", ""},
	{"and for an author who cannot be said either the mailbox",
         "Return-Path: <\"a b\"@example.org>\r\nFrom: \"a b\"@example.org\r\n\r\n", MAILBOX, ""},
	{"or one with letters of another alphabet",
         "Return-Path: <\xc3\xb6@example.org>\r\nFrom: \xc3\xb6@example.org\r\n\r\n", MAILBOX, ""},
	{"one that breaks the rules, as telephones have them, is said",
         "Return-Path: <a..b@example.org>\r\n\r\n", "a..b@example.org", ""},
	{"a quoted one too", "Return-Path: <\"a.\"@example.org>\r\n\r\n", "\"a.\"@example.org", ""},
	{"an address that would end the command early is not",
         "Return-Path: a>b@example.org\r\n\r\n", MAILBOX, ""},
	{"what follows the address is no part of it",
         "Return-Path: <a@example.org>\r\n BODY=8BITMIME <b@example.org>\r\n\r\n", "a@example.org",
         ""},
	{"without it the author is", "From: A <a@example.com>\r\n\r\n", "a@example.com", ""},
	{"without anything the mailbox is", "Subject: x\r\n\r\n", MAILBOX, ""},
	{"the line of a mailbox becomes a field", "From x Sun Nov 22\r\nSubject: x\r\n\r\n",
         MAILBOX, "X-Mailbox-Line: "},
	{"also a quoted one", ">From x Sun Nov 22\r\nSubject: x\r\n\r\n", MAILBOX,
         "X-Mailbox-Line: "},
	{"a line that continues nothing does not continue the mark", " x\r\nSubject: x\r\n\r\n",
         MAILBOX, "Rejoinder-Continued:\r\n"},
	{"an empty message", "", MAILBOX, ""},
};

static void a_message_is_prepared(void **state)
{
	static char name[] = "Sales inbox";
	const struct deliver_row *row = *state;
	char mailbox[] = MAILBOX;
	const struct account account = {.name = name, .mailbox = mailbox};
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
