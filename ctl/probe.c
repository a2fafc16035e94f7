#include "ctl/probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/store/store.h"

/* The descriptor, or -1 with *err and errno. */
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
	if (socket_error == 0)
		return fd;
	close(fd);
	error_set(err, ERROR_TEMPORARY, "connect: %s", strerror(socket_error));
	errno = socket_error;
	return -1;
}

static int open_unix(const char *path, int timeout_ms, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	errno = ENAMETOOLONG;
	if (strlen(path) >= sizeof address.sun_path)
		return error_set(err, ERROR_CONFIG, "the path is over %zu bytes",
		                 sizeof address.sun_path - 1);
	strcpy(address.sun_path, path);
	return connect_within((const struct sockaddr *)&address, sizeof address, timeout_ms, err);
}

static int open_inet(const char *port_at_host, int family, int timeout_ms, struct error *err)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char port[32], host[256];
	int rc, saved_errno;

	errno = EINVAL;
	/* The widths are the buffers' sizes less one; an address may stand in brackets. */
	if (sscanf(port_at_host, "%31[^@]@[%255[^]]", port, host) != 2 &&
	    sscanf(port_at_host, "%31[^@]@%255s", port, host) != 2)
		return error_set(err, ERROR_CONFIG, "expected port@host");
	rc = getaddrinfo(host, port, &hints, &found);
	errno = EADDRNOTAVAIL;
	if (rc != 0)
		return error_set(err, ERROR_TEMPORARY, "look-up: %s", gai_strerror(rc));
	rc = -1;
	for (const struct addrinfo *next = found; next != NULL && rc < 0; next = next->ai_next)
		rc = connect_within(next->ai_addr, next->ai_addrlen, timeout_ms, err);
	saved_errno = errno;
	freeaddrinfo(found);
	errno = saved_errno;
	return rc;
}

int probe_open(const char *spelling, int timeout_ms, struct error *err)
{
	if (strncmp(spelling, "inet:", 5) == 0)
		return open_inet(spelling + 5, AF_INET, timeout_ms, err);
	if (strncmp(spelling, "inet6:", 6) == 0)
		return open_inet(spelling + 6, AF_INET6, timeout_ms, err);
	if (strncmp(spelling, "unix:", 5) == 0)
		return open_unix(spelling + 5, timeout_ms, err);
	errno = EINVAL;
	return error_set(err, ERROR_CONFIG, "expected unix:, inet: or inet6:");
}

int probe_socket(const char *spelling, int timeout_ms, struct error *err)
{
	int fd = probe_open(spelling, timeout_ms, err);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/* Wait until it can be done. 0, or -1 with *err and errno. */
static int await(int fd, short events, int64_t deadline_ms, struct error *err)
{
	struct pollfd wanted = {.fd = fd, .events = events};
	int64_t left_ms;
	int rc;

	do {
		left_ms = deadline_ms - store_clock_ms();
		rc = left_ms > 0 ? poll(&wanted, 1, (int)left_ms) : 0;
	} while (rc < 0 && errno == EINTR);
	if (rc > 0)
		return 0;
	if (rc == 0)
		errno = ETIMEDOUT;
	rc = errno;
	error_set(err, ERROR_TEMPORARY, "%s",
	          rc == ETIMEDOUT ? "there was no answer in time" : strerror(rc));
	errno = rc;
	return -1;
}

int probe_write(int fd, const void *bytes, size_t length, int64_t deadline_ms, struct error *err)
{
	const char *next = bytes;

	while (length > 0) {
		ssize_t written;

		if (await(fd, POLLOUT, deadline_ms, err) < 0)
			return -1;
		written = send(fd, next, length, MSG_NOSIGNAL);
		if (written < 0 && errno != EAGAIN && errno != EINTR) {
			int number = errno;

			error_set(err, ERROR_TEMPORARY, "write: %s", strerror(number));
			errno = number;
			return -1;
		}
		next += written > 0 ? written : 0;
		length -= written > 0 ? (size_t)written : 0;
	}
	return 0;
}

ssize_t probe_read(int fd, void *bytes, size_t size, int64_t deadline_ms, struct error *err)
{
	ssize_t got;
	int number;

	do {
		if (await(fd, POLLIN, deadline_ms, err) < 0)
			return -1;
		got = recv(fd, bytes, size, 0);
	} while (got < 0 && (errno == EAGAIN || errno == EINTR));
	if (got >= 0)
		return got;
	number = errno;
	error_set(err, ERROR_TEMPORARY, "read: %s", strerror(number));
	errno = number;
	return -1;
}

static int fail_as_no_milter(struct error *err, const char *what)
{
	error_set(err, ERROR_CONFIG, "%s", what);
	errno = EPROTO;
	return -1;
}

/* The packet's length (4 bytes, the greatest first), its command, and what is offered. */
static int negotiate(int fd, int64_t deadline_ms, struct error *err)
{
	static const unsigned char offer[] = {0, 0,    0,    13,   'O', 0,    0,    0,   6,
	                                      0, 0x00, 0x01, 0xff, 0,   0x1f, 0xff, 0xff};
	static const unsigned char leave[] = {0, 0, 0, 1, 'Q'};
	unsigned char answer[5];
	size_t length = 0;

	if (probe_write(fd, offer, sizeof offer, deadline_ms, err) < 0)
		return -1;
	while (length < sizeof answer) {
		ssize_t got =
			probe_read(fd, answer + length, sizeof answer - length, deadline_ms, err);

		if (got < 0)
			return -1;
		if (got == 0)
			return fail_as_no_milter(err, "it closed the connection");
		length += (size_t)got;
	}
	if (answer[0] != 0 || answer[1] != 0 || answer[4] != 'O')
		return fail_as_no_milter(err, "what answers there is no milter");
	return probe_write(fd, leave, sizeof leave, deadline_ms, err);
}

int probe_milter(const char *spelling, int timeout_ms, struct error *err)
{
	int64_t deadline_ms = store_clock_ms() + timeout_ms;
	int fd = probe_open(spelling, timeout_ms, err), rc, number;

	if (fd < 0)
		return -1;
	rc = negotiate(fd, deadline_ms, err);
	number = errno;
	close(fd);
	errno = number;
	return rc;
}
