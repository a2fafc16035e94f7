#include "fetcher/deliver.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
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

/* Can it stand in a MAIL command as it is?  Postfix takes more than RFC 5321 4.1.2 lets through. */
static bool is_sendable(const char *address)
{
	const char *at = strrchr(address, '@');
	size_t length = strlen(address);

	if (at == NULL || at == address || at[1] == '\0' || length > ADDRESS_MAX_BYTES)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool is_quote = address[i] == '"' && address[0] == '"' && at - address > 1 &&
		                (i == 0 || address + i + 1 == at);

		if (address[i] <= ' ' || address[i] >= 0x7f ||
		    strchr("<>\\,;", address[i]) != NULL || (address[i] == '"' && !is_quote))
			return false;
	}
	return true;
}

static char *author_of(const struct header *header)
{
	const struct field *field = header_field(header, "From", 1);
	struct address_list list = {0};
	char *author = NULL;

	if (field != NULL)
		address_list_parse(&list, field->value, field->length, 1);
	if (list.count > 0)
		author = xstrdup(list.items[0].address);
	address_list_release(&list);
	return author;
}

/*
 * The null sender says that a program wrote it, and nobody waits for an answer to that: only what
 * came with it goes on with it.  Where the sender cannot be told, a report that the message
 * could not be delivered here goes to its mailbox, whose admin is to see it.
 */
static char *sender_of(const struct header *header, const struct account *account)
{
	const struct field *field = header_field(header, "Return-Path", 1);
	char *sender = NULL, *value;

	if (field != NULL) {
		value = header_unfold(field->value, field->length);
		sender = address_from_envelope(value);
		/* As some servers show the null sender. */
		if (sender == NULL && strchr(value, '@') == NULL &&
		    strcasestr(value, "MAILER-DAEMON") != NULL)
			sender = xstrdup("");
		free(value);
	}
	if (sender != NULL && sender[0] == '\0')
		return sender;
	if (sender == NULL || !is_sendable(sender)) {
		free(sender);
		sender = author_of(header);
	}
	if (sender == NULL || !is_sendable(sender)) {
		free(sender);
		sender = xstrdup(account->mailbox);
	}
	return sender;
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
	sender = sender_of(&header, account);
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
