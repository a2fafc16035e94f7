#ifndef REJOINDER_CTL_CARE_H
#define REJOINDER_CTL_CARE_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/command.h"
#include "lib/store/care.h"
#include "lib/store/query.h"

/*
 * What the verbs that change one conversation share: close, reopen, snooze and assign.
 */

/*
 * Find the conversation of the first operand.  0 and *row_out, to be released, or an exit code
 * after a sentence.
 */
int care_find(const struct invocation *invocation, const struct config *config,
              struct conversation_row *row_out) MUST_CHECK;

/* A change, as lib/store/care.h makes it; context is the caller's. */
typedef int care_change(struct store *store, int64_t conversation, const void *context, int64_t now,
                        int64_t deadline_ms, struct error *err);

/* Make a change. 0, or an exit code after a sentence. */
int care_make(const struct config *config, int64_t conversation, care_change *change,
              const void *context) MUST_CHECK;

/* "ID what: subject" on stdout. */
void care_say(const struct conversation_row *row, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
