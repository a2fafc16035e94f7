#ifndef REJOINDER_MAIL_SUBJECT_H
#define REJOINDER_MAIL_SUBJECT_H

#include <stddef.h>

/*
 * Encoded words (RFC 2047) to UTF-8, and the subject without reply marks.
 */

/*
 * Decode a field value to one line of valid UTF-8: unfolded, encoded words
 * decoded (adjacent ones joined), raw bytes that are not UTF-8 taken for
 * windows-1252, control characters shown as blanks; at most max_bytes, cut at a
 * character.  An encoded word that cannot be decoded stays as written.
 * Heap string, never NULL.
 */
char *subject_decode(const char *value, size_t length, size_t max_bytes);

/*
 * The decoded subject without "Re:", "Fwd:", "AW:" and their like in any number
 * (RFC 5322 3.6.5 and the local forms of common clients, "Re[2]:" too).
 * Points into subject.
 */
const char *subject_strip(const char *subject);

#endif
