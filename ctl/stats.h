#ifndef REJOINDER_CTL_STATS_H
#define REJOINDER_CTL_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/store/stats.h"

/*
 * What `rejoinder stats` shows, and the three ways to show it.
 */

/* The percentiles that are shown. */
#define STATS_PERCENTS 4
unsigned stats_percent(size_t at);

/* An account, or all of them. */
struct stats_view {
	const struct wait_stats *stats;
	const char *name; /* as the configuration spells it, else as the store does; NULL: none */
	const struct account *account; /* NULL: the configuration does not name it */
};

struct stats_report {
	int64_t since, now;
	struct stats_view *views; /* in the order of the configuration, then by name */
	size_t count;
	struct stats_view all;
};

/* The levels that are in force: none of an account that is disabled or not there. */
const struct alert_levels *stats_levels(const struct stats_view *view);

/* Of the durations that a level of an account goes by, how many there are and are within it. */
struct stats_share {
	size_t count, within;
};
struct stats_share stats_share(const struct stats_view *view, const struct alert_level *level);

/* "30m", "4h business"; a heap string. */
char *stats_level_name(const struct alert_level *level);

/*
 * The bars of a histogram: minutes, hours and days, each about twice as wide as the one
 * before.
 */
#define STATS_BARS 16
struct stats_bar {
	const char *name; /* of its upper end: "30m"; NULL: it has none */
	int64_t over_s;   /* longer than this; -1 for the first */
	int64_t up_to_s;  /* and at most so long; INT64_MAX if there is no upper end */
	size_t count;
};
void stats_bars(const struct durations *durations, struct stats_bar bars_out[STATS_BARS]);

void stats_print(const struct stats_report *report);
void stats_print_json(const struct stats_report *report);
void stats_print_csv(const struct stats_report *report);

#endif
