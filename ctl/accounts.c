#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/store/inbox.h"

/* An account with what the store knows of its inbox. */
struct view {
	const struct account *account;
	const struct inbox_row *inbox; /* NULL: not polled yet */
	size_t too_large, refused;     /* messages that stay in the inbox for that */
};

static const char *sides(const struct account *account)
{
	if (!account->is_enabled)
		return "disabled";
	if (account->is_incoming)
		return account->is_outgoing ? "in, out" : "in";
	return account->is_outgoing ? "out" : "-";
}

static const char *defaults(const struct account *account)
{
	if (account->is_default_incoming)
		return account->is_default_outgoing ? "in, out" : "in";
	return account->is_default_outgoing ? "out" : "-";
}

/* The inbox in words: what went wrong, and what stays in it. A heap string. */
static char *remark(const struct view *view)
{
	const char *error = view->inbox != NULL ? view->inbox->error : NULL;
	struct buffer text;

	buffer_init(&text, 1000);
	if (error != NULL)
		buffer_append_text(&text, error);
	if (view->too_large > 0)
		buffer_printf(&text, "%s%zu too large", text.length > 0 ? "; " : "",
		              view->too_large);
	if (view->refused > 0)
		buffer_printf(&text, "%s%zu refused", text.length > 0 ? "; " : "", view->refused);
	if (text.length == 0)
		buffer_append_text(&text, "-");
	return buffer_take(&text);
}

static void print_row(struct table *table, const struct view *view, int64_t now)
{
	const struct inbox_row *inbox = view->inbox;
	bool has_inbox = view->account->pop3 != NULL;
	const char *never = has_inbox ? "never" : "-";
	char time[OUTPUT_TIME_SIZE], backlog[24];
	char *words = remark(view);

	table_add(table, view->account->name);
	table_add(table, view->account->address);
	table_add(table, sides(view->account));
	table_add(table, defaults(view->account));
	table_add(table, has_inbox && inbox != NULL && inbox->polled_at > 0
	                         ? output_ago(time, inbox->polled_at, now)
	                         : never);
	table_add(table, has_inbox && inbox != NULL && inbox->succeeded_at > 0
	                         ? output_ago(time, inbox->succeeded_at, now)
	                         : never);
	snprintf(backlog, sizeof backlog, "%" PRId64, inbox != NULL ? inbox->backlog : 0);
	table_add(table, has_inbox ? backlog : "-");
	table_add(table, has_inbox ? words : "-");
	free(words);
}

static void print_table(const struct view *views, size_t count, int64_t now)
{
	static const struct column columns[] = {
		{.title = "ACCOUNT", .is_flexible = true},
		{.title = "ADDRESS", .is_flexible = true},
		{.title = "SIDES"},
		{.title = "DEFAULT"},
		{.title = "POLLED", .is_right = true},
		{.title = "SUCCEEDED", .is_right = true},
		{.title = "BACKLOG", .is_right = true},
		{.title = "INBOX", .is_flexible = true},
	};
	struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);

	for (size_t i = 0; i < count; i++)
		print_row(table, &views[i], now);
	table_print(table, stdout, output_columns(0));
	table_free(table);
}

static json_t *json_inbox(const struct view *view)
{
	static const struct inbox_row never = {0};
	const struct inbox_row *inbox = view->inbox != NULL ? view->inbox : &never;
	json_t *object = json_object();

	json_object_set_new(object, "pop3", json_text(view->account->pop3));
	json_object_set_new(object, "polled_at", json_time(inbox->polled_at));
	json_object_set_new(object, "succeeded_at", json_time(inbox->succeeded_at));
	json_object_set_new(object, "next_poll_at", json_time(inbox->next_poll_at));
	json_object_set_new(object, "failures", json_integer(inbox->failure_count));
	json_object_set_new(object, "backlog", json_integer(inbox->backlog));
	json_object_set_new(object, "on_server", json_integer(inbox->on_server));
	json_object_set_new(object, "delivered", json_integer(inbox->delivered_total));
	json_object_set_new(object, "too_large", json_integer((json_int_t)view->too_large));
	json_object_set_new(object, "refused", json_integer((json_int_t)view->refused));
	json_object_set_new(object, "error", json_text(inbox->error));
	return object;
}

static void print_json(const struct view *views, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct account *account = views[i].account;
		json_t *object = json_object();

		json_object_set_new(object, "name", json_text(account->name));
		json_object_set_new(object, "address", json_text(account->address));
		json_object_set_new(object, "enabled", json_boolean(account->is_enabled));
		json_object_set_new(object, "incoming", json_boolean(account->is_incoming));
		json_object_set_new(object, "outgoing", json_boolean(account->is_outgoing));
		json_object_set_new(object, "default_incoming",
		                    json_boolean(account->is_default_incoming));
		json_object_set_new(object, "default_outgoing",
		                    json_boolean(account->is_default_outgoing));
		json_object_set_new(object, "default_for", json_texts(&account->default_for));
		json_object_set_new(object, "inbox",
		                    account->pop3 != NULL ? json_inbox(&views[i]) : json_null());
		json_array_append_new(array, object);
	}
	json_print(array);
}

static int count_kept(struct view *view, struct store *store, struct error *err)
{
	struct uidl_row *rows;
	size_t count;

	if (store_list_uidls(store, view->account->name, &rows, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		view->too_large += rows[i].state == UIDL_TOO_LARGE;
		view->refused += rows[i].state == UIDL_REFUSED;
	}
	uidl_rows_free(rows, count);
	return 0;
}

/* What the store knows; *rows_out is what the views point to. */
static int look(const struct config *config, struct view *views, struct inbox_row **rows_out,
                size_t *count_out, struct error *err)
{
	struct store *store = command_open_store(config, STORE_READ, err);
	int rc = -1;

	if (store == NULL || store_list_inboxes(store, rows_out, count_out, err) < 0)
		goto out;
	for (size_t i = 0; i < config->account_count; i++) {
		struct view *view = &views[i];

		for (size_t j = 0; j < *count_out; j++)
			if (strcmp((*rows_out)[j].account, view->account->name) == 0)
				view->inbox = &(*rows_out)[j];
		if (view->account->pop3 != NULL && count_kept(view, store, err) < 0)
			goto out;
	}
	rc = 0;
out:
	store_close(store);
	return rc;
}

static bool has_inboxes(const struct config *config)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (config->accounts[i].pop3 != NULL)
			return true;
	return false;
}

static int run(const struct config *config, bool is_json)
{
	struct view *views = xzalloc((config->account_count + 1) * sizeof *views);
	struct inbox_row *rows = NULL;
	struct error err = {0};
	int status = 0;
	size_t count = 0;

	for (size_t i = 0; i < config->account_count; i++)
		views[i].account = &config->accounts[i];
	/* Before the first poll, and without inboxes, the configuration alone answers. */
	if (has_inboxes(config) && access(config->store, F_OK) == 0 &&
	    look(config, views, &rows, &count, &err) < 0) {
		command_complain("%s", err.text);
		status = EX_TEMPFAIL;
	} else if (is_json) {
		print_json(views, config->account_count);
	} else if (config->account_count > 0) {
		print_table(views, config->account_count, time(NULL));
	} else {
		command_complain("the configuration names no account");
		status = EXIT_NO_RESULT;
	}
	inbox_rows_free(rows, count);
	free(views);
	return status;
}

int command_accounts(struct invocation *invocation)
{
	bool is_json = false;
	const struct flag flags[] = {{"json", 'j', &is_json, NULL}, {NULL, 0, NULL, NULL}};
	struct config *config;
	int status;

	if (!command_arguments(invocation, flags, 0, 0, &status))
		return status;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	status = run(config, is_json);
	config_free(config);
	return status;
}
