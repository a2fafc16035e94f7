#ifndef REJOINDER_MAIL_CLASS_H
#define REJOINDER_MAIL_CLASS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/list.h"
#include "lib/mail/message.h"

/*
 * What kind of mail a message is, decided over its header, the beginning of its
 * body and the envelope, and by which rule.  The first rule that hits wins; the
 * order is that of the table in class.c.
 */

enum message_class {
	CLASS_HUMAN,
	CLASS_AUTO_REPLY,
	CLASS_BOUNCE,
	CLASS_RECEIPT,   /* MDN, RFC 8098 */
	CLASS_COMPLAINT, /* ARF, RFC 5965 */
	CLASS_LIST,
	CLASS_SPAM,
	CLASS_NOTIFICATION, /* machine mail of our own side */
};

/* "human", "auto-reply", "bounce", ...: the word used in the store, the tag and the log. */
const char *class_name(enum message_class class);
/* 1 and *out, or 0 if no class has that name. */
int class_from_name(const char *name, enum message_class *out);

struct envelope_facts {
	bool is_null_sender;
};

#define REPORT_RECIPIENTS_MAX 100

/* One recipient of a delivery report (RFC 3464 2.3). */
struct report_recipient {
	char *address;    /* Final-Recipient or Original-Recipient, "" if not said */
	char *original;   /* Original-Recipient if address is another, or NULL */
	char action[16];  /* failed, delayed, delivered, relayed, expanded; lower case */
	char status[12];  /* "5.1.1" (RFC 3463) or "" */
	char *diagnostic; /* one line, at most 500 bytes, or "" */
};

#define REPORT_FIELDS_MAX 16

/* A field of a complaint or a receipt that says more of it (RFC 5965 3, RFC 8098 3). */
struct report_field {
	const char *name; /* static text, as the RFC writes it: "Feedback-Type" */
	char *value;      /* one line, at most 500 bytes; untrusted */
};

struct classification {
	enum message_class class;
	const char *rule; /* static text, e.g. "report", "auto-submitted", "null-sender", "none" */
	/* Of a bounce, receipt or complaint: what it speaks of. */
	struct report_recipient *recipients;
	size_t recipient_count;
	char *original_msgid; /* Message-ID of the returned message, with brackets, or NULL */
	/*
	 * Where our token may be: In-Reply-To and References of the returned message, in
	 * order, at most 50, and its Reply-To and From; of a report that returns no header,
	 * the ids and addresses of its words whose local part ends like a token.
	 */
	struct string_list returned_ids, returned_addresses;
	struct report_field fields[REPORT_FIELDS_MAX]; /* of a complaint or receipt */
	size_t field_count;
};

/* What the operator may set. */
struct classify_options {
	/*
	 * How a trusted filter before us says that a message is spam: "Name: value",
	 * where the first field of that name (any case) begins with that value (any
	 * case).  The name must be one that lib/mail/header.c knows.
	 */
	const char *const *spam_fields;
	size_t spam_field_count;
};

/*
 * Classify a message.  The text in *out is the caller's: classification_release().
 * classify() takes X-Spam-Flag: YES and X-Spam: Yes for the filter's verdict; where
 * X-Spam-Status: Yes comes from a filter that is trusted, the first stands beside it.
 */
void classify(const struct message *message, const struct envelope_facts *envelope,
              struct classification *out);
void classify_with(const struct message *message, const struct envelope_facts *envelope,
                   const struct classify_options *options, struct classification *out);
/* The status of the first recipient that failed and has one, else of the first that has one, or "". */
const char *classification_status(const struct classification *classification);
void classification_release(struct classification *classification);

/* May this class start a wait, end one, own a conversation: people only. */
bool class_is_human(enum message_class class);

#endif
