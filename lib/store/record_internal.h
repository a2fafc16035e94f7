#ifndef REJOINDER_STORE_RECORD_INTERNAL_H
#define REJOINDER_STORE_RECORD_INTERNAL_H

#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/conversation/cap.h"
#include "lib/store/record.h"

/*
 * What recording a message decides before it writes, for recording itself and for
 * whoever only wants to know.  Inside lib/store only.
 */

/* Where a record goes. */
struct destination {
	struct match match;
	int64_t continues; /* a conversation that a new one continues, or 0 */
};

struct record_decision {
	struct record record; /* as it is to be recorded: colleagues and caps considered */
	struct destination destination;
	const struct cap *cap; /* that its sender is past, or NULL */
};

/* Decide on a message that is not there yet. Reads only. 0, RECORDED_NOT_OURS, or -1 with *err. */
int record_decide(struct store *store, const struct record *record, struct record_decision *out,
                  struct error *err) MUST_CHECK;

/* Is the sender surely not who it says: nothing that rests on who he is may follow. */
bool record_is_forged(const struct record *record);

#endif
