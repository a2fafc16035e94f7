#ifndef REJOINDER_NET_POP3_INTERNAL_H
#define REJOINDER_NET_POP3_INTERNAL_H

#include "lib/net/connection_internal.h"
#include "lib/net/pop3.h"
#include "lib/net/pop3_parse.h"

/* What the files of the POP3 session share; not for others. */

#define POP3_CLEAN_BYTES 200 /* of a server's words in an error */

struct pop3 {
	struct connection *connection;
	char *name; /* host:port, for error texts */
	struct pop3_capabilities capabilities;
	/* A reply is missing or was not understood: nothing more is sent, least of all QUIT. */
	bool is_broken;
	bool is_doubtful;                   /* that is why it is broken, and commands were ahead */
	bool is_pipelining_forbidden;       /* of RETR and TOP */
	char line[POP3_LINE_MAX_BYTES + 1]; /* untrusted: the last line read, without its end */
	size_t line_length;
	size_t refused_deletions;
	struct error first_refusal; /* of them */
};

/* Send one command (its CRLF is added) and start the clock of its reply. */
int pop3_command(struct pop3 *pop3, struct error *err, const char *format, ...) MUST_CHECK
	PRINTF_LIKE(3, 4);

/* Read one line into pop3->line. */
int pop3_read_line(struct pop3 *pop3, struct error *err) MUST_CHECK;

/* Read a status line. 1 for +OK, 0 for -ERR (it stands in pop3->line), -1 with *err. */
int pop3_read_status(struct pop3 *pop3, struct error *err) MUST_CHECK;

/* The words of pop3->line as an error of this kind. Returns -1. */
int pop3_refuse(struct pop3 *pop3, enum error_kind kind, const char *command, struct error *err);

/* -1 with *err if the server said something though every command is answered. */
int pop3_check_silent(struct pop3 *pop3, struct error *err) MUST_CHECK;

/* -1 with ERROR_TEMPORARY after pop3_break(), or if the server is not silent: before a command. */
int pop3_check_usable(struct pop3 *pop3, struct error *err) MUST_CHECK;

/* Mark the session as broken and name it in *err. Returns -1. */
int pop3_break(struct pop3 *pop3, struct error *err);

#endif
