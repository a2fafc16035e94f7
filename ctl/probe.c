#include "ctl/probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_within(const struct sockaddr *address, socklen_t length, int timeout_ms,
                          struct error *err)
{
	int socket_error = 0;
	socklen_t error_length = sizeof socket_error;
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_set(err, ERROR_TEMPORARY, "socket: %s", strerror(errno));
	if (connect(fd, address, length) < 0) {
		struct pollfd writable = {.fd = fd, .events = POLLOUT};

		socket_error = errno;
		if (socket_error == EINPROGRESS && poll(&writable, 1, timeout_ms) == 0)
			socket_error = ETIMEDOUT;
		else if (socket_error == EINPROGRESS &&
		         getsockopt(fd, SOL_SOCKET, SO_ERROR, &socket_error, &error_length) < 0)
			socket_error = errno;
	}
	close(fd);
	if (socket_error != 0)
		return error_set(err, ERROR_TEMPORARY, "connect: %s", strerror(socket_error));
	return 0;
}

static int probe_unix(const char *path, int timeout_ms, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof address.sun_path)
		return error_set(err, ERROR_CONFIG, "the path is over %zu bytes",
		                 sizeof address.sun_path - 1);
	strcpy(address.sun_path, path);
	return connect_within((const struct sockaddr *)&address, sizeof address, timeout_ms, err);
}

static int probe_inet(const char *port_at_host, int family, int timeout_ms, struct error *err)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char port[32], host[256];
	int rc;

	/* The widths are the buffers' sizes less one; an address may stand in brackets. */
	if (sscanf(port_at_host, "%31[^@]@[%255[^]]", port, host) != 2 &&
	    sscanf(port_at_host, "%31[^@]@%255s", port, host) != 2)
		return error_set(err, ERROR_CONFIG, "expected port@host");
	rc = getaddrinfo(host, port, &hints, &found);
	if (rc != 0)
		return error_set(err, ERROR_TEMPORARY, "look-up: %s", gai_strerror(rc));
	rc = -1;
	for (const struct addrinfo *next = found; next != NULL && rc < 0; next = next->ai_next)
		rc = connect_within(next->ai_addr, next->ai_addrlen, timeout_ms, err);
	freeaddrinfo(found);
	return rc;
}

int probe_socket(const char *spelling, int timeout_ms, struct error *err)
{
	if (strncmp(spelling, "inet:", 5) == 0)
		return probe_inet(spelling + 5, AF_INET, timeout_ms, err);
	if (strncmp(spelling, "inet6:", 6) == 0)
		return probe_inet(spelling + 6, AF_INET6, timeout_ms, err);
	if (strncmp(spelling, "unix:", 5) == 0)
		return probe_unix(spelling + 5, timeout_ms, err);
	return error_set(err, ERROR_CONFIG, "expected unix:, inet: or inet6:");
}
