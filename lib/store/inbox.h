#ifndef REJOINDER_STORE_INBOX_H
#define REJOINDER_STORE_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * What the fetcher remembers of each POP3 inbox: which UIDLs are dealt with, and
 * how its polls went.  Rows are unique by (account, uidl).
 */

enum uidl_state {
	UIDL_DELIVERED, /* Postfix said 250 */
	UIDL_SKIPPED,   /* older than first_fetch at the first poll: stays where it is */
	UIDL_TOO_LARGE, /* over max_message_size: stays where it is, the admin was told */
	UIDL_REFUSED,   /* Postfix said 5xx: stays where it is, the admin was told */
};

struct uidl_row {
	char *uidl;
	enum uidl_state state;
	int64_t done_at; /* Unix seconds */
};

/* All UIDLs known of an account, ordered by uidl (strcmp). The rows are the caller's. */
int store_list_uidls(struct store *store, const char *account, struct uidl_row **rows_out,
                     size_t *count_out, struct error *err) MUST_CHECK;
void uidl_rows_free(struct uidl_row *rows, size_t count);

/*
 * Record UIDLs as dealt with, in one transaction that is on disk when this returns 0.
 * One that was delivered stays delivered, of the other states the new one
 * holds.  A uidl that is empty or over UIDL_MAX_BYTES: ERROR_PERMANENT, nothing is recorded.
 */
#define UIDL_MAX_BYTES 255
int store_add_uidls(struct store *store, const char *account, const struct uidl_row *rows,
                    size_t count, int64_t deadline_ms, struct error *err) MUST_CHECK;

/* Forget UIDLs that the server no longer has (it was seen to list without them after a good QUIT). */
int store_forget_uidls(struct store *store, const char *account, const char *const *uidls,
                       size_t count, int64_t deadline_ms, struct error *err) MUST_CHECK;

/* How one poll of an inbox went. */
struct inbox_row {
	char *account;
	int64_t polled_at;     /* start of the last poll, 0: never */
	int64_t succeeded_at;  /* end of the last one that did all it should, 0: never */
	int64_t next_poll_at;  /* 0: now */
	int64_t failure_count; /* in a row */
	int64_t backlog;       /* messages on the server not dealt with yet */
	int64_t on_server;     /* messages on the server */
	int64_t delivered_total;
	char *error; /* of the last poll, in words, or NULL */
};

/* Store the row as it is (delivered_total is added to what is there). */
int store_put_inbox(struct store *store, const struct inbox_row *row, int64_t deadline_ms,
                    struct error *err) MUST_CHECK;
int store_list_inboxes(struct store *store, struct inbox_row **rows_out, size_t *count_out,
                       struct error *err) MUST_CHECK;
void inbox_rows_free(struct inbox_row *rows, size_t count);

#endif
