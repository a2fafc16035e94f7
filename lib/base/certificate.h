#ifndef REJOINDER_BASE_CERTIFICATE_H
#define REJOINDER_BASE_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * Until when the certificates in a file are good.  Nothing is verified here: that is
 * done by who connects.
 */

#define CERTIFICATE_FILE_MAX_BYTES (4 * 1024 * 1024)

struct certificates {
	size_t count;
	int64_t first_ends_at;    /* of the first in the file: a server's own; Unix seconds */
	int64_t earliest_ends_at; /* of all of them */
	int64_t latest_ends_at;
};

/*
 * Read a file of certificates in PEM (RFC 7468); keys and other things in it are passed
 * over.  0, or -1 with *err: ERROR_CONFIG if there is no such file, it holds no
 * certificate or a damaged one, or is over CERTIFICATE_FILE_MAX_BYTES; ERROR_TEMPORARY
 * if it cannot be read.
 */
int certificates_read(const char *path, struct certificates *out, struct error *err) MUST_CHECK;

#endif
