#include "lib/conversation/clock.h"

#include <inttypes.h>
#include <stdio.h>

#define MINUTE_S 60
#define HOUR_S   3600
#define DAY_S    86400

int64_t clock_due_at(int64_t started_at, const int64_t *delays_s, size_t delay_count, int level)
{
	int64_t due_at;

	if (level < 0 || (size_t)level >= delay_count ||
	    __builtin_add_overflow(started_at, delays_s[level], &due_at))
		return CLOCK_NEVER;
	return due_at;
}

size_t clock_passed(int64_t started_at, const int64_t *delays_s, size_t delay_count, int level,
                    int64_t now)
{
	for (int at = level;; at++) {
		int64_t due_at = clock_due_at(started_at, delays_s, delay_count, at);

		if (due_at == CLOCK_NEVER || due_at > now)
			return (size_t)(at - level);
	}
}

void clock_describe(int64_t seconds, char *out, size_t size)
{
	int64_t days = seconds / DAY_S, hours = seconds % DAY_S / HOUR_S;
	int64_t minutes = seconds % HOUR_S / MINUTE_S;

	if (seconds < MINUTE_S)
		snprintf(out, size, "%" PRId64 " s", seconds > 0 ? seconds : 0);
	else if (seconds < HOUR_S)
		snprintf(out, size, "%" PRId64 " min", minutes);
	else if (seconds < DAY_S && minutes == 0)
		snprintf(out, size, "%" PRId64 " h", hours);
	else if (seconds < DAY_S)
		snprintf(out, size, "%" PRId64 " h %" PRId64 " min", hours, minutes);
	else if (hours == 0)
		snprintf(out, size, "%" PRId64 " day%s", days, days == 1 ? "" : "s");
	else
		snprintf(out, size, "%" PRId64 " day%s %" PRId64 " h", days, days == 1 ? "" : "s",
		         hours);
}
