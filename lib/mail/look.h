#ifndef REJOINDER_MAIL_LOOK_H
#define REJOINDER_MAIL_LOOK_H

#include <stdbool.h>

#include "lib/mail/class.h"
#include "lib/mail/message.h"

/*
 * What the rules of class.c look at, prepared once for a message.
 */

/* How much a sender's name says that a program wrote. */
enum sender_kind {
	SENDER_ANYBODY,
	SENDER_SYSTEM,     /* a name that programs use: no-reply, System Administrator */
	SENDER_POSTMASTER, /* postmaster, or no author at all */
	SENDER_DAEMON,     /* mailer-daemon, Mail Delivery System */
};

struct look {
	const struct header *header;
	struct part_list parts;
	char *text;        /* of the first text part; "" if there is none */
	char *words;       /* folded: the text before the returned message */
	char *subject;     /* folded */
	bool has_returned; /* a returned message, as a part or in the text */
	bool is_null;      /* the null sender */
	bool is_personal;  /* somebody answers or forwards: "Re:", "Fwd:" */
	enum sender_kind sender;
};

void look_init(struct look *look, const struct message *message,
               const struct envelope_facts *envelope);
void look_release(struct look *look);

#endif
