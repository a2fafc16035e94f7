#ifndef REJOINDER_STORE_LIMIT_H
#define REJOINDER_STORE_LIMIT_H

#include "lib/base/error.h"
#include "lib/store/record.h"

/*
 * The table account_day, as recording a message uses it: inside a write
 * transaction.  Inside lib/store only.
 */

/*
 * Count those of the record's counted recipients that were not counted for this message
 * before, and write the letters that this makes due.  The message has been added;
 * recorded->counted_today is filled.  0, or -1 with *err, or RECORDED_OVER_LIMIT:
 * the record is to be taken back whole.
 */
int limit_count(struct store *store, const struct record *record, struct recorded *recorded,
                struct error *err) MUST_CHECK;

#endif
