#ifndef REJOINDER_MILTER_COMMITTER_H
#define REJOINDER_MILTER_COMMITTER_H

#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/record.h"

/*
 * Group commit: the callbacks of many sessions queue their records, one thread
 * writes all that wait in one transaction and answers them together.  Nothing is
 * answered before the fsync.  The thread owns the only writing connection,
 * opens it again when it fails or its file was replaced, and checkpoints.
 */

struct committer;

struct committer_options {
	const char *store_path; /* borrowed for the committer's life */
	/* Called by the thread between batches and about once a second when idle. */
	void (*on_tick)(void *context);
	void *tick_context;
	const char *version; /* of this program, static: put into the store; NULL: it is not */
};

/* Start the thread. It opens the store itself, so that a store that fails comes back alone. */
struct committer *committer_start(const struct committer_options *options);

/*
 * Record one message and wait for the answer.
 *
 * deadline_ms: of store_clock_ms().  owner: the heap object that the record's
 * strings live in, freed with release(owner) by whoever has it last.
 *
 * Returns 0 and *out (recorded_release() is the caller's), owner stays the
 * caller's.  Returns -1 with *err, *out untouched: ERROR_TEMPORARY, ERROR_FULL or
 * ERROR_CORRUPT, nothing was written and owner stays the caller's;
 * ERROR_UNCERTAIN, the deadline passed while the record was being written: owner
 * is the committer's now, and the same message sent again will be found.
 */
int committer_record(struct committer *committer, const struct record *record, struct recorded *out,
                     int64_t deadline_ms, void *owner, void (*release)(void *owner),
                     struct error *err) MUST_CHECK;

struct committer_totals {
	uint64_t batches, jobs, largest;
};

/* Write what is queued, stop the thread, close the store, free. */
void committer_stop(struct committer *committer, struct committer_totals *totals_out);

#endif
