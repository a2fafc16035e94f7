#ifndef REJOINDER_SCHEDULER_MAIL_TEXT_H
#define REJOINDER_SCHEDULER_MAIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buffer.h"
#include "lib/base/secret.h"

/*
 * The text of mail that we write ourselves (RFC 5322, MIME): ASCII with CRLF and
 * lines that are short enough, whatever the untrusted text that stands in it.
 * Pure, but that times are shown in the zone of the process.
 */

#define MAIL_TEXT_LINE_BYTES 998 /* RFC 5322 2.1.1 */
#define MAIL_SUBJECT_BYTES   500
#define MAIL_TIME_SIZE       64

/*
 * One line of valid UTF-8 of at most max_bytes without control characters and
 * without those that reverse what follows (bidirectional embeddings, overrides,
 * isolates), each run of blanks one, trimmed.  NULL gives "".  Heap string.
 */
char *mail_clean_line(const char *text, size_t length, size_t max_bytes);
char *mail_clean_text(const char *text, size_t max_bytes);

/* An address as a field may carry it (ASCII), a heap string, or NULL if it is none. */
char *mail_field_address(const char *address);
/* Is it `<...>` of one line, ASCII, without blanks, and short enough for a field? */
bool mail_is_field_msgid(const char *msgid);

/* Local time with its zone (RFC 5322 3.3): "Sun, 22 Nov 2026 10:00:05 +0100". Returns out. */
const char *mail_format_date(char out[MAIL_TIME_SIZE], int64_t at);
/* "2026-11-22 10:00 +0100". Returns out. */
const char *mail_describe_time(char out[MAIL_TIME_SIZE], int64_t at);

/* Append `field: name <address>`; name is UTF-8. */
void mail_append_address(struct buffer *out, const char *field, const char *name,
                         const char *address);

/* The fields that all our mail begins with. */
struct mail_head {
	const char *detail; /* of the mark by which the milter knows our mail; see mark.h */
	const char *from_name, *from_address;
	const char *to; /* an address; no name is told if it is none */
	const char *msgid;
	const char *auto_submitted;
	int64_t created_at; /* Date: the same at every try */
};

/* now: of the try, which is the day of the mark, believed for two days only. */
void mail_append_head(struct buffer *out, const struct mail_head *head, const struct keyring *keys,
                      int64_t now);

/* Append `Subject: ours theirs`: ours is ASCII and may be "", theirs clean UTF-8. */
void mail_append_subject(struct buffer *out, const char *ours, const char *theirs);

/*
 * Append the MIME fields of a text/plain message, the empty line, and the body:
 * UTF-8 with LF line ends.
 */
void mail_append_body(struct buffer *out, const char *body);

/*
 * The same of a multipart/alternative message (RFC 2046 5.1.4), which says one thing
 * as text/plain and as text/html.  The boundary depends on nothing but the two.
 */
void mail_append_alternative(struct buffer *out, const char *plain, const char *html);

#endif
