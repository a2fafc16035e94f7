#ifndef REJOINDER_BASE_NOTIFY_H
#define REJOINDER_BASE_NOTIFY_H

#include "lib/base/error.h"

/*
 * What a daemon tells its supervisor: systemd's protocol of sd_notify(3), a datagram to
 * the socket that the environment variable NOTIFY_SOCKET names (a path, or @name for an
 * abstract one).  Without that variable nothing happens.  As with the log there is
 * nowhere to say that it failed: a supervisor that hears nothing goes by its timeout.
 */

enum notify_state {
	NOTIFY_READY,     /* started, or done with a reload */
	NOTIFY_RELOADING, /* NOTIFY_READY follows, whatever comes of it */
	NOTIFY_STOPPING,
};

/*
 * With it goes one line for people, which `systemctl status` shows until the next; it is
 * cut at 400 bytes.  A supervisor that does not read holds the caller up for a second at
 * most.
 */
void notify_supervisor(enum notify_state state, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
