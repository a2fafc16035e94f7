#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/config.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MINIMAL             "[rejoinder]\ndomains = company.test\n"
#define ACCOUNT(name, rest) "[account \"" name "\"]\naddress = " rest "\n"
#define DEFAULT             "incoming = yes\noutgoing = yes\ndefault_incoming = yes\ndefault_outgoing = yes\n"

static struct config *load_good(const char *text)
{
	char path[] = "/tmp/test_config_lookup.XXXXXX";
	int fd = mkstemp(path);
	struct string_list mistakes = {0};
	struct config *config;
	int rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	rc = config_load(path, &config, &mistakes);
	unlink(path);
	if (rc != 0)
		fail_msg("%s", mistakes.items[0]);
	return config;
}

static void disabled_accounts_are_kept_and_take_part_in_nothing(void **state)
{
	struct config *config =
		load_good(MINIMAL ACCOUNT("A", "a@company.test\n" DEFAULT "enabled = no")
	                          ACCOUNT("B", "a@company.test\n" DEFAULT)
	                                  ACCOUNT("C", "c@example.org\nenabled = no\n" DEFAULT));
	const char *detail;
	size_t length;

	(void)state;
	assert_int_equal(config->account_count, 3);
	assert_ptr_equal(config_account_by_address(config, "A@company.test"), &config->accounts[1]);
	assert_ptr_equal(config_default_incoming(config, "Company.test"), &config->accounts[1]);
	assert_ptr_equal(config_default_outgoing(config, "company.test"), &config->accounts[1]);
	assert_null(config_account_by_address(config, "c@example.org"));
	assert_null(config_default_incoming(config, "example.org"));
	assert_null(config_default_outgoing(config, "example.org"));
	assert_null(config_incoming_for_rcpt(config, "c@example.org", &detail, &length));
	config_free(config);
}

static void inside_is_what_domains_name(void **state)
{
	struct config *config = load_good("[rejoinder]\ndomains = Company.test example.com\n");

	(void)state;
	assert_true(config_has_domain(config, "COMPANY.test"));
	assert_false(config_has_domain(config, "mail.company.test"));
	assert_true(config_is_inside(config, "jane@example.COM"));
	assert_false(config_is_inside(config, "jane@example.org"));
	assert_false(config_is_inside(config, "company.test"));
	assert_false(config_is_inside(config, ""));
	assert_int_equal(config->account_count, 0);
	config_free(config);
}

struct rcpt_row {
	const char *name;
	const char *rcpt;
	const char *account; /* NULL: none */
	const char *detail;
};

static const struct rcpt_row rcpt_rows[] = {
	{"a recipient is the account's address", "replies@company.test", "Replies", NULL},
	{"a recipient has any case", "Replies@COMPANY.Test", "Replies", NULL},
	{"a recipient has a detail, in its own case", "REPLIES+AbC@company.test", "Replies", "AbC"},
	{"a detail has another delimiter in it", "replies+a+b@company.test", "Replies", "a+b"},
	{"a detail is empty", "replies+@company.test", "Replies", NULL},
	{"an account with a detail is taken exactly", "replies+eu@company.test", "Europe", NULL},
	{"an account with a detail has details too", "replies+eu+x@company.test", "Europe", "x"},
	{"a longer detail is not the account's", "replies+eux@company.test", "Replies", "eux"},
	{"another delimiter makes no detail", "replies-x@company.test", NULL, NULL},
	{"a longer local part is nobody", "repliesx@company.test", NULL, NULL},
	{"a shorter local part is nobody", "repl@company.test", NULL, NULL},
	{"a foreign domain is nobody", "replies@example.org", NULL, NULL},
	{"an outgoing account takes nothing", "out@company.test", NULL, NULL},
	{"a recipient without a domain is nobody", "replies", NULL, NULL},
	{"an empty recipient is nobody", "", NULL, NULL},
	{"a recipient without a local part is nobody", "@company.test", NULL, NULL},
	{"a delimiter alone is nobody", "+x@company.test", NULL, NULL},
};

static void a_recipient_finds_its_account(void **state)
{
	const struct rcpt_row *row = *state;
	struct config *config =
		load_good(MINIMAL ACCOUNT("Replies", "replies@company.test\nincoming = yes")
	                          ACCOUNT("Europe", "replies+eu@company.test\nincoming = yes")
	                                  ACCOUNT("Out", "out@company.test\noutgoing = yes"));
	const struct account *account;
	const char *detail;
	size_t length;

	account = config_incoming_for_rcpt(config, row->rcpt, &detail, &length);
	if (row->account == NULL)
		assert_null(account);
	else
		assert_string_equal(account->name, row->account);
	if (row->detail == NULL) {
		assert_null(detail);
	} else {
		assert_int_equal(length, strlen(row->detail));
		assert_memory_equal(detail, row->detail, length);
		assert_true(detail > row->rcpt && detail < row->rcpt + strlen(row->rcpt));
	}
	config_free(config);
}

static void an_address_at_a_service_is_inside_alone(void **state)
{
	struct config *config = load_good(
		MINIMAL ACCOUNT("A", "a@example.org\noutgoing = yes\nrelay = smtp://x.example.org")
			ACCOUNT("B", "b@company.test"));

	(void)state;
	assert_true(config_is_inside(config, "A@example.org"));
	assert_false(config_is_inside(config, "b@example.org"));
	assert_false(config_has_domain(config, "example.org"));
	assert_string_equal(config_id_domain(config, &config->accounts[0]), "company.test");
	assert_string_equal(config_id_domain(config, &config->accounts[1]), "company.test");
	config_free(config);
}

int main(void)
{
	struct CMUnitTest tests[3 + COUNT(rcpt_rows)] = {
		cmocka_unit_test(disabled_accounts_are_kept_and_take_part_in_nothing),
		cmocka_unit_test(inside_is_what_domains_name),
		cmocka_unit_test(an_address_at_a_service_is_inside_alone),
	};
	size_t count = 3;

	for (size_t i = 0; i < COUNT(rcpt_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = rcpt_rows[i].name,
		                            .test_func = a_recipient_finds_its_account,
		                            .initial_state = (void *)(uintptr_t)&rcpt_rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
