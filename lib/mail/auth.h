#ifndef REJOINDER_MAIL_AUTH_H
#define REJOINDER_MAIL_AUTH_H

#include "lib/mail/header.h"

/*
 * The verdict of Authentication-Results (RFC 8601) fields that carry the
 * configured authserv-id; others are forgeable and are not read.
 *
 * Returns "pass" (dmarc=pass, or without a dmarc result dkim=pass or spf=pass),
 * "fail" (dmarc=fail, or without a dmarc result a fail of dkim or spf and no
 * pass), or "none".  authserv_id NULL gives "none".
 */
const char *auth_verdict(const struct header *header, const char *authserv_id);

#endif
