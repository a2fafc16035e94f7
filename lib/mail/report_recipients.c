#include "lib/mail/report_recipients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/msgid.h"
#include "lib/mail/report.h"
#include "lib/mail/scan.h"
#include "lib/mail/subject.h"
#include "lib/mail/wording.h"

#define STATUS_PART_BYTES    (64 * 1024)
#define DIAGNOSTIC_MAX_BYTES 500
#define WORDS_BYTES          (16 * 1024) /* how far a report's words are read */

static bool has_recipient(const struct classification *out, const char *address)
{
	for (size_t i = 0; i < out->recipient_count; i++) {
		if (address_equal(out->recipients[i].address, address))
			return true;
	}
	return false;
}

/* Add an empty recipient, or NULL if there are enough. Takes ownership of address. */
static struct report_recipient *add_recipient(struct classification *out, char *address)
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

/* Find an enhanced status code (RFC 3463 2) in a text and copy it, or nothing. */
static void find_status(const char *text, size_t length, char *out, size_t out_size)
{
	static const char digits[] = "0123456789";

	for (size_t i = 0; i + 4 < length; i++) {
		size_t subject;
		size_t detail;

		if (strchr("245", text[i]) == NULL || text[i + 1] != '.' ||
		    (i > 0 && (strchr(digits, text[i - 1]) != NULL || text[i - 1] == '.')))
			continue;
		subject = strspn(text + i + 2, digits);
		if (subject == 0 || subject > 3 || text[i + 2 + subject] != '.')
			continue;
		detail = strspn(text + i + 3 + subject, digits);
		if (detail == 0 || detail > 3 || text[i + 3 + subject + detail] == '.')
			continue;
		snprintf(out, out_size, "%.*s", (int)(3 + subject + detail), text + i);
		return;
	}
}

/* What is collected of one recipient of a machine-readable part. */
struct group {
	char *final;
	char *original;
	char action[16];
	char status[12];
	char *diagnostic;
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
	char *address = group->final != NULL ? group->final : group->original;

	if (address != NULL || group->action[0] != '\0')
		recipient = add_recipient(out, xstrdup(address != NULL ? address : ""));
	if (recipient != NULL) {
		memcpy(recipient->status, group->status, sizeof recipient->status);
		snprintf(recipient->action, sizeof recipient->action, "%s",
		         group->action[0] != '\0' ? group->action
		                                  : action_of_status(group->status));
		if (group->diagnostic != NULL) {
			free(recipient->diagnostic);
			recipient->diagnostic = group->diagnostic;
			group->diagnostic = NULL;
		}
	}
	free(group->final);
	free(group->original);
	free(group->diagnostic);
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

static void set_action(struct group *group, const char *value)
{
	static const char *const actions[] = {"failed", "delayed", "delivered", "relayed",
	                                      "expanded"};
	size_t length = strcspn(value, " \t;(");

	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		if (strlen(actions[i]) == length && strncasecmp(value, actions[i], length) == 0)
			snprintf(group->action, sizeof group->action, "%s", actions[i]);
	}
}

static void set_diagnostic(struct group *group, const char *value)
{
	const char *semicolon = strchr(value, ';');
	const char *text = value;

	/* The type before it (`smtp;`) is one word. */
	if (semicolon != NULL && strcspn(value, " \t;") == (size_t)(semicolon - value))
		text = semicolon + 1;
	set_once(&group->diagnostic, subject_decode(text, strlen(text), DIAGNOSTIC_MAX_BYTES));
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
	} else if (strcasecmp(name, "Original-Recipient") == 0 ||
	           strcasecmp(name, "X-Actual-Recipient") == 0) {
		set_once(&group->original, read_typed_address(value));
	} else if (strcasecmp(name, "Original-Rcpt-To") == 0 ||
	           strcasecmp(name, "Removal-Recipient") == 0) {
		finish_group(group, out);
		group->original = read_typed_address(value);
	} else if (strcasecmp(name, "Action") == 0) {
		set_action(group, value);
	} else if (strcasecmp(name, "Status") == 0) {
		find_status(value, strlen(value), group->status, sizeof group->status);
	} else if (strcasecmp(name, "Diagnostic-Code") == 0) {
		set_diagnostic(group, value);
	} else if (strcasecmp(name, "Original-Message-ID") == 0 ||
	           strcasecmp(name, "X-Original-Message-ID") == 0) {
		if (out->original_msgid == NULL)
			out->original_msgid = msgid_first(value, strlen(value));
	}
}

/* Read the fields of a text, groups of them parted by blank lines; other lines are passed over. */
static void read_fields(const char *text, size_t length, struct classification *out)
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

static bool has_fields(const struct part *part)
{
	return report_is_status_part(part) ||
	       strcmp(part->type, "message/disposition-notification") == 0 ||
	       strcmp(part->type, "message/global-disposition-notification") == 0 ||
	       strcmp(part->type, "message/feedback-report") == 0;
}

/* What the words say happened: "delayed", "failed", or "". */
static const char *action_of_words(const struct message *message, const char *words)
{
	const struct field *field = header_field(message->header, "Subject", 1);
	char *subject =
		field == NULL ? xstrdup("") : subject_decode(field->value, field->length, 1000);
	char *folded_subject = wording_fold(subject, 1000);
	char *folded = wording_fold(words, WORDS_BYTES);
	const char *action = "";

	if (wording_is_delayed(folded) || wording_is_delayed(folded_subject))
		action = "delayed";
	else if (wording_is_undelivered(folded) || wording_is_undelivered(folded_subject))
		action = "failed";
	free(folded);
	free(folded_subject);
	free(subject);
	return action;
}

/* Has the text before `at` in its line a word that an undeliverable address follows? */
static bool follows_recipient_word(const char *line, size_t at)
{
	static const char *const words[] = {"to",     "for",     "recipient", "user",
	                                    "userid", "address", "following", "rcpt"};
	size_t end = at;
	size_t begin;

	while (end > 0 && strchr(" \t:<\"'", line[end - 1]) != NULL)
		end--;
	if (end == 0)
		return true;
	begin = end;
	while (begin > 0 && ((line[begin - 1] | 32) >= 'a' && (line[begin - 1] | 32) <= 'z'))
		begin--;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strlen(words[i]) == end - begin &&
		    strncasecmp(line + begin, words[i], end - begin) == 0)
			return true;
	}
	return false;
}

static bool is_address_byte(char c)
{
	return (unsigned char)c > 32 && c != 127 && strchr("<>()[]\",;:'", c) == NULL;
}

/* The address that a line of the report's words is about, a heap string, or NULL. *end_out: behind it. */
static char *address_in_line(const char *line, size_t length, size_t *end_out)
{
	const char *sign = memchr(line, '@', length);
	char *address;
	char *text;
	size_t begin;
	size_t end;

	if (sign == NULL)
		return NULL;
	begin = end = (size_t)(sign - line);
	while (begin > 0 && is_address_byte(line[begin - 1]))
		begin--;
	while (end < length && is_address_byte(line[end]))
		end++;
	/* `kijitora@example.org... No such user` */
	while (end > begin && line[end - 1] == '.')
		end--;
	*end_out = end;
	if (!follows_recipient_word(line, begin) || end - begin > ADDRESS_MAX_BYTES)
		return NULL;
	text = xmemdup0(line + begin, end - begin);
	address = address_from_envelope(text);
	free(text);
	return address;
}

/* Does a line hold the reply code of a server: three digits, the first 4 or 5? */
static bool has_reply_code(const char *line, size_t length)
{
	for (size_t i = 0; i + 3 < length; i++) {
		if ((line[i] == '4' || line[i] == '5') &&
		    (i == 0 || strchr(" '\"(:;", line[i - 1])) &&
		    strspn(line + i, "0123456789") == 3 && strchr(" -", line[i + 3]) != NULL)
			return true;
	}
	return false;
}

/* Add to a recipient what a line says of the reason; a server's own words are the best. */
static void take_reason(struct report_recipient *recipient, const char *line, size_t length)
{
	const char *known = recipient->diagnostic;

	while (length > 0 && (scan_is_blank(*line) || strchr(">:,;.)\"-", *line) != NULL)) {
		line++;
		length--;
	}
	if (length == 0)
		return;
	if (recipient->status[0] == '\0')
		find_status(line, length, recipient->status, sizeof recipient->status);
	if (known[0] == '\0' ||
	    (!has_reply_code(known, strlen(known)) && has_reply_code(line, length))) {
		free(recipient->diagnostic);
		recipient->diagnostic = subject_decode(line, length, DIAGNOSTIC_MAX_BYTES);
	}
}

/* Read recipients and reasons of a report's words, up to the returned message. */
static void read_words(const char *words, const char *action, struct classification *out)
{
	struct report_recipient *recipient = NULL;

	while (*words != '\0') {
		size_t length = strcspn(words, "\n");
		size_t after = 0;
		char *address = address_in_line(words, length, &after);

		if (address != NULL && !has_recipient(out, address)) {
			recipient = add_recipient(out, address);
			if (recipient == NULL)
				return;
			snprintf(recipient->action, sizeof recipient->action, "%s", action);
			take_reason(recipient, words + after, length - after);
		} else {
			free(address);
			if (recipient != NULL)
				take_reason(recipient, words, length);
		}
		words += length + (words[length] == '\n');
	}
}

/* The recipients that the Mail system names in a field of its own (Exim, Google, mail.ru). */
static void read_failed_recipients(const struct message *message, struct classification *out)
{
	const struct field *field = header_field(message->header, "X-Failed-Recipients", 1);
	struct address_list list;

	if (field == NULL)
		return;
	address_list_parse(&list, field->value, field->length, REPORT_RECIPIENTS_MAX);
	for (size_t i = 0; i < list.count; i++) {
		struct report_recipient *recipient =
			add_recipient(out, xstrdup(list.items[i].address));

		if (recipient != NULL)
			snprintf(recipient->action, sizeof recipient->action, "failed");
	}
	address_list_release(&list);
}

/* Give recipients of X-Failed-Recipients the reasons that the words have. */
static void merge_reasons(struct classification *named, struct classification *worded)
{
	for (size_t i = 0; i < named->recipient_count; i++) {
		struct report_recipient *to = &named->recipients[i];

		for (size_t j = 0; j < worded->recipient_count; j++) {
			struct report_recipient *from = &worded->recipients[j];

			if (!address_equal(to->address, from->address))
				continue;
			memcpy(to->status, from->status, sizeof to->status);
			free(to->diagnostic);
			to->diagnostic = from->diagnostic;
			from->diagnostic = NULL;
			break;
		}
	}
}

void report_read_recipients(const struct message *message, const struct part_list *parts,
                            const char *text, struct classification *out)
{
	struct classification worded = {0};
	size_t words_length;
	char *words;

	for (size_t i = 0; i < parts->count; i++) {
		const struct part *part = &parts->items[i];
		size_t length;
		char *content;

		if (!has_fields(part))
			continue;
		content = part_decode(part, STATUS_PART_BYTES, &length);
		read_fields(content, length, out);
		free(content);
	}
	if (out->recipient_count > 0 || out->class != CLASS_BOUNCE)
		return;

	words_length = report_returned_offset(text);
	words = xmemdup0(text, words_length < WORDS_BYTES ? words_length : WORDS_BYTES);
	read_fields(words, strlen(words), out);
	if (out->recipient_count == 0) {
		read_words(words, action_of_words(message, words), &worded);
		read_failed_recipients(message, out);
		if (out->recipient_count > 0) {
			merge_reasons(out, &worded);
		} else {
			out->recipients = worded.recipients;
			out->recipient_count = worded.recipient_count;
			memset(&worded, 0, sizeof worded);
		}
	}
	free(words);
	classification_release(&worded);
}
