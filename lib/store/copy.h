#ifndef REJOINDER_STORE_COPY_H
#define REJOINDER_STORE_COPY_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * Copies of a whole database.  Inside lib/store only.
 */

/*
 * Write what the store holds now into a new file: a database of its own without a WAL,
 * checked (PRAGMA integrity_check, owner and schema) and on disk.  Others go on writing into
 * the store meanwhile; no transaction is open here.  On failure nothing is left; -1 with *err, which
 * names the file where that is to blame (ERROR_FULL: its disk).
 */
int copy_make(struct store *store, const char *path, mode_t mode, struct error *err) MUST_CHECK;

/* The same, but that the file has its name only when it is whole. One at a time. */
int copy_make_whole(struct store *store, const char *path, mode_t mode,
                    struct error *err) MUST_CHECK;

/* Is the file there a whole copy of the store as it is now: of its schema, the same messages? */
bool copy_is_current(struct store *store, const char *path);

/* Sync the directory that a path stands in. 0 or -1 with errno. */
int copy_sync_directory(const char *path);

#endif
