#ifndef REJOINDER_FETCHER_LOCAL_SOCKET_H
#define REJOINDER_FETCHER_LOCAL_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "lib/base/error.h"

/* A unix socket that listens at a path, and who it is that connects. */

struct local_socket {
	int fd; /* listens, does not block */
	dev_t device;
	ino_t inode; /* of the path, as it was made */
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/*
 * Listen at path: mode 0660, the group of its directory.  What a process that is gone
 * left there is replaced.  0, or -1 with *err: ERROR_CONFIG if the path is too
 * long or is no socket, else ERROR_TEMPORARY, also if another process listens there.
 */
int local_socket_open(struct local_socket *socket, const char *path, struct error *err) MUST_CHECK;

/* Is what stands at the path still this socket? If not, nobody can reach it. */
bool local_socket_is_current(const struct local_socket *socket);

/* Stop listening, and remove the path if it is still this socket. */
void local_socket_close(struct local_socket *socket);

/* Who connected: 0, or -1 if the system does not say. */
int local_socket_peer(int connection, uid_t *uid_out, pid_t *pid_out) MUST_CHECK;

/* The id of a user: 1, or 0 if there is none, or it cannot be found out now. */
int local_socket_user(const char *name, uid_t *uid_out) MUST_CHECK;

#endif
