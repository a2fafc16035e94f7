#include "tests/unit/smtp_fixture.h"

#define PLAIN_BASE64 "AGphbmUAYSBzZWNyZXQ=" /* NUL jane NUL a secret */
#define NAME_BASE64  "amFuZQ=="
#define WORD_BASE64  "YSBzZWNyZXQ="

#define OFFERS(mechanisms)                                                                         \
	GREETING, SAYS("250-mx.company.test\r\n250-PIPELINING\r\n250 AUTH " mechanisms "\r\n")
#define PLAIN_UP_TO_ANSWER                                                                         \
	OFFERS("CRAM-MD5 LOGIN PLAIN"), HEARS("AUTH PLAIN"), SAYS("334 \r\n"), HEARS(PLAIN_BASE64)
#define OFFERS_STARTTLS GREETING, SAYS("250-mx.company.test\r\n250 STARTTLS\r\n"), HEARS("STARTTLS")

struct sign_in_row {
	const char *sentence;
	enum security security;
	const char *username;
	struct step steps[20];
	enum error_kind kind;    /* ERROR_NONE: it succeeds */
	const char *text;        /* a part of */
	const char *heard_after; /* NULL: whatever it was */
};

#define AS_JANE        SECURITY_NONE, "jane"
#define SUCCEEDS       ERROR_NONE, NULL, "QUIT\r\n"
#define FAILS(text)    ERROR_TEMPORARY, text, NULL
#define IS_WRONG(text) ERROR_CONFIG, text, NULL

static const struct sign_in_row sign_in_rows[] = {
	{"PLAIN, not CRAM-MD5", AS_JANE, {PLAIN_UP_TO_ANSWER, SAYS("235 2.7.0 in\r\n")}, SUCCEEDS},
	{"LOGIN where only that is offered",
         AS_JANE,
         {OFFERS("CRAM-MD5 LOGIN"), HEARS("AUTH LOGIN"), SAYS("334 VXNlcm5hbWU6\r\n"),
          HEARS(NAME_BASE64), SAYS("334 UGFzc3dvcmQ6\r\n"), HEARS(WORD_BASE64),
          SAYS("235 2.7.0 in\r\n")},
         SUCCEEDS},
	{"nobody", SECURITY_NONE, NULL, {OFFERS("PLAIN")}, SUCCEEDS},
	{"a wrong password",
         AS_JANE,
         {PLAIN_UP_TO_ANSWER, SAYS("535 5.7.8 no\033\r\n")},
         IS_WRONG("cannot sign in: the server said \"535 5.7.8 no?\"")},
	{"a wrong password, in two lines",
         AS_JANE,
         {PLAIN_UP_TO_ANSWER, SAYS("535-5.7.8 no\r\n535 5.7.8 see below\r\n")},
         IS_WRONG("\"535 5.7.8 see below\"")},
	{"a wrong password for LOGIN",
         AS_JANE,
         {OFFERS("LOGIN"), HEARS("AUTH LOGIN"), SAYS("334 \r\n"), HEARS(NAME_BASE64),
          SAYS("334 \r\n"), HEARS(WORD_BASE64), SAYS("535 5.7.8 no\r\n")},
         IS_WRONG("\"535 5.7.8 no\"")},
	{"PLAIN is offered and not understood",
         AS_JANE,
         {OFFERS("PLAIN"), HEARS("AUTH PLAIN"), SAYS("504 5.5.4 what\r\n")},
         IS_WRONG("\"504 5.5.4 what\"")},
	{"nobody can sign in for now",
         AS_JANE,
         {PLAIN_UP_TO_ANSWER, SAYS("454 4.7.0 later\r\n")},
         FAILS("cannot sign in: the server said \"454 4.7.0 later\"")},
	{"no AUTH is offered",
         AS_JANE,
         {SESSION_BEGINS},
         ERROR_CONFIG,
         "cannot sign in: the server offers no AUTH",
         "QUIT\r\n"},
	{"no EHLO is known, so no AUTH",
         AS_JANE,
         {GREETING, SAYS("502 5.5.2 what\r\n"), HEARS("HELO localhost"), OK},
         ERROR_CONFIG,
         "the server offers no AUTH",
         "QUIT\r\n"},
	{"neither PLAIN nor LOGIN is offered",
         AS_JANE,
         {OFFERS("CRAM-MD5 GSSAPI")},
         IS_WRONG("offers neither AUTH PLAIN nor AUTH LOGIN")},
	{"closed at the sign-in", AS_JANE, {PLAIN_UP_TO_ANSWER, HANGS_UP}, FAILS("cannot connect")},
	{"no answer at the sign-in", AS_JANE, {PLAIN_UP_TO_ANSWER}, FAILS("cannot connect")},
	{"busy",
         AS_JANE,
         {SAYS("421 4.3.2 busy\r\n")},
         FAILS("cannot connect: the server said \"421 4.3.2 busy\"")},
	{"not for us",
         AS_JANE,
         {SAYS("554 5.7.1 not you\r\n")},
         FAILS("cannot connect: the server said \"554 5.7.1 not you\"")},
	{"closed at once", AS_JANE, {HANGS_UP}, FAILS("cannot connect")},
	{"no STARTTLS is offered",
         SECURITY_STARTTLS,
         "jane",
         {OFFERS("PLAIN")},
         IS_WRONG("cannot connect: STARTTLS not supported")},
	{"no EHLO is known, so no STARTTLS",
         SECURITY_STARTTLS,
         "jane",
         {GREETING, SAYS("502 5.5.2 what\r\n")},
         FAILS("\"502 5.5.2 what\"")},
	{"STARTTLS is refused",
         SECURITY_STARTTLS,
         "jane",
         {OFFERS_STARTTLS, SAYS("502 5.5.1 no\r\n")},
         IS_WRONG("cannot connect: the server said \"502 5.5.1 no\"")},
	{"no STARTTLS for now",
         SECURITY_STARTTLS,
         "jane",
         {OFFERS_STARTTLS, SAYS("454 4.7.0 later\r\n")},
         FAILS("cannot connect: the server said \"454 4.7.0 later\"")},
	{"STARTTLS without TLS",
         SECURITY_STARTTLS,
         "jane",
         {OFFERS_STARTTLS, SAYS("220 go on\r\n")},
         FAILS("cannot connect")},
	{"no TLS from the first byte",
         SECURITY_TLS,
         "jane",
         {END_OF_STEPS},
         FAILS("cannot connect")},
};

static void who_gets_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sign_in_rows) / sizeof(sign_in_rows[0]); i++) {
		const struct sign_in_row *row = &sign_in_rows[i];
		struct dialogue dialogue;
		struct error err = {0};
		struct server server;
		int result;

		dialogue_begin(&dialogue);
		dialogue_add(&dialogue, row->steps);
		dialogue_start(&dialogue);
		server = (struct server){.host = "127.0.0.1",
		                         .port = dialogue.port,
		                         .security = row->security,
		                         .username = row->username,
		                         .password = "a secret",
		                         .connect_timeout_ms = 1000};
		result = smtp_sign_in(&server, &err);
		if (row->kind == ERROR_NONE && result != 0)
			fail_msg("%s: found %s", row->sentence, err.text);
		if (row->kind != ERROR_NONE &&
		    (result != -1 || err.kind != row->kind || strstr(err.text, row->text) == NULL ||
		     strncmp(err.text, "127.0.0.1:", 10) != 0))
			fail_msg("%s: found %d, %d, %s", row->sentence, result, err.kind, err.text);
		if (strstr(err.text, "a secret") != NULL)
			fail_msg("%s: the password stands in %s", row->sentence, err.text);
		check_end(&dialogue, NULL, row->sentence, row->heard_after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_gets_in),
	};
	return cmocka_run_group_tests(tests, start_up, shut_down);
}
