#ifndef REJOINDER_STORE_HEALTH_H
#define REJOINDER_STORE_HEALTH_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/list.h"
#include "lib/store/store.h"

/*
 * What `rejoinder doctor` asks the store: whether it is whole, whether a clock was wrong,
 * and who must be able to get mail.  All of it only reads.
 */

/*
 * Look through the whole file for damage (PRAGMA quick_check), until deadline_ms
 * (monotonic).  1 if it is whole, 0 if that was not known in time, -1 with *err:
 * ERROR_CORRUPT, its first damage in words, or as of any look-up.
 */
int store_quick_check(struct store *store, int64_t deadline_ms, struct error *err) MUST_CHECK;

/* When the newest message was received, Unix seconds; 0: there is none. */
int store_newest_message(struct store *store, int64_t *at_out, struct error *err) MUST_CHECK;

/* The owners of open conversations, at most limit of them, those with the newest activity. */
int store_list_owners(struct store *store, size_t limit, struct string_list *out,
                      struct error *err) MUST_CHECK;

#endif
