#ifndef REJOINDER_FETCHER_SESSION_H
#define REJOINDER_FETCHER_SESSION_H

#include "fetcher/poll.h"
#include "fetcher/todo.h"
#include "lib/net/pop3.h"
#include "lib/net/smtp.h"
#include "lib/store/maildrop.h"

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
	struct maildrop drop;
	bool is_one_by_one;    /* no command is sent before the one before is answered */
	bool is_another;       /* the maildrop is not the one that was known */
	bool is_unrecorded;    /* something of it changed */
	bool is_resting;       /* the message at which polls break off is left out of todo.fetch */
	bool is_store_failure; /* what was dealt with could not be recorded */
	size_t tried;          /* of todo.fetch, what is dealt with */
	size_t refused_in_a_row;
	uint64_t bytes;
	unsigned *deletes; /* numbers to DELE once their UIDLs are recorded */
	size_t delete_count;
	struct uidl_row *old; /* what is left as too old; each uidl is the listing's */
	size_t old_count;
	size_t undeleted; /* of these, what the server refused */
	char first_refusal[128];
	char first_undeleted[200];
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

/*
 * After the listing: which maildrop is it, what of its mail is too old to fetch, and where did
 * the last poll break off?  known is what the store knows of its UIDLs, *known_count 0
 * afterwards if that is of another.  store_list_uidls() before.
 */
int session_meet_maildrop(struct session *session, const struct uidl_row *known,
                          size_t *known_count, struct error *err) MUST_CHECK;

/* Record what is known of the maildrop. */
int session_put_maildrop(struct session *session, struct error *err) MUST_CHECK;

/*
 * A message at which the last poll broke off is the last one in todo.fetch, so that it
 * keeps no other waiting; at which several did in a row, it rests now and then.
 */
void session_put_broken_last(struct session *session);

/* Note where fetching ended: with `rc` and, unless that is 0, *cause. */
void session_note_break(struct session *session, int rc, const struct error *cause);

/* Is the message one that is left where it is, since it is too old? */
bool session_is_old(const struct session *session, const char *bytes, size_t length);

/* Until all is judged: record what is too old, and take it out of todo.fetch. */
int session_leave_old(struct session *session, struct error *err) MUST_CHECK;

#endif
