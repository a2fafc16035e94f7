#include "tests/unit/dialogue.h"

#include "lib/base/memory.h"
#include "lib/net/connection.h"
#include "lib/net/smtp.h"

#define SESSION_BEGINS                                                                             \
	SAYS("220 mx.company.test ESMTP\r\n"), HEARS("EHLO localhost"),                            \
		SAYS("250-mx.company.test\r\n250 8BITMIME\r\n")
#define UP_TO_RCPT                                                                                 \
	HEARS("MAIL FROM:<bob@example.org>"), SAYS("250 2.1.0 Ok\r\n"),                            \
		HEARS("RCPT TO:<jane@company.test>")
#define UP_TO_TEXT UP_TO_RCPT, SAYS("250 2.1.5 Ok\r\n"), HEARS("DATA"), SAYS("354 End it\r\n")

static void begin_server(struct dialogue *dialogue)
{
	dialogue_begin(dialogue);
	/* After a failure comes QUIT or nothing: libcurl decides, and waits for an answer. */
	dialogue->farewell = "221 2.0.0 bye\r\n";
}

struct send_row {
	const char *sentence;
	struct step steps[16];
	const char *queue_id; /* NULL: it fails with */
	enum error_kind kind;
	const char *text; /* a part of */
};

static const struct send_row send_rows[] = {
	{"taken, with its queue id",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("250 2.0.0 Ok: queued as 4XyZ1\r\n")},
         "4XyZ1",
         ERROR_NONE,
         NULL},
	{"taken, in an answer of two lines",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT,
          SAYS("250-2.0.0 queued as FIRST\r\n250 2.0.0 Ok: queued as LAST\r\n")},
         "LAST",
         ERROR_NONE,
         NULL},
	{"taken without a queue id",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("250 2.0.0 Saved\r\n")},
         "",
         ERROR_NONE,
         NULL},
	{"a queue id that is no word",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("250 2.0.0 queued as \033[1m\r\n")},
         "",
         ERROR_NONE,
         NULL},
	{"a queue id beyond the caller's room",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT,
          SAYS("250 2.0.0 queued as AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDD\r\n")},
         "",
         ERROR_NONE,
         NULL},
	{"451 after the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("451 4.3.0 later\033\r\n")},
         NULL,
         ERROR_TEMPORARY,
         "\"451 4.3.0 later?\""},
	{"550 after the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("550 5.7.1 never\r\n")},
         NULL,
         ERROR_PERMANENT,
         "\"550 5.7.1 never\""},
	{"a strange success after the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("251 what\r\n")},
         NULL,
         ERROR_UNCERTAIN,
         "may or may not"},
	{"closed after the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, HANGS_UP},
         NULL,
         ERROR_UNCERTAIN,
         "may or may not"},
	{"closed within the answer to the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("250 2.0"), HANGS_UP},
         NULL,
         ERROR_UNCERTAIN,
         "may or may not"},
	{"no answer to the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT},
         NULL,
         ERROR_UNCERTAIN,
         "may or may not"},
	{"450 to the recipient",
         {SESSION_BEGINS, UP_TO_RCPT, SAYS("450 4.2.1 later\r\n")},
         NULL,
         ERROR_TEMPORARY,
         "\"450 4.2.1 later\""},
	{"550 to the recipient",
         {SESSION_BEGINS, UP_TO_RCPT, SAYS("550 5.1.1 nobody\r\n")},
         NULL,
         ERROR_PERMANENT,
         "\"550 5.1.1 nobody\""},
	{"452 to the sender",
         {SESSION_BEGINS, HEARS("MAIL FROM:<bob@example.org>"), SAYS("452 4.3.1 full\r\n")},
         NULL,
         ERROR_TEMPORARY,
         "\"452 4.3.1 full\""},
	{"554 to DATA",
         {SESSION_BEGINS, UP_TO_RCPT, SAYS("250 2.1.5 Ok\r\n"), HEARS("DATA"),
          SAYS("554 5.5.1 no\r\n")},
         NULL,
         ERROR_PERMANENT,
         "\"554 5.5.1 no\""},
	{"closed at the recipient",
         {SESSION_BEGINS, UP_TO_RCPT, HANGS_UP},
         NULL,
         ERROR_TEMPORARY,
         "cannot hand"},
	{"closed at DATA",
         {SESSION_BEGINS, UP_TO_RCPT, SAYS("250 2.1.5 Ok\r\n"), HEARS("DATA"), HANGS_UP},
         NULL,
         ERROR_TEMPORARY,
         "cannot hand"},
	{"421 in place of a greeting",
         {SAYS("421 4.3.2 busy\r\n")},
         NULL,
         ERROR_TEMPORARY,
         "\"421 4.3.2 busy\""},
	{"554 in place of a greeting",
         {SAYS("554 5.7.1 not you\r\n")},
         NULL,
         ERROR_PERMANENT,
         "\"554 5.7.1 not you\""},
	{"closed in place of a greeting", {HANGS_UP}, NULL, ERROR_TEMPORARY, "cannot hand"},
	{"no greeting", {{STEP_END, NULL, 0}}, NULL, ERROR_TEMPORARY, "cannot hand"},
	{"a greeting without an end", {FLOODS(SIZE_MAX)}, NULL, ERROR_TEMPORARY, "cannot hand"},
};

#define TIMEOUT_MS 300 /* what a row that is not answered costs */

static struct smtp *smtp_to(struct dialogue *dialogue, int64_t timeout_ms)
{
	char host_port[32];

	snprintf(host_port, sizeof(host_port), "127.0.0.1:%u", dialogue->port);
	return smtp_new(host_port, timeout_ms);
}

static void check_end(struct dialogue *dialogue, struct smtp *smtp, const char *sentence)
{
	smtp_free(smtp);
	free(dialogue_end(dialogue));
	if (dialogue->complaint[0] != '\0')
		fail_msg("%s: %s", sentence, dialogue->complaint);
}

static void what_the_answers_mean(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(send_rows) / sizeof(send_rows[0]); i++) {
		const struct send_row *row = &send_rows[i];
		struct dialogue dialogue;
		struct error err = {0};
		char queue_id[32] = "none";
		struct smtp *smtp;
		int result;

		begin_server(&dialogue);
		dialogue_add(&dialogue, row->steps);
		dialogue_start(&dialogue);
		smtp = smtp_to(&dialogue, TIMEOUT_MS);
		result = smtp_send(smtp, "bob@example.org", "jane@company.test", "A: b\r\n", 6,
		                   "\r\ntext\r\n", 8, queue_id, sizeof(queue_id), &err);
		if (row->queue_id != NULL && (result != 0 || strcmp(queue_id, row->queue_id) != 0))
			fail_msg("%s: found %d, %s, %s", row->sentence, result, queue_id, err.text);
		if (row->queue_id == NULL &&
		    (result != -1 || err.kind != row->kind || strstr(err.text, row->text) == NULL))
			fail_msg("%s: found %d, %d, %s", row->sentence, result, err.kind, err.text);
		check_end(&dialogue, smtp, row->sentence);
	}
}

static void closed_before_the_final_dot_is_certain(void **state)
{
	static const struct step steps[] = {
		SESSION_BEGINS, UP_TO_TEXT, HEARS("A: b"), HANGS_UP, {STEP_END, NULL, 0}};
	size_t length = 32 * 1024 * 1024; /* more than the sockets' buffers hold */
	char *text = xmalloc(length), queue_id[32];
	struct dialogue dialogue;
	struct error err = {0};
	struct smtp *smtp;

	(void)state;
	memset(text, 'a', length);
	for (size_t at = 99; at < length; at += 100)
		text[at] = '\n';
	begin_server(&dialogue);
	dialogue_add(&dialogue, steps);
	dialogue_start(&dialogue);
	smtp = smtp_to(&dialogue, 10000);
	assert_int_equal(smtp_send(smtp, "bob@example.org", "jane@company.test", "A: b\r\n\r\n", 8,
	                           text, length, queue_id, sizeof(queue_id), &err),
	                 -1);
	if (err.kind != ERROR_TEMPORARY)
		fail_msg("found %d, %s", err.kind, err.text);
	check_end(&dialogue, smtp, "closed before the dot");
	free(text);
}

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
	static const struct step begin[] = {SESSION_BEGINS, {STEP_END, NULL, 0}};
	static const struct step one[] = {UP_TO_TEXT,
	                                  TAKES_THE_TEXT,
	                                  SAYS("250 2.0.0 Ok: queued as A\r\n"),
	                                  {STEP_END, NULL, 0}};
	struct dialogue dialogue;
	struct smtp *smtp;

	(void)state;
	begin_server(&dialogue);
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
	check_end(&dialogue, smtp, "texts");
}

/* Lines of every length below 300, so that each kind of boundary falls into libcurl's buffers. */
static void a_large_text_arrives_as_it_is(void **state)
{
	static const struct step steps[] = {SESSION_BEGINS,
	                                    UP_TO_TEXT,
	                                    TAKES_THE_TEXT,
	                                    SAYS("250 2.0.0 Ok: queued as A\r\n"),
	                                    {STEP_END, NULL, 0}};
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
	begin_server(&dialogue);
	dialogue_add(&dialogue, steps);
	dialogue_start(&dialogue);
	smtp = smtp_to(&dialogue, 10000);
	if (smtp_send(smtp, "bob@example.org", "jane@company.test", "", 0, text.data, text.length,
	              queue_id, sizeof(queue_id), &err) != 0)
		fail_msg("%s, %s", err.text, dialogue.complaint);
	assert_int_equal(dialogue.taken.length, expected.length);
	assert_memory_equal(dialogue.taken.data, expected.data, expected.length);
	check_end(&dialogue, smtp, "a large text");
	buffer_release(&text);
	buffer_release(&expected);
}

/* What is sent, dots and all, is as long as the text before the text is at its end. */
static void stuffed_dots_do_not_count(void **state)
{
	static const struct step begin[] = {SESSION_BEGINS, {STEP_END, NULL, 0}};
	static const struct step one[] = {UP_TO_TEXT,
	                                  TAKES_THE_TEXT,
	                                  SAYS("250 2.0.0 Ok: queued as A\r\n"),
	                                  {STEP_END, NULL, 0}};
	static const size_t buffer_bytes[] = {16 * 1024, 64 * 1024}; /* libcurl's */
	struct dialogue dialogue;
	struct smtp *smtp;

	(void)state;
	begin_server(&dialogue);
	dialogue_add(&dialogue, begin);
	for (size_t i = 0; i < 6; i++)
		dialogue_add(&dialogue, one);
	dialogue_start(&dialogue);
	smtp = smtp_to(&dialogue, 10000);
	for (size_t i = 0; i < 6; i++) {
		size_t dots = 1 + i / 2, length = buffer_bytes[i % 2] + dots;
		char *text = xmalloc(length), queue_id[32];
		struct error err = {0};

		memset(text, 'a', length);
		for (size_t at = 98; at + 200 < length; at += 100)
			memcpy(text + at, "\r\n", 2);
		for (size_t dot = 1; dot <= dots; dot++)
			text[dot * 100] = '.';
		if (smtp_send(smtp, "bob@example.org", "jane@company.test", "", 0, text, length,
		              queue_id, sizeof(queue_id), &err) != 0)
			fail_msg("%s, %s", err.text, dialogue.complaint);
		assert_int_equal(dialogue.taken.length, length + dots + 2);
		free(text);
	}
	check_end(&dialogue, smtp, "stuffed dots");
}

static void the_null_sender_can_send(void **state)
{
	static const struct step steps[] = {SAYS("220 mx.company.test ESMTP\r\n"),
	                                    HEARS("EHLO localhost"),
	                                    SAYS("250-mx.company.test\r\n250 SIZE 1000\r\n"),
	                                    HEARS("MAIL FROM:<>"),
	                                    SAYS("552 5.3.4 too large\r\n"),
	                                    {STEP_END, NULL, 0}};
	struct dialogue dialogue;
	struct error err = {0};
	char queue_id[32];
	struct smtp *smtp;

	(void)state;
	begin_server(&dialogue);
	dialogue_add(&dialogue, steps);
	dialogue_start(&dialogue);
	smtp = smtp_to(&dialogue, 10000);
	assert_int_equal(smtp_send(smtp, "", "jane@company.test", "A: b\n", 5, "\r\ntext\n", 7,
	                           queue_id, sizeof(queue_id), &err),
	                 -1);
	assert_int_equal(err.kind, ERROR_PERMANENT);
	check_end(&dialogue, smtp, "the null sender");
}

static void a_lost_connection_is_made_anew(void **state)
{
	static const struct step one[] = {SESSION_BEGINS,
	                                  UP_TO_TEXT,
	                                  TAKES_THE_TEXT,
	                                  SAYS("250 2.0.0 Ok: queued as A\r\n"),
	                                  {STEP_END, NULL, 0}};
	static const struct step broken[] = {
		SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, HANGS_UP, {STEP_END, NULL, 0}};
	struct dialogue dialogue;
	struct error err = {0};
	char queue_id[32];
	struct smtp *smtp;

	(void)state;
	begin_server(&dialogue);
	dialogue_add(&dialogue, broken);
	dialogue_add(&dialogue, one);
	dialogue_start(&dialogue);
	smtp = smtp_to(&dialogue, 10000);
	assert_int_equal(smtp_send(smtp, "bob@example.org", "jane@company.test", "", 0, "a\n", 2,
	                           queue_id, sizeof(queue_id), &err),
	                 -1);
	assert_int_equal(err.kind, ERROR_UNCERTAIN);
	if (smtp_send(smtp, "bob@example.org", "jane@company.test", "", 0, "a\n", 2, queue_id,
	              sizeof(queue_id), &err) != 0)
		fail_msg("%s, %s", err.text, dialogue.complaint);
	assert_string_equal(queue_id, "A");
	check_end(&dialogue, smtp, "a lost connection");
}

static void addresses_cannot_hold_commands(void **state)
{
	char long_address[400];
	const char *const rows[][2] = {
		{"bob@example.org\r\nRCPT TO:<boss@company.test>", "jane@company.test"},
		{"bob@example.org", "jane@company.test\nDATA"},
		{"bob@example.org", "jane@company.test> NOTIFY=NEVER"},
		{"bob@example.org", "jane@company.test>"},
		{"<bob@example.org>", "jane@company.test"},
		{"bob smith@example.org", "jane@company.test"},
		{"bob\177@example.org", "jane@company.test"},
		{"bob\t@example.org", "jane@company.test"},
		{"bob@example.org", ""},
		{"bob@example.org", long_address},
	};
	struct smtp *smtp = smtp_new("127.0.0.1:1", 1000);

	(void)state;
	memset(long_address, 'a', sizeof(long_address));
	strcpy(long_address + 321 - strlen("@company.test"), "@company.test");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error err = {0};
		char queue_id[32];

		if (smtp_send(smtp, rows[i][0], rows[i][1], "", 0, "a\n", 2, queue_id,
		              sizeof(queue_id), &err) != -1 ||
		    err.kind != ERROR_PERMANENT)
			fail_msg("%s to %s: found %s", rows[i][0], rows[i][1], err.text);
	}
	smtp_free(smtp);
}

static int start_up(void **state)
{
	(void)state;
	connection_start_up();
	return 0;
}

static int shut_down(void **state)
{
	(void)state;
	connection_shut_down();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_answers_mean),
		cmocka_unit_test(closed_before_the_final_dot_is_certain),
		cmocka_unit_test(texts_arrive_as_they_are),
		cmocka_unit_test(a_large_text_arrives_as_it_is),
		cmocka_unit_test(stuffed_dots_do_not_count),
		cmocka_unit_test(the_null_sender_can_send),
		cmocka_unit_test(a_lost_connection_is_made_anew),
		cmocka_unit_test(addresses_cannot_hold_commands),
	};
	return cmocka_run_group_tests(tests, start_up, shut_down);
}
