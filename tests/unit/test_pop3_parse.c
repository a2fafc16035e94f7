#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/net/pop3_parse.h"

struct body_row {
	const char *sentence;
	const char *bytes;
	size_t length;
	uint64_t claimed;
	const char *expected;
	size_t expected_length;
	size_t rest; /* bytes behind the end; SIZE_MAX: the end was not seen */
};

#define BYTES(text) text, sizeof(text) - 1
#define UNENDED     SIZE_MAX

static const struct body_row body_rows[] = {
	{"a message", BYTES("a\r\nb\r\n.\r\n"), 6, BYTES("a\r\nb\r\n"), 0},
	{"what follows is left", BYTES("a\r\n.\r\n+OK\r\n"), 3, BYTES("a\r\n"), 5},
	{"nothing", BYTES(".\r\n+"), 0, BYTES(""), 1},
	{"nothing, by a bare line feed", BYTES(".\n+"), 0, BYTES(""), 1},
	{"no end", BYTES("a\r\n"), 3, BYTES("a\r\n"), UNENDED},
	{"half an end", BYTES("a\r\n.\r"), 3, BYTES("a\r\n"), UNENDED},
	{"a stuffed dot", BYTES("a\r\n..b\r\n.\r\n"), 3, BYTES("a\r\n.b\r\n"), 0},
	{"a stuffed dot alone", BYTES("a\r\n..\r\n.\r\n"), 3, BYTES("a\r\n.\r\n"), 0},
	{"a stuffed dot at the very start", BYTES("..\r\n.\r\n"), 3, BYTES(".\r\n"), 0},
	{"only one dot goes", BYTES("a\r\n...\r\n.\r\n"), 3, BYTES("a\r\n..\r\n"), 0},
	{"a dot that was not stuffed stays", BYTES("a\r\n.b\r\n.\r\n"), 3, BYTES("a\r\n.b\r\n"), 0},
	{"dots inside a line", BYTES("a..b.\r\n.\r\n"), 3, BYTES("a..b.\r\n"), 0},
	{"a dot before the line end", BYTES("a.\r\n.\r\n"), 3, BYTES("a.\r\n"), 0},
	{"a dot and a lone CR", BYTES("a\r\n.\rb\r\n.\r\n"), 3, BYTES("a\r\n.\rb\r\n"), 0},
	{"a dot and two CR", BYTES("a\r\n.\r\r\n.\r\n"), 3, BYTES("a\r\n.\r\r\n"), 0},
	{"CRs alone are no lines", BYTES("a\r.\r.\r\n.\r\n"), 3, BYTES("a\r.\r.\r\n"), 0},
	{"CR CR LF", BYTES("a\r\r\n.\r\n"), 3, BYTES("a\r\r\n"), 0},
	{"NULs", BYTES("\0\r\n\0.\r\n.\r\n"), 3, BYTES("\0\r\n\0.\r\n"), 0},
	{"empty lines", BYTES("\r\n\r\n.\r\n"), 3, BYTES("\r\n\r\n"), 0},
	{"all bare line feeds", BYTES("a\nb\n.\n+OK"), 4, BYTES("a\nb\n"), 3},
	{"bare line feeds and CR LF at the end", BYTES("a\nb\n.\r\n"), 4, BYTES("a\nb\n"), 0},
	{"stuffed dots among bare line feeds", BYTES("a\n..b\n..\n.\n"), 4, BYTES("a\n.b\n.\n"), 0},
	{"the sender cannot end it with LF . LF", BYTES("a\r\nb\n.\n+OK\r\n.\r\n"), 13,
         BYTES("a\r\nb\n.\n+OK\r\n"), 0},
	{"the sender cannot end it with LF . CR LF", BYTES("a\r\nb\n.\r\n+OK\r\n.\r\n"), 13,
         BYTES("a\r\nb\n.\r\n+OK\r\n"), 0},
	{"the sender cannot end it with CR LF . LF", BYTES("a\r\nb\r\n.\n+OK\r\n.\r\n"), 13,
         BYTES("a\r\nb\r\n.\n+OK\r\n"), 0},
	{"a text that ends in a bare line feed, when all of it has come", BYTES("a\r\nb\n.\r\n"), 5,
         BYTES("a\r\nb\n"), 0},
	{"what follows a bare line feed is not unstuffed", BYTES("a\r\nb\n..c\r\n.\r\n"), 5,
         BYTES("a\r\nb\n..c\r\n"), 0},
	{"two dots after a bare line feed", BYTES("a\r\n\n..\r\n.\r\n"), 5, BYTES("a\r\n\n..\r\n"),
         0},
};

/* Feed it in two parts; each part in a block of its very size. */
static void feed_split(const struct body_row *row, size_t split)
{
	struct pop3_body body;
	struct buffer bytes;
	char *first = xmalloc(split), *second = xmalloc(row->length - split);
	size_t taken;

	memcpy(first, row->bytes, split);
	memcpy(second, row->bytes + split, row->length - split);
	buffer_init(&bytes, 1000);
	pop3_body_init(&body, &bytes, row->claimed);
	taken = pop3_body_feed(&body, first, split);
	if (taken == split)
		taken += pop3_body_feed(&body, second, row->length - split);
	if (body.is_complete != (row->rest != UNENDED))
		fail_msg("%s, split at %zu: the end was %s", row->sentence, split,
		         body.is_complete ? "seen" : "not seen");
	if (taken != row->length - (row->rest != UNENDED ? row->rest : 0))
		fail_msg("%s, split at %zu: took %zu bytes", row->sentence, split, taken);
	if (body.length != row->expected_length || bytes.length != row->expected_length ||
	    memcmp(bytes.data, row->expected, row->expected_length) != 0)
		fail_msg("%s, split at %zu: found \"%s\"", row->sentence, split, bytes.data);
	assert_false(body.is_too_large);
	buffer_release(&bytes);
	free(first);
	free(second);
}

static void a_message_ends_where_it_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(body_rows) / sizeof(body_rows[0]); i++)
		for (size_t split = 0; split <= body_rows[i].length; split++)
			feed_split(&body_rows[i], split);
}

static void only_cr_lf_before_the_dot_is_beyond_doubt(void **state)
{
	static const struct {
		const char *sentence, *bytes;
		bool is_doubtful;
	} rows[] = {
		{"CR LF", "a\r\n.\r\n", false},
		{"CR LF in a text framed by LF", "a\nb\r\n.\r\n", false},
		{"CR LF, and LF before", "a\r\nb\nc\r\n.\r\n", false},
		{"nothing", ".\r\n", false},
		{"nothing, by a bare line feed", ".\n", true},
		{"LF . LF", "a\n.\n", true},
		{"LF . LF after CR LF", "a\nb\r\nc\n.\n", true},
		{"CR LF . LF in a text framed by LF", "a\nb\r\n.\n", true},
		{"LF . CR LF", "a\n.\r\n", true},
		{"LF . CR LF, when all that was claimed has come", "a\r\nb\n.\r\n", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pop3_body body;
		struct buffer bytes;
		size_t length = strlen(rows[i].bytes), at = 0;

		buffer_init(&bytes, 1000);
		pop3_body_init(&body, &bytes, 0);
		while (at < length) {
			assert_false(body.is_doubtful);
			at += pop3_body_feed(&body, rows[i].bytes + at, 1);
		}
		assert_true(body.is_complete);
		if (body.is_doubtful != rows[i].is_doubtful)
			fail_msg("%s", rows[i].sentence);
		buffer_release(&bytes);
	}
}

static void what_is_too_large_is_counted_only(void **state)
{
	static const struct {
		const char *sentence;
		size_t max_bytes;
		bool is_too_large;
	} rows[] = {
		{"it fits exactly", 6, false},
		{"one byte too many", 5, true},
		{"nothing may be kept", 0, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pop3_body body;
		struct buffer bytes;

		buffer_init(&bytes, rows[i].max_bytes);
		pop3_body_init(&body, &bytes, 0);
		assert_int_equal(pop3_body_feed(&body, "..b\r\nc\n.\r\n", 10), 10);
		assert_true(body.is_complete);
		assert_int_equal(body.length, 6);
		if (body.is_too_large != rows[i].is_too_large)
			fail_msg("%s", rows[i].sentence);
		assert_int_equal(bytes.length, rows[i].is_too_large ? 0 : 6);
		buffer_release(&bytes);
	}
}

static void uidls_have_limits(void **state)
{
	static const struct {
		const char *sentence;
		size_t length;
		int expected;
	} rows[] = {{"none", 0, 1}, {"one byte", 1, 0}, {"the most", 255, 0}, {"more", 256, 1}};
	char line[300] = "17 ";
	const char *uidl;
	size_t length;
	unsigned number;

	(void)state;
	memset(line + 3, 'u', sizeof(line) - 3);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (pop3_parse_uidl_line(line, 3 + rows[i].length, &number, &uidl, &length) !=
		    rows[i].expected)
			fail_msg("%s", rows[i].sentence);
		assert_int_equal(number, 17);
		if (rows[i].expected == 0)
			assert_int_equal(length, rows[i].length);
	}
}

static void capabilities_are_taken_up(void **state)
{
	static const char *const lines[] = {"PIPELINING-NOT",
	                                    "pipelining",
	                                    "UIDL ",
	                                    "XUIDL",
	                                    "SASL LOGIN PLAIN",
	                                    "LOGIN-DELAY 999999999999999999999",
	                                    "",
	                                    " "};
	struct pop3_capabilities capabilities = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		pop3_parse_capability(&capabilities, lines[i], strlen(lines[i]));
		assert_int_equal(capabilities.has_pipelining, i >= 1);
		assert_int_equal(capabilities.has_uidl, i >= 2);
		assert_int_equal(capabilities.has_sasl_plain, i >= 4);
		assert_int_equal(capabilities.login_delay_s, i >= 5 ? 3600 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_ends_where_it_ends),
		cmocka_unit_test(only_cr_lf_before_the_dot_is_beyond_doubt),
		cmocka_unit_test(what_is_too_large_is_counted_only),
		cmocka_unit_test(uidls_have_limits),
		cmocka_unit_test(capabilities_are_taken_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
