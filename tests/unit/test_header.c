#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/header.h"

static void add(struct header *header, const char *name, const char *value)
{
	header_add(header, name, value, strlen(value));
}

static void foreign_fields_are_forgotten(void **state)
{
	struct header header;
	(void)state;

	header_init(&header);
	for (int i = 0; i < 10000; i++)
		add(&header, "X-Foreign", "value");
	add(&header, "Subject", "Hello");
	assert_int_equal(header.count, 1);
	assert_int_equal(header.total_bytes, 5);
	assert_false(header.is_truncated);
	assert_int_equal(header_count(&header, "X-Foreign"), 0);
	assert_null(header_get(&header, "X-Foreign"));
	header_release(&header);
}

static void fields_are_found_by_name_and_index(void **state)
{
	struct header header;
	(void)state;

	header_init(&header);
	add(&header, "FROM", " jane@company.test");
	add(&header, "To", "bob@example.org,\n\tboss@example.org");
	add(&header, "From", "\t  bob@example.org");
	assert_string_equal(header_get(&header, "from"), "jane@company.test");
	assert_string_equal(header_field(&header, "From", 2)->value, "bob@example.org");
	assert_string_equal(header_field(&header, "From", 2)->name, "From");
	assert_null(header_field(&header, "From", 3));
	assert_null(header_field(&header, "Cc", 1));
	assert_int_equal(header_count(&header, "from"), 2);
	/* Folding is the caller's. */
	assert_string_equal(header_get(&header, "To"), "bob@example.org,\n\tboss@example.org");
	header_release(&header);
}

/* Each name of the table must be found by the binary search, in any case. */
static void every_name_that_is_read_is_kept(void **state)
{
	static const char *const names[] = {"From",
	                                    "sender",
	                                    "REPLY-TO",
	                                    "To",
	                                    "Cc",
	                                    "Bcc",
	                                    "Message-Id",
	                                    "In-Reply-To",
	                                    "References",
	                                    "Subject",
	                                    "Date",
	                                    "Content-Type",
	                                    "Content-Transfer-Encoding",
	                                    "Content-Disposition",
	                                    "Auto-Submitted",
	                                    "Precedence",
	                                    "Return-Path",
	                                    "Delivered-To",
	                                    "X-Original-To",
	                                    "List-Id",
	                                    "List-Post",
	                                    "List-Unsubscribe",
	                                    "List-Help",
	                                    "Feedback-ID",
	                                    "Authentication-Results",
	                                    "X-Failed-Recipients",
	                                    "X-Autoreply",
	                                    "X-Autorespond",
	                                    "X-Autoresponder",
	                                    "X-Mail-Autoreply",
	                                    "X-Vacation",
	                                    "X-Apple-Action",
	                                    "X-FC-MachineGenerated",
	                                    "X-AutoReply-From",
	                                    "X-Spam-Flag",
	                                    "X-Mailer",
	                                    "X-Sender",
	                                    "X-Original-From",
	                                    "X-Originating-Email",
	                                    "Disposition-Notification-To",
	                                    "Return-Receipt-To",
	                                    "Errors-To",
	                                    "Importance",
	                                    "X-MSMail-Priority",
	                                    "Rejoinder",
	                                    "rejoinder-reference"};
	struct header header;
	(void)state;

	header_init(&header);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		add(&header, names[i], "x");
		if (header.count != i + 1)
			fail_msg("%s is not kept", names[i]);
	}
	header_release(&header);
}

static void our_fields_are_known_in_any_case(void **state)
{
	(void)state;
	assert_true(header_is_ours("Rejoinder"));
	assert_true(header_is_ours("REJOINDER-conversation"));
	assert_true(header_is_ours("rejoinder-"));
	assert_false(header_is_ours("Rejoinders"));
	assert_false(header_is_ours("X-Rejoinder-Conversation"));
	assert_false(header_is_ours("Rejoinde"));
}

/* The milter deletes each by (name, index), so the indices must hold between other names. */
static void our_fields_are_counted_name_by_name(void **state)
{
	struct header header;
	(void)state;

	header_init(&header);
	add(&header, "Rejoinder-A", "1");
	add(&header, "Rejoinder-B", "2");
	add(&header, "REJOINDER-a", "3");
	add(&header, "Rejoinder", "4");
	assert_int_equal(header.count, 4);
	assert_int_equal(header.fields[2].index, 2);
	assert_string_equal(header.fields[2].name, "REJOINDER-a");
	assert_int_equal(header.fields[3].index, 1);
	assert_int_equal(header_count(&header, "rejoinder-A"), 2);
	assert_string_equal(header_field(&header, "Rejoinder-A", 2)->value, "3");
	header_release(&header);
}

static void a_flood_of_ours_is_capped_and_said(void **state)
{
	struct header header;
	char name[40];
	(void)state;

	header_init(&header);
	for (int i = 0; i < HEADER_OURS_MAX; i++) {
		snprintf(name, sizeof name, "Rejoinder-%d", i);
		add(&header, name, "x");
	}
	assert_int_equal(header.count, HEADER_OURS_MAX);
	assert_false(header.is_flooded);
	add(&header, "Rejoinder-More", "x");
	assert_int_equal(header.count, HEADER_OURS_MAX);
	assert_true(header.is_flooded);
	add(&header, "Subject", "Hello");
	assert_string_equal(header_get(&header, "Subject"), "Hello");
	header_release(&header);
}

static void limits_hold_and_indices_stay_right(void **state)
{
	char *value = xmalloc(HEADER_VALUE_MAX + 100);
	struct header header;
	(void)state;

	memset(value, 'a', HEADER_VALUE_MAX + 100);
	header_init(&header);
	for (int i = 0; i < 20; i++)
		header_add(&header, "References", value, HEADER_VALUE_MAX + 100);
	assert_true(header.is_truncated);
	assert_true(header.total_bytes <= HEADER_TOTAL_MAX);
	assert_int_equal(header.fields[0].length, HEADER_VALUE_MAX);
	assert_int_equal(header_count(&header, "References"), 20);
	/* However full it is, one of ours is seen. */
	header_add(&header, "Rejoinder-Conversation", value, HEADER_VALUE_MAX);
	assert_non_null(header_get(&header, "Rejoinder-Conversation"));
	assert_int_equal(header_field(&header, "Rejoinder-Conversation", 1)->length,
	                 HEADER_OURS_VALUE_MAX);
	header_release(&header);
	free(value);

	header_init(&header);
	for (int i = 0; i < HEADER_FIELDS_MAX + 5; i++)
		add(&header, "Received", "x"), add(&header, "To", "");
	assert_int_equal(header.count, HEADER_FIELDS_MAX);
	assert_int_equal(header_count(&header, "To"), HEADER_FIELDS_MAX + 5);
	assert_true(header.is_truncated);
	header_release(&header);

	/* One that is forgotten since it is too long, between two that are kept. */
	header_init(&header);
	value = xmalloc(HEADER_VALUE_MAX);
	memset(value, 'a', HEADER_VALUE_MAX);
	for (int i = 0; i < 8; i++)
		header_add(&header, "References", value, HEADER_VALUE_MAX);
	add(&header, "Cc", "one");
	header_add(&header, "Cc", value, HEADER_VALUE_MAX);
	add(&header, "Cc", "two");
	assert_null(header_field(&header, "Cc", 2));
	assert_string_equal(header_field(&header, "Cc", 3)->value, "two");
	assert_null(header_field(&header, "Cc", 4));
	header_release(&header);
	free(value);
}

static const struct {
	const char *name;
	const char *bytes;
	const char *subject; /* or NULL */
	const char *body;
} raws[] = {
	{"LF", "Subject: Hello\nTo: a@b.test\n\nBody", "Hello", "Body"},
	{"CRLF", "Subject: Hello\r\nTo: a@b.test\r\n\r\nBody", "Hello", "Body"},
	{"a folded value keeps its folding", "Subject: Hello\r\n there\r\n\r\nBody",
         "Hello\r\n there", "Body"},
	{"the line of a mailbox file is skipped", "From jane Mon Jan 1\nSubject: Hello\n\nBody",
         "Hello", "Body"},
	{"a line that is no field ends the header", "Subject: Hello\nthis is text\n", "Hello",
         "this is text\n"},
	{"no header at all", "\nBody", NULL, "Body"},
	{"no body at all", "Subject: Hello", "Hello", ""},
	{"a blank before the colon", "Subject : Hello\n\n", "Hello", ""},
	{"an empty value", "Subject:\nTo: a@b.test\n\nBody", "", "Body"},
	{"nothing", "", NULL, ""},
};

static void raw_headers_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof raws / sizeof raws[0]; i++) {
		struct header header;
		const char *subject;
		size_t body_at;

		header_init(&header);
		body_at = header_parse(&header, raws[i].bytes, strlen(raws[i].bytes));
		subject = header_get(&header, "Subject");
		if ((subject == NULL) != (raws[i].subject == NULL) ||
		    (subject != NULL && strcmp(subject, raws[i].subject) != 0))
			fail_msg("%s: subject \"%s\"", raws[i].name, subject);
		if (strcmp(raws[i].bytes + body_at, raws[i].body) != 0)
			fail_msg("%s: body \"%s\"", raws[i].name, raws[i].bytes + body_at);
		header_release(&header);
	}
}

static void values_are_unfolded(void **state)
{
	static const char *const rows[][2] = {
		{"one line", "one line"},
		{" a\r\n\t b ", "a b"},
		{"a \n\n  b", "a b"},
		{"two  blanks stay", "two  blanks stay"},
		{"\r\n ", ""},
		{"", ""},
	};
	(void)state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *line = header_unfold(rows[i][0], strlen(rows[i][0]));

		assert_string_equal(line, rows[i][1]);
		free(line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_fields_are_forgotten),
		cmocka_unit_test(fields_are_found_by_name_and_index),
		cmocka_unit_test(every_name_that_is_read_is_kept),
		cmocka_unit_test(our_fields_are_known_in_any_case),
		cmocka_unit_test(our_fields_are_counted_name_by_name),
		cmocka_unit_test(a_flood_of_ours_is_capped_and_said),
		cmocka_unit_test(limits_hold_and_indices_stay_right),
		cmocka_unit_test(raw_headers_are_read),
		cmocka_unit_test(values_are_unfolded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
