#ifndef REJOINDER_STORE_WAIT_H
#define REJOINDER_STORE_WAIT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * Waits, as recording a message changes them: inside a write transaction.  A
 * wait belongs to (conversation, customer); at most one runs for each.  Inside
 * lib/store only.
 */

/*
 * The customer wrote: a wait begins unless one runs, which then only learns a
 * reply_to (or NULL) that is another.  An empty customer starts none.
 * *count is raised by what began.
 */
int wait_start(struct store *store, int64_t conversation, const char *customer,
               const char *reply_to, int64_t message, int64_t at, unsigned *count,
               struct error *err) MUST_CHECK;

/* The message answered these recipients: end what runs for a customer or reply_to among them. */
int wait_end(struct store *store, int64_t conversation, const char *const *recipients,
             size_t recipient_count, int64_t message, int64_t at, unsigned *count,
             struct error *err) MUST_CHECK;

/*
 * The message did not reach this recipient ("" for all): what it ended runs
 * again, unless a newer wait of that customer runs.  When a later message
 * answered him too, the wait is ended by that one instead, so that it runs
 * again if that one fails as well.  The failure has been recorded before.
 */
int wait_resume(struct store *store, int64_t message, const char *recipient, unsigned *count,
                struct error *err) MUST_CHECK;

#endif
