#include "lib/net/smtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/endpoint.h"
#include "lib/base/memory.h"
#include "lib/net/smtp_internal.h"

#define ADDRESS_MAX_BYTES 320
#define COMMAND_BYTES     (ADDRESS_MAX_BYTES + 32)
/* Postfix closes idle sessions, under stress after 10 s: an older one is not used again. */
#define IDLE_MAX_MS 5000

struct smtp {
	char *host_port;
	int64_t timeout_ms;
	struct smtp_session *session; /* NULL: not connected */
	int64_t used_at_ms;           /* when it last answered */
	bool is_well;                 /* the last message was taken or refused in an orderly way */
};

struct letter {
	const char *sender, *recipient;
	struct smtp_text text;
	char *queue_id_out;
	size_t queue_id_size;
};

/* The three that go before the text. */
enum { MAIL, RCPT, DATA, COMMANDS };

struct envelope {
	char commands[COMMANDS][COMMAND_BYTES];
	int codes[COMMANDS]; /* of their replies, 0: not read */
};

/* What becomes of the session after a message. */
enum fate {
	STAYS,
	QUITS,
	BREAKS, /* nothing can be said any more */
	GONE,   /* the same, and it had answered nothing to this message */
};

struct smtp *smtp_new(const char *host_port, int64_t timeout_ms)
{
	struct smtp *smtp = xzalloc(sizeof(*smtp));

	smtp->host_port = xstrdup(host_port);
	smtp->timeout_ms = timeout_ms;
	return smtp;
}

void smtp_free(struct smtp *smtp)
{
	if (smtp == NULL)
		return;
	smtp_session_quit(smtp->session);
	free(smtp->host_port);
	free(smtp);
}

static bool address_is_safe(const char *address)
{
	size_t length = strlen(address), i;

	if (length > ADDRESS_MAX_BYTES)
		return false;
	for (i = 0; i < length; i++)
		if ((unsigned char)address[i] < 0x21 || address[i] == 0x7f || address[i] == '<' ||
		    address[i] == '>')
			return false;
	return true;
}

static bool is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/* "250 2.0.0 Ok: queued as 4XYZ": the word after those two, if it is one. */
static void take_queue_id(const char *reply, char *out, size_t size)
{
	static const char before[] = "queued as ";
	const char *id = strstr(reply, before);
	size_t length;

	if (size == 0)
		return;
	out[0] = '\0';
	if (id == NULL)
		return;
	id += strlen(before);
	length = strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	if (length == 0 || length >= size)
		return;
	memcpy(out, id, length);
	out[length] = '\0';
}

static void write_envelope(struct envelope *envelope, const struct smtp_session *session,
                           const struct letter *letter)
{
	bool is_utf8 =
		session->has_smtputf8 && !(is_ascii(letter->sender) && is_ascii(letter->recipient));

	snprintf(envelope->commands[MAIL], COMMAND_BYTES, "MAIL FROM:<%s>%s\r\n", letter->sender,
	         is_utf8 ? " SMTPUTF8" : "");
	snprintf(envelope->commands[RCPT], COMMAND_BYTES, "RCPT TO:<%s>\r\n", letter->recipient);
	snprintf(envelope->commands[DATA], COMMAND_BYTES, "DATA\r\n");
}

/* One command, or where the server can pipeline all of them at the first. */
static int say(struct smtp_session *session, const struct envelope *envelope, int command,
               struct error *err)
{
	char group[COMMANDS * COMMAND_BYTES];
	int length;

	if (!session->has_pipelining)
		length = snprintf(group, sizeof(group), "%s", envelope->commands[command]);
	else if (command == MAIL)
		length = snprintf(group, sizeof(group), "%s%s%s", envelope->commands[MAIL],
		                  envelope->commands[RCPT], envelope->commands[DATA]);
	else
		return 0;
	return connection_send(session->connection, group, (size_t)length, err);
}

/* 0: the text may follow. -1: *err is by the first refusal. */
static int say_envelope(struct smtp_session *session, struct envelope *envelope,
                        enum fate *fate_out, struct error *err)
{
	struct error later, *current = err;
	int code, result = 0;

	for (int i = MAIL; i < COMMANDS && (result == 0 || session->has_pipelining); i++) {
		*fate_out = i == MAIL ? GONE : BREAKS;
		if (say(session, envelope, i, current) != 0)
			return -1;
		code = smtp_session_read(session, current);
		if (code < 0)
			return -1;
		envelope->codes[i] = code;
		if (i == DATA ? code == 354 : code / 100 == 2)
			continue;
		result = smtp_session_refuse(session, current);
		if (code == 421)
			return -1;
		current = &later;
	}
	*fate_out = err->kind == ERROR_PERMANENT ? STAYS : QUITS;
	return result;
}

/* A refused envelope is taken back, so that the next message finds nothing of it. */
static int take_back(struct smtp_session *session, const struct envelope *envelope,
                     struct error *err)
{
	static const char dot[] = ".\r\n", reset[] = "RSET\r\n";

	/* RFC 2920 3.1: the server waits for a text though nobody is to get it. */
	if (envelope->codes[DATA] == 354) {
		if (connection_send(session->connection, dot, sizeof(dot) - 1, err) != 0 ||
		    smtp_session_read(session, err) < 0)
			return -1;
	} else if (envelope->codes[MAIL] / 100 != 2) {
		return 0;
	}
	if (connection_send(session->connection, reset, sizeof(reset) - 1, err) != 0 ||
	    smtp_session_read(session, err) != 250)
		return -1;
	return 0;
}

static int say_text(struct smtp_session *session, const struct letter *letter, enum fate *fate_out,
                    struct error *err)
{
	size_t unasked;
	int code;

	*fate_out = BREAKS;
	if (smtp_text_send(session, &letter->text, err) != 0)
		return -1;
	code = smtp_session_read(session, err);
	if (code == 250) {
		take_queue_id(session->reply, letter->queue_id_out, letter->queue_id_size);
		/* What answers more than it was asked would be read as the next answer. */
		connection_pending(session->connection, &unasked);
		*fate_out = unasked == 0 ? STAYS : BREAKS;
		return 0;
	}
	if (code >= 0)
		smtp_session_refuse(session, err);
	if (code < 400)
		err->kind = ERROR_UNCERTAIN;
	else if (code != 421)
		*fate_out = QUITS;
	return -1;
}

static int send_letter(struct smtp_session *session, const struct letter *letter,
                       enum fate *fate_out, struct error *err)
{
	struct envelope envelope = {.codes = {0}};
	struct error unused;

	write_envelope(&envelope, session, letter);
	if (say_envelope(session, &envelope, fate_out, err) == 0)
		return say_text(session, letter, fate_out, err);
	if ((*fate_out == STAYS || *fate_out == QUITS) &&
	    take_back(session, &envelope, &unused) != 0)
		*fate_out = BREAKS;
	return -1;
}

/* The one of the message before, unless it is too old. */
static bool use_kept_session(struct smtp *smtp, int64_t deadline_ms)
{
	if (smtp->session != NULL && connection_now_ms() - smtp->used_at_ms > IDLE_MAX_MS) {
		smtp_session_quit(smtp->session);
		smtp->session = NULL;
	}
	if (smtp->session != NULL)
		connection_set_deadline(smtp->session->connection, deadline_ms);
	return smtp->session != NULL;
}

static int open_session(struct smtp *smtp, int64_t deadline_ms, struct error *err)
{
	char host[ENDPOINT_HOST_SIZE];
	struct server server = {.host = host, .security = SECURITY_NONE};

	if (endpoint_parse(smtp->host_port, 0, host, &server.port) != 0)
		return error_set(err, ERROR_TEMPORARY, "that is no host:port");
	smtp->session = smtp_session_open(&server, deadline_ms, err);
	if (smtp->session != NULL)
		return 0;
	/* Whatever it is, it is not about the message. */
	err->kind = ERROR_TEMPORARY;
	return -1;
}

static void end_session(struct smtp *smtp, enum fate fate)
{
	if (fate == QUITS)
		smtp_session_quit(smtp->session);
	else
		smtp_session_close(smtp->session);
	smtp->session = NULL;
}

static int send_over_session(struct smtp *smtp, const struct letter *letter, struct error *err)
{
	int64_t deadline_ms = connection_now_ms() + smtp->timeout_ms;
	enum fate fate;
	bool was_kept;
	int result;

	smtp->is_well = false;
	do {
		was_kept = use_kept_session(smtp, deadline_ms);
		if (!was_kept && open_session(smtp, deadline_ms, err) != 0)
			return -1;
		result = send_letter(smtp->session, letter, &fate, err);
		smtp->is_well = fate == STAYS || fate == QUITS;
		if (fate == STAYS)
			smtp->used_at_ms = connection_now_ms();
		else
			end_session(smtp, fate);
		/* One that was closed while nothing was said is nobody's failure. */
	} while (fate == GONE && was_kept && connection_now_ms() < deadline_ms);
	return result;
}

bool smtp_is_well(const struct smtp *smtp)
{
	return smtp->is_well;
}

int smtp_send(struct smtp *smtp, const char *sender, const char *recipient, const char *prefix,
              size_t prefix_length, const char *bytes, size_t length, char *queue_id_out,
              size_t queue_id_size, struct error *err)
{
	const struct letter letter = {
		.sender = sender,
		.recipient = recipient,
		.text = {.parts = {prefix, bytes}, .lengths = {prefix_length, length}},
		.queue_id_out = queue_id_out,
		.queue_id_size = queue_id_size};
	struct error cause = {0};

	if (!address_is_safe(sender) || !address_is_safe(recipient) || recipient[0] == '\0')
		return error_set(err, ERROR_PERMANENT,
		                 "cannot send a message: its sender or recipient is no address");
	if (send_over_session(smtp, &letter, &cause) == 0)
		return 0;
	return error_set(err, cause.kind,
	                 cause.kind == ERROR_UNCERTAIN
	                         ? "%s may or may not have taken the message: %s"
	                         : "cannot hand the message to %s: %s",
	                 smtp->host_port, cause.text);
}
