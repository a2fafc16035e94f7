#ifndef REJOINDER_CONVERSATION_ACTION_H
#define REJOINDER_CONVERSATION_ACTION_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/secret.h"

/*
 * What the links of an alert ask for: a signed word in the detail of a replies
 * address, good for one notice.  31 characters of lower-case base32, read in any case:
 *
 *     key id   1 character
 *     action   1 character: c, s or t
 *     notice   13 characters: 65 bits, the id in the low 64, the top bit 0
 *     mac      16 characters: the first 80 bits of HMAC-SHA256 over
 *              "rejoinder-action-1" NUL, key id (1 byte), action (1 byte), notice
 *              (8 bytes, big endian), domain (lower case)
 *
 * The domain is that of the address.  A token is three characters longer, so
 * neither is taken for the other.  It does not expire by itself: how old a notice
 * may be, and that it is done once, is known where notices are stored.
 */

#define ACTION_LENGTH 31
#define ACTION_SIZE   (ACTION_LENGTH + 1)

enum action {
	ACTION_CLOSE,     /* c: the conversation needs no answer */
	ACTION_SNOOZE,    /* s: no alert for a day */
	ACTION_TAKE_OVER, /* t: the sender becomes the owner */
};
#define ACTION_COUNT 3

enum action_verdict {
	ACTION_VALID,
	ACTION_MALFORMED,   /* not 31 base32 characters, no known action, or spare bits set */
	ACTION_UNKNOWN_KEY, /* signed by a key this host lacks */
	ACTION_FORGED,      /* the mac is wrong */
};

/* "close", "snooze", "take-over" */
const char *action_name(enum action action);
const char *action_verdict_name(enum action_verdict verdict);

/* Write the word for an action on what a notice is about, signed with the first key. */
void action_make(char out[ACTION_SIZE], const struct keyring *keyring, enum action action,
                 int64_t notice, const char *domain);

/*
 * Verify such a word.
 *
 * text: the candidate, length bytes (untrusted).  *action_out and *notice_out are
 * written only for ACTION_VALID.
 */
enum action_verdict action_verify(const struct keyring *keyring, const char *text, size_t length,
                                  const char *domain, enum action *action_out, int64_t *notice_out);

#endif
