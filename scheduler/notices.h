#ifndef REJOINDER_SCHEDULER_NOTICES_H
#define REJOINDER_SCHEDULER_NOTICES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "scheduler/sending.h"

/* Notices: take one, send what it still has to tell, mark it. */

struct refusal;

/* {0} at first. */
struct notices {
	struct outcome outcome;
	struct refusal *refusals; /* of those that Postfix refused for good */
	size_t refusal_count;
};

/* Tell the store how the last one ended, if it does not know yet. */
int notices_save(struct notices *notices, struct sending *sending, struct error *err) MUST_CHECK;

/* Returns 1 if there was one to be sent, 0, or -1 with *err when the store failed. */
int notices_send_next(struct notices *notices, struct sending *sending, int64_t now,
                      struct error *err) MUST_CHECK;

void notices_release(struct notices *notices);

#endif
