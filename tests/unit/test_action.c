#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "lib/base/digest.h"
#include "lib/conversation/action.h"
#include "lib/conversation/token.h"

static const struct keyring ring = {
	.keys = {{.id = 'c', .made_on = "2026-02-02", .bytes = "the newest key signs, 32 bytes.."},
                 {.id = 'b', .made_on = "2026-01-01", .bytes = "an older key verifies, 32 bytes."}},
	.count = 2,
};
static const struct keyring older_ring = {
	.keys = {{.id = 'b', .made_on = "2026-01-01", .bytes = "an older key verifies, 32 bytes."}},
	.count = 1,
};
static const struct keyring other_ring = {
	.keys = {{.id = 'c', .made_on = "2026-02-02", .bytes = "same id, but not the same bytes."}},
	.count = 1,
};

static enum action_verdict verify(const struct keyring *keyring, const char *text,
                                  enum action *action, int64_t *notice)
{
	return action_verify(keyring, text, strlen(text), "company.test", action, notice);
}

static void it_gives_back_what_it_is_for(void **state)
{
	static const int64_t ids[] = {1, 31, 32, 0x123456789abcdef, INT64_MAX};
	(void)state;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		for (int wanted = 0; wanted < ACTION_COUNT; wanted++) {
			char text[ACTION_SIZE];
			enum action action = ACTION_COUNT;
			int64_t notice = 0;

			action_make(text, &ring, (enum action)wanted, ids[i], "company.test");
			assert_int_equal(strlen(text), ACTION_LENGTH);
			assert_int_equal(verify(&ring, text, &action, &notice), ACTION_VALID);
			assert_int_equal(action, wanted);
			assert_true(notice == ids[i]);
		}
	}
}

/* The format is a promise to mail that is already sent: recomputed here from its description. */
static void the_format_is_the_one_that_is_documented(void **state)
{
	char text[ACTION_SIZE], expected[ACTION_SIZE + 8];
	unsigned char mac[DIGEST_BYTES];
	unsigned char signed_bytes[] = "rejoinder-action-1\0cs\0\0\0\0\0\0\0\x21"
				       "company.test";
	(void)state;

	action_make(text, &ring, ACTION_SNOOZE, 33, "Company.Test");
	digest_hmac(ring.keys[0].bytes, KEY_BYTES, signed_bytes, sizeof(signed_bytes) - 1, mac);
	/* 33 is "bb" after eleven zeros */
	strcpy(expected, "csaaaaaaaaaaabb");
	base32_encode(mac, 10, expected + 15);
	assert_string_equal(text, expected);
}

static void any_changed_character_is_not_believed(void **state)
{
	char text[ACTION_SIZE];
	(void)state;

	action_make(text, &ring, ACTION_CLOSE, 0x123456789abcdef, "company.test");
	for (size_t at = 0; at < ACTION_LENGTH; at++) {
		for (unsigned value = 0; value < 32; value++) {
			char changed[ACTION_SIZE];
			enum action action = ACTION_COUNT;
			int64_t notice = -7;

			strcpy(changed, text);
			changed[at] = base32_char(value);
			if (changed[at] == text[at])
				continue;
			assert_int_not_equal(verify(&ring, changed, &action, &notice),
			                     ACTION_VALID);
			assert_int_equal(action, ACTION_COUNT);
			assert_true(notice == -7);
		}
	}
}

static void what_keys_and_domains_say(void **state)
{
	static const struct {
		const char *sentence;
		const struct keyring *signer, *verifier;
		const char *domain;
		enum action_verdict expected;
	} rows[] = {
		{"an older key still verifies", &older_ring, &ring, "company.test", ACTION_VALID},
		{"a key that this host lacks", &ring, &older_ring, "company.test",
	         ACTION_UNKNOWN_KEY},
		{"a key of the same id but other bytes", &ring, &other_ring, "company.test",
	         ACTION_FORGED},
		{"another domain", &ring, &ring, "example.org", ACTION_FORGED},
		{"the domain's case does not count", &ring, &ring, "COMPANY.Test", ACTION_VALID},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[ACTION_SIZE];
		enum action action;
		int64_t notice;
		enum action_verdict verdict;

		action_make(text, rows[i].signer, ACTION_TAKE_OVER, 42, "company.test");
		verdict = action_verify(rows[i].verifier, text, ACTION_LENGTH, rows[i].domain,
		                        &action, &notice);
		if (verdict != rows[i].expected)
			fail_msg("%s: %s", rows[i].sentence, action_verdict_name(verdict));
	}
}

static void what_is_none_is_malformed(void **state)
{
	static const struct {
		const char *sentence, *text;
	} rows[] = {
		{"nothing", ""},
		{"one character short", "ccaaaaaaaaaaabbaaaaaaaaaaaaaaa"},
		{"one too long", "ccaaaaaaaaaaabbaaaaaaaaaaaaaaaaa"},
		{"1 is no base32", "ccaaaaaaaaaaabbaaaaaaaaaaaaaaa1"},
		{"no such action", "cxaaaaaaaaaaabbaaaaaaaaaaaaaaaa"},
		{"notice 0", "ccaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		{"the spare 65th bit", "ccqaaaaaaaaaabbaaaaaaaaaaaaaaaa"},
		{"a negative notice", "cciaaaaaaaaaabbaaaaaaaaaaaaaaaa"},
		{"letters that are none", "ccaaaaaaaaaaabbaaaaaa\xc3\xa4"
	                                  "aaaaaaaa"},
	};
	char token[TOKEN_SIZE];
	enum action action;
	int64_t notice;
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (verify(&ring, rows[i].text, &action, &notice) != ACTION_MALFORMED)
			fail_msg("%s was taken for an action", rows[i].sentence);
	}
	token_make(token, &ring, 42, 86400, "company.test");
	assert_int_equal(verify(&ring, token, &action, &notice), ACTION_MALFORMED);
}

static void it_is_no_token(void **state)
{
	char text[ACTION_SIZE];
	int64_t conversation;
	(void)state;

	action_make(text, &ring, ACTION_CLOSE, 42, "company.test");
	assert_int_equal(
		token_verify(&ring, text, ACTION_LENGTH, "company.test", 0, 0, &conversation),
		TOKEN_MALFORMED);
}

static void a_relay_may_upper_case_it(void **state)
{
	char text[ACTION_SIZE];
	enum action action;
	int64_t notice;
	(void)state;

	action_make(text, &ring, ACTION_TAKE_OVER, 42, "company.test");
	for (char *c = text; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	assert_int_equal(verify(&ring, text, &action, &notice), ACTION_VALID);
	assert_int_equal(action, ACTION_TAKE_OVER);
	assert_true(notice == 42);
}

static void names(void **state)
{
	(void)state;

	assert_string_equal(action_name(ACTION_CLOSE), "close");
	assert_string_equal(action_name(ACTION_SNOOZE), "snooze");
	assert_string_equal(action_name(ACTION_TAKE_OVER), "take-over");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gives_back_what_it_is_for),
		cmocka_unit_test(the_format_is_the_one_that_is_documented),
		cmocka_unit_test(any_changed_character_is_not_believed),
		cmocka_unit_test(what_keys_and_domains_say),
		cmocka_unit_test(what_is_none_is_malformed),
		cmocka_unit_test(it_is_no_token),
		cmocka_unit_test(a_relay_may_upper_case_it),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
