#ifndef REJOINDER_CTL_PROBE_H
#define REJOINDER_CTL_PROBE_H

#include "lib/base/error.h"

/*
 * Does something listen on a socket in libmilter's spelling (unix:/path,
 * inet:port@host, inet6:port@host)?  Connects and closes: no byte is sent, so
 * the milter neither negotiates nor logs.
 * Returns 0, or -1 with the reason in *err.
 */
int probe_socket(const char *spelling, int timeout_ms, struct error *err) MUST_CHECK;

#endif
