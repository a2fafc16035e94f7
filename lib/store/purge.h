#ifndef REJOINDER_STORE_PURGE_H
#define REJOINDER_STORE_PURGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/base/list.h"
#include "lib/store/store.h"

/*
 * Removing what the store holds: what is old, or what it knows of one person.  It is done
 * in many small transactions, with the lock let go between them, so that mail goes on;
 * whoever is stopped in between has removed a part, and removes the rest the next time.
 * What is removed is overwritten in the file (PRAGMA secure_delete), and the WAL emptied of it.
 *
 * With is_trial nothing is removed, and what would be is counted.
 */

struct purged {
	int64_t conversations, messages; /* that are gone with all that belongs to them */
	int64_t scrubbed;                /* conversations that stay without the address */
	int64_t mentions;                /* other texts that named the address */
	int64_t inboxes;                 /* what was known of inboxes of no account any more */
	bool is_rewritten; /* the file was (VACUUM), since unused parts of it held the address */
	bool is_in_wal;    /* the WAL could not be emptied yet: it holds removed text */
};

/*
 * Remove the conversations whose last message or change is before `before` (Unix seconds) and
 * in which nobody waits; old notices, letters and counts; and, of an inbox of which no
 * account is left and nothing was done since, which messages were fetched.  accounts: the names
 * of all, those disabled included.
 */
int store_purge_older(struct store *store, const struct string_list *accounts, int64_t before,
                      bool is_trial, struct purged *out, struct error *err) MUST_CHECK;

/*
 * Remove an address outside (any ASCII case, either spelling of its domain): each conversation in which nobody else from
 * outside takes part, and from all others his name, his texts, his waits, and every text in which
 * the address stands, of itself and not as a part of a longer one (in ids also behind a dot).  If the file holds it still, in parts that are not used, it is rewritten
 * under the write lock.
 */
int store_purge_address(struct store *store, const struct config *config, const char *address,
                        bool is_trial, struct purged *out, struct error *err) MUST_CHECK;

#endif
