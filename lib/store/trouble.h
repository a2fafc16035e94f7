#ifndef REJOINDER_STORE_TROUBLE_H
#define REJOINDER_STORE_TROUBLE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * Troubles that last: what is wrong now and the operator was told of.  He gets one
 * letter (letter.h) when a trouble begins and one when it has ended, each written in
 * the transaction that changes what stands here: nobody who looks again, after a restart
 * or beside another scheduler, tells him again.
 *
 * Finding out what is wrong is the caller's.
 */

#define TROUBLE_NAME_BYTES 240

struct trouble {
	char *name; /* "inbox Support", "relay Sales", "disk", "backup", "check", "purge" */
	int64_t since;
	char *detail; /* untrusted: what is wrong, in words, as of when he was told */
};

/* All that last, by name. */
int store_lasting_troubles(struct store *store, struct trouble **troubles_out, size_t *count_out,
                           struct error *err) MUST_CHECK;
void troubles_free(struct trouble *troubles, size_t count);

/*
 * Something is wrong: 1 if that is new, and a letter says so; 0 if it lasts: then nothing
 * changes, its detail neither; -1 with *err.
 */
int store_set_trouble(struct store *store, const struct trouble *trouble, int64_t now,
                      int64_t deadline_ms, struct error *err) MUST_CHECK;

/*
 * It is well again: 1 if it was not, 0, or -1 with *err.  A letter says so, unless
 * nobody can have got that of the beginning: then neither is sent.
 */
int store_clear_trouble(struct store *store, const char *name, int64_t now, int64_t deadline_ms,
                        struct error *err) MUST_CHECK;

/* The same without a letter: nobody looks at that any more. */
int store_forget_trouble(struct store *store, const char *name, int64_t now, int64_t deadline_ms,
                         struct error *err) MUST_CHECK;

/*
 * What is done each night and failed the last time, as troubles: since is when it was tried.
 */
int store_list_failed_upkeep(struct store *store, struct trouble **troubles_out, size_t *count_out,
                             struct error *err) MUST_CHECK;

#endif
