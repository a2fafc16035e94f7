#include "ctl/doctor_recipients.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/probe.h"
#include "lib/base/endpoint.h"
#include "lib/base/memory.h"

#define CONNECT_MS 5000

#define LINE_MAX_BYTES  512 /* of a reply, RFC 5321 4.5.3.1.5; a longer one is cut */
#define LINE_BEARABLE   65536
#define LINES_MAX       100  /* of one reply */
#define COMMAND_SIZE    1100 /* an address is at most 320 bytes, and perhaps quoted */
#define REFUSALS_BEFORE 8    /* Postfix slows down after 10 in one session */

struct dialogue {
	int fd;
	int64_t deadline_ms;
	char bytes[1024]; /* read ahead */
	size_t at, length;
};

/* One line without its line end, cut at LINE_MAX_BYTES. */
static int read_line(struct dialogue *dialogue, char line[LINE_MAX_BYTES + 1], struct error *err)
{
	size_t length = 0, seen = 0;

	for (;; seen++) {
		char c;

		if (dialogue->at == dialogue->length) {
			ssize_t got =
				probe_read(dialogue->fd, dialogue->bytes, sizeof dialogue->bytes,
			                   dialogue->deadline_ms, err);

			if (got < 0)
				return -1;
			if (got == 0)
				return error_set(err, ERROR_TEMPORARY, "it closed the connection");
			dialogue->at = 0;
			dialogue->length = (size_t)got;
		}
		if (seen == LINE_BEARABLE)
			return error_set(err, ERROR_TEMPORARY, "it says lines without an end");
		c = dialogue->bytes[dialogue->at++];
		if (c == '\n')
			break;
		if (c != '\r' && length < LINE_MAX_BYTES)
			line[length++] = c;
	}
	line[length] = '\0';
	return 0;
}

/* The code of a reply, its last line in `line`; -1 with *err. */
static int read_reply(struct dialogue *dialogue, char line[LINE_MAX_BYTES + 1], struct error *err)
{
	for (int i = 0; i < LINES_MAX; i++) {
		if (read_line(dialogue, line, err) < 0)
			return -1;
		if (strspn(line, "0123456789") != 3 ||
		    (line[3] != '-' && line[3] != ' ' && line[3] != '\0'))
			break;
		if (line[3] != '-')
			return atoi(line);
	}
	return error_set(err, ERROR_TEMPORARY, "what answers there is no mail server");
}

/* Say a command; the code of the reply, or -1 with *err. */
static int converse(struct dialogue *dialogue, const char *command, char line[LINE_MAX_BYTES + 1],
                    struct error *err)
{
	if (probe_write(dialogue->fd, command, strlen(command), dialogue->deadline_ms, err) < 0)
		return -1;
	return read_reply(dialogue, line, err);
}

/* The same for what must be answered with 2xx. */
static int demand(struct dialogue *dialogue, const char *command, struct error *err)
{
	char line[LINE_MAX_BYTES + 1];
	int code = converse(dialogue, command, line, err);

	if (code < 0)
		return -1;
	if (code / 100 == 2)
		return 0;
	return error_set(err, ERROR_TEMPORARY, "it answered \"%.*s\" to %.4s", RECIPIENT_REPLY_MAX,
	                 line, command);
}

static bool is_sendable(const char *address)
{
	for (const char *c = address; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '<' || *c == '>')
			return false;
	return strlen(address) <= 320;
}

/* Ask in one session, from *next on, until there were too many refusals. */
static int ask_some(struct dialogue *dialogue, struct recipient *recipients, size_t count,
                    size_t *next, struct error *err)
{
	char line[LINE_MAX_BYTES + 1], command[COMMAND_SIZE];
	int refusals = 0, code = read_reply(dialogue, line, err);

	if (code >= 0 && code / 100 != 2)
		return error_set(err, ERROR_TEMPORARY, "it greets with \"%.*s\"",
		                 RECIPIENT_REPLY_MAX, line);
	if (code < 0 || demand(dialogue, "EHLO localhost\r\n", err) < 0 ||
	    demand(dialogue, "MAIL FROM:<>\r\n", err) < 0)
		return -1;
	for (; *next < count && refusals < REFUSALS_BEFORE; (*next)++) {
		struct recipient *recipient = &recipients[*next];

		if (!is_sendable(recipient->address))
			continue;
		snprintf(command, sizeof command, "RCPT TO:<%s>\r\n", recipient->address);
		code = converse(dialogue, command, line, err);
		if (code < 0)
			return -1;
		if (code == 421)
			return error_set(err, ERROR_TEMPORARY, "it answered \"%.*s\"",
			                 RECIPIENT_REPLY_MAX, line);
		recipient->code = code;
		snprintf(recipient->reply, sizeof recipient->reply, "%.*s", RECIPIENT_REPLY_MAX,
		         line);
		refusals += code / 100 != 2;
	}
	/* What was asked is known whatever it says to this. */
	(void)converse(dialogue, "QUIT\r\n", line, &(struct error){0});
	return 0;
}

int recipients_ask(const char *server, struct recipient *recipients, size_t count,
                   int64_t deadline_ms, struct error *err)
{
	char host[ENDPOINT_HOST_SIZE], *spelling;
	size_t next = 0;
	uint16_t port;
	int rc = 0;

	if (endpoint_parse(server, 0, host, &port) < 0)
		return error_set(err, ERROR_CONFIG, "%s is no host:port", server);
	spelling = xasprintf("%s:%u@%s", strchr(host, ':') != NULL ? "inet6" : "inet",
	                     (unsigned)port, host);
	while (rc == 0 && next < count) {
		struct dialogue dialogue = {.deadline_ms = deadline_ms};

		dialogue.fd = probe_open(spelling, CONNECT_MS, err);
		if (dialogue.fd < 0) {
			rc = -1;
		} else {
			rc = ask_some(&dialogue, recipients, count, &next, err);
			close(dialogue.fd);
		}
	}
	free(spelling);
	return rc;
}
