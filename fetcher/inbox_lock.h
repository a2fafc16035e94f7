#ifndef REJOINDER_FETCHER_INBOX_LOCK_H
#define REJOINDER_FETCHER_INBOX_LOCK_H

#include "lib/base/error.h"

/*
 * One poll of an inbox at a time, whoever does it: an flock on a file of its own beside
 * the store, STORE-fetch-NAME-HASH.  The name is cut to what is fit for a file;
 * the hash of the whole name, in lower case, makes it one of its own.
 */

#define INBOX_LOCK_NAME_BYTES 40

/* 1 and *lock_out, 0 if another holds it, -1 with *err (ERROR_TEMPORARY). */
int inbox_lock(const char *store_path, const char *account, int *lock_out,
               struct error *err) MUST_CHECK;
void inbox_unlock(int lock);

#endif
