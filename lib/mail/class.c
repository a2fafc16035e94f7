#include "lib/mail/class.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/mail/report.h"
#include "lib/mail/subject.h"
#include "lib/mail/text.h"
#include "lib/mail/wording.h"

#define TEXT_BYTES    (64 * 1024)
#define WORDS_BYTES   (16 * 1024)
#define SUBJECT_BYTES 1000

static const char *const class_names[] = {
	[CLASS_HUMAN] = "human",         [CLASS_AUTO_REPLY] = "auto-reply",
	[CLASS_BOUNCE] = "bounce",       [CLASS_RECEIPT] = "receipt",
	[CLASS_COMPLAINT] = "complaint", [CLASS_LIST] = "list",
	[CLASS_SPAM] = "spam",           [CLASS_NOTIFICATION] = "notification",
};

const char *class_name(enum message_class class)
{
	return class_names[class];
}

int class_from_name(const char *name, enum message_class *out)
{
	for (size_t i = 0; i < sizeof class_names / sizeof class_names[0]; i++) {
		if (strcmp(class_names[i], name) == 0) {
			*out = (enum message_class)i;
			return 1;
		}
	}
	return 0;
}

bool class_is_human(enum message_class class)
{
	return class == CLASS_HUMAN;
}

/* What the rules look at, prepared once. */
struct look {
	const struct header *header;
	struct part_list parts;
	char *text;         /* of the first text part; "" if there is none */
	char *words;        /* folded: the text before the returned message */
	char *subject;      /* folded */
	bool has_returned;  /* a returned message, as a part or in the text */
	bool is_null;       /* the null sender */
	bool is_daemon;     /* From is mailer-daemon */
	bool is_postmaster; /* or postmaster, or nobody */
	bool is_personal;   /* somebody answers or forwards: "Re:", "Fwd:" */
};

static bool has_word(const char *value, const char *word)
{
	return value != NULL && strcasestr(value, word) != NULL;
}

static void look_at_sender(struct look *look, const struct envelope_facts *envelope)
{
	const struct field *from = header_field(look->header, "From", 1);
	const struct field *return_path = header_field(look->header, "Return-Path", 1);
	struct address_list list = {0};

	look->is_null = envelope->is_null_sender;
	if (return_path != NULL) {
		char *address = address_from_envelope(return_path->value);

		look->is_null = look->is_null || (address != NULL && address[0] == '\0');
		look->is_daemon = strncasecmp(return_path->value, "<mailer-daemon", 14) == 0;
		free(address);
	}
	if (from == NULL)
		return;
	address_list_parse(&list, from->value, from->length, 1);
	if (list.count > 0) {
		const struct address *address = &list.items[0];

		look->is_daemon = look->is_daemon ||
		                  strncasecmp(address->address, "mailer-daemon", 13) == 0 ||
		                  has_word(address->phrase, "mail delivery s") ||
		                  has_word(address->phrase, "mailer-daemon") ||
		                  has_word(address->phrase, "mailer daemon");
		look->is_postmaster = strncasecmp(address->address, "postmaster@", 11) == 0;
	} else {
		look->is_daemon = look->is_daemon || has_word(from->value, "mailer-daemon");
		look->is_postmaster = has_word(from->value, "postmaster") ||
		                      strspn(from->value, "<> \t\r\n") == from->length;
	}
	address_list_release(&list);
}

static void look_at_text(struct look *look)
{
	const struct part *part = text_first_part(&look->parts);
	size_t returned_at;
	char *words;

	/* A multipart whose boundary is nowhere is read as the text it then is. */
	if (part == NULL && look->parts.count == 1)
		part = &look->parts.items[0];
	look->text = part == NULL ? xstrdup("") : text_of_part(part, TEXT_BYTES);
	returned_at = report_returned_offset(look->text);
	look->has_returned = look->text[returned_at] != '\0';
	for (size_t i = 0; i < look->parts.count; i++)
		look->has_returned =
			look->has_returned || report_is_returned_part(&look->parts.items[i]);
	words = xmemdup0(look->text, returned_at < WORDS_BYTES ? returned_at : WORDS_BYTES);
	look->words = wording_fold(words, WORDS_BYTES);
	free(words);
}

static void look_init(struct look *look, const struct message *message,
                      const struct envelope_facts *envelope)
{
	const struct field *field = header_field(message->header, "Subject", 1);
	char *subject = field == NULL ? xstrdup("")
	                              : subject_decode(field->value, field->length, SUBJECT_BYTES);

	memset(look, 0, sizeof *look);
	look->header = message->header;
	message_parts(message, &look->parts);
	look->subject = wording_fold(subject, SUBJECT_BYTES);
	look_at_sender(look, envelope);
	look_at_text(look);
	look->is_personal = subject_strip(subject) != subject && !look->is_null && !look->is_daemon;
	free(subject);
}

static void look_release(struct look *look)
{
	part_list_release(&look->parts);
	free(look->text);
	free(look->words);
	free(look->subject);
}

static bool has_part(const struct look *look, const char *type)
{
	for (size_t i = 0; i < look->parts.count; i++) {
		if (strcmp(look->parts.items[i].type, type) == 0)
			return true;
	}
	return false;
}

/* A multipart/report of one type; one whose type is missing goes by its part. */
static bool is_report(const struct look *look, const char *report_type, const char *part_type)
{
	const struct part *top = &look->parts.items[0];

	if (strcmp(top->type, "multipart/report") != 0)
		return false;
	if (top->report_type[0] != '\0')
		return strcmp(top->report_type, report_type) == 0;
	return has_part(look, part_type);
}

static bool is_delivery_report(const struct look *look)
{
	return is_report(look, "delivery-status", "message/delivery-status");
}

static bool is_receipt(const struct look *look)
{
	return is_report(look, "disposition-notification", "message/disposition-notification");
}

static bool is_feedback_report(const struct look *look)
{
	return is_report(look, "feedback-report", "message/feedback-report");
}

/* A complaint without the proper type; Hotmail's has only a field in what it returns. */
static bool has_feedback_part(const struct look *look)
{
	if (look->is_personal)
		return false;
	for (size_t i = 0; i < look->parts.count; i++) {
		const struct part *part = &look->parts.items[i];
		struct header header;
		bool is_hit;

		if (strcmp(part->type, "message/feedback-report") == 0)
			return true;
		if (strcmp(part->type, "message/rfc822") != 0 || part->depth == 0)
			continue;
		report_read_header(part, &header);
		is_hit = header_count(&header, "X-HmXmrOriginalRecipient") > 0;
		header_release(&header);
		if (is_hit)
			return true;
	}
	return false;
}

static bool has_status_part(const struct look *look)
{
	if (look->is_personal)
		return false;
	for (size_t i = 0; i < look->parts.count; i++) {
		if (report_is_status_part(&look->parts.items[i]))
			return true;
	}
	return false;
}

static bool has_receipt_part(const struct look *look)
{
	return !look->is_personal && has_part(look, "message/disposition-notification");
}

static bool has_failed_recipients(const struct look *look)
{
	return header_count(look->header, "X-Failed-Recipients") > 0;
}

static bool is_undelivered_text(const struct look *look)
{
	if (look->is_personal || !(look->is_null || look->is_daemon || look->is_postmaster))
		return false;
	return look->has_returned || wording_is_bounce_subject(look->subject) ||
	       wording_is_undelivered(look->words);
}

/* Whoever it comes from: the subject of a bounce above a returned message. */
static bool is_bounce_subject(const struct look *look)
{
	return look->has_returned && wording_is_bounce_subject(look->subject);
}

static bool is_auto_submitted(const struct look *look)
{
	const char *value = header_get(look->header, "Auto-Submitted");
	size_t length;

	if (value == NULL)
		return false;
	value += strspn(value, " \t\r\n");
	length = strcspn(value, "; \t\r\n(");
	return length > 0 && !(length == 2 && strncasecmp(value, "no", 2) == 0);
}

static bool has_null_sender(const struct look *look)
{
	return look->is_null;
}

static bool has_autoreply_field(const struct look *look)
{
	static const struct {
		const char *name;
		const char *begin; /* of the value, or NULL: any value but "no" */
	} fields[] = {
		{"X-Autoreply", NULL},
		{"X-Auto-Reply", NULL},
		{"X-Autorespond", NULL},
		{"X-Autoresponder", NULL},
		{"X-Mail-Autoreply", NULL},
		{"X-Vacation", NULL},
		{"X-FC-MachineGenerated", NULL},
		{"X-AutoReply-From", NULL},
		{"X-Autogenerated", "reply"},
		{"X-Apple-Action", "vacation"},
		{"X-POST-MessageClass", "9; autoresponder"},
		{"Delivered-To", "autoresponder"},
		{"Precedence", "auto_reply"},
		{"Precedence", "auto-reply"},
	};

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		const char *value = header_get(look->header, fields[i].name);

		if (value == NULL)
			continue;
		if (fields[i].begin == NULL
		            ? (strcasecmp(value, "no") != 0 && strcasecmp(value, "false") != 0)
		            : strncasecmp(value, fields[i].begin, strlen(fields[i].begin)) == 0)
			return true;
	}
	return false;
}

/* Does a client that answers by itself show in the header? */
static bool has_responder_mark(const struct look *look)
{
	const char *mailer = header_get(look->header, "X-Mailer");

	return has_word(mailer, "lotus") || has_word(mailer, "domino") ||
	       has_word(mailer, "notes") || has_word(mailer, "vacation") ||
	       has_word(mailer, "responder") || header_count(look->header, "X-MIMETrack") > 0 ||
	       has_word(header_get(look->header, "X-MS-Exchange-Generated-Message-Source"),
	                "mailbox rules agent");
}

static bool is_absence_subject(const struct look *look)
{
	if (wording_is_absence_subject(look->subject))
		return true;
	return !look->is_personal && wording_may_be_absence_subject(look->subject) &&
	       has_responder_mark(look);
}

static bool is_list(const struct look *look)
{
	static const char *const precedences[] = {"list", "bulk", "junk"};
	const char *precedence = header_get(look->header, "Precedence");

	if (header_count(look->header, "List-Id") > 0 ||
	    header_count(look->header, "List-Post") > 0 ||
	    header_count(look->header, "Feedback-ID") > 0)
		return true;
	for (size_t i = 0; precedence != NULL && i < 3; i++) {
		if (strcasecmp(precedence, precedences[i]) == 0)
			return true;
	}
	return false;
}

static bool has_spam_flag(const struct look *look)
{
	const char *value = header_get(look->header, "X-Spam-Flag");

	return value != NULL && strncasecmp(value, "yes", 3) == 0;
}

/* The order decides; that of bounces before Auto-Submitted matters, since many bounces carry it. */
static const struct rule {
	const char *name;
	enum message_class class;
	bool (*matches)(const struct look *look);
} rules[] = {
	{"report", CLASS_BOUNCE, is_delivery_report},
	{"report", CLASS_RECEIPT, is_receipt},
	{"report", CLASS_COMPLAINT, is_feedback_report},
	{"feedback-part", CLASS_COMPLAINT, has_feedback_part},
	{"delivery-status-part", CLASS_BOUNCE, has_status_part},
	{"disposition-part", CLASS_RECEIPT, has_receipt_part},
	{"failed-recipients", CLASS_BOUNCE, has_failed_recipients},
	{"undelivered-text", CLASS_BOUNCE, is_undelivered_text},
	{"undelivered-subject", CLASS_BOUNCE, is_bounce_subject},
	{"auto-submitted", CLASS_AUTO_REPLY, is_auto_submitted},
	{"null-sender", CLASS_AUTO_REPLY, has_null_sender},
	{"autoreply-field", CLASS_AUTO_REPLY, has_autoreply_field},
	{"out-of-office-subject", CLASS_AUTO_REPLY, is_absence_subject},
	{"list", CLASS_LIST, is_list},
	{"spam-flag", CLASS_SPAM, has_spam_flag},
};

void classify(const struct message *message, const struct envelope_facts *envelope,
              struct classification *out)
{
	struct look look;

	memset(out, 0, sizeof *out);
	out->class = CLASS_HUMAN;
	out->rule = "none";
	look_init(&look, message, envelope);
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		if (rules[i].matches(&look)) {
			out->class = rules[i].class;
			out->rule = rules[i].name;
			break;
		}
	}
	if (out->class == CLASS_BOUNCE || out->class == CLASS_RECEIPT ||
	    out->class == CLASS_COMPLAINT)
		report_read(message, &look.parts, look.text, out);
	look_release(&look);
}

void classification_release(struct classification *classification)
{
	for (size_t i = 0; i < classification->recipient_count; i++) {
		free(classification->recipients[i].address);
		free(classification->recipients[i].diagnostic);
	}
	free(classification->recipients);
	free(classification->original_msgid);
	string_list_release(&classification->returned_ids);
	string_list_release(&classification->returned_addresses);
	memset(classification, 0, sizeof *classification);
}
