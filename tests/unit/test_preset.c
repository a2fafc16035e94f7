#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/config.h"
#include "lib/base/memory.h"
#include "lib/base/preset.h"

/* What each row of the table must be, and what an account gets of it. */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MINIMAL "[rejoinder]\ndomains = company.test\n"
#define ACCOUNT "[account \"A\"]\naddress = a@company.test\n"
#define SIGN_IN "username = jane\npassword_command = x\n"

static char path[] = "/tmp/test_preset.XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	close(fd);
	return fd < 0 ? -1 : 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(const char *text)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	fputs(text, stream);
	assert_int_equal(fclose(stream), 0);
}

static struct config *load_good(const char *text)
{
	struct string_list mistakes = {0};
	struct config *config;

	write_file(text);
	if (config_load(path, &config, &mistakes) != 0)
		fail_msg("%s\n%s", text, mistakes.items[0]);
	return config;
}

/* The value of a key as `rejoinder config` prints it, with its origin; the caller's. */
static char *printed(const struct config *config, const char *key)
{
	char *text = NULL, *start, *value, *line_start = xasprintf("\n%s = ", key);
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	config_print(config, stream);
	assert_int_equal(fclose(stream), 0);
	start = strstr(strstr(text, "\n[account"), line_start);
	if (start == NULL)
		fail_msg("no %s in %s", key, text);
	start += strlen(line_start);
	value = xmemdup0(start, strcspn(start, "\n"));
	free(line_start);
	free(text);
	return value;
}

static void assert_printed(const struct config *config, const struct preset *preset,
                           const struct preset_value *value)
{
	char *found = printed(config, value->key);
	char *expected = xasprintf("%s  # preset %s", value->value, preset->name);

	/* The test's own user name hides that of the preset. */
	if (strcmp(value->key, "username") != 0)
		assert_string_equal(found, expected);
	free(expected);
	free(found);
}

/* It is refused for that alone, and so its values were read. */
static void refuse_oauth2(const char *text, const struct preset *preset)
{
	struct string_list mistakes = {0};
	struct config *config;

	write_file(text);
	assert_int_equal(config_load(path, &config, &mistakes), -1);
	assert_int_equal(mistakes.count, 1);
	assert_non_null(strstr(mistakes.items[0], ":9: preset: found "));
	assert_non_null(strstr(mistakes.items[0], preset->name));
	assert_non_null(strstr(mistakes.items[0], "OAuth2"));
	string_list_release(&mistakes);
}

/* Its limit and From are of use where servers of others do the work. */
static void a_preset_of_oauth2_serves_who_has_servers_of_his_own(void **state)
{
	struct config *config = load_good(MINIMAL ACCOUNT SIGN_IN
	                                  "incoming = yes\noutgoing = yes\npreset = microsoft365\n"
	                                  "pop3 = pop3://127.0.0.1\nrelay = smtp://127.0.0.1\n");

	(void)state;
	assert_int_equal(config->accounts[0].from, FROM_ACCOUNT);
	config_free(config);
	/* No relay is one's own too, and a side that the account lacks is none. */
	config = load_good(MINIMAL ACCOUNT "outgoing = yes\npreset = outlook.com\nrelay = none\n");
	config_free(config);
	config = load_good(MINIMAL ACCOUNT SIGN_IN "incoming = yes\npreset = outlook.com\n"
	                                           "pop3 = pop3://127.0.0.1\n");
	assert_int_equal(config->accounts[0].reply_to, REPLY_TO_PLAIN);
	config_free(config);
}

/* Through the parser of values, with all that is checked of an account. */
static void every_preset_loads(void **state)
{
	(void)state;
	for (const struct preset *preset = preset_table(); preset->name != NULL; preset++) {
		char *text = xasprintf(MINIMAL ACCOUNT SIGN_IN
		                       "incoming = yes\noutgoing = yes\npreset = %s\n",
		                       preset->name);
		struct config *config;
		const struct account *account;

		if (preset->sign_in == SIGN_IN_OAUTH2) {
			refuse_oauth2(text, preset);
			free(text);
			continue;
		}
		config = load_good(text);
		account = &config->accounts[0];
		for (size_t i = 0; preset->incoming[i].key != NULL; i++)
			assert_printed(config, preset, &preset->incoming[i]);
		for (size_t i = 0; preset->outgoing[i].key != NULL; i++)
			assert_printed(config, preset, &preset->outgoing[i]);
		assert_int_equal(account->pop3 != NULL, preset_has_incoming(preset));
		assert_non_null(account->relay);
		assert_int_equal(account->envelope_from, ENVELOPE_ACCOUNT);
		assert_int_equal(account->reply_to, preset->sub_addressing == SUB_ADDRESSING_NO
		                                            ? REPLY_TO_PLAIN
		                                            : REPLY_TO_TOKEN);
		config_free(config);
		free(text);
	}
}

static void every_row_is_complete(void **state)
{
	(void)state;
	for (const struct preset *preset = preset_table(); preset->name != NULL; preset++) {
		int year, month, day, end = 0;

		assert_non_null(preset->title);
		assert_ptr_equal(preset_find(preset->name), preset);
		assert_non_null(preset_value(preset, "relay"));
		assert_int_equal(
			sscanf(preset->checked_on, "%4d-%2d-%2d%n", &year, &month, &day, &end), 3);
		assert_int_equal(end, 10);
		assert_int_equal(preset_has_incoming(preset),
		                 preset->sub_addressing != SUB_ADDRESSING_NOT_HERE);
		assert_true(preset->unchecked == NULL || preset->unchecked[0] != '\0');
		assert_null(preset->incoming[PRESET_VALUES_MAX].key);
		assert_null(preset->outgoing[PRESET_VALUES_MAX].key);
	}
}

static void the_services_that_people_use_are_there(void **state)
{
	static const char *const names[] = {"gmail",         "google-workspace",
	                                    "outlook.com",   "microsoft365",
	                                    "yahoo",         "aol",
	                                    "fastmail",      "zoho",
	                                    "gmx",           "yandex",
	                                    "mail.ru",       "ionos",
	                                    "ovh",           "migadu",
	                                    "proton-bridge", "sendgrid",
	                                    "mailgun",       "sparkpost",
	                                    "ses",           "postmark",
	                                    "mandrill"};
	static const char *const outgoing_only[] = {
		"proton-bridge", "sendgrid", "mailgun", "sparkpost", "ses", "postmark", "mandrill"};
	size_t count = 0, without_inbox = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		if (preset_find(names[i]) == NULL)
			fail_msg("no %s", names[i]);
	for (size_t i = 0; i < COUNT(outgoing_only); i++)
		assert_false(preset_has_incoming(preset_find(outgoing_only[i])));
	for (const struct preset *preset = preset_table(); preset->name != NULL; preset++) {
		count++;
		without_inbox += !preset_has_incoming(preset);
	}
	assert_int_equal(count, COUNT(names));
	assert_int_equal(without_inbox, COUNT(outgoing_only));
}

static void a_preset_fills_only_the_sides_that_are_there(void **state)
{
	struct config *config = load_good(MINIMAL ACCOUNT SIGN_IN
	                                  "incoming = yes\npreset = Gmail\n"
	                                  "[account \"B\"]\naddress = b@company.test\n" SIGN_IN
	                                  "outgoing = yes\npreset = gmail\n");
	const struct account *in = &config->accounts[0], *out = &config->accounts[1];

	(void)state;
	assert_string_equal(in->pop3, "pop3s://pop.gmail.com");
	assert_null(in->relay);
	assert_int_equal(in->daily_limit, 0);
	assert_int_equal(in->from, FROM_KEEP);
	assert_null(out->pop3);
	assert_string_equal(out->relay, "smtp://smtp.gmail.com");
	assert_int_equal(out->daily_limit, 500);
	assert_int_equal(out->from, FROM_ACCOUNT);
	config_free(config);
}

static void an_account_overrides_its_preset(void **state)
{
	struct config *config =
		load_good(MINIMAL ACCOUNT SIGN_IN
	                  "outgoing = yes\npreset = ses\n"
	                  "relay = smtp://email-smtp.eu-west-1.amazonaws.com\n"
	                  "[account \"B\"]\naddress = b@company.test\noutgoing = yes\n"
	                  "preset = gmail\nrelay = none\nfrom = name\n");
	const struct account *account = &config->accounts[1];

	(void)state;
	assert_string_equal(config->accounts[0].relay, "smtp://email-smtp.eu-west-1.amazonaws.com");
	/* Without the service its limit is none. */
	assert_null(account->relay);
	assert_int_equal(account->daily_limit, 0);
	assert_int_equal(account->from, FROM_NAME);
	config_free(config);
}

static void a_service_with_one_user_name_needs_a_password_only(void **state)
{
	struct config *config = load_good(
		MINIMAL ACCOUNT "outgoing = yes\npreset = sendgrid\npassword_command = x\n");

	(void)state;
	assert_string_equal(config->accounts[0].username, "apikey");
	config_free(config);
}

static void a_misspelt_name_has_a_near_one(void **state)
{
	(void)state;
	assert_string_equal(preset_nearest("gmial"), "gmail");
	assert_string_equal(preset_nearest("microsoft"), "microsoft365");
	assert_string_equal(preset_nearest("fast-mail"), "fastmail");
	assert_null(preset_nearest("x"));
	assert_null(preset_nearest(""));
	assert_null(preset_find(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_preset_loads),
		cmocka_unit_test(a_preset_of_oauth2_serves_who_has_servers_of_his_own),
		cmocka_unit_test(every_row_is_complete),
		cmocka_unit_test(the_services_that_people_use_are_there),
		cmocka_unit_test(a_preset_fills_only_the_sides_that_are_there),
		cmocka_unit_test(an_account_overrides_its_preset),
		cmocka_unit_test(a_service_with_one_user_name_needs_a_password_only),
		cmocka_unit_test(a_misspelt_name_has_a_near_one),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
