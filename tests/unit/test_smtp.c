#include "tests/unit/smtp_fixture.h"

#define TIMEOUT_MS 600 /* what a row that is not answered costs */

struct send_row {
	const char *sentence;
	struct step steps[30];
	const char *queue_id; /* NULL: it fails with */
	enum error_kind kind;
	const char *text; /* a part of */
	const char *heard_after;
};

#define FAILS_FOR_NOW(text)   NULL, ERROR_TEMPORARY, text
#define FAILS_FOR_GOOD(text)  NULL, ERROR_PERMANENT, text
#define MAY_BE_TAKEN(text)    NULL, ERROR_UNCERTAIN, text
#define IS_TAKEN_AS(queue_id) queue_id, ERROR_NONE, NULL
#define QUIT_IS_HEARD         "QUIT\r\n"
#define NOTHING_IS_HEARD      ""

static const struct send_row lock_step_rows[] = {
	{"taken, with its queue id",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, CAME_IN_SEGMENTS(5),
          SAYS("250 2.0.0 Ok: queued as 4XyZ1\r\n")},
         IS_TAKEN_AS("4XyZ1"),
         QUIT_IS_HEARD},
	{"taken, in an answer of two lines",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT,
          SAYS("250-2.0.0 queued as FIRST\r\n250 2.0.0 Ok: queued as LAST\r\n")},
         IS_TAKEN_AS("LAST"),
         QUIT_IS_HEARD},
	{"taken without a queue id",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("250 2.0.0 Saved\r\n")},
         IS_TAKEN_AS(""),
         QUIT_IS_HEARD},
	{"taken without a word",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("250\r\n")},
         IS_TAKEN_AS(""),
         QUIT_IS_HEARD},
	{"a queue id that is no word",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("250 2.0.0 queued as \033[1m\r\n")},
         IS_TAKEN_AS(""),
         QUIT_IS_HEARD},
	{"a queue id beyond the caller's room",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT,
          SAYS("250 2.0.0 queued as AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDD\r\n")},
         IS_TAKEN_AS(""),
         QUIT_IS_HEARD},
	{"taken, and more is said than was asked",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("250 2.0.0 queued as A\r\n250 Ok\r\n")},
         IS_TAKEN_AS("A"),
         NOTHING_IS_HEARD},
	{"451 after the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("451 4.3.0 later\033\r\n")},
         FAILS_FOR_NOW("\"451 4.3.0 later?\""),
         QUIT_IS_HEARD},
	{"550 after the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("550 5.7.1 never\r\n")},
         FAILS_FOR_GOOD("\"550 5.7.1 never\""),
         QUIT_IS_HEARD},
	{"421 after the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("421 4.3.2 stopping\r\n")},
         FAILS_FOR_NOW("\"421 4.3.2 stopping\""),
         NOTHING_IS_HEARD},
	{"a strange success after the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("251 what\r\n")},
         MAY_BE_TAKEN("may or may not have taken the message: it answered \"251 what\""),
         NOTHING_IS_HEARD},
	{"no reply after the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("2500 what\r\n")},
         MAY_BE_TAKEN("may or may not have taken the message: the server answered \"2500 what\""),
         NOTHING_IS_HEARD},
	{"closed after the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, HANGS_UP},
         MAY_BE_TAKEN("may or may not"),
         NULL},
	{"closed within the answer to the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("250 2.0"), HANGS_UP},
         MAY_BE_TAKEN("may or may not"),
         NULL},
	{"closed between two lines of the answer",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT, SAYS("250-2.0.0 Ok\r\n"), HANGS_UP},
         MAY_BE_TAKEN("may or may not"),
         NULL},
	{"no answer to the text",
         {SESSION_BEGINS, UP_TO_TEXT, TAKES_THE_TEXT},
         MAY_BE_TAKEN("may or may not"),
         NOTHING_IS_HEARD},
	{"450 to the recipient",
         {SESSION_BEGINS, UP_TO_RCPT, SAYS("450 4.2.1 later\r\n"), HEARS("RSET"), OK},
         FAILS_FOR_NOW("\"450 4.2.1 later\""),
         QUIT_IS_HEARD},
	{"550 to the recipient",
         {SESSION_BEGINS, UP_TO_RCPT, SAYS("550 5.1.1 nobody\r\n"), HEARS("RSET"), OK},
         FAILS_FOR_GOOD("\"550 5.1.1 nobody\""),
         QUIT_IS_HEARD},
	{"another host for the recipient",
         {SESSION_BEGINS, UP_TO_RCPT, SAYS("251 will forward\r\n"), HEARS("DATA"), SAYS("354\r\n"),
          TAKEN_AS("A")},
         IS_TAKEN_AS("A"),
         QUIT_IS_HEARD},
	{"452 to the sender",
         {SESSION_BEGINS, HEARS("MAIL FROM:<bob@example.org>"), SAYS("452 4.3.1 full\r\n")},
         FAILS_FOR_NOW("\"452 4.3.1 full\""),
         QUIT_IS_HEARD},
	{"554 to DATA",
         {SESSION_BEGINS, UP_TO_RCPT, OK, HEARS("DATA"), SAYS("554 5.5.1 no\r\n"), HEARS("RSET"),
          OK},
         FAILS_FOR_GOOD("\"554 5.5.1 no\""),
         QUIT_IS_HEARD},
	{"250 to DATA",
         {SESSION_BEGINS, UP_TO_RCPT, OK, HEARS("DATA"), OK, HEARS("RSET"), OK},
         FAILS_FOR_NOW("\"250 2.1.0 Ok\""),
         QUIT_IS_HEARD},
	{"closed at the recipient",
         {SESSION_BEGINS, UP_TO_RCPT, HANGS_UP},
         FAILS_FOR_NOW("cannot hand the message to 127.0.0.1"),
         NULL},
	{"closed at DATA",
         {SESSION_BEGINS, UP_TO_RCPT, OK, HEARS("DATA"), HANGS_UP},
         FAILS_FOR_NOW("closed the connection"),
         NULL},
	{"421 in place of a greeting",
         {SAYS("421 4.3.2 busy\r\n")},
         FAILS_FOR_NOW("\"421 4.3.2 busy\""),
         NOTHING_IS_HEARD},
	{"554 in place of a greeting, which is not about the message",
         {SAYS("554 5.7.1 not you\r\n")},
         FAILS_FOR_NOW("\"554 5.7.1 not you\""),
         NOTHING_IS_HEARD},
	{"closed in place of a greeting", {HANGS_UP}, FAILS_FOR_NOW("cannot hand"), NULL},
	{"no greeting", {END_OF_STEPS}, FAILS_FOR_NOW("cannot hand"), NOTHING_IS_HEARD},
	{"a greeting without an end",
         {FLOODS(SIZE_MAX)},
         FAILS_FOR_NOW("cannot hand"),
         NOTHING_IS_HEARD},
	{"a server that knows no EHLO",
         {GREETING, SAYS("502 5.5.2 what\r\n"), HEARS("HELO localhost"), OK, UP_TO_TEXT,
          TAKEN_AS("A")},
         IS_TAKEN_AS("A"),
         QUIT_IS_HEARD},
	{"no extension where only the host's name looks like one",
         {GREETING, SAYS("250-PIPELINING\r\n250 8BITMIME\r\n"), UP_TO_TEXT, TAKEN_AS("A")},
         IS_TAKEN_AS("A"),
         QUIT_IS_HEARD},
};

#define GROUP_UP_TO_TEXT_AND(more)                                                                 \
	GROUP, SAYS("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End it\r\n" more)
#define TEN_LINES                                                                                  \
	"250-a\r\n250-a\r\n250-a\r\n250-a\r\n250-a\r\n250-a\r\n250-a\r\n250-a\r\n250-a\r\n250-a\r\n"
#define ENDLESS_REPLY                                                                              \
	SAYS(TEN_LINES TEN_LINES TEN_LINES TEN_LINES TEN_LINES TEN_LINES TEN_LINES TEN_LINES       \
	             TEN_LINES TEN_LINES "250-b\r\n")

static const struct send_row group_rows[] = {
	{"taken",
         {PIPELINING_BEGINS, GROUP, CAME_IN_SEGMENTS(2),
          SAYS("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End it\r\n"), TAKES_THE_TEXT,
          CAME_IN_SEGMENTS(3), SAYS("250 2.0.0 Ok: queued as A\r\n")},
         IS_TAKEN_AS("A"),
         QUIT_IS_HEARD},
	{"answered one by one",
         {PIPELINING_BEGINS, GROUP, OK, OK, SAYS("354 End it\r\n"), TAKEN_AS("A")},
         IS_TAKEN_AS("A"),
         QUIT_IS_HEARD},
	{"answered byte by byte, in several lines",
         {PIPELINING_BEGINS, GROUP,
          DRIPS("250-2.1.0\r\n250 Ok\r\n250-2.1.5\r\n250-2.1.5\r\n250 Ok\r\n354 End it\r\n"),
          TAKES_THE_TEXT, DRIPS("250 2.0.0 Ok: queued as A\r\n")},
         IS_TAKEN_AS("A"),
         QUIT_IS_HEARD},
	{"no recipient, no DATA",
         {PIPELINING_BEGINS, GROUP,
          SAYS("250 2.1.0 Ok\r\n550 5.1.1 nobody\r\n554 5.5.1 no valid recipients\r\n"),
          HEARS("RSET"), OK},
         FAILS_FOR_GOOD("\"550 5.1.1 nobody\""),
         QUIT_IS_HEARD},
	{"no recipient for now, no DATA for good",
         {PIPELINING_BEGINS, GROUP,
          SAYS("250 2.1.0 Ok\r\n450 4.2.1 later\r\n554 5.5.1 no valid recipients\r\n"),
          HEARS("RSET"), OK},
         FAILS_FOR_NOW("\"450 4.2.1 later\""),
         QUIT_IS_HEARD},
	{"no recipient, and yet a text is waited for",
         {PIPELINING_BEGINS, GROUP, SAYS("250 2.1.0 Ok\r\n550 5.1.1 nobody\r\n354 End it\r\n"),
          HEARS("."), SAYS("554 5.5.1 no valid recipients\r\n"), HEARS("RSET"), OK},
         FAILS_FOR_GOOD("\"550 5.1.1 nobody\""),
         QUIT_IS_HEARD},
	{"no recipient for now, and yet a text is waited for",
         {PIPELINING_BEGINS, GROUP, SAYS("250 2.1.0 Ok\r\n450 4.2.1 later\r\n354 End it\r\n"),
          HEARS("."), SAYS("250 2.0.0 Ok: queued as A\r\n"), HEARS("RSET"), OK},
         FAILS_FOR_NOW("\"450 4.2.1 later\""),
         QUIT_IS_HEARD},
	{"no sender",
         {PIPELINING_BEGINS, GROUP,
          SAYS("550 5.7.1 never\r\n503 5.5.1 MAIL first\r\n503 5.5.1 RCPT first\r\n")},
         FAILS_FOR_GOOD("\"550 5.7.1 never\""),
         QUIT_IS_HEARD},
	{"no sender for now",
         {PIPELINING_BEGINS, GROUP,
          SAYS("451 4.7.1 later\r\n503 5.5.1 MAIL first\r\n503 5.5.1 RCPT first\r\n")},
         FAILS_FOR_NOW("\"451 4.7.1 later\""),
         QUIT_IS_HEARD},
	{"no DATA",
         {PIPELINING_BEGINS, GROUP, SAYS("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n554 5.7.1 no\r\n"),
          HEARS("RSET"), OK},
         FAILS_FOR_GOOD("\"554 5.7.1 no\""),
         QUIT_IS_HEARD},
	{"no recipient, then closed",
         {PIPELINING_BEGINS, GROUP, SAYS("250 2.1.0 Ok\r\n550 5.1.1 nobody\r\n"), HANGS_UP},
         FAILS_FOR_GOOD("\"550 5.1.1 nobody\""),
         NULL},
	{"a RSET that is not understood",
         {PIPELINING_BEGINS, GROUP, SAYS("250 2.1.0 Ok\r\n550 5.1.1 nobody\r\n554 5.5.1 no\r\n"),
          HEARS("RSET"), SAYS("502 5.5.2 what\r\n")},
         FAILS_FOR_GOOD("\"550 5.1.1 nobody\""),
         NOTHING_IS_HEARD},
	{"421 to the sender",
         {PIPELINING_BEGINS, GROUP, SAYS("421 4.3.2 stopping\r\n")},
         FAILS_FOR_NOW("\"421 4.3.2 stopping\""),
         NOTHING_IS_HEARD},
	{"421 to the recipient",
         {PIPELINING_BEGINS, GROUP, OK, SAYS("421 4.3.2 stopping\r\n")},
         FAILS_FOR_NOW("\"421 4.3.2 stopping\""),
         NOTHING_IS_HEARD},
	{"closed before the answers",
         {PIPELINING_BEGINS, GROUP, HANGS_UP},
         FAILS_FOR_NOW("closed the connection"),
         NULL},
	{"closed before the answer to DATA",
         {PIPELINING_BEGINS, GROUP, OK, OK, HANGS_UP},
         FAILS_FOR_NOW("closed the connection"),
         NULL},
	{"no answer to DATA",
         {PIPELINING_BEGINS, GROUP, OK, OK},
         FAILS_FOR_NOW("took too long"),
         NOTHING_IS_HEARD},
	{"refused before the text came",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT_AND("552 5.3.4 too large\r\n")},
         FAILS_FOR_GOOD("\"552 5.3.4 too large\""),
         NOTHING_IS_HEARD},
	{"taken before the text came",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT_AND("250 2.0.0 Ok\r\n")},
         FAILS_FOR_NOW("\"250 2.0.0 Ok\""),
         NOTHING_IS_HEARD},
	{"451 after the text",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, TAKES_THE_TEXT, SAYS("451 4.3.0 later\r\n")},
         FAILS_FOR_NOW("\"451 4.3.0 later\""),
         QUIT_IS_HEARD},
	{"550 after the text",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, TAKES_THE_TEXT, SAYS("550 5.7.1 never\r\n")},
         FAILS_FOR_GOOD("\"550 5.7.1 never\""),
         QUIT_IS_HEARD},
	{"closed after the text",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, TAKES_THE_TEXT, HANGS_UP},
         MAY_BE_TAKEN("may or may not"),
         NULL},
	{"no number",
         {PIPELINING_BEGINS, GROUP, SAYS("Ok\r\n")},
         FAILS_FOR_NOW("\"Ok\", which is no reply"),
         NOTHING_IS_HEARD},
	{"a number that no reply has",
         {PIPELINING_BEGINS, GROUP, SAYS("650 2.1.0 Ok\r\n")},
         FAILS_FOR_NOW("which is no reply"),
         NOTHING_IS_HEARD},
	{"an empty line",
         {PIPELINING_BEGINS, GROUP, SAYS("\r\n")},
         FAILS_FOR_NOW("which is no reply"),
         NOTHING_IS_HEARD},
	{"a line without an end",
         {PIPELINING_BEGINS, GROUP, SAYS("250 "), FLOODS(SIZE_MAX)},
         FAILS_FOR_NOW("line of over 2000 bytes"),
         NOTHING_IS_HEARD},
	{"a reply without an end",
         {PIPELINING_BEGINS, GROUP, ENDLESS_REPLY},
         FAILS_FOR_NOW("reply of over 100 lines"),
         NOTHING_IS_HEARD},
};

static void check_rows(const struct send_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct send_row *row = &rows[i];
		struct dialogue dialogue;
		struct error err = {0};
		char queue_id[32] = "none";
		struct smtp *smtp;
		int result;

		dialogue_begin(&dialogue);
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
		check_end(&dialogue, smtp, row->sentence, row->heard_after);
	}
}

static void what_the_answers_mean(void **state)
{
	(void)state;
	check_rows(lock_step_rows, sizeof(lock_step_rows) / sizeof(lock_step_rows[0]));
}

static void what_the_answers_to_a_group_mean(void **state)
{
	(void)state;
	check_rows(group_rows, sizeof(group_rows) / sizeof(group_rows[0]));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_answers_mean),
		cmocka_unit_test(what_the_answers_to_a_group_mean),
		cmocka_unit_test(addresses_cannot_hold_commands),
	};
	return cmocka_run_group_tests(tests, start_up, shut_down);
}
