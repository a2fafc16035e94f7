#ifndef REJOINDER_MAIL_MSGID_H
#define REJOINDER_MAIL_MSGID_H

#include <stddef.h>

#include "lib/base/list.h"

/*
 * Message ids in Message-ID, In-Reply-To and References (RFC 5322 3.6.4, and
 * 4.5.4 for what older clients write between them).  An id is kept with its angle
 * brackets, its inner white space removed; case counts.  Comments, quoted text
 * and words outside angle brackets are skipped.  A value without any `<` in which
 * each word has an @ counts as ids whose brackets were lost, and a word with an @
 * behind a `<` that nothing closes as one too.
 */

#define MSGID_MAX_BYTES 998 /* RFC 5322 2.1.1; longer ones are left out */

/* Append the ids of a value in order, at most max_count of them in the list at the end. Duplicates are kept. */
void msgid_parse(struct string_list *ids, const char *value, size_t length, size_t max_count);

/* The only or first id of a Message-ID value, a heap string, or NULL. */
char *msgid_first(const char *value, size_t length);

#endif
