#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fetcher/advice.h"

struct row {
	const char *name;
	enum advice_protocol protocol;
	bool is_tls;
	const char *preset;
	const char *error;
	const char *advice; /* what stands in it; "": there is none */
};

static const struct row rows[] = {
	{"a host name that nobody knows", ADVICE_POP3, true, NULL,
         "pop.example.org:995: cannot connect: Could not resolve host: pop.example.org",
         "Check the host name"},
	{"nothing listens", ADVICE_RELAY, false, NULL,
         "relay:587: cannot connect: Failed to connect to relay port 587 after 0 ms: Couldn't "
         "connect to server",
         "Nothing listens there"},
	{"silence on a port of STLS may be TLS from the first byte", ADVICE_POP3, false, NULL,
         "h:995: cannot connect: Operation timed out", "pop3s://"},
	{"silence on a port of TLS may be STARTTLS", ADVICE_RELAY, true, NULL,
         "h:587: cannot connect: Connection timed out after 20001 milliseconds", "smtp://"},
	{"a name look-up that times out is one of the name", ADVICE_POP3, true, NULL,
         "h:995: cannot connect: Resolving timed out after 20000 milliseconds",
         "Check the host name"},
	{"TLS is spoken to a port without it", ADVICE_POP3, true, NULL,
         "h:110: cannot connect: error:0A00010B:SSL routines::wrong version number", "pop3://"},
	{"a certificate of another host", ADVICE_POP3, true, NULL,
         "h:995: cannot connect: SSL: no alternative certificate subject name matches target "
         "host name 'h'",
         "another host's"},
	{"a certificate of nobody known: Postfix must know too", ADVICE_RELAY, false, NULL,
         "h:587: cannot connect: SSL certificate problem: unable to get local issuer "
         "certificate",
         "smtp_tls_CAfile"},
	{"a certificate of nobody known at an inbox is not about Postfix", ADVICE_POP3, false, NULL,
         "h:110: cannot connect: SSL certificate problem: self-signed certificate",
         "ca_file of [rejoinder]."},
	{"a certificate that has expired", ADVICE_POP3, true, NULL,
         "h:995: cannot connect: SSL certificate problem: certificate has expired", "clock"},
	{"no STLS", ADVICE_POP3, false, NULL, "h:110: cannot connect: STLS not supported.",
         "pop3s://"},
	{"no STARTTLS", ADVICE_RELAY, false, NULL, "h:25: cannot connect: STARTTLS not supported.",
         "smtps://"},
	{"a mailbox in use", ADVICE_POP3, true, NULL,
         "h:995: cannot sign in: the server said \"-ERR [IN-USE] locked\"", "some minutes"},
	{"a wrong password", ADVICE_POP3, true, NULL,
         "h:995: cannot sign in: the server said \"-ERR [AUTH] no\"", "Check username"},
	{"a wrong password by USER and PASS", ADVICE_POP3, true, NULL,
         "h:995: the server answered PASS with \"-ERR no\"", "Check username"},
	{"a wrong password where the preset wants an app password", ADVICE_RELAY, false, "gmail",
         "h:587: cannot sign in: the server said \"535 5.7.8 no\"", "Make an app password"},
	{"a service that asks for an app password itself", ADVICE_RELAY, false, NULL,
         "h:587: cannot sign in: the server said \"534 5.7.9 Application-specific password "
         "required\"",
         "Make an app password"},
	{"a refusal where the preset wants OAuth2", ADVICE_POP3, true, "microsoft365",
         "h:995: cannot sign in: the server said \"-ERR Logon failure\"", "OAuth2"},
	{"a service that says that it takes no passwords", ADVICE_RELAY, false, NULL,
         "h:587: cannot sign in: the server said \"535 5.7.139 Authentication unsuccessful, "
         "basic authentication is disabled.\"",
         "use another relay"},
	{"a relay without AUTH", ADVICE_RELAY, false, NULL,
         "h:25: cannot sign in: the server offers no AUTH", "leave out username"},
	{"a password that Postfix would drop", ADVICE_RELAY, true, NULL,
         "password: found bytes that are not UTF-8, which Postfix drops", "ASCII"},
	{"a certificate is one whatever the preset", ADVICE_RELAY, false, "gmail",
         "h:587: cannot connect: SSL certificate problem: self-signed certificate", "ca_file"},
	{"what nobody knows", ADVICE_POP3, true, NULL, "h:995: the moon is full", ""},
};

static void test_advice(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		const struct advice_case about = {
			.protocol = row->protocol,
			.is_tls = row->is_tls,
			.preset = row->preset != NULL ? preset_find(row->preset) : NULL};
		const char *advice = advice_for(&about, row->error);

		if (row->preset != NULL && about.preset == NULL)
			fail_msg("%s: there is no preset %s", row->name, row->preset);
		if (row->advice[0] == '\0' ? advice[0] != '\0'
		                           : strstr(advice, row->advice) == NULL)
			fail_msg("%s: found \"%s\", expected \"%s\" in it", row->name, advice,
			         row->advice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_advice)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
