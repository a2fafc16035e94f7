#ifndef REJOINDER_FETCHER_SESSION_H
#define REJOINDER_FETCHER_SESSION_H

#include "fetcher/poll.h"
#include "fetcher/todo.h"
#include "lib/net/pop3.h"
#include "lib/net/smtp.h"

/* What the files of one poll share; not for others. */

#define SESSION_BATCH_MAX 32
#define SESSION_RECORD_MS 20000 /* how long one write may wait for the store */

/* UIDLs that are dealt with and not recorded yet. */
struct batch {
	struct uidl_row rows[SESSION_BATCH_MAX]; /* each uidl is the listing's */
	size_t count, max;
	int64_t begun_at_ms;
};

struct session {
	const struct poll_job *job;
	struct poll_result *result;
	struct pop3 *pop3;
	struct smtp *smtp;
	struct pop3_listing listing;
	struct todo todo;
	struct batch batch;
	int64_t started_at;
	bool is_first; /* first_fetch decides */
	size_t refused_in_a_row;
	uint64_t bytes;
	unsigned *deletes; /* numbers to DELE once their UIDLs are recorded */
	size_t delete_count;
	struct uidl_row *old; /* what the first poll leaves; each uidl is the listing's */
	size_t old_count;
	char first_refusal[128];
};

/*
 * Fetch these: hand them over, record what became of them.  0 when each was tried
 * and all is recorded, -1 with *err.
 */
int session_fetch(struct session *session, struct error *err) MUST_CHECK;

/* Record what is dealt with, now. */
int session_flush(struct session *session, struct error *err) MUST_CHECK;

/* Report progress; -1 when the poll is to stop. */
int session_go_on(struct session *session, struct error *err) MUST_CHECK;

/* Is the message one that the first poll leaves where it is? */
bool session_is_old(const struct session *session, const char *bytes, size_t length);

/* In the first poll: record what is older than first_fetch, and take it out of todo.fetch. */
int session_leave_old(struct session *session, struct error *err) MUST_CHECK;

#endif
