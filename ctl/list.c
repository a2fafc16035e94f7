#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "ctl/command.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/conversation/token.h"
#include "lib/store/query.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     100000

struct request {
	bool is_waiting;
	bool is_json;
	const char *account;
	size_t limit;
};

static int parse_limit(const char *text, size_t *limit_out)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < 1 ||
	    value > LIMIT_MAX)
		return -1;
	*limit_out = value;
	return 0;
}

static const char *state_of(const struct conversation_row *row, int64_t now)
{
	if (row->is_closed)
		return "closed";
	return row->snoozed_until > now ? "snoozed" : "open";
}

static void print_table(const struct conversation_row *rows, size_t count, int64_t now)
{
	static const struct column columns[] = {
		{.title = "ID"},
		{.title = "STATE"},
		{.title = "WAITING", .is_right = true},
		{.title = "OWNER", .is_flexible = true},
		{.title = "MSGS", .is_right = true},
		{.title = "UPDATED", .is_right = true},
		{.title = "REFERENCE", .is_flexible = true},
		{.title = "SUBJECT", .is_flexible = true},
	};
	struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);

	for (size_t i = 0; i < count; i++) {
		const struct conversation_row *row = &rows[i];
		char id[CONVERSATION_ID_SIZE], time[OUTPUT_TIME_SIZE], messages[24];
		char *owner;

		conversation_id_format(row->id, id);
		snprintf(messages, sizeof messages, "%" PRId64, row->message_count);
		table_add(table, id);
		table_add(table, state_of(row, now));
		table_add(table, row->waiting_count > 0
		                         ? output_duration(time, now - row->waiting_since)
		                         : "-");
		owner = row->owner != NULL && row->is_owner_pinned
		                ? xasprintf("%s (pinned)", row->owner)
		                : xstrdup(row->owner != NULL ? row->owner : "-");
		table_add(table, owner);
		free(owner);
		table_add(table, messages);
		table_add(table, output_ago(time, row->updated_at, now));
		table_add(table, row->reference != NULL ? row->reference : "-");
		table_add(table, row->subject);
	}
	table_print(table, stdout, output_columns(0));
	table_free(table);
}

static void print_json(const struct conversation_row *rows, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_conversation(&rows[i]));
	json_print(array);
}

/* The account as the configuration spells it, or NULL. */
static const char *find_account(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (strcasecmp(config->accounts[i].name, name) == 0)
			return config->accounts[i].name;
	return NULL;
}

static void say_none(const struct config *config, const struct request *request)
{
	bool is_known;

	if (request->account == NULL) {
		command_complain(request->is_waiting ? "no conversation is waiting"
		                                     : "there is no conversation yet");
		return;
	}
	is_known = find_account(config, request->account) != NULL;
	command_complain("no conversation of account \"%s\"%s%s", request->account,
	                 request->is_waiting ? " is waiting" : "",
	                 is_known ? "" : "; the configuration names no such account");
}

static int run(const struct config *config, const struct request *request)
{
	/* One more than asked for tells whether there are more. */
	struct conversation_filter filter = {.is_waiting = request->is_waiting,
	                                     .account = request->account,
	                                     .limit = request->limit + 1};
	struct conversation_row *rows = NULL;
	struct error err = {0};
	struct store *store;
	size_t count = 0, shown;
	int rc = -1;

	store = command_open_store(config, STORE_READ, &err);
	if (store != NULL)
		rc = store_list_conversations(store, &filter, &rows, &count, &err);
	store_close(store);
	if (rc < 0) {
		command_complain("%s", err.text);
		return EX_TEMPFAIL;
	}
	shown = count > request->limit ? request->limit : count;
	if (request->is_json)
		print_json(rows, shown);
	else if (shown > 0)
		print_table(rows, shown, time(NULL));
	if (shown == 0)
		say_none(config, request);
	if (shown < count) {
		fflush(stdout);
		command_complain("there are more than these %zu; --limit shows more", shown);
	}
	conversation_rows_free(rows, count);
	return shown == 0 ? EXIT_NO_RESULT : 0;
}

int command_list(struct invocation *invocation)
{
	struct request request = {.limit = LIMIT_DEFAULT};
	const char *limit = NULL;
	const struct flag flags[] = {{"waiting", 'w', &request.is_waiting, NULL},
	                             {"account", 'a', NULL, &request.account},
	                             {"limit", 'n', NULL, &limit},
	                             {"json", 'j', &request.is_json, NULL},
	                             {NULL, 0, NULL, NULL}};
	struct config *config;
	int status;

	if (!command_arguments(invocation, flags, 0, 0, &status))
		return status;
	if (limit != NULL && parse_limit(limit, &request.limit) < 0)
		return command_usage_error(invocation,
		                           "--limit: found \"%s\", expected a number from 1 to %d",
		                           limit, LIMIT_MAX);
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	if (request.account != NULL && find_account(config, request.account) != NULL)
		request.account = find_account(config, request.account);
	status = run(config, &request);
	config_free(config);
	return status;
}
