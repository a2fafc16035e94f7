#ifndef REJOINDER_MAIL_REPORT_WORDS_H
#define REJOINDER_MAIL_REPORT_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mail/class.h"

/*
 * Read recipients and reasons into *out from what a report says in words, without
 * the message that it returns.  action: what the words say happened, or "".
 */
void report_read_words(const char *words, const char *action, struct classification *out);

/* Do they name a recipient at all? */
bool report_has_recipient_words(const char *words, size_t length);

/* The first digit of the reply code of a server that a line holds (RFC 5321 4.2.1), '4' or '5', or 0. */
char report_reply_class(const char *line, size_t length);

#endif
