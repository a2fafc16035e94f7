#include "lib/base/config_read.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/base/spelling.h"

const struct zone *config_zone(const struct config *config, const struct account *account)
{
	return account != NULL && account->calendar != NULL ? account->calendar->hours.zone
	                                                    : config->zone;
}

const char *config_zone_name(const struct config *config, const struct account *account)
{
	return account != NULL && account->calendar != NULL ? account->calendar->zone_name
	                                                    : config->zone_name;
}

void config_release_calendars(struct named_calendar *calendars, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		option_release_all(config_calendar_options(), &calendars[i]);
		calendar_release(&calendars[i].hours);
		free(calendars[i].origins);
		free(calendars[i].name);
	}
	free(calendars);
}

static struct zone *open_zone(const char *name, int line, struct mistakes *mistakes)
{
	struct error err;
	struct zone *zone = zone_open(name, &err);

	if (zone == NULL)
		mistake_add(mistakes, line, "zone: %s, expected one such as Europe/Berlin",
		            err.text);
	return zone;
}

static void set_calendar(const struct config *config, struct named_calendar *calendar,
                         struct mistakes *mistakes)
{
	const struct option_origin *zone =
		config_origin(config_calendar_options(), calendar->origins, "zone");
	size_t wrong = 0;

	/* A wrong name was reported where it stands, as were wrong intervals. */
	if (calendar->zone_name == NULL)
		calendar->zone_name = xstrdup(config->zone_name);
	if (!zone->is_wrong && (zone->line > 0 || config->zone != NULL))
		calendar->hours.zone = open_zone(calendar->zone_name, zone->line, mistakes);
	for (size_t i = 0; config_calendar_options()[i].name != NULL; i++)
		if (config_calendar_options()[i].type == OPTION_INTERVALS)
			wrong += calendar->origins[i].line > 0;
	if (calendar_is_empty(&calendar->hours) && wrong == 0)
		mistake_add(mistakes, calendar->line,
		            "[calendar \"%s\"]: found no working minute in a week, expected "
		            "intervals such as monday = 09:00-17:00",
		            calendar->name);
}

static const struct named_calendar *find_calendar(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->calendar_count; i++)
		if (strcasecmp(config->calendars[i].name, name) == 0)
			return &config->calendars[i];
	return NULL;
}

static void refuse_unknown_calendar(const struct config *config, const struct account *account,
                                    struct mistakes *mistakes)
{
	const char *name = account->calendar_name, *nearest = NULL;
	size_t least = SPELLING_NEAR + 1;

	for (size_t i = 0; i < config->calendar_count; i++) {
		size_t distance = spelling_distance(config->calendars[i].name, name);

		if (distance < least && distance < strlen(name)) {
			least = distance;
			nearest = config->calendars[i].name;
		}
	}
	mistake_add(mistakes, config_account_line(account, "calendar"),
	            "calendar: found \"%s\", expected %s%s", name,
	            nearest != NULL ? "perhaps " : "the name of a [calendar] section",
	            nearest != NULL ? nearest : "");
}

/* Does the account say so itself? What is inherited may be meant for others. */
static bool has_itself(const struct account *account, const char *key)
{
	const struct option_origin *origin =
		config_origin(config_account_options(), account->origins, key);

	return origin->line > 0 && !origin->is_inherited && !origin->is_wrong;
}

static void check_levels(const struct account *account, struct mistakes *mistakes)
{
	const struct alert_levels *alerts = &account->alerts;
	bool has_wrong_alert =
		config_origin(config_account_options(), account->origins, "alert")->is_wrong;

	for (size_t i = 0; i < alerts->count; i++)
		if (alerts->items[i].is_business && account->calendar_name == NULL)
			mistake_add(mistakes, alerts->items[i].line,
			            "alert: found business time without a calendar, expected "
			            "calendar = NAME in [account \"%s\"]",
			            account->name);
	if (has_wrong_alert)
		return;
	if (alerts->count == 0 && has_itself(account, "warn"))
		mistake_add(mistakes, config_account_line(account, "warn"),
		            "warn: found it without a level, expected alert in [account \"%s\"]",
		            account->name);
	if (alerts->count == 0 && has_itself(account, "repeat"))
		mistake_add(mistakes, config_account_line(account, "repeat"),
		            "repeat: found it without a level, expected alert in [account \"%s\"]",
		            account->name);
	if (alerts->count > 0 && account->warn_s >= alerts->items[0].after_s)
		mistake_add(mistakes, config_account_line(account, "warn"),
		            "warn: found a time that is not shorter than the first alert of "
		            "[account \"%s\"], expected a shorter one",
		            account->name);
}

static void set_account(const struct config *config, struct account *account,
                        struct mistakes *mistakes)
{
	if (account->calendar_name != NULL) {
		account->calendar = find_calendar(config, account->calendar_name);
		if (account->calendar == NULL)
			refuse_unknown_calendar(config, account, mistakes);
	}
	if (!account->is_enabled)
		return;
	check_levels(account, mistakes);
	if (calendar_day_is_full(&account->quiet))
		mistake_add(mistakes, config_account_line(account, "quiet"),
		            "quiet: found all day long, expected a time when alerts are sent");
}

void config_set_calendars(struct config *config, struct mistakes *mistakes)
{
	const struct option_origin *zone = config_origin(config_options(), config->origins, "zone");

	if (config->zone_name == NULL)
		config->zone_name = xstrdup(ZONE_LOCAL);
	else
		config->zone = open_zone(config->zone_name, zone->line, mistakes);
	for (size_t i = 0; i < config->calendar_count; i++) {
		struct named_calendar *calendar = &config->calendars[i];
		const struct named_calendar *first = find_calendar(config, calendar->name);

		set_calendar(config, calendar, mistakes);
		if (first != calendar)
			mistake_add(mistakes, calendar->line,
			            "[calendar \"%s\"]: found twice, expected once (first on line "
			            "%d)",
			            calendar->name, first->line);
	}
	for (size_t i = 0; i < config->account_count; i++)
		set_account(config, &config->accounts[i], mistakes);
}
