#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "ctl/care.h"
#include "ctl/output.h"

#define LONGEST_S (3650LL * 86400)
#define EXPECTED                                                                                   \
	"2h, 3d, a day like 2026-12-01, a moment like 2026-12-01T09:00 (local time), or off"

static int snooze(struct store *store, int64_t conversation, const void *until, int64_t now,
                  int64_t deadline_ms, struct error *err)
{
	return store_snooze(store, conversation, *(const int64_t *)until, now, deadline_ms, err);
}

/* A number and a unit. */
static bool read_span(const char *text, int64_t *seconds_out)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = {{'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
	int64_t number = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		if (number <= LONGEST_S)
			number = number * 10 + (*text - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (text[0] == units[i].letter && text[1] == '\0') {
			*seconds_out = number <= LONGEST_S ? number * units[i].seconds : LONGEST_S;
			return true;
		}
	}
	return false;
}

/* A day, or a moment of one, on this machine's clock. */
static bool read_moment(const char *text, int64_t *at_out)
{
	static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm given = {.tm_isdst = -1}, found;
		const char *end = strptime(text, forms[i], &given);

		if (end == NULL || *end != '\0')
			continue;
		found = given;
		*at_out = mktime(&found);
		/* 2026-02-31 */
		return found.tm_mday == given.tm_mday && found.tm_mon == given.tm_mon;
	}
	return false;
}

static bool read_until(const struct invocation *invocation, const char *text, int64_t now,
                       int64_t *until_out)
{
	*until_out = 0;
	if (strcasecmp(text, "off") == 0)
		return true;
	if (read_span(text, until_out)) {
		*until_out += now;
	} else if (!read_moment(text, until_out)) {
		command_usage_error(invocation, "found \"%s\", expected %s", text, EXPECTED);
		return false;
	}
	if (*until_out <= now || *until_out - now > LONGEST_S) {
		command_usage_error(invocation, "found \"%s\", which is %s", text,
		                    *until_out <= now ? "not in the future"
		                                      : "more than 3650 days from now");
		return false;
	}
	return true;
}

int command_snooze(struct invocation *invocation)
{
	struct conversation_row row = {0};
	char at[OUTPUT_TIME_SIZE];
	struct config *config;
	int64_t until, now = time(NULL);
	int status;

	if (!command_arguments(invocation, NULL, 2, 2, &status))
		return status;
	if (!read_until(invocation, invocation->argv[1], now, &until))
		return EX_USAGE;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	status = care_find(invocation, config, &row);
	if (status == 0 && row.is_closed && until > 0) {
		command_complain("the conversation is closed: nobody waits there");
		status = EXIT_NO_RESULT;
	}
	if (status == 0)
		status = care_make(config, row.id, snooze, &until);
	if (status == 0 && until > 0)
		care_say(&row, "is snoozed until %s", output_time(at, until));
	else if (status == 0)
		care_say(&row, "%s",
		         row.snoozed_until > now ? "is no longer snoozed" : "was not snoozed");
	conversation_row_release(&row);
	config_free(config);
	return status;
}
