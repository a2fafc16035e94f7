#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail/class.h"
#include "lib/mail/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parts(const struct message *message)
{
	struct part_list parts;

	message_parts(message, &parts);
	if (parts.count == 0 || parts.count > MESSAGE_PARTS_MAX)
		abort();
	for (size_t i = 0; i < parts.count; i++) {
		const struct part *part = &parts.items[i];
		size_t length;
		char *content = part_decode(part, 10000, &length);

		if (length > 10000 || part->depth > MESSAGE_DEPTH_MAX ||
		    part->length > message->body_length)
			abort();
		free(content);
	}
	part_list_release(&parts);
}

/* A whole message: header, parts, class and new text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header header;
	struct message message = {.header = &header};
	struct envelope_facts envelope = {.is_null_sender = size % 2 == 1};
	struct classification classification;
	enum message_class class;
	size_t body_at;
	char *text;

	header_init(&header);
	body_at = header_parse(&header, (const char *)data, size);
	message.body = (const char *)data + body_at;
	message.body_length = size - body_at;
	check_parts(&message);
	classify(&message, &envelope, &classification);
	if (!class_from_name(class_name(classification.class), &class) ||
	    class != classification.class || classification.recipient_count > REPORT_RECIPIENTS_MAX)
		abort();
	classification_release(&classification);
	text = message_new_text(&message, 1024);
	if (strlen(text) > 1024)
		abort();
	free(text);
	header_release(&header);
	return 0;
}
