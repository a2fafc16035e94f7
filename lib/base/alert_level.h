#ifndef REJOINDER_BASE_ALERT_LEVEL_H
#define REJOINDER_BASE_ALERT_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/list.h"

/*
 * The levels of `alert = 30m to owner, team@company.com`: how long somebody waits
 * before who is told; and what goes with them.  Reading the values is option.c's.
 */

#define ALERT_LEVELS_MAX     20
#define ALERT_RECIPIENTS_MAX 50
#define ALERT_REPEATS_MAX    100
#define ALERT_OWNER          "owner" /* as a recipient: the conversation's owner */

struct alert_level {
	int64_t after_s;
	bool is_business;              /* of working time, by the account's calendar */
	bool is_urgent;                /* told in quiet hours too */
	int line;                      /* of the configuration, 0: not known yet */
	struct string_list recipients; /* lower case: addresses, or ALERT_OWNER */
};

struct alert_levels {
	/* Ascending by after_s, the one of business last where two have the same; no two alike. */
	struct alert_level *items;
	size_t count;
};

/* `1d up to 3`: the last level again. */
struct alert_repeat {
	int64_t every_s; /* 0: never */
	int64_t times;
};

/* `08:00 to owner`: all that wait, once a day. */
struct alert_digest {
	int minute;                    /* of the local day */
	struct string_list recipients; /* as of a level; none: no digest */
};

/*
 * Add recipients separated by blanks or commas, each once, to a list that is {0}.
 * Returns NULL, or what was expected instead: a static string.
 */
const char *alert_recipients_read(struct string_list *recipients, const char *text);

/* Add a level of this time and kind; its recipients are read from the text.  As above. */
const char *alert_levels_add(struct alert_levels *levels, const struct alert_level *kind,
                             const char *recipients);

/* Add copies of all levels, their lines too, to levels that are {0}. */
void alert_levels_copy(struct alert_levels *levels, const struct alert_levels *from);

void alert_levels_release(struct alert_levels *levels); /* leaves {0} */

#endif
