#include "lib/net/pop3_internal.h"

#include <stdio.h>
#include <string.h>

#define COMMAND_BYTES 24 /* of one RETR with its number and CRLF, at most */

struct retrieval {
	struct pop3 *pop3;
	const struct pop3_item *const *items;
	size_t count;
	size_t sent, answered;
	uint64_t ahead_bytes; /* claimed sizes of what was sent and not answered */
	struct buffer commands;
	struct buffer message;
	const struct pop3_receiver *receiver;
	bool is_receivers_error;
	bool is_top; /* TOP n 0 instead of RETR n */
};

/* A claim counts for one window at most, so that a sum of them cannot overflow. */
static uint64_t weight(const struct retrieval *retrieval, const struct pop3_item *item)
{
	uint64_t most =
		retrieval->is_top ? POP3_WINDOW_BYTES / POP3_WINDOW_COMMANDS : POP3_WINDOW_BYTES;

	return item->size_bytes < most ? item->size_bytes : most;
}

/*
 * Fill the window once it is half empty: few writes, and still no round trip is
 * waited for.  Something is always under way, whatever its size.
 */
static int send_ahead(struct retrieval *retrieval, struct error *err)
{
	size_t window = pop3_can_pipeline(retrieval->pop3) ? POP3_WINDOW_COMMANDS : 1;
	const struct pop3_item *item;

	if (retrieval->sent - retrieval->answered > window / 2)
		return 0;
	if (retrieval->sent == retrieval->answered && pop3_check_silent(retrieval->pop3, err) != 0)
		return -1;
	buffer_clear(&retrieval->commands);
	while (retrieval->sent < retrieval->count &&
	       retrieval->sent - retrieval->answered < window) {
		item = retrieval->items[retrieval->sent];
		if (retrieval->sent > retrieval->answered &&
		    retrieval->ahead_bytes + weight(retrieval, item) > POP3_WINDOW_BYTES)
			break;
		buffer_printf(&retrieval->commands,
		              retrieval->is_top ? "TOP %u 0\r\n" : "RETR %u\r\n", item->number);
		retrieval->ahead_bytes += weight(retrieval, item);
		retrieval->sent++;
	}
	connection_begin_reply(retrieval->pop3->connection);
	return connection_send(retrieval->pop3->connection, retrieval->commands.data,
	                       retrieval->commands.length, err);
}

/* Let the server tell the message's uidl, which its sender cannot have known. */
static int hear_uidl(struct pop3 *pop3, const struct pop3_item *item, struct error *err)
{
	char command[COMMAND_BYTES];
	const char *uidl;
	unsigned number;
	size_t length;
	int status;

	snprintf(command, sizeof(command), "UIDL %u", item->number);
	if (pop3_command(pop3, err, "%s", command) != 0)
		return -1;
	status = pop3_read_status(pop3, err);
	if (status < 0)
		return -1;
	if (status == 0 ||
	    pop3_parse_uidl_line(pop3->line + 3, pop3->line_length - 3, &number, &uidl, &length) !=
	            0 ||
	    number != item->number || length != strlen(item->uidl) ||
	    memcmp(uidl, item->uidl, length) != 0)
		return pop3_refuse(pop3, ERROR_TEMPORARY, command, err);
	return pop3_check_silent(pop3, err);
}

/* At an end that may be a part of the text: is the server really waiting for a command? */
static int prove_end(struct retrieval *retrieval, const struct pop3_item *item, struct error *err)
{
	struct pop3 *pop3 = retrieval->pop3;

	if (retrieval->sent - retrieval->answered > 1) {
		pop3->is_doubtful = true;
		return error_set(err, ERROR_TEMPORARY,
		                 "the end of message %u is in doubt, and what follows may be a "
		                 "part of it",
		                 item->number);
	}
	if (pop3_check_silent(pop3, err) == 0 && hear_uidl(pop3, item, err) == 0)
		return 0;
	return error_prefix(err, "the end of message %u is in doubt", item->number);
}

static int receive_message(struct retrieval *retrieval, const struct pop3_item *item,
                           struct error *err)
{
	const struct pop3_receiver *receiver = retrieval->receiver;
	struct connection *connection = retrieval->pop3->connection;
	struct pop3_body body;
	const char *bytes;
	size_t length;

	pop3_body_init(&body, &retrieval->message, item->size_bytes);
	for (;;) {
		bytes = connection_pending(connection, &length);
		connection_consume(connection, pop3_body_feed(&body, bytes, length));
		if (body.is_complete)
			break;
		if (connection_fill(connection, err) != 0)
			return error_prefix(err, "message %u was cut short", item->number);
	}
	if (body.is_doubtful && prove_end(retrieval, item, err) != 0)
		return -1;
	retrieval->is_receivers_error = true;
	if (body.is_too_large)
		return receiver->on_too_large(receiver->context, item, body.length, err);
	return receiver->on_message(receiver->context, item, retrieval->message.data,
	                            retrieval->message.length, err);
}

static int receive_answer(struct retrieval *retrieval, struct error *err)
{
	const struct pop3_item *item = retrieval->items[retrieval->answered];
	const struct pop3_receiver *receiver = retrieval->receiver;
	struct pop3 *pop3 = retrieval->pop3;
	char words[POP3_LINE_MAX_BYTES + 1];
	int status;

	connection_begin_reply(pop3->connection);
	status = pop3_read_status(pop3, err);
	if (status < 0)
		return error_prefix(err, "cannot retrieve message %u", item->number);
	if (status == 1)
		return receive_message(retrieval, item, err);
	retrieval->is_receivers_error = true;
	return receiver->on_refused(receiver->context, item,
	                            pop3_clean(words, sizeof(words), pop3->line, pop3->line_length),
	                            err);
}

static int on_idle(void *context, struct error *err)
{
	struct retrieval *retrieval = context;

	if (retrieval->receiver->on_idle(retrieval->receiver->context, err) == 0)
		return 0;
	retrieval->is_receivers_error = true;
	return -1;
}

static int run(struct retrieval *retrieval, uint64_t max_bytes, struct error *err)
{
	struct pop3 *pop3 = retrieval->pop3;
	int result = 0;

	if (pop3_check_usable(pop3, err) != 0)
		return -1;
	buffer_init(&retrieval->commands, POP3_WINDOW_COMMANDS * COMMAND_BYTES);
	buffer_init(&retrieval->message, max_bytes);
	if (retrieval->receiver->on_idle != NULL)
		connection_set_idle(pop3->connection, on_idle, retrieval);
	while (result == 0 && retrieval->answered < retrieval->count) {
		retrieval->is_receivers_error = false;
		result = send_ahead(retrieval, err);
		if (result == 0)
			result = receive_answer(retrieval, err);
		retrieval->ahead_bytes -= weight(retrieval, retrieval->items[retrieval->answered]);
		retrieval->answered++;
	}
	if (result == 0) {
		retrieval->is_receivers_error = false;
		result = pop3_check_silent(pop3, err);
	}
	connection_set_idle(pop3->connection, NULL, NULL);
	buffer_release(&retrieval->commands);
	buffer_release(&retrieval->message);
	if (result == 0)
		return 0;
	if (!retrieval->is_receivers_error)
		return pop3_break(pop3, err);
	/* The words are the receiver's own, and replies may still be on their way. */
	pop3->is_broken = true;
	return -1;
}

int pop3_retrieve(struct pop3 *pop3, const struct pop3_item *const *items, size_t count,
                  uint64_t max_bytes, const struct pop3_receiver *receiver, struct error *err)
{
	struct retrieval retrieval = {
		.pop3 = pop3, .items = items, .count = count, .receiver = receiver};

	return run(&retrieval, max_bytes, err);
}

int pop3_top(struct pop3 *pop3, const struct pop3_item *const *items, size_t count,
             uint64_t max_bytes, const struct pop3_receiver *receiver, struct error *err)
{
	struct retrieval retrieval = {
		.pop3 = pop3, .items = items, .count = count, .receiver = receiver, .is_top = true};

	return run(&retrieval, max_bytes, err);
}
