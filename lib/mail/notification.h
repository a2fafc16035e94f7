#ifndef REJOINDER_MAIL_NOTIFICATION_H
#define REJOINDER_MAIL_NOTIFICATION_H

#include "lib/mail/class.h"

/*
 * Reports that a sending service mails as JSON: the feedback notifications of
 * Amazon SES, with or without the envelope of Amazon SNS around them.
 */

enum notification_kind {
	NOTIFICATION_NONE,
	NOTIFICATION_BOUNCE, /* not delivered, late, or delivered: the recipients' actions say */
	NOTIFICATION_COMPLAINT,
};

/*
 * Read the text of a message, and what it says into *out unless that is NULL:
 * recipients, ids and addresses of the message it speaks of, fields.  Linear; a
 * text that is no such JSON is NOTIFICATION_NONE.
 */
enum notification_kind notification_read(const char *text, struct classification *out);

#endif
