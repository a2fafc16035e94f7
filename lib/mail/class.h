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
	char action[16];  /* failed, delayed, delivered, relayed, expanded; lower case */
	char status[12];  /* "5.1.1" (RFC 3463) or "" */
	char *diagnostic; /* one line, at most 500 bytes, or "" */
};

struct classification {
	enum message_class class;
	const char *rule; /* static text, e.g. "report", "auto-submitted", "null-sender", "none" */
	/* Of a bounce, receipt or complaint: what it speaks of. */
	struct report_recipient *recipients;
	size_t recipient_count;
	char *original_msgid; /* Message-ID of the returned message, with brackets, or NULL */
	struct string_list returned_ids; /* its In-Reply-To and References, in order, at most 50 */
	struct string_list
		returned_addresses; /* Reply-To, From of the returned message: our token may be there */
};

void classify(const struct message *message, const struct envelope_facts *envelope,
              struct classification *out);
void classification_release(struct classification *classification);

/* May this class start a wait, end one, own a conversation: people only. */
bool class_is_human(enum message_class class);

#endif
