#ifndef REJOINDER_MAIL_DATE_H
#define REJOINDER_MAIL_DATE_H

#include <stddef.h>
#include <stdint.h>

/*
 * When a message was sent, or arrived, as its header says: a guess to sort old mail
 * from new by, never evidence.
 */

/*
 * Read a date-time (RFC 5322 3.3, obsolete years and zones of 4.3, comments
 * skipped; a zone that is unknown or missing is UTC).  Returns 1 and *out, Unix
 * seconds, or 0 if it is none between 1970 and 9999.
 */
int date_parse(const char *value, size_t length, int64_t *out);

/*
 * The date of a message: that of its topmost Received field, else of its first Date
 * field.  bytes: the message from its beginning, with or without its body.
 * Returns 1 and *out, or 0 if it has neither.
 */
int date_of_message(const char *bytes, size_t length, int64_t *out);

#endif
