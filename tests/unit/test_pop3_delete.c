#include "tests/unit/pop3_fixture.h"

static void deletions_and_the_end(void **state)
{
	static const struct {
		const char *sentence;
		bool can_pipeline;
		struct step steps[10];
		const char *expected_delete, *expected_quit; /* "" is success of all */
	} rows[] = {
		{"one after the other",
	         false,
	         {HEARS("DELE 1"), HAS_HEARD_ALL, SAYS("+OK\r\n"), HEARS("DELE 7"), SAYS("+OK\r\n"),
	          HEARS("QUIT"), SAYS("+OK bye\r\n"), HANGS_UP},
	         "",
	         ""},
		{"pipelined",
	         true,
	         {HEARS("DELE 1"), HEARS("DELE 7"), SAYS("+OK\r\n+OK\r\n"), HEARS("QUIT"),
	          SAYS("+OK bye\r\n")},
	         "",
	         ""},
		{"the last is refused, the other goes",
	         true,
	         {HEARS("DELE 1"), HEARS("DELE 7"), SAYS("+OK\r\n-ERR no such message\r\n"),
	          HEARS("QUIT"), SAYS("+OK bye\r\n")},
	         "1 refused: the server answered DELE 7 with \"-ERR no such message\"",
	         ""},
		{"the first is refused, the other is asked for all the same",
	         false,
	         {HEARS("DELE 1"), SAYS("-ERR [SYS/PERM] \001no\r\n"), HEARS("DELE 7"),
	          SAYS("+OK\r\n"), HEARS("QUIT"), SAYS("+OK bye\r\n")},
	         "1 refused: the server answered DELE 1 with \"-ERR [SYS/PERM] ?no\"",
	         ""},
		{"all are refused",
	         true,
	         {HEARS("DELE 1"), HEARS("DELE 7"), SAYS("-ERR one\r\n-ERR two\r\n"), HEARS("QUIT"),
	          SAYS("+OK bye\r\n")},
	         "2 refused: the server answered DELE 1 with \"-ERR one\"",
	         ""},
		{"neither +OK nor -ERR, and QUIT is not said",
	         true,
	         {HEARS("DELE 1"), HEARS("DELE 7"), SAYS("-ERR\r\nhello\r\n")},
	         "temporary: the server answered what should be +OK or -ERR with \"hello\"",
	         "temporary: the session is unusable"},
		{"more than was asked for, and QUIT is not said",
	         true,
	         {HEARS("DELE 1"), HEARS("DELE 7"), SAYS("+OK\r\n+OK\r\n+OK bye\r\n")},
	         "",
	         "temporary: the server said \"+OK bye\" without being asked"},
		{"closed, and QUIT is not said",
	         false,
	         {HEARS("DELE 1"), HANGS_UP},
	         "temporary: the server closed the connection",
	         "temporary: the session is unusable"},
		{"QUIT is refused",
	         true,
	         {HEARS("DELE 1"), HEARS("DELE 7"), SAYS("+OK\r\n+OK\r\n"), HEARS("QUIT"),
	          SAYS("-ERR some deleted messages not removed\r\n")},
	         "",
	         "uncertain: the server answered QUIT with \"-ERR some"},
		{"QUIT is answered by closing",
	         true,
	         {HEARS("DELE 1"), HEARS("DELE 7"), SAYS("+OK\r\n+OK\r\n"), HEARS("QUIT"),
	          HANGS_UP},
	         "",
	         "uncertain: the server closed the connection"},
		{"QUIT is not answered",
	         true,
	         {HEARS("DELE 1"), HEARS("DELE 7"), SAYS("+OK\r\n+OK\r\n"), HEARS("QUIT")},
	         "",
	         "uncertain: the server was silent for 300 ms"},
		{"QUIT is answered without a line end",
	         true,
	         {HEARS("DELE 1"), HEARS("DELE 7"), SAYS("+OK\r\n+OK\r\n"), HEARS("QUIT"),
	          SAYS("+OK"), HANGS_UP},
	         "",
	         "uncertain: the server closed the connection"},
	};
	static const struct server timeouts = {.idle_timeout_ms = 300};
	static const unsigned numbers[] = {1, 7};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dialogue dialogue;
		struct error err = {0};
		char found[300] = "";
		const char *words;
		struct pop3 *pop3 =
			open_session(&dialogue, rows[i].can_pipeline, rows[i].steps, &timeouts);

		if (pop3_delete(pop3, numbers, 2, &err) != 0)
			error_seen(found, sizeof(found), &err, rows[i].expected_delete);
		else if (pop3_refused_deletions(pop3, &words) > 0)
			snprintf(found, sizeof(found), "%zu refused: %s",
			         pop3_refused_deletions(pop3, &words), words);
		if (strcmp(found, rows[i].expected_delete) != 0)
			fail_msg("%s: found %s (%s)", rows[i].sentence, found, err.text);
		found[0] = '\0';
		if (pop3_quit(pop3, &err) != 0)
			error_seen(found, sizeof(found), &err, rows[i].expected_quit);
		if (strcmp(found, rows[i].expected_quit) != 0)
			fail_msg("%s: found %s", rows[i].sentence, err.text);
		close_session(&dialogue, NULL, rows[i].sentence);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deletions_and_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
