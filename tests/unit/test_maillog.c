#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/mail/maillog.h"

static const struct {
	const char *name;
	const char *line;
	const char *stamp; /* as shown below; "" for none; NULL: no line of a log */
	const char *program, *queue_id, *text;
} lines[] = {
	{"what syslog daemons write by default",
         "Nov 22 10:00:05 mx postfix/smtpd[123]: 4bXYZ12abc: client=a[192.0.2.1]",
         "0-11-22 10:00:05.0", "postfix/smtpd", "4bXYZ12abc", "client=a[192.0.2.1]"},
	{"a day of one digit", "Jan  2 00:00:00 mx postfix/qmgr[1]: 1A2B3C4D5E: removed",
         "0-1-2 00:00:00.0", "postfix/qmgr", "1A2B3C4D5E", "removed"},
	{"RFC 3339 with an offset",
         "2026-11-22T10:00:05.123456+01:00 mx postfix/cleanup[9]: 1A2B3C: message-id=<a@b>",
         "2026-11-22 10:00:05.123456 +3600", "postfix/cleanup", "1A2B3C", "message-id=<a@b>"},
	{"RFC 3339 in UTC, without fractions", "2026-11-22T10:00:05Z mx postfix/x[9]: 1A2B3C: a",
         "2026-11-22 10:00:05.0 +0", "postfix/x", "1A2B3C", "a"},
	{"journalctl -o short-iso", "2026-11-22T10:00:05-0530 mx postfix/x[9]: 1A2B3C: a",
         "2026-11-22 10:00:05.0 -19800", "postfix/x", "1A2B3C", "a"},
	{"journalctl -o short-precise", "Nov  2 10:00:05.250000 mx postfix/x[9]: 1A2B3C: a",
         "0-11-2 10:00:05.250000", "postfix/x", "1A2B3C", "a"},
	{"a level before the queue id", "Nov 22 10:00:05 mx postfix/smtp[1]: warning: 1A2B3C: a: b",
         "0-11-22 10:00:05.0", "postfix/smtp", "1A2B3C", "a: b"},
	{"no queue id", "Nov 22 10:00:05 mx postfix/smtpd[1]: connect from a[192.0.2.1]",
         "0-11-22 10:00:05.0", "postfix/smtpd", "", "connect from a[192.0.2.1]"},
	{"NOQUEUE is none", "Nov 22 10:00:05 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT",
         "0-11-22 10:00:05.0", "postfix/smtpd", "", "NOQUEUE: reject: RCPT"},
	{"our own by syslog", "Nov 22 10:00:05 mx rejoinder-milter[7]: 1A2B3C: conv=-",
         "0-11-22 10:00:05.0", "rejoinder-milter", "1A2B3C", "conv=-"},
	{"our own on stderr", "rejoinder-milter: info: 1A2B3C: conv=-", "", "rejoinder-milter",
         "1A2B3C", "conv=-"},
	{"our own on stderr, caught by a supervisor",
         "Nov 22 10:00:05 mx rejoinder-milter[7]: rejoinder-milter: warning: 1A2B3C: conv=-",
         "0-11-22 10:00:05.0", "rejoinder-milter", "1A2B3C", "conv=-"},
	{"a notice is no queue id", "rejoinder-scheduler: info: notice 12: conv=-", "",
         "rejoinder-scheduler", "", "notice 12: conv=-"},
	{"another program's", "Nov 22 10:00:05 mx CRON[1]: (root) CMD (x)", "0-11-22 10:00:05.0",
         "CRON", "", "(root) CMD (x)"},
	{"a stamp that is none", "Foo 22 10:00:05 mx postfix/smtpd[1]: 1A2B3C: a", NULL, NULL, NULL,
         NULL},
	{"a month that is none", "2026-13-22T10:00:05Z mx postfix/smtpd[1]: 1A2B3C: a", NULL, NULL,
         NULL, NULL},
	{"nothing", "", NULL, NULL, NULL, NULL},
	{"a program without an end", "Nov 22 10:00:05 mx postfix/smtpd[1", NULL, NULL, NULL, NULL},
	{"a program alone", "postfix/smtpd", NULL, NULL, NULL, NULL},
	{"a program and nothing", "postfix/smtpd:", "", "postfix/smtpd", "", ""},
	{"a queue id and nothing", "postfix/smtpd: 1A2B3C: ", "", "postfix/smtpd", "1A2B3C", ""},
};

static void show_stamp(char *out, size_t size, const struct maillog_stamp *stamp)
{
	int length = 0;

	out[0] = '\0';
	if (stamp->is_there)
		length = snprintf(out, size, "%d-%d-%d %02d:%02d:%02d.%d", stamp->year,
		                  stamp->month, stamp->day, stamp->hour, stamp->minute,
		                  stamp->second, stamp->microsecond);
	if (stamp->has_offset)
		snprintf(out + length, size - (size_t)length, " %+d", stamp->offset_s);
}

static bool is_text(const char *found, size_t length, const char *expected)
{
	return strlen(expected) == length && (length == 0 || memcmp(found, expected, length) == 0);
}

static void lines_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct maillog_line line;
		char stamp[80];
		bool is_line = maillog_read(&line, lines[i].line, strlen(lines[i].line));

		if (is_line != (lines[i].stamp != NULL))
			fail_msg("%s: a line or not", lines[i].name);
		if (!is_line)
			continue;
		show_stamp(stamp, sizeof(stamp), &line.stamp);
		if (strcmp(stamp, lines[i].stamp) != 0)
			fail_msg("%s: found the stamp \"%s\"", lines[i].name, stamp);
		if (!is_text(line.program, line.program_length, lines[i].program) ||
		    !is_text(line.queue_id, line.queue_id_length, lines[i].queue_id) ||
		    !is_text(line.text, line.text_length, lines[i].text))
			fail_msg("%s: found \"%.*s\", \"%.*s\", \"%.*s\"", lines[i].name,
			         (int)line.program_length, line.program, (int)line.queue_id_length,
			         line.queue_id, (int)line.text_length, line.text);
	}
}

static const struct {
	const char *program, *asked;
	bool is_so;
} programs[] = {
	{"postfix/smtpd", "smtpd", true},
	{"postfix/submission/smtpd", "smtpd", true},
	{"smtpd", "smtpd", true},
	{"postfix/smtp", "smtpd", false},
	{"postfix/opensmtpd", "smtpd", false},
	{"d", "smtpd", false},
};

static void programs_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		const struct maillog_line line = {.program = programs[i].program,
		                                  .program_length = strlen(programs[i].program)};

		if (maillog_is_of(&line, programs[i].asked) != programs[i].is_so)
			fail_msg("%s is %s", programs[i].program, programs[i].asked);
	}
}

static void values_end_where_they_end(void **state)
{
	static const char text[] =
		"to=<a@b>, relay=c[192.0.2.1]:25, status=sent (queued as 1A2B3C)";
	const struct maillog_line line = {.text = text, .text_length = strlen(text)};
	size_t length;
	const char *found;

	(void)state;
	found = maillog_value(&line, "to=<", ">", &length);
	assert_true(is_text(found, length, "a@b"));
	found = maillog_value(&line, "queued as ", ") ", &length);
	assert_true(is_text(found, length, "1A2B3C"));
	found = maillog_value(&line, "status=", "", &length);
	assert_true(is_text(found, length, "sent (queued as 1A2B3C)"));
	assert_null(maillog_value(&line, "from=<", ">", &length));
	assert_int_equal(length, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(programs_are_told_apart),
		cmocka_unit_test(values_end_where_they_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
