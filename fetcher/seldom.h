#ifndef REJOINDER_FETCHER_SELDOM_H
#define REJOINDER_FETCHER_SELDOM_H

#include <stdint.h>

/*
 * A line of the log that somebody else can provoke as often as he likes: it is
 * written once a minute, with how often it would have been.  Pure.
 */

#define SELDOM_MS 60000

struct seldom {
	int64_t logged_at_ms; /* 0: never */
	unsigned since;       /* how often it was held back */
};

/*
 * There is reason for the line.  0: hold it back; else write it, and say that it is
 * the so-manieth since the last one.  now_ms: of the monotonic clock.
 */
unsigned seldom_due(struct seldom *seldom, int64_t now_ms);

#endif
