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

/*
 * What a record changes in the conversation that it joined: time, reference, owner, state, and
 * the account where that is not in its config any more.
 */
int conversation_join(struct store *store, const struct record *record, int64_t id,
                      struct error *err) MUST_CHECK;

/*
 * Where a record that reopens goes, as store_record() says: *match is changed to the conversation
 * that it joins, or *continues_out is the one that a new one is to continue, else 0.  Human mail
 * of ours goes on to what continues a closed conversation too, since there is who waits for it.
 */
int conversation_follow(struct store *store, const struct record *record, struct match *match,
                        int64_t *continues_out, struct error *err) MUST_CHECK;

/* Begin the conversation of a record that continues another one. */
int conversation_continue(struct store *store, const struct record *record, int64_t continued,
                          int64_t *id, struct error *err) MUST_CHECK;

/* 1 if it is closed, 0 if it is open or not there, or -1. */
int conversation_is_closed(struct store *store, int64_t conversation, struct error *err) MUST_CHECK;

/* The account of a conversation, in config (or NULL): 1, 0 and NULL if there is none, or -1. */
int conversation_account(struct store *store, const struct config *config, int64_t conversation,
                         const struct account **account_out, struct error *err) MUST_CHECK;

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
