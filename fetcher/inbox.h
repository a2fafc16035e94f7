#ifndef REJOINDER_FETCHER_INBOX_H
#define REJOINDER_FETCHER_INBOX_H

#include <stdint.h>

#include "fetcher/poll.h"

/*
 * A poll with all that belongs to it: no other process polls the inbox meanwhile,
 * and how it went stands in the log and in the store.
 */

enum inbox_outcome {
	INBOX_DONE,
	INBOX_FAILED,
	INBOX_BUSY, /* another process polls it */
};

struct inbox_run {
	struct poll_job job; /* store and earlier are filled in here */
	struct poll_result result;
	struct error err;      /* of INBOX_FAILED */
	int64_t failure_count; /* in a row, this one included */
	int64_t duration_ms;
	int64_t next_in_s; /* when to poll again */
};

enum inbox_outcome inbox_run(struct inbox_run *run);

/* `new=N delivered=N ..., 1.2 s`, as logged. Returns out. */
const char *inbox_summary(char *out, size_t size, const struct inbox_run *run);

/*
 * How many seconds after a poll the next one begins: poll_s after a success; after
 * the n-th failure of the server in a row twice the time before, up to an hour;
 * within a minute after a failure of our own.  Each time up to a tenth more or
 * less, as random says (0 to 1), and never less than login_delay_s.
 */
int64_t inbox_interval_s(int64_t poll_s, int64_t failure_count, bool is_local_failure,
                         int64_t login_delay_s, double random);

#endif
