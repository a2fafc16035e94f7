#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buffer.h"
#include "lib/base/config.h"

/*
 * What an admin reads who made a mistake in what accounts have to do with services
 * and answers: the whole of it, and that nothing more is said than what is wrong.
 */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define TEN "xxxxxxxxxx"

/* {dir} is a directory of a test's own, {path} the configuration in it. */
#define MINIMAL   "[rejoinder]\ndomains = company.test example.com\n"
#define ACCOUNT_A "[account \"A\"]\naddress = a@company.test\n"
#define ACCOUNT_B "[account \"B\"]\naddress = b@company.test\n"

#define SECRET "tapir"

#define RELAY   "relay = smtp://smtp.example.org\n"
#define SIGN_IN "username = jane\npassword_command = x\n"
#define FOREIGN                                                                                    \
	"[account \"A\"]\naddress = a@example.org\nincoming = yes\noutgoing = yes\n" RELAY SIGN_IN \
	"pop3 = pop3s://pop.example.org\nmailbox = a@company.test\n"

static char directory[] = "/tmp/test_config_mistakes.XXXXXX";

static const char *const names[] = {"answer", "public", "conf"};

static char *path_of(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, const char *content, mode_t mode)
{
	FILE *stream = fopen(path_of(name), "w");

	assert_non_null(stream);
	fputs(content, stream);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(chmod(path_of(name), mode), 0);
}

static int make_files(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	write_file("answer", "Hello\n", 0600);
	write_file("public", SECRET "\n", 0644);
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		unlink(path_of(names[i]));
	return rmdir(directory);
}

/* With {dir} and {path} in place; the caller's. */
static char *expand(const char *text)
{
	struct buffer out;

	buffer_init(&out, 10000);
	while (*text != '\0') {
		if (strncmp(text, "{dir}", 5) == 0) {
			buffer_append_text(&out, directory);
			text += 5;
		} else if (strncmp(text, "{path}", 6) == 0) {
			buffer_append_text(&out, path_of("conf"));
			text += 6;
		} else {
			buffer_append_char(&out, *text++);
		}
	}
	return buffer_take(&out);
}

struct mistake_row {
	const char *name;
	const char *text;
	const char *mistakes; /* a line each; the configuration's own name is left out */
};

static const struct mistake_row mistake_rows[] = {
	{"a preset that is misspelt", MINIMAL ACCOUNT_A "outgoing = yes\npreset = gmial\n",
         ":6: preset: found \"gmial\", expected perhaps gmail\n"},
	{"a preset of which the beginning is given",
         MINIMAL ACCOUNT_A "outgoing = yes\npreset = microsoft\n",
         ":6: preset: found \"microsoft\", expected perhaps microsoft365\n"},
	{"a preset of no such service", MINIMAL ACCOUNT_A "outgoing = yes\npreset = pigeon-post\n",
         ":6: preset: found \"pigeon-post\", expected one of those that `rejoinder presets` lists\n"},
	{"a preset is checked in a disabled account too",
         MINIMAL ACCOUNT_A "enabled = no\npreset = gmial\n",
         ":6: preset: found \"gmial\", expected perhaps gmail\n"},
	{"a preset without any side",
         MINIMAL ACCOUNT_A "preset = gmail\nusername = jane\npassword_command = x\n",
         ":5: preset: found \"gmail\" without any side, expected incoming = yes or outgoing = "
         "yes in [account \"A\"]\n"},
	{"an outgoing preset of an account that only comes in",
         MINIMAL ACCOUNT_A "incoming = yes\npreset = ses\n",
         ":6: preset: found \"ses\" without an outgoing side, expected outgoing = yes in "
         "[account \"A\"]\n"},
	{"a preset without a user name",
         MINIMAL ACCOUNT_A "outgoing = yes\npreset = gmail\npassword_command = x\n",
         ":6: preset: found no username in [account \"A\"], expected one\n"},
	{"a preset without a password", MINIMAL ACCOUNT_A "outgoing = yes\npreset = sendgrid\n",
         ":6: preset: found no password in [account \"A\"], expected one of password_file, "
         "password_command and password\n"},
	{"a preset without either", MINIMAL ACCOUNT_A "incoming = yes\npreset = fastmail\n",
         ":6: preset: found no password in [account \"A\"], expected one of password_file, "
         "password_command and password\n"
         ":6: preset: found no username in [account \"A\"], expected one\n"},
	{"an own wrong value is not replaced by the preset's",
         MINIMAL ACCOUNT_A "outgoing = yes\npreset = gmail\nrelay = smtp.gmail.com\n"
                           "username = jane\npassword_command = x\n",
         ":7: relay: found \"smtp.gmail.com\", expected smtp://host or smtps://host, with :port "
         "if it is another, or none\n"},
	{"an empty preset", MINIMAL ACCOUNT_A "outgoing = yes\npreset =\n",
         ":6: preset: found \"\", expected 1 to 190 bytes of UTF-8 without control characters\n"},
	{"a common section that is not there", MINIMAL ACCOUNT_A "inherit = company\n",
         ":5: inherit: found \"company\", expected the name of a [common] section\n"},
	{"a common section that is misspelt",
         MINIMAL "[common \"company\"]\n" ACCOUNT_A "inherit = compny\n",
         ":6: inherit: found \"compny\", expected perhaps company\n"},
	{"a common section inherits itself", MINIMAL "[common \"a\"]\ninherit = a\n",
         ":4: inherit: found the loop a, a, expected an end\n"},
	{"two common sections inherit each other",
         MINIMAL "[common \"a\"]\ninherit = b\n[common \"b\"]\ninherit = a\n" ACCOUNT_A
                 "inherit = a\n",
         ":4: inherit: found the loop a, b, a, expected an end\n"},
	{"a chain that ends in a loop",
         MINIMAL "[common \"x\"]\ninherit = a\n[common \"a\"]\ninherit = b\n"
                 "[common \"b\"]\ninherit = c\n[common \"c\"]\ninherit = a\n",
         ":6: inherit: found the loop a, b, c, a, expected an end\n"},
	{"a common section inherits what is not there", MINIMAL "[common \"a\"]\ninherit = b2345\n",
         ":4: inherit: found \"b2345\", expected the name of a [common] section\n"},
	{"two common sections of one name, though in another case",
         MINIMAL "[common \"a\"]\n[common \"A\"]\n",
         ":4: [common \"A\"]: found twice, expected once (first on line 3)\n"},
	{"an address that several would have", MINIMAL "[common \"a\"]\naddress = a@company.test\n",
         ":4: address: found it in a [common] section, expected it in each account\n"},
	{"enabled in a common section", MINIMAL "[common \"a\"]\nenabled = no\n",
         ":4: enabled: found it in a [common] section, expected it in each account\n"},
	{"a wrong value in a common section is reported once",
         MINIMAL "[common \"a\"]\nfrom = me\n" ACCOUNT_A "inherit = a\n" ACCOUNT_B "inherit = a\n",
         ":4: from: found \"me\", expected one of keep, account, name\n"},
	{"a wrong item in a list of a common section",
         MINIMAL "[common \"a\"]\nsenders = jane, bob@company.test\n" ACCOUNT_A "inherit = a\n",
         ":4: senders: found \"jane\", expected user@company.example, @company.example, "
         "*.company.example or *\n"},
	{"an unknown key in a common section", MINIMAL "[common \"a\"]\nrelais = none\n",
         ":4: relais: found an unknown key, expected perhaps relay\n"},
	{"a key of [rejoinder] in a common section", MINIMAL "[common \"a\"]\nstaff = *\n",
         ":4: staff: found it in a [common] section, expected it in [rejoinder]\n"},
	{"a key twice in a common section", MINIMAL "[common \"a\"]\nfrom = keep\nfrom = name\n",
         ":5: from: found twice, expected once (first on line 4)\n"},
	{"a common section without a name", MINIMAL "[common]\n",
         ":3: found \"[common]\", expected [rejoinder], [account \"Name\"], [common \"name\"] or [calendar \"Name\"]\n"},
	{"a value that does not go together is reported once where it stands",
         MINIMAL "[common \"a\"]\nenvelope_from = keep\nrelay = smtp://x\n" ACCOUNT_A
                 "outgoing = yes\ninherit = a\n" ACCOUNT_B "outgoing = yes\ninherit = a\n",
         ":4: envelope_from: found \"keep\" beside a relay, expected account\n"},
	{"a preset that is misspelt in a common section",
         MINIMAL "[common \"a\"]\npreset = yahooo\n" ACCOUNT_A
                 "outgoing = yes\ninherit = a\n" ACCOUNT_B "outgoing = yes\ninherit = a\n",
         ":4: preset: found \"yahooo\", expected perhaps yahoo\n"},
	{"a password beside an inherited one of another kind is fine, two kinds are not",
         MINIMAL "[common \"a\"]\npassword_command = x\npassword_file = /x\n" ACCOUNT_A
                 "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                 "username = jane\ninherit = a\n",
         ":4: password_command: found beside password_file, expected one of them\n"},
	{"a relay without a scheme", MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp.example.org\n",
         ":6: relay: found \"smtp.example.org\", expected smtp://host or smtps://host, with "
         ":port if it is another, or none\n"},
	{"a relay by another protocol", MINIMAL ACCOUNT_A "outgoing = yes\nrelay = lmtp://x\n",
         ":6: relay: found \"lmtp://x\", expected smtp://host or smtps://host, with :port if it "
         "is another, or none\n"},
	{"a relay with a user", MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://jane@x\n",
         ":6: relay: found \"smtp://jane@x\", expected smtp://host or smtps://host, with :port "
         "if it is another, or none\n"},
	{"a relay at port 0", MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtps://x:0\n",
         ":6: relay: found \"smtps://x:0\", expected smtp://host or smtps://host, with :port if "
         "it is another, or none\n"},
	{"a relay with a path", MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtps://x/y\n",
         ":6: relay: found \"smtps://x/y\", expected smtp://host or smtps://host, with :port if "
         "it is another, or none\n"},
	{"a relay of an account that does not go out", MINIMAL ACCOUNT_A "relay = smtp://x\n",
         ":5: relay: found without an outgoing side, expected outgoing = yes in [account \"A\"]\n"},
	{"the envelope kept beside a relay",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "envelope_from = keep\n",
         ":7: envelope_from: found \"keep\" beside a relay, expected account\n"},
	{"an address at a service whose mail is not fetched",
         MINIMAL "[account \"A\"]\naddress = a@example.org\nincoming = yes\noutgoing = yes\n"
                 "relay = smtp://smtp.example.org\n",
         ":4: address: found \"a@example.org\", expected an address in one of domains, or pop3 "
         "that its mail is fetched from\n"},
	{"one whose mail is not sent there",
         MINIMAL "[account \"A\"]\naddress = a@example.org\nincoming = yes\noutgoing = yes\n"
                 "pop3 = pop3s://pop.example.org\nusername = a\npassword_command = x\n"
                 "mailbox = a@company.test\n",
         ":4: address: found \"a@example.org\", expected an address in one of domains, or a relay "
         "that sends its mail\n"},
	{"one whose mail goes nowhere here",
         MINIMAL "[account \"A\"]\naddress = a@example.org\nincoming = yes\n"
                 "pop3 = pop3s://pop.example.org\nusername = a\npassword_command = x\n",
         ":4: mailbox: found none in [account \"A\"], expected the address in one of domains that "
         "its mail goes to\n"},
	{"one whose mail goes back there",
         MINIMAL "[account \"A\"]\naddress = a@example.org\nincoming = yes\n"
                 "pop3 = pop3s://pop.example.org\nusername = a\npassword_command = x\n"
                 "mailbox = a@example.org\n",
         ":9: mailbox: found \"a@example.org\", expected an address in one of domains\n"},
	{"a user name without a password",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "username = jane\n",
         ":6: relay: found no password in [account \"A\"], expected one of password_file, "
         "password_command and password\n"},
	{"a password without a user name",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "password_command = x\n",
         ":6: relay: found no username in [account \"A\"], expected one\n"},
	{"a user name without a service", MINIMAL ACCOUNT_A "outgoing = yes\nusername = jane\n",
         ":6: username: found without pop3 and relay, expected it with one of them\n"},
	{"a password without a service", MINIMAL ACCOUNT_A "outgoing = yes\npassword = tapir\n",
         ":6: password: found without pop3 and relay, expected it with one of them\n"},
	{"two kinds of password",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "username = jane\npassword = tapir\npassword_command = x\n",
         ":9: password_command: found beside password, expected one of them\n"},
	{"an empty password",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "username = jane\npassword =\n",
         ":8: password: found a value not shown here, expected 1 to 190 bytes of UTF-8 "
         "without control characters\n"},
	{"an inbox without user name and password",
         MINIMAL ACCOUNT_A "incoming = yes\npop3 = pop3s://pop.example.org\n",
         ":6: pop3: found no password in [account \"A\"], expected one of password_file, "
         "password_command and password\n"
         ":6: pop3: found no username in [account \"A\"], expected one\n"},
	{"what is wrong with files comes behind the mistakes",
         MINIMAL ACCOUNT_A "outgoing = yes\n" RELAY
                           "username = jane\npassword_file = {dir}/public\nbcc = x\n",
         ":9: bcc: found \"x\", expected an address such as archive@company.example\n"
         ":8: password_file: found \"{dir}/public\" with mode 0644, expected nothing for others: "
         "chmod o= it\n"},
	{"a limit that is no number",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "username = jane\npassword_command = x\ndaily_limit = many\n",
         ":9: daily_limit: found \"many\", expected a number from 0 to 1000000000\n"},
	{"a limit under zero",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "username = jane\npassword_command = x\ndaily_limit = -1\n",
         ":9: daily_limit: found \"-1\", expected a number from 0 to 1000000000\n"},
	{"a limit without a relay to wait for",
         MINIMAL ACCOUNT_A "outgoing = yes\ndaily_limit = 100\n",
         ":6: daily_limit: found it without a relay with a username, expected one, or "
         "on_limit = tempfail or pass\n"},
	{"the same said with on_limit",
         MINIMAL ACCOUNT_A "outgoing = yes\ndaily_limit = 100\non_limit = queue\n",
         ":7: on_limit: found \"queue\" without a relay with a username, expected one, or "
         "tempfail or pass\n"},
	{"a limit at a relay that asks for no password",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "daily_limit = 100\n",
         ":7: daily_limit: found it without a relay with a username, expected one, or "
         "on_limit = tempfail or pass\n"},
	{"a wrong on_limit",
         MINIMAL ACCOUNT_A "outgoing = yes\ndaily_limit = 100\non_limit = bounce\n",
         ":7: on_limit: found \"bounce\", expected one of queue, tempfail, pass\n"},
	{"on_limit without a limit", MINIMAL ACCOUNT_A "outgoing = yes\non_limit = pass\n",
         ":6: on_limit: found without daily_limit, expected it with one\n"},
	{"a warning without a limit", MINIMAL ACCOUNT_A "outgoing = yes\ndaily_limit_warn = 50\n",
         ":6: daily_limit_warn: found without daily_limit, expected it with one\n"},
	{"a warning at all of the limit",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "username = jane\npassword_command = x\ndaily_limit = 9\n"
                           "daily_limit_warn = 100\n",
         ":10: daily_limit_warn: found \"100\", expected a number from 1 to 99\n"},
	{"letters about a limit that wait behind it",
         MINIMAL "alert_from = A@company.test\noperator = a@company.test\n" ACCOUNT_A
                 "outgoing = yes\n" RELAY SIGN_IN "daily_limit = 9\n",
         ":3: alert_from: found \"a@company.test\", whose mail waits when [account \"A\"] is over "
         "its daily_limit, expected another address\n"
         ":4: operator: found \"a@company.test\", whose mail waits when [account \"A\"] is over "
         "its daily_limit, expected another address\n"},
	{"the same where nobody said who alerts are from",
         MINIMAL "operator = boss@company.test\n[account \"A\"]\n"
                 "address = postmaster@company.test\noutgoing = yes\n" RELAY SIGN_IN
                 "daily_limit = 9\n",
         ":5: alert_from: found \"postmaster@company.test\", whose mail waits when [account \"A\"] "
         "is over its daily_limit, expected another address\n"},
	{"a user name with a colon at a relay, which is fine at an inbox",
         MINIMAL ACCOUNT_A "outgoing = yes\n" RELAY
                           "username = jane:doe\npassword_command = x\n" ACCOUNT_B
                           "incoming = yes\npop3 = pop3s://pop.example.org\n"
                           "username = bob:doe\npassword_command = x\n",
         ":7: username: found \"jane:doe\" beside a relay, expected no colon, which Postfix takes "
         "for its end\n"},
	{"an address at a relay that begins with #, which is fine without",
         MINIMAL "[account \"A\"]\naddress = #a@company.test\noutgoing = yes\n" RELAY
                 "[account \"B\"]\naddress = #b@company.test\noutgoing = yes\n",
         ":4: address: found \"#a@company.test\" beside a relay, expected no # at its beginning, "
         "which makes its line of transport_map a comment\n"},
	{"an answer from an address at a service", MINIMAL FOREIGN "acknowledge = {dir}/answer\n",
         ":12: acknowledge: found it with the address \"a@example.org\", expected it in an account "
         "with an address in one of domains\n"},
	{"a preset of OAuth2 alone, and that is all that is said",
         MINIMAL ACCOUNT_A "incoming = yes\noutgoing = yes\npreset = microsoft365\n",
         ":7: preset: found \"microsoft365\", whose service takes OAuth2 alone, which is not spoken "
         "here, expected another, or pop3 and relay in [account \"A\"]\n"},
	{"the same of one side", MINIMAL ACCOUNT_A "incoming = yes\npreset = outlook.com\n" SIGN_IN,
         ":6: preset: found \"outlook.com\", whose service takes OAuth2 alone, which is not spoken "
         "here, expected another, or pop3 in [account \"A\"]\n"},
	{"the same where another service does one of two",
         MINIMAL ACCOUNT_A "incoming = yes\noutgoing = yes\npreset = outlook.com\n"
                           "pop3 = pop3s://pop.example.org\n" SIGN_IN,
         ":7: preset: found \"outlook.com\", whose service takes OAuth2 alone, which is not spoken "
         "here, expected another, or relay in [account \"A\"]\n"},
	{"a default at a service, and for which of our domains is not said",
         MINIMAL FOREIGN "default_outgoing = yes\n",
         ":12: default_outgoing: found \"yes\" with the address \"a@example.org\", expected "
         "default_for beside it, with one of domains\n"},
	{"the same of what comes in", MINIMAL FOREIGN "default_incoming = yes\n",
         ":12: default_incoming: found \"yes\" with the address \"a@example.org\", expected "
         "default_for beside it, with one of domains\n"},
	{"answers to somewhere else",
         MINIMAL ACCOUNT_A "outgoing = yes\nreply_to_address = a@example.org\n",
         ":6: reply_to_address: found \"a@example.org\", expected an address in one of domains\n"},
	{"answers to no address", MINIMAL ACCOUNT_A "outgoing = yes\nreply_to_address = a\n",
         ":6: reply_to_address: found \"a\", expected an address such as replies@company.example\n"},
	{"answers to an address, and Reply-To is kept",
         MINIMAL ACCOUNT_A "outgoing = yes\nreply_to = keep\n"
                           "reply_to_address = b@company.test\n",
         ":7: reply_to_address: found \"b@company.test\" beside reply_to = keep, expected token "
         "or plain\n"},
	{"Reply-To is always replaced, and kept",
         MINIMAL ACCOUNT_A "outgoing = yes\nreply_to = keep\nreplies_always = yes\n",
         ":7: replies_always: found \"yes\" beside reply_to = keep, expected token or plain\n"},
	{"replies_always is no yes or no",
         MINIMAL ACCOUNT_A "outgoing = yes\nreplies_always = always\n",
         ":6: replies_always: found \"always\", expected yes or no\n"},
	{"a wrong pattern of receivers",
         MINIMAL ACCOUNT_A "outgoing = yes\nno_reply_to_for = example.org\n",
         ":6: no_reply_to_for: found \"example.org\", expected user@company.example, "
         "@company.example, *.company.example or *\n"},
	{"a wrong reply_to", MINIMAL ACCOUNT_A "outgoing = yes\nreply_to = account\n",
         ":6: reply_to: found \"account\", expected one of token, plain, keep\n"},
	{"a copy to itself, with a detail",
         MINIMAL ACCOUNT_A "outgoing = yes\nincoming = yes\nbcc = a+copy@company.test\n",
         ":7: bcc: found \"a+copy@company.test\", which comes in by [account \"A\"], expected an "
         "address of no incoming account\n"},
	{"a copy to another incoming account",
         MINIMAL ACCOUNT_A "outgoing = yes\nbcc = boss@company.test, b@company.test\n" ACCOUNT_B
                           "incoming = yes\n",
         ":6: bcc: found \"b@company.test\", which comes in by [account \"B\"], expected an "
         "address of no incoming account\n"},
	{"a copy to no address",
         MINIMAL ACCOUNT_A "outgoing = yes\nbcc = boss@company.test archive\n",
         ":6: bcc: found \"archive\", expected an address such as archive@company.example\n"},
	{"the same inbox twice",
         MINIMAL ACCOUNT_A "incoming = yes\npop3 = pop3s://pop.example.org\n"
                           "username = jane\npassword_command = x\n" ACCOUNT_B
                           "incoming = yes\npop3 = pop3s://POP.example.org:995\n"
                           "username = jane\npassword_command = x\n",
         ":12: pop3: found the inbox of \"jane\" in two enabled accounts, expected it in one "
         "(the other is [account \"A\"])\n"},
	{"the same inbox twice, once without TLS; another port is another one",
         MINIMAL ACCOUNT_A "incoming = yes\npop3 = pop3s://pop.example.org\n"
                           "username = jane\npassword_command = x\n" ACCOUNT_B
                           "incoming = yes\npop3 = pop3://pop.example.org\n"
                           "username = jane\npassword_command = x\n[account \"C\"]\n"
                           "address = c@company.test\nincoming = yes\n"
                           "pop3 = pop3://pop.example.org:1110\nusername = jane\n"
                           "password_command = x\n",
         ":12: pop3: found the inbox of \"jane\" in two enabled accounts, expected it in one "
         "(the other is [account \"A\"])\n"},
	{"fetched mail goes out again",
         MINIMAL ACCOUNT_A "incoming = yes\npop3 = pop3s://pop.example.org\n"
                           "username = jane\npassword_command = x\n"
                           "mailbox = jane@example.org\n",
         ":9: mailbox: found \"jane@example.org\", expected an address in one of domains\n"},
	{"open_new is no yes or no", MINIMAL ACCOUNT_A "incoming = yes\nopen_new = maybe\n",
         ":6: open_new: found \"maybe\", expected yes or no\n"},
	{"an empty reference type", MINIMAL ACCOUNT_A "incoming = yes\nreference_type =\n",
         ":6: reference_type: found \"\", expected 1 to 190 bytes of UTF-8 without control "
         "characters\n"},
	{"an answer of an account that does not come in",
         MINIMAL ACCOUNT_A "outgoing = yes\nacknowledge = {dir}/answer\n",
         ":6: acknowledge: found without an incoming side, expected incoming = yes in "
         "[account \"A\"]\n"},
	{"customers who could not write",
         MINIMAL ACCOUNT_A "outgoing = yes\ninternal_customers = yes\n",
         ":6: internal_customers: found \"yes\", expected no, or incoming = yes in "
         "[account \"A\"]\n"},
	{"an answer by a relative path", MINIMAL ACCOUNT_A "incoming = yes\nacknowledge = answer\n",
         ":6: acknowledge: found \"answer\", expected an absolute path\n"},
	{"a second default comes from a common section",
         MINIMAL "[common \"a\"]\nincoming = yes\ndefault_incoming = yes\n" ACCOUNT_A
                 "inherit = a\n" ACCOUNT_B "inherit = a\n",
         ":5: default_incoming: found two enabled accounts for domain company.test, expected "
         "one (the other is [account \"A\"])\n"},
	{"the map is the database", MINIMAL "store = /x/y\ntransport_map = /x/y\n",
         ":4: transport_map: found \"/x/y\", which is store too, expected another path\n"},
	{"the socket is the key file", MINIMAL "keys = /x/y\npassword_socket = /x/y\n",
         ":4: password_socket: found \"/x/y\", which is keys too, expected another path\n"},
	{"the map would replace the configuration", MINIMAL "transport_map = {path}\n",
         ":3: transport_map: found \"{path}\", which is this file too, expected another path\n"},
	{"a socket with too long a path",
         MINIMAL "password_socket = /" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "\n",
         ":3: password_socket: found a path of 111 bytes, expected at most 107\n"},
	{"an operator without a domain", MINIMAL "operator = root\n",
         ":3: operator: found \"root\", expected an address such as replies@company.example\n"},
	{"a relative map", MINIMAL "transport_map = map\n",
         ":3: transport_map: found \"map\", expected an absolute path\n"},
	{"an empty user", MINIMAL "postfix_user =\n",
         ":3: postfix_user: found \"\", expected 1 to 190 bytes of UTF-8 without control "
         "characters\n"},
	{"mistakes of all kinds are reported at once",
         "[rejoinder]\ndomains = company.test, two\nlog = file\n"
         "nonsense\n[common \"a\"]\nrelay = x\ninherit = b\n" ACCOUNT_A
         "preset = gmale\ninherit = c\nfrom = me\n" ACCOUNT_B
         "outgoing = yes\ndaily_limit = 5\nbcc = x\n[accounts \"C\"]\n"
         "address = x\n",
         ":2: domains: found \"two\", expected a domain such as company.example\n"
         ":3: log: found \"file\", expected one of stderr, syslog\n"
         ":4: found \"nonsense\", expected key = value\n"
         ":6: relay: found \"x\", expected smtp://host or smtps://host, with :port if it is "
         "another, or none\n"
         ":12: from: found \"me\", expected one of keep, account, name\n"
         ":17: bcc: found \"x\", expected an address such as archive@company.example\n"
         ":18: found \"[accounts \"C\"]\", expected [rejoinder], [account \"Name\"], [common "
         "\"name\"] or [calendar \"Name\"]\n"
         ":7: inherit: found \"b\", expected the name of a [common] section\n"
         ":11: inherit: found \"c\", expected the name of a [common] section\n"
         ":10: preset: found \"gmale\", expected perhaps gmail\n"
         ":16: daily_limit: found it without a relay with a username, expected one, or "
         "on_limit = tempfail or pass\n"},
};

static void all_mistakes_are_reported_and_no_others(void **state)
{
	const struct mistake_row *row = *state;
	char *text = expand(row->text), *expected = expand(row->mistakes);
	const char *path;
	struct string_list mistakes = {0};
	struct config *config;
	struct buffer found;

	write_file("conf", text, 0600);
	path = path_of("conf");
	assert_int_equal(config_load(path, &config, &mistakes), -1);
	assert_null(config);
	buffer_init(&found, 10000);
	for (size_t i = 0; i < mistakes.count; i++) {
		const char *mistake = mistakes.items[i];

		if (strncmp(mistake, path, strlen(path)) == 0)
			mistake += strlen(path);
		buffer_printf(&found, "%s\n", mistake);
	}
	assert_string_equal(found.data, expected);
	assert_null(strstr(found.data, SECRET));
	buffer_release(&found);
	string_list_release(&mistakes);
	free(expected);
	free(text);
}

static void there_are_many_rows(void **state)
{
	(void)state;
	assert_true(COUNT(mistake_rows) >= 60);
}

int main(void)
{
	struct CMUnitTest tests[1 + COUNT(mistake_rows)] = {
		cmocka_unit_test(there_are_many_rows),
	};
	size_t count = 1;

	for (size_t i = 0; i < COUNT(mistake_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = mistake_rows[i].name,
		                            .test_func = all_mistakes_are_reported_and_no_others,
		                            .initial_state = (void *)(uintptr_t)&mistake_rows[i]};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
