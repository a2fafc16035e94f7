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
 * What an admin reads of files that the configuration names and that are not as they
 * should be; and that all else is in force.
 */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* {dir} is a directory of a test's own. */
#define MINIMAL   "[rejoinder]\ndomains = company.test example.com\n"
#define ACCOUNT_A "[account \"A\"]\naddress = a@company.test\n"
#define ACCOUNT_B "[account \"B\"]\naddress = b@company.test\n"

#define SECRET "tapir"

static char directory[] = "/tmp/test_config_troubles.XXXXXX";

static const struct {
	const char *name, *content;
	mode_t mode;
} files[] = {
	{"public", SECRET "\n", 0644},
	{"private", SECRET "\n", 0640},
	{"answer", "Hello\n", 0600},
	{"latin1",
         "Gr\xfc\xdf"
         "e\n",
         0600},
	{"empty", "Subject: x\n\n \n", 0600},
	{"subject", "Subject:\nHello\n", 0600},
	{"placeholders",
         "Subject: Re {subjct}\n\nDear {name}, {reference} { } {x1}\n{acount}{address}\n", 0600},
};

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

static void write_repeated(const char *name, char c, size_t count)
{
	FILE *stream = fopen(path_of(name), "w");

	assert_non_null(stream);
	for (size_t i = 0; i < count; i++)
		fputc(c, stream);
	assert_int_equal(fclose(stream), 0);
}

static int make_files(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	for (size_t i = 0; i < COUNT(files); i++)
		write_file(files[i].name, files[i].content, files[i].mode);
	write_repeated("big", '\n', 65537);
	write_repeated("long", 'x', 999);
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(files); i++)
		unlink(path_of(files[i].name));
	unlink(path_of("big"));
	unlink(path_of("long"));
	unlink(path_of("conf"));
	return rmdir(directory);
}

/* With {dir} in place; the caller's. */
static char *expand(const char *text)
{
	struct buffer out;

	buffer_init(&out, 10000);
	while (*text != '\0') {
		bool is_directory = strncmp(text, "{dir}", 5) == 0;

		if (is_directory)
			buffer_append_text(&out, directory);
		else
			buffer_append_char(&out, *text);
		text += is_directory ? 5 : 1;
	}
	return buffer_take(&out);
}

struct trouble_row {
	const char *name;
	const char *text;
	const char *troubles; /* a line each; the configuration's own name is left out */
};

static const struct trouble_row trouble_rows[] = {
	{"a password file that is not there",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "username = jane\npassword_file = {dir}/none\n",
         ":8: password_file: found \"{dir}/none\", expected a readable file: No such file or "
         "directory\n"},
	{"a password file that others can read",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "username = jane\npassword_file = {dir}/public\n",
         ":8: password_file: found \"{dir}/public\" with mode 0644, expected nothing for "
         "others: chmod o= it\n"},
	{"a password file that is a directory",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "username = jane\npassword_file = {dir}\n",
         ":8: password_file: found \"{dir}\", expected a regular file\n"},
	{"an answer that is not there",
         MINIMAL ACCOUNT_A "incoming = yes\nacknowledge = {dir}/none\n",
         ":6: acknowledge: found \"{dir}/none\", expected a text file: cannot open: No such "
         "file or directory\n"},
	{"an answer that is too big", MINIMAL ACCOUNT_A "incoming = yes\nacknowledge = {dir}/big\n",
         ":6: acknowledge: found \"{dir}/big\", expected a text file: found a larger file, "
         "expected at most 65536 bytes\n"},
	{"an answer that is not UTF-8",
         MINIMAL ACCOUNT_A "incoming = yes\nacknowledge = {dir}/latin1\n",
         "{dir}/latin1:1: found control characters or bytes that are not UTF-8, expected text\n"},
	{"an answer of nothing", MINIMAL ACCOUNT_A "incoming = yes\nacknowledge = {dir}/empty\n",
         "{dir}/empty: found no text, expected what is answered\n"},
	{"an answer with an empty subject and no line after it",
         MINIMAL ACCOUNT_A "incoming = yes\nacknowledge = {dir}/subject\n",
         "{dir}/subject:1: found a subject of 0 bytes, expected 1 to 190\n"
         "{dir}/subject:2: found text, expected an empty line after Subject\n"},
	{"an answer with placeholders that are none",
         MINIMAL ACCOUNT_A "incoming = yes\nacknowledge = {dir}/placeholders\n",
         "{dir}/placeholders:1: found \"{subjct}\", expected perhaps {subject}\n"
         "{dir}/placeholders:3: found \"{name}\", expected {subject}, {reference}, "
         "{conversation}, {account} or {address}\n"
         "{dir}/placeholders:4: found \"{acount}\", expected perhaps {account}\n"},
	{"an answer with a line that is too long",
         MINIMAL ACCOUNT_A "incoming = yes\nacknowledge = {dir}/long\n",
         "{dir}/long:1: found a line of 999 bytes, expected at most 998\n"},
	{"an answer that two accounts share is reported once",
         MINIMAL "[common \"a\"]\nacknowledge = {dir}/latin1\n" ACCOUNT_A
                 "incoming = yes\ninherit = a\n" ACCOUNT_B "incoming = yes\ninherit = a\n",
         "{dir}/latin1:1: found control characters or bytes that are not UTF-8, expected text\n"},
	{"a password file of a disabled account is not looked for",
         MINIMAL ACCOUNT_A "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "enabled = no\nusername = jane\npassword_file = {dir}/none\n",
         ""},
	{"nor an answer of one", MINIMAL ACCOUNT_A "enabled = no\nacknowledge = {dir}/none\n", ""},
	{"files that are as they should be",
         MINIMAL ACCOUNT_A "incoming = yes\npop3 = pop3s://pop.example.org\nusername = jane\n"
                           "password_file = {dir}/private\nacknowledge = {dir}/answer\n",
         ""},
	{"a password file of an inbox",
         MINIMAL ACCOUNT_A "incoming = yes\npop3 = pop3s://pop.example.org\nusername = jane\n"
                           "password_file = {dir}/none\n",
         ":8: password_file: found \"{dir}/none\", expected a readable file: No such file or "
         "directory\n"},
	{"several at once",
         MINIMAL ACCOUNT_A "incoming = yes\nacknowledge = {dir}/none\n" ACCOUNT_B
                           "outgoing = yes\nrelay = smtp://smtp.example.org\n"
                           "username = jane\npassword_file = {dir}/public\n",
         ":6: acknowledge: found \"{dir}/none\", expected a text file: cannot open: No such "
         "file or directory\n"
         ":12: password_file: found \"{dir}/public\" with mode 0644, expected nothing for "
         "others: chmod o= it\n"},
};

static struct config *load(const char *row_text)
{
	char *text = expand(row_text);
	struct string_list mistakes = {0};
	struct config *config;

	write_file("conf", text, 0600);
	free(text);
	if (config_load(path_of("conf"), &config, &mistakes) != 0)
		fail_msg("%s", mistakes.items[0]);
	assert_int_equal(mistakes.count, 0);
	return config;
}

static void all_troubles_are_told_and_the_rest_is_in_force(void **state)
{
	const struct trouble_row *row = *state;
	struct config *config = load(row->text);
	char *expected = expand(row->troubles);
	const char *path = path_of("conf");
	struct buffer found;

	buffer_init(&found, 10000);
	buffer_append_text(&found, "");
	for (size_t i = 0; i < config->troubles.count; i++) {
		const char *trouble = config->troubles.items[i];

		if (strncmp(trouble, path, strlen(path)) == 0)
			trouble += strlen(path);
		buffer_printf(&found, "%s\n", trouble);
	}
	assert_string_equal(found.data, expected);
	assert_null(strstr(found.data, SECRET));
	assert_string_equal(config->accounts[0].address, "a@company.test");
	buffer_release(&found);
	config_free(config);
	free(expected);
}

static void what_cannot_be_read_is_not_answered(void **state)
{
	static const char *const answers[] = {"none",    "big",          "latin1", "empty",
	                                      "subject", "placeholders", "long"};

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		char text[400];
		struct config *config;

		/* The second has the same troubles, which are told once. */
		snprintf(text, sizeof(text),
		         MINIMAL ACCOUNT_A "incoming = yes\nacknowledge = %s/%s\n" ACCOUNT_B
		                           "incoming = yes\nacknowledge = %s/%s\n",
		         directory, answers[i], directory, answers[i]);
		config = load(text);
		for (size_t j = 0; j < 2; j++) {
			assert_null(config->accounts[j].acknowledge_text);
			assert_null(config->accounts[j].acknowledge_subject);
		}
		config_free(config);
	}
}

int main(void)
{
	struct CMUnitTest tests[1 + COUNT(trouble_rows)] = {
		cmocka_unit_test(what_cannot_be_read_is_not_answered),
	};
	size_t count = 1;

	for (size_t i = 0; i < COUNT(trouble_rows); i++)
		tests[count++] = (struct CMUnitTest){
			.name = trouble_rows[i].name,
			.test_func = all_troubles_are_told_and_the_rest_is_in_force,
			.initial_state = (void *)(uintptr_t)&trouble_rows[i]};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
