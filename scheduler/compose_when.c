#include "scheduler/compose_when.h"

#include <stdio.h>
#include <time.h>

#include "lib/base/civil.h"
#include "lib/conversation/clock.h"

#define YEAR_9999_END INT64_C(253402300799)

static const char *const weekdays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

const char *when_describe_wait(char out[WHEN_DURATION_SIZE], int64_t started_at, int64_t now)
{
	clock_describe(now > started_at ? now - started_at : 0, out, WHEN_DURATION_SIZE);
	return out;
}

const char *when_describe_since(char out[WHEN_SINCE_SIZE], int64_t at,
                                const struct compose_clock *clock)
{
	time_t seconds = (time_t)at;
	const char *name = clock != NULL ? clock->zone_name : NULL;
	struct civil date;
	struct tm tm;
	int64_t local, day;

	out[0] = '\0';
	if (at < 0 || at > YEAR_9999_END)
		return out;
	if (name != NULL) {
		local = at + zone_offset(clock->zone, at);
	} else if (localtime_r(&seconds, &tm) != NULL) {
		local = at + tm.tm_gmtoff;
		name = tm.tm_zone;
	} else {
		return out;
	}
	day = civil_day_of(local);
	date = civil_from_days(day);
	local -= day * CIVIL_DAY_S;
	snprintf(out, WHEN_SINCE_SIZE, "%s %d %s %d, %02d:%02d %.48s", weekdays[civil_weekday(day)],
	         date.day, months[date.month - 1], date.year, (int)(local / 3600),
	         (int)(local % 3600 / 60), name);
	return out;
}

const char *when_describe_business(char out[WHEN_DURATION_SIZE], const struct compose_clock *clock)
{
	out[0] = '\0';
	if (clock != NULL && clock->business_s >= 0)
		clock_describe(clock->business_s, out, WHEN_DURATION_SIZE);
	return out;
}
