#ifndef REJOINDER_FETCHER_RELAY_SECRET_H
#define REJOINDER_FETCHER_RELAY_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "fetcher/socketmap.h"
#include "lib/base/config.h"

/*
 * What Postfix is told when it is about to send mail of a sender by a relay: how to
 * sign in, or to keep the mail for now.
 *
 * Postfix asks for the sender, with its +detail and all, then for the relay's host,
 * then for `[host]:port`; with no answer to any it sends without signing in.  TEMP
 * makes it keep the mail, whatever it asked for.
 */

#define RELAY_MAP_NAME "relay"

/*
 * The enabled account with a relay whose address, +detail or not, the request asks for: its
 * answer is relay_secret_get()'s.  Else NULL and the answer: NOTFOUND for what is
 * none; TEMP for a `[host]:port` that no account without user name sends by, since
 * there only mail of an account that is gone would go out, and be refused for good;
 * PERM for another map.  *reason_out is not to be freed.
 */
const struct account *relay_secret_account(const struct config *config,
                                           const struct socketmap_request *request,
                                           enum socketmap_status *status_out,
                                           const char **reason_out);

enum relay_state {
	RELAY_SIGNS_IN,
	RELAY_SIGNS_NOT_IN, /* it has no user name */
	RELAY_OVER_LIMIT,
	RELAY_TROUBLE, /* no password to be had, or the store cannot be read or written */
};

struct relay_secret {
	enum relay_state state;
	char *text;           /* of RELAY_SIGNS_IN: user name, colon, password; else NULL */
	size_t length;        /* of text */
	size_t release_count; /* more replies that may let mail go; the others are TEMP */
	/* Why TEMP, for people, no secret: begins with the account's name.  "": there is none. */
	char reason[512];
};

/*
 * May mail of the account go out now, and how does it sign in?  This may take as
 * long as the password command does.  asker_count: how many replies there will
 * be; each lets one recipient's mail go, since contrib/postfix says so to
 * Postfix.  With on_limit = queue so many are taken for released on this day first, or as
 * many as the limit leaves: whether they go out then or not.  now: Unix seconds.
 * relay_secret_release() wipes it.
 */
void relay_secret_get(struct relay_secret *secret, const struct config *config,
                      const struct account *account, size_t asker_count, int64_t now);
void relay_secret_release(struct relay_secret *secret);

/* The reply to one request for it, as socketmap_write(). */
char *relay_secret_reply(struct relay_secret *secret, size_t *length_out);

/*
 * Can Postfix sign in so?  It splits user name and password at the first colon, and
 * drops what is not UTF-8.  0, or -1 with *err (ERROR_CONFIG), which holds no secret.
 */
int relay_secret_check(const char *username, const char *password, size_t length,
                       struct error *err) MUST_CHECK;

#endif
