#ifndef REJOINDER_NET_SMTP_H
#define REJOINDER_NET_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/net/connection.h"

/*
 * Handing a message to the local Postfix over SMTP (RFC 5321): one recipient a
 * transaction, one connection kept for many, its commands in one group where
 * the server offers PIPELINING (RFC 2920).  And trying whether a server lets us
 * sign in.  Nothing of the server is trusted: line lengths, numbers of lines,
 * when it answers.
 */

struct smtp;

/*
 * host_port: "127.0.0.1:10024".  Connects at the first send.  timeout_ms: of one
 * smtp_send(), all that it waits for together.
 */
struct smtp *smtp_new(const char *host_port, int64_t timeout_ms);
/* Says QUIT where that is still possible, and does not wait for an answer. NULL is fine. */
void smtp_free(struct smtp *smtp);

/*
 * Send one message.
 *
 * sender: "" for the null sender; sender and recipient without angle brackets, at most 320 bytes and
 * free of bytes below 0x21 and 0x7f, else ERROR_PERMANENT.  The message is prefix followed by
 * bytes, line ends CRLF or LF; dots are stuffed here.
 * Returns 0 when Postfix answered 250 after the final dot, with its queue id in queue_id_out
 * (size bytes, "" if it said none).  -1 with *err: ERROR_TEMPORARY (4xx, or never reached the end,
 * or a 5xx before MAIL, which is not about the message), ERROR_PERMANENT (5xx), ERROR_UNCERTAIN
 * (the connection died after some of the final dot went out, or the answer to it is none: it may
 * have been taken).  The reply's text stands in the error.
 * A connection that was kept and turns out closed before it answered anything is
 * replaced, once.  A 4xx, or any refusal of the text, ends the connection: after
 * a milter's failure Postfix would answer 451 for as long as it is kept.
 */
int smtp_send(struct smtp *smtp, const char *sender, const char *recipient, const char *prefix,
              size_t prefix_length, const char *bytes, size_t length, char *queue_id_out,
              size_t queue_id_size, struct error *err) MUST_CHECK;

/*
 * Did the last smtp_send() come to an answer about its message: taken, or refused for now or for
 * good, with a server that goes on?  Then another message may fare better.
 */
bool smtp_is_well(const struct smtp *smtp);

/*
 * Connect, sign in with AUTH PLAIN, or LOGIN where only that is offered (RFC
 * 4954), say QUIT and close.
 *
 * server: its connect_timeout_ms is for all of it.  Without a username nobody
 * signs in, and it is enough that EHLO is answered.
 * Returns 0, or -1 with *err: ERROR_CONFIG for what only the admin can change
 * (a certificate that does not verify, no STARTTLS, no AUTH offered, 5xx at the
 * sign-in), else ERROR_TEMPORARY.  The text holds the server's words, cleaned.
 */
int smtp_sign_in(const struct server *server, struct error *err) MUST_CHECK;

#endif
