#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/defaults.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/store/inbox.h"
#include "lib/store/letter.h"
#include "lib/store/relay.h"

#define DAY_S 86400

/* An account with what the store knows of it. */
struct view {
	const struct account *account;
	const struct inbox_row *inbox; /* NULL: not polled yet */
	const struct relay_row *relay; /* NULL: nothing wrong is known of it */
	size_t too_large, refused;     /* messages that stay in the inbox for that */
	int64_t counted_today;         /* recipients outside, on this day (UTC) */
	bool lacks_reply_to;           /* its mail gets none of ours, for want of a default */
};

enum health {
	HEALTH_OK,
	HEALTH_DISABLED,
	HEALTH_ERROR,
	HEALTH_OVER_LIMIT,
	HEALTH_AT_LIMIT,
	HEALTH_NEAR_LIMIT,
	HEALTH_NEVER_POLLED,
	HEALTH_NO_DEFAULT,
};

static const char *health_name(enum health health)
{
	static const char *const names[] = {
		[HEALTH_OK] = "ok",
		[HEALTH_DISABLED] = "disabled",
		[HEALTH_ERROR] = "error",
		[HEALTH_OVER_LIMIT] = "over limit",
		[HEALTH_AT_LIMIT] = "at limit",
		[HEALTH_NEAR_LIMIT] = "near limit",
		[HEALTH_NEVER_POLLED] = "never polled",
		[HEALTH_NO_DEFAULT] = "no default",
	};

	return names[health];
}

/* The worst that holds of the account. */
static enum health health_of(const struct view *view)
{
	const struct account *account = view->account;
	int64_t limit = account->is_outgoing ? account->daily_limit : 0;

	if (!account->is_enabled)
		return HEALTH_DISABLED;
	if ((view->inbox != NULL && view->inbox->error != NULL) || view->relay != NULL)
		return HEALTH_ERROR;
	if (limit > 0 && view->counted_today > limit)
		return HEALTH_OVER_LIMIT;
	if (limit > 0 && view->counted_today == limit)
		return HEALTH_AT_LIMIT;
	if (limit > 0 && view->counted_today * 100 >= limit * account->daily_limit_warn)
		return HEALTH_NEAR_LIMIT;
	if (account->pop3 != NULL && (view->inbox == NULL || view->inbox->polled_at == 0))
		return HEALTH_NEVER_POLLED;
	return view->lacks_reply_to ? HEALTH_NO_DEFAULT : HEALTH_OK;
}

static const char *sides(const struct account *account)
{
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

/* What becomes of mail over the limit, or NULL if there is none. */
static const char *limit_remark(const struct view *view, enum health health)
{
	static const char *const over[] = {
		[ON_LIMIT_QUEUE] = "its mail waits until 00:00 UTC",
		[ON_LIMIT_TEMPFAIL] = "its mail is put off until 00:00 UTC",
		[ON_LIMIT_PASS] = "its mail goes out all the same",
	};
	static const char *const at[] = {
		[ON_LIMIT_QUEUE] = "more of its mail waits until 00:00 UTC",
		[ON_LIMIT_TEMPFAIL] = "more of its mail is put off until 00:00 UTC",
		[ON_LIMIT_PASS] = "more of its mail goes out all the same",
	};

	if (health == HEALTH_OVER_LIMIT)
		return over[view->account->on_limit];
	return health == HEALTH_AT_LIMIT ? at[view->account->on_limit] : NULL;
}

static void add_remark(struct buffer *out, const char *text)
{
	if (out->length > 0)
		buffer_append_text(out, "; ");
	buffer_append_text(out, text);
}

/* What is behind the health, and what stays in the inbox. A heap string. */
static char *remark(const struct view *view, enum health health)
{
	const struct inbox_row *inbox = view->inbox;
	const char *limit = limit_remark(view, health);
	char count[40];
	struct buffer text;

	buffer_init(&text, 1000);
	if (inbox != NULL && inbox->error != NULL)
		add_remark(&text, inbox->error);
	if (view->relay != NULL)
		add_remark(&text, view->relay->error);
	if (limit != NULL)
		add_remark(&text, limit);
	if (view->lacks_reply_to)
		add_remark(&text, "no Reply-To of ours");
	if (view->too_large > 0) {
		snprintf(count, sizeof count, "%zu too large", view->too_large);
		add_remark(&text, count);
	}
	if (view->refused > 0) {
		snprintf(count, sizeof count, "%zu refused", view->refused);
		add_remark(&text, count);
	}
	if (text.length == 0)
		buffer_append_text(&text, "-");
	return buffer_take(&text);
}

static void add_today(struct table *table, const struct view *view)
{
	const struct account *account = view->account;
	char text[48];

	if (!account->is_outgoing || !account->is_enabled)
		snprintf(text, sizeof text, "-");
	else if (account->daily_limit > 0)
		snprintf(text, sizeof text, "%" PRId64 "/%" PRId64, view->counted_today,
		         account->daily_limit);
	else
		snprintf(text, sizeof text, "%" PRId64, view->counted_today);
	table_add(table, text);
}

static void print_row(struct table *table, const struct view *view, int64_t now)
{
	const struct inbox_row *inbox = view->inbox;
	bool has_inbox = view->account->pop3 != NULL;
	enum health health = health_of(view);
	char time[OUTPUT_TIME_SIZE], backlog[24];
	char *words = remark(view, health);

	table_add(table, view->account->name);
	table_add(table, view->account->address);
	table_add(table, sides(view->account));
	table_add(table, defaults(view->account));
	table_add(table, health_name(health));
	add_today(table, view);
	if (!has_inbox)
		table_add(table, "-");
	else if (inbox == NULL || inbox->polled_at == 0)
		table_add(table, "never");
	else
		table_add(table, output_ago(time, inbox->polled_at, now));
	snprintf(backlog, sizeof backlog, "%" PRId64, inbox != NULL ? inbox->backlog : 0);
	table_add(table, has_inbox ? backlog : "-");
	table_add(table, words);
	free(words);
}

static void print_table(const struct view *views, size_t count, int64_t now)
{
	static const struct column columns[] = {
		{.title = "ACCOUNT", .is_flexible = true},
		{.title = "ADDRESS", .is_flexible = true},
		{.title = "SIDES"},
		{.title = "DEFAULT"},
		{.title = "HEALTH"},
		{.title = "TODAY", .is_right = true},
		{.title = "POLLED", .is_right = true},
		{.title = "BACKLOG", .is_right = true},
		{.title = "REMARK", .is_flexible = true},
	};
	struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);

	for (size_t i = 0; i < count; i++)
		print_row(table, &views[i], now);
	table_print(table, stdout, output_columns(0));
	table_free(table);
}

static void print_missing(const char *domain, const char *sentence, size_t width)
{
	if (sentence != NULL)
		output_field("", 0, width, "%s: %s", domain, sentence);
}

/* Below the table: what does not work for want of a default. */
static void print_domains(const struct config *config)
{
	size_t width = output_columns(OUTPUT_WIDTH);

	for (size_t i = 0; i < config->domains.count; i++) {
		const char *domain = config->domains.items[i];

		print_missing(domain, defaults_missing_incoming(config, domain), width);
		print_missing(domain, defaults_missing_outgoing(config, domain), width);
	}
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

static const char *on_limit_name(const struct account *account)
{
	static const char *const names[] = {[ON_LIMIT_QUEUE] = "queue",
	                                    [ON_LIMIT_TEMPFAIL] = "tempfail",
	                                    [ON_LIMIT_PASS] = "pass"};

	return names[account->on_limit];
}

/* The side that sends, or null. */
static json_t *json_sending(const struct view *view)
{
	const struct account *account = view->account;
	json_t *object = json_object();

	json_object_set_new(object, "relay", json_text(account->relay));
	json_object_set_new(object, "error",
	                    json_text(view->relay != NULL ? view->relay->error : NULL));
	json_object_set_new(object, "counted_today", json_integer(view->counted_today));
	json_object_set_new(object, "daily_limit",
	                    account->daily_limit > 0 ? json_integer(account->daily_limit)
	                                             : json_null());
	json_object_set_new(object, "daily_limit_warn", json_integer(account->daily_limit_warn));
	json_object_set_new(object, "on_limit", json_string(on_limit_name(account)));
	return object;
}

static json_t *json_account(const struct view *view)
{
	const struct account *account = view->account;
	enum health health = health_of(view);
	char *words = remark(view, health);
	json_t *object = json_object();

	json_object_set_new(object, "name", json_text(account->name));
	json_object_set_new(object, "address", json_text(account->address));
	json_object_set_new(object, "enabled", json_boolean(account->is_enabled));
	json_object_set_new(object, "inherit", json_text(account->inherit));
	json_object_set_new(object, "preset", json_text(account->preset));
	json_object_set_new(object, "incoming", json_boolean(account->is_incoming));
	json_object_set_new(object, "outgoing", json_boolean(account->is_outgoing));
	json_object_set_new(object, "default_incoming", json_boolean(account->is_default_incoming));
	json_object_set_new(object, "default_outgoing", json_boolean(account->is_default_outgoing));
	json_object_set_new(object, "default_for", json_texts(&account->default_for));
	json_object_set_new(object, "username", json_text(account->username));
	json_object_set_new(object, "reference_type", json_text(account->reference_type));
	json_object_set_new(object, "health", json_string(health_name(health)));
	json_object_set_new(object, "remark", json_text(strcmp(words, "-") == 0 ? NULL : words));
	json_object_set_new(object, "sending",
	                    account->is_outgoing ? json_sending(view) : json_null());
	json_object_set_new(object, "inbox",
	                    account->pop3 != NULL ? json_inbox(view) : json_null());
	free(words);
	return object;
}

static void print_json(const struct view *views, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_account(&views[i]));
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

/* What the views point to. */
struct known {
	struct inbox_row *inboxes;
	size_t inbox_count;
	struct relay_row *relays;
	size_t relay_count;
};

/* What the store knows. */
static int look(const struct config *config, struct view *views, int64_t now, struct known *known,
                struct error *err)
{
	struct store *store = command_open_store(config, STORE_READ, err);
	int rc = -1;

	if (store == NULL ||
	    store_list_inboxes(store, &known->inboxes, &known->inbox_count, err) < 0 ||
	    store_list_relays(store, &known->relays, &known->relay_count, err) < 0)
		goto out;
	for (size_t i = 0; i < config->account_count; i++) {
		struct view *view = &views[i];
		const char *name = view->account->name;

		for (size_t j = 0; view->account->pop3 != NULL && j < known->inbox_count; j++)
			if (strcmp(known->inboxes[j].account, name) == 0)
				view->inbox = &known->inboxes[j];
		for (size_t j = 0; view->account->relay != NULL && j < known->relay_count; j++)
			if (strcmp(known->relays[j].account, name) == 0)
				view->relay = &known->relays[j];
		if (view->account->pop3 != NULL && count_kept(view, store, err) < 0)
			goto out;
		if (view->account->is_outgoing &&
		    store_count_of_day(store, name, now / DAY_S, &view->counted_today, err) < 0)
			goto out;
	}
	rc = 0;
out:
	store_close(store);
	return rc;
}

static int run(const struct config *config, bool is_json)
{
	struct view *views = xzalloc((config->account_count + 1) * sizeof *views);
	struct known known = {0};
	struct error err = {0};
	int64_t now = time(NULL);
	int status = 0;

	for (size_t i = 0; i < config->account_count; i++) {
		views[i].account = &config->accounts[i];
		views[i].lacks_reply_to = defaults_lack_reply_to(config, &config->accounts[i]);
	}
	/* Before the first start the configuration alone answers. */
	if (access(config->store, F_OK) == 0 && look(config, views, now, &known, &err) < 0) {
		command_complain("%s", err.text);
		status = EX_TEMPFAIL;
	} else if (is_json) {
		print_json(views, config->account_count);
	} else if (config->account_count > 0) {
		print_table(views, config->account_count, now);
		print_domains(config);
	} else {
		command_complain("the configuration names no account");
		status = EXIT_NO_RESULT;
	}
	inbox_rows_free(known.inboxes, known.inbox_count);
	relay_rows_free(known.relays, known.relay_count);
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
