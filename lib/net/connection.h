#ifndef REJOINDER_NET_CONNECTION_H
#define REJOINDER_NET_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * A signed-in connection to a mail server, made by libcurl (TCP, TLS with
 * verified certificates, STARTTLS/STLS, SASL or USER/PASS) and then ours to
 * talk on: CURLOPT_CONNECT_ONLY.  Bytes only; what they mean is for pop3 and smtp.
 */

enum security {
	SECURITY_TLS,      /* TLS from the first byte: pop3s */
	SECURITY_STARTTLS, /* upgraded, and refused when the server cannot */
	SECURITY_NONE,     /* in clear, only where the admin says so */
};

struct server {
	const char *host;
	uint16_t port;
	enum security security;
	const char *username, *password;  /* NULL: no sign-in */
	const char *ca_file;              /* NULL: the system's */
	int64_t connect_timeout_ms;       /* to the end of the sign-in */
	int64_t idle_timeout_ms;          /* without a byte, afterwards */
	int64_t *certificate_ends_at_out; /* NULL, or gets until when its certificates are good:
	                                     Unix seconds, 0 without TLS, untrusted */
	int64_t total_timeout_ms; /* of one reply or message, however slowly it drips; 0: none */
};

/* Once a process, before any thread. */
void connection_start_up(void);
void connection_shut_down(void);

#endif
