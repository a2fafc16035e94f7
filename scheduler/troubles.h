#ifndef REJOINDER_SCHEDULER_TROUBLES_H
#define REJOINDER_SCHEDULER_TROUBLES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/store/inbox.h"
#include "lib/store/store.h"

/*
 * What an operator must know: inboxes that fail, a disk that gets full, what
 * went wrong at night.  It is looked for once a minute; what begins or ends is noted in
 * the store (trouble.h), which makes the letter that tells him.
 */

/* An inbox fails when this many polls in a row did, and for this long. */
#define TROUBLE_POLLS    3
#define TROUBLE_LASTED_S 1800

/* {0} at first. */
struct troubles {
	int64_t looked_at;    /* 0: look now */
	struct error failure; /* of the last look, ERROR_NONE: it went well */
	int64_t logged_at;
};

/*
 * Has an inbox failed so long that it is told?  since_out: the last poll that went well; of an
 * inbox without one about the first.
 */
bool troubles_inbox_fails(const struct inbox_row *inbox, int64_t poll_s, int64_t now,
                          int64_t *since_out);

/*
 * Is so little of a disk free that it is told?  is_lasting: it was; then it takes some more to
 * be well, so that a file that comes and goes does not make it well and worse by turns.
 */
bool troubles_disk_is_low(uint64_t free_bytes, uint64_t total_bytes, bool is_lasting);

/*
 * Look, unless that was less than a minute ago.  True: there is a new letter, or an old one is to
 * be sent no more.  What goes wrong is logged here, and tried again.
 */
bool troubles_look(struct troubles *troubles, const struct config *config, struct store *store,
                   int64_t now);

#endif
