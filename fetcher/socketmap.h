#ifndef REJOINDER_FETCHER_SOCKETMAP_H
#define REJOINDER_FETCHER_SOCKETMAP_H

#include <stddef.h>

#include "lib/base/error.h"

/*
 * The protocol by which Postfix asks a program for the value of a key,
 * socketmap_table(5).  Pure: bytes in, bytes out.
 *
 * A request is a netstring of "name key", a reply is one of "OK data",
 * "NOTFOUND ", "TEMP reason" or "PERM reason".  A netstring is its length in
 * decimal digits, without a zero before them, a colon, the bytes, a comma.
 */

#define SOCKETMAP_REQUEST_BYTES 4096                          /* name, blank and key */
#define SOCKETMAP_REQUEST_SIZE  (SOCKETMAP_REQUEST_BYTES + 6) /* with "4096:" and "," */
#define SOCKETMAP_REPLY_BYTES   100000 /* Postfix takes no more, the netstring's own not counted */
#define SOCKETMAP_REASON_BYTES  200    /* Postfix logs no more */

/* Both point into the bytes, and are not ended by a NUL; name holds no blank. */
struct socketmap_request {
	const char *name, *key; /* untrusted */
	size_t name_length, key_length;
};

/*
 * Read the request that stands first in untrusted bytes.
 *
 * Returns 1, *request_out and in *taken_out how many bytes it takes with all
 * that is around it; 0 if more bytes are needed, which then make at most
 * SOCKETMAP_REQUEST_SIZE; -1 with *err (ERROR_PERMANENT) if no request begins so.
 */
int socketmap_read(const char *bytes, size_t length, struct socketmap_request *request_out,
                   size_t *taken_out, struct error *err) MUST_CHECK;

enum socketmap_status { SOCKETMAP_OK, SOCKETMAP_NOTFOUND, SOCKETMAP_TEMP, SOCKETMAP_PERM };

/*
 * Write a reply: a string of the caller's, of *length_out bytes, in one piece of
 * memory (secret_free()).  text: the data of SOCKETMAP_OK, as it is; the reason of TEMP
 * and PERM, of which control bytes become `?` and what is over the limit is cut off;
 * not looked at with NOTFOUND.  Data over the limit makes a reply TEMP that says so.
 */
char *socketmap_write(enum socketmap_status status, const char *text, size_t length,
                      size_t *length_out);

#endif
