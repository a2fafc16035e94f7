#include "lib/mail/report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/msgid.h"
#include "lib/mail/notification.h"
#include "lib/mail/report_add.h"
#include "lib/mail/report_recipients.h"
#include "lib/mail/scan.h"
#include "lib/mail/text.h"

#define RETURNED_BYTES   (128 * 1024) /* how far a returned message is read */
#define RETURNED_WORDS   20           /* addresses that are taken from plain words */
#define TOKEN_BYTES      34           /* as long as a token of ours is */
#define LOCAL_PART_BYTES 64           /* RFC 5321 4.5.3.1.1 */

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

/* What the walk over a report collects besides the classification. */
struct returned {
	struct classification *out;
	char *recipient; /* the only one of the returned message, or NULL */
};

/* Whom a returned message went to, if that is one; a provider's own field is the best. */
static void take_recipient(struct returned *returned, const struct header *header)
{
	const struct field *field = header_field(header, "X-HmXmrOriginalRecipient", 1);
	struct address_list list;

	if (field == NULL && header_count(header, "Cc") == 0 && header_count(header, "To") == 1)
		field = header_field(header, "To", 1);
	if (field == NULL || returned->recipient != NULL)
		return;
	address_list_parse(&list, field->value, field->length, 2);
	if (list.count == 1)
		returned->recipient = xstrdup(list.items[0].address);
	address_list_release(&list);
}

/* Take what a returned header says and is not known yet. */
static void take_header(struct returned *returned, const struct header *header)
{
	static const char *const names[] = {"Message-ID", "In-Reply-To", "References", "Reply-To",
	                                    "From"};
	struct classification *out = returned->out;
	bool has_ids = out->returned_ids.count > 0;
	bool has_addresses = out->returned_addresses.count > 0;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const struct field *field = header_field(header, names[i], 1);
		bool is_known = i == 0 ? false : i < 3 ? has_ids : has_addresses;

		if (field != NULL && !is_known)
			report_take_returned(out, names[i], field->value, field->length);
	}
	take_recipient(returned, header);
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
static void take_text(struct returned *returned, const char *text)
{
	size_t offset = report_returned_offset(text);
	struct header header;

	if (text[offset] != '\0') {
		read_header_text(text + offset, strlen(text + offset), &header);
		take_header(returned, &header);
		header_release(&header);
	}
	take_msgid_line(text, returned->out);
}

static void take_parts(struct returned *returned, const struct part_list *parts)
{
	for (size_t i = 0; i < parts->count; i++) {
		struct header header;

		if (!report_is_returned_part(&parts->items[i]))
			continue;
		report_read_header(&parts->items[i], &header);
		take_header(returned, &header);
		header_release(&header);
	}
}

static void take_texts(struct returned *returned, const struct part_list *parts)
{
	for (size_t i = 0; i < parts->count && returned->out->original_msgid == NULL; i++) {
		const struct part *part = &parts->items[i];
		char *text;

		/* A multipart whose boundary is nowhere is read as the text it then is. */
		if (strncmp(part->type, "text/", 5) != 0 && !report_is_returned_part(part) &&
		    parts->count > 1)
			continue;
		text = text_of_part(part, RETURNED_BYTES);
		take_text(returned, text);
		free(text);
	}
}

static bool is_token_byte(char c)
{
	return ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '2' && c <= '7');
}

static bool is_domain_byte(char c)
{
	return ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.';
}

/*
 * Of a text that holds no header, take what could be an address or an id of ours:
 * a local part that ends like one of our tokens.  Whether it is one is for others
 * to verify.
 */
static void take_token_words(const char *text, struct classification *out)
{
	size_t length = strlen(text);

	for (size_t at = 0; at < length; at++) {
		size_t run = 0;
		size_t begin;
		size_t end = at + 1;
		char *address;

		if (text[at] != '@' || out->returned_addresses.count == RETURNED_WORDS)
			continue;
		while (run < at && run <= TOKEN_BYTES && is_token_byte(text[at - run - 1]))
			run++;
		if (run < TOKEN_BYTES)
			continue;
		begin = at - TOKEN_BYTES;
		while (begin > 0 && at - begin < LOCAL_PART_BYTES &&
		       (is_domain_byte(text[begin - 1]) || strchr("+_", text[begin - 1]) != NULL))
			begin--;
		while (end < length && is_domain_byte(text[end]))
			end++;
		address = xmemdup0(text + begin, end - begin);
		string_list_add(&out->returned_addresses, address);
		if (at - begin == TOKEN_BYTES)
			string_list_take(&out->returned_ids, xasprintf("<%s>", address));
		free(address);
	}
}

void report_read(const struct message *message, const struct part_list *parts, const char *text,
                 struct classification *out)
{
	const struct part *whole = &parts->items[0];
	struct returned returned = {.out = out};

	if (notification_read(text, out) == NOTIFICATION_NONE)
		report_read_recipients(message, parts, text, out);
	take_parts(&returned, parts);
	if (out->original_msgid == NULL)
		take_texts(&returned, parts);
	/* Boundaries that a gateway broke: all of the body is what is left to read. */
	if (out->original_msgid == NULL) {
		size_t length = whole->length < RETURNED_BYTES ? whole->length : RETURNED_BYTES;
		char *body = xmemdup0(whole->content, strnlen(whole->content, length));

		take_text(&returned, body);
		free(body);
	}
	if (out->returned_ids.count == 0 && out->returned_addresses.count == 0)
		take_token_words(text, out);
	if (out->recipient_count == 0 && returned.recipient != NULL && out->class != CLASS_RECEIPT)
		report_add_returned_recipient(message, text, returned.recipient, out);
	if (out->class == CLASS_BOUNCE)
		report_finish_recipients(text, out);
	free(returned.recipient);
}
