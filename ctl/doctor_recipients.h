#ifndef REJOINDER_CTL_DOCTOR_RECIPIENTS_H
#define REJOINDER_CTL_DOCTOR_RECIPIENTS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * Asking Postfix whether it takes mail for somebody: RCPT (RFC 5321 4.1.1.3) and no
 * DATA, so that nothing is sent.
 */

#define RECIPIENT_REPLY_MAX 160

struct recipient {
	char *address;
	const char *purpose;                 /* in words */
	int code;                            /* what Postfix answered, 0: it was not asked */
	char reply[RECIPIENT_REPLY_MAX + 1]; /* its last line; untrusted */
};

/*
 * Fill code and reply of each.  server: host:port.  0, or -1 with *err if not all could be
 * asked: nobody listens, no answer before deadline_ms (monotonic), or an answer that is
 * none.
 */
int recipients_ask(const char *server, struct recipient *recipients, size_t count,
                   int64_t deadline_ms, struct error *err) MUST_CHECK;

#endif
