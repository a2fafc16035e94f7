#include "fetcher/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/memory.h"
#include "lib/base/secret.h"
#include "lib/store/store.h"

struct client *client_new(int fd)
{
	struct client *client = xzalloc(sizeof(*client));

	client->fd = fd;
	client->active_at_ms = store_clock_ms();
	return client;
}

void client_free(struct client *client)
{
	close(client->fd);
	if (client->reply != NULL)
		secret_free(client->reply, client->reply_length);
	free(client);
}

int client_take(struct client *client, struct socketmap_request *request_out, struct error *err)
{
	return socketmap_read(client->request, client->request_length, request_out, &client->taken,
	                      err);
}

void client_answer(struct client *client, char *reply, size_t length)
{
	client->state = CLIENT_WRITES;
	client->account = NULL;
	client->run = NULL;
	client->reply = reply;
	client->reply_length = length;
	client->sent = 0;
	client->request_length -= client->taken;
	memmove(client->request, client->request + client->taken, client->request_length);
	client->taken = 0;
	client->active_at_ms = store_clock_ms();
}

void client_answer_text(struct client *client, enum socketmap_status status, const char *text)
{
	size_t length;
	char *reply = socketmap_write(status, text, strlen(text), &length);

	client_answer(client, reply, length);
}

int client_receive(struct client *client)
{
	/* There is room: what fills the buffer is a whole request, or none. */
	ssize_t got = recv(client->fd, client->request + client->request_length,
	                   sizeof(client->request) - client->request_length, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return -1;
	client->request_length += (size_t)got;
	client->active_at_ms = store_clock_ms();
	return 0;
}

int client_send(struct client *client)
{
	ssize_t sent = send(client->fd, client->reply + client->sent,
	                    client->reply_length - client->sent, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	client->sent += (size_t)sent;
	client->active_at_ms = store_clock_ms();
	if (client->sent < client->reply_length)
		return 0;
	secret_free(client->reply, client->reply_length);
	client->reply = NULL;
	client->state = CLIENT_READS;
	return 1;
}
