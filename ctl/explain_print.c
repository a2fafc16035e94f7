#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/explain.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/conversation/token.h"
#include "lib/store/rehearse.h"

#define LABEL_INDENT 14
#define EDIT_INDENT  2
#define VALUE_INDENT 20
#define WIDTH_MOST   120
#define VALUE_SHOWN  2000 /* bytes of a field's new value, for people */

/* As first recorded, which a repeat does not change. */
static enum message_class class_of(const struct explanation *explanation)
{
	const struct recorded *recorded = explanation->decision.recorded;

	return recorded != NULL && recorded->status == 0 ? recorded->class
	                                                 : explanation->decision.plan->record.class;
}

static const char *rule_of(const struct explanation *explanation)
{
	const struct recorded *recorded = explanation->decision.recorded;

	return recorded != NULL && recorded->status == 0 ? recorded->rule
	                                                 : explanation->decision.plan->record.rule;
}

static void print_field(const char *label, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void print_field(const char *label, const char *format, ...)
{
	size_t width = output_columns(OUTPUT_WIDTH);
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	output_wrapped(label, LABEL_INDENT, text, width < WIDTH_MOST ? width : WIDTH_MOST);
	free(text);
}

/* NULL: nothing of a conversation was found or made. */
static const struct recorded *found(const struct explanation *explanation)
{
	const struct recorded *recorded = explanation->decision.recorded;

	return recorded != NULL && recorded->status == 0 && recorded->conversation != 0 ? recorded
	                                                                                : NULL;
}

static bool is_placeholder(const struct recorded *recorded)
{
	return recorded->conversation == REHEARSED_CONVERSATION;
}

static const char *client_kind(const struct mail *mail)
{
	if (mail->fetched_for != NULL)
		return "our fetcher, whose mail is believed as little as any from outside";
	return mail_is_trusted(mail) ? "trusted, so its mail may be outbound"
	                             : "not trusted: neither signed in, nor internal_hosts, nor "
	                               "local";
}

static void print_envelope(const struct explanation *explanation)
{
	const struct mail *mail = explanation->decision.mail;
	char *recipients = output_join(&explanation->recipients);

	print_field("Sender", "%s%s",
	            explanation->sender[0] != '\0' ? explanation->sender : "<> (nobody)",
	            explanation->is_sender_assumed ? ", as the file says; see --from" : "");
	print_field("Recipients", "%s%s", *recipients != '\0' ? recipients : "none",
	            explanation->are_recipients_assumed ? ", as the file says; see --rcpt" : "");
	print_field("Client", "%s%s: %s", mail->client.address,
	            mail->client.is_authenticated ? ", signed in" : "", client_kind(mail));
	free(recipients);
}

/* With what the store, or an id or token of ours, added to it. */
static void print_route(const struct explanation *explanation)
{
	const struct plan *plan = explanation->decision.plan;
	bool is_known =
		plan->route == ROUTE_TRACKED || (plan->asks_store && plan->route == plan->if_known);

	print_field("Route", "%s: %s%s", route_name(plan->route), plan->reason,
	            is_known ? "; but it belongs to a known conversation" : "");
	if (plan->account != NULL)
		print_field("Account", "%s%s%s", plan->account->name,
		            plan->account_reason != NULL ? ": " : "",
		            plan->account_reason != NULL ? plan->account_reason : "");
}

static void print_conversation(const struct explanation *explanation)
{
	const struct recorded *recorded = found(explanation);
	const char *match = explain_match(explanation);
	char id[CONVERSATION_ID_SIZE];

	if (recorded != NULL && is_placeholder(recorded)) {
		print_field("Conversation", "a new one; its id is not known before, and %s",
		            "aaaaaaaaaaaab stands for it below");
	} else if (recorded != NULL) {
		conversation_id_format(recorded->conversation, id);
		print_field("Conversation", "%s%s", id,
		            recorded->is_new_conversation ? ", which is made again" : "");
	}
	if (match != NULL)
		print_field("Match", "%s: %s",
		            match_reason_name(explanation->decision.recorded->reason), match);
	if (recorded == NULL)
		return;
	if (recorded->related != 0) {
		conversation_id_format(recorded->related, id);
		print_field("Related", "%s", id);
	}
	if (recorded->owner != NULL)
		print_field("Owner", "%s", recorded->owner);
	if (recorded->reference != NULL)
		print_field("Reference", "%s", recorded->reference);
	if (recorded->is_capped)
		print_field("Waits", "none begins: its sender is past a rate cap");
	else if (recorded->is_crowded)
		print_field("Waits", "none begins: too many wait in the conversation already");
	else if (recorded->waits_started > 0)
		print_field("Waits", "%s begins to wait for an answer",
		            explanation->decision.plan->record.from);
	else if (recorded->waits_ended > 0)
		print_field("Waits", "it answers %u who wait%s", recorded->waits_ended,
		            recorded->waits_ended == 1 ? "s" : "");
}

static void print_verdict(const struct explanation *explanation)
{
	const struct outcome *outcome = &explanation->outcome;
	const char *reason = explanation->decision.reason;

	if (!outcome->is_accepted)
		print_field("Result", "%s with \"%s %s %s\"", explain_status(explanation),
		            outcome->reply_code, outcome->reply_status, outcome->reply_text);
	else
		print_field("Result", "%s%s%s", explain_status(explanation),
		            reason != NULL ? ": " : "", reason != NULL ? reason : "");
	if (explanation->store == NULL)
		print_field("Store", "as if it were empty: %s", explanation->store_error.text);
}

static void print_edit(const struct explanation *explanation, const struct edit *edit)
{
	size_t width = output_columns(OUTPUT_WIDTH);
	char *value = xmemdup0(edit->value != NULL ? edit->value : "",
	                       strnlen(edit->value != NULL ? edit->value : "", VALUE_SHOWN));
	char *head, *text;

	width = width < WIDTH_MOST ? width : WIDTH_MOST;
	head = xasprintf("%*s%s", EDIT_INDENT, "", explain_edit_name(edit->kind));
	text = xasprintf("%s%s%s%s", edit->name != NULL ? edit->name : "",
	                 edit->name != NULL && edit->value != NULL ? ": " : "", value,
	                 edit->value != NULL && strlen(edit->value) > VALUE_SHOWN ? "..." : "");
	output_wrapped(head, VALUE_INDENT, text, width);
	output_wrapped("", VALUE_INDENT, explain_edit_reason(explanation, edit), width);
	free(text);
	free(head);
	free(value);
}

void explain_print_text(const struct explanation *explanation)
{
	const struct edit_list *edits = &explanation->outcome.edits;
	const struct mail *mail = explanation->decision.mail;
	const struct record *record = &explanation->decision.plan->record;

	print_envelope(explanation);
	print_route(explanation);
	if (explanation->decision.recorded != NULL && !record->is_action)
		print_field("Class", "%s, by rule %s", class_name(class_of(explanation)),
		            rule_of(explanation));
	print_conversation(explanation);
	if (mail->bad_tokens > 0)
		print_field("Tokens", "%u not believed: %s", mail->bad_tokens,
		            token_verdict_name(mail->bad_verdict));
	print_verdict(explanation);
	if (edits->count == 0 && !edits->is_discard) {
		print_field("Edits", "none");
		return;
	}
	print_field("Edits", "%zu", edits->count);
	for (size_t i = 0; i < edits->count; i++)
		print_edit(explanation, &edits->items[i]);
	if (edits->is_discard)
		printf("%*sdiscard: nobody is to get it\n", EDIT_INDENT, "");
}

static json_t *json_edits(const struct explanation *explanation)
{
	const struct edit_list *edits = &explanation->outcome.edits;
	json_t *array = json_array();

	for (size_t i = 0; i < edits->count; i++) {
		const struct edit *edit = &edits->items[i];
		json_t *object = json_object();

		json_object_set_new(object, "action", json_string(explain_edit_name(edit->kind)));
		json_object_set_new(object, "name", json_text(edit->name));
		json_object_set_new(object, "index",
		                    edit->name != NULL ? json_integer(edit->index) : json_null());
		json_object_set_new(object, "value", json_text(edit->value));
		json_object_set_new(object, "reason",
		                    json_string(explain_edit_reason(explanation, edit)));
		json_array_append_new(array, object);
	}
	return array;
}

static void add_conversation(json_t *document, const struct explanation *explanation)
{
	const struct recorded *recorded = found(explanation);
	const struct recorded *any = explanation->decision.recorded;
	const char *match = explain_match(explanation);
	bool is_there = recorded != NULL && !is_placeholder(recorded);

	json_object_set_new(document, "conversation",
	                    json_conversation_id(is_there ? recorded->conversation : 0));
	json_object_set_new(document, "new_conversation",
	                    json_boolean(recorded != NULL && recorded->is_new_conversation));
	json_object_set_new(document, "match",
	                    json_text(match != NULL ? match_reason_name(any->reason) : NULL));
	json_object_set_new(document, "match_reason", json_text(match));
	json_object_set_new(document, "related",
	                    json_conversation_id(recorded != NULL ? recorded->related : 0));
	json_object_set_new(document, "owner",
	                    json_text(recorded != NULL ? recorded->owner : NULL));
	json_object_set_new(document, "reference",
	                    json_text(recorded != NULL ? recorded->reference : NULL));
	json_object_set_new(document, "waits_started",
	                    json_integer(recorded != NULL ? recorded->waits_started : 0));
	json_object_set_new(document, "crowded",
	                    json_boolean(recorded != NULL && recorded->is_crowded));
	json_object_set_new(document, "waits_ended",
	                    json_integer(recorded != NULL ? recorded->waits_ended : 0));
}

static json_t *json_reply(const struct outcome *outcome)
{
	json_t *reply;
	char *text;

	if (outcome->is_accepted)
		return json_null();
	text = xasprintf("%s %s %s", outcome->reply_code, outcome->reply_status,
	                 outcome->reply_text);
	reply = json_text(text);
	free(text);
	return reply;
}

void explain_print_json(const struct explanation *explanation)
{
	const struct plan *plan = explanation->decision.plan;
	const struct mail *mail = explanation->decision.mail;
	bool is_recorded = explanation->decision.recorded != NULL && !plan->record.is_action;
	json_t *document = json_object();

	json_object_set_new(document, "file", json_text(explanation->file));
	json_object_set_new(document, "sender", json_text(explanation->sender));
	json_object_set_new(document, "recipients", json_texts(&explanation->recipients));
	json_object_set_new(document, "client", json_text(mail->client.address));
	json_object_set_new(document, "trusted", json_boolean(mail_is_trusted(mail)));
	json_object_set_new(document, "route", json_string(route_name(plan->route)));
	json_object_set_new(document, "route_reason", json_text(plan->reason));
	json_object_set_new(document, "account",
	                    json_text(plan->account != NULL ? plan->account->name : NULL));
	json_object_set_new(document, "account_reason", json_text(plan->account_reason));
	json_object_set_new(document, "class",
	                    json_text(is_recorded ? class_name(class_of(explanation)) : NULL));
	json_object_set_new(document, "rule", json_text(is_recorded ? rule_of(explanation) : NULL));
	add_conversation(document, explanation);
	json_object_set_new(document, "bad_tokens", json_integer(mail->bad_tokens));
	json_object_set_new(document, "status", json_string(explain_status(explanation)));
	json_object_set_new(document, "status_reason", json_text(explanation->decision.reason));
	json_object_set_new(document, "reply", json_reply(&explanation->outcome));
	json_object_set_new(document, "edits", json_edits(explanation));
	json_object_set_new(document, "discard",
	                    json_boolean(explanation->outcome.edits.is_discard));
	json_object_set_new(
		document, "store_error",
		json_text(explanation->store == NULL ? explanation->store_error.text : NULL));
	json_print(document);
}
