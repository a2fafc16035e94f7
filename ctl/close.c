#include <time.h>

#include "ctl/care.h"

struct closing {
	const struct config *config;
	bool is_closed;
};

static int set_closed(struct store *store, int64_t conversation, const void *context, int64_t now,
                      int64_t deadline_ms, struct error *err)
{
	const struct closing *closing = context;

	return store_set_closed(store, closing->config, conversation, closing->is_closed, now,
	                        deadline_ms, err);
}

static int run(struct invocation *invocation, bool is_closed)
{
	const char *word = is_closed ? "closed" : "open";
	struct conversation_row row = {0};
	struct closing closing = {.is_closed = is_closed};
	struct config *config;
	bool is_same = false;
	int status;

	if (!command_arguments(invocation, NULL, 1, 1, &status))
		return status;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	closing.config = config;
	status = care_find(invocation, config, &row);
	if (status == 0) {
		is_same = row.is_closed == is_closed && row.snoozed_until <= time(NULL);
		if (!is_same)
			status = care_make(config, row.id, set_closed, &closing);
	}
	if (status == 0)
		care_say(&row, "%s %s", is_same ? "was already" : "is now", word);
	conversation_row_release(&row);
	config_free(config);
	return status;
}

int command_close(struct invocation *invocation)
{
	return run(invocation, true);
}

int command_reopen(struct invocation *invocation)
{
	return run(invocation, false);
}
