#include "tests/unit/plan_fixture.h"

#include <ctype.h>

#include "milter/token_address.h"

/* In which forms a token comes back, and what of the message counts them. */

static const char configuration[] = "[rejoinder]\n"
				    "domains = company.test, answers.test, home.answers.test\n"
				    "internal_hosts = 192.0.2.0/24\n"
				    "[account \"Replies\"]\n"
				    "address = replies@company.test\n"
				    "incoming = yes\ndefault_incoming = yes\n"
				    "[account \"Shop\"]\n"
				    "address = replies-shop@company.test\n"
				    "incoming = yes\n"
				    "[account \"Support\"]\n"
				    "address = support@company.test\n"
				    "token_domain = answers.test\n"
				    "incoming = yes\n"
				    "pop3 = pop3s://mail.example.org\n"
				    "username = u\npassword_command = /bin/true\n"
				    "[account \"Own\"]\n"
				    "address = own@home.answers.test\n"
				    "token_domain = home.answers.test\n"
				    "incoming = yes\n"
				    "[account \"Gone\"]\n"
				    "address = gone@company.test\n"
				    "enabled = no\nincoming = yes\n"
				    "[account \"Sender\"]\n"
				    "address = sender@company.test\n"
				    "outgoing = yes\n";

static char answers_token[TOKEN_SIZE], home_token[TOKEN_SIZE], old_token[TOKEN_SIZE];
static char early_token[TOKEN_SIZE], alien_token[TOKEN_SIZE], upper_token[TOKEN_SIZE];

static int set_up(void **state)
{
	static const struct keyring alien = {.keys = {{.id = 'z',
	                                               .made_on = "2025-01-01",
	                                               .bytes = "a key that was retired here...."}},
	                                     .count = 1};
	(void)state;

	if (load_policy(configuration) < 0)
		return -1;
	token_make(answers_token, &policy.keys, CONVERSATION, NOW, "answers.test");
	token_make(home_token, &policy.keys, CONVERSATION, NOW, "home.answers.test");
	token_make(old_token, &policy.keys, CONVERSATION, NOW - 402 * 86400, "company.test");
	token_make(early_token, &policy.keys, CONVERSATION, NOW + 3 * 86400, "company.test");
	token_make(alien_token, &alien, CONVERSATION, NOW, "company.test");
	for (size_t i = 0; i <= TOKEN_LENGTH; i++)
		upper_token[i] = (char)toupper((unsigned char)token[i]);
	return 0;
}

/* Replace $NAME$ by the token of that name. Heap string. */
static char *with_tokens(const char *text)
{
	const struct {
		const char *name, *value;
	} values[] = {{"$answers$", answers_token}, {"$home$", home_token},
	              {"$old$", old_token},         {"$early$", early_token},
	              {"$alien$", alien_token},     {"$upper$", upper_token}};
	char *filled = fill_in(text);

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char *at;

		while ((at = strstr(filled, values[i].name)) != NULL) {
			char *next = xasprintf("%.*s%s%s", (int)(at - filled), filled,
			                       values[i].value, at + strlen(values[i].name));
			free(filled);
			filled = next;
		}
	}
	return filled;
}

static void every_form_is_read(void **state)
{
	static const struct {
		const char *sentence, *address;
		const char *account; /* or NULL */
		enum token_verdict verdict;
		bool has_token;
	} rows[] = {
		{"behind our delimiter", "replies+@T@@company.test", "Replies", TOKEN_VALID, true},
		{"all in capitals", "REPLIES+$upper$@COMPANY.TEST", "Replies", TOKEN_VALID, true},
		{"behind a minus", "replies-@T@@company.test", "Replies", TOKEN_VALID, true},
		{"behind an equals sign", "replies=@T@@company.test", "Replies", TOKEN_VALID, true},
		{"behind an underscore", "replies_$upper$@company.test", "Replies", TOKEN_VALID,
	         true},
		{"behind a dot", "Replies.@T@@company.test", "Replies", TOKEN_VALID, true},
		{"behind a tilde", "replies~@T@@company.test", "Replies", TOKEN_VALID, true},
		{"behind a hash sign", "replies#@T@@company.test", "Replies", TOKEN_VALID, true},
		{"behind what nobody uses", "replies!@T@@company.test", NULL, TOKEN_MALFORMED,
	         false},
		{"an account whose name has the delimiter", "replies-shop-@T@@company.test", "Shop",
	         TOKEN_VALID, true},
		{"another delimiter and a word", "replies-unsubscribe@company.test", NULL,
	         TOKEN_MALFORMED, false},
		{"and a word as long as a token",
	         "replies-0123456789-0123456789-0123456789xy@company.test", NULL, TOKEN_MALFORMED,
	         false},
		{"behind another delimiter, one bit off", "replies-@B@@company.test", "Replies",
	         TOKEN_FORGED, true},
		{"an account that is not there", "nobody-@T@@company.test", NULL, TOKEN_MALFORMED,
	         false},
		{"one that is disabled", "gone-@T@@company.test", NULL, TOKEN_MALFORMED, false},
		{"one that only sends", "sender-@T@@company.test", NULL, TOKEN_MALFORMED, false},
		{"another domain", "replies-@T@@example.org", NULL, TOKEN_MALFORMED, false},
		{"the address alone", "replies@company.test", "Replies", TOKEN_MALFORMED, false},
		{"a word of the admin", "replies+orders@company.test", "Replies", TOKEN_MALFORMED,
	         false},
		{"a word as long, but no token",
	         "replies+0123456789012345678901234567890123@company.test", "Replies",
	         TOKEN_MALFORMED, true},
		{"one bit off", "replies+@B@@company.test", "Replies", TOKEN_FORGED, true},
		{"at the end of its life", "replies+$old$@company.test", "Replies", TOKEN_EXPIRED,
	         true},
		{"before its time", "replies+$early$@company.test", "Replies", TOKEN_EARLY, true},
		{"of a key that was retired", "replies+$alien$@company.test", "Replies",
	         TOKEN_UNKNOWN_KEY, true},
		{"cut short", "replies+aaaaaaaaaaabkdqsyqaaa@company.test", "Replies",
	         TOKEN_CUT_SHORT, true},
		{"at the token domain", "$answers$@answers.test", "Support", TOKEN_VALID, true},
		{"at the token domain that is the account's own", "$home$@home.answers.test", "Own",
	         TOKEN_VALID, true},
		{"and as its sub-address", "own+$home$@home.answers.test", "Own", TOKEN_VALID,
	         true},
		{"at the token domain, of another domain", "@T@@answers.test", "Support",
	         TOKEN_FORGED, true},
		{"at the token domain, cut short", "aaaaaaaaaaabkdqsyqaaa@answers.test", "Support",
	         TOKEN_CUT_SHORT, true},
		{"other mail to the token domain", "info@answers.test", NULL, TOKEN_MALFORMED,
	         false},
		{"as long as a token", "0123456789012345678901234567890123@answers.test", NULL,
	         TOKEN_MALFORMED, false},
		{"as a sub-address of the account, as before it had that domain",
	         "support+@T@@company.test", "Support", TOKEN_VALID, true},
		{"no address", "replies", NULL, TOKEN_MALFORMED, false},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *address = with_tokens(rows[i].address);
		struct token_address found;
		const char *account;

		token_address_read(&found, &policy, address, NOW);
		account = found.account != NULL ? found.account->name : "none";
		if (strcmp(account, rows[i].account != NULL ? rows[i].account : "none") != 0 ||
		    found.verdict != rows[i].verdict || (found.text != NULL) != rows[i].has_token ||
		    found.conversation != (found.verdict == TOKEN_VALID ? CONVERSATION : 0))
			fail_msg("%s: account %s, %s, %sa token", rows[i].sentence, account,
			         token_verdict_name(found.verdict),
			         found.text != NULL ? "" : "not ");
		free(address);
	}
}

static const struct {
	const char *sentence;
	enum who who;
	const char *rcpts, *header;
	int64_t conversation, further;
	unsigned bad_tokens;
} mails[] = {
	{"in the envelope", OUTSIDE, "replies+@T@@company.test", CUSTOMER, 42, 0, 0},
	{"not in To of mail that nobody fetched", OUTSIDE, "replies@company.test",
         CUSTOMER "To: replies+@T@@company.test\n", 0, 0, 0},
	{"in To of fetched mail", INTERNAL, "support@company.test",
         CUSTOMER "Rejoinder-Mark: @F@\nTo: Support <replies+@T@@company.test>\n", 42, 0, 0},
	{"in Cc", INTERNAL, "support@company.test",
         CUSTOMER "Rejoinder-Mark: @F@\nCc: x@example.org, support-@T@@company.test\n", 42, 0, 0},
	{"in Delivered-To", INTERNAL, "support@company.test",
         CUSTOMER "Rejoinder-Mark: @F@\nDelivered-To: support+@T@@company.test\n", 42, 0, 0},
	{"in X-Original-To", INTERNAL, "support@company.test",
         CUSTOMER "Rejoinder-Mark: @F@\nX-Original-To: <$answers$@answers.test>\n", 42, 0, 0},
	{"in capitals", INTERNAL, "support@company.test",
         CUSTOMER "Rejoinder-Mark: @F@\nX-Original-To: SUPPORT+$upper$@COMPANY.TEST\n", 42, 0, 0},
	{"in the second field of a name", INTERNAL, "support@company.test",
         CUSTOMER "Rejoinder-Mark: @F@\nDelivered-To: u@example.org\n"
                  "Delivered-To: support+@T@@company.test\n",
         42, 0, 0},
	{"what the server noted before what was written", INTERNAL, "support@company.test",
         CUSTOMER "Rejoinder-Mark: @F@\nTo: replies+@O@@company.test\n"
                  "X-Original-To: replies+@T@@company.test\n",
         42, 43, 0},
	{"two conversations", OUTSIDE, "replies+@T@@company.test replies+@O@@company.test",
         CUSTOMER, 42, 43, 0},
	{"twice the same", OUTSIDE, "replies+@T@@company.test replies-@T@@company.test", CUSTOMER,
         42, 0, 0},
	{"a bad one before a good one", OUTSIDE,
         "replies+@B@@company.test replies+@T@@company.test", CUSTOMER, 42, 0, 1},
	{"a bad one in the envelope and as an id counts once", OUTSIDE,
         "replies+$old$@company.test", CUSTOMER "References: <$old$@company.test>\n", 0, 0, 1},
	{"two bad ones", OUTSIDE, "replies+$old$@company.test",
         CUSTOMER "References: <$alien$@company.test>\n", 0, 0, 2},
	{"one that is early as an id", OUTSIDE, "replies@company.test",
         CUSTOMER "In-Reply-To: <$early$@company.test>\n", 0, 0, 1},
	{"ids of others are no tokens", OUTSIDE, "replies@company.test",
         CUSTOMER "In-Reply-To: <@T@@example.org>\n", 0, 0, 0},
};

static void tokens_are_found_where_mail_has_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		char *rcpts = with_tokens(mails[i].rcpts), *header = with_tokens(mails[i].header);
		struct row row = {mails[i].sentence,
		                  mails[i].who,
		                  "c@example.org",
		                  rcpts,
		                  header,
		                  NULL,
		                  0,
		                  NULL,
		                  NULL};
		struct mail *mail = mail_of_row(&row);

		mail_read_header(mail);
		if (mail->token_conversation != mails[i].conversation ||
		    mail->further_conversation != mails[i].further ||
		    mail->bad_tokens != mails[i].bad_tokens)
			fail_msg("%s: conversation %lld, further %lld, %u bad", mails[i].sentence,
			         (long long)mail->token_conversation,
			         (long long)mail->further_conversation, mail->bad_tokens);
		mail_free(mail);
		free(header);
		free(rcpts);
	}
}

static void the_ids_of_a_mail_are_the_nearest(void **state)
{
	struct buffer header;
	struct row row = {
		.who = OUTSIDE, .sender = "c@example.org", .rcpts = "replies@company.test"};
	struct mail *mail;
	char *filled;
	(void)state;

	/* Ours is the oldest of a long thread, in which one stands twice and one is its own. */
	buffer_init(&header, 100000);
	buffer_append_text(&header, CUSTOMER "In-Reply-To: junk (of <no@x>) <199@x>, <irt@x>\n"
	                                     "References: <@T@@company.test>");
	for (int i = 0; i < 200; i++)
		buffer_printf(&header, ",\n\t<%d@x>", i);
	buffer_append_text(&header, " <1@x> <199@x>\n");
	filled = with_tokens(header.data);
	row.header = filled;
	mail = mail_of_row(&row);
	mail_read_header(mail);

	assert_int_equal(mail->id_count, MATCH_IDS_MAX);
	assert_true(mail->ids[0].own_conversation == CONVERSATION);
	assert_string_equal(mail->ids[1].msgid, "<199@x>");
	assert_int_equal(mail->ids[1].source, MATCH_FROM_IN_REPLY_TO);
	assert_string_equal(mail->ids[2].msgid, "<irt@x>");
	assert_string_equal(mail->ids[3].msgid, "<1@x>");
	assert_int_equal(mail->ids[3].source, MATCH_FROM_REFERENCES);
	assert_string_equal(mail->ids[4].msgid, "<198@x>");
	assert_int_equal(mail->name_count, MATCH_IDS_MAX - 1);
	mail_free(mail);
	free(filled);
	buffer_release(&header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_read),
		cmocka_unit_test(tokens_are_found_where_mail_has_them),
		cmocka_unit_test(the_ids_of_a_mail_are_the_nearest),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
