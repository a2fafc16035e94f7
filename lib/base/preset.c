#include "lib/base/preset.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "lib/base/spelling.h"

static const struct preset presets[] = {
	{"gmail", .title = "Gmail", .incoming = {{"pop3", "pop3s://pop.gmail.com"}},
         .outgoing = {{"relay", "smtp://smtp.gmail.com"},
                      {"from", "account"},
                      {"daily_limit", "500"}},
         .sign_in = SIGN_IN_APP_PASSWORD, .sub_addressing = SUB_ADDRESSING_YES,
         .checked_on = "2026-11-22",
         .note = "The address is the Gmail account's, or one that it may send mail as."},
	{"google-workspace", .title = "Google Workspace",
         .incoming = {{"pop3", "pop3s://pop.gmail.com"}},
         .outgoing = {{"relay", "smtp://smtp.gmail.com"},
                      {"from", "account"},
                      {"daily_limit", "2000"}},
         .sign_in = SIGN_IN_APP_PASSWORD, .sub_addressing = SUB_ADDRESSING_YES,
         .checked_on = "2026-11-22", .note = "500 a day while the plan is on trial."},
	{"outlook.com", .title = "Outlook.com",
         .incoming = {{"pop3", "pop3s://outlook.office365.com"}, {"reply_to", "plain"}},
         .outgoing = {{"relay", "smtp://smtp-mail.outlook.com"},
                      {"from", "account"},
                      {"reply_to", "plain"},
                      {"daily_limit", "300"}},
         .sign_in = SIGN_IN_OAUTH2, .sub_addressing = SUB_ADDRESSING_NO, .checked_on = "2026-11-22",
         .unchecked = "daily_limit, sub-addressing",
         .note = "Takes OAuth2 alone, which Rejoinder does not speak."},
	{"microsoft365", .title = "Microsoft 365",
         .incoming = {{"pop3", "pop3s://outlook.office365.com"}},
         .outgoing = {{"relay", "smtp://smtp.office365.com"},
                      {"from", "account"},
                      {"daily_limit", "10000"}},
         .sign_in = SIGN_IN_OAUTH2, .sub_addressing = SUB_ADDRESSING_YES,
         .checked_on = "2026-11-22",
         .note = "Takes OAuth2 alone, which Rejoinder does not speak; 30 messages a minute."},
	{"yahoo", .title = "Yahoo Mail",
         .incoming = {{"pop3", "pop3s://pop.mail.yahoo.com"}, {"reply_to", "plain"}},
         .outgoing = {{"relay", "smtps://smtp.mail.yahoo.com"},
                      {"from", "account"},
                      {"reply_to", "plain"},
                      {"daily_limit", "500"}},
         .sign_in = SIGN_IN_APP_PASSWORD, .sub_addressing = SUB_ADDRESSING_NO,
         .checked_on = "2026-11-22", .unchecked = "daily_limit"},
	{"aol", .title = "AOL Mail",
         .incoming = {{"pop3", "pop3s://pop.aol.com"}, {"reply_to", "plain"}},
         .outgoing = {{"relay", "smtps://smtp.aol.com"},
                      {"from", "account"},
                      {"reply_to", "plain"},
                      {"daily_limit", "500"}},
         .sign_in = SIGN_IN_APP_PASSWORD, .sub_addressing = SUB_ADDRESSING_NO,
         .checked_on = "2026-11-22", .unchecked = "daily_limit, sub-addressing"},
	{"fastmail", .title = "Fastmail", .incoming = {{"pop3", "pop3s://pop.fastmail.com"}},
         .outgoing = {{"relay", "smtps://smtp.fastmail.com"},
                      {"from", "account"},
                      {"daily_limit", "4000"}},
         .sign_in = SIGN_IN_APP_PASSWORD, .sub_addressing = SUB_ADDRESSING_YES,
         .checked_on = "2026-11-22", .unchecked = "daily_limit"},
	{"zoho", .title = "Zoho Mail",
         .incoming = {{"pop3", "pop3s://poppro.zoho.com"}, {"reply_to", "plain"}},
         .outgoing = {{"relay", "smtps://smtp.zoho.com"},
                      {"from", "account"},
                      {"reply_to", "plain"},
                      {"daily_limit", "300"}},
         .sign_in = SIGN_IN_APP_PASSWORD, .sub_addressing = SUB_ADDRESSING_NO,
         .checked_on = "2026-11-22", .unchecked = "daily_limit, sub-addressing",
         .note = "Of another region: poppro.zoho.eu and smtp.zoho.eu, or .in; pop.zoho.com without a domain."},
	{"gmx", .title = "GMX",
         .incoming = {{"pop3", "pop3s://pop.gmx.net"}, {"reply_to", "plain"}},
         .outgoing = {{"relay", "smtps://mail.gmx.net"},
                      {"from", "account"},
                      {"reply_to", "plain"},
                      {"daily_limit", "500"}},
         .sign_in = SIGN_IN_PASSWORD, .sub_addressing = SUB_ADDRESSING_NO,
         .checked_on = "2026-11-22", .unchecked = "daily_limit",
         .note = "POP3 must be allowed in its settings; gmx.com has pop.gmx.com and mail.gmx.com."},
	{"yandex", .title = "Yandex Mail",
         .incoming = {{"pop3", "pop3s://pop.yandex.com"}, {"reply_to", "plain"}},
         .outgoing = {{"relay", "smtps://smtp.yandex.com"},
                      {"from", "account"},
                      {"reply_to", "plain"},
                      {"daily_limit", "500"}},
         .sign_in = SIGN_IN_APP_PASSWORD, .sub_addressing = SUB_ADDRESSING_NO,
         .checked_on = "2026-11-22", .unchecked = "sub-addressing"},
	{"mail.ru", .title = "Mail.ru",
         .incoming = {{"pop3", "pop3s://pop.mail.ru"}, {"reply_to", "plain"}},
         .outgoing = {{"relay", "smtps://smtp.mail.ru"},
                      {"from", "account"},
                      {"reply_to", "plain"},
                      {"daily_limit", "500"}},
         .sign_in = SIGN_IN_APP_PASSWORD, .sub_addressing = SUB_ADDRESSING_NO,
         .checked_on = "2026-11-22", .unchecked = "daily_limit"},
	{"ionos", .title = "IONOS",
         .incoming = {{"pop3", "pop3s://pop.ionos.com"}, {"reply_to", "plain"}},
         .outgoing = {{"relay", "smtp://smtp.ionos.com"},
                      {"from", "account"},
                      {"reply_to", "plain"},
                      {"daily_limit", "1200"}},
         .sign_in = SIGN_IN_PASSWORD, .sub_addressing = SUB_ADDRESSING_NO,
         .checked_on = "2026-11-22", .unchecked = "pop3, sub-addressing",
         .note = "50 an hour in the first week, 500 after a month."},
	{"ovh", .title = "OVH MX Plan",
         .incoming = {{"pop3", "pop3s://ssl0.ovh.net"}, {"reply_to", "plain"}},
         .outgoing = {{"relay", "smtps://ssl0.ovh.net"},
                      {"from", "account"},
                      {"reply_to", "plain"},
                      {"daily_limit", "4800"}},
         .sign_in = SIGN_IN_PASSWORD, .sub_addressing = SUB_ADDRESSING_NO,
         .checked_on = "2026-11-22", .unchecked = "daily_limit, sub-addressing",
         .note = "200 an hour."},
	{"migadu", .title = "Migadu",
         .incoming = {{"pop3", "pop3s://pop.migadu.com"}, {"reply_to", "plain"}},
         .outgoing = {{"relay", "smtps://smtp.migadu.com"},
                      {"from", "account"},
                      {"reply_to", "plain"}},
         .sign_in = SIGN_IN_PASSWORD, .sub_addressing = SUB_ADDRESSING_NO,
         .checked_on = "2026-11-22", .unchecked = "pop3, relay, daily_limit, sub-addressing",
         .note = "The limit depends on the plan."},
	{"proton-bridge", .title = "Proton Mail Bridge",
         .outgoing = {{"relay", "smtp://127.0.0.1:1025"}, {"from", "account"}},
         .sign_in = SIGN_IN_PASSWORD, .sub_addressing = SUB_ADDRESSING_NOT_HERE,
         .checked_on = "2026-11-22", .unchecked = "daily_limit",
         .note = "The password is the Bridge's; Postfix must be told to trust its certificate."},
	{"sendgrid", .title = "SendGrid",
         .outgoing = {{"relay", "smtp://smtp.sendgrid.net"}, {"username", "apikey"}},
         .sign_in = SIGN_IN_PASSWORD, .sub_addressing = SUB_ADDRESSING_NOT_HERE,
         .checked_on = "2026-11-22",
         .note = "The password is an API key; the limit depends on the plan, 100 a day without one."},
	{"mailgun", .title = "Mailgun", .outgoing = {{"relay", "smtp://smtp.mailgun.org"}},
         .sign_in = SIGN_IN_PASSWORD, .sub_addressing = SUB_ADDRESSING_NOT_HERE,
         .checked_on = "2026-11-22", .unchecked = "daily_limit",
         .note = "In the EU: smtp.eu.mailgun.org; the limit depends on the plan."},
	{"sparkpost", .title = "SparkPost",
         .outgoing = {{"relay", "smtp://smtp.sparkpostmail.com"}, {"username", "SMTP_Injection"}},
         .sign_in = SIGN_IN_PASSWORD, .sub_addressing = SUB_ADDRESSING_NOT_HERE,
         .checked_on = "2026-11-22", .unchecked = "daily_limit",
         .note = "The password is an API key; in the EU: smtp.eu.sparkpostmail.com."},
	{"ses", .title = "Amazon SES",
         .outgoing = {{"relay", "smtp://email-smtp.us-east-1.amazonaws.com"}},
         .sign_in = SIGN_IN_PASSWORD, .sub_addressing = SUB_ADDRESSING_NOT_HERE,
         .checked_on = "2026-11-22",
         .note = "Each region has its host and password; the limit depends on it, 200 a day in the sandbox."},
	{"postmark", .title = "Postmark", .outgoing = {{"relay", "smtp://smtp.postmarkapp.com"}},
         .sign_in = SIGN_IN_PASSWORD, .sub_addressing = SUB_ADDRESSING_NOT_HERE,
         .checked_on = "2026-11-22", .unchecked = "daily_limit",
         .note = "User name and password are the server's token."},
	{"mandrill", .title = "Mandrill", .outgoing = {{"relay", "smtp://smtp.mandrillapp.com"}},
         .sign_in = SIGN_IN_PASSWORD, .sub_addressing = SUB_ADDRESSING_NOT_HERE,
         .checked_on = "2026-11-22", .unchecked = "daily_limit",
         .note = "The password is an API key; the user name may be any."},
	{NULL},
};

const struct preset *preset_table(void)
{
	return presets;
}

const struct preset *preset_find(const char *name)
{
	for (const struct preset *preset = presets; preset->name != NULL; preset++)
		if (strcasecmp(preset->name, name) == 0)
			return preset;
	return NULL;
}

const char *preset_nearest(const char *name)
{
	const char *nearest = NULL;
	size_t least = SPELLING_NEAR + 1;
	size_t length = strlen(name);

	for (const struct preset *preset = presets; preset->name != NULL; preset++) {
		size_t distance = spelling_distance(preset->name, name);

		/* microsoft, google, proton: its beginning is near enough. */
		if (length >= 3 && strncasecmp(preset->name, name, length) == 0)
			distance = 0;
		if (distance < least && distance < length) {
			least = distance;
			nearest = preset->name;
		}
	}
	return nearest;
}

static const char *find_value(const struct preset_value *values, const char *key)
{
	for (; values->key != NULL; values++)
		if (strcmp(values->key, key) == 0)
			return values->value;
	return NULL;
}

const char *preset_value(const struct preset *preset, const char *key)
{
	const char *value = find_value(preset->incoming, key);

	return value != NULL ? value : find_value(preset->outgoing, key);
}

bool preset_has_incoming(const struct preset *preset)
{
	return preset->incoming[0].key != NULL;
}

const char *preset_sign_in_name(enum sign_in sign_in)
{
	switch (sign_in) {
	case SIGN_IN_PASSWORD:
		return "password";
	case SIGN_IN_APP_PASSWORD:
		return "app password";
	case SIGN_IN_OAUTH2:
		return "OAuth2";
	}
	return "unknown";
}
