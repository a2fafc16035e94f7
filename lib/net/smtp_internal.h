#ifndef REJOINDER_NET_SMTP_INTERNAL_H
#define REJOINDER_NET_SMTP_INTERNAL_H

#include <stdbool.h>

#include "lib/net/connection_internal.h"
#include "lib/net/smtp.h"

/* What the files of the SMTP client share; not for others. */

#define SMTP_LINE_MAX_BYTES  2000 /* of a reply; RFC 5321 4.5.3.1.5 says 512 */
#define SMTP_REPLY_MAX_LINES 100
#define SMTP_PIECE_BYTES     (64 * 1024)

/* A connection to a server that has answered EHLO. */
struct smtp_session {
	struct connection *connection;
	bool has_pipelining;
	bool has_smtputf8;
	int code;                            /* of the last reply */
	char reply[SMTP_LINE_MAX_BYTES + 1]; /* untrusted: its last line, without the line end */
	size_t reply_length;
	char piece[SMTP_PIECE_BYTES]; /* of the text that is being sent */
	size_t piece_length;
};

/*
 * Connect, sign in if the server has a username.  NULL with *err as
 * smtp_sign_in() says.
 */
struct smtp_session *smtp_session_open(const struct server *server, int64_t deadline_ms,
                                       struct error *err) MUST_CHECK;
/* Says nothing to the server. NULL is fine. */
void smtp_session_close(struct smtp_session *session);
/* The same after QUIT, whose answer is not waited for. */
void smtp_session_quit(struct smtp_session *session);

/*
 * Read one reply.  Its code, 200 to 599; -1 with ERROR_TEMPORARY when none came
 * or it is none.
 */
int smtp_session_read(struct smtp_session *session, struct error *err) MUST_CHECK;

/* The last reply as an error: ERROR_PERMANENT for 5xx, else ERROR_TEMPORARY. Returns -1. */
int smtp_session_refuse(const struct smtp_session *session, struct error *err);

/* What follows a 354: one text in several parts, each line end LF or CRLF. */
struct smtp_text {
	const char *parts[2];
	size_t lengths[2];
};

/*
 * Send the text (RFC 5321 4.5.2: dots stuffed, line ends made CRLF) and the final
 * dot.  0 when all went out and the answer is to be read.  -1 with *err:
 * the session is of no more use; by the server's words if it had some, else
 * ERROR_UNCERTAIN when some of the final dot may have gone out, else ERROR_TEMPORARY.
 */
int smtp_text_send(struct smtp_session *session, const struct smtp_text *text,
                   struct error *err) MUST_CHECK;

#endif
