#ifndef REJOINDER_MAIL_SCAN_H
#define REJOINDER_MAIL_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Steps over a structured field value (RFC 5322 3.2), shared by the readers of
 * lib/mail.  Linear whatever the input: a kind of bracket that once was not closed
 * is an ordinary character from there on.
 */

struct scan {
	const char *bytes; /* untrusted */
	size_t length;
	size_t at;
	bool has_open_comment; /* a "(" without its ")" was met */
	bool has_open_quote;
};

/* Step over the comment at `at`, of any depth. False, and nothing happens, if none begins here or it has no end. */
bool scan_comment(struct scan *scan);

/* The same for a quoted string. */
bool scan_quoted(struct scan *scan);

/* Blank, tab, CR, LF. */
bool scan_is_blank(char c);

#endif
