#ifndef REJOINDER_MILTER_READERS_H
#define REJOINDER_MILTER_READERS_H

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * A few reading connections to the store, lent to one callback at a time: the
 * callbacks of a session run on changing threads, so none can keep its own.
 */

struct readers;

struct readers *readers_new(const char *store_path);
void readers_free(struct readers *readers);

/* Borrow a connection. NULL with *err when the store cannot be opened. */
struct store *readers_borrow(struct readers *readers, struct error *err) MUST_CHECK;

/* Give it back; one that failed is closed. */
void readers_return(struct readers *readers, struct store *store, bool has_failed);

#endif
