#include "tests/unit/pop3_fixture.h"

#include "lib/base/memory.h"

#define CAPA_WITH_PLAIN                                                                            \
	SAYS("+OK ready <1.2@example.org>\r\n"), HEARS("CAPA"),                                    \
		SAYS("+OK\r\nUIDL\r\nUSER\r\nSASL CRAM-MD5 PLAIN\r\n.\r\n")
#define CAPA_WITHOUT_PLAIN                                                                         \
	SAYS("+OK ready <1.2@example.org>\r\n"), HEARS("CAPA"),                                    \
		SAYS("+OK\r\nUIDL\r\nUSER\r\nSASL CRAM-MD5\r\n.\r\n")
#define PLAIN_BASE64 "AGphbmUAYSBzZWNyZXQ=" /* NUL jane NUL a secret */
#define CAPA_AGAIN   HEARS("CAPA"), SAYS("+OK\r\nUIDL\r\nPIPELINING\r\nLOGIN-DELAY 300 USER\r\n.\r\n")

struct open_row {
	const char *sentence;
	enum security security;
	const char *username;
	struct step steps[20];
	const char
		*expected; /* "" is success, else the kind of the error and the start of its text */
};

#define AS_JANE SECURITY_NONE, "jane"

static const struct open_row open_rows[] = {
	{"SASL PLAIN in two steps, not CRAM-MD5 and not APOP",
         AS_JANE,
         {CAPA_WITH_PLAIN, HEARS("AUTH PLAIN"), SAYS("+ \r\n"), HEARS(PLAIN_BASE64),
          SAYS("+OK\r\n"), CAPA_AGAIN},
         ""},
	{"USER and PASS on a second connection",
         AS_JANE,
         {CAPA_WITHOUT_PLAIN, HANGS_UP, CAPA_WITHOUT_PLAIN, HEARS("USER jane"), SAYS("+OK\r\n"),
          HEARS("PASS a secret"), SAYS("+OK\r\n"), CAPA_AGAIN},
         ""},
	{"USER and PASS where CAPA is unknown",
         AS_JANE,
         {SAYS("+OK\r\n"), HEARS("CAPA"), SAYS("-ERR unknown\r\n"), HANGS_UP, SAYS("+OK\r\n"),
          HEARS("CAPA"), SAYS("-ERR unknown\r\n"), HEARS("USER jane"), SAYS("+OK\r\n"),
          HEARS("PASS a secret"), SAYS("+OK\r\n"), CAPA_AGAIN},
         ""},
	{"a wrong password",
         AS_JANE,
         {CAPA_WITH_PLAIN, HEARS("AUTH PLAIN"), SAYS("+ \r\n"), HEARS(PLAIN_BASE64),
          SAYS("-ERR [AUTH] no\033\r\n")},
         "config: cannot sign in: the server said \"-ERR [AUTH] no?\""},
	{"a wrong password for PASS",
         AS_JANE,
         {CAPA_WITHOUT_PLAIN, HANGS_UP, CAPA_WITHOUT_PLAIN, HEARS("USER jane"), SAYS("+OK\r\n"),
          HEARS("PASS a secret"), SAYS("-ERR [auth] no\r\n")},
         "config: the server answered PASS with \"-ERR [auth] no\""},
	{"USER refused without a code",
         AS_JANE,
         {CAPA_WITHOUT_PLAIN, HANGS_UP, CAPA_WITHOUT_PLAIN, HEARS("USER jane"), SAYS("-ERR\r\n")},
         "temporary: the server answered USER with \"-ERR\""},
	{"refused without a code",
         AS_JANE,
         {CAPA_WITH_PLAIN, HEARS("AUTH PLAIN"), SAYS("+ \r\n"), HEARS(PLAIN_BASE64),
          SAYS("-ERR no\r\n")},
         "temporary: cannot sign in: the server said \"-ERR no\""},
	{"refused for good by the system",
         AS_JANE,
         {CAPA_WITH_PLAIN, HEARS("AUTH PLAIN"), SAYS("+ \r\n"), HEARS(PLAIN_BASE64),
          SAYS("-ERR [SYS/PERM] gone\r\n")},
         "config: cannot sign in"},
	{"refused for now by the system",
         AS_JANE,
         {CAPA_WITH_PLAIN, HEARS("AUTH PLAIN"), SAYS("+ \r\n"), HEARS(PLAIN_BASE64),
          SAYS("-ERR [SYS/TEMP] disk\r\n")},
         "temporary: cannot sign in: the server said \"-ERR [SYS/TEMP]"},
	{"in use",
         AS_JANE,
         {CAPA_WITH_PLAIN, HEARS("AUTH PLAIN"), SAYS("+ \r\n"), HEARS(PLAIN_BASE64),
          SAYS("-ERR [IN-USE] locked\r\n")},
         "temporary: cannot sign in: the server said \"-ERR [IN-USE]"},
	{"too soon",
         AS_JANE,
         {CAPA_WITH_PLAIN, HEARS("AUTH PLAIN"), SAYS("+ \r\n"), HEARS(PLAIN_BASE64),
          SAYS("-ERR [LOGIN-DELAY] wait\r\n")},
         "temporary: cannot sign in: the server said \"-ERR [LOGIN-DELAY]"},
	{"a code that is longer than AUTH is another",
         AS_JANE,
         {CAPA_WITH_PLAIN, HEARS("AUTH PLAIN"), SAYS("+ \r\n"), HEARS(PLAIN_BASE64),
          SAYS("-ERR [AUTHOR] no\r\n")},
         "temporary: cannot sign in"},
	{"closed at the sign-in",
         AS_JANE,
         {CAPA_WITH_PLAIN, HEARS("AUTH PLAIN"), HANGS_UP},
         "temporary: cannot connect"},
	{"closed after the sign-in",
         AS_JANE,
         {CAPA_WITH_PLAIN, HEARS("AUTH PLAIN"), SAYS("+ \r\n"), HEARS(PLAIN_BASE64),
          SAYS("+OK\r\n"), HEARS("CAPA"), HANGS_UP},
         "temporary: the server closed the connection"},
	{"refused at once",
         AS_JANE,
         {SAYS("-ERR [SYS/TEMP] full\r\n")},
         "temporary: cannot connect: the server said \"-ERR [SYS/TEMP] full\""},
	{"closed at once", AS_JANE, {HANGS_UP}, "temporary: cannot connect"},
	{"no STLS is offered",
         SECURITY_STARTTLS,
         "jane",
         {CAPA_WITH_PLAIN},
         "config: cannot connect"},
	{"CAPA is unknown, so is STLS",
         SECURITY_STARTTLS,
         "jane",
         {SAYS("+OK\r\n"), HEARS("CAPA"), SAYS("-ERR unknown\r\n")},
         "config: cannot connect"},
	{"STLS is refused",
         SECURITY_STARTTLS,
         "jane",
         {SAYS("+OK\r\n"), HEARS("CAPA"), SAYS("+OK\r\nSTLS\r\n.\r\n"), HEARS("STLS"),
          SAYS("-ERR no\r\n")},
         "config: cannot connect"},
	{"a line end in the user name",
         SECURITY_NONE,
         "jane\r\nDELE 1",
         {CAPA_WITHOUT_PLAIN, HANGS_UP, CAPA_WITHOUT_PLAIN},
         "config: cannot sign in: the user name or password holds a line end"},
};

static void who_gets_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(open_rows) / sizeof(open_rows[0]); i++) {
		const struct open_row *row = &open_rows[i];
		struct dialogue dialogue;
		struct server server;
		struct error err = {0};
		char found[300] = "";
		struct pop3 *pop3;

		dialogue_begin(&dialogue);
		dialogue_add(&dialogue, row->steps);
		dialogue_start(&dialogue);
		server = server_at(&dialogue);
		server.security = row->security;
		server.username = row->username;
		server.password = "a secret";
		pop3 = pop3_open(&server, &err);
		if (pop3 == NULL)
			error_seen(found, sizeof(found), &err, row->expected);
		if (strcmp(found, row->expected) != 0)
			fail_msg("%s: found %s", row->sentence, err.text);
		if (strstr(err.text, "a secret") != NULL)
			fail_msg("%s: the password stands in %s", row->sentence, err.text);
		if (pop3 != NULL) {
			assert_true(pop3_can_pipeline(pop3));
			assert_int_equal(pop3_login_delay_s(pop3), 300);
		}
		close_session(&dialogue, pop3, row->sentence);
	}
}

static void a_silent_server_is_left_in_time(void **state)
{
	static const struct {
		const char *sentence;
		enum security security;
		struct step steps[4];
	} rows[] = {
		{"no greeting", SECURITY_NONE, {END_OF_STEPS}},
		{"no TLS handshake", SECURITY_TLS, {END_OF_STEPS}},
		{"no CAPA", SECURITY_NONE, {SAYS("+OK\r\n"), HEARS("CAPA")}},
		{"a greeting without an end", SECURITY_NONE, {FLOODS(SIZE_MAX)}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dialogue dialogue;
		struct server server;
		struct error err = {0};
		struct pop3 *pop3;

		dialogue_begin(&dialogue);
		dialogue_add(&dialogue, rows[i].steps);
		dialogue_start(&dialogue);
		server = server_at(&dialogue);
		server.security = rows[i].security;
		server.connect_timeout_ms = 200;
		pop3 = pop3_open(&server, &err);
		if (pop3 != NULL || err.kind != ERROR_TEMPORARY)
			fail_msg("%s: found %s", rows[i].sentence, err.text);
		pop3_close(pop3);
		free(dialogue_end(&dialogue));
	}
}

static void a_strange_host_is_no_url(void **state)
{
	static const char *const hosts[] = {"", "a/b", "jane@example.org", "a b", "a\r\nb", "a?b"};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct server server = {.host = hosts[i], .port = 1, .connect_timeout_ms = 1000};
		struct error err = {0};

		assert_null(pop3_open(&server, &err));
		assert_int_equal(err.kind, ERROR_CONFIG);
	}
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
		cmocka_unit_test(who_gets_in),
		cmocka_unit_test(a_silent_server_is_left_in_time),
		cmocka_unit_test(a_strange_host_is_no_url),
	};
	return cmocka_run_group_tests(tests, start_up, shut_down);
}
