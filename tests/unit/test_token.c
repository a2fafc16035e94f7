#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/digest.h"
#include "lib/conversation/token.h"

#define DAY      ((int64_t)86400)
#define NOW      (20000 * DAY + 3600)
#define LIFETIME (400 * DAY)

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

static enum token_verdict verify(const struct keyring *keyring, const char *token, int64_t now,
                                 int64_t *conversation)
{
	return token_verify(keyring, token, strlen(token), "company.test", now, LIFETIME,
	                    conversation);
}

static void a_token_gives_back_its_conversation(void **state)
{
	static const int64_t ids[] = {1, 31, 32, 0x123456789abcdef, INT64_MAX - 1, INT64_MAX};
	(void)state;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		char token[TOKEN_SIZE];
		int64_t conversation = 0;

		token_make(token, &ring, ids[i], NOW, "company.test");
		assert_int_equal(strlen(token), TOKEN_LENGTH);
		assert_int_equal(verify(&ring, token, NOW, &conversation), TOKEN_VALID);
		assert_true(conversation == ids[i]);
	}
}

/* The format is a promise to mail that is already sent: recomputed here from its description. */
static void the_format_is_the_one_that_is_documented(void **state)
{
	char token[TOKEN_SIZE], expected[TOKEN_SIZE + 8];
	unsigned char mac[DIGEST_BYTES];
	unsigned char signed_bytes[] = "rejoinder-token-1\0c\0\0\0\0\0\0\0\x21\0\0\x4e\x20"
				       "company.test";
	(void)state;

	token_make(token, &ring, 33, NOW, "Company.Test");
	digest_hmac(ring.keys[0].bytes, KEY_BYTES, signed_bytes, sizeof(signed_bytes) - 1, mac);
	/* 33 is "bb" after eleven zeros; day 20000 is 0x4e20: 0 19 17 0 -> "atra" */
	strcpy(expected, "caaaaaaaaaaabb"
	                 "atra");
	base32_encode(mac, 10, expected + 18);
	assert_string_equal(token, expected);
}

static void any_changed_character_is_not_believed(void **state)
{
	char token[TOKEN_SIZE];
	(void)state;

	token_make(token, &ring, 0x123456789abcdef, NOW, "company.test");
	for (size_t at = 0; at < TOKEN_LENGTH; at++) {
		for (unsigned value = 0; value < 32; value++) {
			char changed[TOKEN_SIZE];
			int64_t conversation = -7;

			strcpy(changed, token);
			changed[at] = base32_char(value);
			if (changed[at] == token[at])
				continue;
			assert_int_not_equal(verify(&ring, changed, NOW, &conversation),
			                     TOKEN_VALID);
			assert_true(conversation == -7);
		}
	}
}

static void what_time_and_keys_say(void **state)
{
	static const struct {
		const char *sentence;
		const struct keyring *signer, *verifier;
		int64_t issued_at, now;
		const char *domain;
		enum token_verdict expected;
	} rows[] = {
		{"an older key still verifies", &older_ring, &ring, NOW, NOW, "company.test",
	         TOKEN_VALID},
		{"a key that this host lacks", &ring, &older_ring, NOW, NOW, "company.test",
	         TOKEN_UNKNOWN_KEY},
		{"a key of the same id but other bytes", &ring, &other_ring, NOW, NOW,
	         "company.test", TOKEN_FORGED},
		{"a token of another domain", &ring, &ring, NOW, NOW, "example.org", TOKEN_FORGED},
		{"the domain's case does not count", &ring, &ring, NOW, NOW, "COMPANY.Test",
	         TOKEN_VALID},
		{"on its last day", &ring, &ring, NOW, NOW + LIFETIME, "company.test", TOKEN_VALID},
		{"within the day of grace", &ring, &ring, NOW, NOW + LIFETIME + DAY, "company.test",
	         TOKEN_VALID},
		{"a day after the grace", &ring, &ring, NOW, NOW + LIFETIME + 2 * DAY,
	         "company.test", TOKEN_EXPIRED},
		{"issued tomorrow by a clock that is ahead", &ring, &ring, NOW + DAY, NOW,
	         "company.test", TOKEN_VALID},
		{"issued in two days", &ring, &ring, NOW + 2 * DAY, NOW, "company.test",
	         TOKEN_EARLY},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char token[TOKEN_SIZE];
		int64_t conversation;
		enum token_verdict verdict;

		token_make(token, rows[i].signer, 42, rows[i].issued_at, "company.test");
		verdict = token_verify(rows[i].verifier, token, TOKEN_LENGTH, rows[i].domain,
		                       rows[i].now, LIFETIME, &conversation);
		if (verdict != rows[i].expected)
			fail_msg("%s: %s", rows[i].sentence, token_verdict_name(verdict));
	}
}

static void what_is_no_token_is_malformed(void **state)
{
	static const char *const rows[] = {
		"",
		"a",
		"caaaaaaaaaaab",                       /* no whole conversation */
		"caaaaaaaaaaabbatraaaaaaaaaaaaaaaaaa", /* one long */
		"caaaaaaaaaaabbatraaaaaaaaaaaaaaaa1",  /* 1 is no base32 */
		"caaaaaaaaaaaaaatraaaaaaaaaaaaaaaaa",  /* conversation 0 */
		"cqaaaaaaaaaabbatraaaaaaaaaaaaaaaaa",  /* the spare 65th bit */
		"ciaaaaaaaaaabbatraaaaaaaaaaaaaaaaa",  /* negative */
		"caaaaaaaaaaabbatraaaaaaaa\xc3\xa4"
		"aaaaaaa",
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t conversation;
		if (verify(&ring, rows[i], NOW, &conversation) != TOKEN_MALFORMED)
			fail_msg("\"%s\" was taken for a token", rows[i]);
	}
}

static void what_was_cut_off_is_told_from_other_words(void **state)
{
	static const struct {
		const char *sentence, *text;
		enum token_verdict expected;
	} rows[] = {
		{"one character short", "caaaaaaaaaaabbatraaaaaaaaaaaaaaaa", TOKEN_CUT_SHORT},
		{"cut in its day", "caaaaaaaaaaabbat", TOKEN_CUT_SHORT},
		{"cut behind its conversation", "caaaaaaaaaaabb", TOKEN_CUT_SHORT},
		{"in capitals, by an older key", "BAAAAAAAAAAABBATRAAA", TOKEN_CUT_SHORT},
		{"cut in its conversation", "caaaaaaaaaaab", TOKEN_MALFORMED},
		{"no key of ours", "newsletterunsubscribe", TOKEN_MALFORMED},
		{"no conversation", "customercomplaints", TOKEN_MALFORMED},
		{"as long as the word of an action", "ccaaaaaaaaaabbatraaaaaaaaaaaaaa",
	         TOKEN_MALFORMED},
		{"not only letters of tokens", "caaaaaaaaaaabb-atraaa", TOKEN_MALFORMED},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t conversation = -7;
		enum token_verdict verdict = verify(&ring, rows[i].text, NOW, &conversation);

		if (verdict != rows[i].expected || conversation != -7)
			fail_msg("%s: %s", rows[i].sentence, token_verdict_name(verdict));
	}
}

static void a_relay_may_upper_case_it(void **state)
{
	char token[TOKEN_SIZE];
	int64_t conversation;
	(void)state;

	token_make(token, &ring, 42, NOW, "company.test");
	for (char *c = token; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	assert_int_equal(verify(&ring, token, NOW, &conversation), TOKEN_VALID);
	assert_true(conversation == 42);
}

static void as_a_message_id(void **state)
{
	static const struct {
		const char *sentence, *format;
		enum token_verdict expected;
	} rows[] = {
		{"our own id", "<%s@company.test>", TOKEN_VALID},
		{"its domain in capitals", "<%s@COMPANY.TEST>", TOKEN_VALID},
		{"our second domain, signed for the first", "<%s@company.example>", TOKEN_FORGED},
		{"a domain that is not ours", "<%s@example.org>", TOKEN_MALFORMED},
		{"no brackets", "%s@company.test", TOKEN_MALFORMED},
		{"no domain", "<%s@>", TOKEN_MALFORMED},
		{"no at", "<%s>", TOKEN_MALFORMED},
		{"more before it", "<x%s@company.test>", TOKEN_MALFORMED},
	};
	char *domains[] = {(char[]){"company.test"}, (char[]){"company.example"}};
	char token[TOKEN_SIZE];
	(void)state;

	token_make(token, &ring, 42, NOW, "company.test");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char msgid[200];
		int64_t conversation;
		enum token_verdict verdict;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(msgid, sizeof(msgid), rows[i].format, token);
#pragma GCC diagnostic pop
		verdict =
			token_verify_msgid(&ring, msgid, domains, 2, NOW, LIFETIME, &conversation);
		if (verdict != rows[i].expected)
			fail_msg("%s: %s", rows[i].sentence, token_verdict_name(verdict));
	}
}

static void a_conversation_id_can_be_written_and_read(void **state)
{
	char text[CONVERSATION_ID_SIZE];
	int64_t id;
	(void)state;

	conversation_id_format(INT64_MAX, text);
	assert_string_equal(text, "h777777777777");
	assert_int_equal(conversation_id_parse("H777777777777", 13, &id), 1);
	assert_true(id == INT64_MAX);
	assert_int_equal(conversation_id_parse("i777777777777", 13, &id), 0);
	assert_int_equal(conversation_id_parse("aaaaaaaaaaaaa", 13, &id), 0);
	assert_int_equal(conversation_id_parse("h77777777777", 12, &id), 0);
	assert_int_equal(conversation_id_parse("h77777777777!", 13, &id), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_gives_back_its_conversation),
		cmocka_unit_test(the_format_is_the_one_that_is_documented),
		cmocka_unit_test(any_changed_character_is_not_believed),
		cmocka_unit_test(what_time_and_keys_say),
		cmocka_unit_test(what_is_no_token_is_malformed),
		cmocka_unit_test(what_was_cut_off_is_told_from_other_words),
		cmocka_unit_test(a_relay_may_upper_case_it),
		cmocka_unit_test(as_a_message_id),
		cmocka_unit_test(a_conversation_id_can_be_written_and_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
