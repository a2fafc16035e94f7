#ifndef REJOINDER_NET_SMTP_H
#define REJOINDER_NET_SMTP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * Handing a message to the local Postfix over SMTP (RFC 5321): one recipient a
 * transaction, one connection kept for many.
 */

struct smtp;

/* host_port: "127.0.0.1:10024". Connects at the first send. */
struct smtp *smtp_new(const char *host_port, int64_t timeout_ms);
void smtp_free(struct smtp *smtp);

/*
 * Send one message.
 *
 * sender: "" for the null sender; sender and recipient without angle brackets, at most 320 bytes and
 * free of bytes below 0x21 and 0x7f, else ERROR_PERMANENT.  The message is prefix followed by
 * bytes, line ends CRLF or LF; dots are stuffed here.
 * Returns 0 when Postfix answered 250 after the final dot, with its queue id in queue_id_out
 * (size bytes, "" if it said none).  -1 with *err: ERROR_TEMPORARY (4xx, or never reached the end),
 * ERROR_PERMANENT (5xx), ERROR_UNCERTAIN (the connection died after the final
 * dot: it may have been taken).  The reply's text stands in the error.
 */
int smtp_send(struct smtp *smtp, const char *sender, const char *recipient, const char *prefix,
              size_t prefix_length, const char *bytes, size_t length, char *queue_id_out,
              size_t queue_id_size, struct error *err) MUST_CHECK;

#endif
