#ifndef REJOINDER_CONVERSATION_CLOCK_H
#define REJOINDER_CONVERSATION_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/alert_level.h"
#include "lib/base/calendar.h"

/*
 * When a wait passes the levels of its account.  Pure: `now`, levels, calendars and
 * zones are parameters.
 */

#define CLOCK_NEVER INT64_MAX

/* What an account says of its waits; borrowed. */
struct clock_rules {
	const struct alert_level *levels;
	size_t level_count;              /* at most ALERT_LEVELS_MAX */
	const struct calendar *calendar; /* of the levels of business */
	int64_t warn_s;                  /* before the first level; 0: no warning */
	struct alert_repeat repeat;      /* of the last level */
};

enum clock_kind { CLOCK_WARNING, CLOCK_LEVEL, CLOCK_REPEAT };

struct clock_moment {
	int64_t at; /* Unix seconds */
	enum clock_kind kind;
	const struct alert_level *level; /* that is passed, warned of or repeated */
};

/* What one wait passes, in its order. */
struct clock_plan {
	struct clock_moment moments[ALERT_LEVELS_MAX + 1]; /* all but the repeats */
	size_t count;
	int64_t started_at;
	const struct clock_rules *rules;
};

/*
 * Lay out the moments of a wait that began at started_at: each level on its
 * clock, the warning on that of the first one, ascending by time; what would never come is
 * not there.  The rules must outlive the plan.
 */
void clock_lay_out(struct clock_plan *plan, const struct clock_rules *rules, int64_t started_at);

/* The moment of that number (from 0), repeats of the last level behind the others. False: none. */
bool clock_moment(const struct clock_plan *plan, int number, struct clock_moment *out);

/* How many moments from `number` on are not after now. */
size_t clock_passed(const struct clock_plan *plan, int number, int64_t now);

/*
 * The latest local day (since 1970-01-01) whose minute (after midnight) is not
 * after now, and when that of the next day comes.
 */
int64_t clock_daily(const struct zone *zone, int minute, int64_t now, int64_t *next_at_out);

/*
 * Write a duration as people say it: "20 s", "45 min", "2 h 5 min", "3 days",
 * "1 day 4 h".  What is smaller is cut off, so that no one is said to wait longer than he did;
 * below 0 is "0 s".
 */
void clock_describe(int64_t seconds, char *out, size_t size);

#endif
