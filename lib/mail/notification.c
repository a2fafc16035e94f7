#include "lib/mail/notification.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/report_add.h"
#include "lib/mail/scan.h"

#define STRING_MAX_BYTES 4096        /* of a string that is looked at */
#define INNER_MAX_BYTES  (64 * 1024) /* of JSON within a string */
#define KEY_SIZE         40

/* The recipient whose object is open: its members come in any order. */
struct group {
	char *address;
	char *action;
	char *status;
	char *diagnostic;
};

struct reader {
	struct classification *out; /* or NULL */
	enum notification_kind kind;
	const char *action; /* of a recipient that says none; NULL as long as no kind is known */
	char key[KEY_SIZE];
	char header_name[KEY_SIZE];
	struct group group;
	char *inner; /* the JSON that a string held, or NULL */
};

static unsigned hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c |= 32;
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 0;
}

/* Append the character of `uXXXX`; half of a pair is shown as U+FFFD. Returns the bytes read. */
static size_t append_code(struct buffer *out, const char *s)
{
	unsigned code = 0;
	char utf8[4] = "";

	if (strspn(s + 1, "0123456789abcdefABCDEF") < 4)
		return 1;
	for (int i = 1; i <= 4; i++)
		code = code << 4 | hex_value(s[i]);
	if (code >= 0xd800 && code <= 0xdfff)
		code = 0xfffd;
	if (code == 0)
		code = ' ';
	if (code < 0x80) {
		utf8[0] = (char)code;
	} else if (code < 0x800) {
		utf8[0] = (char)(0xc0 | code >> 6);
		utf8[1] = (char)(0x80 | (code & 0x3f));
	} else {
		utf8[0] = (char)(0xe0 | code >> 12);
		utf8[1] = (char)(0x80 | (code >> 6 & 0x3f));
		utf8[2] = (char)(0x80 | (code & 0x3f));
	}
	buffer_append(out, utf8, strlen(utf8));
	return 5;
}

/* Read the string that begins behind the quote at s. Returns where it ends, behind its quote. */
static const char *read_string(const char *s, struct buffer *out)
{
	static const char from[] = "bfnrt";
	static const char to[] = "  \n \t";

	buffer_clear(out);
	while (*s != '\0' && *s != '"') {
		if (*s == '\\' && s[1] != '\0') {
			const char *escape = strchr(from, *++s);

			if (*s == 'u') {
				s += append_code(out, s);
				continue;
			}
			buffer_append_char(out, escape != NULL ? to[escape - from] : *s);
		} else if (*s != '\n' && *s != '\r') { /* what a line limit on the way put in */
			buffer_append_char(out, *s);
		}
		s++;
	}
	return s + (*s == '"');
}

static void set_kind(struct reader *reader, const char *value)
{
	static const struct {
		const char *value;
		enum notification_kind kind;
		const char *action;
	} kinds[] = {
		{"Bounce", NOTIFICATION_BOUNCE, "failed"},
		{"DeliveryDelay", NOTIFICATION_BOUNCE, "delayed"},
		{"Delivery", NOTIFICATION_BOUNCE, "delivered"},
		{"Reject", NOTIFICATION_BOUNCE, "failed"},
		{"Complaint", NOTIFICATION_COMPLAINT, ""},
	};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcasecmp(value, kinds[i].value) == 0 && reader->kind == NOTIFICATION_NONE) {
			reader->kind = kinds[i].kind;
			reader->action = kinds[i].action;
		}
	}
}

static void set_text(char **place, const char *value)
{
	free(*place);
	*place = xstrdup(value);
}

static void end_object(struct reader *reader)
{
	struct group *group = &reader->group;
	char *address = group->address == NULL ? NULL : address_from_envelope(group->address);
	struct report_recipient *recipient = NULL;

	if (address != NULL && address[0] != '\0' && reader->out != NULL &&
	    report_find_recipient(reader->out, address) == NULL) {
		recipient = report_add_recipient(reader->out, address);
		address = NULL;
	}
	if (recipient != NULL) {
		if (group->action != NULL)
			report_set_action(recipient, group->action);
		if (group->status != NULL)
			report_set_status(recipient, group->status, strlen(group->status));
		if (group->diagnostic != NULL)
			report_set_diagnostic(recipient, group->diagnostic);
	}
	free(address);
	free(group->address);
	free(group->action);
	free(group->status);
	free(group->diagnostic);
	memset(group, 0, sizeof *group);
}

static void take_value(struct reader *reader, const char *value)
{
	const char *key = reader->key;

	if (strcmp(key, "notificationType") == 0 || strcmp(key, "eventType") == 0) {
		set_kind(reader, value);
	} else if (strcmp(key, "emailAddress") == 0) {
		set_text(&reader->group.address, value);
	} else if (strcmp(key, "action") == 0) {
		set_text(&reader->group.action, value);
	} else if (strcmp(key, "status") == 0) {
		set_text(&reader->group.status, value);
	} else if (strcmp(key, "diagnosticCode") == 0) {
		set_text(&reader->group.diagnostic, value);
	} else if (strcmp(key, "name") == 0) {
		size_t length = strlen(value);

		if (length < sizeof reader->header_name)
			memcpy(reader->header_name, value, length + 1);
	} else if (reader->out == NULL) {
		return;
	} else if (strcmp(key, "recipients") == 0) {
		set_text(&reader->group.address, value);
		end_object(reader);
	} else if (strcmp(key, "messageId") == 0) {
		report_take_returned(reader->out, "Message-ID", value, strlen(value));
	} else if (strcmp(key, "value") == 0) {
		report_take_returned(reader->out, reader->header_name, value, strlen(value));
		reader->header_name[0] = '\0';
	} else if (strcmp(key, "complaintFeedbackType") == 0) {
		report_add_field(reader->out, "Feedback-Type", value);
	} else if (strcmp(key, "userAgent") == 0) {
		report_add_field(reader->out, "User-Agent", value);
	} else if (strcmp(key, "arrivalDate") == 0) {
		report_add_field(reader->out, "Arrival-Date", value);
	}
}

/* One pass over JSON; only strings, and the ends of objects, matter. */
static void read_json(struct reader *reader, const char *s)
{
	struct buffer string;

	buffer_init(&string, INNER_MAX_BYTES);
	while (*s != '\0') {
		if (*s == '}')
			end_object(reader);
		if (*s++ != '"')
			continue;
		s = read_string(s, &string);
		while (scan_is_blank(*s))
			s++;
		if (*s == ':') {
			reader->key[0] = '\0';
			if (string.length < sizeof reader->key)
				memcpy(reader->key, string.data, string.length + 1);
		} else if (strcmp(reader->key, "Message") == 0 && string.data[0] == '{') {
			if (reader->inner == NULL)
				reader->inner = xstrdup(string.data);
		} else if (string.length <= STRING_MAX_BYTES) {
			take_value(reader, string.data);
		}
	}
	end_object(reader);
	buffer_release(&string);
}

enum notification_kind notification_read(const char *text, struct classification *out)
{
	struct reader reader = {.out = out};
	char *inner;

	text += strspn(text, " \t\r\n");
	if (*text != '{')
		return NOTIFICATION_NONE;
	read_json(&reader, text);
	inner = reader.inner;
	reader.inner = NULL;
	if (inner != NULL && reader.kind == NOTIFICATION_NONE)
		read_json(&reader, inner);
	free(inner);
	free(reader.inner);
	for (size_t i = 0; out != NULL && i < out->recipient_count; i++) {
		if (out->recipients[i].action[0] == '\0' && reader.action != NULL)
			report_set_action(&out->recipients[i], reader.action);
	}
	return reader.kind;
}
