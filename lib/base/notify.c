#include "lib/base/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define STATE_MAX_BYTES  100
#define STATUS_MAX_BYTES 400

/* 0 with the address and its size, or -1 if there is none that we know how to reach. */
static int find_supervisor(struct sockaddr_un *address, socklen_t *size_out)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t length = name != NULL ? strlen(name) : 0;

	if (length < 2 || length >= sizeof(address->sun_path) || (name[0] != '/' && name[0] != '@'))
		return -1;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path, name, length);
	/* The name of an abstract one begins with NUL and has no other. */
	if (name[0] == '@')
		address->sun_path[0] = '\0';
	*size_out = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length +
	                        (name[0] == '/' ? 1 : 0));
	return 0;
}

static size_t write_state(char *out, size_t size, enum notify_state state)
{
	struct timespec now;

	switch (state) {
	case NOTIFY_READY:
		return (size_t)snprintf(out, size, "READY=1\nSTATUS=");
	case NOTIFY_STOPPING:
		return (size_t)snprintf(out, size, "STOPPING=1\nSTATUS=");
	case NOTIFY_RELOADING:
		break;
	}
	/* The time is what Type=notify-reload tells a new reload by. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (size_t)snprintf(out, size, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=",
	                        (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

/* A line break would begin another field. */
static void write_status(char *out, size_t size, const char *format, va_list args)
{
	vsnprintf(out, size, format, args);
	for (char *c = out; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

void notify_supervisor(enum notify_state state, const char *format, ...)
{
	const struct timeval patience = {.tv_sec = 1};
	char message[STATE_MAX_BYTES + STATUS_MAX_BYTES + 1];
	struct sockaddr_un address;
	socklen_t size;
	size_t length;
	va_list args;
	int fd;

	if (find_supervisor(&address, &size) < 0)
		return;
	length = write_state(message, STATE_MAX_BYTES, state);
	va_start(args, format);
	write_status(message + length, STATUS_MAX_BYTES + 1, format, args);
	va_end(args);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	(void)!sendto(fd, message, strlen(message), MSG_NOSIGNAL, (const struct sockaddr *)&address,
	              size);
	close(fd);
}
