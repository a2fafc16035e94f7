#include "lib/net/smtp_internal.h"

#include <string.h>

static const char dot[] = ".\r\n";
#define DOT_BYTES (sizeof(dot) - 1)

/* Where we are in the text. */
struct writer {
	struct smtp_session *session;
	bool is_line_start;
	bool has_cr;          /* the last byte was a CR */
	bool has_sent_pieces; /* time went by since the 354 */
	struct error *err;
};

/* The connection failed: the server may have said why before it closed it. */
static int explain(struct smtp_session *session, bool may_be_ended, struct error *err)
{
	struct error unread;

	if (connection_has_arrived(session->connection) &&
	    smtp_session_read(session, &unread) >= 400)
		return smtp_session_refuse(session, err);
	if (may_be_ended && err != NULL)
		err->kind = ERROR_UNCERTAIN;
	return -1;
}

/* A server that answers before the end has made up its mind: nothing more is sent. */
static int check_silence(struct writer *writer)
{
	struct smtp_session *session = writer->session;
	size_t length;

	if (writer->has_sent_pieces) {
		if (!connection_has_arrived(session->connection))
			return 0;
	} else {
		connection_pending(session->connection, &length);
		if (length == 0)
			return 0;
	}
	if (smtp_session_read(session, writer->err) < 0)
		return -1;
	return smtp_session_refuse(session, writer->err);
}

static int send_piece(struct writer *writer, bool is_last)
{
	struct smtp_session *session = writer->session;
	struct connection *connection = session->connection;
	uint64_t before = connection_sent_bytes(connection);
	size_t certain = session->piece_length - (is_last ? DOT_BYTES : 0);

	if (check_silence(writer) != 0)
		return -1;
	if (connection_send(connection, session->piece, session->piece_length, writer->err) != 0)
		return explain(session,
		               is_last && connection_sent_bytes(connection) - before > certain,
		               writer->err);
	session->piece_length = 0;
	writer->has_sent_pieces = true;
	return 0;
}

static int put(struct writer *writer, const char *bytes, size_t length)
{
	struct smtp_session *session = writer->session;
	size_t step;

	while (length > 0) {
		if (session->piece_length == sizeof(session->piece) &&
		    send_piece(writer, false) != 0)
			return -1;
		step = sizeof(session->piece) - session->piece_length;
		if (step > length)
			step = length;
		memcpy(session->piece + session->piece_length, bytes, step);
		session->piece_length += step;
		bytes += step;
		length -= step;
	}
	return 0;
}

static int end_line(struct writer *writer)
{
	const char *line_end = writer->has_cr ? "\n" : "\r\n";

	writer->has_cr = false;
	writer->is_line_start = true;
	return put(writer, line_end, strlen(line_end));
}

static int put_part(struct writer *writer, const char *bytes, size_t length)
{
	const char *end = bytes + length, *lf, *line_end;

	while (bytes < end) {
		lf = memchr(bytes, '\n', (size_t)(end - bytes));
		line_end = lf != NULL ? lf : end;
		if (line_end > bytes) {
			if (writer->is_line_start && *bytes == '.' && put(writer, ".", 1) != 0)
				return -1;
			if (put(writer, bytes, (size_t)(line_end - bytes)) != 0)
				return -1;
			writer->has_cr = line_end[-1] == '\r';
			writer->is_line_start = false;
		}
		if (lf == NULL)
			return 0;
		if (end_line(writer) != 0)
			return -1;
		bytes = lf + 1;
	}
	return 0;
}

int smtp_text_send(struct smtp_session *session, const struct smtp_text *text, struct error *err)
{
	struct writer writer = {.session = session, .is_line_start = true, .err = err};

	session->piece_length = 0;
	for (size_t i = 0; i < sizeof(text->parts) / sizeof(text->parts[0]); i++)
		if (put_part(&writer, text->parts[i], text->lengths[i]) != 0)
			return -1;
	if (!writer.is_line_start && end_line(&writer) != 0)
		return -1;
	/* The dot goes with the last of the text, whole. */
	if (sizeof(session->piece) - session->piece_length < DOT_BYTES &&
	    send_piece(&writer, false) != 0)
		return -1;
	if (put(&writer, dot, DOT_BYTES) != 0)
		return -1;
	return send_piece(&writer, true);
}
