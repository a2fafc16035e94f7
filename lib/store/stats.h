#ifndef REJOINDER_STORE_STATS_H
#define REJOINDER_STORE_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * How long customers waited: the waits that ended since a moment, and those that run.
 * Each belongs to the account of its conversation, also when the configuration no longer
 * names that; accounts that differ in case alone are one.
 */

/* Ascending. */
struct durations {
	int64_t *seconds;
	size_t count;
};

struct wait_stats {
	char *account; /* as a conversation spells it; NULL: of conversations that have none */
	int64_t answered, closed; /* how many ended so */
	/* Of the answered ones, as they were kept when each ended: some lack business time. */
	struct durations wall, business;
	int64_t waiting;       /* how many run, whenever they began */
	int64_t waiting_since; /* the oldest of them, 0 if none */
};

struct stats {
	struct wait_stats *accounts; /* in no order */
	size_t account_count;
	struct wait_stats all; /* of these accounts; its account is NULL */
};

/*
 * Read the waits that ended at `since` or later, and those that run; of one account (its
 * name in any case), or of all if account is NULL.  They are read in many short
 * transactions, so the numbers are not of one moment.  *out is the caller's:
 * stats_release().
 */
int store_read_stats(struct store *store, const char *account, int64_t since, struct stats *out,
                     struct error *err) MUST_CHECK;
void stats_release(struct stats *stats); /* leaves {0} */

/*
 * The percentile by the nearest rank: the shortest of these durations that at least
 * `percent` (1 to 100) of a hundred of them do not exceed, so always one of them.  -1 if
 * there are none.
 */
int64_t durations_percentile(const struct durations *durations, unsigned percent);

/* How many of them are at most so long. */
size_t durations_within(const struct durations *durations, int64_t seconds);

#endif
