#ifndef REJOINDER_MILTER_ACTION_H
#define REJOINDER_MILTER_ACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conversation/action.h"
#include "lib/store/record.h"
#include "milter/edits.h"
#include "milter/mail.h"

/*
 * A mail to a link of an alert, which asks for something to be done: close, snooze
 * or take over a conversation.  Staff only, once; whatever is not done is
 * refused, so that nobody believes it was.  Pure.
 */

struct action_request {
	bool is_there;       /* its recipients are links, good or not, and nothing else */
	const char *refusal; /* why nothing is done whatever the store says, or NULL */
	/* Where refusal is NULL. */
	enum action action;
	int64_t notice;
};

/* Look for a link among the recipients. The facts of the header have been read. */
void action_read(struct action_request *out, const struct mail *mail);

/* What the store is to do. The same mail again, by its Message-ID and Date, is no second use. */
void action_record(const struct action_request *request, const struct mail *mail,
                   struct record *record);

/* Why it was not done, or NULL if it was. */
const char *action_refusal(const struct recorded *recorded);

/* Nobody is to get it: there was nothing in it but the link. */
void action_edits(struct edit_list *edits);

/*
 * Write the log line of such a mail.  recorded: or NULL if the store did not answer.  reason:
 * or NULL if status says all; "deferred" is a warning.
 */
void action_log(const struct action_request *request, const struct mail *mail,
                const struct recorded *recorded, const char *status, const char *reason);

#endif
