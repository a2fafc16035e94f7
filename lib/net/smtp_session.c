#include "lib/net/smtp_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"

#define CLEAN_BYTES  200 /* of a server's words in an error */
#define QUIT_WAIT_MS 1000
#define EHLO_OK      250
#define SIGNED_IN    235

/* What the server says while libcurl talks to it. */
struct hello {
	bool is_inside; /* the lines so far end in one that announces another */
	bool has_pipelining;
	bool has_smtputf8;
	int code; /* of the last reply */
	char line[SMTP_LINE_MAX_BYTES];
	size_t length;
};

static const char *clean(char *out, size_t size, const char *bytes, size_t length)
{
	size_t i;

	if (length > size - 1)
		length = size - 1;
	for (i = 0; i < length; i++)
		out[i] = bytes[i] >= 0x20 && bytes[i] <= 0x7e ? bytes[i] : '?';
	out[length] = '\0';
	return out;
}

/* The code of a line (RFC 5321 4.2.1), or 0 if it is none. */
static int parse_line(const char *line, size_t length, bool *is_last_out)
{
	int code = 0;

	if (length < 3 || (length > 3 && line[3] != ' ' && line[3] != '-'))
		return 0;
	for (size_t i = 0; i < 3; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		code = 10 * code + (line[i] - '0');
	}
	*is_last_out = length == 3 || line[3] == ' ';
	return code >= 200 && code <= 599 ? code : 0;
}

/* "250-KEYWORD parameters" (RFC 5321 4.1.1.1) */
static bool has_keyword(const char *line, size_t length, const char *keyword)
{
	size_t keyword_length = strlen(keyword);

	return length >= 4 + keyword_length &&
	       strncasecmp(line + 4, keyword, keyword_length) == 0 &&
	       (length == 4 + keyword_length || line[4 + keyword_length] == ' ');
}

static void on_hello_line(void *context, const char *line, size_t length)
{
	struct hello *hello = context;
	bool is_last;
	int code;

	while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
		length--;
	code = parse_line(line, length, &is_last);
	if (code == 0)
		return;
	if (code == EHLO_OK && !hello->is_inside) {
		/* The list is seen again after STARTTLS, and only that one counts. */
		hello->has_pipelining = false;
		hello->has_smtputf8 = false;
	} else if (code == EHLO_OK) {
		hello->has_pipelining |= has_keyword(line, length, "PIPELINING");
		hello->has_smtputf8 |= has_keyword(line, length, "SMTPUTF8");
	}
	hello->is_inside = !is_last;
	hello->code = code;
	hello->length = length < sizeof(hello->line) ? length : sizeof(hello->line);
	memcpy(hello->line, line, hello->length);
}

/* Say it in the server's words when it was the server that refused. */
static void explain(const struct hello *hello, const struct connection_attempt *attempt,
                    struct error *err)
{
	bool is_config = attempt->is_denied || (err != NULL && err->kind == ERROR_CONFIG);
	char words[CLEAN_BYTES];

	if (hello->code >= 400)
		error_set(err, is_config && hello->code >= 500 ? ERROR_CONFIG : ERROR_TEMPORARY,
		          "%s: the server said \"%s\"",
		          attempt->is_denied ? "cannot sign in" : "cannot connect",
		          clean(words, sizeof(words), hello->line, hello->length));
	else if (attempt->is_denied)
		error_set(err, ERROR_CONFIG,
		          "cannot sign in: the server offers neither AUTH PLAIN nor AUTH LOGIN");
}

struct smtp_session *smtp_session_open(const struct server *server, int64_t deadline_ms,
                                       struct error *err)
{
	struct hello hello = {.code = 0};
	struct connection_attempt attempt = {.protocol = CONNECTION_SMTP,
	                                     .is_signing_in = server->username != NULL,
	                                     .deadline_ms = deadline_ms,
	                                     .on_line = on_hello_line,
	                                     .context = &hello};
	struct connection *connection = connection_open(server, &attempt, err);
	struct smtp_session *session;

	if (connection == NULL) {
		explain(&hello, &attempt, err);
		return NULL;
	}
	session = xzalloc(sizeof(*session));
	session->connection = connection;
	session->has_pipelining = hello.has_pipelining;
	session->has_smtputf8 = hello.has_smtputf8;
	connection_set_deadline(connection, deadline_ms);
	if (!attempt.is_signing_in || hello.code == SIGNED_IN)
		return session;
	smtp_session_quit(session);
	error_set(err, ERROR_CONFIG, "cannot sign in: the server offers no AUTH");
	return NULL;
}

void smtp_session_close(struct smtp_session *session)
{
	if (session == NULL)
		return;
	connection_close(session->connection);
	free(session);
}

void smtp_session_quit(struct smtp_session *session)
{
	static const char quit[] = "QUIT\r\n";
	int unused;

	if (session == NULL)
		return;
	connection_set_deadline(session->connection, connection_now_ms() + QUIT_WAIT_MS);
	/* Nothing depends on it, it spares the server a line in its log. */
	unused = connection_send(session->connection, quit, sizeof(quit) - 1, NULL);
	(void)unused;
	smtp_session_close(session);
}

int smtp_session_read(struct smtp_session *session, struct error *err)
{
	char words[CLEAN_BYTES];
	bool is_last;

	for (size_t lines = 0; lines < SMTP_REPLY_MAX_LINES; lines++) {
		if (connection_read_line(session->connection, session->reply, SMTP_LINE_MAX_BYTES,
		                         &session->reply_length, err) != 0)
			return -1;
		session->code = parse_line(session->reply, session->reply_length, &is_last);
		if (session->code == 0)
			return error_set(
				err, ERROR_TEMPORARY,
				"the server answered \"%s\", which is no reply",
				clean(words, sizeof(words), session->reply, session->reply_length));
		if (is_last)
			return session->code;
	}
	return error_set(err, ERROR_TEMPORARY, "the server sent a reply of over %d lines",
	                 SMTP_REPLY_MAX_LINES);
}

int smtp_session_refuse(const struct smtp_session *session, struct error *err)
{
	char words[CLEAN_BYTES];

	return error_set(err, session->code >= 500 ? ERROR_PERMANENT : ERROR_TEMPORARY,
	                 "it answered \"%s\"",
	                 clean(words, sizeof(words), session->reply, session->reply_length));
}

int smtp_sign_in(const struct server *server, struct error *err)
{
	struct smtp_session *session =
		smtp_session_open(server, connection_now_ms() + server->connect_timeout_ms, err);

	if (session == NULL)
		return error_prefix(err, "%s:%u", server->host, (unsigned)server->port);
	smtp_session_quit(session);
	return 0;
}
