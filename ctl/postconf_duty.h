#ifndef REJOINDER_CTL_POSTCONF_DUTY_H
#define REJOINDER_CTL_POSTCONF_DUTY_H

#include <stdint.h>

#include "ctl/postconf.h"
#include "lib/base/config.h"

/* What the services of smtpd(8) are there for, as far as their lines tell. */

/* A way by which mail comes in. */
enum duty {
	DUTY_NONE,       /* not smtpd */
	DUTY_OUTSIDE,    /* port 25, and whatever is none of these */
	DUTY_SUBMISSION, /* mail of people who sign in */
	DUTY_RETURN,     /* mail comes back from a content filter */
	DUTY_HANDOVER,   /* submit_to: ours */
	DUTY_LOCAL,      /* no service: sendmail(1) and bounces */
};

enum duty postconf_duty(const struct postconf *postconf, const struct config *config, size_t i);

/* The port of a service of type inet: behind its host, if it has one. Borrowed. */
const char *postconf_port(const struct postconf_service *service);
/* What mail from other hosts comes in by; also smtpd(8) behind postscreen(8). */
bool postconf_is_port_25(const struct postconf_service *service);
/* Can only this host connect to it? */
bool postconf_is_on_loopback(const struct postconf *postconf,
                             const struct postconf_service *service);
/* A name or address without brackets. */
bool postconf_is_loopback_host(const char *host);

/*
 * The largest message that Postfix's own mailboxes take, in bytes; 0: there is no limit, or others
 * deliver.  local(8) and virtual(8) panic over one that is larger, and then deliver nothing for a
 * while.  *parameter_out, if it is not NULL: what says so.
 */
int64_t postconf_mailbox_limit(const struct postconf *postconf, const char **parameter_out);

#endif
