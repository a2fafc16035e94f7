#include "tests/unit/smtp_fixture.h"

#include "lib/base/memory.h"

struct text_row {
	const char *sentence;
	const char *prefix, *text;
	const char *expected; /* between DATA and the final dot */
};

static const struct text_row text_rows[] = {
	{"CR LF", "A: b\r\n", "\r\ntext\r\n", "A: b\r\n\r\ntext\r\n"},
	{"bare line feeds", "A: b\n", "\n\ntext\n", "A: b\r\n\r\n\r\ntext\r\n"},
	{"both", "A: b\n", "\r\na\nb\r\nc\n", "A: b\r\n\r\na\r\nb\r\nc\r\n"},
	{"a CR LF across the parts", "A: b\r", "\n\ntext", "A: b\r\n\r\ntext\r\n"},
	{"a bare line feed first", "", "\ntext", "\r\ntext\r\n"},
	{"no line end at the end", "", "\r\ntext", "\r\ntext\r\n"},
	{"dots", "", "\r\n.\r\n..\r\n.a\r\nb.\r\n.\r\n", "\r\n..\r\n...\r\n..a\r\nb.\r\n..\r\n"},
	{"dots after bare line feeds", "A: b\n\n.\n", ".\n.c\n.",
         "A: b\r\n\r\n..\r\n..\r\n..c\r\n..\r\n"},
	{"a dot at the very start", ".\r\n", "a\r\n", "..\r\na\r\n"},
	{"a dot at the start of the second part", "A: b\r\n", ".\r\n", "A: b\r\n..\r\n"},
	{"CRs alone stay", "", "\r\na\rb\r\rc\r\n", "\r\na\rb\r\rc\r\n"},
	{"CR CR LF stays", "", "\r\na\r\r\nb\r\n", "\r\na\r\r\nb\r\n"},
};

#define TEXT_ROWS (sizeof(text_rows) / sizeof(text_rows[0]))

/* All over one connection, which also shows that it is kept. */
static void texts_arrive_as_they_are(void **state)
{
	static const struct step begin[] = {SESSION_BEGINS, END_OF_STEPS};
	static const struct step one[] = {UP_TO_TEXT, TAKES_THE_TEXT,
	                                  SAYS("250 2.0.0 Ok: queued as A\r\n"), END_OF_STEPS};
	struct dialogue dialogue;
	struct smtp *smtp;

	(void)state;
	dialogue_begin(&dialogue);
	dialogue_add(&dialogue, begin);
	for (size_t i = 0; i < TEXT_ROWS; i++)
		dialogue_add(&dialogue, one);
	dialogue_start(&dialogue);
	smtp = smtp_to(&dialogue, 10000);
	for (size_t i = 0; i < TEXT_ROWS; i++) {
		const struct text_row *row = &text_rows[i];
		struct error err = {0};
		char queue_id[32];

		if (smtp_send(smtp, "bob@example.org", "jane@company.test", row->prefix,
		              strlen(row->prefix), row->text, strlen(row->text), queue_id,
		              sizeof(queue_id), &err) != 0)
			fail_msg("%s: %s, %s", row->sentence, err.text, dialogue.complaint);
		if (strcmp(dialogue.taken.data, row->expected) != 0)
			fail_msg("%s: found \"%s\"", row->sentence, dialogue.taken.data);
	}
	check_end(&dialogue, smtp, "texts", "QUIT\r\n");
}

/* Lines of every length below 300, so that each kind of boundary falls at the end of a piece. */
static void a_large_text_arrives_as_it_is(void **state)
{
	static const struct step steps[] = {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT,
	                                    SAYS("250 2.0.0 Ok: queued as A\r\n"), END_OF_STEPS};
	struct buffer text, expected;
	struct dialogue dialogue;
	struct error err = {0};
	char queue_id[32];
	struct smtp *smtp;

	(void)state;
	buffer_init(&text, 16 * 1024 * 1024);
	buffer_init(&expected, 16 * 1024 * 1024);
	for (size_t i = 0; i < 20000; i++) {
		for (size_t j = 0; j < i % 300; j++) {
			buffer_append_char(&text, j == 0 || j % 7 == 3 ? '.' : 'a');
			buffer_append_text(&expected, j == 0 ? ".." : j % 7 == 3 ? "." : "a");
		}
		buffer_append_text(&text, i % 3 == 0 ? "\n" : "\r\n");
		buffer_append_text(&expected, "\r\n");
	}
	dialogue_begin(&dialogue);
	dialogue_add(&dialogue, steps);
	dialogue_start(&dialogue);
	smtp = smtp_to(&dialogue, 10000);
	if (smtp_send(smtp, "bob@example.org", "jane@company.test", "", 0, text.data, text.length,
	              queue_id, sizeof(queue_id), &err) != 0)
		fail_msg("%s, %s", err.text, dialogue.complaint);
	assert_int_equal(dialogue.taken.length, expected.length);
	assert_memory_equal(dialogue.taken.data, expected.data, expected.length);
	check_end(&dialogue, smtp, "a large text", "QUIT\r\n");
	buffer_release(&text);
	buffer_release(&expected);
}

/* The final dot goes out whole, wherever the end of the text falls in a piece. */
static void texts_in_pieces_arrive_as_they_are(void **state)
{
	static const struct step begin[] = {PIPELINING_BEGINS, END_OF_STEPS};
	static const struct step one[] = {GROUP_UP_TO_TEXT, TAKEN_AS("A"), END_OF_STEPS};
	static const size_t piece_bytes = 64 * 1024;
	size_t around = 8;
	struct dialogue dialogue;
	struct smtp *smtp;

	(void)state;
	dialogue_begin(&dialogue);
	dialogue_add(&dialogue, begin);
	for (size_t i = 0; i < 2 * around; i++)
		dialogue_add(&dialogue, one);
	dialogue_start(&dialogue);
	smtp = smtp_to(&dialogue, 10000);
	for (size_t length = piece_bytes - around; length < piece_bytes + around; length++) {
		char *text = xmalloc(length), queue_id[32];
		struct error err = {0};

		memset(text, 'a', length);
		for (size_t at = 98; at + 200 < length; at += 100)
			memcpy(text + at, "\r\n", 2);
		memcpy(text + length - 2, "\r\n", 2);
		if (send_text(smtp, text, length, queue_id, &err) != 0)
			fail_msg("%zu bytes: %s, %s", length, err.text, dialogue.complaint);
		assert_int_equal(dialogue.taken.length, length);
		assert_memory_equal(dialogue.taken.data, text, length);
		free(text);
	}
	check_end(&dialogue, smtp, "texts in pieces", "QUIT\r\n");
}

#define LARGE_BYTES (32 * 1024 * 1024) /* more than the sockets' buffers hold */

struct large_row {
	const char *sentence;
	struct step steps[20];
	int64_t timeout_ms;
	enum error_kind kind;
	const char *text; /* a part of */
};

static const struct large_row large_rows[] = {
	{"closed before the final dot",
         {SESSION_BEGINS, UP_TO_TEXT, HEARS("A: b"), HANGS_UP},
         10000,
         ERROR_TEMPORARY,
         "cannot hand"},
	{"refused in the middle, by a server that reads on",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, HEARS("A: b"), SAYS("552 5.3.4 too large\r\n")},
         10000,
         ERROR_PERMANENT,
         "\"552 5.3.4 too large\""},
	{"put off in the middle, then closed",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, HEARS("A: b"), SAYS("421 4.3.1 full\r\n"), HANGS_UP},
         10000,
         ERROR_TEMPORARY,
         "\"421 4.3.1 full\""},
	{"refused in the middle, by a server that reads no more",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, HEARS("A: b"), IGNORES_FOR_MS(150),
          SAYS("552 5.3.4 too large\r\n"), IGNORES_FOR_MS(10000)},
         800,
         ERROR_PERMANENT,
         "\"552 5.3.4 too large\""},
	{"not read",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, IGNORES_FOR_MS(10000)},
         800,
         ERROR_TEMPORARY,
         "took too long"},
};

static void a_large_text_can_end_early(void **state)
{
	char *text = xmalloc(LARGE_BYTES), queue_id[32];

	(void)state;
	memset(text, 'a', LARGE_BYTES);
	memcpy(text, "A: b\r\n\r\n", 8);
	for (size_t at = 99; at < LARGE_BYTES; at += 100)
		text[at] = '\n';
	for (size_t i = 0; i < sizeof(large_rows) / sizeof(large_rows[0]); i++) {
		const struct large_row *row = &large_rows[i];
		struct dialogue dialogue;
		struct error err = {0};
		struct smtp *smtp;

		dialogue_begin(&dialogue);
		dialogue_add(&dialogue, row->steps);
		dialogue_start(&dialogue);
		smtp = smtp_to(&dialogue, row->timeout_ms);
		if (send_text(smtp, text, LARGE_BYTES, queue_id, &err) != -1 ||
		    err.kind != row->kind || strstr(err.text, row->text) == NULL)
			fail_msg("%s: found %d, %s", row->sentence, err.kind, err.text);
		check_end(&dialogue, smtp, row->sentence, NULL);
		if (dialogue.heard_bytes > LARGE_BYTES)
			fail_msg("%s: all of it was sent", row->sentence);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_arrive_as_they_are),
		cmocka_unit_test(a_large_text_arrives_as_it_is),
		cmocka_unit_test(texts_in_pieces_arrive_as_they_are),
		cmocka_unit_test(a_large_text_can_end_early),
	};
	return cmocka_run_group_tests(tests, start_up, shut_down);
}
