#ifndef REJOINDER_MAIL_REPORT_H
#define REJOINDER_MAIL_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mail/class.h"
#include "lib/mail/message.h"

/*
 * What a report speaks of: its recipients (RFC 3464, 5965, 8098, or plain words)
 * and the message that it returns, in whatever way it returns it.
 */

/* message/rfc822 and its like: the message, or its header only. */
bool report_is_returned_part(const struct part *part);
/* message/delivery-status and its like (RFC 3464, 6533). */
bool report_is_status_part(const struct part *part);

/*
 * Where in a report's text the header of the returned message begins; the length
 * of the text if there is none.
 */
size_t report_returned_offset(const char *text);

/*
 * Fill the facts of *out.  text: the report's words, as text_of_part() gives them,
 * or "".  out->class says what kind of report it is.
 */
void report_read(const struct message *message, const struct part_list *parts, const char *text,
                 struct classification *out);

/* Read the header of a returned part. The header is the caller's: header_release(). */
void report_read_header(const struct part *part, struct header *header);

#endif
