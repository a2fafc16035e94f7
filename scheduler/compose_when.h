#ifndef REJOINDER_SCHEDULER_COMPOSE_WHEN_H
#define REJOINDER_SCHEDULER_COMPOSE_WHEN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/zone.h"

/* How long somebody waits and since when, in words. */

#define WHEN_DURATION_SIZE 64
#define WHEN_SINCE_SIZE    128

/* By which clock a wait is told. */
struct compose_clock {
	const struct zone *zone;
	const char *zone_name; /* as the configuration has it; NULL: the zone of the process */
	int64_t business_s;    /* how long by the account's calendar; -1: it has none */
};

/* "45 min". Returns out. */
const char *when_describe_wait(char out[WHEN_DURATION_SIZE], int64_t started_at, int64_t now);

/* What comes in so many seconds, to the nearest minute where it is over one. */
const char *when_describe_left(char out[WHEN_DURATION_SIZE], int64_t seconds);

/*
 * "Sun 22 Nov 2026, 10:00 CET", or with a zone's name in its stead. clock:
 * NULL for the zone of the process. Returns out.
 */
const char *when_describe_since(char out[WHEN_SINCE_SIZE], int64_t at,
                                const struct compose_clock *clock);

/* "14:05", or "21 Nov 2026, 14:05" where that is another day than now. Returns out. */
const char *when_describe_moment(char out[WHEN_SINCE_SIZE], int64_t at, int64_t now,
                                 const struct compose_clock *clock);

/* How long by the calendar, "" without one. Returns out. */
const char *when_describe_business(char out[WHEN_DURATION_SIZE], const struct compose_clock *clock);

#endif
