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

/* Where an account has its values from: itself, [common] sections, a preset, the defaults. */

#define MINIMAL "[rejoinder]\ndomains = company.test\n"
#define ACCOUNT "[account \"A\"]\naddress = a@company.test\n"
#define SIGN_IN "username = jane\npassword_command = x\n"
#define SECRET  "tapir"

static char path[] = "/tmp/test_config_inherit.XXXXXX";
static char answer_path[] = "/tmp/test_config_answer.XXXXXX";

static int make_files(void **state)
{
	int fd = mkstemp(path), answer_fd = mkstemp(answer_path);

	(void)state;
	close(fd);
	close(answer_fd);
	return fd < 0 || answer_fd < 0 ? -1 : 0;
}

static int remove_files(void **state)
{
	(void)state;
	return unlink(path) | unlink(answer_path);
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

static char *print(const struct config *config)
{
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	config_print(config, stream);
	assert_int_equal(fclose(stream), 0);
	return text;
}

static void assert_line(const char *text, const char *format, ...) PRINTF_LIKE(2, 3);
static void assert_line(const char *text, const char *format, ...)
{
	char line[300];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (strstr(text, line) == NULL)
		fail_msg("no %s in %s", line, text);
}

static void an_account_comes_before_its_common_section(void **state)
{
	struct config *config = load_good(
		MINIMAL "[common \"company\"]\nfrom = account\ndisplay_name = Company\n"
			"senders = jane@company.test, x@company.test\nkeep_text = yes\n"
			"alert = 1h to owner\n" ACCOUNT "inherit = Company\noutgoing = yes\n"
			"from = name\nsenders = bob@company.test\n");
	const struct account *account = &config->accounts[0];

	(void)state;
	assert_int_equal(account->from, FROM_NAME);
	assert_string_equal(account->display_name, "Company");
	assert_true(account->keep_text);
	/* A list is replaced. */
	assert_int_equal(account->senders.count, 1);
	assert_string_equal(account->senders.items[0], "bob@company.test");
	assert_int_equal(account->alerts.count, 1);
	assert_int_equal(account->alerts.items[0].after_s, 3600);
	config_free(config);
}

static void the_nearest_of_a_chain_wins(void **state)
{
	struct config *config =
		load_good(MINIMAL "[common \"near\"]\ninherit = far\nfrom = name\n"
	                          "[common \"far\"]\nfrom = account\nreply_to = plain\n"
	                          "outgoing = yes\n" ACCOUNT "inherit = near\n");
	const struct account *account = &config->accounts[0];

	(void)state;
	assert_int_equal(account->from, FROM_NAME);
	assert_int_equal(account->reply_to, REPLY_TO_PLAIN);
	assert_true(account->is_outgoing);
	config_free(config);
}

static void a_common_section_comes_before_the_preset_that_it_names(void **state)
{
	struct config *config = load_good(
		MINIMAL "[common \"company\"]\npreset = gmail\ndaily_limit = 100\n" SIGN_IN ACCOUNT
			"inherit = company\noutgoing = yes\n");
	const struct account *account = &config->accounts[0];

	(void)state;
	assert_string_equal(account->relay, "smtp://smtp.gmail.com");
	assert_int_equal(account->daily_limit, 100);
	assert_string_equal(account->username, "jane");
	config_free(config);
}

static void what_belongs_to_a_side_is_for_accounts_that_have_it(void **state)
{
	struct config *config = load_good(
		MINIMAL
		"[common \"company\"]\nrelay = smtp://smtp.example.org\ndaily_limit = 9\n"
		"pop3 = pop3s://pop.example.org\ndefault_incoming = yes\n"
		"bcc = boss@company.test\n" SIGN_IN ACCOUNT "inherit = company\noutgoing = yes\n"
		"[account \"B\"]\naddress = b@company.test\ninherit = company\nincoming = yes\n"
		"[account \"C\"]\naddress = c@company.test\ninherit = company\n");
	const struct account *out = &config->accounts[0], *in = &config->accounts[1],
			     *none = &config->accounts[2];

	(void)state;
	assert_non_null(out->relay);
	assert_null(out->pop3);
	assert_false(out->is_default_incoming);
	assert_non_null(out->username);
	assert_null(in->relay);
	assert_int_equal(in->daily_limit, 0);
	assert_int_equal(in->bcc.count, 0);
	assert_non_null(in->pop3);
	assert_true(in->is_default_incoming);
	assert_null(none->relay);
	assert_null(none->username);
	assert_null(none->password_command);
	config_free(config);
}

static void the_nearest_kind_of_password_hides_the_others(void **state)
{
	struct config *config =
		load_good(MINIMAL "[common \"company\"]\nusername = jane\npassword = " SECRET "\n"
	                          "relay = smtps://smtp.example.org\noutgoing = yes\n" ACCOUNT
	                          "inherit = company\npassword_command = own\n"
	                          "[account \"B\"]\naddress = b@company.test\ninherit = company\n");

	(void)state;
	assert_null(config->accounts[0].password);
	assert_string_equal(config->accounts[0].password_command, "own");
	assert_string_equal(config->accounts[0].username, "jane");
	assert_string_equal(config->accounts[1].password, SECRET);
	config_free(config);
}

static void what_is_printed_says_where_it_comes_from(void **state)
{
	struct config *config = load_good(
		MINIMAL "[common \"company\"]\npreset = gmail\nusername = jane\npassword = " SECRET
			"\nalert = 2h to owner\n" ACCOUNT
			"inherit = company\nincoming = yes\noutgoing = yes\n");
	char *text = print(config);

	(void)state;
	assert_line(text, "\ninherit = company  # %s:10\n", path);
	assert_line(text, "\npreset = gmail  # %s:4\n", path);
	assert_line(text, "\nusername = jane  # %s:5\n", path);
	assert_line(text, "\npassword = (set)  # %s:6\n", path);
	assert_line(text, "\nalert = 2h to owner  # %s:7\n", path);
	assert_line(text, "\npop3 = pop3s://pop.gmail.com  # preset gmail\n");
	assert_line(text, "\ndaily_limit = 500  # preset gmail\n");
	assert_line(text, "\nenvelope_from = account  # default\n");
	assert_null(strstr(text, SECRET));
	assert_null(strstr(text, "[common"));
	free(text);
	config_free(config);
}

static void a_relay_makes_the_envelope_sender_the_account(void **state)
{
	struct config *config = load_good(
		MINIMAL ACCOUNT "outgoing = yes\nrelay = smtp://smtp.example.org\n"
				"[account \"B\"]\naddress = b@company.test\noutgoing = yes\n");

	(void)state;
	assert_int_equal(config->accounts[0].from, FROM_KEEP);
	assert_int_equal(config->accounts[0].envelope_from, ENVELOPE_ACCOUNT);
	assert_int_equal(config->accounts[1].envelope_from, ENVELOPE_KEEP);
	config_free(config);
}

static void a_public_file_may_have_no_password_in_a_common_section(void **state)
{
	struct string_list mistakes = {0};
	struct config *config;

	(void)state;
	write_file(path, MINIMAL "[common \"a\"]\npassword = " SECRET "\n");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(config_load(path, &config, &mistakes), -1);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(mistakes.count, 1);
	assert_line(mistakes.items[0], "%s:4: password: found in a file that others can", path);
	assert_null(strstr(mistakes.items[0], SECRET));
	string_list_release(&mistakes);
}

static void commons_have_a_limit(void **state)
{
	struct string_list mistakes = {0};
	struct config *config;
	struct buffer text;

	(void)state;
	buffer_init(&text, 10000);
	buffer_append_text(&text, MINIMAL);
	for (int i = 0; i <= 100; i++)
		buffer_printf(&text, "[common \"c%d\"]\ninherit = c%d\n", i, i + 1);
	write_file(path, text.data);
	assert_int_equal(config_load(path, &config, &mistakes), -1);
	assert_int_equal(mistakes.count, 2);
	assert_line(mistakes.items[0],
	            ":203: found one more [common] section, expected at most 100");
	assert_line(mistakes.items[1], ":202: inherit: found \"c100\", expected perhaps c10");
	string_list_release(&mistakes);
	buffer_release(&text);
}

struct answer_row {
	const char *name;
	const char *content;
	const char *subject; /* NULL: none */
	const char *text;
};

static const struct answer_row answer_rows[] = {
	{"text alone", "Hello {account}\n", NULL, "Hello {account}\n"},
	{"a subject and text", "Subject: Got it: {subject}\n\nHello\n\n  x\n", "Got it: {subject}",
         "Hello\n\n  x\n"},
	{"a subject in another case, blanks around", "SUBJECT:  \tHi \n\nHello", "Hi", "Hello\n"},
	{"CRLF, a tab, and no last line end", "Subject: Hi\r\n\r\nHello\r\n\tx", "Hi",
         "Hello\n\tx\n"},
	{"a byte order mark", "\xef\xbb\xbfSubject: Hi\n\nHello\n", "Hi", "Hello\n"},
	{"braces that are no placeholders", "{ } {1} {Subject} {\n", NULL, "{ } {1} {Subject} {\n"},
	{"a subject that is not in the first line", "\nSubject: Hi\n", NULL, "\nSubject: Hi\n"},
};

static void an_answer_is_read(void **state)
{
	const struct answer_row *row = *state;
	char *text = xasprintf(MINIMAL ACCOUNT "incoming = yes\nacknowledge = %s\n", answer_path);
	struct config *config;

	write_file(answer_path, row->content);
	config = load_good(text);
	if (row->subject == NULL)
		assert_null(config->accounts[0].acknowledge_subject);
	else
		assert_string_equal(config->accounts[0].acknowledge_subject, row->subject);
	assert_string_equal(config->accounts[0].acknowledge_text, row->text);
	config_free(config);
	free(text);
}

int main(void)
{
	enum { OTHERS = 9, ROWS = sizeof(answer_rows) / sizeof(answer_rows[0]) };
	struct CMUnitTest tests[OTHERS + ROWS] = {
		cmocka_unit_test(an_account_comes_before_its_common_section),
		cmocka_unit_test(the_nearest_of_a_chain_wins),
		cmocka_unit_test(a_common_section_comes_before_the_preset_that_it_names),
		cmocka_unit_test(what_belongs_to_a_side_is_for_accounts_that_have_it),
		cmocka_unit_test(the_nearest_kind_of_password_hides_the_others),
		cmocka_unit_test(what_is_printed_says_where_it_comes_from),
		cmocka_unit_test(a_relay_makes_the_envelope_sender_the_account),
		cmocka_unit_test(a_public_file_may_have_no_password_in_a_common_section),
		cmocka_unit_test(commons_have_a_limit),
	};

	for (size_t i = 0; i < ROWS; i++)
		tests[OTHERS + i] =
			(struct CMUnitTest){.name = answer_rows[i].name,
		                            .test_func = an_answer_is_read,
		                            .initial_state = (void *)(uintptr_t)&answer_rows[i]};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
