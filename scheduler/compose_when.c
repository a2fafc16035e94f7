#include "scheduler/compose_when.h"

#include <stdio.h>
#include <time.h>

#include "lib/base/civil.h"
#include "lib/conversation/clock.h"

#define YEAR_9999_END INT64_C(253402300799)
#define MINUTE_S      60

static const char *const weekdays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

const char *when_describe_wait(char out[WHEN_DURATION_SIZE], int64_t started_at, int64_t now)
{
	clock_describe(now > started_at ? now - started_at : 0, out, WHEN_DURATION_SIZE);
	return out;
}

const char *when_describe_left(char out[WHEN_DURATION_SIZE], int64_t seconds)
{
	if (seconds >= MINUTE_S)
		seconds = (seconds + MINUTE_S / 2) / MINUTE_S * MINUTE_S;
	clock_describe(seconds, out, WHEN_DURATION_SIZE);
	return out;
}

/* The local seconds since 1970 and the name of the zone; false if there are none. */
static bool find_local(int64_t at, const struct compose_clock *clock, int64_t *local_out,
                       const char **name_out)
{
	time_t seconds = (time_t)at;
	struct tm tm;

	if (at < 0 || at > YEAR_9999_END)
		return false;
	if (clock != NULL && clock->zone_name != NULL) {
		*local_out = at + zone_offset(clock->zone, at);
		*name_out = clock->zone_name;
		return true;
	}
	if (localtime_r(&seconds, &tm) == NULL)
		return false;
	*local_out = at + tm.tm_gmtoff;
	*name_out = tm.tm_zone;
	return true;
}

const char *when_describe_since(char out[WHEN_SINCE_SIZE], int64_t at,
                                const struct compose_clock *clock)
{
	struct civil date;
	const char *name;
	int64_t local, day;

	out[0] = '\0';
	if (!find_local(at, clock, &local, &name))
		return out;
	day = civil_day_of(local);
	date = civil_from_days(day);
	local -= day * CIVIL_DAY_S;
	snprintf(out, WHEN_SINCE_SIZE, "%s %d %s %d, %02d:%02d %.48s", weekdays[civil_weekday(day)],
	         date.day, months[date.month - 1], date.year, (int)(local / 3600),
	         (int)(local % 3600 / 60), name);
	return out;
}

const char *when_describe_moment(char out[WHEN_SINCE_SIZE], int64_t at, int64_t now,
                                 const struct compose_clock *clock)
{
	int64_t local, local_now, day;
	struct civil date;
	const char *name;
	char clock_face[16];

	out[0] = '\0';
	if (!find_local(at, clock, &local, &name))
		return out;
	day = civil_day_of(local);
	date = civil_from_days(day);
	local -= day * CIVIL_DAY_S;
	snprintf(clock_face, sizeof(clock_face), "%02d:%02d", (int)(local / 3600 % 24),
	         (int)(local % 3600 / 60));
	if (find_local(now, clock, &local_now, &name) && civil_day_of(local_now) == day)
		snprintf(out, WHEN_SINCE_SIZE, "%s", clock_face);
	else
		snprintf(out, WHEN_SINCE_SIZE, "%d %s %d, %s", date.day, months[date.month - 1],
		         date.year, clock_face);
	return out;
}

const char *when_describe_business(char out[WHEN_DURATION_SIZE], const struct compose_clock *clock)
{
	out[0] = '\0';
	if (clock != NULL && clock->business_s >= 0)
		clock_describe(clock->business_s, out, WHEN_DURATION_SIZE);
	return out;
}
