#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "ctl/care.h"
#include "ctl/moment.h"
#include "ctl/output.h"

#define EXPECTED                                                                                   \
	"2h, 3d, a day like 2026-12-01, a moment like 2026-12-01T09:00 (local time), or off"

static int snooze(struct store *store, int64_t conversation, const void *until, int64_t now,
                  int64_t deadline_ms, struct error *err)
{
	return store_snooze(store, conversation, *(const int64_t *)until, now, deadline_ms, err);
}

static bool read_until(const struct invocation *invocation, const char *text, int64_t now,
                       int64_t *until_out)
{
	*until_out = 0;
	if (strcasecmp(text, "off") == 0)
		return true;
	if (moment_read_span(text, until_out)) {
		*until_out += now;
	} else if (!moment_read(text, until_out)) {
		command_usage_error(invocation, "found \"%s\", expected %s", text, EXPECTED);
		return false;
	}
	if (*until_out <= now || *until_out - now > MOMENT_SPAN_MAX_S) {
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
