#ifndef REJOINDER_NET_POP3_PARSE_H
#define REJOINDER_NET_POP3_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buffer.h"
#include "lib/base/error.h"

/*
 * What the lines and bytes of a POP3 server mean (RFC 1939, 2449, 3206).  Pure:
 * no connection, so that it can be fed anything.  Lines come without their line
 * end; everything is untrusted.
 */

enum pop3_status { POP3_STATUS_OK, POP3_STATUS_ERR, POP3_STATUS_NEITHER };

enum pop3_status pop3_parse_status(const char *line, size_t length);

/*
 * What a -ERR line means for us, by its response code: AUTH and SYS/PERM are
 * ERROR_CONFIG, others and none ERROR_TEMPORARY.
 */
enum error_kind pop3_refusal_kind(const char *line, size_t length);
/* Has the line a response code at all? */
bool pop3_has_response_code(const char *line, size_t length);

struct pop3_capabilities {
	bool has_pipelining;
	bool has_uidl;
	bool has_top;
	bool has_sasl_plain; /* in capitals, the only spelling that libcurl knows */
	int64_t login_delay_s;
};

/* Take up one line of the answer to CAPA; unknown ones are ignored. */
void pop3_parse_capability(struct pop3_capabilities *capabilities, const char *line, size_t length);

/*
 * A line of LIST, "number size ...".  0, or -1 if it is none.  A size beyond 64
 * bits becomes the largest one.
 */
int pop3_parse_list_line(const char *line, size_t length, unsigned *number_out,
                         uint64_t *size_out) MUST_CHECK;

/*
 * A line of UIDL, "number uidl".  0, -1 if it is none, or 1 if nothing but the number can be
 * used: the uidl is empty, too long or not printable.
 */
int pop3_parse_uidl_line(const char *line, size_t length, unsigned *number_out,
                         const char **uidl_out, size_t *uidl_length_out) MUST_CHECK;

/* Copy for people: what is not printable ASCII becomes `?`, cut at size-1 bytes. Returns out. */
const char *pop3_clean(char *out, size_t size, const char *bytes, size_t length);

/*
 * A message on its way in: dots unstuffed, its end found however it is split.
 *
 * The first line end decides how the message is framed.  CRLF: a line ends in
 * CRLF, and a bare LF is an ordinary byte, so that a mail holding LF . CRLF cannot
 * end itself early and pass the rest of its text for the server's next replies.
 * Such a sequence still is the end when at least the claimed size has come: some
 * servers add no CRLF after a text that ends in LF.  LF: the server does not
 * convert at all, LF ends a line and LF . LF the message.
 *
 * Only CRLF . CRLF is an end for sure, since every server doubles a dot of the
 * text after CRLF.  Any other end may be the sender's doing, who may have written
 * the first line, too, and knows what the server claims: is_doubtful.
 */
struct pop3_body {
	struct buffer *bytes;   /* the text as far as it is not too large; borrowed */
	uint64_t claimed;       /* size, by LIST */
	uint64_t length;        /* of the text so far, whether kept or not */
	bool is_too_large;      /* longer than bytes->max_bytes: nothing is kept */
	bool is_complete;       /* the end was seen */
	bool is_doubtful;       /* and it may be a part of the text all the same */
	bool is_lf_framed;      /* ever since the first line end */
	bool has_line_end;      /* the first line end was seen */
	bool starts_after_lf;   /* this line follows a bare LF */
	bool has_cr;            /* the last byte of the text was a CR */
	enum {                  /* where in the line we are */
	       POP3_BODY_START, /* before its first byte */
	       POP3_BODY_DOT,   /* after a dot that is not yet part of the text */
	       POP3_BODY_DOT_CR,
	       POP3_BODY_TEXT,
	} place;
};

/* bytes is cleared. */
void pop3_body_init(struct pop3_body *body, struct buffer *bytes, uint64_t claimed);

/* Take up bytes until they or the message end. Returns how many were taken. */
size_t pop3_body_feed(struct pop3_body *body, const char *bytes, size_t length);

#endif
