#ifndef REJOINDER_FETCHER_TODO_H
#define REJOINDER_FETCHER_TODO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/config.h"
#include "lib/net/pop3.h"
#include "lib/store/inbox.h"

/*
 * What a poll has to do: the listing of the server compared with what is known of
 * its UIDLs.  Pure.  The number of a message says nothing: it is another one in
 * the next session.
 */

/* How long a message that was refused or too large rests before it is tried again. */
#define TODO_RETRY_S (24 * 60 * 60)

struct todo {
	const struct pop3_item **fetch; /* new ones, then refused ones whose rest is over */
	size_t fetch_count;
	const struct pop3_item **drop; /* delivered long enough ago: DELE */
	size_t drop_count;
	const char **gone; /* UIDLs that the server no longer has; they point into known */
	size_t gone_count;
};

struct todo_options {
	int64_t leave_s; /* as account.leave_s */
	int64_t max_message_bytes;
	int64_t now;
	bool retries_now; /* what was refused or too large does not rest */
};

/* known: ordered by uidl. What *todo points to is the listing's and known's; its arrays: todo_release(). */
void todo_make(struct todo *todo, const struct pop3_listing *listing, const struct uidl_row *known,
               size_t known_count, const struct todo_options *options);
void todo_release(struct todo *todo);

/*
 * Does the listing have none of what is known, though some of it was not to be deleted?
 * known and options as above.
 */
bool todo_is_all_gone(const struct pop3_listing *listing, const struct uidl_row *known,
                      size_t known_count, const struct todo_options *options);

#endif
