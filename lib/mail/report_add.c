#include "lib/mail/report_add.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/msgid.h"
#include "lib/mail/subject.h"

#define RETURNED_IDS       50
#define RETURNED_ADDRESSES 20
#define REFERENCES_IDS     2000 /* of one References field */

struct report_recipient *report_find_recipient(struct classification *out, const char *address)
{
	for (size_t i = 0; i < out->recipient_count; i++) {
		if (address_equal(out->recipients[i].address, address))
			return &out->recipients[i];
	}
	return NULL;
}

struct report_recipient *report_add_recipient(struct classification *out, char *address)
{
	struct report_recipient *recipient;

	if (out->recipient_count == REPORT_RECIPIENTS_MAX) {
		free(address);
		return NULL;
	}
	if (out->recipients == NULL)
		out->recipients =
			xreallocarray(NULL, REPORT_RECIPIENTS_MAX, sizeof *out->recipients);
	recipient = &out->recipients[out->recipient_count++];
	memset(recipient, 0, sizeof *recipient);
	recipient->address = address;
	recipient->diagnostic = xstrdup("");
	return recipient;
}

void report_set_action(struct report_recipient *recipient, const char *value)
{
	static const char *const actions[] = {"failed", "delayed", "delivered", "relayed",
	                                      "expanded"};
	size_t length;

	value += strspn(value, " \t\"");
	length = strcspn(value, " \t;(\",");
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		if (strlen(actions[i]) == length && strncasecmp(value, actions[i], length) == 0)
			snprintf(recipient->action, sizeof recipient->action, "%s", actions[i]);
	}
	/* What some systems write for them. */
	if (length >= 4 && strncasecmp(value, "failure", length) == 0)
		snprintf(recipient->action, sizeof recipient->action, "failed");
	else if (length == 8 && strncasecmp(value, "deferred", length) == 0)
		snprintf(recipient->action, sizeof recipient->action, "delayed");
}

/* The length of the status at the beginning of a text, 0 if there is none. */
static size_t status_length(const char *text, size_t length)
{
	static const char digits[] = "0123456789";
	char part[16];
	size_t subject;
	size_t detail;

	/* A copy, since the text may have no end behind its length. */
	snprintf(part, sizeof part, "%.*s", (int)(length < 15 ? length : 15), text);
	if (part[0] == '\0' || strchr("245", part[0]) == NULL || part[1] != '.')
		return 0;
	subject = strspn(part + 2, digits);
	if (subject == 0 || subject > 3 || part[2 + subject] != '.')
		return 0;
	detail = strspn(part + 3 + subject, digits);
	/* An address or a date goes on: "5.1.1.8", "4.5.2026". */
	if (detail == 0 || detail > 3 ||
	    (part[3 + subject + detail] == '.' &&
	     strchr(digits, part[4 + subject + detail]) != NULL &&
	     part[4 + subject + detail] != '\0'))
		return 0;
	return 3 + subject + detail;
}

void report_set_status(struct report_recipient *recipient, const char *text, size_t length)
{
	for (size_t i = 0; i + 4 < length; i++) {
		size_t found;

		if (i > 0 && ((text[i - 1] >= '0' && text[i - 1] <= '9') || text[i - 1] == '.'))
			continue;
		found = status_length(text + i, length - i);
		if (found == 0)
			continue;
		snprintf(recipient->status, sizeof recipient->status, "%.*s", (int)found, text + i);
		return;
	}
}

void report_set_diagnostic(struct report_recipient *recipient, const char *value)
{
	const char *semicolon = strchr(value, ';');
	const char *text = value;

	if (semicolon != NULL && strcspn(value, " \t;") == (size_t)(semicolon - value))
		text = semicolon + 1;
	free(recipient->diagnostic);
	recipient->diagnostic = subject_decode(text, strlen(text), DIAGNOSTIC_MAX_BYTES);
}

void report_add_field(struct classification *out, const char *name, const char *value)
{
	for (size_t i = 0; i < out->field_count; i++) {
		if (strcmp(out->fields[i].name, name) == 0)
			return;
	}
	if (out->field_count == REPORT_FIELDS_MAX)
		return;
	out->fields[out->field_count++] = (struct report_field){
		.name = name, .value = subject_decode(value, strlen(value), DIAGNOSTIC_MAX_BYTES)};
}

static void take_ids(struct string_list *ids, const char *value, size_t length)
{
	struct string_list found = {0};
	size_t room = RETURNED_IDS - ids->count;

	msgid_parse(&found, value, length, REFERENCES_IDS);
	/* The last ones are the nearest. */
	for (size_t i = found.count > room ? found.count - room : 0; i < found.count; i++)
		string_list_add(ids, found.items[i]);
	string_list_release(&found);
}

static void take_addresses(struct string_list *addresses, const char *value, size_t length)
{
	struct address_list list;

	address_list_parse(&list, value, length, RETURNED_ADDRESSES - addresses->count);
	for (size_t i = 0; i < list.count; i++)
		string_list_add(addresses, list.items[i].address);
	address_list_release(&list);
}

void report_take_returned(struct classification *out, const char *name, const char *value,
                          size_t length)
{
	if (strcasecmp(name, "Message-ID") == 0) {
		if (out->original_msgid == NULL)
			out->original_msgid = msgid_first(value, length);
	} else if (strcasecmp(name, "In-Reply-To") == 0 || strcasecmp(name, "References") == 0) {
		take_ids(&out->returned_ids, value, length);
	} else if (strcasecmp(name, "Reply-To") == 0 || strcasecmp(name, "From") == 0) {
		take_addresses(&out->returned_addresses, value, length);
	}
}
