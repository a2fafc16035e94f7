#ifndef REJOINDER_MAIL_MESSAGE_H
#define REJOINDER_MAIL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mail/header.h"

/*
 * A message: its header and the first bytes of its body, and the MIME parts in
 * it (RFC 2045, 2046).  The walk over the parts is iterative and bounded: at most
 * MESSAGE_PARTS_MAX parts, MESSAGE_DEPTH_MAX deep; what lies beyond is no part.
 */

#define MESSAGE_PARTS_MAX  200
#define MESSAGE_DEPTH_MAX  12
#define MESSAGE_BODY_BYTES (256 * 1024) /* how much of a body is worth keeping for it */

struct message {
	const struct header *header;
	const char *body; /* untrusted, may hold NUL */
	size_t body_length;
};

struct part {
	char type[64];        /* "text/plain", lower case; the default when absent or broken */
	char report_type[64]; /* report-type of multipart/report, lower case, or "" */
	char charset[64];     /* or "" */
	char encoding[32];    /* Content-Transfer-Encoding, lower case; "" is 7bit */
	bool is_attachment;   /* Content-Disposition: attachment */
	unsigned depth;       /* 0 is the message itself */
	const char *content;  /* after the part's own header, points into the body */
	size_t length;
};

struct part_list {
	struct part *
		items; /* in order, each multipart before its parts; items[0] is the message itself */
	size_t count;
};

/* The parts; message/rfc822 is one part and is not entered. Never fails. */
void message_parts(const struct message *message, struct part_list *parts);
void part_list_release(struct part_list *parts);

/*
 * Decode a part's content (base64, quoted-printable or none) into a heap string
 * of at most max_bytes bytes, with a NUL after it. Charset untouched.
 */
char *part_decode(const struct part *part, size_t max_bytes, size_t *length_out);

/*
 * The first max_bytes of what the sender wrote anew, as UTF-8: the first
 * text/plain (or text/html with its tags removed) without quoted lines, the line
 * that introduces them, and the signature.  Heap string, "" if there is none.
 */
char *message_new_text(const struct message *message, size_t max_bytes);

#endif
