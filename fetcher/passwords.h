#ifndef REJOINDER_FETCHER_PASSWORDS_H
#define REJOINDER_FETCHER_PASSWORDS_H

#include <stdbool.h>

#include "fetcher/settings.h"

/*
 * The service that Postfix asks for the passwords of relays: socketmap requests
 * (socketmap.h) on password_socket, answered by relay_secret.h.  It listens while an
 * enabled account has a relay; what keeps it from listening is logged, and
 * tried again.
 *
 * One thread talks with all clients.  An answer is looked up in a thread of its own,
 * one an account at a time, since a password command may take seconds: so one
 * account holds up no other.  Whoever asks meanwhile waits for the look-up after it; nothing is
 * kept in memory from one to the next.  A look-up for several takes a release for each.
 *
 * Only postfix_user, root and the user of this process are answered.
 */

#define PASSWORDS_CLIENTS_MAX 64
#define PASSWORDS_IDLE_MS     60000 /* after which a client that says nothing is hung up on */

struct passwords;

/* Start it: who connects from now on is answered. settings are taken over. */
struct passwords *passwords_start(struct settings *settings);

/* Go by other settings from now on, which are taken over; who waits is answered by them. */
void passwords_reload(struct passwords *passwords, struct settings *settings);

/*
 * Hang up on everybody and remove the socket.  true when all has ended and
 * *passwords is freed; false when a password command had not in wait_s seconds: then nothing
 * may follow but the end of the process.
 */
bool passwords_stop(struct passwords *passwords, int wait_s);

#endif
