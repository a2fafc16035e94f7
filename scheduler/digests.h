#ifndef REJOINDER_SCHEDULER_DIGESTS_H
#define REJOINDER_SCHEDULER_DIGESTS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * Daily digests: at the local time that an account says, notices that list all
 * who wait in it.  After an outage one is made, not one for each day; an account that
 * had none before begins with the next day's.
 */

#define DIGEST_WAITS_MAX 10000 /* of an account, the longest waits; the others are not told */

/* {0} at first, and again with another configuration or store. */
struct digests {
	int64_t *next_at; /* by account of the configuration; 0: not known */
};

/*
 * Create the notices of all digests that are due now.  0 and *next_at_out: when there
 * is something to do again, INT64_MAX: never; or -1 with *err.
 */
int digests_create(struct digests *digests, const struct config *config, struct store *store,
                   int64_t now, int64_t *next_at_out, struct error *err) MUST_CHECK;

void digests_release(struct digests *digests); /* leaves {0} */

#endif
