#ifndef REJOINDER_CONVERSATION_CAP_H
#define REJOINDER_CONVERSATION_CAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Rate caps: how many human messages of one sender are still taken for a
 * person's.  Past a cap two programs answer each other, or somebody floods us:
 * mail is tagged as ever, but nothing is to come of it by itself.  Pure.
 */

#define CAP_SHORT_S 600
#define CAP_LONG_S  36000

/* Messages of one sender before the one in question. */
struct cap_counts {
	int64_t in_conversation_short, in_conversation_long; /* in that conversation */
	int64_t of_sender_short, of_sender_long;             /* wherever */
};

#define CAP_MESSAGES_MAX 600 /* of one sender that matter: the largest cap */

struct cap {
	int64_t messages; /* so many are allowed; no two caps have the same */
	int64_t window_s; /* within that time */
	bool is_of_conversation;
};

/* The cap that one message more passes, the narrowest of several, or NULL. */
const struct cap *cap_passed(const struct cap_counts *counts);

/* The cap of so many messages, or NULL. */
const struct cap *cap_of(int64_t messages);

#endif
