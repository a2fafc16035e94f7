#ifndef REJOINDER_MILTER_SERVER_H
#define REJOINDER_MILTER_SERVER_H

#include "lib/base/error.h"
#include "milter/session.h"

/*
 * The only user of libmilter: listens, translates its callbacks into calls of
 * session.h, applies the edits.  One server a process, since libmilter has room
 * for one.
 */

/*
 * Listen on socket (libmilter's spelling; a unix socket gets mode 0660 and the
 * group of its directory if that is setgid).  services is borrowed until
 * server_run() returned.  0 or -1 with *err.
 */
int server_listen(const char *socket, const struct services *services,
                  struct error *err) MUST_CHECK;

/*
 * Serve until SIGTERM, SIGINT or SIGHUP, then wait up to drain_ms for messages
 * whose end was reached.  0 or -1 with *err.
 */
int server_run(int64_t drain_ms, struct error *err) MUST_CHECK;

#endif
