#ifndef REJOINDER_STORE_MESSAGE_H
#define REJOINDER_STORE_MESSAGE_H

#include <stdint.h>

#include "lib/base/error.h"
#include "lib/conversation/cap.h"
#include "lib/store/record.h"

/*
 * The tables message, recipient, message_id, delivery and failure, as recording
 * a message uses them: inside a write transaction.  Inside lib/store only.
 */

/* Is there a message with the record's key? 1 and *out as it was first recorded, 0, or -1. */
int message_find_repeat(struct store *store, const struct record *record, struct recorded *out,
                        struct error *err) MUST_CHECK;

/* Count what the record's sender wrote before it: human mail from outside, in a conversation (0: a new one) and in all. */
int message_count_recent(struct store *store, const struct record *record, int64_t conversation,
                         struct cap_counts *out, struct error *err) MUST_CHECK;

/* Does no message of the conversation come before this one? 1, 0 or -1 with *err. */
int message_is_first(struct store *store, int64_t conversation, int64_t message,
                     struct error *err) MUST_CHECK;

/*
 * Add the message with its ids and recipients.  What *recorded knows by now
 * (conversation, reason, related, owner, known sender) goes into the row.
 */
int message_insert(struct store *store, const struct record *record,
                   const struct recorded *recorded, int64_t *id_out, struct error *err) MUST_CHECK;

/* Keep the envelope recipients of a message, at most RECORD_RECIPIENTS_KEPT; those that are there stay. */
int recipients_add(struct store *store, const struct record *record, int64_t message,
                   struct error *err) MUST_CHECK;

/* One delivery for each queue id. */
int delivery_add(struct store *store, const struct record *record, int64_t message,
                 struct error *err) MUST_CHECK;

/* Note what a bounce says of the messages it speaks of; waits that they ended may run again. */
int failures_add(struct store *store, const struct record *record, int64_t conversation,
                 int64_t report, unsigned *resumed_count, struct error *err) MUST_CHECK;

#endif
