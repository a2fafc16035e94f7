#ifndef REJOINDER_STORE_LETTER_INTERNAL_H
#define REJOINDER_STORE_LETTER_INTERNAL_H

#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/letter.h"
#include "lib/store/record.h"
#include "lib/store/trouble.h"

/*
 * Letters as recording a message, or a trouble, makes them due: inside a write transaction.
 * Inside lib/store only.
 */

#define SECONDS_A_DAY 86400

/* Tell the operator how many recipients the record's account has that day; once a kind and day. */
int letter_add_limit(struct store *store, const struct record *record, enum letter_kind kind,
                     int64_t count, struct error *err) MUST_CHECK;

/* Tell the operator which cap the record's sender passed with this message; once a sender and day. */
int letter_add_capped(struct store *store, const struct record *record, int64_t message,
                      int64_t cap, struct error *err) MUST_CHECK;

/* Acknowledge the message to whom the record says, unless he has one of that day. */
int letter_add_acknowledgement(struct store *store, const struct record *record, int64_t message,
                               struct error *err) MUST_CHECK;

/* Tell the operator that a trouble began or ended now. */
int letter_add_trouble(struct store *store, enum letter_kind kind, const struct trouble *trouble,
                       int64_t now, struct error *err) MUST_CHECK;

#endif
