#include "ctl/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/output.h"
#include "lib/base/buffer.h"
#include "lib/conversation/token.h"

json_t *json_text(const char *text)
{
	struct buffer valid;
	uint32_t code;
	size_t length;
	json_t *value;

	if (text == NULL)
		return json_null();
	buffer_init(&valid, strlen(text) * 3 + 1);
	for (; (length = output_next_char(text, &code)) > 0; text += length) {
		if (code == 0xfffd)
			buffer_append_text(&valid, "\xef\xbf\xbd");
		else
			buffer_append(&valid, text, length);
	}
	value = json_stringn(valid.data, valid.length);
	buffer_release(&valid);
	return value;
}

json_t *json_time(int64_t at)
{
	time_t seconds = (time_t)at;
	char text[OUTPUT_TIME_SIZE];
	struct tm utc;

	if (at == 0 || gmtime_r(&seconds, &utc) == NULL ||
	    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		return json_null();
	return json_string(text);
}

json_t *json_conversation_id(int64_t id)
{
	char text[CONVERSATION_ID_SIZE];

	if (id == 0)
		return json_null();
	conversation_id_format(id, text);
	return json_string(text);
}

static json_t *json_row_id(int64_t id)
{
	char text[24];

	if (id == 0)
		return json_null();
	snprintf(text, sizeof text, "%" PRId64, id);
	return json_string(text);
}

json_t *json_texts(const struct string_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, json_text(list->items[i]));
	return array;
}

json_t *json_conversation(const struct conversation_row *row)
{
	json_t *object = json_object();

	json_object_set_new(object, "id", json_conversation_id(row->id));
	json_object_set_new(object, "created", json_time(row->created_at));
	json_object_set_new(object, "updated", json_time(row->updated_at));
	json_object_set_new(object, "state", json_string(row->is_closed ? "closed" : "open"));
	json_object_set_new(object, "owner", json_text(row->owner));
	json_object_set_new(object, "owner_pinned", json_boolean(row->is_owner_pinned));
	json_object_set_new(object, "snoozed_until",
	                    json_time(row->snoozed_until > time(NULL) ? row->snoozed_until : 0));
	json_object_set_new(object, "subject", json_text(row->subject));
	json_object_set_new(object, "reference", json_text(row->reference));
	json_object_set_new(object, "reference_type", json_text(row->reference_type));
	json_object_set_new(object, "account", json_text(row->account));
	json_object_set_new(object, "continues", json_conversation_id(row->continues));
	json_object_set_new(object, "messages", json_integer(row->message_count));
	json_object_set_new(object, "waiting", json_integer(row->waiting_count));
	json_object_set_new(object, "waiting_since", json_time(row->waiting_since));
	return object;
}

json_t *json_message(const struct message_row *row)
{
	json_t *object = json_object();

	json_object_set_new(object, "id", json_row_id(row->id));
	json_object_set_new(object, "received", json_time(row->received_at));
	json_object_set_new(object, "direction", json_text(row->direction));
	json_object_set_new(object, "class", json_text(row->class));
	json_object_set_new(object, "rule", json_text(row->rule));
	json_object_set_new(object, "match", json_text(row->match));
	json_object_set_new(object, "msgid", json_text(row->msgid));
	json_object_set_new(object, "from", json_text(row->from));
	json_object_set_new(object, "subject", json_text(row->subject));
	json_object_set_new(object, "recipients", json_texts(&row->recipients));
	json_object_set_new(object, "account", json_text(row->account));
	json_object_set_new(object, "auth", json_text(row->auth));
	json_object_set_new(object, "sender",
	                    json_string(row->is_known_sender ? "known" : "stranger"));
	json_object_set_new(object, "bounced", json_boolean(row->is_bounced));
	json_object_set_new(object, "failures", json_texts(&row->failures));
	json_object_set_new(object, "deliveries", json_texts(&row->deliveries));
	json_object_set_new(object, "related", json_conversation_id(row->related));
	json_object_set_new(object, "text", json_text(row->text));
	return object;
}

static json_t *json_seconds(int64_t seconds)
{
	return seconds < 0 ? json_null() : json_integer(seconds);
}

json_t *json_wait(const struct wait_row *row)
{
	json_t *object = json_object();

	json_object_set_new(object, "customer", json_text(row->customer));
	json_object_set_new(object, "started", json_time(row->started_at));
	json_object_set_new(object, "ended", json_time(row->ended_at));
	json_object_set_new(object, "started_by", json_row_id(row->started_by));
	json_object_set_new(object, "ended_by", json_row_id(row->ended_by));
	json_object_set_new(object, "end_reason", json_text(row->end_reason));
	json_object_set_new(object, "wall_seconds", json_seconds(row->wall_s));
	json_object_set_new(object, "business_seconds", json_seconds(row->business_s));
	return object;
}

void json_print(json_t *document)
{
	/* ASCII, so that no control character of C1 reaches a terminal either. */
	json_dumpf(document, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	putchar('\n');
	json_decref(document);
}
