#ifndef REJOINDER_MAIL_REPORT_FIELDS_H
#define REJOINDER_MAIL_REPORT_FIELDS_H

#include <stddef.h>

#include "lib/mail/class.h"

/*
 * Read the fields of a report's machine-readable part (RFC 3464, 5965, 8098) into
 * *out: groups of them are parted by blank lines, and lines that are no field are
 * passed over.  out->class says what kind of report it is.
 */
void report_read_fields(const char *text, size_t length, struct classification *out);

#endif
