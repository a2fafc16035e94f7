#ifndef REJOINDER_MAIL_REPORT_RECIPIENTS_H
#define REJOINDER_MAIL_REPORT_RECIPIENTS_H

#include "lib/mail/class.h"
#include "lib/mail/message.h"

/*
 * The recipients that a report speaks of, and the original message id where its
 * machine-readable part says it: from that part (RFC 3464, 5965, 8098), else from
 * X-Failed-Recipients and the report's words.  text: the report's words.
 */
void report_read_recipients(const struct message *message, const struct part_list *parts,
                            const char *text, struct classification *out);

/* Add the one recipient of the returned message to a report that names none. */
void report_add_returned_recipient(const struct message *message, const char *text,
                                   const char *address, struct classification *out);

/* Give a status to the recipients of a bounce that have none, where it can be told. */
void report_finish_recipients(const char *text, struct classification *out);

#endif
