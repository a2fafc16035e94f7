#ifndef REJOINDER_SCHEDULER_UPKEEP_H
#define REJOINDER_SCHEDULER_UPKEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * The nightly work, once a local day from UPKEEP_MINUTE on, or as soon afterwards as
 * the scheduler runs: look for damage in the store, back it up, and purge what is older than
 * `retention`, in that order.  A damaged store is neither backed up, which would cost a good
 * backup its place, nor written into.  It is done in a thread of its own, with a
 * connection of its own, so that alerts go on.
 */

#define UPKEEP_MINUTE (3 * 60) /* after midnight, in `zone` */

struct upkeep_job;

/* {0} at first. */
struct upkeep {
	struct upkeep_job *job; /* that runs, or NULL */
	int64_t looked_at;      /* 0: look now */
	int64_t held_until;     /* the last job could not even record how it went */
	struct error failure;   /* of the last look, ERROR_NONE: it went well */
	int64_t logged_at;
};

/* The latest moment not after now at which a night's work begins. */
int64_t upkeep_night(const struct zone *zone, int64_t now);

/*
 * Look, unless that was less than a minute ago, whether anything is to be done, and begin
 * it.  True: some work has ended just now, which the table upkeep tells of.  What goes wrong
 * is logged here.
 */
bool upkeep_work(struct upkeep *upkeep, const struct config *config, struct store *store,
                 int64_t now);

/* Stop what runs, which is taken up again later, and leave {0}. */
void upkeep_release(struct upkeep *upkeep);

#endif
