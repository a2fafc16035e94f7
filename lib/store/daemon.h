#ifndef REJOINDER_STORE_DAEMON_H
#define REJOINDER_STORE_DAEMON_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * The table daemon: which version of each of our daemons was started last.  A row tells
 * what was started, not that it still runs: the process may be gone, and its
 * id may be another's.
 */

#define DAEMON_MILTER    "rejoinder-milter"
#define DAEMON_FETCHER   "rejoinder-fetcher"
#define DAEMON_SCHEDULER "rejoinder-scheduler"

/*
 * A daemon was started at `now` (Unix seconds): its row becomes this one.  Another name
 * than those three is ERROR_PERMANENT.  What goes wrong must keep no daemon from its work.
 */
int store_set_daemon(struct store *store, const char *name, const char *version, int64_t pid,
                     int64_t now, int64_t deadline_ms, struct error *err) MUST_CHECK;

struct daemon_row {
	char *name;
	char *version;
	int64_t pid;
	int64_t started_at; /* Unix seconds */
};

/* Those that were ever started, by name. The rows are the caller's. */
int store_list_daemons(struct store *store, struct daemon_row **rows_out, size_t *count_out,
                       struct error *err) MUST_CHECK;
void daemon_rows_free(struct daemon_row *rows, size_t count);

#endif
