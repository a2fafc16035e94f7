#ifndef REJOINDER_STORE_CONVERSATION_H
#define REJOINDER_STORE_CONVERSATION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/conversation/match.h"
#include "lib/store/record.h"

/*
 * The tables conversation, participant and relation, as recording a message
 * uses them: inside a write transaction.  Inside lib/store only.
 */

/* match_find() on what the store holds now; a related conversation that it lacks is left out. */
int conversation_match(struct store *store, const struct record *record, struct match *out,
                       struct error *err) MUST_CHECK;

/* Begin the conversation of a record, under *id unless that is 0. */
int conversation_insert(struct store *store, const struct record *record, int64_t *id,
                        struct error *err) MUST_CHECK;

/* What a record changes in the conversation that it joined: time, reference, owner, state. */
int conversation_join(struct store *store, const struct record *record, int64_t id,
                      struct error *err) MUST_CHECK;

/* Owner, reference and its type as they are now, of recorded->conversation, into *recorded. */
int conversation_read(struct store *store, struct recorded *recorded, struct error *err) MUST_CHECK;

/* 1 if the address (any case) is a participant, 0, or -1. */
int participant_exists(struct store *store, int64_t conversation, const char *address,
                       struct error *err) MUST_CHECK;
/* From and recipients of the record, up to PARTICIPANTS_MAX of the conversation. */
#define PARTICIPANTS_MAX 1000
int participants_add(struct store *store, const struct record *record, int64_t conversation,
                     struct error *err) MUST_CHECK;

int relation_add(struct store *store, int64_t conversation, int64_t other,
                 struct error *err) MUST_CHECK;

#endif
