#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/command.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/conversation/token.h"
#include "lib/store/query.h"

#define HEAD_INDENT  14
#define TIME_INDENT  21 /* a local time and two blanks */
#define FIELD_INDENT 6
#define VALUE_INDENT 18
#define WIDTH_MOST   120
#define NOWHERE      SIZE_MAX

/* All that the store knows of one conversation. */
struct dossier {
	struct conversation_row conversation;
	struct message_row *messages;
	size_t message_count;
	struct wait_row *waits;
	size_t wait_count;
	struct string_list participants;
	int64_t *related;
	size_t related_count;
	int64_t *continued; /* conversations that continue it */
	size_t continued_count;
};

/* 1, 0 if there is no such conversation, -1 with *err. */
static int dossier_load(struct dossier *dossier, struct store *store, int64_t id, struct error *err)
{
	int rc = store_get_conversation(store, id, &dossier->conversation, err);

	if (rc != 1)
		return rc;
	if (store_list_messages(store, id, &dossier->messages, &dossier->message_count, err) < 0 ||
	    store_list_waits(store, id, &dossier->waits, &dossier->wait_count, err) < 0 ||
	    store_list_participants(store, id, &dossier->participants, err) < 0 ||
	    store_list_related(store, id, &dossier->related, &dossier->related_count, err) < 0 ||
	    store_list_continued(store, id, &dossier->continued, &dossier->continued_count, err) <
	            0)
		return -1;
	return 1;
}

static void dossier_release(struct dossier *dossier)
{
	conversation_row_release(&dossier->conversation);
	message_rows_free(dossier->messages, dossier->message_count);
	wait_rows_free(dossier->waits, dossier->wait_count);
	string_list_release(&dossier->participants);
	free(dossier->related);
	free(dossier->continued);
}

static void print_json(const struct dossier *dossier)
{
	json_t *object = json_conversation(&dossier->conversation);
	json_t *related = json_array(), *messages = json_array(), *waits = json_array();
	json_t *continued = json_array();

	for (size_t i = 0; i < dossier->related_count; i++)
		json_array_append_new(related, json_conversation_id(dossier->related[i]));
	for (size_t i = 0; i < dossier->continued_count; i++)
		json_array_append_new(continued, json_conversation_id(dossier->continued[i]));
	for (size_t i = 0; i < dossier->message_count; i++)
		json_array_append_new(messages, json_message(&dossier->messages[i]));
	for (size_t i = 0; i < dossier->wait_count; i++)
		json_array_append_new(waits, json_wait(&dossier->waits[i]));
	json_object_set_new(object, "participants", json_texts(&dossier->participants));
	json_object_set_new(object, "continued_by", continued);
	json_object_set_new(object, "related", related);
	/* The number of messages gives way to the messages. */
	json_object_set_new(object, "messages", messages);
	json_object_set_new(object, "waits", waits);
	json_print(object);
}

static bool is_continuation(const struct dossier *dossier, int64_t id)
{
	if (id == dossier->conversation.continues)
		return true;
	for (size_t i = 0; i < dossier->continued_count; i++)
		if (dossier->continued[i] == id)
			return true;
	return false;
}

/* The label stands at the first of several; it is "" from then on. */
static void print_other(const char **label, int64_t other, size_t width)
{
	char id[CONVERSATION_ID_SIZE];

	conversation_id_format(other, id);
	output_wrapped(*label, HEAD_INDENT, id, width);
	*label = "";
}

static void print_others(const struct dossier *dossier, size_t width)
{
	const char *continues = "Continues", *continued = "Continued by", *related = "Related";

	if (dossier->conversation.continues != 0)
		print_other(&continues, dossier->conversation.continues, width);
	for (size_t i = 0; i < dossier->continued_count; i++)
		print_other(&continued, dossier->continued[i], width);
	for (size_t i = 0; i < dossier->related_count; i++)
		if (!is_continuation(dossier, dossier->related[i]))
			print_other(&related, dossier->related[i], width);
}

static void print_head(const struct dossier *dossier, size_t width, int64_t now)
{
	const struct conversation_row *row = &dossier->conversation;
	char id[CONVERSATION_ID_SIZE], time[OUTPUT_TIME_SIZE], span[OUTPUT_TIME_SIZE];
	char *participants = output_join(&dossier->participants);

	conversation_id_format(row->id, id);
	output_wrapped("Conversation", HEAD_INDENT, id, width);
	output_wrapped("Subject", HEAD_INDENT, row->subject != NULL ? row->subject : "-", width);
	output_wrapped("Reference", HEAD_INDENT, row->reference != NULL ? row->reference : "-",
	               width);
	if (row->reference_type != NULL)
		output_wrapped("Type", HEAD_INDENT, row->reference_type, width);
	if (row->waiting_count > 0)
		output_field("State", HEAD_INDENT, width, "%s, waiting for an answer for %s",
		             row->is_closed ? "closed" : "open",
		             output_duration(span, now - row->waiting_since));
	else
		output_wrapped("State", HEAD_INDENT, row->is_closed ? "closed" : "open", width);
	if (row->snoozed_until > now)
		output_field("Snoozed", HEAD_INDENT, width, "until %s, %s from now",
		             output_time(time, row->snoozed_until),
		             output_duration(span, row->snoozed_until - now));
	output_field("Owner", HEAD_INDENT, width, "%s%s", row->owner != NULL ? row->owner : "-",
	             row->is_owner_pinned ? " (pinned)" : "");
	output_wrapped("Account", HEAD_INDENT, row->account != NULL ? row->account : "-", width);
	output_wrapped("Participants", HEAD_INDENT, *participants != '\0' ? participants : "-",
	               width);
	free(participants);
	print_others(dossier, width);
	output_field("Began", HEAD_INDENT, width, "%s, %s", output_time(time, row->created_at),
	             output_ago(span, row->created_at, now));
}

/* How a message found its conversation, for people. */
static const char *match_phrase(const char *match)
{
	static const char *const phrases[][2] = {
		{"token", "found by token"},
		{"own-id", "found by our own id"},
		{"in-reply-to", "found by In-Reply-To"},
		{"references", "found by References"},
		{"named", "found by an id named before"},
		{"report", "found by what the report returns"},
		{"new", "new conversation"},
	};

	for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
		if (match != NULL && strcmp(match, phrases[i][0]) == 0)
			return phrases[i][1];
	return match != NULL ? match : "found by nothing";
}

static void print_value(const char *label, const char *value, size_t width)
{
	char head[VALUE_INDENT + 1];

	snprintf(head, sizeof head, "%*s%s", FIELD_INDENT, "", label);
	output_wrapped(head, VALUE_INDENT, value, width);
}

/* "smtp 4bXYZ 2026-11-22T10:00:00Z": the time on our clock, unless it is the message's own. */
static void print_delivery(const char *delivery, int64_t received_at, size_t width)
{
	const char *stamp = strrchr(delivery, ' ');
	char time[OUTPUT_TIME_SIZE];
	struct tm utc = {0};
	const char *end;
	char *text;

	end = stamp != NULL ? strptime(stamp + 1, "%Y-%m-%dT%H:%M:%SZ", &utc) : NULL;
	if (end == NULL || *end != '\0') {
		print_value("arrived", delivery, width);
		return;
	}
	if (timegm(&utc) == received_at)
		text = xmemdup0(delivery, (size_t)(stamp - delivery));
	else
		text = xasprintf("%.*s, %s", (int)(stamp - delivery), delivery,
		                 output_time(time, timegm(&utc)));
	print_value("arrived", text, width);
	free(text);
}

/* "nobody@example.org failed 5.1.1 no such user" becomes "bounced: nobody@example.org 5.1.1 ...". */
static void print_failure(const char *failure, size_t width)
{
	/* A report that names no recipient leaves the action as the first word. */
	static const char *const actions[] = {"failed", "delayed", "delivered", "relayed",
	                                      "expanded"};
	char *copy = xstrdup(failure), *rest = copy;
	char *recipient = strsep(&rest, " ");
	const char *action = NULL;
	char *head, *text;

	for (size_t i = 0; i < sizeof actions / sizeof actions[0] && action == NULL; i++)
		if (strcmp(recipient, actions[i]) == 0)
			action = actions[i];
	if (action != NULL || *recipient == '\0')
		recipient = NULL;
	if (action == NULL)
		action = rest != NULL ? strsep(&rest, " ") : "failed";
	if (strcmp(action, "failed") == 0)
		action = "bounced";
	head = xasprintf("%*s%s:", FIELD_INDENT, "", action);
	text = xasprintf("%s%s%s", recipient != NULL ? recipient : "a recipient",
	                 rest != NULL ? " " : "", rest != NULL ? rest : "");
	output_wrapped(head, VALUE_INDENT, text, width);
	free(text);
	free(head);
	free(copy);
}

/* What the customer wrote, line by line as it is. */
static void print_text(const char *text)
{
	char *copy = xstrdup(text), *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *clean = output_clean(line);

		if (*clean != '\0' || rest != NULL)
			printf("%*s|%s%s\n", FIELD_INDENT, "", *clean != '\0' ? " " : "", clean);
		free(clean);
	}
	free(copy);
}

static void print_message(const struct message_row *row, size_t width)
{
	bool is_inbound = strcmp(row->direction, "in") == 0;
	char *recipients = output_join(&row->recipients);
	char time[OUTPUT_TIME_SIZE], id[CONVERSATION_ID_SIZE];
	char *rule = row->rule != NULL && strcmp(row->rule, "none") != 0
	                     ? xasprintf(" (%s)", row->rule)
	                     : xstrdup("");
	char *auth = row->auth != NULL ? xasprintf(", auth %s", row->auth) : xstrdup("");

	putchar('\n');
	output_field(output_time(time, row->received_at), TIME_INDENT, width,
	             "%s: %s%s, %s%s%s%s%s", row->direction, row->class, rule,
	             match_phrase(row->match), row->account != NULL ? ", account " : "",
	             row->account != NULL ? row->account : "",
	             !is_inbound            ? ""
	             : row->is_known_sender ? ", known sender"
	                                    : ", stranger",
	             auth);
	print_value("from", row->from != NULL ? row->from : "<>", width);
	print_value("to", *recipients != '\0' ? recipients : "-", width);
	print_value("subject", row->subject != NULL ? row->subject : "-", width);
	if (row->msgid != NULL)
		print_value("msgid", row->msgid, width);
	for (size_t i = 0; i < row->deliveries.count; i++)
		print_delivery(row->deliveries.items[i], row->received_at, width);
	if (row->related != 0) {
		conversation_id_format(row->related, id);
		print_value("related", id, width);
	}
	for (size_t i = 0; i < row->failures.count; i++)
		print_failure(row->failures.items[i], width);
	if (row->text != NULL)
		print_text(row->text);
	free(auth);
	free(rule);
	free(recipients);
}

/*
 * Where in the timeline something stands: at the message that did it, else at the
 * last one before; NOWHERE if that is too old to be listed.
 */
static size_t find_place(const struct dossier *dossier, int64_t message, int64_t at)
{
	size_t place = NOWHERE;

	for (size_t i = 0; i < dossier->message_count; i++) {
		if (dossier->messages[i].id == message)
			return i;
		if (dossier->messages[i].received_at <= at)
			place = i;
	}
	return place;
}

static void print_wait_end(const struct dossier *dossier, const struct wait_row *wait, size_t place,
                           size_t width)
{
	const struct message_row *answer = &dossier->messages[place];
	char time[OUTPUT_TIME_SIZE], span[OUTPUT_TIME_SIZE], business[OUTPUT_TIME_SIZE];
	bool is_answered = answer->id == wait->ended_by;
	bool is_closed = wait->end_reason != NULL && strcmp(wait->end_reason, "closed") == 0;

	putchar('\n');
	output_field(output_time(time, wait->ended_at), TIME_INDENT, width,
	             "%s after %s%s%s%s%s%s, for %s",
	             is_answered ? "answered"
	             : is_closed ? "closed"
	                         : "the wait ended",
	             output_duration(span, wait->ended_at - wait->started_at),
	             wait->business_s >= 0 ? " (" : "",
	             wait->business_s >= 0 ? output_duration(business, wait->business_s) : "",
	             wait->business_s >= 0 ? " in business time)" : "",
	             is_answered && answer->from != NULL ? " by " : "",
	             is_answered && answer->from != NULL ? answer->from : "", wait->customer);
}

static void print_wait_start(const struct wait_row *wait, size_t width, int64_t now)
{
	char time[OUTPUT_TIME_SIZE], since[OUTPUT_TIME_SIZE], span[OUTPUT_TIME_SIZE];

	output_time(since, wait->started_at);
	putchar('\n');
	if (wait->ended_at == 0)
		output_field(output_time(time, wait->started_at), TIME_INDENT, width,
		             "waiting: %s since %s, for %s now", wait->customer, since,
		             output_duration(span, now - wait->started_at));
	else
		output_field(output_time(time, wait->started_at), TIME_INDENT, width,
		             "waiting: %s since %s", wait->customer, since);
}

static void print_timeline(const struct dossier *dossier, size_t width, int64_t now)
{
	size_t *starts = xmalloc((dossier->wait_count + 1) * sizeof *starts);
	size_t *ends = xmalloc((dossier->wait_count + 1) * sizeof *ends);

	for (size_t i = 0; i < dossier->wait_count; i++) {
		const struct wait_row *wait = &dossier->waits[i];

		starts[i] = find_place(dossier, wait->started_by, wait->started_at);
		ends[i] = wait->ended_at == 0 ? NOWHERE
		                              : find_place(dossier, wait->ended_by, wait->ended_at);
	}
	if ((int64_t)dossier->message_count < dossier->conversation.message_count)
		printf("\nThe %" PRId64 " oldest messages are not shown.\n",
		       dossier->conversation.message_count - (int64_t)dossier->message_count);
	for (size_t i = 0; i < dossier->message_count; i++) {
		print_message(&dossier->messages[i], width);
		for (size_t j = 0; j < dossier->wait_count; j++)
			if (ends[j] == i)
				print_wait_end(dossier, &dossier->waits[j], i, width);
		for (size_t j = 0; j < dossier->wait_count; j++)
			if (starts[j] == i)
				print_wait_start(&dossier->waits[j], width, now);
	}
	free(starts);
	free(ends);
}

static int run(const struct invocation *invocation, const struct config *config, bool is_json)
{
	struct dossier dossier = {0};
	struct error err = {0};
	struct store *store = command_open_store(config, STORE_READ, &err);
	size_t width = output_columns(OUTPUT_WIDTH);
	int64_t id, now = time(NULL);
	int status, rc;

	if (store == NULL) {
		command_complain("%s", err.text);
		return EX_TEMPFAIL;
	}
	status = command_resolve(invocation, store, invocation->argv[0], &id);
	if (status != 0)
		goto out;
	rc = dossier_load(&dossier, store, id, &err);
	if (rc < 0) {
		command_complain("%s", err.text);
		status = EX_TEMPFAIL;
	} else if (rc == 0) {
		command_complain("the conversation is gone");
		status = EXIT_NO_RESULT;
	} else if (is_json) {
		print_json(&dossier);
	} else {
		width = width < WIDTH_MOST ? width : WIDTH_MOST;
		print_head(&dossier, width, now);
		print_timeline(&dossier, width, now);
	}
out:
	dossier_release(&dossier);
	store_close(store);
	return status;
}

int command_show(struct invocation *invocation)
{
	bool is_json = false;
	const struct flag flags[] = {{"json", 'j', &is_json, NULL}, {NULL, 0, NULL, NULL}};
	struct config *config;
	int status;

	if (!command_arguments(invocation, flags, 1, 1, &status))
		return status;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	status = run(invocation, config, is_json);
	config_free(config);
	return status;
}
