#ifndef REJOINDER_MAIL_PHRASE_H
#define REJOINDER_MAIL_PHRASE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buffer.h"

/*
 * The characters of a phrase, for the reader (address.c) and the writer
 * (phrase.c) of addresses.
 */

#define PHRASE_MAX_BYTES 480 /* no name is longer; escaped it fits into a line of 998 */

/* Below 0x20, or 0x7f. */
bool phrase_is_control(char c);

/* atext (RFC 5322 3.2.3), and what is not ASCII (RFC 6532). */
bool phrase_is_atext(char c);

/* Make blanks of the control bytes that are not white space. */
void phrase_blank_controls(char *text, size_t length);

/* Append a text as one quoted string (RFC 5322 3.2.4). */
void phrase_append_quoted(struct buffer *out, const char *text, size_t length);

#endif
