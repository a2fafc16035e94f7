#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/json.h"
#include "ctl/mail_file.h"
#include "ctl/output.h"
#include "lib/base/buffer.h"
#include "lib/mail/class.h"
#include "lib/mail/header.h"
#include "lib/mail/message.h"

static void classify_bytes(const struct buffer *bytes, struct classification *out)
{
	struct envelope_facts envelope = {.is_null_sender = mail_file_is_of_null_sender(bytes)};
	struct header header;
	struct message message = {.header = &header};
	size_t body_at;

	header_init(&header);
	body_at = header_parse(&header, bytes->data, bytes->length);
	message.body = bytes->data + body_at;
	message.body_length = bytes->length - body_at;
	if (message.body_length > MESSAGE_BODY_BYTES)
		message.body_length = MESSAGE_BODY_BYTES;
	classify(&message, &envelope, out);
	header_release(&header);
}

/* A column of a line: nothing that is not there, and nothing that breaks the line. */
static void print_column(const char *text, char end)
{
	char *clean = output_clean(text);

	fputs(*clean == '\0' ? "-" : clean, stdout);
	putchar(end);
	free(clean);
}

static void print_line(const char *path, const struct classification *found)
{
	print_column(class_name(found->class), '\t');
	print_column(found->rule, '\t');
	print_column(found->original_msgid, '\t');
	print_column(classification_status(found), '\t');
	print_column(path, '\n');
}

static json_t *text_or_null(const char *text)
{
	return json_text(text != NULL && *text != '\0' ? text : NULL);
}

static json_t *json_recipients(const struct classification *found)
{
	json_t *array = json_array();

	for (size_t i = 0; i < found->recipient_count; i++) {
		const struct report_recipient *recipient = &found->recipients[i];
		json_t *object = json_object();

		json_object_set_new(object, "address", text_or_null(recipient->address));
		json_object_set_new(object, "action", text_or_null(recipient->action));
		json_object_set_new(object, "status", text_or_null(recipient->status));
		json_object_set_new(object, "diagnostic", text_or_null(recipient->diagnostic));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *json_report_fields(const struct classification *found)
{
	json_t *object = json_object();

	for (size_t i = 0; i < found->field_count; i++)
		json_object_set_new(object, found->fields[i].name,
		                    json_text(found->fields[i].value));
	return object;
}

static json_t *json_classification(const char *path, const struct classification *found)
{
	json_t *object = json_object();

	json_object_set_new(object, "file", json_text(path));
	json_object_set_new(object, "class", json_text(class_name(found->class)));
	json_object_set_new(object, "rule", json_text(found->rule));
	json_object_set_new(object, "original_msgid", json_text(found->original_msgid));
	json_object_set_new(object, "status", text_or_null(classification_status(found)));
	json_object_set_new(object, "recipients", json_recipients(found));
	json_object_set_new(object, "returned_ids", json_texts(&found->returned_ids));
	json_object_set_new(object, "returned_addresses", json_texts(&found->returned_addresses));
	json_object_set_new(object, "fields", json_report_fields(found));
	return object;
}

/* Returns 0, or EX_NOINPUT after a sentence. all: what --json prints at the end, or NULL. */
static int classify_file(const char *path, json_t *all)
{
	struct classification found;
	struct buffer bytes;
	int status = 0;

	if (mail_file_read(path, &bytes) < 0) {
		command_complain("%s: cannot be read: %s", path, strerror(errno));
		status = EX_NOINPUT;
	} else {
		classify_bytes(&bytes, &found);
		if (all != NULL)
			json_array_append_new(all, json_classification(path, &found));
		else
			print_line(path, &found);
		classification_release(&found);
	}
	buffer_release(&bytes);
	return status;
}

int command_classify(struct invocation *invocation)
{
	bool is_json = false;
	const struct flag flags[] = {{"json", 'j', &is_json, NULL}, {NULL, 0, NULL, NULL}};
	json_t *all = NULL;
	int status;

	if (!command_arguments(invocation, flags, 1, INT_MAX, &status))
		return status;
	if (is_json)
		all = json_array();
	status = 0;
	for (int i = 0; i < invocation->argc; i++) {
		int rc = classify_file(invocation->argv[i], all);

		if (rc != 0)
			status = rc;
	}
	if (all != NULL)
		json_print(all);
	return status;
}
