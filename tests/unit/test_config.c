#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/config.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MINIMAL             "[rejoinder]\ndomains = company.test\n"
#define ACCOUNT(name, rest) "[account \"" name "\"]\naddress = " rest "\n"
#define TEN                 "xxxxxxxxxx"
#define FIFTY               TEN TEN TEN TEN TEN

static char path[] = "/tmp/test_config.XXXXXX";
static char staff_path[] = "/tmp/test_config_staff.XXXXXX";

static int make_files(void **state)
{
	int fd = mkstemp(path), staff_fd = mkstemp(staff_path);

	(void)state;
	close(fd);
	close(staff_fd);
	return fd < 0 || staff_fd < 0 ? -1 : 0;
}

static int remove_files(void **state)
{
	(void)state;
	return unlink(path) | unlink(staff_path);
}

static void write_file(const char *file, const char *text, size_t length)
{
	FILE *stream = fopen(file, "w");

	assert_non_null(stream);
	assert_int_equal(fwrite(text, 1, length, stream), length);
	assert_int_equal(fclose(stream), 0);
}

static int load(const char *text, struct config **config_out, struct string_list *mistakes)
{
	write_file(path, text, strlen(text));
	return config_load(path, config_out, mistakes);
}

static struct config *load_good(const char *text)
{
	struct string_list mistakes = {0};
	struct config *config;

	if (load(text, &config, &mistakes) != 0)
		fail_msg("%s", mistakes.items[0]);
	assert_int_equal(mistakes.count, 0);
	return config;
}

/* The mistake without the path before it. */
static const char *said(const char *mistake)
{
	assert_memory_equal(mistake, path, strlen(path));
	return mistake + strlen(path);
}

struct mistake_row {
	const char *name;
	const char *text;
	const char *mistake; /* its beginning, after the path; it is the only one */
};

static const struct mistake_row mistake_rows[] = {
	{"an empty file has no [rejoinder]", "", ": [rejoinder]: found no such section"},
	{"a file of remarks has no [rejoinder]", "# x\n;y\n", ": [rejoinder]: found no such"},
	{"no domains", "[rejoinder]\n", ":1: domains: found none"},
	{"empty domains", "[rejoinder]\n\ndomains =\n", ":3: domains: found none"},
	{"a title of no known kind", MINIMAL "[other]\nx = y\n", ":3: found \"[other]\", expected"},
	{"a title without quotes", MINIMAL "[account A]\n", ":3: found \"[account A]\", expected"},
	{"a title without a name", MINIMAL "[account \"\"]\n", ":3: found \"[account \"\"]\""},
	{"a title with a blank name", MINIMAL "[account \" A\"]\n",
         ":3: found \"[account \" A\"]\""},
	{"a title that is not closed", MINIMAL "[account \"A\"\n", ":3: found \"[account \"A\"\""},
	{"a title with something behind it", MINIMAL "[account \"A\"] x\n", ":3: found \"[account"},
	{"an indented title", MINIMAL " [account \"A\"]\n",
         ":3: found \"[account \"A\"]\" indented"},
	{"[rejoinder] twice", MINIMAL "[rejoinder]\n",
         ":3: [rejoinder]: found twice, expected once (first on line 1)"},
	{"a key before any title", "store = /x\n" MINIMAL, ":1: store: found before any title"},
	{"an unknown key with a near one", MINIMAL "stafff = *\n",
         ":3: stafff: found an unknown key, expected perhaps staff"},
	{"an unknown key with none near", MINIMAL "colour = red\n",
         ":3: colour: found an unknown key, expected one of rejoinder.conf(5)"},
	{"a very long unknown key", MINIMAL FIFTY FIFTY " = red\n", ":3: " FIFTY},
	{"a key of the other section", MINIMAL "deliver = both\n",
         ":3: deliver: found it in [rejoinder], expected it in an account"},
	{"a key of [rejoinder] in an account", MINIMAL ACCOUNT("A", "a@company.test\nstaff = *"),
         ":5: staff: found it in an account, expected it in [rejoinder]"},
	{"a key twice", MINIMAL "log = stderr\nlog = syslog\n",
         ":4: log: found twice, expected once (first on line 3)"},
	{"a list twice, not continued", MINIMAL "staff = *\n\nstaff = a@b.c\n",
         ":5: staff: found twice, expected once (first on line 3)"},
	{"a line without =", MINIMAL "hello\n", ":3: found \"hello\", expected key = value"},
	{"the last line without = and end", MINIMAL "hello", ":3: found \"hello\", expected"},
	{"a line without a key", MINIMAL "= hello\n", ":3: found no key before \"=\""},
	{"a value that goes on although it is no list", MINIMAL "log = stderr\n  x\n",
         ":4: log: found a second line \"x\""},
	{"a key that is indented by mistake", MINIMAL "staff = *\n  log = stderr\n",
         ":4: log: found it indented, which continues staff above"},
	{"a line of 200 bytes", MINIMAL "staff = " FIFTY FIFTY FIFTY TEN TEN TEN TEN "xx\n  more\n",
         ":3: found a line of 200 bytes, expected at most 199"},
	{"a long title hides its keys",
         MINIMAL "[account \"" FIFTY FIFTY FIFTY FIFTY "\"]\naddress = x\n", ":3: found a line of"},
	{"control characters", MINIMAL "staff = \001\n", ":3: found control characters"},
	{"bytes that are not UTF-8", MINIMAL "staff = \xff\n", ":3: found control characters or"},
	{"overlong UTF-8", MINIMAL "# \xc0\xaf\n", ":3: found control characters or"},
	{"a wrong domain", "[rejoinder]\ndomains = company\n",
         ":2: domains: found \"company\", expected a domain"},
	{"a wrong pattern", MINIMAL "staff = company.test\n",
         ":3: staff: found \"company.test\", expected user@company.example"},
	{"a wrong host", MINIMAL "internal_hosts = localhost\n",
         ":3: internal_hosts: found \"localhost\", expected an IP address"},
	{"a wrong choice", MINIMAL "log_level = loud\n",
         ":3: log_level: found \"loud\", expected one of error, warning, info, debug"},
	{"a duration without a unit", MINIMAL "token_lifetime = 30\n",
         ":3: token_lifetime: found \"30\", expected a number with s, m, h or d, from 1d to 3650d"},
	{"a duration under its limit", MINIMAL "commit_timeout = 99ms\n",
         ":3: commit_timeout: found \"99ms\", expected a number with ms, s, m, h or d, from 100ms"},
	{"a duration over its limit", MINIMAL "token_lifetime = 3651d\n", ":3: token_lifetime: "},
	{"a duration that overflows", MINIMAL "token_lifetime = 9223372036854775807d\n",
         ":3: token_lifetime: found \"9223372036854775807d\""},
	{"a relative path", MINIMAL "store = rejoinder.db\n", ":3: store: found \"rejoinder.db\""},
	{"a wrong socket", MINIMAL "milter_socket = /run/x\n",
         ":3: milter_socket: found \"/run/x\", expected unix:/path"},
	{"a socket whose path is too long",
         MINIMAL "milter_socket = unix:/" FIFTY FIFTY "1234567\n", ":3: milter_socket: found"},
	{"a port of nothing", MINIMAL "milter_socket = inet:0@localhost\n", ":3: milter_socket: "},
	{"a delimiter of two characters", MINIMAL "delimiter = ++\n",
         ":3: delimiter: found \"++\""},
	{"an empty path", MINIMAL "keys =\n", ":3: keys: found \"\", expected 1 to 190 bytes"},
	{"an account without address", MINIMAL "[account \"A\"]\n",
         ":3: address: found none in [account \"A\"], expected one"},
	{"an account with a wrong address", MINIMAL ACCOUNT("A", "nobody"),
         ":4: address: found \"nobody\", expected an address"},
	{"an account of a foreign domain", MINIMAL ACCOUNT("A", "a@example.org"),
         ":4: address: found \"a@example.org\", expected an address in one of domains"},
	{"a wrong yes or no", MINIMAL ACCOUNT("A", "a@company.test\nincoming = true"),
         ":5: incoming: found \"true\", expected yes or no"},
	{"a wrong value in a disabled account",
         MINIMAL ACCOUNT("A", "a@company.test\nenabled = no\nfrom = me"),
         ":6: from: found \"me\", expected one of keep, account, name"},
	{"two accounts of one name, though in another case and disabled",
         MINIMAL ACCOUNT("Sales", "a@company.test")
                 ACCOUNT("SALES", "b@company.test\nenabled = no"),
         ":5: [account \"SALES\"]: found twice, expected once (first on line 3)"},
	{"two enabled accounts of one address",
         MINIMAL ACCOUNT("A", "a@company.test") ACCOUNT("B", "A@Company.Test"),
         ":6: address: found \"a@company.test\" in two enabled accounts, expected it in one (first "
         "on line 4)"},
	{"two default incoming accounts for a domain",
         MINIMAL ACCOUNT("A", "a@company.test\nincoming = yes\ndefault_incoming = yes")
                 ACCOUNT("B", "b@company.test\nincoming = yes\ndefault_incoming = yes"),
         ":10: default_incoming: found two enabled accounts for domain company.test, expected one "
         "(the other is [account \"A\"])"},
	{"two default outgoing accounts for a domain, one by default_for",
         "[rejoinder]\ndomains = company.test example.com\n" ACCOUNT(
		 "A", "a@company.test\noutgoing = yes\ndefault_outgoing = yes")
                 ACCOUNT("B", "b@example.com\noutgoing = yes\ndefault_outgoing = yes\n"
                              "default_for = example.com, Company.test"),
         ":10: default_outgoing: found two enabled accounts for domain company.test"},
	{"default_for a foreign domain",
         MINIMAL ACCOUNT("A", "a@company.test\ndefault_for = a.test"),
         ":5: default_for: found \"a.test\", expected one of domains"},
	{"a default incoming account without incoming",
         MINIMAL ACCOUNT("A", "a@company.test\ndefault_incoming = yes"),
         ":5: default_incoming: found \"yes\", expected no, or incoming = yes"},
	{"a default outgoing account without outgoing",
         MINIMAL ACCOUNT("A", "a@company.test\ndefault_outgoing = yes"),
         ":5: default_outgoing: found \"yes\", expected no, or outgoing = yes"},
	{"a replies address that leaves no room for a token",
         MINIMAL ACCOUNT("A", TEN TEN TEN "@company.test\nincoming = yes"),
         ":4: address: found \"" TEN TEN TEN "@company.test\", expected at most 29 bytes"},
	{"a staff_file that is not there", MINIMAL "staff_file = /nonexistent/staff\n", NULL},
};

static void a_mistake_is_reported(void **state)
{
	const struct mistake_row *row = *state;
	struct string_list mistakes = {0};
	struct config *config;

	assert_int_equal(load(row->text, &config, &mistakes), -1);
	assert_null(config);
	if (mistakes.count != 1)
		fail_msg("%zu mistakes; the second: %s", mistakes.count,
		         mistakes.count > 1 ? mistakes.items[1] : "none");
	if (row->mistake == NULL)
		assert_string_equal(mistakes.items[0], "/nonexistent/staff: cannot open: No such "
		                                       "file or directory");
	else if (strncmp(said(mistakes.items[0]), row->mistake, strlen(row->mistake)) != 0)
		fail_msg("%s", mistakes.items[0]);
	string_list_release(&mistakes);
}

static void all_mistakes_are_reported_at_once(void **state)
{
	static const char text[] = "[rejoinder]\n"
				   "domains = company.test, one, two\n"
				   "log = file\n"
				   "\n"
				   "nonsense\n"
				   "[account \"A\"]\n"
				   "adress = a@company.test\n";
	static const char *const expected[] = {
		":2: domains: found \"one\"",
		":2: domains: found \"two\"",
		":3: log: found \"file\"",
		":5: found \"nonsense\"",
		":7: adress: found an unknown key, expected perhaps address",
		":6: address: found none in [account \"A\"]"};
	struct string_list mistakes = {0};
	struct config *config;

	(void)state;
	assert_int_equal(load(text, &config, &mistakes), -1);
	assert_int_equal(mistakes.count, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++)
		assert_memory_equal(said(mistakes.items[i]), expected[i], strlen(expected[i]));
	string_list_release(&mistakes);
}

static void mistakes_have_an_end(void **state)
{
	char text[1200] = MINIMAL;
	struct string_list mistakes = {0};
	struct config *config;

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, "nonsense\n");
	assert_int_equal(load(text, &config, &mistakes), -1);
	assert_int_equal(mistakes.count, 51);
	assert_string_equal(said(mistakes.items[49]),
	                    ":52: found \"nonsense\", expected key = value");
	assert_memory_equal(said(mistakes.items[50]), ": found more mistakes", 21);
	string_list_release(&mistakes);
}

static void a_nul_is_a_mistake(void **state)
{
	static const char text[] = MINIMAL "staff = a\0b\n";
	struct string_list mistakes = {0};
	struct config *config;

	(void)state;
	write_file(path, text, sizeof(text) - 1);
	assert_int_equal(config_load(path, &config, &mistakes), -1);
	assert_int_equal(mistakes.count, 1);
	assert_memory_equal(said(mistakes.items[0]), ":3: found control characters", 28);
	string_list_release(&mistakes);
}

static void a_file_that_cannot_be_read_is_said(void **state)
{
	struct string_list mistakes = {0};
	struct config *config;

	(void)state;
	assert_int_equal(config_load("/nonexistent/x", &config, &mistakes), -1);
	assert_string_equal(mistakes.items[0],
	                    "/nonexistent/x: cannot open: No such file or directory");
	assert_int_equal(config_load("/", &config, &mistakes), -1);
	assert_string_equal(mistakes.items[1], "/: cannot read: Is a directory");
	string_list_release(&mistakes);
}

static void mistakes_of_staff_file_name_that_file(void **state)
{
	static const char staff[] = "# staff\njane@company.test # Jane\n\nbob\nbob@x.test more\n";
	char text[200], expected[200];
	struct string_list mistakes = {0};
	struct config *config;

	(void)state;
	write_file(staff_path, staff, strlen(staff));
	snprintf(text, sizeof(text), MINIMAL "staff_file = %s\n", staff_path);
	assert_int_equal(load(text, &config, &mistakes), -1);
	assert_int_equal(mistakes.count, 2);
	snprintf(expected, sizeof(expected), "%s:4: found no pattern", staff_path);
	assert_memory_equal(mistakes.items[0], expected, strlen(expected));
	snprintf(expected, sizeof(expected), "%s:5: found more after the pattern", staff_path);
	assert_memory_equal(mistakes.items[1], expected, strlen(expected));
	string_list_release(&mistakes);
}

static void staff_file_adds_to_staff(void **state)
{
	static const char staff[] = "# staff\n  jane@example.org # Jane\r\n\n*.example.com";
	char text[200];
	struct config *config;

	(void)state;
	write_file(staff_path, staff, strlen(staff));
	snprintf(text, sizeof(text), MINIMAL "staff = @company.test\nstaff_file = %s\n",
	         staff_path);
	config = load_good(text);
	assert_int_equal(config->staff.count, 3);
	assert_int_equal(config->staff_own_count, 1);
	assert_true(config_is_staff(config, "bob@company.test"));
	assert_true(config_is_staff(config, "Jane@Example.org"));
	assert_true(config_is_staff(config, "x@mail.example.com"));
	assert_false(config_is_staff(config, "bob@example.org"));
	config_free(config);
}

static void staff_file_has_a_limit(void **state)
{
	char text[200];
	struct string_list mistakes = {0};
	struct config *config;
	FILE *stream = fopen(staff_path, "w");

	(void)state;
	assert_non_null(stream);
	for (int i = 0; i < 10001; i++)
		fprintf(stream, "u%d@company.test\n", i);
	assert_int_equal(fclose(stream), 0);
	snprintf(text, sizeof(text), MINIMAL "staff_file = %s\n", staff_path);
	assert_int_equal(load(text, &config, &mistakes), -1);
	assert_int_equal(mistakes.count, 1);
	assert_non_null(strstr(mistakes.items[0], ":10001: found more lines"));
	string_list_release(&mistakes);
}

static void lists_go_on_in_indented_lines(void **state)
{
	struct config *config = load_good(
		"\xef\xbb\xbf[rejoinder]\r\n"
		"  domains = company.test\r\n"
		"staff =\n\tjane@company.test, bob@company.test\n\n  # a remark\n\t@example.org ; x\n"
		"store = /a;b ; remark\n"
		"log_level = DEBUG");

	(void)state;
	assert_int_equal(config->staff.count, 3);
	assert_string_equal(config->staff.items[0], "jane@company.test");
	assert_string_equal(config->staff.items[2], "@example.org");
	assert_string_equal(config->store, "/a;b");
	assert_int_equal(config->log_level, 3);
	config_free(config);
}

static void a_line_of_199_bytes_is_read_whole(void **state)
{
	struct config *config = load_good(
		MINIMAL "store = /" FIFTY FIFTY FIFTY TEN TEN TEN "12345678\n"
			"keys       =  /" FIFTY FIFTY FIFTY TEN TEN TEN "1234\nlog=stderr\n");

	(void)state;
	assert_int_equal(strlen(config->store), 189);
	assert_int_equal(strlen(config->keys), 185);
	assert_int_equal(config->log, 0);
	config_free(config);
}

static void defaults_are_those_of_the_tables(void **state)
{
	struct config *config = load_good(MINIMAL ACCOUNT("Sales", "Sales@Company.Test"));
	const struct account *account = &config->accounts[0];

	(void)state;
	assert_int_equal(config->internal_hosts.count, 2);
	assert_string_equal(config->delimiter, "+");
	assert_int_equal(config->token_lifetime_s, 400 * 86400);
	assert_int_equal(config->commit_timeout_ms, 10000);
	assert_string_equal(config->keys, "/var/lib/rejoinder/keys");
	assert_null(config->authserv_id);
	assert_null(config->staff_file);
	assert_int_equal(config->senders.count, 0);
	assert_string_equal(account->address, "sales@company.test");
	assert_ptr_equal(account->domain, strchr(account->address, '@') + 1);
	assert_string_equal(account->display_name, "Sales");
	assert_true(account->is_enabled);
	assert_false(account->is_incoming || account->is_outgoing || account->keep_text);
	assert_int_equal(account->default_for.count, 1);
	assert_string_equal(account->default_for.items[0], "company.test");
	assert_int_equal(account->from, FROM_KEEP);
	assert_int_equal(account->envelope_from, ENVELOPE_KEEP);
	assert_int_equal(account->reply_to, REPLY_TO_TOKEN);
	assert_int_equal(account->deliver, DELIVER_OWNER);
	config_free(config);
}

static void values_replace_defaults(void **state)
{
	struct config *config = load_good(
		MINIMAL "internal_hosts = 192.0.2.0/24\ndelimiter =\ntoken_lifetime = 48h\n"
			"[account \"A\"]\naddress = a@company.test\nfrom = name\ndisplay_name = B\n"
			"[account \"C\"]\naddress = c@company.test\nfrom = account\n"
			"envelope_from = keep\ndefault_for =\n");

	(void)state;
	assert_int_equal(config->internal_hosts.count, 1);
	assert_string_equal(config->delimiter, "");
	assert_int_equal(config->token_lifetime_s, 2 * 86400);
	assert_string_equal(config->accounts[0].display_name, "B");
	assert_int_equal(config->accounts[0].envelope_from, ENVELOPE_ACCOUNT);
	assert_int_equal(config->accounts[1].envelope_from, ENVELOPE_KEEP);
	assert_int_equal(config->accounts[1].default_for.count, 0);
	config_free(config);
}

int main(void)
{
	struct CMUnitTest tests[11 + COUNT(mistake_rows)] = {
		cmocka_unit_test(all_mistakes_are_reported_at_once),
		cmocka_unit_test(mistakes_have_an_end),
		cmocka_unit_test(a_nul_is_a_mistake),
		cmocka_unit_test(a_file_that_cannot_be_read_is_said),
		cmocka_unit_test(mistakes_of_staff_file_name_that_file),
		cmocka_unit_test(staff_file_adds_to_staff),
		cmocka_unit_test(staff_file_has_a_limit),
		cmocka_unit_test(lists_go_on_in_indented_lines),
		cmocka_unit_test(a_line_of_199_bytes_is_read_whole),
		cmocka_unit_test(defaults_are_those_of_the_tables),
		cmocka_unit_test(values_replace_defaults),
	};
	size_t count = 11;

	for (size_t i = 0; i < COUNT(mistake_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = mistake_rows[i].name,
		                            .test_func = a_mistake_is_reported,
		                            .initial_state = (void *)(uintptr_t)&mistake_rows[i]};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
