#ifndef REJOINDER_MAIL_REPORT_ADD_H
#define REJOINDER_MAIL_REPORT_ADD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mail/class.h"

/*
 * Putting facts into a classification within its limits, for the readers of
 * reports.
 */

#define DIAGNOSTIC_MAX_BYTES 500

/* Add a recipient without any fact, or NULL if there are enough. Takes ownership of address. */
struct report_recipient *report_add_recipient(struct classification *out, char *address);
/* The recipient of that address, or NULL. */
struct report_recipient *report_find_recipient(struct classification *out, const char *address);

/* Set one of the actions that RFC 3464 2.3.3 knows; other words change nothing. */
void report_set_action(struct report_recipient *recipient, const char *value);
/* Set the first status (RFC 3463 2) that a text holds; none changes nothing. */
void report_set_status(struct report_recipient *recipient, const char *text, size_t length);
/* Set the text as the diagnostic, without the type before it (`smtp;`), decoded and cut. */
void report_set_diagnostic(struct report_recipient *recipient, const char *value);

/* Add a field of the report. name: static text. A name that is there already is left as it is. */
void report_add_field(struct classification *out, const char *name, const char *value);

/* Take the ids or addresses of one field of the returned message. name: as in a header. */
void report_take_returned(struct classification *out, const char *name, const char *value,
                          size_t length);

#endif
