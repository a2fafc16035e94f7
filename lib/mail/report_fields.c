#include "lib/mail/report_fields.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/header.h"
#include "lib/mail/report_add.h"

/* What is collected of one recipient of a machine-readable part. */
struct group {
	char *final;
	char *original;
	char *actual;                  /* what some write besides: where it went in the end */
	struct report_recipient facts; /* all but the address */
};

/* The action that a report without one means, by its status. */
static const char *action_of_status(const char *status)
{
	switch (status[0]) {
	case '2':
		return "delivered";
	case '4':
		return "delayed";
	case '5':
		return "failed";
	default:
		return "";
	}
}

static void finish_group(struct group *group, struct classification *out)
{
	struct report_recipient *recipient = NULL;
	char *address = group->final != NULL      ? group->final
	                : group->original != NULL ? group->original
	                                          : group->actual;

	if (address != NULL || group->facts.action[0] != '\0')
		recipient = report_add_recipient(out, xstrdup(address != NULL ? address : ""));
	if (recipient != NULL) {
		memcpy(recipient->action, group->facts.action, sizeof recipient->action);
		memcpy(recipient->status, group->facts.status, sizeof recipient->status);
		if (recipient->action[0] == '\0')
			report_set_action(recipient, action_of_status(recipient->status));
		if (group->facts.diagnostic != NULL) {
			free(recipient->diagnostic);
			recipient->diagnostic = group->facts.diagnostic;
			group->facts.diagnostic = NULL;
		}
		if (group->original != NULL && !address_equal(group->original, address)) {
			recipient->original = group->original;
			group->original = NULL;
		}
	}
	free(group->final);
	free(group->original);
	free(group->actual);
	free(group->facts.diagnostic);
	memset(group, 0, sizeof *group);
}

/* The address in `rfc822; jane@example.com`, or NULL. */
static char *read_typed_address(const char *value)
{
	const char *semicolon = strchr(value, ';');
	struct address_list list;
	char *address = NULL;

	if (semicolon != NULL && memchr(value, '@', (size_t)(semicolon - value)) == NULL)
		value = semicolon + 1;
	address_list_parse(&list, value, strlen(value), 1);
	if (list.count > 0) {
		address = list.items[0].address;
		list.items[0].address = NULL;
	}
	address_list_release(&list);
	return address;
}

static void set_once(char **place, char *text)
{
	if (*place == NULL)
		*place = text;
	else
		free(text);
}

/* Keep a field that is not about one recipient. */
static void take_further(struct classification *out, const char *name, const char *value)
{
	static const char *const names[] = {
		"Feedback-Type",       "User-Agent",    "Original-Mail-From",
		"Arrival-Date",        "Received-Date", "Source-IP",
		"Reported-Domain",     "Reported-URI",  "Authentication-Results",
		"Incidents",           "Auth-Failure",  "Disposition",
		"Reporting-UA",        "Failure",       "Error",
		"Original-Envelope-Id"};

	if (out->class != CLASS_COMPLAINT && out->class != CLASS_RECEIPT)
		return;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcasecmp(name, names[i]) == 0)
			report_add_field(out, names[i], value);
	}
}

/* Take one field. value: unfolded. */
static void take_field(struct group *group, struct classification *out, const char *name,
                       const char *value)
{
	if (strcasecmp(name, "Final-Recipient") == 0) {
		/* A second one without the blank line that should part them. */
		if (group->final != NULL)
			finish_group(group, out);
		set_once(&group->final, read_typed_address(value));
	} else if (strcasecmp(name, "Original-Recipient") == 0) {
		set_once(&group->original, read_typed_address(value));
	} else if (strcasecmp(name, "X-Actual-Recipient") == 0) {
		set_once(&group->actual, read_typed_address(value));
	} else if (strcasecmp(name, "Original-Rcpt-To") == 0 ||
	           strcasecmp(name, "Removal-Recipient") == 0) {
		finish_group(group, out);
		group->original = read_typed_address(value);
	} else if (strcasecmp(name, "Action") == 0) {
		report_set_action(&group->facts, value);
	} else if (strcasecmp(name, "Status") == 0) {
		report_set_status(&group->facts, value, strlen(value));
	} else if (strcasecmp(name, "Diagnostic-Code") == 0) {
		if (group->facts.diagnostic == NULL)
			report_set_diagnostic(&group->facts, value);
	} else if (strcasecmp(name, "Original-Message-ID") == 0 ||
	           strcasecmp(name, "X-Original-Message-ID") == 0) {
		report_take_returned(out, "Message-ID", value, strlen(value));
	} else {
		take_further(out, name, value);
	}
}

void report_read_fields(const char *text, size_t length, struct classification *out)
{
	struct group group = {0};
	size_t at = 0;

	while (at < length) {
		size_t begin = at;
		size_t end;
		size_t name_length;
		char name[32];

		do {
			const char *newline = memchr(text + at, '\n', length - at);

			end = newline == NULL ? length : (size_t)(newline - text);
			at = end + 1;
		} while (at < length && (text[at] == ' ' || text[at] == '\t'));
		name_length = strcspn(text + begin, ": \t\r\n");
		if (name_length == 0) {
			finish_group(&group, out);
		} else if (name_length < sizeof name && text[begin + name_length] == ':') {
			size_t value_at = begin + name_length + 1;
			char *value = header_unfold(text + value_at, end - value_at);

			memcpy(name, text + begin, name_length);
			name[name_length] = '\0';
			take_field(&group, out, name, value);
			free(value);
		}
	}
	finish_group(&group, out);
}
