#ifndef REJOINDER_STORE_WAIT_H
#define REJOINDER_STORE_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * Waits, as recording a message and closing a conversation change them: inside a
 * write transaction.  A wait belongs to (conversation, customer); at most one runs for
 * each.  Inside lib/store only.
 *
 * Whatever ends a wait keeps how long it was: wall seconds, and business seconds by the
 * calendar that the conversation's account has in that moment, NULL without one.  No later
 * calendar changes that; what makes the wait run again forgets both.  config is or NULL:
 * no calendars.
 */

#define WAITS_RUNNING_MAX 50 /* of one conversation that a stranger's message adds to */

/* A customer's message. */
struct wait_question {
	int64_t conversation;
	const char *customer; /* its From */
	const char *reply_to; /* where he wants the answer, or NULL */
	bool is_known;        /* he was a participant before: he waits however many do */
	int64_t message, at;
};

/* Do so many wait that for one more, who is no participant yet, none begins? */
bool wait_is_crowded(int64_t running, bool is_known);

/*
 * The customer wrote: a wait begins unless one runs, which then only learns a
 * reply_to that is another.  An empty customer starts none.
 * *count is raised by what began.  Returns 0, 1 if so many wait there that none
 * begins for him, or -1 with *err.
 */
int wait_start(struct store *store, const struct wait_question *question, unsigned *count,
               struct error *err) MUST_CHECK;

/*
 * Does a wait run for the customer (any case), or did one ever, here or in what this
 * conversation continues? 1, 0 or -1 with *err.
 */
int wait_was_there(struct store *store, int64_t conversation, const char *customer,
                   struct error *err) MUST_CHECK;

/* A message that may answer. */
struct wait_answer {
	int64_t conversation;
	const char *const *recipients;
	size_t recipient_count;
	const char *author; /* who never answers himself */
	int64_t message, at;
	bool is_repeat; /* it was there: it answers nothing that began after `at` */
};

/* End what runs for a customer or reply_to among the recipients. */
int wait_end(struct store *store, const struct config *config, const struct wait_answer *answer,
             unsigned *count, struct error *err) MUST_CHECK;

/* End all that run in a conversation: it is closed. */
int wait_close(struct store *store, const struct config *config, int64_t conversation, int64_t now,
               struct error *err) MUST_CHECK;

/*
 * The message did not reach this recipient ("" for all), as a report at `at` says: what it
 * ended runs again, unless a newer wait of that customer runs.  When a later message
 * answered him too, the wait is ended by that one instead, so that it runs
 * again if that one fails as well.  The failure has been recorded before.
 *
 * It goes on where it was, since it is the same question: past the levels that it had
 * passed.  But if it had ended over WAIT_FORGOTTEN_S before, whoever was alerted took it for
 * done long ago: it passes all levels anew from when it started, so that they hear at once
 * that he waits still.  What they were told of those levels is forgotten then, and the links
 * of those alerts with it; sooner, the report that reaches the author is enough.
 */
#define WAIT_FORGOTTEN_S 86400
int wait_resume(struct store *store, const struct config *config, int64_t message,
                const char *recipient, int64_t at, unsigned *count, struct error *err) MUST_CHECK;

#endif
