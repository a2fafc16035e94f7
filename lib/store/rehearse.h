#ifndef REJOINDER_STORE_REHEARSE_H
#define REJOINDER_STORE_REHEARSE_H

#include "lib/base/error.h"
#include "lib/store/record.h"
#include "lib/store/store.h"

/*
 * What recording a message would find and lead to, without recording it: for
 * whoever explains it.  Reads only, with what recording itself reads with.
 */

/* The id that a conversation has here which is not there yet: no real one is so small. */
#define REHEARSED_CONVERSATION 1

/*
 * As store_record() for one record, but that nothing is written: *out has no message,
 * and its waits are those that would be started and ended.  Of a mail to a link of an
 * alert only the conversation is looked up.  store NULL: an empty one.  0 and *out, whose
 * status is as there, or -1 with *err.
 */
int store_rehearse(struct store *store, const struct record *record, struct recorded *out,
                   struct error *err) MUST_CHECK;

#endif
