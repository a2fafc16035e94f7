#ifndef REJOINDER_FETCHER_CLIENT_H
#define REJOINDER_FETCHER_CLIENT_H

#include <stdint.h>

#include "fetcher/socketmap.h"
#include "lib/base/config.h"

/*
 * A connection to the password service: requests come in, one reply each goes out.
 * Nothing here waits: the socket does not block.
 */

struct run; /* of passwords.c */

enum client_state {
	CLIENT_READS,  /* a request is to come, or the rest of one */
	CLIENT_WAITS,  /* for the answer to the one that is in hand */
	CLIENT_WRITES, /* it */
};

struct client {
	int fd;
	enum client_state state;
	int64_t active_at_ms;                 /* store_clock_ms() when bytes last came or went */
	char request[SOCKETMAP_REQUEST_SIZE]; /* untrusted: the one in hand, and what follows */
	size_t request_length;
	size_t taken; /* by the one in hand */
	char *reply;
	size_t reply_length, sent;

	/* passwords.c: whose answer it waits for, and the look-up that brings it. */
	const struct account *account;
	const struct run *run;
};

/* fd is taken over. */
struct client *client_new(int fd);
void client_free(struct client *client);

/*
 * Take the request that has come, if it is whole: 1 and *request_out, which is in
 * hand until it is answered; 0; -1 with *err if it is none.
 */
int client_take(struct client *client, struct socketmap_request *request_out,
                struct error *err) MUST_CHECK;

/* The reply to the request in hand, which is done with. reply: as socketmap_write(), taken over. */
void client_answer(struct client *client, char *reply, size_t length);
void client_answer_text(struct client *client, enum socketmap_status status, const char *text);

/* Read what has come. 0, or -1 if the other side is gone. */
int client_receive(struct client *client) MUST_CHECK;

/* Write of the reply what goes. 1 when that was all: it reads again; 0; -1 as above. */
int client_send(struct client *client) MUST_CHECK;

#endif
