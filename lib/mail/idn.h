#ifndef REJOINDER_MAIL_IDN_H
#define REJOINDER_MAIL_IDN_H

#include <stddef.h>

#include "lib/base/buffer.h"

/*
 * International domains (RFC 5890): the two spellings of a label, `grüße` and
 * `xn--gre-6ka8l`, made one, so that addresses can be compared.  Only what that
 * takes: letters are made small in Latin-1, Greek and Cyrillic, nothing is
 * composed, and nobody asks whether a label may exist.
 */

/*
 * Append a domain with its labels in ASCII (RFC 3492) and lower case.  A label
 * that is no UTF-8, or over 63 bytes in ASCII (RFC 1035 2.3.4), is appended as it
 * is.  0, or -1 if out is full.
 */
int idn_append_ascii(struct buffer *out, const char *domain, size_t length);

#endif
