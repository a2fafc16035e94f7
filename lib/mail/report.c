#include "lib/mail/report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/msgid.h"
#include "lib/mail/report_recipients.h"
#include "lib/mail/scan.h"
#include "lib/mail/text.h"

#define RETURNED_BYTES     (128 * 1024) /* how far a returned message is read */
#define RETURNED_IDS       50
#define RETURNED_ADDRESSES 20
#define REFERENCES_BYTES   2000 /* ids of one References field */

bool report_is_returned_part(const struct part *part)
{
	static const char *const types[] = {
		"message/rfc822",     "message/global",         "text/rfc822-headers",
		"text/rfc822-header", "message/rfc822-headers", "message/global-headers",
		"text/rfc822",
	};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (part->depth > 0 && strcmp(part->type, types[i]) == 0)
			return true;
	}
	return false;
}

bool report_is_status_part(const struct part *part)
{
	return strcmp(part->type, "message/delivery-status") == 0 ||
	       strcmp(part->type, "message/global-delivery-status") == 0;
}

/* Kinds of lines that a header consists of. */
enum line_kind { LINE_OTHER, LINE_CONTINUATION, LINE_FIELD, LINE_TRACE };

static bool is_named(const char *line, size_t name_length, const char *name)
{
	return strlen(name) == name_length && strncasecmp(line, name, name_length) == 0;
}

/* LINE_TRACE is a field that only a message has, not a summary of one. */
static enum line_kind kind_of_line(const char *line, size_t length)
{
	size_t name = 0;

	if (length > 1 && (line[0] == ' ' || line[0] == '\t'))
		return LINE_CONTINUATION;
	while (name < length && line[name] > 32 && line[name] < 127 && line[name] != ':')
		name++;
	if (name == 0 || name == length || line[name] != ':')
		return LINE_OTHER;
	if (is_named(line, name, "Message-ID") || is_named(line, name, "Received") ||
	    is_named(line, name, "Return-Path") || is_named(line, name, "MIME-Version") ||
	    is_named(line, name, "DKIM-Signature"))
		return LINE_TRACE;
	return LINE_FIELD;
}

size_t report_returned_offset(const char *text)
{
	size_t length = strlen(text);
	size_t at = 0;
	size_t run_begin = 0; /* of field lines without a gap */
	unsigned run_fields = 0;
	bool has_trace = false;

	while (at < length) {
		size_t line_length = strcspn(text + at, "\n");
		enum line_kind kind = kind_of_line(text + at, line_length);

		if (kind == LINE_OTHER) {
			run_fields = 0;
			has_trace = false;
		} else if (kind != LINE_CONTINUATION || run_fields == 0) {
			if (run_fields == 0)
				run_begin = at;
			run_fields += kind != LINE_CONTINUATION;
			has_trace = has_trace || kind == LINE_TRACE;
		}
		if (has_trace && run_fields >= 2)
			return run_begin;
		at += line_length + 1;
	}
	return length;
}

static void read_header_text(const char *text, size_t length, struct header *header)
{
	size_t at = 0;

	while (at < length && scan_is_blank(text[at]))
		at++;
	header_init(header);
	header_parse(header, text + at, length - at);
}

void report_read_header(const struct part *part, struct header *header)
{
	size_t length;
	char *content = part_decode(part, RETURNED_BYTES, &length);

	read_header_text(content, length, header);
	free(content);
}

static void add_ids(struct string_list *ids, const struct header *header, const char *name)
{
	const struct field *field = header_field(header, name, 1);
	struct string_list found = {0};
	size_t first;

	if (field == NULL)
		return;
	msgid_parse(&found, field->value, field->length, REFERENCES_BYTES);
	/* The last ones are the nearest. */
	first = found.count > RETURNED_IDS - ids->count ? found.count - (RETURNED_IDS - ids->count)
	                                                : 0;
	for (size_t i = first; i < found.count; i++)
		string_list_add(ids, found.items[i]);
	string_list_release(&found);
}

static void add_addresses(struct string_list *addresses, const struct header *header,
                          const char *name)
{
	const struct field *field = header_field(header, name, 1);
	struct address_list list;

	if (field == NULL)
		return;
	address_list_parse(&list, field->value, field->length,
	                   RETURNED_ADDRESSES - addresses->count);
	for (size_t i = 0; i < list.count; i++)
		string_list_add(addresses, list.items[i].address);
	address_list_release(&list);
}

/* Take what a returned header says and is not known yet. */
static void take_header(const struct header *header, struct classification *out)
{
	const struct field *msgid = header_field(header, "Message-ID", 1);

	if (out->original_msgid == NULL && msgid != NULL)
		out->original_msgid = msgid_first(msgid->value, msgid->length);
	if (out->returned_ids.count == 0) {
		add_ids(&out->returned_ids, header, "In-Reply-To");
		add_ids(&out->returned_ids, header, "References");
	}
	if (out->returned_addresses.count == 0) {
		add_addresses(&out->returned_addresses, header, "Reply-To");
		add_addresses(&out->returned_addresses, header, "From");
	}
}

/* The id behind the colon of a Message-ID line, which may stand on the next line. */
static char *msgid_behind(const char *value)
{
	size_t length = strcspn(value, "\n");

	if (strspn(value, " \t\r") == length && value[length] != '\0')
		length += 1 + strcspn(value + length + 1, "\n");
	return msgid_first(value, length);
}

/*
 * A Message-ID line anywhere in a text, indented or quoted or not: for returned
 * headers with gaps in them.
 */
static void take_msgid_line(const char *text, struct classification *out)
{
	static const char name[] = "Message-ID";

	while (*text != '\0' && out->original_msgid == NULL) {
		const char *s = text + strspn(text, " \t>*");

		if (strncasecmp(s, name, sizeof name - 1) == 0) {
			s += sizeof name - 1;
			s += strspn(s, " \t*");
			if (*s == ':')
				out->original_msgid = msgid_behind(s + 1);
		}
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
}

/* Look for the returned message in one text. */
static void take_text(const char *text, struct classification *out)
{
	size_t offset = report_returned_offset(text);
	struct header header;

	if (text[offset] != '\0') {
		read_header_text(text + offset, strlen(text + offset), &header);
		take_header(&header, out);
		header_release(&header);
	}
	take_msgid_line(text, out);
}

static void take_parts(const struct part_list *parts, struct classification *out)
{
	for (size_t i = 0; i < parts->count; i++) {
		struct header header;

		if (!report_is_returned_part(&parts->items[i]))
			continue;
		report_read_header(&parts->items[i], &header);
		take_header(&header, out);
		header_release(&header);
	}
}

static void take_texts(const struct part_list *parts, struct classification *out)
{
	for (size_t i = 0; i < parts->count && out->original_msgid == NULL; i++) {
		const struct part *part = &parts->items[i];
		char *text;

		/* A multipart whose boundary is nowhere is read as the text it then is. */
		if (strncmp(part->type, "text/", 5) != 0 && !report_is_returned_part(part) &&
		    parts->count > 1)
			continue;
		text = text_of_part(part, RETURNED_BYTES);
		take_text(text, out);
		free(text);
	}
}

void report_read(const struct message *message, const struct part_list *parts, const char *text,
                 struct classification *out)
{
	report_read_recipients(message, parts, text, out);
	take_parts(parts, out);
	if (out->original_msgid == NULL)
		take_texts(parts, out);
	/* Boundaries that a gateway broke: all of the body is what is left to read. */
	if (out->original_msgid == NULL) {
		char *body = xmemdup0(
			parts->items[0].content,
			strnlen(parts->items[0].content, parts->items[0].length < RETURNED_BYTES
		                                                 ? parts->items[0].length
		                                                 : RETURNED_BYTES));

		take_text(body, out);
		free(body);
	}
}
