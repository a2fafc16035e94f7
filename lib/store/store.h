#ifndef REJOINDER_STORE_STORE_H
#define REJOINDER_STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * The only door to the database: SQLite in WAL mode with synchronous=FULL.  A
 * connection is used by one thread at a time.  Every write transaction and every
 * checkpoint runs under an flock on PATH-lock; automatic checkpoints are off.
 * A function that writes is one transaction; no handle of one leaves this
 * directory.
 */

struct store; /* one connection */

enum store_mode {
	STORE_READ,  /* look-ups; the file must exist and have our schema */
	STORE_WRITE, /* creates the file (mode 0640) and migrates it */
};

/*
 * Open a connection. Returns NULL with *err: ERROR_TEMPORARY (locked, no such
 * file for STORE_READ, I/O), ERROR_FULL, ERROR_CORRUPT (not ours, damaged), ERROR_CONFIG (a
 * newer version wrote it, a directory that is missing).
 */
struct store *store_open(const char *path, enum store_mode mode, struct error *err) MUST_CHECK;
void store_close(struct store *store);

/*
 * Is the file that this connection has open still the one at its path?  Writes
 * to an unlinked database succeed silently.  Cheap (two stat calls).
 */
bool store_is_current(const struct store *store);

/*
 * What a STORE_WRITE connection copied an older store to before it migrated that
 * (PATH.before-VERSION, whole; another that was there has a number behind it); NULL if it migrated none.  Its
 * opener logs that once.
 */
const char *store_upgrade_copy(const struct store *store);

/*
 * From now on what runs on this connection fails ERROR_TEMPORARY once *is_stopping, which
 * another thread sets.  NULL: no longer.
 */
void store_set_stop(struct store *store, const atomic_bool *is_stopping);

/* Stop a look-up that runs past this moment (monotonic ms, 0 for none): it fails ERROR_TEMPORARY. */
void store_set_deadline(struct store *store, int64_t deadline_ms);

/* Milliseconds of the monotonic clock, for deadlines. */
int64_t store_clock_ms(void);

/*
 * Checkpoint under the lock if the WAL holds more than min_pages pages: PASSIVE,
 * or TRUNCATE when is_idle. 0 (also if the lock was busy) or -1 with *err.
 */
int store_checkpoint(struct store *store, unsigned min_pages, bool is_idle,
                     struct error *err) MUST_CHECK;

/*
 * Empty the WAL, waiting until deadline_ms for those who read from it or write. 1, 0 if it
 * could not be done in time, or -1 with *err.
 */
int store_empty_wal(struct store *store, int64_t deadline_ms, struct error *err) MUST_CHECK;

/* A new row id: 42 bits of now_ms, 6 of node, 15 of a counter; never 0. */
int64_t store_new_id(struct store *store, int64_t now_ms);

#define STORE_SCHEMA_VERSION 5

#endif
