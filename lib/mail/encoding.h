#ifndef REJOINDER_MAIL_ENCODING_H
#define REJOINDER_MAIL_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buffer.h"

/*
 * Base64 and quoted-printable (RFC 2045 6.7, 6.8) and charsets to UTF-8, for the
 * rest of lib/mail: tolerant of what is broken, linear, never failing halfway.
 */

/* Bytes outside the alphabet are skipped, padding starts afresh. Stops when out is full. Returns the bytes written. */
size_t base64_decode(const char *bytes, size_t length, char *out, size_t out_size);

/* Writes 4 characters per 3 bytes begun, no NUL. */
void base64_encode(const unsigned char *bytes, size_t length, char *out);

/* is_word: the Q encoding of RFC 2047 4.2, where `_` is a blank. A `=` that begins no escape stays. */
size_t quoted_printable_decode(const char *bytes, size_t length, bool is_word, char *out,
                               size_t out_size);

/* How many bytes the valid UTF-8 character at bytes has, 0 if there is none (RFC 3629). */
size_t utf8_char_length(const char *bytes, size_t length);

/* Append valid UTF-8: bytes that are not are taken for windows-1252. Cut at a character when out is full. */
void utf8_append_clean(struct buffer *out, const char *bytes, size_t length);

/*
 * Append the bytes of a charset as UTF-8; what is invalid in it becomes U+FFFD.
 * Only charsets of a fixed table are opened, since the name is untrusted.
 * Returns 1, or 0 if the charset is not known (nothing is appended).
 */
int charset_append_utf8(struct buffer *out, const char *charset, const char *bytes, size_t length);

#endif
