#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/config.h"

/* Which token_domain an account may have. */

#define HEAD "[rejoinder]\ndomains = company.test, answers.test\n"
#define SUPPORT                                                                                    \
	"[account \"Support\"]\naddress = support@company.test\nincoming = yes\n"                  \
	"token_domain = answers.test\n"

static const struct {
	const char *sentence, *text;
	const char *mistake; /* without the path, or NULL */
} rows[] = {
	{"a domain of ours where nobody has an address", HEAD SUPPORT, NULL},
	{"the domain of the account itself",
         HEAD "[account \"Own\"]\naddress = own@answers.test\nincoming = yes\n"
              "token_domain = Answers.TEST\n",
         NULL},
	{"a domain that is not ours", "[rejoinder]\ndomains = company.test\n" SUPPORT,
         ":6: token_domain: found \"answers.test\", expected one of domains"},
	{"an account that only sends",
         HEAD "[account \"S\"]\naddress = s@company.test\noutgoing = yes\n"
              "token_domain = answers.test\n",
         ":6: token_domain: found \"answers.test\" without an incoming side, expected "
         "incoming = yes in [account \"S\"]"},
	{"two accounts share it",
         HEAD SUPPORT "[account \"Sales\"]\naddress = sales@company.test\nincoming = yes\n"
                      "token_domain = answers.test\n",
         ":10: token_domain: found \"answers.test\" in two enabled accounts, expected it in one "
         "(the other is [account \"Support\"])"},
	{"two, of which one is disabled",
         HEAD SUPPORT "[account \"Sales\"]\nenabled = no\naddress = sales@company.test\n"
                      "incoming = yes\ntoken_domain = answers.test\n",
         NULL},
	{"another account has its address there",
         HEAD SUPPORT "[account \"Sales\"]\naddress = sales@answers.test\nincoming = yes\n",
         ":6: token_domain: found \"answers.test\", the domain of [account \"Sales\"], expected "
         "one where no other account has its address"},
	{"so has one that stands before it",
         HEAD "[account \"Sales\"]\naddress = sales@answers.test\nincoming = yes\n" SUPPORT,
         ":9: token_domain: found \"answers.test\", the domain of [account \"Sales\"], expected "
         "one where no other account has its address"},
	{"a long name needs no room beside a token",
         HEAD "[account \"L\"]\naddress = a-name-that-leaves-no-room-for-tokens@company.test\n"
              "incoming = yes\ntoken_domain = answers.test\n",
         NULL},
	{"but it does without such a domain",
         HEAD "[account \"L\"]\naddress = a-name-that-leaves-no-room-for-tokens@company.test\n"
              "incoming = yes\n",
         ":4: address: found \"a-name-that-leaves-no-room-for-tokens@company.test\", expected at "
         "most 29 bytes before the @, so that a token has room within 64 (or reply_to = plain)"},
};

static void which_domain_it_may_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[] = "/tmp/rejoinder-test-XXXXXX";
		struct string_list mistakes = {0};
		struct config *config = NULL;
		int fd = mkstemp(path);

		assert_true(fd >= 0 && write(fd, rows[i].text, strlen(rows[i].text)) > 0 &&
		            close(fd) == 0);
		(void)!config_load(path, &config, &mistakes);
		unlink(path);
		if (mistakes.count != (rows[i].mistake != NULL) ||
		    (mistakes.count > 0 &&
		     strcmp(mistakes.items[0] + strlen(path), rows[i].mistake) != 0))
			fail_msg("%s: %zu mistakes: %s", rows[i].sentence, mistakes.count,
			         mistakes.count > 0 ? mistakes.items[0] : "");
		string_list_release(&mistakes);
		config_free(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(which_domain_it_may_be)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
