#ifndef REJOINDER_NET_CONNECTION_INTERNAL_H
#define REJOINDER_NET_CONNECTION_INTERNAL_H

#include "lib/net/connection.h"

/*
 * The bytes of a connection, for the protocols of lib/net only.
 *
 * What arrives is kept in a buffer of fixed size until it is consumed; whoever
 * reads decides what a line or a message is.  Two clocks run while something is
 * waited for: idle_timeout_ms starts anew with each byte, the deadline of
 * connection_begin_reply() does not.
 */

#define CONNECTION_BUFFER_BYTES (64 * 1024)

struct connection;

/* The first is what a zeroed attempt means. */
enum connection_protocol { CONNECTION_POP3, CONNECTION_SMTP };

struct connection_attempt {
	enum connection_protocol protocol;
	/*
	 * By SASL PLAIN, over SMTP by LOGIN where that is all there is; else libcurl
	 * stops before the sign-in.  So it does, without an error, at an SMTP server
	 * that offers no AUTH.
	 */
	bool is_signing_in;
	int64_t deadline_ms; /* connection_now_ms() */
	/* Each line the server says until then, with its line end. */
	void (*on_line)(void *context, const char *line /* untrusted */, size_t length);
	void *context;
	bool is_refused; /* out: it failed by what the server said or did not offer */
	bool is_denied;  /* out: it failed at the sign-in */
};

/* A clock that only runs forward. */
int64_t connection_now_ms(void);

/*
 * Connect to a server.  NULL with *err: ERROR_CONFIG for what only the admin can
 * change (certificate, no STLS or STARTTLS, CA file, host name), else
 * ERROR_TEMPORARY.
 */
struct connection *connection_open(const struct server *server, struct connection_attempt *attempt,
                                   struct error *err) MUST_CHECK;
/* Says nothing to the server. NULL is fine. */
void connection_close(struct connection *connection);

/*
 * Send all of it, or -1 with ERROR_TEMPORARY.  Nothing is read meanwhile, so what
 * it provokes must not be more than the sockets' buffers hold: a few KB of
 * commands, or text of any length that is answered once.
 */
int connection_send(struct connection *connection, const char *bytes, size_t length,
                    struct error *err) MUST_CHECK;
/* How many bytes went out so far, also of a connection_send() that failed. */
uint64_t connection_sent_bytes(const struct connection *connection);

/* What is sent or read from now on must be done within total_timeout_ms, or by deadline_ms. */
void connection_begin_reply(struct connection *connection);
void connection_set_deadline(struct connection *connection, int64_t deadline_ms);

/*
 * Call this whenever nothing has come for CONNECTION_QUIET_MS; -1 with *err ends
 * the waiting with that error.  NULL: no more.
 */
#define CONNECTION_QUIET_MS 100
void connection_set_idle(struct connection *connection,
                         int (*on_idle)(void *context, struct error *err), void *context);

/* What arrived and was not consumed; valid until the next fill. */
const char *connection_pending(const struct connection *connection, size_t *length_out);
void connection_consume(struct connection *connection, size_t length);

/*
 * Wait for more.  0 when at least one byte was added; -1 with ERROR_TEMPORARY:
 * closed (with or without TLS's goodbye), a deadline passed, or the buffer full.
 */
int connection_fill(struct connection *connection, struct error *err) MUST_CHECK;

/* Is there something to read, be it the connection's end? Waits for nothing. */
bool connection_has_arrived(struct connection *connection);

/*
 * Read a line that ends in LF or CRLF, max_bytes at most without its LF.  It
 * stands in line (max_bytes + 1 bytes) without its end, with a NUL after it.
 * -1 with ERROR_TEMPORARY.
 */
int connection_read_line(struct connection *connection, char *line /* untrusted */,
                         size_t max_bytes, size_t *length_out, struct error *err) MUST_CHECK;

#endif
