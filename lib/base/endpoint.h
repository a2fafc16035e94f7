#ifndef REJOINDER_BASE_ENDPOINT_H
#define REJOINDER_BASE_ENDPOINT_H

#include <stdint.h>

/*
 * Where a server is, as the configuration writes it.  Names are looked up by
 * who connects, not here.
 */

#define ENDPOINT_HOST_SIZE 256

/* How a `pop3 =` URL wants to connect: pop3s://, pop3:// (STLS demanded), pop3-plain:// (in clear). */
enum pop3_scheme { POP3_SCHEME_TLS, POP3_SCHEME_STLS, POP3_SCHEME_PLAIN };

/* How a `relay =` URL wants to be spoken to: smtp:// (STARTTLS demanded), smtps:// (TLS). */
enum relay_scheme { RELAY_SCHEME_STARTTLS, RELAY_SCHEME_TLS };

/*
 * Read `host:port`; an IPv6 address stands in square brackets, which are no part
 * of host_out.  default_port: for text without a port; 0: it must have one.
 * Returns 0, or -1 if it is no such thing.
 */
int endpoint_parse(const char *text, uint16_t default_port, char host_out[ENDPOINT_HOST_SIZE],
                   uint16_t *port_out);

/*
 * Read the URL of a POP3 inbox: scheme://host[:port][/], the port being 995 for
 * pop3s and 110 for the others if it is not given.  0, or -1 if it is none; a user
 * name or a path in it makes it none.
 */
int endpoint_parse_pop3(const char *url, enum pop3_scheme *scheme_out,
                        char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out);

/*
 * Read the URL of a relay: smtp://host[:port][/] or smtps://, the port being 587 or
 * 465 if it is not given.  0, or -1 as above.
 */
int endpoint_parse_relay(const char *url, enum relay_scheme *scheme_out,
                         char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out);

#endif
