#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/explain.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/trace.h"
#include "lib/base/memory.h"
#include "lib/conversation/token.h"

#define TIME_INDENT 21
#define WIDTH_MOST  160

static const char *or_dash(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : "-";
}

/* What a fact is called in JSON. */
static const char *fact_name(const struct event *event)
{
	static const char *const names[] = {
		[TRACE_ARRIVED] = "arrived",       [TRACE_WAIT_BEGAN] = "wait-began",
		[TRACE_WAIT_ENDED] = "wait-ended", [TRACE_ANSWERED] = "answered",
		[TRACE_FAILED] = "failed",         [TRACE_REPORTS] = "reports",
		[TRACE_ALERT] = "alert",           [TRACE_LETTER] = "letter",
	};

	if (event->line != NULL)
		return "log";
	return event->fact != NULL ? names[event->fact->kind] : "recorded";
}

static char *say_arrived(const struct event *event)
{
	const struct trace_fact *fact = event->fact;
	bool is_fetched = strcmp(fact->what, "fetch") == 0;
	bool is_local = strcmp(fact->what, "local") == 0;

	return xasprintf("arrived %s%s%s%s: %s",
	                 is_fetched ? "by our fetcher"
	                 : is_local ? "by sendmail(1) or from Postfix itself"
	                            : "by SMTP from ",
	                 is_fetched || is_local ? "" : or_dash(fact->who),
	                 fact->detail != NULL ? ", account " : "",
	                 fact->detail != NULL ? fact->detail : "",
	                 or_dash(event->tale->message.msgid));
}

static char *say_recorded(const struct event *event)
{
	const struct trace_message *message = &event->tale->message;
	char id[CONVERSATION_ID_SIZE];
	enum match_reason reason;

	conversation_id_format(message->conversation, id);
	return xasprintf(
		"recorded in conversation %s: %s, %s by rule %s, match %s (%s), from %s%s%s", id,
		message->direction, message->class, or_dash(message->rule), message->match,
		match_reason_from_name(message->match, &reason) != 0 ? explain_match_reason(reason)
								     : "-",
		or_dash(message->from), message->subject != NULL ? ", subject " : "",
		message->subject != NULL ? message->subject : "");
}

static char *say_wait_ended(const struct event *event)
{
	const struct trace_fact *fact = event->fact;
	char span[OUTPUT_TIME_SIZE];

	if (fact->other == 0)
		return xasprintf("%s waits no more, after %s: %s", or_dash(fact->who),
		                 output_duration(span, fact->number), or_dash(fact->what));
	return xasprintf("%s was answered after %s by %s", or_dash(fact->who),
	                 output_duration(span, fact->number), or_dash(event->other));
}

static char *say_failed(const struct event *event, const char *verb)
{
	const struct trace_fact *fact = event->fact;
	bool is_failed = strcmp(or_dash(fact->what), "failed") == 0;

	return xasprintf("%s%s for %s%s%s; %s %s", verb,
	                 is_failed ? "bounced" : or_dash(fact->what),
	                 fact->who != NULL && fact->who[0] != '\0' ? fact->who : "a recipient",
	                 fact->detail != NULL && fact->detail[0] != '\0' ? ": " : "",
	                 fact->detail != NULL ? fact->detail : "",
	                 fact->kind == TRACE_FAILED ? "reported by" : "of", or_dash(event->other));
}

static char *say_sending(const struct event *event)
{
	const struct trace_fact *fact = event->fact;
	bool is_alert = fact->kind == TRACE_ALERT;
	const char *done = strcmp(or_dash(fact->what), "open") == 0   ? "is to be sent"
	                   : strcmp(or_dash(fact->what), "sent") == 0 ? "was sent"
	                                                              : "was dropped";

	return xasprintf("%s %" PRId64 "%s%s to %s %s", is_alert ? "alert: notice" : "letter",
	                 fact->number, is_alert ? "" : ", ", is_alert ? "" : or_dash(fact->detail),
	                 fact->who != NULL ? fact->who : "the operator", done);
}

/* An event in words; a heap string. */
static char *say(const struct event *event)
{
	char span[OUTPUT_TIME_SIZE];

	if (event->line != NULL)
		return xasprintf("%s: %s", event->line->program, event->line->text);
	if (event->fact == NULL)
		return say_recorded(event);
	switch (event->fact->kind) {
	case TRACE_ARRIVED:
		return say_arrived(event);
	case TRACE_WAIT_BEGAN:
		return xasprintf("%s begins to wait for an answer", or_dash(event->fact->who));
	case TRACE_WAIT_ENDED:
		return say_wait_ended(event);
	case TRACE_ANSWERED:
		return xasprintf("it answers %s, who waited %s since %s", or_dash(event->fact->who),
		                 output_duration(span, event->fact->number), or_dash(event->other));
	case TRACE_FAILED:
		return say_failed(event, "it ");
	case TRACE_REPORTS:
		return say_failed(event, "it reports: ");
	default:
		return say_sending(event);
	}
}

static const char *queue_id_of(const struct event *event)
{
	if (event->line != NULL)
		return event->line->queue_id;
	return event->fact != NULL ? event->fact->queue_id : NULL;
}

static void print_event(const struct event *event, size_t width)
{
	const char *queue_id = queue_id_of(event);
	char time[OUTPUT_TIME_SIZE];
	char *text = say(event);

	output_field(event->at_us != 0 ? output_time(time, event->at_us / 1000000) : "-",
	             TIME_INDENT, width, "%s%s%s", queue_id != NULL ? queue_id : "",
	             queue_id != NULL ? " " : "", text);
	free(text);
}

/* The first queue id under which a message came, or NULL. */
static const char *arrival_of(const struct tale *tale)
{
	for (size_t i = 0; i < tale->fact_count; i++)
		if (tale->facts[i].kind == TRACE_ARRIVED)
			return tale->facts[i].queue_id;
	return NULL;
}

static void add_tale_row(struct table *table, const struct tale *tale)
{
	const struct trace_message *message = &tale->message;
	char time[OUTPUT_TIME_SIZE];

	table_add(table, output_time(time, message->received_at));
	table_add(table, or_dash(arrival_of(tale)));
	table_add(table, message->direction);
	table_add(table, or_dash(message->from));
	table_add(table, or_dash(message->subject));
	table_add(table, or_dash(message->msgid));
}

static void add_use_row(struct table *table, const struct trace_use *use)
{
	char time[OUTPUT_TIME_SIZE];

	table_add(table, output_time(time, use->at));
	table_add(table, use->queue_id);
	table_add(table, "-");
	table_add(table, or_dash(use->from));
	table_add(table, "-");
	table_add(table, or_dash(use->msgid));
}

/* The newest first, of the store and of the log. */
static void print_list(const struct story *story)
{
	static const struct column columns[] = {
		{"TIME", false, false}, {"QUEUE ID", false, false}, {"DIR", false, false},
		{"FROM", false, true},  {"SUBJECT", false, true},   {"MESSAGE-ID", false, false}};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	size_t told = 0, used = story->found.use_count;

	while (told < story->tale_count || used > 0) {
		const struct tale *tale = told < story->tale_count ? &story->tales[told] : NULL;
		const struct trace_use *use = used > 0 ? &story->found.uses[used - 1] : NULL;

		if (use == NULL || (tale != NULL && tale->message.received_at >= use->at)) {
			add_tale_row(table, tale);
			told++;
		} else {
			add_use_row(table, use);
			used--;
		}
	}
	table_print(table, stdout, output_columns(0));
	table_free(table);
}

static void print_refusals(const struct trace_found *found, size_t width)
{
	char time[OUTPUT_TIME_SIZE];

	for (size_t i = 0; i < found->refusal_count; i++) {
		const struct trace_refusal *refusal = &found->refusals[i];

		output_field(output_time(time, refusal->at), TIME_INDENT, width, "%s: %s",
		             refusal->program, refusal->text);
	}
}

void story_print_text(const struct story *story)
{
	size_t width = output_columns(OUTPUT_WIDTH);

	width = width < WIDTH_MOST ? width : WIDTH_MOST;
	if (story->is_list)
		print_list(story);
	for (size_t i = 0; i < story->event_count; i++)
		print_event(&story->events[i], width);
	if (story->found.refusal_count == 0)
		return;
	if (story->is_list || story->event_count > 0)
		putchar('\n');
	puts("Refused before it had a queue id:");
	print_refusals(&story->found, width);
}

static json_t *json_messages(const struct story *story)
{
	json_t *array = json_array();

	for (size_t i = 0; i < story->tale_count; i++) {
		const struct tale *tale = &story->tales[i];
		const struct trace_message *message = &tale->message;
		json_t *object = json_object(), *queue_ids = json_array();

		for (size_t j = 0; j < tale->fact_count; j++)
			if (tale->facts[j].kind == TRACE_ARRIVED && tale->facts[j].queue_id != NULL)
				json_array_append_new(queue_ids,
				                      json_text(tale->facts[j].queue_id));
		json_object_set_new(object, "received", json_time(message->received_at));
		json_object_set_new(object, "conversation",
		                    json_conversation_id(message->conversation));
		json_object_set_new(object, "direction", json_text(message->direction));
		json_object_set_new(object, "class", json_text(message->class));
		json_object_set_new(object, "rule", json_text(message->rule));
		json_object_set_new(object, "match", json_text(message->match));
		json_object_set_new(object, "msgid", json_text(message->msgid));
		json_object_set_new(object, "from", json_text(message->from));
		json_object_set_new(object, "subject", json_text(message->subject));
		json_object_set_new(object, "account", json_text(message->account));
		json_object_set_new(object, "queue_ids", queue_ids);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *json_events(const struct story *story)
{
	json_t *array = json_array();

	for (size_t i = 0; i < story->event_count; i++) {
		const struct event *event = &story->events[i];
		json_t *object = json_object();
		char *text = event->line != NULL ? xstrdup(event->line->text) : say(event);

		json_object_set_new(object, "at", json_time(event->at_us / 1000000));
		json_object_set_new(object, "event", json_string(fact_name(event)));
		json_object_set_new(object, "queue_id", json_text(queue_id_of(event)));
		json_object_set_new(object, "program",
		                    json_text(event->line != NULL ? event->line->program : NULL));
		json_object_set_new(
			object, "msgid",
			json_text(event->tale != NULL ? event->tale->message.msgid : NULL));
		json_object_set_new(object, "text", json_text(text));
		json_array_append_new(array, object);
		free(text);
	}
	return array;
}

static json_t *json_uses(const struct trace_found *found)
{
	json_t *array = json_array();

	for (size_t i = found->use_count; i-- > 0;) {
		const struct trace_use *use = &found->uses[i];
		json_t *object = json_object();

		json_object_set_new(object, "queue_id", json_text(use->queue_id));
		json_object_set_new(object, "at", json_time(use->at));
		json_object_set_new(object, "from", json_text(use->from));
		json_object_set_new(object, "msgid", json_text(use->msgid));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *json_refusals(const struct trace_found *found)
{
	json_t *array = json_array();

	for (size_t i = found->refusal_count; i-- > 0;) {
		const struct trace_refusal *refusal = &found->refusals[i];
		json_t *object = json_object();

		json_object_set_new(object, "at", json_time(refusal->at));
		json_object_set_new(object, "program", json_text(refusal->program));
		json_object_set_new(object, "text", json_text(refusal->text));
		json_array_append_new(array, object);
	}
	return array;
}

void story_print_json(const struct story *story)
{
	json_t *document = json_object();

	json_object_set_new(document, "query", json_text(story->query));
	json_object_set_new(document, "kind", json_text(story->kind));
	json_object_set_new(document, "messages", json_messages(story));
	json_object_set_new(document, "queue_ids", json_uses(&story->found));
	json_object_set_new(document, "refused", json_refusals(&story->found));
	json_object_set_new(document, "events", story->is_list ? json_null() : json_events(story));
	json_object_set_new(document, "notes", json_texts(&story->notes));
	json_print(document);
}
