#ifndef REJOINDER_STORE_LEASE_H
#define REJOINDER_STORE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * What notices and letters have in common: rows that wait to be sent, and that one
 * who takes them has for himself until their lease ends.  Their columns are
 * state, leased_until, attempts and ended_at.  Inside lib/store only.
 */

struct lease_table {
	const char *take, *put_off, *end; /* statements */
};

#define LEASE_TABLE(name)                                                                          \
	{                                                                                          \
		.take = "UPDATE " name " SET leased_until = ?2, attempts = attempts + 1"           \
			" WHERE id = ?1",                                                          \
		.put_off = "UPDATE " name " SET leased_until = ?2"                                 \
			   " WHERE id = ?1 AND state = 'open'",                                    \
		.end = "UPDATE " name " SET state = ?2, ended_at = ?3"                             \
		       " WHERE id = ?1 AND state = 'open'",                                        \
	}

/* Inside a write transaction: nobody else takes it before `until`. */
int lease_take(struct store *store, const struct lease_table *table, int64_t id, int64_t until,
               struct error *err) MUST_CHECK;

/* Inside a write transaction: 1 it is done now, 0 it was before, -1 with *err. */
int lease_end(struct store *store, const struct lease_table *table, int64_t id, bool is_sent,
              int64_t now, struct error *err) MUST_CHECK;

/* A write transaction of its own: it may be taken again from retry_at on, unless it is done. */
int lease_put_off(struct store *store, const struct lease_table *table, int64_t id,
                  int64_t retry_at, int64_t deadline_ms, struct error *err) MUST_CHECK;

#endif
