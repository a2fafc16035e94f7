#ifndef REJOINDER_MAIL_AUTH_H
#define REJOINDER_MAIL_AUTH_H

#include "lib/mail/header.h"

/*
 * The verdict of Authentication-Results (RFC 8601) fields that carry the
 * configured authserv-id; others are forgeable and are not read.
 *
 * Several fields of ours are ordinary (one a filter: DKIM's, then DMARC's above
 * it), so each method is taken from the topmost field that speaks of it.  RFC 8601
 * 5 has the border remove what claims our id from outside; one that slipped
 * through stands below and so cannot outvote what our filter said.  A version
 * other than 1, of the field or of a method, is not read.
 *
 * Without a dmarc result a pass of dkim or spf counts only if it is the author's:
 * if header.d, header.i or smtp.mailfrom is the domain of From, one above it or one
 * below it (RFC 7489 3.1, relaxed), and From names one author.  A fail counts
 * whoever it is of.  What the world calls one organisation we do not know: with
 * From at a public suffix, all below it count.
 *
 * Returns "pass" (dmarc=pass, or without a dmarc result such a pass), "fail"
 * (dmarc=fail, or without a dmarc result a fail of dkim or spf and no such pass),
 * or "none".  authserv_id NULL gives "none".
 */
const char *auth_verdict(const struct header *header, const char *authserv_id);

#endif
