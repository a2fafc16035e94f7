#ifndef REJOINDER_MILTER_SESSION_H
#define REJOINDER_MILTER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "lib/base/error.h"
#include "milter/committer.h"
#include "milter/edits.h"
#include "milter/hourly.h"
#include "milter/plan.h"
#include "milter/policy.h"
#include "milter/readers.h"

/*
 * One connection of Postfix, one message at a time: gathers what the callbacks
 * bring, decides at the end of the header whether the message is ours, has it
 * recorded at its end, and says which edits and which reply are due.  Knows
 * nothing of libmilter.  Used by one callback at a time, on changing threads.
 */

/* Stands in the committer's place where nothing is to be recorded. */
struct rehearsal {
	/* As store_record() for one record: 0 and *out, or -1 with *err. */
	int (*record)(void *context, const struct record *record, struct recorded *out,
	              struct error *err);
	void *context;
};

struct services {
	struct policy_holder *policies;
	struct readers *readers;
	struct committer *committer;
	struct hourly *bad_token_senders;  /* who was complained of; NULL: nobody is spared */
	const struct rehearsal *rehearsal; /* NULL: it is meant seriously */
};

struct session;

struct session *session_new(const struct services *services);
void session_free(struct session *session); /* NULL is fine: a connection that said nothing */

/* address: of the SMTP client, or NULL when Postfix gives none. */
void session_set_client(struct session *session, const struct sockaddr *address);

/* MAIL: sender as given, "" or "<>" for the null sender; a message that was under way is forgotten. */
void session_begin(struct session *session, const char *sender, bool is_authenticated);
void session_add_rcpt(struct session *session, const char *rcpt);
void session_add_field(struct session *session, const char *name, const char *value);
/* The fields of a header that lies there, its lines ended by LF. Returns where the body begins. */
size_t session_add_header(struct session *session, const char *bytes, size_t length);

/* Is the rest of the message wanted, or its end at least? If not, it passes as it is. */
bool session_end_header(struct session *session);

/* Returns whether more of the body is wanted. */
bool session_add_body(struct session *session, const unsigned char *bytes, size_t length);

struct outcome {
	bool is_accepted;
	struct edit_list edits; /* to be applied before it is accepted; edit_list_release() */
	char reply_code[4], reply_status[8]; /* of a refusal: "451", "4.3.0"; 5xx is for good */
	char reply_text[200];
};

/* queue_id: Postfix's, or NULL. Blocks until the message is recorded or its deadline passes. */
void session_end_message(struct session *session, const char *queue_id, struct outcome *outcome);

/*
 * The message is over: are_applied says whether Postfix took every edit.  Writes
 * the log line of the message.
 */
void session_finish(struct session *session, bool are_applied);

/*
 * What the message is and what was decided, for whoever explains it: from
 * session_end_header() on, until the message is over.  *recorded_out is NULL where
 * nothing was recorded; status and reason as in the log line, NULL if there is none.
 */
struct decision {
	const struct mail *mail;
	const struct plan *plan;
	const struct recorded *recorded;
	const char *status, *reason;
};
void session_decision(const struct session *session, struct decision *out);

/* Forget a message that Postfix gave up. */
void session_abort(struct session *session);

#endif
