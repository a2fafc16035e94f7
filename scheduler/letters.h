#ifndef REJOINDER_SCHEDULER_LETTERS_H
#define REJOINDER_SCHEDULER_LETTERS_H

#include <stdint.h>

#include "lib/base/error.h"
#include "scheduler/sending.h"

/*
 * Letters: take one, send it, mark it.  One is dropped when the account no
 * longer wants it sent, when Postfix refuses it for good, or, but of a trouble, when it is
 * a day old.
 */

/* {0} at first. */
struct letters {
	struct outcome outcome;
};

/* Tell the store how the last one ended, if it does not know yet. */
int letters_save(struct letters *letters, struct sending *sending, struct error *err) MUST_CHECK;

/* Returns 1 if there was one to be sent, 0, or -1 with *err when the store failed. */
int letters_send_next(struct letters *letters, struct sending *sending, int64_t now,
                      struct error *err) MUST_CHECK;

#endif
