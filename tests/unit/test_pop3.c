#include "tests/unit/pop3_fixture.h"

#include <inttypes.h>
#include <sys/resource.h>

#define MAX_BYTES 1000

/* Each call of the receiver as one line of text. */
static int write_message(void *context, const struct pop3_item *item, const char *bytes,
                         size_t length, struct error *err)
{
	struct buffer *events = context;

	buffer_printf(events, "%u: ", item->number);
	buffer_append(events, bytes, length);
	buffer_append_char(events, '|');
	if (length == 6 && memcmp(bytes, "stop\r\n", 6) == 0)
		return error_set(err, ERROR_FULL, "the receiver has enough");
	return 0;
}

static int write_too_large(void *context, const struct pop3_item *item, uint64_t length,
                           struct error *err)
{
	(void)err;
	buffer_printf(context, "%u: %" PRIu64 " bytes|", item->number, length);
	return 0;
}

static int write_refused(void *context, const struct pop3_item *item, const char *reply,
                         struct error *err)
{
	(void)err;
	buffer_printf(context, "%u: refused: %s|", item->number, reply);
	return 0;
}

static struct pop3_receiver receiver_into(struct buffer *events)
{
	struct pop3_receiver receiver = {.context = events,
	                                 .on_message = write_message,
	                                 .on_too_large = write_too_large,
	                                 .on_refused = write_refused};

	return receiver;
}

struct retrieve_row {
	const char *sentence;
	bool can_pipeline;
	uint64_t sizes[4]; /* as claimed; as many messages as are not 0 */
	struct step steps[12];
	const char *events;
	const char *error; /* kind and a part of the text; NULL: none */
};

#define MB       (1024 * 1024)
#define RETR_ALL HEARS("RETR 1"), HEARS("RETR 2"), HEARS("RETR 3")

static const struct retrieve_row retrieve_rows[] = {
	{"one after the other",
         false,
         {3, 3},
         {HEARS("RETR 1"), HAS_HEARD_ALL, SAYS("+OK\r\na\r\n.\r\n"), HEARS("RETR 2"),
          SAYS("+OK\r\nb\r\n.\r\n")},
         "1: a\r\n|2: b\r\n|",
         NULL},
	{"pipelined",
         true,
         {3, 3, 3},
         {RETR_ALL, SAYS("+OK\r\na\r\n.\r\n+OK\r\nb\r\n.\r\n"), SAYS("+OK\r\nc\r\n.\r\n")},
         "1: a\r\n|2: b\r\n|3: c\r\n|",
         NULL},
	{"byte by byte",
         true,
         {3, 3, 3},
         {RETR_ALL, DRIPS("+OK\r\na\r\n.\r\n+OK\r\n..\r\n.\r\n-ERR no\r\n")},
         "1: a\r\n|2: .\r\n|3: refused: -ERR no|",
         NULL},
	{"the second is refused",
         true,
         {3, 3, 3},
         {RETR_ALL, SAYS("+OK\r\na\r\n.\r\n-ERR [IN-USE] \033later\r\n+OK\r\nc\r\n.\r\n")},
         "1: a\r\n|2: refused: -ERR [IN-USE] ?later|3: c\r\n|",
         NULL},
	{"closed in the middle of the second",
         true,
         {3, 3, 3},
         {RETR_ALL, SAYS("+OK\r\na\r\n.\r\n+OK\r\nhalf a mess"), HANGS_UP},
         "1: a\r\n|",
         "temporary: message 2 was cut short: the server closed the connection"},
	{"closed within the end",
         true,
         {3},
         {HEARS("RETR 1"), SAYS("+OK\r\na\r\n."), HANGS_UP},
         "",
         "temporary: message 1 was cut short"},
	{"closed after the dot's carriage return",
         true,
         {3},
         {HEARS("RETR 1"), SAYS("+OK\r\na\r\n.\r"), HANGS_UP},
         "",
         "temporary: message 1 was cut short"},
	{"closed before an answer",
         true,
         {3},
         {HEARS("RETR 1"), HANGS_UP},
         "",
         "temporary: cannot retrieve message 1: the server closed the connection"},
	{"neither +OK nor -ERR",
         true,
         {3, 3},
         {HEARS("RETR 1"), HEARS("RETR 2"), SAYS("hello\r\n")},
         "",
         "temporary: cannot retrieve message 1: the server answered"},
	{"larger than may be, between others",
         true,
         {3, 1200, 3},
         {RETR_ALL, SAYS("+OK\r\na\r\n.\r\n+OK\r\n"), FLOODS(1200),
          SAYS("\r\n.\r\n+OK\r\nc\r\n.\r\n")},
         "1: a\r\n|2: 1202 bytes|3: c\r\n|",
         NULL},
	{"larger than claimed and may be",
         true,
         {1},
         {HEARS("RETR 1"), SAYS("+OK\r\n"), FLOODS(8 * MB), SAYS("\r\n.\r\n")},
         "1: 8388610 bytes|",
         NULL},
	{"smaller than claimed, beyond all windows",
         true,
         {UINT64_MAX, UINT64_MAX, 1},
         {HEARS("RETR 1"), HAS_HEARD_ALL, SAYS("+OK\r\na\r\n.\r\n"), HEARS("RETR 2"), HAS_HEARD_ALL,
          SAYS("+OK\r\nb\r\n.\r\n"), HEARS("RETR 3"), SAYS("+OK\r\nc\r\n.\r\n")},
         "1: a\r\n|2: b\r\n|3: c\r\n|",
         NULL},
	{"8 MB ahead at most",
         true,
         {3 * MB, 3 * MB, 3 * MB},
         {HEARS("RETR 1"), HEARS("RETR 2"), HAS_HEARD_ALL, SAYS("+OK\r\na\r\n.\r\n"),
          HEARS("RETR 3"), SAYS("+OK\r\nb\r\n.\r\n+OK\r\nc\r\n.\r\n")},
         "1: a\r\n|2: b\r\n|3: c\r\n|",
         NULL},
	{"the receiver ends it",
         true,
         {3, 3},
         {HEARS("RETR 1"), HEARS("RETR 2"), SAYS("+OK\r\nstop\r\n.\r\n+OK\r\nb\r\n.\r\n")},
         "1: stop\r\n|",
         "full: the receiver has enough"},
	{"bare line feeds, each end is proven",
         false,
         {3, 3},
         {HEARS("RETR 1"), SAYS("+OK\na\n.\n"), HEARS("UIDL 1"), SAYS("+OK 1 u1\n"),
          HEARS("RETR 2"), SAYS("+OK\nb\n.\n"), HEARS("UIDL 2"), SAYS("+ok  2 u2\n")},
         "1: a\n|2: b\n|",
         NULL},
	{"a text of the claimed size that ends in a bare line feed",
         false,
         {5},
         {HEARS("RETR 1"), SAYS("+OK\r\na\r\nb\n.\r\n"), HEARS("UIDL 1"), SAYS("+OK 1 u1\r\n")},
         "1: a\r\nb\n|",
         NULL},
	{"the last of a row is proven, too",
         true,
         {3, 3},
         {HEARS("RETR 1"), HEARS("RETR 2"), SAYS("+OK\r\na\r\n.\r\n+OK\nb\n.\n"), HEARS("UIDL 2"),
          SAYS("+OK 2 u2\n")},
         "1: a\r\n|2: b\n|",
         NULL},
	{"no proof is needed after CR LF",
         true,
         {3, 3},
         {HEARS("RETR 1"), HEARS("RETR 2"), SAYS("+OK\r\na\nb\r\n.\r\n+OK\r\na\r\n\n..b\r\n.\r\n")},
         "1: a\nb\r\n|2: a\r\n\n..b\r\n|",
         NULL},
	{"no proof is to be had from a row",
         true,
         {3, 3, 3},
         {RETR_ALL, SAYS("+OK\r\na\r\n.\r\n+OK\r\na\n.\n+OK\r\nforged\r\n.\r\n")},
         "1: a\r\n|",
         "temporary: the end of message 2 is in doubt, and what follows may be a part of it"},
	{"the text goes on behind LF . LF",
         false,
         {3, 3},
         {HEARS("RETR 1"), SAYS("+OK\r\na\n.\n+OK\r\nforged\r\n.\r\n")},
         "",
         "temporary: the end of message 1 is in doubt: the server said \"+OK\" without"},
	{"it goes on behind LF . CR LF and the claimed size",
         false,
         {2, 3},
         {HEARS("RETR 1"), SAYS("+OK\r\na\r\n\n.\r\n+OK\r\nforged\r\n.\r\n")},
         "",
         "temporary: the end of message 1 is in doubt: the server said \"+OK\" without"},
	{"it goes on later",
         false,
         {3, 3},
         {HEARS("RETR 1"), SAYS("+OK\r\na\n.\n"), HEARS("UIDL 1"), SAYS("+OK\r\nforged\r\n")},
         "",
         "temporary: the end of message 1 is in doubt: the server answered UIDL 1 with \"+OK\""},
	{"it goes on with another uidl",
         false,
         {3, 3},
         {HEARS("RETR 1"), SAYS("+OK\r\na\n.\n"), HEARS("UIDL 1"), SAYS("+OK 1 u2\r\n")},
         "",
         "temporary: the end of message 1 is in doubt: the server answered UIDL 1 with \"+OK 1"},
	{"it goes on with another number",
         false,
         {3, 3},
         {HEARS("RETR 1"), SAYS("+OK\r\na\n.\n"), HEARS("UIDL 1"), SAYS("+OK 2 u1\r\n")},
         "",
         "temporary: the end of message 1 is in doubt: the server answered UIDL 1 with \"+OK 2"},
	{"it goes on with a refusal",
         false,
         {3, 3},
         {HEARS("RETR 1"), SAYS("+OK\r\na\n.\n"), HEARS("UIDL 1"), SAYS("-ERR 1 u1\r\n")},
         "",
         "temporary: the end of message 1 is in doubt: the server answered UIDL 1 with \"-ERR"},
	{"it goes on behind its uidl",
         false,
         {3, 3},
         {HEARS("RETR 1"), SAYS("+OK\r\na\n.\n"), HEARS("UIDL 1"),
          SAYS("+OK 1 u1\r\n.\r\n+OK 1 u1\r\n")},
         "",
         "temporary: the end of message 1 is in doubt: the server said \".\" without"},
	{"of what is too large nothing is told either",
         false,
         {3, 3},
         {HEARS("RETR 1"), SAYS("+OK\r\n"), FLOODS(1200), SAYS("\n.\n"), HEARS("UIDL 1"),
          SAYS("+OK\r\n")},
         "",
         "temporary: the end of message 1 is in doubt"},
	{"more than was asked for, before another command",
         false,
         {3, 3},
         {HEARS("RETR 1"), SAYS("+OK\r\na\r\n.\r\n-ERR \001no\r\n")},
         "1: a\r\n|",
         "temporary: the server said \"-ERR ?no\" without being asked"},
	{"more than was asked for, at the end",
         true,
         {3, 3},
         {HEARS("RETR 1"), HEARS("RETR 2"), SAYS("+OK\r\na\r\n.\r\n-ERR\r\n+OK\r\n")},
         "1: a\r\n|2: refused: -ERR|",
         "temporary: the server said \"+OK\" without being asked"},
	{"a reply line without an end",
         true,
         {3},
         {HEARS("RETR 1"), SAYS("+OK "), FLOODS(64 * MB)},
         "",
         "temporary: cannot retrieve message 1: the server sent a reply line of over 1024"},
};

static size_t count_sizes(const struct retrieve_row *row)
{
	size_t count = 0;

	while (count < 4 && row->sizes[count] > 0)
		count++;
	return count;
}

static void check_retrieved(const struct retrieve_row *row)
{
	static char uidls[4][3] = {"u1", "u2", "u3", "u4"};
	struct pop3_item items[4] = {{0}};
	const struct pop3_item *pointers[4];
	struct dialogue dialogue;
	struct pop3_receiver receiver;
	struct error err = {0};
	struct buffer events;
	struct pop3 *pop3;
	char found[300];
	int result;

	for (size_t i = 0; i < 4; i++) {
		items[i].number = (unsigned)i + 1;
		items[i].size_bytes = row->sizes[i];
		items[i].uidl = uidls[i];
		pointers[i] = &items[i];
	}
	buffer_init(&events, 100000);
	receiver = receiver_into(&events);
	pop3 = open_session(&dialogue, row->can_pipeline, row->steps, NULL);
	result = pop3_retrieve(pop3, pointers, count_sizes(row), MAX_BYTES, &receiver, &err);
	if (strcmp(events.data, row->events) != 0)
		fail_msg("%s: found %s", row->sentence, events.data);
	if (row->error == NULL) {
		if (result != 0)
			fail_msg("%s: found %s", row->sentence, err.text);
	} else if (result != -1 ||
	           strcmp(error_seen(found, sizeof(found), &err, row->error), row->error) != 0) {
		fail_msg("%s: found %d, %s", row->sentence, result, err.text);
	}
	/* Unless the words are the receiver's, they name the server. */
	if (result != 0 && err.kind != ERROR_FULL && strncmp(err.text, "127.0.0.1:", 10) != 0)
		fail_msg("%s: found %s", row->sentence, err.text);
	if (pop3_is_doubtful(pop3) != (strstr(err.text, "what follows may be") != NULL))
		fail_msg("%s: is it doubtful?", row->sentence);
	close_session(&dialogue, pop3, row->sentence);
	buffer_release(&events);
}

static void what_is_retrieved(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(retrieve_rows) / sizeof(retrieve_rows[0]); i++)
		check_retrieved(&retrieve_rows[i]);
}

static void pipelining_can_be_forbidden(void **state)
{
	static const struct step steps[] = {
		HEARS("RETR 1"),           HAS_HEARD_ALL,     SAYS("+OK\na\n.\n"),
		HEARS("UIDL 1"),           SAYS("+OK 1 x\n"), HEARS("RETR 2"),
		SAYS("+OK\r\nb\r\n.\r\n"), HEARS("DELE 1"),   HEARS("DELE 2"),
		SAYS("+OK\n+OK\n"),        END_OF_STEPS};
	static const unsigned numbers[] = {1, 2};
	char uidl[] = "x";
	const struct pop3_item items[] = {{1, 3, uidl}, {2, 3, uidl}};
	const struct pop3_item *const pointers[] = {&items[0], &items[1]};
	struct pop3_receiver receiver;
	struct dialogue dialogue;
	struct error err = {0};
	struct buffer events;
	struct pop3 *pop3;

	(void)state;
	buffer_init(&events, 1000);
	receiver = receiver_into(&events);
	pop3 = open_session(&dialogue, true, steps, NULL);
	assert_true(pop3_can_pipeline(pop3));
	pop3_forbid_pipelining(pop3);
	assert_false(pop3_can_pipeline(pop3));
	if (pop3_retrieve(pop3, pointers, 2, MAX_BYTES, &receiver, &err) != 0 ||
	    pop3_delete(pop3, numbers, 2, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(events.data, "1: a\n|2: b\r\n|");
	close_session(&dialogue, pop3, "no pipelining");
	buffer_release(&events);
}

static void at_most_64_commands_are_ahead(void **state)
{
	static char commands[100][16], reply[] = "+OK\r\na\r\n.\r\n";
	struct pop3_item items[100] = {{0}};
	const struct pop3_item *pointers[100];
	struct step steps[210] = {{0}};
	struct dialogue dialogue;
	struct pop3_receiver receiver;
	struct error err = {0};
	struct buffer events;
	struct pop3 *pop3;
	size_t step = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(commands[i], sizeof(commands[i]), "RETR %u", i + 1);
		items[i] = (struct pop3_item){.number = i + 1, .size_bytes = 3};
		pointers[i] = &items[i];
	}
	for (unsigned i = 0; i < 64; i++)
		steps[step++] = (struct step){STEP_HEARS, commands[i], 0};
	steps[step++] = (struct step)HAS_HEARD_ALL;
	for (unsigned i = 0; i < 32; i++)
		steps[step++] = (struct step){STEP_SAYS, reply, sizeof(reply) - 1};
	for (unsigned i = 64; i < 96; i++)
		steps[step++] = (struct step){STEP_HEARS, commands[i], 0};
	steps[step++] = (struct step)HAS_HEARD_ALL;
	for (unsigned i = 32; i < 64; i++)
		steps[step++] = (struct step){STEP_SAYS, reply, sizeof(reply) - 1};
	for (unsigned i = 96; i < 100; i++)
		steps[step++] = (struct step){STEP_HEARS, commands[i], 0};
	for (unsigned i = 64; i < 100; i++)
		steps[step++] = (struct step){STEP_SAYS, reply, sizeof(reply) - 1};

	buffer_init(&events, 100000);
	receiver = receiver_into(&events);
	pop3 = open_session(&dialogue, true, steps, NULL);
	if (pop3_retrieve(pop3, pointers, 100, MAX_BYTES, &receiver, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(events.length, 9 * strlen("1: a\r\n|") + 90 * strlen("10: a\r\n|") +
	                                        strlen("100: a\r\n|"));
	close_session(&dialogue, pop3, "64 ahead");
	buffer_release(&events);
}

/* Retrieve one message from a server of these steps. Returns the result. */
static int retrieve_one(const struct step *steps, const struct server *timeouts, uint64_t max_bytes,
                        struct buffer *events, struct error *err)
{
	struct pop3_item item = {.number = 1, .size_bytes = 3};
	const struct pop3_item *pointer = &item;
	struct pop3_receiver receiver = receiver_into(events);
	struct dialogue dialogue;
	struct pop3 *pop3 = open_session(&dialogue, false, steps, timeouts);
	int result = pop3_retrieve(pop3, &pointer, 1, max_bytes, &receiver, err);

	close_session(&dialogue, pop3, "one message");
	return result;
}

static void both_clocks_run(void **state)
{
	static const struct {
		const char *sentence;
		struct step steps[4];
		struct server timeouts;
		const char *expected;
	} rows[] = {
		{"silence before the reply",
	         {HEARS("RETR 1")},
	         {.idle_timeout_ms = 50, .total_timeout_ms = 0},
	         "temporary: cannot retrieve message 1: the server was silent for 50 ms"},
		{"silence in the message",
	         {HEARS("RETR 1"), SAYS("+OK\r\nhalf")},
	         {.idle_timeout_ms = 50, .total_timeout_ms = 10000},
	         "temporary: message 1 was cut short: the server was silent for 50 ms"},
		{"silence, and no patience in all",
	         {HEARS("RETR 1"), SAYS("+OK\r\nhalf")},
	         {.idle_timeout_ms = 10000, .total_timeout_ms = 50},
	         "temporary: message 1 was cut short: the server took too long"},
		{"bytes without end",
	         {HEARS("RETR 1"), SAYS("+OK\r\n"), FLOODS(SIZE_MAX)},
	         {.idle_timeout_ms = 10000, .total_timeout_ms = 100},
	         "temporary: message 1 was cut short: the server took too long"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error err = {0};
		struct buffer events;
		char found[300];

		buffer_init(&events, 1000);
		assert_int_equal(
			retrieve_one(rows[i].steps, &rows[i].timeouts, MAX_BYTES, &events, &err),
			-1);
		if (strcmp(error_seen(found, sizeof(found), &err, rows[i].expected),
		           rows[i].expected) != 0)
			fail_msg("%s: found %s", rows[i].sentence, err.text);
		assert_string_equal(events.data, "");
		buffer_release(&events);
	}
}

static void a_long_line_does_not_grow_memory(void **state)
{
	static const struct step steps[] = {HEARS("RETR 1"), SAYS("+OK\r\n"), FLOODS(256 * MB),
	                                    SAYS("\r\n.\r\n"), END_OF_STEPS};
	struct rusage before, after;
	struct error err = {0};
	struct buffer events;

	(void)state;
	buffer_init(&events, 1000);
	getrusage(RUSAGE_SELF, &before);
	if (retrieve_one(steps, NULL, MB, &events, &err) != 0)
		fail_msg("%s", err.text);
	getrusage(RUSAGE_SELF, &after);
	assert_string_equal(events.data, "1: 268435458 bytes|");
	if (after.ru_maxrss - before.ru_maxrss > 16 * 1024)
		fail_msg("grew by %ld KB", after.ru_maxrss - before.ru_maxrss);
	buffer_release(&events);
}

static void nul_bytes_are_kept(void **state)
{
	static const struct step steps[] = {HEARS("RETR 1"), SAYS("+OK\r\na\0b\r\n\0\r\n.\r\n"),
	                                    END_OF_STEPS};
	struct error err = {0};
	struct buffer events;

	(void)state;
	buffer_init(&events, 1000);
	assert_int_equal(retrieve_one(steps, NULL, 8, &events, &err), 0);
	assert_int_equal(events.length, 12);
	assert_memory_equal(events.data, "1: a\0b\r\n\0\r\n|", 12);
	buffer_release(&events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_retrieved),
		cmocka_unit_test(pipelining_can_be_forbidden),
		cmocka_unit_test(at_most_64_commands_are_ahead),
		cmocka_unit_test(both_clocks_run),
		cmocka_unit_test(a_long_line_does_not_grow_memory),
		cmocka_unit_test(nul_bytes_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
