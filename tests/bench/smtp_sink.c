/*
 * An SMTP server that takes every message and throws it away.
 *
 * usage: smtp_sink PORT
 *
 * It listens on 127.0.0.1 and speaks EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP and QUIT,
 * with PIPELINING, as fast as it can: it acknowledges each segment at once, so that no
 * client that leaves Nagle's algorithm on waits 40 ms a message for it.
 *
 * It does not implement: limits, order of commands, more than 64 clients, the 8-bit or
 * any other extension beyond announcing 8BITMIME.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX    64
#define LINE_MAX_BYTES 1024

static const char end_of_data[] = "\r\n.\r\n";

struct client {
	int fd;
	bool is_data;
	size_t matched; /* bytes of end_of_data seen */
	char line[LINE_MAX_BYTES];
	size_t length;
};

static struct client clients[CLIENTS_MAX];
static struct pollfd polled[CLIENTS_MAX + 1];
static size_t client_count;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_on(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((uint16_t)atoi(port)),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, CLIENTS_MAX) != 0)
		die("smtp_sink");
	return fd;
}

static bool say(const struct client *client, const char *reply)
{
	return send(client->fd, reply, strlen(reply), MSG_NOSIGNAL) == (ssize_t)strlen(reply);
}

/* false: the client is to go. */
static bool answer(struct client *client)
{
	const char *line = client->line;

	if (strncasecmp(line, "EHLO", 4) == 0)
		return say(client, "250-sink.example.org\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
	if (strncasecmp(line, "DATA", 4) == 0) {
		client->is_data = true;
		client->matched = 2; /* a dot may stand in the first line */
		return say(client, "354 go on\r\n");
	}
	if (strncasecmp(line, "QUIT", 4) == 0) {
		say(client, "221 2.0.0 bye\r\n");
		return false;
	}
	return say(client, "250 2.0.0 ok\r\n");
}

static bool take(struct client *client, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (client->is_data) {
			if (bytes[i] == end_of_data[client->matched])
				client->matched++;
			else
				client->matched = bytes[i] == '\r';
			if (client->matched < sizeof(end_of_data) - 1)
				continue;
			client->is_data = false;
			if (!say(client, "250 2.0.0 thrown away\r\n"))
				return false;
		} else if (bytes[i] == '\n') {
			client->line[client->length] = '\0';
			client->length = 0;
			if (!answer(client))
				return false;
		} else if (client->length < sizeof(client->line) - 1) {
			client->line[client->length++] = bytes[i];
		}
	}
	return true;
}

static bool serve(struct client *client)
{
	static char bytes[64 * 1024];
	ssize_t length = recv(client->fd, bytes, sizeof(bytes), 0);
	int on = 1;

	if (length <= 0)
		return false;
	/* The kernel forgets it after a while, so each time anew. */
	setsockopt(client->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
	return take(client, bytes, (size_t)length);
}

static void greet(int listener)
{
	int fd = accept(listener, NULL, NULL), on = 1;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	clients[client_count] = (struct client){.fd = fd};
	if (say(&clients[client_count], "220 sink.example.org ESMTP\r\n"))
		client_count++;
	else
		close(fd);
}

int main(int argc, char **argv)
{
	int listener;

	if (argc != 2) {
		fprintf(stderr, "usage: smtp_sink PORT\n");
		return 64;
	}
	listener = listen_on(argv[1]);
	for (;;) {
		size_t kept = 0, count = client_count;

		for (size_t i = 0; i < count; i++)
			polled[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
		polled[count] = (struct pollfd){.fd = count < CLIENTS_MAX ? listener : -1,
		                                .events = POLLIN};
		if (poll(polled, count + 1, -1) < 0)
			die("smtp_sink");
		for (size_t i = 0; i < count; i++) {
			if (polled[i].revents == 0 || serve(&clients[i]))
				clients[kept++] = clients[i];
			else
				close(clients[i].fd);
		}
		client_count = kept;
		if (polled[count].revents != 0)
			greet(listener);
	}
}
