#ifndef REJOINDER_BASE_ALERT_LEVEL_H
#define REJOINDER_BASE_ALERT_LEVEL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/list.h"

/*
 * The levels of `alert = 30m to owner, team@company.com`: how long somebody waits
 * before who is told.  Reading the value is option.c's.
 */

#define ALERT_LEVELS_MAX     20
#define ALERT_RECIPIENTS_MAX 50
#define ALERT_OWNER          "owner" /* as a recipient: the conversation's owner */

struct alert_level {
	int64_t after_s;
	int line;                      /* of the configuration, 0: not known yet */
	struct string_list recipients; /* lower case: addresses, or ALERT_OWNER */
};

struct alert_levels {
	struct alert_level *items; /* ascending by after_s, no two alike */
	size_t count;
};

/*
 * Add a level, its recipients separated by blanks or commas; each is kept once.
 * Returns NULL, or what was expected instead: a static string.
 */
const char *alert_levels_add(struct alert_levels *levels, int64_t after_s, const char *recipients);

void alert_levels_release(struct alert_levels *levels); /* leaves {0} */

#endif
