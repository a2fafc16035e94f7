#ifndef REJOINDER_MAIL_MAILLOG_H
#define REJOINDER_MAIL_MAILLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A line of the mail log: who wrote it, when, and of which queue id.  It may begin
 * as syslog daemons write it (RFC 3164, without a year; or RFC 3339), as journalctl
 * does (short, short-precise, short-iso), or as our own programs do on stderr, without a time.  Pure: the
 * local time of a stamp is its reader's affair.
 */

struct maillog_stamp {
	bool is_there, has_year, has_offset;
	int year, month, day; /* month 1 to 12 */
	int hour, minute, second, microsecond;
	int offset_s; /* east of UTC, where it is told */
};

/* All point into the line; a length of 0: not there. */
struct maillog_line {
	struct maillog_stamp stamp;
	const char *program; /* "postfix/smtpd", "rejoinder-milter" */
	size_t program_length;
	const char *queue_id;
	size_t queue_id_length;
	const char *text; /* behind the program, the level and the queue id */
	size_t text_length;
};

#define MAILLOG_QUEUE_ID_MAX 40

/* Read a line without its end (untrusted). False: no program is named in it. */
bool maillog_read(struct maillog_line *out, const char *line, size_t length);

/* Is it of this program, whatever its instance is called: "smtpd" of "postfix-in/submission/smtpd"? */
bool maillog_is_of(const struct maillog_line *line, const char *program);
/* Is it of one of our own programs? */
bool maillog_is_ours(const struct maillog_line *line);

/*
 * What follows `key` in the text, up to one of the characters in `end` or the end of
 * the line; *length_out 0 and NULL if the key is not there.
 */
const char *maillog_value(const struct maillog_line *line, const char *key, const char *end,
                          size_t *length_out);

/* Could it be a queue id of Postfix: letters and digits, 5 to MAILLOG_QUEUE_ID_MAX of them? */
bool maillog_is_queue_id(const char *text, size_t length);

#endif
