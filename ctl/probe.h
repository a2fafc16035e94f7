#ifndef REJOINDER_CTL_PROBE_H
#define REJOINDER_CTL_PROBE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/error.h"

/*
 * Does something listen on a socket in libmilter's spelling (unix:/path,
 * inet:port@host, inet6:port@host)?  Connects and closes: no byte is sent, so
 * the milter neither negotiates nor logs.
 * Returns 0, or -1 with the reason in *err.
 */
int probe_socket(const char *spelling, int timeout_ms, struct error *err) MUST_CHECK;

/* The same, and the connection stays: its descriptor, which does not block; or -1 with *err and errno. */
int probe_open(const char *spelling, int timeout_ms, struct error *err) MUST_CHECK;

/*
 * Does a milter answer there?  Negotiates as a mail server does, and leaves; no mail is
 * spoken of.  Returns 0, or -1 with *err and errno: of connect(2), ETIMEDOUT if there
 * was no answer in that time, EPROTO if it was not a milter's.
 */
int probe_milter(const char *spelling, int timeout_ms, struct error *err) MUST_CHECK;

/* Write all of it, or read at least one byte and at most `size`, before deadline_ms (monotonic). */
int probe_write(int fd, const void *bytes, size_t length, int64_t deadline_ms,
                struct error *err) MUST_CHECK;
/* How many were read, 0 at the end; -1 with *err and errno. */
ssize_t probe_read(int fd, void *bytes, size_t size, int64_t deadline_ms,
                   struct error *err) MUST_CHECK;

#endif
