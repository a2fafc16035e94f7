#include "fetcher/advice.h"

#include <stddef.h>
#include <string.h>

enum cause {
	CAUSE_UNKNOWN,
	CAUSE_NAME,
	CAUSE_CA_FILE,
	CAUSE_CERTIFICATE_NAME,
	CAUSE_CERTIFICATE_EXPIRED,
	CAUSE_CERTIFICATE,
	CAUSE_NO_STARTTLS,
	CAUSE_NO_TLS,
	CAUSE_REFUSED,
	CAUSE_SILENT,
	CAUSE_BUSY,
	CAUSE_APP_PASSWORD,
	CAUSE_OAUTH2,
	CAUSE_NO_AUTH,
	CAUSE_DENIED,
	CAUSE_NO_UIDL,
	CAUSE_NOT_UTF8,
	CAUSE_COUNT
};

/* The first that stands in the error decides: what is more exact comes earlier. */
static const struct {
	const char *words;
	enum cause cause;
} signs[] = {
	{"not UTF-8", CAUSE_NOT_UTF8},
	{"resolve host", CAUSE_NAME},
	{"Resolving timed out", CAUSE_NAME},
	{"certificate file", CAUSE_CA_FILE},
	{"match target host name", CAUSE_CERTIFICATE_NAME},
	{"certificate subject name matches", CAUSE_CERTIFICATE_NAME},
	{"certificate has expired", CAUSE_CERTIFICATE_EXPIRED},
	{"certificate is not yet valid", CAUSE_CERTIFICATE_EXPIRED},
	{"certificate", CAUSE_CERTIFICATE},
	{"STLS not supported", CAUSE_NO_STARTTLS},
	{"STARTTLS not", CAUSE_NO_STARTTLS},
	{"STARTTLS denied", CAUSE_NO_STARTTLS},
	{"SSL routines", CAUSE_NO_TLS},
	{"SSL_", CAUSE_NO_TLS},
	{"connect to server", CAUSE_REFUSED},
	{"Failed to connect", CAUSE_REFUSED},
	{"timed out", CAUSE_SILENT},
	{"was silent", CAUSE_SILENT},
	{"took too long", CAUSE_SILENT},
	{"[IN-USE]", CAUSE_BUSY},
	{"[LOGIN-DELAY]", CAUSE_BUSY},
	{"[SYS/TEMP]", CAUSE_BUSY},
	{"pplication-specific password", CAUSE_APP_PASSWORD},
	{"app password", CAUSE_APP_PASSWORD},
	{"basic authentication is disabled", CAUSE_OAUTH2},
	{"BasicAuthBlocked", CAUSE_OAUTH2},
	{"OAuth", CAUSE_OAUTH2},
	{"offers no AUTH", CAUSE_NO_AUTH},
	{"offers neither AUTH", CAUSE_NO_AUTH},
	{"cannot sign in", CAUSE_DENIED},
	{"Login denied", CAUSE_DENIED},
	{"answered USER", CAUSE_DENIED},
	{"answered PASS", CAUSE_DENIED},
	{"UIDL", CAUSE_NO_UIDL},
};

/* What to say of the inbox, and of the relay where that is something else. */
static const struct {
	const char *pop3, *relay;
} sentences[CAUSE_COUNT] = {
	[CAUSE_NAME] = {"Check the host name, and that this machine can look up names.", NULL},
	[CAUSE_CA_FILE] = {"ca_file of [rejoinder] must name a file of certificates in PEM form.",
                           NULL},
	[CAUSE_CERTIFICATE_NAME] =
		{"The certificate is another host's: use the host name that the service itself "
                 "gives for its server.",
                 NULL},
	[CAUSE_CERTIFICATE_EXPIRED] =
		{"Tell who runs the server; or this machine's clock is wrong.", NULL},
	[CAUSE_CERTIFICATE] =
		{"Nobody whom this machine trusts has signed the certificate: name the "
                 "authority's certificate in ca_file of [rejoinder].",
                 "Nobody whom this machine trusts has signed the certificate: name the "
                 "authority's certificate in ca_file of [rejoinder], and for Postfix in "
                 "smtp_tls_CAfile."},
	[CAUSE_NO_STARTTLS] =
		{"The server offers no STLS on this port: use pop3s://, which is TLS from the "
                 "first byte (port 995).",
                 "The server offers no STARTTLS on this port: use smtps://, which is TLS from "
                 "the first byte (port 465)."},
	[CAUSE_REFUSED] = {"Nothing listens there, or a firewall refuses it: check host and port.",
                           NULL},
	[CAUSE_BUSY] = {"The service is busy with this mailbox or wants a pause between sign-ins: "
                        "try again in some minutes.",
                        NULL},
	[CAUSE_APP_PASSWORD] =
		{"Make an app password in the settings of the mailbox at the service, and use it "
                 "in place of the usual one.",
                 NULL},
	[CAUSE_OAUTH2] =
		{"The service takes no passwords, only OAuth2, which Rejoinder does not speak: "
                 "let it forward the mail to the address of the account instead.",
                 "The service takes no passwords, only OAuth2, which Rejoinder does not speak: "
                 "use another relay."},
	[CAUSE_NO_AUTH] =
		{"The server takes no password here: check the port.",
                 "The server takes no password here: check the port (587 or 465), or leave out "
                 "username if it wants no sign-in."},
	[CAUSE_DENIED] =
		{"Check username and password; many services want the whole address as user name, "
                 "an app password where sign-in has two steps, and POP3 switched on in "
                 "their settings.",
                 "Check username and password; many services want the whole address as user "
                 "name, and an app password where sign-in has two steps."},
	[CAUSE_NO_UIDL] = {"Without UIDL nobody can tell which messages were fetched before: this "
                           "inbox cannot be used.",
                           NULL},
	[CAUSE_NOT_UTF8] = {NULL,
                            "Postfix cannot sign in with it: use a password of ASCII characters, "
                            "or save it as UTF-8 if that is what the service takes."},
};

static enum cause find_cause(const char *text)
{
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strcasestr(text, signs[i].words) != NULL)
			return signs[i].cause;
	return CAUSE_UNKNOWN;
}

/* Where one kind of TLS was tried and nothing sensible came, it may be the other's port. */
static const char *advice_for_tls(const struct advice_case *about)
{
	if (about->protocol == ADVICE_POP3)
		return about->is_tls ? "The port may want STLS (pop3://, port 110) and not TLS "
		                       "from the first byte; or a firewall drops what is sent."
		                     : "The port may want TLS from the first byte (pop3s://, port "
		                       "995); or a firewall drops what is sent.";
	return about->is_tls ? "The port may want STARTTLS (smtp://, port 587) and not TLS from "
	                       "the first byte; or a firewall drops what is sent."
	                     : "The port may want TLS from the first byte (smtps://, port 465); "
	                       "or a firewall drops what is sent.";
}

const char *advice_for(const struct advice_case *about, const char *error_text)
{
	enum sign_in sign_in = about->preset != NULL ? about->preset->sign_in : SIGN_IN_PASSWORD;
	enum cause cause = find_cause(error_text);
	const char *sentence;

	if (cause == CAUSE_NO_TLS || cause == CAUSE_SILENT)
		return advice_for_tls(about);
	if ((cause == CAUSE_DENIED || cause == CAUSE_NO_AUTH) && sign_in == SIGN_IN_OAUTH2)
		cause = CAUSE_OAUTH2;
	else if (cause == CAUSE_DENIED && sign_in == SIGN_IN_APP_PASSWORD)
		cause = CAUSE_APP_PASSWORD;
	sentence = sentences[cause].pop3;
	if (about->protocol == ADVICE_RELAY && sentences[cause].relay != NULL)
		sentence = sentences[cause].relay;
	return sentence != NULL ? sentence : "";
}
