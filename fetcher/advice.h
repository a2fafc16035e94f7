#ifndef REJOINDER_FETCHER_ADVICE_H
#define REJOINDER_FETCHER_ADVICE_H

#include <stdbool.h>

#include "lib/base/preset.h"

/*
 * What an admin can do about a connection that failed, from the words of the
 * error: those of libcurl, of its TLS library, and of the big services.  Pure.
 */

enum advice_protocol { ADVICE_POP3, ADVICE_RELAY };

/* What is known besides the error. */
struct advice_case {
	enum advice_protocol protocol;
	bool is_tls;                 /* TLS from the first byte was tried */
	const struct preset *preset; /* of the account, or NULL */
};

/* One or two sentences, or "" if there is nothing to say beyond the error. */
const char *advice_for(const struct advice_case *about, const char *error_text);

#endif
