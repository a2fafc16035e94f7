#ifndef REJOINDER_TESTS_DIALOGUE_H
#define REJOINDER_TESTS_DIALOGUE_H

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/buffer.h"

/*
 * A server on loopback that plays one script in a thread: what it says, and what
 * it must hear.  When the script ends it listens until the client is gone; what
 * it hears then stands in `heard_after`.
 */

enum step_kind {
	STEP_END,
	STEP_SAYS,     /* sends the text */
	STEP_DRIPS,    /* sends the text in writes of one byte */
	STEP_HEARS,    /* reads one line, which must be the text and CRLF */
	STEP_TAKES,    /* reads what SMTP's DATA sends, up to its lone dot, into `taken` */
	STEP_QUIET,    /* nothing may have come that was not read */
	STEP_COUNTS,   /* what came so far must have come in count segments */
	STEP_IGNORES,  /* reads nothing for count milliseconds, or until the test is over */
	STEP_FLOODS,   /* sends count times the letter a, or as many as the client takes */
	STEP_HANGS_UP, /* closes, and takes the next connection if the script goes on */
};

struct step {
	enum step_kind kind;
	const char *text;
	size_t count; /* of FLOODS, COUNTS, IGNORES; else bytes of text, 0: up to its NUL */
};

#define SAYS(text)                                                                                 \
	{                                                                                          \
		STEP_SAYS, text, sizeof(text) - 1                                                  \
	}
#define DRIPS(text)                                                                                \
	{                                                                                          \
		STEP_DRIPS, text, sizeof(text) - 1                                                 \
	}
#define HEARS(text)                                                                                \
	{                                                                                          \
		STEP_HEARS, text, sizeof(text) - 1                                                 \
	}
#define TAKES_THE_TEXT                                                                             \
	{                                                                                          \
		STEP_TAKES, NULL, 0                                                                \
	}
#define HAS_HEARD_ALL                                                                              \
	{                                                                                          \
		STEP_QUIET, NULL, 0                                                                \
	}
#define CAME_IN_SEGMENTS(count)                                                                    \
	{                                                                                          \
		STEP_COUNTS, NULL, count                                                           \
	}
#define IGNORES_FOR_MS(count)                                                                      \
	{                                                                                          \
		STEP_IGNORES, NULL, count                                                          \
	}
#define FLOODS(count)                                                                              \
	{                                                                                          \
		STEP_FLOODS, NULL, count                                                           \
	}
#define HANGS_UP                                                                                   \
	{                                                                                          \
		STEP_HANGS_UP, NULL, 0                                                             \
	}
#define DIALOGUE_SECONDS 20 /* after which a test that hangs fails */
#define STEPS_MAX        400

struct dialogue {
	int listener;
	uint16_t port;
	pthread_t thread;
	struct step steps[STEPS_MAX];
	size_t step_count;
	char input[8192];
	size_t input_length;
	size_t heard_bytes; /* of all connections */
	struct buffer taken;
	struct buffer heard_after;
	char complaint[300]; /* the first thing that was not as the script says */
};

static inline void dialogue_add(struct dialogue *dialogue, const struct step *steps)
{
	for (; steps->kind != STEP_END; steps++) {
		assert_true(dialogue->step_count < STEPS_MAX);
		dialogue->steps[dialogue->step_count++] = *steps;
	}
}

static inline void dialogue_complain(struct dialogue *dialogue, const char *what, const char *text,
                                     const char *found)
{
	if (dialogue->complaint[0] == '\0')
		snprintf(dialogue->complaint, sizeof(dialogue->complaint), "%s \"%.100s\": %.100s",
		         what, text, found);
}

/* Read on. False at the end. */
static inline bool dialogue_read(struct dialogue *dialogue, int client)
{
	ssize_t got = 0;

	if (dialogue->input_length < sizeof(dialogue->input))
		got = recv(client, dialogue->input + dialogue->input_length,
		           sizeof(dialogue->input) - dialogue->input_length, 0);
	if (got <= 0)
		return false;
	dialogue->input_length += (size_t)got;
	dialogue->heard_bytes += (size_t)got;
	return true;
}

/* The next line with its end, as a string. False when the client is gone first. */
static inline bool dialogue_line(struct dialogue *dialogue, int client, char *line, size_t size)
{
	char *lf;
	size_t length;

	while ((lf = memchr(dialogue->input, '\n', dialogue->input_length)) == NULL)
		if (!dialogue_read(dialogue, client))
			return false;
	length = (size_t)(lf - dialogue->input) + 1;
	snprintf(line, size, "%.*s", (int)length, dialogue->input);
	dialogue->input_length -= length;
	memmove(dialogue->input, lf + 1, dialogue->input_length);
	return true;
}

static inline void dialogue_hear(struct dialogue *dialogue, int client, const char *text)
{
	char line[8192], wanted[1100];

	snprintf(wanted, sizeof(wanted), "%s\r\n", text);
	if (!dialogue_line(dialogue, client, line, sizeof(line)))
		dialogue_complain(dialogue, "waited for", text, "the client was gone");
	else if (strcmp(line, wanted) != 0)
		dialogue_complain(dialogue, "waited for", text, line);
}

static inline void dialogue_take(struct dialogue *dialogue, int client)
{
	char line[8192];

	buffer_clear(&dialogue->taken);
	while (dialogue_line(dialogue, client, line, sizeof(line))) {
		if (strcmp(line, ".\r\n") == 0)
			return;
		buffer_append_text(&dialogue->taken, line);
	}
	dialogue_complain(dialogue, "waited for", ".", "the client was gone");
}

static inline void dialogue_send(int client, const char *bytes, size_t length, size_t at_once)
{
	size_t done, step;

	for (done = 0; done < length; done += step) {
		step = length - done < at_once ? length - done : at_once;
		if (send(client, bytes + done, step, MSG_NOSIGNAL) != (ssize_t)step)
			return; /* that the client is gone is for the test to judge */
	}
}

static inline void dialogue_flood(int client, size_t count)
{
	static char letters[65536];
	size_t done;

	memset(letters, 'a', sizeof(letters));
	for (done = 0; done < count; done += sizeof(letters))
		if (send(client, letters,
		         count - done < sizeof(letters) ? count - done : sizeof(letters),
		         MSG_NOSIGNAL) < 0)
			return;
}

static inline void dialogue_close(int client)
{
	/* Unread input would make it a reset, which may overtake what was said. */
	shutdown(client, SHUT_WR);
	close(client);
}

static inline int dialogue_accept(struct dialogue *dialogue)
{
	struct timeval limit = {.tv_sec = DIALOGUE_SECONDS};
	int client = accept(dialogue->listener, NULL, NULL);

	if (client < 0) {
		dialogue_complain(dialogue, "waited for", "a connection", "none came");
		return -1;
	}
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	dialogue->input_length = 0;
	return client;
}

static inline void dialogue_count(struct dialogue *dialogue, int client, size_t count)
{
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);
	char wanted[24], found[24];

	getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &length);
	snprintf(wanted, sizeof(wanted), "%zu segments", count);
	snprintf(found, sizeof(found), "%u came", info.tcpi_data_segs_in);
	if (info.tcpi_data_segs_in != count)
		dialogue_complain(dialogue, "waited for", wanted, found);
}

static inline void dialogue_step(struct dialogue *dialogue, int client, const struct step *step)
{
	int pending = 0;

	switch (step->kind) {
	case STEP_SAYS:
		dialogue_send(client, step->text, step->count, step->count);
		break;
	case STEP_DRIPS:
		dialogue_send(client, step->text, step->count, 1);
		break;
	case STEP_HEARS:
		dialogue_hear(dialogue, client, step->text);
		break;
	case STEP_TAKES:
		dialogue_take(dialogue, client);
		break;
	case STEP_QUIET:
		ioctl(client, FIONREAD, &pending);
		if (dialogue->input_length > 0 || pending > 0)
			dialogue_complain(dialogue, "waited for", "nothing", "more came");
		break;
	case STEP_COUNTS:
		dialogue_count(dialogue, client, step->count);
		break;
	case STEP_IGNORES:
		poll(&(struct pollfd){.fd = dialogue->listener}, 1, (int)step->count);
		break;
	case STEP_FLOODS:
		dialogue_flood(client, step->count);
		break;
	case STEP_END:
	case STEP_HANGS_UP:
		break;
	}
}

static inline void *dialogue_play(void *context)
{
	struct dialogue *dialogue = context;
	int client = dialogue_accept(dialogue);
	size_t i;

	for (i = 0; i < dialogue->step_count && client >= 0; i++) {
		if (dialogue->steps[i].kind != STEP_HANGS_UP) {
			dialogue_step(dialogue, client, &dialogue->steps[i]);
			continue;
		}
		dialogue_close(client);
		client = i + 1 < dialogue->step_count ? dialogue_accept(dialogue) : -1;
	}
	if (client < 0)
		return NULL;
	do {
		buffer_append_cut(&dialogue->heard_after, dialogue->input, dialogue->input_length);
		dialogue->input_length = 0;
	} while (dialogue_read(dialogue, client));
	close(client);
	return NULL;
}

static inline void dialogue_begin(struct dialogue *dialogue)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct timeval limit = {.tv_sec = DIALOGUE_SECONDS};
	socklen_t length = sizeof(address);

	memset(dialogue, 0, sizeof(*dialogue));
	buffer_init(&dialogue->taken, 16 * 1024 * 1024);
	buffer_init(&dialogue->heard_after, 100000);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	dialogue->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(dialogue->listener >= 0);
	setsockopt(dialogue->listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(bind(dialogue->listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(dialogue->listener, 5), 0);
	assert_int_equal(getsockname(dialogue->listener, (struct sockaddr *)&address, &length), 0);
	dialogue->port = ntohs(address.sin_port);
}

static inline void dialogue_start(struct dialogue *dialogue)
{
	assert_int_equal(pthread_create(&dialogue->thread, NULL, dialogue_play, dialogue), 0);
}

/* Wait for the end of the script, and release it but for complaint. heard_after is the caller's. */
static inline char *dialogue_end(struct dialogue *dialogue)
{
	/* Wakes an accept that nobody will answer. */
	shutdown(dialogue->listener, SHUT_RDWR);
	pthread_join(dialogue->thread, NULL);
	close(dialogue->listener);
	buffer_release(&dialogue->taken);
	return buffer_take(&dialogue->heard_after);
}

#endif
