#ifndef REJOINDER_STORE_RELAY_H
#define REJOINDER_STORE_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * Accounts whose mail waits because Postfix cannot be told how to sign in at their relay,
 * as the fetcher's password service found when it was last asked.
 */

struct relay_row {
	char *account;
	int64_t since;    /* the first time that it failed, none having gone well in between */
	int64_t tried_at; /* the last time */
	char *error;      /* of that, in words */
};

/* What came of it at `now` (Unix seconds): why it failed, or NULL when all is well. */
int store_set_relay(struct store *store, const char *account, const char *failure, int64_t now,
                    int64_t deadline_ms, struct error *err) MUST_CHECK;

/* Those that fail, by account. The rows are the caller's. */
int store_list_relays(struct store *store, struct relay_row **rows_out, size_t *count_out,
                      struct error *err) MUST_CHECK;
void relay_rows_free(struct relay_row *rows, size_t count);

#endif
