#include "fetcher/deliver.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/base/pattern.h"
#include "lib/conversation/mark.h"
#include "lib/mail/address.h"
#include "lib/mail/header.h"

#define PREFIX_MAX_BYTES 1024

/* Some servers show the line that a mailbox file puts before a message, quoted or not. */
static bool begins_with_mailbox_line(const char *bytes, size_t length)
{
	size_t at = 0;

	while (at < length && bytes[at] == '>')
		at++;
	return length - at > 5 && memcmp(bytes + at, "From ", 5) == 0;
}

static char *sender_of(const struct header *header)
{
	const struct field *field = header_field(header, "Return-Path", 1);
	char *sender = NULL;

	if (field != NULL) {
		char *value = header_unfold(field->value, field->length);

		sender = address_from_envelope(value);
		free(value);
	} else if ((field = header_field(header, "From", 1)) != NULL) {
		struct address_list list = {0};

		/* The null sender would say that a program wrote it. */
		address_list_parse(&list, field->value, field->length, 1);
		if (list.count > 0)
			sender = xstrdup(list.items[0].address);
		address_list_release(&list);
	}
	if (sender != NULL && address_is_valid(sender))
		return sender;
	free(sender);
	return xstrdup("");
}

char *deliver_prepare(const struct keyring *keys, const struct account *account, const char *bytes,
                      size_t length, int64_t now, struct buffer *prefix_out)
{
	bool has_mailbox_line = begins_with_mailbox_line(bytes, length);
	const char *line_end = has_mailbox_line ? memchr(bytes, '\n', length) : NULL;
	size_t skipped = line_end != NULL ? (size_t)(line_end - bytes) + 1 : 0;
	char mark[MARK_SIZE], *sender;
	struct header header;

	header_init(&header);
	(void)header_parse(&header, bytes + skipped, length - skipped);
	mark_make(mark, keys, MARK_FETCHED, account->name, now);
	buffer_printf(prefix_out, "%s: %s\r\n", MARK_FIELD, mark);
	if (has_mailbox_line)
		/* As Postfix does when that is the first line, which it no longer is. */
		buffer_append_text(prefix_out, "X-Mailbox-Line: ");
	else if (length > 0 && (bytes[0] == ' ' || bytes[0] == '\t'))
		/* It would continue our mark; the milter removes this field with it. */
		buffer_append_text(prefix_out, "Rejoinder-Continued:\r\n");
	sender = sender_of(&header);
	header_release(&header);
	return sender;
}

int deliver(struct smtp *smtp, const struct keyring *keys, const struct account *account,
            const char *bytes, size_t length, int64_t now, char queue_id_out[DELIVER_QUEUE_ID_SIZE],
            struct error *err)
{
	struct buffer prefix;
	char *sender;
	int rc;

	queue_id_out[0] = '\0';
	buffer_init(&prefix, PREFIX_MAX_BYTES);
	sender = deliver_prepare(keys, account, bytes, length, now, &prefix);
	rc = smtp_send(smtp, sender, account->mailbox, prefix.data, prefix.length, bytes, length,
	               queue_id_out, DELIVER_QUEUE_ID_SIZE, err);
	free(sender);
	buffer_release(&prefix);
	return rc;
}
