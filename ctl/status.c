#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/command.h"
#include "ctl/defaults.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/probe.h"
#include "lib/base/secret.h"
#include "lib/base/version.h"
#include "lib/store/alert.h"
#include "lib/store/daemon.h"
#include "lib/store/query.h"
#include "lib/store/trouble.h"
#include "lib/store/upkeep.h"

#define PROBE_TIMEOUT_MS 2000
#define LABEL_INDENT     15

/* What was found; an error of kind ERROR_NONE means that the part before it is there. */
struct status {
	const struct config *config;
	size_t enabled_count;
	size_t key_count;
	char signing_id;
	char signing_made_on[sizeof((struct key *)0)->made_on];
	struct error key_error;
	struct store_totals totals;
	struct alert_totals alerts;
	struct trouble *troubles;
	size_t trouble_count;
	struct daemon_row *daemons;
	size_t daemon_count;
	struct upkeep_row upkeep[UPKEEP_TASKS];
	struct error store_error;
	struct error milter_error;
};

static void look_at_keys(struct status *status)
{
	struct keyring keyring;

	if (keyring_load(&keyring, status->config->keys, &status->key_error) < 0)
		return;
	status->key_count = keyring.count;
	status->signing_id = keyring.keys[0].id;
	memcpy(status->signing_made_on, keyring.keys[0].made_on, sizeof status->signing_made_on);
	keyring_wipe(&keyring);
}

static void look_at_store(struct status *status)
{
	struct store *store = command_open_store(status->config, STORE_READ, &status->store_error);

	if (store == NULL)
		return;
	if (store_totals(store, &status->totals, &status->store_error) == 0 &&
	    store_alert_totals(store, &status->alerts, &status->store_error) == 0 &&
	    store_lasting_troubles(store, &status->troubles, &status->trouble_count,
	                           &status->store_error) == 0 &&
	    store_list_daemons(store, &status->daemons, &status->daemon_count,
	                       &status->store_error) == 0 &&
	    store_read_upkeep(store, status->upkeep, &status->store_error) == 0)
		status->store_error.kind = ERROR_NONE;
	store_close(store);
}

static void look_at_milter(struct status *status)
{
	if (probe_socket(status->config->milter_socket, PROBE_TIMEOUT_MS, &status->milter_error) ==
	    0)
		status->milter_error.kind = ERROR_NONE;
}

static const char *size_text(char out[OUTPUT_TIME_SIZE], int64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
		value /= 1024;
	snprintf(out, OUTPUT_TIME_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return out;
}

static void print_missing(const char *sentence, size_t width)
{
	if (sentence != NULL)
		output_field("", LABEL_INDENT + 2, width, "- %s", sentence);
}

static void print_accounts(const struct status *status, size_t width)
{
	const struct config *config = status->config;

	output_field("Accounts", LABEL_INDENT, width, "%zu of %zu enabled", status->enabled_count,
	             config->account_count);
	for (size_t i = 0; i < config->domains.count; i++) {
		const char *domain = config->domains.items[i];
		const struct account *in = config_default_incoming(config, domain);
		const struct account *out = config_default_outgoing(config, domain);

		output_field("", LABEL_INDENT, width, "%s: default incoming %s, outgoing %s",
		             domain, in != NULL ? in->name : "none",
		             out != NULL ? out->name : "none");
		print_missing(defaults_missing_incoming(config, domain), width);
		print_missing(defaults_missing_outgoing(config, domain), width);
	}
}

static void print_totals(const struct status *status, size_t width, int64_t now)
{
	const struct store_totals *totals = &status->totals;
	char size[OUTPUT_TIME_SIZE], wal[OUTPUT_TIME_SIZE];

	output_field("Store", LABEL_INDENT, width, "%s (%s, WAL %s, schema %d)",
	             status->config->store, size_text(size, totals->database_bytes),
	             size_text(wal, totals->wal_bytes), totals->schema_version);
	output_field("Conversations", LABEL_INDENT, width, "%" PRId64 " open, %" PRId64 " closed",
	             totals->conversations_open, totals->conversations_closed);
	output_field("Messages", LABEL_INDENT, width,
	             "%" PRId64 " out, %" PRId64 " in, %" PRId64 " internal; %" PRId64
	             " bounced; %" PRId64 " deliveries",
	             totals->messages_out, totals->messages_in, totals->messages_internal,
	             totals->messages_bounced, totals->deliveries);
	if (totals->waits_running > 0)
		output_field("Waiting", LABEL_INDENT, width,
		             "%" PRId64 ", the longest since %s (%s)", totals->waits_running,
		             output_time(size, totals->oldest_wait_at),
		             output_duration(wal, now - totals->oldest_wait_at));
	else
		output_wrapped("Waiting", LABEL_INDENT, "nobody", width);
	output_field("Alerts", LABEL_INDENT, width,
	             "%" PRId64 " to send, %" PRId64 " sent, %" PRId64 " dropped",
	             status->alerts.notices_waiting, status->alerts.notices_sent,
	             status->alerts.notices_dropped);
	output_field("Letters", LABEL_INDENT, width, "%" PRId64 " to send",
	             totals->letters_waiting);
	output_field("Invalid tokens", LABEL_INDENT, width, "%" PRId64 " seen and not believed",
	             totals->invalid_tokens);
}

static void print_troubles(const struct status *status, size_t width, int64_t now)
{
	for (size_t i = 0; i < status->trouble_count; i++) {
		const struct trouble *trouble = &status->troubles[i];
		char since[OUTPUT_TIME_SIZE], lasts[OUTPUT_TIME_SIZE];

		output_field(i == 0 ? "Troubles" : "", LABEL_INDENT, width, "%s since %s (%s): %s",
		             trouble->name, output_time(since, trouble->since),
		             output_duration(lasts, now - trouble->since), trouble->detail);
	}
	if (status->trouble_count == 0)
		output_wrapped("Troubles", LABEL_INDENT, "none", width);
}

static void print_upkeep(const struct status *status, size_t width, int64_t now)
{
	static const char *const labels[] = {
		[UPKEEP_CHECK] = "Check", [UPKEEP_BACKUP] = "Backup", [UPKEEP_PURGE] = "Purge"};

	for (size_t i = 0; i < UPKEEP_TASKS; i++) {
		const struct upkeep_row *row = &status->upkeep[i];
		char at[OUTPUT_TIME_SIZE], ago[OUTPUT_TIME_SIZE];

		if (!row->is_there)
			output_wrapped(labels[i], LABEL_INDENT, "not done each night", width);
		else if (row->error != NULL)
			output_field(labels[i], LABEL_INDENT, width, "FAILED at %s: %s",
			             output_time(at, row->tried_at), row->error);
		else if (row->done_at == 0)
			output_wrapped(labels[i], LABEL_INDENT, "not done yet", width);
		else
			output_field(labels[i], LABEL_INDENT, width, "well at %s, %s ago",
			             output_time(at, row->done_at),
			             output_duration(ago, now - row->done_at));
	}
}

static void print_daemons(const struct status *status, size_t width)
{
	for (size_t i = 0; i < status->daemon_count; i++) {
		const struct daemon_row *row = &status->daemons[i];
		char at[OUTPUT_TIME_SIZE];

		output_field(i == 0 ? "Started" : "", LABEL_INDENT, width,
		             "%s %s at %s, process %" PRId64, row->name, row->version,
		             output_time(at, row->started_at), row->pid);
	}
}

static void print_text(const struct status *status)
{
	const struct config *config = status->config;
	size_t width = output_columns(OUTPUT_WIDTH);

	output_wrapped("Rejoinder", LABEL_INDENT, REJOINDER_VERSION, width);
	output_wrapped("Configuration", LABEL_INDENT, config->path, width);
	print_accounts(status, width);
	if (status->key_error.kind == ERROR_NONE)
		output_field("Keys", LABEL_INDENT, width, "%zu in %s; %c of %s signs",
		             status->key_count, config->keys, status->signing_id,
		             status->signing_made_on);
	else
		output_field("Keys", LABEL_INDENT, width, "NONE: %s", status->key_error.text);
	if (status->store_error.kind == ERROR_NONE) {
		print_totals(status, width, time(NULL));
		print_troubles(status, width, time(NULL));
		print_upkeep(status, width, time(NULL));
		print_daemons(status, width);
	} else {
		output_field("Store", LABEL_INDENT, width, "NOT READABLE: %s",
		             status->store_error.text);
	}
	if (status->milter_error.kind == ERROR_NONE)
		output_field("Milter", LABEL_INDENT, width, "answers on %s", config->milter_socket);
	else
		output_field("Milter", LABEL_INDENT, width, "DOES NOT ANSWER on %s: %s",
		             config->milter_socket, status->milter_error.text);
}

/* The reason why a part is not there, or null. */
static json_t *json_error(const struct error *err)
{
	return json_text(err->kind != ERROR_NONE ? err->text : NULL);
}

static json_t *json_accounts(const struct status *status)
{
	const struct config *config = status->config;
	json_t *object = json_object();
	json_t *domains = json_array();

	for (size_t i = 0; i < config->domains.count; i++) {
		const char *name = config->domains.items[i];
		const struct account *in = config_default_incoming(config, name);
		const struct account *out = config_default_outgoing(config, name);
		json_t *domain = json_object();

		json_object_set_new(domain, "domain", json_text(name));
		json_object_set_new(domain, "default_incoming",
		                    json_text(in != NULL ? in->name : NULL));
		json_object_set_new(domain, "default_outgoing",
		                    json_text(out != NULL ? out->name : NULL));
		json_array_append_new(domains, domain);
	}
	json_object_set_new(object, "total", json_integer((json_int_t)config->account_count));
	json_object_set_new(object, "enabled", json_integer((json_int_t)status->enabled_count));
	json_object_set_new(object, "domains", domains);
	return object;
}

static json_t *json_keys(const struct status *status)
{
	bool is_there = status->key_error.kind == ERROR_NONE;
	char id[2] = {status->signing_id, '\0'};
	json_t *object = json_object();

	json_object_set_new(object, "path", json_text(status->config->keys));
	json_object_set_new(object, "count", json_integer((json_int_t)status->key_count));
	json_object_set_new(object, "signing", json_text(is_there ? id : NULL));
	json_object_set_new(object, "made_on",
	                    json_text(is_there ? status->signing_made_on : NULL));
	json_object_set_new(object, "error", json_error(&status->key_error));
	return object;
}

/* An integer of the store, or null when the store is not readable. */
static void set_count(json_t *object, const char *key, const struct status *status, int64_t value)
{
	json_object_set_new(object, key,
	                    status->store_error.kind == ERROR_NONE ? json_integer(value)
	                                                           : json_null());
}

static void add_totals(json_t *document, const struct status *status)
{
	const struct store_totals *totals = &status->totals;
	json_t *store = json_object(), *conversations = json_object();
	json_t *messages = json_object(), *waits = json_object(), *alerts = json_object();
	json_t *letters = json_object();

	json_object_set_new(store, "path", json_text(status->config->store));
	json_object_set_new(store, "error", json_error(&status->store_error));
	set_count(store, "schema", status, totals->schema_version);
	set_count(store, "bytes", status, totals->database_bytes);
	set_count(store, "wal_bytes", status, totals->wal_bytes);
	set_count(conversations, "open", status, totals->conversations_open);
	set_count(conversations, "closed", status, totals->conversations_closed);
	set_count(messages, "out", status, totals->messages_out);
	set_count(messages, "in", status, totals->messages_in);
	set_count(messages, "internal", status, totals->messages_internal);
	set_count(messages, "bounced", status, totals->messages_bounced);
	set_count(waits, "running", status, totals->waits_running);
	json_object_set_new(waits, "oldest", json_time(totals->oldest_wait_at));
	json_object_set_new(document, "store", store);
	json_object_set_new(document, "conversations", conversations);
	json_object_set_new(document, "messages", messages);
	set_count(document, "deliveries", status, totals->deliveries);
	json_object_set_new(document, "waits", waits);
	set_count(alerts, "waiting", status, status->alerts.notices_waiting);
	set_count(alerts, "sent", status, status->alerts.notices_sent);
	set_count(alerts, "dropped", status, status->alerts.notices_dropped);
	json_object_set_new(document, "alerts", alerts);
	set_count(letters, "waiting", status, totals->letters_waiting);
	json_object_set_new(document, "letters", letters);
	set_count(document, "invalid_tokens", status, totals->invalid_tokens);
}

/* What lasts, or null when the store is not readable. */
static json_t *json_troubles(const struct status *status)
{
	json_t *array;

	if (status->store_error.kind != ERROR_NONE)
		return json_null();
	array = json_array();
	for (size_t i = 0; i < status->trouble_count; i++) {
		const struct trouble *trouble = &status->troubles[i];
		json_t *object = json_object();

		json_object_set_new(object, "name", json_text(trouble->name));
		json_object_set_new(object, "since", json_time(trouble->since));
		json_object_set_new(object, "detail", json_text(trouble->detail));
		json_array_append_new(array, object);
	}
	return array;
}

/* What is done each night, or null when the store is not readable. */
static json_t *json_upkeep(const struct status *status)
{
	json_t *object;

	if (status->store_error.kind != ERROR_NONE)
		return json_null();
	object = json_object();
	for (size_t i = 0; i < UPKEEP_TASKS; i++) {
		const struct upkeep_row *row = &status->upkeep[i];
		json_t *task = json_object();

		json_object_set_new(task, "tried", json_time(row->tried_at));
		json_object_set_new(task, "done", json_time(row->done_at));
		json_object_set_new(task, "error", json_text(row->error));
		json_object_set_new(object, upkeep_task_name((enum upkeep_task)i),
		                    row->is_there ? task : json_null());
		if (!row->is_there)
			json_decref(task);
	}
	return object;
}

/* What was started last, or null when the store is not readable. */
static json_t *json_daemons(const struct status *status)
{
	json_t *array;

	if (status->store_error.kind != ERROR_NONE)
		return json_null();
	array = json_array();
	for (size_t i = 0; i < status->daemon_count; i++) {
		const struct daemon_row *row = &status->daemons[i];
		json_t *object = json_object();

		json_object_set_new(object, "name", json_text(row->name));
		json_object_set_new(object, "version", json_text(row->version));
		json_object_set_new(object, "process", json_integer(row->pid));
		json_object_set_new(object, "started", json_time(row->started_at));
		json_array_append_new(array, object);
	}
	return array;
}

static void print_json(const struct status *status)
{
	json_t *document = json_object(), *milter = json_object();

	json_object_set_new(document, "version", json_string(REJOINDER_VERSION));
	json_object_set_new(document, "configuration", json_text(status->config->path));
	json_object_set_new(document, "accounts", json_accounts(status));
	json_object_set_new(document, "keys", json_keys(status));
	add_totals(document, status);
	json_object_set_new(document, "troubles", json_troubles(status));
	json_object_set_new(document, "upkeep", json_upkeep(status));
	json_object_set_new(document, "daemons", json_daemons(status));
	json_object_set_new(milter, "socket", json_text(status->config->milter_socket));
	json_object_set_new(milter, "answers",
	                    json_boolean(status->milter_error.kind == ERROR_NONE));
	json_object_set_new(milter, "error", json_error(&status->milter_error));
	json_object_set_new(document, "milter", milter);
	json_print(document);
}

int command_status(struct invocation *invocation)
{
	bool is_json = false;
	const struct flag flags[] = {{"json", 'j', &is_json, NULL}, {NULL, 0, NULL, NULL}};
	struct status status = {0};
	struct config *config;
	int exit_status;

	if (!command_arguments(invocation, flags, 0, 0, &exit_status))
		return exit_status;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	status.config = config;
	for (size_t i = 0; i < config->account_count; i++)
		status.enabled_count += config->accounts[i].is_enabled;
	look_at_keys(&status);
	look_at_store(&status);
	look_at_milter(&status);
	if (is_json)
		print_json(&status);
	else
		print_text(&status);

	exit_status = 0;
	if (status.store_error.kind != ERROR_NONE) {
		fflush(stdout);
		command_complain("%s", status.store_error.text);
		exit_status = EX_TEMPFAIL;
	} else if (status.key_error.kind != ERROR_NONE) {
		fflush(stdout);
		command_complain("%s", status.key_error.text);
		exit_status = EX_CONFIG;
	}
	troubles_free(status.troubles, status.trouble_count);
	daemon_rows_free(status.daemons, status.daemon_count);
	upkeep_rows_release(status.upkeep);
	config_free(config);
	return exit_status;
}
