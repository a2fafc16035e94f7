#ifndef REJOINDER_FETCHER_POLL_H
#define REJOINDER_FETCHER_POLL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/base/secret.h"
#include "lib/store/inbox.h"
#include "lib/store/store.h"

/*
 * One poll of one inbox, in the only order in which nothing can be lost:
 *
 *     a whole RETR -> Postfix said 250 -> the UIDL is on disk -> DELE if due -> QUIT
 *
 * Whatever goes wrong ends the session without QUIT: the server then forgets
 * deletions, and that anything was read.  QUIT is never sent before every message
 * that was retrieved is delivered, or recorded as refused, too large or old.
 */

enum poll_action { POLL_WOULD_FETCH, POLL_WOULD_DELETE };

struct poll_job {
	const struct config *config;
	const struct account *account; /* with an inbox */
	const struct keyring *keys;
	struct store *store;             /* opened STORE_WRITE */
	const struct inbox_row *earlier; /* how the poll before went, zeroes if there was none */
	const atomic_bool *is_stopping;  /* end after the message in hand */
	bool retries_now;                /* what was refused or too large does not rest */
	bool is_dry_run;                 /* nothing is fetched, deleted or recorded */
	/* Each may be NULL. */
	void (*on_progress)(void *context, size_t done, size_t total, uint64_t bytes);
	void (*on_plan)(void *context, enum poll_action action, const char *uidl,
	                uint64_t size_bytes);
	void *context;
};

struct poll_result {
	size_t on_server;
	size_t fresh;       /* messages that were to be dealt with */
	size_t delivered;   /* Postfix took them */
	size_t refused;     /* Postfix never takes them: they stay, and are tried again later */
	size_t too_large;   /* likewise */
	size_t skipped;     /* older than first_fetch at the first poll: they stay */
	size_t unavailable; /* the server answered -ERR: tried again in the next poll */
	size_t deleted;
	int64_t login_delay_s;
	bool is_stopped;       /* by is_stopping */
	bool is_fetched;       /* every fresh message was tried, whatever went wrong otherwise */
	bool is_local_failure; /* it failed here and not at the server */
};

/* What is left to do of the fresh ones. */
size_t poll_left(const struct poll_result *result);

/* 0 when all was done, or -1 with *err. *result says in both cases how far it came. */
int poll_inbox(const struct poll_job *job, struct poll_result *result,
               struct error *err) MUST_CHECK;

#endif
