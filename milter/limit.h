#ifndef REJOINDER_MILTER_LIMIT_H
#define REJOINDER_MILTER_LIMIT_H

#include <stdbool.h>
#include <stddef.h>

#include "milter/plan.h"

/*
 * The daily limit of an account: whom a message that leaves under it counts for,
 * and what its client is told.  The count itself is the store's.
 */

#define LIMIT_TEXT_SIZE 160

/*
 * Fill in whom the message counts for: each recipient outside our domains once,
 * whatever its case, those that get a copy (bcc) included, and all that were too
 * many to be looked at; and whether it is refused over the limit: only where a mail
 * client tries again by itself, which is one that signed in.
 */
void limit_record(struct plan *plan, const struct mail *mail);

/* Has the message more recipients than its account may write to on any day? */
bool limit_is_hopeless(const struct plan *plan);

/*
 * Why a message is refused, in printable ASCII: over the limit for today, with
 * the time when that is over, or hopeless.
 */
void limit_explain(const struct plan *plan, char out[LIMIT_TEXT_SIZE]);

#endif
