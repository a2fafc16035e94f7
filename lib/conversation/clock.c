#include "lib/conversation/clock.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/civil.h"

#define MINUTE_S 60
#define HOUR_S   3600
#define DAY_S    86400

static int64_t add(const struct clock_rules *rules, const struct alert_level *level,
                   int64_t started_at, int64_t seconds)
{
	return calendar_add(level->is_business ? rules->calendar : NULL, started_at, seconds);
}

/* Behind those that are not later. */
static void insert(struct clock_plan *plan, const struct clock_moment *moment)
{
	size_t at = plan->count;

	if (moment->at == CLOCK_NEVER)
		return;
	for (; at > 0 && plan->moments[at - 1].at > moment->at; at--)
		plan->moments[at] = plan->moments[at - 1];
	plan->moments[at] = *moment;
	plan->count++;
}

void clock_lay_out(struct clock_plan *plan, const struct clock_rules *rules, int64_t started_at)
{
	const struct alert_level *first;

	*plan = (struct clock_plan){.started_at = started_at, .rules = rules};
	for (size_t i = 0; i < rules->level_count && i < ALERT_LEVELS_MAX; i++) {
		const struct alert_level *level = &rules->levels[i];
		const struct clock_moment moment = {
			.at = add(rules, level, started_at, level->after_s),
			.kind = CLOCK_LEVEL,
			.level = level};

		insert(plan, &moment);
	}
	if (plan->count == 0 || rules->warn_s <= 0)
		return;
	first = plan->moments[0].level;
	if (rules->warn_s < first->after_s) {
		const struct clock_moment warning = {
			.at = add(rules, first, started_at, first->after_s - rules->warn_s),
			.kind = CLOCK_WARNING,
			.level = first};

		insert(plan, &warning);
	}
}

bool clock_moment(const struct clock_plan *plan, int number, struct clock_moment *out)
{
	const struct alert_repeat *repeat = &plan->rules->repeat;
	const struct alert_level *last;
	int64_t times;

	if (number < 0 || plan->count == 0)
		return false;
	if ((size_t)number < plan->count) {
		*out = plan->moments[number];
		return true;
	}
	times = number - (int64_t)plan->count + 1;
	if (repeat->every_s <= 0 || times > repeat->times || times > ALERT_REPEATS_MAX)
		return false;
	last = plan->moments[plan->count - 1].level;
	*out = (struct clock_moment){.at = add(plan->rules, last, plan->started_at,
	                                       last->after_s + times * repeat->every_s),
	                             .kind = CLOCK_REPEAT,
	                             .level = last};
	return out->at != CLOCK_NEVER;
}

size_t clock_passed(const struct clock_plan *plan, int number, int64_t now)
{
	struct clock_moment moment;
	int at = number;

	while (clock_moment(plan, at, &moment) && moment.at <= now)
		at++;
	return (size_t)(at - number);
}

int64_t clock_daily(const struct zone *zone, int minute, int64_t now, int64_t *next_at_out)
{
	/* No zone is more than a day from where it was a moment ago. */
	int64_t day = civil_day_of(now + zone_offset(zone, now)) + 3;
	int64_t at = CLOCK_NEVER;

	do {
		*next_at_out = at;
		day--;
		at = zone_to_unix(zone, day * CIVIL_DAY_S + (int64_t)minute * MINUTE_S);
	} while (at > now);
	return day;
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
