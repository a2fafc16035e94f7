#include "lib/net/pop3_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"

#define COMMAND_MAX_BYTES 1024
#define DELETE_BYTES      24 /* of one DELE with its number and CRLF, at most */

int pop3_command(struct pop3 *pop3, struct error *err, const char *format, ...)
{
	char text[COMMAND_MAX_BYTES + 2];
	va_list args;
	int length, result;

	va_start(args, format);
	length = vsnprintf(text, COMMAND_MAX_BYTES, format, args);
	va_end(args);
	if (length < 0 || length >= COMMAND_MAX_BYTES)
		return error_set(err, ERROR_CONFIG, "a POP3 command is over %d bytes",
		                 COMMAND_MAX_BYTES);
	memcpy(text + length, "\r\n", 2);
	connection_begin_reply(pop3->connection);
	result = connection_send(pop3->connection, text, (size_t)length + 2, err);
	explicit_bzero(text, sizeof(text)); /* it may have been PASS */
	return result;
}

int pop3_read_line(struct pop3 *pop3, struct error *err)
{
	return connection_read_line(pop3->connection, pop3->line, POP3_LINE_MAX_BYTES,
	                            &pop3->line_length, err);
}

int pop3_refuse(struct pop3 *pop3, enum error_kind kind, const char *command, struct error *err)
{
	char words[POP3_CLEAN_BYTES];

	return error_set(err, kind, "the server answered %s with \"%s\"", command,
	                 pop3_clean(words, sizeof(words), pop3->line, pop3->line_length));
}

int pop3_read_status(struct pop3 *pop3, struct error *err)
{
	if (pop3_read_line(pop3, err) != 0)
		return -1;
	switch (pop3_parse_status(pop3->line, pop3->line_length)) {
	case POP3_STATUS_OK:
		return 1;
	case POP3_STATUS_ERR:
		return 0;
	case POP3_STATUS_NEITHER:
		break;
	}
	return pop3_refuse(pop3, ERROR_TEMPORARY, "what should be +OK or -ERR", err);
}

int pop3_break(struct pop3 *pop3, struct error *err)
{
	pop3->is_broken = true;
	return error_prefix(err, "%s", pop3->name);
}

static bool line_is_end(const struct pop3 *pop3)
{
	return pop3->line_length == 1 && pop3->line[0] == '.';
}

/* What the server says while libcurl talks to it. */
struct hello {
	struct pop3_capabilities capabilities; /* of the last list */
	char status[POP3_LINE_MAX_BYTES];      /* untrusted: the last status line */
	size_t status_length;
};

static void on_hello_line(void *context, const char *line, size_t length)
{
	struct hello *hello = context;

	while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
		length--;
	if (pop3_parse_status(line, length) == POP3_STATUS_NEITHER) {
		pop3_parse_capability(&hello->capabilities, line, length);
		return;
	}
	/* The list is seen again after STLS, and only that one counts. */
	if (pop3_parse_status(line, length) == POP3_STATUS_OK)
		hello->capabilities = (struct pop3_capabilities){0};
	hello->status_length = length < sizeof(hello->status) ? length : sizeof(hello->status);
	memcpy(hello->status, line, hello->status_length);
}

/* Say it in the server's words when it was the server that refused. */
static void explain(const struct hello *hello, const struct connection_attempt *attempt,
                    struct error *err)
{
	char words[POP3_CLEAN_BYTES];

	if (!attempt->is_refused ||
	    pop3_parse_status(hello->status, hello->status_length) != POP3_STATUS_ERR)
		return;
	pop3_clean(words, sizeof(words), hello->status, hello->status_length);
	error_set(err, pop3_refusal_kind(hello->status, hello->status_length),
	          "%s: the server said \"%s\"",
	          attempt->is_denied ? "cannot sign in" : "cannot connect", words);
}

/*
 * Let libcurl connect, and sign in by SASL PLAIN if is_signing_in.
 * *lacks_plain_out: it returns NULL only because the server does not offer that.
 */
static struct connection *connect_to(const struct server *server, bool is_signing_in,
                                     int64_t deadline_ms, bool *lacks_plain_out, struct error *err)
{
	struct hello hello = {.status_length = 0};
	struct connection_attempt attempt = {.is_signing_in = is_signing_in,
	                                     .deadline_ms = deadline_ms,
	                                     .on_line = on_hello_line,
	                                     .context = &hello};
	struct connection *connection = connection_open(server, &attempt, err);

	*lacks_plain_out = attempt.is_denied && !hello.capabilities.has_sasl_plain;
	if (connection == NULL)
		explain(&hello, &attempt, err);
	return connection;
}

static bool is_one_line(const char *text)
{
	return strpbrk(text, "\r\n") == NULL;
}

static int sign_in_by_user(struct pop3 *pop3, const struct server *server, int64_t deadline_ms,
                           struct error *err)
{
	const char *password = server->password != NULL ? server->password : "";
	int status;

	if (!is_one_line(server->username) || !is_one_line(password))
		return error_set(err, ERROR_CONFIG,
		                 "cannot sign in: the user name or password holds a line end");
	if (pop3_command(pop3, err, "USER %s", server->username) != 0)
		return -1;
	connection_set_deadline(pop3->connection, deadline_ms);
	status = pop3_read_status(pop3, err);
	if (status < 0)
		return -1;
	if (status == 0)
		return pop3_refuse(pop3, pop3_refusal_kind(pop3->line, pop3->line_length), "USER",
		                   err);
	if (pop3_command(pop3, err, "PASS %s", password) != 0)
		return -1;
	connection_set_deadline(pop3->connection, deadline_ms);
	status = pop3_read_status(pop3, err);
	if (status == 0)
		return pop3_refuse(pop3, pop3_refusal_kind(pop3->line, pop3->line_length), "PASS",
		                   err);
	return status < 0 ? -1 : 0;
}

/* Some capabilities are told only after the sign-in (RFC 2449 5). */
static int ask_capabilities(struct pop3 *pop3, struct error *err)
{
	int status;

	if (pop3_command(pop3, err, "CAPA") != 0)
		return -1;
	status = pop3_read_status(pop3, err);
	if (status <= 0)
		return status;
	for (;;) {
		if (pop3_read_line(pop3, err) != 0)
			return -1;
		if (line_is_end(pop3))
			return 0;
		pop3_parse_capability(&pop3->capabilities, pop3->line, pop3->line_length);
	}
}

struct pop3 *pop3_open(const struct server *server, struct error *err)
{
	int64_t deadline_ms = connection_now_ms() + server->connect_timeout_ms;
	struct pop3 *pop3 = xzalloc(sizeof(*pop3));
	bool lacks_plain = false;

	pop3->name = xasprintf("%s:%u", server->host, (unsigned)server->port);
	pop3->connection =
		connect_to(server, server->username != NULL, deadline_ms, &lacks_plain, err);
	if (pop3->connection == NULL && lacks_plain) {
		/* libcurl cannot be told to use USER and nothing else. */
		pop3->connection = connect_to(server, false, deadline_ms, &lacks_plain, err);
		if (pop3->connection != NULL &&
		    sign_in_by_user(pop3, server, deadline_ms, err) != 0)
			goto fail;
	}
	if (pop3->connection == NULL || ask_capabilities(pop3, err) != 0)
		goto fail;
	return pop3;
fail:
	pop3_break(pop3, err);
	pop3_close(pop3);
	return NULL;
}

void pop3_close(struct pop3 *pop3)
{
	if (pop3 == NULL)
		return;
	connection_close(pop3->connection);
	free(pop3->name);
	free(pop3);
}

bool pop3_can_pipeline(const struct pop3 *pop3)
{
	return pop3->capabilities.has_pipelining && !pop3->is_pipelining_forbidden;
}

void pop3_forbid_pipelining(struct pop3 *pop3)
{
	pop3->is_pipelining_forbidden = true;
}

bool pop3_is_doubtful(const struct pop3 *pop3)
{
	return pop3->is_doubtful;
}

bool pop3_has_top(const struct pop3 *pop3)
{
	return pop3->capabilities.has_top;
}

int64_t pop3_login_delay_s(const struct pop3 *pop3)
{
	return pop3->capabilities.login_delay_s;
}

int pop3_check_silent(struct pop3 *pop3, struct error *err)
{
	char words[POP3_CLEAN_BYTES];
	const char *bytes, *end;
	size_t length;

	(void)connection_has_arrived(pop3->connection);
	bytes = connection_pending(pop3->connection, &length);
	if (length == 0)
		return 0;
	end = memchr(bytes, '\n', length);
	if (end != NULL)
		length = (size_t)(end - bytes);
	if (length > 0 && bytes[length - 1] == '\r')
		length--;
	return error_set(err, ERROR_TEMPORARY, "the server said \"%s\" without being asked",
	                 pop3_clean(words, sizeof(words), bytes, length));
}

int pop3_check_usable(struct pop3 *pop3, struct error *err)
{
	if (pop3->is_broken)
		return error_set(err, ERROR_TEMPORARY,
		                 "%s: the session is unusable after an earlier failure",
		                 pop3->name);
	return pop3_check_silent(pop3, err) == 0 ? 0 : pop3_break(pop3, err);
}

static int read_deleted(struct pop3 *pop3, unsigned number, struct error *err)
{
	char command[DELETE_BYTES];
	int status;

	connection_begin_reply(pop3->connection);
	status = pop3_read_status(pop3, err);
	if (status == 0 && pop3->refused_deletions++ == 0) {
		snprintf(command, sizeof(command), "DELE %u", number);
		pop3_refuse(pop3, ERROR_TEMPORARY, command, &pop3->first_refusal);
	}
	return status < 0 ? -1 : 0;
}

int pop3_delete(struct pop3 *pop3, const unsigned *numbers, size_t count, struct error *err)
{
	size_t at_once = pop3->capabilities.has_pipelining ? POP3_WINDOW_DELETIONS : 1;
	size_t sent = 0, answered = 0;
	struct buffer commands;
	int result = 0;

	if (pop3_check_usable(pop3, err) != 0)
		return -1;
	buffer_init(&commands, POP3_WINDOW_DELETIONS * DELETE_BYTES);
	while (result == 0 && answered < count) {
		buffer_clear(&commands);
		while (sent < count && sent - answered < at_once)
			buffer_printf(&commands, "DELE %u\r\n", numbers[sent++]);
		connection_begin_reply(pop3->connection);
		result = connection_send(pop3->connection, commands.data, commands.length, err);
		while (result == 0 && answered < sent)
			result = read_deleted(pop3, numbers[answered++], err);
	}
	buffer_release(&commands);
	return result == 0 ? 0 : pop3_break(pop3, err);
}

size_t pop3_refused_deletions(const struct pop3 *pop3, const char **words_out)
{
	*words_out = pop3->first_refusal.text;
	return pop3->refused_deletions;
}

int pop3_quit(struct pop3 *pop3, struct error *err)
{
	int status = -1;

	if (pop3_check_usable(pop3, err) != 0)
		goto out;
	if (pop3_command(pop3, err, "QUIT") == 0)
		status = pop3_read_status(pop3, err);
	if (status == 0)
		pop3_refuse(pop3, ERROR_UNCERTAIN, "QUIT", err);
	if (status != 1) {
		pop3_break(pop3, err);
		if (err != NULL)
			err->kind = ERROR_UNCERTAIN;
	}
out:
	pop3_close(pop3);
	return status == 1 ? 0 : -1;
}
