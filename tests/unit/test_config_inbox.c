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

#include "lib/base/config.h"
#include "lib/base/memory.h"
#include "lib/base/secret.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What the configuration says of external inboxes and of alerts. */

#define ACCOUNT                                                                                    \
	"[rejoinder]\ndomains = company.test example.com\n[account \"A\"]\n"                       \
	"address = a@company.test\n"
#define INBOX  ACCOUNT "incoming = yes\npop3 = pop3s://pop.example.org\nusername = jane\n"
#define SECRET "tapir"

static char path[] = "/tmp/test_config_inbox.XXXXXX";
static char secret_path[] = "/tmp/test_config_secret.XXXXXX";

static int make_files(void **state)
{
	int fd = mkstemp(path), secret_fd = mkstemp(secret_path);

	(void)state;
	close(fd);
	close(secret_fd);
	return fd < 0 || secret_fd < 0 ? -1 : 0;
}

static int remove_files(void **state)
{
	(void)state;
	return unlink(path) | unlink(secret_path);
}

static void write_file(const char *file, const char *text)
{
	FILE *stream = fopen(file, "w");

	assert_non_null(stream);
	fputs(text, stream);
	assert_int_equal(fclose(stream), 0);
}

static struct config *load_good(const char *text)
{
	struct string_list mistakes = {0};
	struct config *config;

	write_file(path, text);
	if (config_load(path, &config, &mistakes) != 0)
		fail_msg("%s", mistakes.items[0]);
	return config;
}

struct mistake_row {
	const char *name;
	const char *text;
	const char *mistake; /* its beginning, after the path; it is the only one */
};

static const struct mistake_row mistake_rows[] = {
	{"an inbox without a user name",
         ACCOUNT "incoming = yes\npop3 = pop3s://x\npassword = " SECRET "\n",
         ":6: pop3: found no username"},
	{"an inbox without a password", INBOX, ":6: pop3: found no password in [account \"A\"]"},
	{"an inbox with two passwords", INBOX "password_command = x\npassword_file = /x\n",
         ":8: password_command: found beside password_file, expected one of them"},
	{"an inbox of an account that is not incoming",
         ACCOUNT "pop3 = pop3s://x\nusername = jane\npassword_command = x\n",
         ":5: pop3: found without an incoming side, expected incoming = yes"},
	{"a password without an inbox", ACCOUNT "password = " SECRET "\n",
         ":5: password: found without pop3"},
	{"a password file without an inbox", ACCOUNT "password_file = /x\n",
         ":5: password_file: found without pop3"},
	{"a relative password file", INBOX "password_file = x\n",
         ":8: password_file: found \"x\", expected an absolute path"},
	{"a password on two lines", INBOX "password = x\n  " SECRET "\n",
         ":9: password: found a second line, expected"},
	{"a password with a forgotten =", INBOX "password_command = x\npassword " SECRET "\n",
         ":9: found a line not shown here, expected key = value"},
	{"an inbox by another protocol",
         ACCOUNT "incoming = yes\npop3 = imaps://x\nusername = jane\npassword_file = /x\n",
         ":6: pop3: found \"imaps://x\", expected pop3s://host"},
	{"an inbox that names a user", ACCOUNT "pop3 = pop3s://jane@x\n",
         ":5: pop3: found \"pop3s://jane@x\""},
	{"an inbox with a folder", ACCOUNT "pop3 = pop3s://x/y\n", ":5: pop3: found"},
	{"an inbox at port 0", ACCOUNT "pop3 = pop3s://x:0\n", ":5: pop3: found"},
	{"an inbox nowhere", ACCOUNT "pop3 = pop3s://\n", ":5: pop3: found"},
	{"a poll too often", ACCOUNT "poll = 9s\n", ":5: poll: found \"9s\", expected a number"},
	{"leave with a word that it does not know", ACCOUNT "leave = never\n",
         ":5: leave: found \"never\", expected no, forever or a number with s, m, h or d, from 1s"},
	{"two levels of one time", ACCOUNT "alert = 60m to owner\nalert = 1h to b@company.test\n",
         ":6: alert: found \"1h to b@company.test\", expected a time that no other level"},
	{"a level without to", ACCOUNT "alert = 1h owner\n",
         ":5: alert: found \"1h owner\", expected a number with s, m, h or d, from 1s to 365d, "
         "business or urgent or neither, the word to"},
	{"a level without recipients", ACCOUNT "alert = 1h to\n",
         ":5: alert: found \"1h to\", expected a recipient after the to"},
	{"a level to nobody we know", ACCOUNT "alert = 1h to boss\n",
         ":5: alert: found \"1h to boss\", expected owner, or addresses"},
	{"a level of no time", ACCOUNT "alert = 0s to owner\n", ":5: alert: found \"0s to owner\""},
	{"a level that goes on in an indented line", ACCOUNT "alert = 1h to owner\n  boss@x.test\n",
         ":6: alert: found a second line"},
	{"a listener without a port", "[rejoinder]\ndomains = company.test\nsubmit_to = ::1\n",
         ":3: submit_to: found \"::1\", expected host:port"},
	{"workers without end", "[rejoinder]\ndomains = company.test\nfetch_workers = 33\n",
         ":3: fetch_workers: found \"33\", expected a number from 1 to 32"},
};

static void a_mistake_is_reported(void **state)
{
	const struct mistake_row *row = *state;
	struct string_list mistakes = {0};
	struct config *config;

	write_file(path, row->text);
	assert_int_equal(config_load(path, &config, &mistakes), -1);
	if (mistakes.count != 1)
		fail_msg("%zu mistakes; the second: %s", mistakes.count,
		         mistakes.count > 1 ? mistakes.items[1] : "none");
	if (strncmp(mistakes.items[0] + strlen(path), row->mistake, strlen(row->mistake)) != 0)
		fail_msg("%s", mistakes.items[0]);
	assert_null(strstr(mistakes.items[0], SECRET));
	string_list_release(&mistakes);
}

static void a_password_in_a_public_file_is_a_mistake(void **state)
{
	struct string_list mistakes = {0};
	struct config *config;

	(void)state;
	write_file(path, INBOX "password = " SECRET "\n");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(config_load(path, &config, &mistakes), -1);
	assert_int_equal(mistakes.count, 1);
	assert_memory_equal(mistakes.items[0] + strlen(path), ":8: password: found in a file", 29);
	string_list_release(&mistakes);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(config_load(path, &config, &mistakes), 0);
	config_free(config);
	assert_int_equal(chmod(path, 0600), 0);
}

static void defaults_are_those_of_the_tables(void **state)
{
	struct config *config = load_good(ACCOUNT);
	const struct account *account = &config->accounts[0];

	(void)state;
	assert_string_equal(config->submit_to, "127.0.0.1:2524");
	assert_string_equal(config->alert_from, "postmaster@company.test");
	assert_int_equal(config->fetch_workers, 4);
	assert_null(config->ca_file);
	assert_null(account->pop3);
	assert_string_equal(account->mailbox, "a@company.test");
	assert_int_equal(account->leave_s, 14 * 86400);
	assert_int_equal(account->first_fetch_s, 7 * 86400);
	assert_int_equal(account->poll_s, 300);
	assert_int_equal(account->max_message_bytes, 50 * 1024 * 1024);
	assert_int_equal(account->alerts.count, 0);
	config_free(config);
}

static void what_is_printed_loads_again_but_for_the_password(void **state)
{
	struct config *config = load_good(INBOX "password = " SECRET "\nleave = no\n"
	                                        "alert = 4h to boss@company.test\n"
	                                        "alert = 30m to owner, b@company.test\n"
	                                        "first_fetch = all\nmax_message_size = 10M\n");
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);

	(void)state;
	assert_non_null(stream);
	config_print(config, stream);
	assert_int_equal(fclose(stream), 0);
	assert_null(strstr(text, SECRET));
	assert_non_null(strstr(text, "\npassword = (set)  # "));
	assert_non_null(strstr(text, "\nleave = no  # "));
	assert_non_null(strstr(text, "\nfirst_fetch = all  # "));
	assert_non_null(strstr(text, "\nmax_message_size = 10M  # "));
	assert_non_null(strstr(text, "\nalert = 30m to owner, b@company.test  # "));
	assert_non_null(strstr(text, ":11\nalert = 4h to boss@company.test  # "));
	free(text);
	config_free(config);
}

struct url_row {
	const char *url;
	enum pop3_scheme scheme;
	const char *host;
	uint16_t port;
};

static const struct url_row url_rows[] = {
	{"pop3s://pop.example.org", POP3_SCHEME_TLS, "pop.example.org", 995},
	{"pop3s://pop.example.org:1995/", POP3_SCHEME_TLS, "pop.example.org", 1995},
	{"pop3://mailhost", POP3_SCHEME_STLS, "mailhost", 110},
	{"pop3-plain://127.0.0.1:65535", POP3_SCHEME_PLAIN, "127.0.0.1", 65535},
	{"pop3s://[2001:db8::1]", POP3_SCHEME_TLS, "2001:db8::1", 995},
	{"pop3://[::1]:110", POP3_SCHEME_STLS, "::1", 110},
};

static void the_url_of_an_inbox_is_taken_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(url_rows); i++) {
		char *text = xasprintf(ACCOUNT "incoming = yes\npop3 = %s\nusername = jane\n"
		                               "password_command = x\n",
		                       url_rows[i].url);
		struct config *config = load_good(text);
		enum pop3_scheme scheme;
		char host[ENDPOINT_HOST_SIZE];
		uint16_t port;

		assert_int_equal(config_pop3(&config->accounts[0], &scheme, host, &port), 1);
		assert_int_equal(scheme, url_rows[i].scheme);
		assert_string_equal(host, url_rows[i].host);
		assert_int_equal(port, url_rows[i].port);
		config_free(config);
		free(text);
	}
}

struct password_row {
	const char *name;
	const char *key_and_value; /* %s: the secret file */
	const char *content;       /* of that file */
	const char *password;      /* NULL: an error */
	enum error_kind kind;
	const char *text; /* of the error: a part */
};

static const struct password_row password_rows[] = {
	{"a password of the configuration", "password = " SECRET, "", SECRET, 0, NULL},
	{"a file, whose newline is cut", "password_file = %s", SECRET " x\n", SECRET " x", 0, NULL},
	{"a file with CRLF", "password_file = %s", SECRET "\r\n", SECRET, 0, NULL},
	{"a file without a newline", "password_file = %s", SECRET, SECRET, 0, NULL},
	{"a file of two lines", "password_file = %s", SECRET "\nx\n", NULL, ERROR_CONFIG,
         "control characters"},
	{"an empty file", "password_file = %s", "\n", NULL, ERROR_CONFIG, "found nothing"},
	{"a command", "password_command = cat %s", SECRET "\n", SECRET, 0, NULL},
	{"a command is not read by a shell", "password_command = echo $HOME;x > y", "",
         "$HOME;x > y", 0, NULL},
	{"a command that reads its input finds nothing", "password_command = cat %s /dev/stdin",
         SECRET, SECRET, 0, NULL},
	{"a command that fails", "password_command = cat %s /nonexistent/" SECRET, SECRET, NULL,
         ERROR_TEMPORARY, "password: cat failed: exit status 1"},
	{"a command that is not there", "password_command = /nonexistent/x " SECRET, "", NULL,
         ERROR_CONFIG, "cannot run /nonexistent/x: No such file"},
	{"a command without end", "password_command = yes " SECRET, "", NULL, ERROR_TEMPORARY,
         "yes failed: it printed too much"},
	{"a command that prints nothing", "password_command = true", "", NULL, ERROR_CONFIG,
         "found nothing"},
};

static void a_password_is_found(void **state)
{
	const struct password_row *row = *state;
	struct config *config;
	struct error err = {0};
	struct buffer text;
	char *password;
	size_t length;
	int rc;

	write_file(secret_path, row->content);
	buffer_init(&text, 2000);
	buffer_append_text(&text, INBOX);
	buffer_printf(&text, "%.*s", (int)strcspn(row->key_and_value, "%"), row->key_and_value);
	if (strchr(row->key_and_value, '%') != NULL)
		buffer_printf(&text, "%s%s", secret_path, strchr(row->key_and_value, '%') + 2);
	buffer_append_text(&text, "\n");
	config = load_good(text.data);
	rc = config_password(&config->accounts[0], &password, &length, &err);
	if (row->password != NULL) {
		if (rc != 0)
			fail_msg("%s", err.text);
		assert_int_equal(length, strlen(row->password));
		assert_string_equal(password, row->password);
	} else {
		assert_int_equal(rc, -1);
		assert_int_equal(err.kind, row->kind);
		if (strstr(err.text, row->text) == NULL || strstr(err.text, SECRET) != NULL)
			fail_msg("%s", err.text);
	}
	secret_free(password, length);
	config_free(config);
	buffer_release(&text);
}

static void a_public_password_file_is_refused(void **state)
{
	char *text = xasprintf(INBOX "password_file = %s\n", secret_path);
	struct config *config = load_good(text);
	struct error err;
	char *password;
	size_t length;

	(void)state;
	write_file(secret_path, SECRET);
	assert_int_equal(chmod(secret_path, 0644), 0);
	assert_int_equal(config_password(&config->accounts[0], &password, &length, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_int_equal(chmod(secret_path, 0600), 0);
	config_free(config);
	free(text);
}

int main(void)
{
	struct CMUnitTest tests[5 + COUNT(mistake_rows) + COUNT(password_rows)] = {
		cmocka_unit_test(a_password_in_a_public_file_is_a_mistake),
		cmocka_unit_test(defaults_are_those_of_the_tables),
		cmocka_unit_test(what_is_printed_loads_again_but_for_the_password),
		cmocka_unit_test(the_url_of_an_inbox_is_taken_apart),
		cmocka_unit_test(a_public_password_file_is_refused),
	};
	size_t count = 5;

	for (size_t i = 0; i < COUNT(mistake_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = mistake_rows[i].name,
		                            .test_func = a_mistake_is_reported,
		                            .initial_state = (void *)(uintptr_t)&mistake_rows[i]};
	for (size_t i = 0; i < COUNT(password_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = password_rows[i].name,
		                            .test_func = a_password_is_found,
		                            .initial_state = (void *)(uintptr_t)&password_rows[i]};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
