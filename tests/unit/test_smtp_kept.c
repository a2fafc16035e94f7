#include "tests/unit/smtp_fixture.h"

#include <sys/syscall.h>
#include <time.h>

static time_t ahead_s;

/* The clock of this program, which a test can put forward. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, now);

	now->tv_sec += ahead_s;
	return result;
}

/* What a second message finds, and what becomes of the connection. */
struct kept_row {
	const char *sentence;
	struct step steps[40];
	const char *queue_id; /* of the second, NULL: it fails for now with */
	const char *text;     /* a part of */
	const char *heard_after;
};

static const struct kept_row kept_rows[] = {
	{"closed while nobody used it",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, TAKEN_AS("A"), HANGS_UP, PIPELINING_BEGINS,
          GROUP_UP_TO_TEXT, TAKEN_AS("B")},
         "B",
         NULL,
         "QUIT\r\n"},
	{"closed at the next MAIL",
         {SESSION_BEGINS, UP_TO_TEXT, TAKEN_AS("A"), HEARS("MAIL FROM:<bob@example.org>"), HANGS_UP,
          SESSION_BEGINS, UP_TO_TEXT, TAKEN_AS("B")},
         "B",
         NULL,
         "QUIT\r\n"},
	{"closed within the answer to MAIL",
         {SESSION_BEGINS, UP_TO_TEXT, TAKEN_AS("A"), HEARS("MAIL FROM:<bob@example.org>"),
          SAYS("250 2"), HANGS_UP, SESSION_BEGINS, UP_TO_TEXT, TAKEN_AS("B")},
         "B",
         NULL,
         "QUIT\r\n"},
	{"421 at the next MAIL",
         {SESSION_BEGINS, UP_TO_TEXT, TAKEN_AS("A"), HEARS("MAIL FROM:<bob@example.org>"),
          SAYS("421 4.4.2 idle\r\n"), HANGS_UP, SESSION_BEGINS, UP_TO_TEXT, TAKEN_AS("B")},
         "B",
         NULL,
         "QUIT\r\n"},
	{"421 before the next group",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, TAKES_THE_TEXT,
          SAYS("250 2.0.0 Ok: queued as A\r\n"), GROUP, SAYS("421 4.4.2 idle\r\n"), HANGS_UP,
          PIPELINING_BEGINS, GROUP_UP_TO_TEXT, TAKEN_AS("B")},
         "B",
         NULL,
         "QUIT\r\n"},
	{"closed anew at the next MAIL",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, TAKEN_AS("A"), HANGS_UP, PIPELINING_BEGINS, GROUP,
          SAYS("421 4.4.2 again\r\n"), HANGS_UP},
         NULL,
         "421 4.4.2 again",
         NULL},
	{"closed after the answer to the next MAIL",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, TAKEN_AS("A"), GROUP, OK, HANGS_UP},
         NULL,
         "closed the connection",
         NULL},
	{"421 to the next recipient",
         {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, TAKEN_AS("A"), GROUP, OK,
          SAYS("421 4.3.2 stopping\r\n"), HANGS_UP},
         NULL,
         "421 4.3.2 stopping",
         NULL},
};

static void a_lost_connection_is_made_anew(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kept_rows) / sizeof(kept_rows[0]); i++) {
		const struct kept_row *row = &kept_rows[i];
		struct dialogue dialogue;
		struct error err = {0};
		char queue_id[32];
		struct smtp *smtp;
		int result;

		dialogue_begin(&dialogue);
		dialogue_add(&dialogue, row->steps);
		dialogue_start(&dialogue);
		smtp = smtp_to(&dialogue, 5000);
		if (send_text(smtp, "a\n", 2, queue_id, &err) != 0)
			fail_msg("%s: %s, %s", row->sentence, err.text, dialogue.complaint);
		result = send_text(smtp, "b\n", 2, queue_id, &err);
		if (row->queue_id != NULL && (result != 0 || strcmp(queue_id, row->queue_id) != 0))
			fail_msg("%s: found %d, %s", row->sentence, result, err.text);
		if (row->queue_id == NULL && (result != -1 || err.kind != ERROR_TEMPORARY ||
		                              strstr(err.text, row->text) == NULL))
			fail_msg("%s: found %d, %d, %s", row->sentence, result, err.kind, err.text);
		check_end(&dialogue, smtp, row->sentence, row->heard_after);
	}
}

/* What a first message was answered, and whether a second one goes the same way. */
static const struct {
	const char *sentence;
	struct step first[20];
	bool is_kept;
} refusal_rows[] = {
	{"no sender", {GROUP, SAYS("550 a\r\n503 b\r\n503 c\r\n")}, true},
	{"no recipient", {GROUP, SAYS("250 a\r\n550 b\r\n554 c\r\n"), HEARS("RSET"), OK}, true},
	{"no recipient but a text",
         {GROUP, SAYS("250 a\r\n550 b\r\n354 c\r\n"), HEARS("."), SAYS("554 d\r\n"), HEARS("RSET"),
          OK},
         true},
	{"no DATA", {GROUP, SAYS("250 a\r\n250 b\r\n554 c\r\n"), HEARS("RSET"), OK}, true},
	{"a milter that failed",
         {GROUP, SAYS("451 a\r\n503 b\r\n503 c\r\n"), HEARS("QUIT"), HANGS_UP},
         false},
	{"no text for now",
         {GROUP_UP_TO_TEXT, TAKES_THE_TEXT, SAYS("451 a\r\n"), HEARS("QUIT"), HANGS_UP},
         false},
	{"no text",
         {GROUP_UP_TO_TEXT, TAKES_THE_TEXT, SAYS("550 a\r\n"), HEARS("QUIT"), HANGS_UP},
         false},
	{"who knows", {GROUP_UP_TO_TEXT, TAKES_THE_TEXT, HANGS_UP}, false},
};

static void a_refusal_spoils_nothing_for_the_next(void **state)
{
	static const struct step begin[] = {PIPELINING_BEGINS, END_OF_STEPS};
	static const struct step second[] = {GROUP_UP_TO_TEXT, TAKEN_AS("B"), END_OF_STEPS};

	(void)state;
	for (size_t i = 0; i < sizeof(refusal_rows) / sizeof(refusal_rows[0]); i++) {
		const char *sentence = refusal_rows[i].sentence;
		struct dialogue dialogue;
		struct error err = {0};
		char queue_id[32];
		struct smtp *smtp;

		dialogue_begin(&dialogue);
		dialogue_add(&dialogue, begin);
		dialogue_add(&dialogue, refusal_rows[i].first);
		if (!refusal_rows[i].is_kept)
			dialogue_add(&dialogue, begin);
		dialogue_add(&dialogue, second);
		dialogue_start(&dialogue);
		smtp = smtp_to(&dialogue, 5000);
		if (send_text(smtp, "a\n", 2, queue_id, &err) == 0)
			fail_msg("%s: it was taken", sentence);
		if (send_text(smtp, "b\n", 2, queue_id, &err) != 0 || strcmp(queue_id, "B") != 0)
			fail_msg("%s: %s, %s", sentence, err.text, dialogue.complaint);
		check_end(&dialogue, smtp, sentence, "QUIT\r\n");
	}
}

static void an_old_connection_is_not_used_again(void **state)
{
	static const struct step steps[] = {PIPELINING_BEGINS, GROUP_UP_TO_TEXT, TAKEN_AS("A"),
	                                    HEARS("QUIT"),     HANGS_UP,         PIPELINING_BEGINS,
	                                    GROUP_UP_TO_TEXT,  TAKEN_AS("B"),    END_OF_STEPS};
	struct dialogue dialogue;
	struct error err = {0};
	char queue_id[32];
	struct smtp *smtp;

	(void)state;
	dialogue_begin(&dialogue);
	dialogue_add(&dialogue, steps);
	dialogue_start(&dialogue);
	smtp = smtp_to(&dialogue, 5000);
	assert_int_equal(send_text(smtp, "a\n", 2, queue_id, &err), 0);
	ahead_s = 6;
	if (send_text(smtp, "b\n", 2, queue_id, &err) != 0)
		fail_msg("%s, %s", err.text, dialogue.complaint);
	assert_string_equal(queue_id, "B");
	check_end(&dialogue, smtp, "an old connection", "QUIT\r\n");
}

/* The first line after EHLO, and what MAIL then says. */
static void an_address_beyond_ascii_is_announced(void **state)
{
	static const struct {
		const char *sentence, *sender, *recipient;
		struct step steps[8];
	} rows[] = {
		{"a sender",
	         "b\303\266b@example.org",
	         "jane@company.test",
	         {GREETING, SAYS("250-mx\r\n250 SMTPUTF8\r\n"),
	          HEARS("MAIL FROM:<b\303\266b@example.org> SMTPUTF8")}},
		{"a recipient",
	         "",
	         "j\303\244ne@company.test",
	         {GREETING, SAYS("250-mx\r\n250 SMTPUTF8\r\n"), HEARS("MAIL FROM:<> SMTPUTF8")}},
		{"none",
	         "",
	         "jane@company.test",
	         {GREETING, SAYS("250-mx\r\n250 SMTPUTF8\r\n"), HEARS("MAIL FROM:<>")}},
		{"not understood",
	         "",
	         "j\303\244ne@company.test",
	         {GREETING, SAYS("250-mx\r\n250 SIZE 1000\r\n"), HEARS("MAIL FROM:<>")}},
	};
	static const struct step refuse[] = {SAYS("550 5.6.7 never\r\n"), END_OF_STEPS};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dialogue dialogue;
		struct error err = {0};
		char queue_id[32];
		struct smtp *smtp;

		dialogue_begin(&dialogue);
		dialogue_add(&dialogue, rows[i].steps);
		dialogue_add(&dialogue, refuse);
		dialogue_start(&dialogue);
		smtp = smtp_to(&dialogue, 5000);
		assert_int_equal(smtp_send(smtp, rows[i].sender, rows[i].recipient, "", 0, "a\n", 2,
		                           queue_id, sizeof(queue_id), &err),
		                 -1);
		assert_int_equal(err.kind, ERROR_PERMANENT);
		check_end(&dialogue, smtp, rows[i].sentence, "QUIT\r\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_connection_is_made_anew),
		cmocka_unit_test(a_refusal_spoils_nothing_for_the_next),
		cmocka_unit_test(an_old_connection_is_not_used_again),
		cmocka_unit_test(an_address_beyond_ascii_is_announced),
	};
	return cmocka_run_group_tests(tests, start_up, shut_down);
}
