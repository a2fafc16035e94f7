#include "lib/mail/report_recipients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/report.h"
#include "lib/mail/report_add.h"
#include "lib/mail/report_fields.h"
#include "lib/mail/report_words.h"
#include "lib/mail/subject.h"
#include "lib/mail/undelivered.h"
#include "lib/mail/wording.h"

#define STATUS_PART_BYTES (64 * 1024)
#define WORDS_BYTES       (16 * 1024) /* how far a report's words are read */

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

	if (undelivered_is_delayed(folded) || undelivered_is_delayed(folded_subject))
		action = "delayed";
	else if (undelivered_is_text(folded) || undelivered_is_text(folded_subject))
		action = "failed";
	free(folded);
	free(folded_subject);
	free(subject);
	return action;
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
			report_add_recipient(out, xstrdup(list.items[i].address));

		if (recipient != NULL)
			snprintf(recipient->action, sizeof recipient->action, "failed");
	}
	address_list_release(&list);
}

/* Move what one recipient says to another that says less. */
static void move_reasons(struct report_recipient *to, struct report_recipient *from)
{
	if (to->status[0] == '\0')
		memcpy(to->status, from->status, sizeof to->status);
	if (to->diagnostic[0] == '\0') {
		char *empty = to->diagnostic;

		to->diagnostic = from->diagnostic;
		from->diagnostic = empty;
	}
}

/* Give the recipients that are known the reasons, or the address, that the words have. */
static void merge_words(struct classification *known, struct classification *worded)
{
	for (size_t i = 0; i < known->recipient_count; i++) {
		struct report_recipient *to = &known->recipients[i];
		struct report_recipient *from;

		/* `Final-Recipient: rfc822; @example.org` */
		if (to->address[0] == '\0' && known->recipient_count == worded->recipient_count) {
			free(to->address);
			to->address = xstrdup(worded->recipients[i].address);
		}
		from = report_find_recipient(worded, to->address);
		if (from == NULL)
			from = report_find_recipient(worded, to->original);
		if (from != NULL)
			move_reasons(to, from);
	}
}

static bool has_gap(const struct classification *found)
{
	for (size_t i = 0; i < found->recipient_count; i++) {
		const struct report_recipient *recipient = &found->recipients[i];

		if (recipient->address[0] == '\0' || recipient->diagnostic[0] == '\0')
			return true;
	}
	return found->recipient_count == 0;
}

/*
 * What a report that names no status means: its class by the server's reply code or
 * the action, the rest by the words (RFC 3463 3.1: X.0.0 where only the class is
 * known).
 */
static void derive_status(struct report_recipient *recipient, const char *folded_words)
{
	char class = report_reply_class(recipient->diagnostic, strlen(recipient->diagnostic));
	char *folded = wording_fold(recipient->diagnostic, DIAGNOSTIC_MAX_BYTES);
	const char *detail = wording_status_detail(folded);

	free(folded);
	if (strcmp(recipient->action, "delayed") == 0)
		class = '4';
	else if (class == 0 && strcmp(recipient->action, "failed") == 0)
		class = '5';
	if (class == 0 && recipient->action[0] != '\0')
		class = '2';
	if (class == 0)
		return;
	if (class == '2')
		detail = NULL;
	else if (detail == NULL && folded_words != NULL)
		detail = wording_status_detail(folded_words);
	snprintf(recipient->status, sizeof recipient->status, "%c.%s", class,
	         detail != NULL ? detail : "0.0");
	if (recipient->action[0] == '\0')
		report_set_action(recipient, class == '5' ? "failed" : "delayed");
}

void report_finish_recipients(const char *text, struct classification *out)
{
	size_t length = report_returned_offset(text);
	char *words = xmemdup0(text, length < WORDS_BYTES ? length : WORDS_BYTES);
	char *folded = wording_fold(words, WORDS_BYTES);

	for (size_t i = 0; i < out->recipient_count; i++) {
		struct report_recipient *recipient = &out->recipients[i];

		/* The words of several recipients do not say whose they are. */
		if (recipient->status[0] == '\0')
			derive_status(recipient, out->recipient_count == 1 ? folded : NULL);
	}
	free(folded);
	free(words);
}

/* Read what the report says in words, and put it where nothing better is known. */
static void read_words(const struct message *message, const char *text, struct classification *out)
{
	struct classification worded = {0};
	size_t length = report_returned_offset(text);
	char *words = xmemdup0(text, length < WORDS_BYTES ? length : WORDS_BYTES);

	if (out->recipient_count == 0)
		report_read_fields(words, strlen(words), out);
	if (has_gap(out)) {
		report_read_words(words, action_of_words(message, words), &worded);
		if (out->recipient_count == 0)
			read_failed_recipients(message, out);
		if (out->recipient_count > 0) {
			merge_words(out, &worded);
		} else {
			out->recipients = worded.recipients;
			out->recipient_count = worded.recipient_count;
			worded.recipients = NULL;
			worded.recipient_count = 0;
		}
	}
	free(words);
	classification_release(&worded);
}

void report_read_recipients(const struct message *message, const struct part_list *parts,
                            const char *text, struct classification *out)
{
	for (size_t i = 0; i < parts->count; i++) {
		const struct part *part = &parts->items[i];
		size_t length;
		char *content;

		if (!has_fields(part))
			continue;
		content = part_decode(part, STATUS_PART_BYTES, &length);
		report_read_fields(content, length, out);
		free(content);
	}
	if (out->class == CLASS_BOUNCE)
		read_words(message, text, out);
}

void report_add_returned_recipient(const struct message *message, const char *text,
                                   const char *address, struct classification *out)
{
	struct report_recipient *recipient = report_add_recipient(out, xstrdup(address));

	if (recipient != NULL && out->class == CLASS_BOUNCE) {
		size_t length = report_returned_offset(text);
		char *words = xmemdup0(text, length < WORDS_BYTES ? length : WORDS_BYTES);

		report_set_action(recipient, action_of_words(message, words));
		free(words);
	}
}
