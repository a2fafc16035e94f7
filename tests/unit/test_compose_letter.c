#include "tests/unit/composed_fixture.h"

#include <stdio.h>
#include <time.h>

#include "lib/conversation/mark.h"
#include "lib/conversation/token.h"
#include "lib/mail/subject.h"
#include "scheduler/compose_letter.h"

#define LETTER INT64_C(99)

static char *domains[] = {UNOWNED("company.test"), UNOWNED("company.example")};
static char *refusers[] = {UNOWNED("@example.com")};

static struct account accounts[] = {
	{
		.name = UNOWNED("Support"),
		.is_enabled = true,
		.is_incoming = true,
		.address = UNOWNED("support@company.test"),
		.domain = UNOWNED("company.test"),
		.display_name = UNOWNED("Company Support"),
		.acknowledge_text = UNOWNED("We have got your message.\n"),
		.no_reply_to_for = {.items = refusers, .count = 1},
	},
	{
		.name = UNOWNED("Replies"),
		.is_enabled = true,
		.is_incoming = true,
		.address = UNOWNED("replies@company.example"),
		.domain = UNOWNED("company.example"),
		.display_name = UNOWNED("Replies"),
	},
};
static struct config config = {
	.domains = {.items = domains, .count = 2},
	.delimiter = UNOWNED("+"),
	.token_lifetime_s = 400 * 86400,
	.alert_from = UNOWNED("postmaster@company.test"),
	.accounts = accounts,
	.account_count = 2,
};

static struct letter plain_letter(void)
{
	return (struct letter){
		.id = LETTER,
		.recipient = UNOWNED("customer@example.org"),
		.account = UNOWNED("Support"),
		.conversation = CONVERSATION,
		.message = 5,
		.created_at = NOW - 5,
		.msgid = UNOWNED("<1@example.org>"),
		.from = UNOWNED("customer@example.org"),
		.subject = UNOWNED("Where is it?"),
		.reference = UNOWNED("Sales Order SO-0001"),
	};
}

/* The mail about a letter, a heap string. */
static char *compose_at(const struct letter *letter, const struct account *account, int64_t now)
{
	const struct compose_context context = {&config, &keys, now};
	struct buffer out;

	buffer_init(&out, COMPOSED_MAX_BYTES);
	buffer_append_text(&out, "what it held");
	compose_acknowledgement(&out, letter, account, &context);
	assert_false(out.is_full);
	return buffer_take(&out);
}

static char *compose(const struct letter *letter, const struct account *account)
{
	return compose_at(letter, account, NOW);
}

/* A mail with this subject and text in the account, else the plain letter. */
static char *acknowledge(const char *subject, const char *text)
{
	struct account account = accounts[0];
	struct letter letter = plain_letter();

	account.acknowledge_subject = (char *)subject;
	account.acknowledge_text = (char *)text;
	return compose(&letter, &account);
}

static int64_t conversation_of(const char *token, size_t length, const char *domain)
{
	int64_t conversation = 0;

	token_verify(&keys, token, length, domain, NOW, config.token_lifetime_s, &conversation);
	return conversation;
}

static void an_acknowledgement_says_it_all(void **state)
{
	struct letter letter = plain_letter();
	char *mail = compose(&letter, accounts), *text = body(mail);
	char *mark = field(mail, "Rejoinder-Mark"), *reply_to = field(mail, "Reply-To");
	char *references = field(mail, "References");
	char detail[MARK_DETAIL_BYTES + 1], id[CONVERSATION_ID_SIZE];
	enum mark_kind kind;
	int64_t conversation = 0;
	(void)state;

	assert_well_formed(mail);
	assert_field(mail, "From", "Company Support <support@company.test>");
	assert_field(mail, "To", "customer@example.org");
	assert_field(mail, "Date", "Sun, 22 Nov 2026 09:59:55 +0000");
	assert_field(mail, "Message-ID", "<rejoinder-letter-99@company.test>");
	assert_field(mail, "Auto-Submitted", "auto-replied");
	assert_field(mail, "Subject", "Auto: Where is it?");
	assert_field(mail, "In-Reply-To", "<1@example.org>");
	assert_string_equal(text, "We have got your message.\n");

	conversation_id_format(CONVERSATION, id);
	assert_int_equal(mark_verify(&keys, mark, NOW, &kind, detail), 1);
	assert_int_equal(kind, MARK_ALERT);
	assert_string_equal(detail, id);

	assert_memory_equal(reply_to, "Company Support <support+", 25);
	assert_string_equal(reply_to + 25 + TOKEN_LENGTH, "@company.test>");
	assert_int_equal(conversation_of(reply_to + 25, TOKEN_LENGTH, "company.test"),
	                 CONVERSATION);

	assert_string_equal(references + strcspn(references, " "), " <1@example.org>");
	references[strcspn(references, " ")] = '\0';
	assert_int_equal(token_verify_msgid(&keys, references, domains, 2, NOW,
	                                    config.token_lifetime_s, &conversation),
	                 TOKEN_VALID);
	assert_true(conversation == CONVERSATION);
	free(references);
	free(reply_to);
	free(mark);
	free(text);
	free(mail);
}

static void a_later_try_is_the_same_mail_with_a_mark_of_its_day(void **state)
{
	struct letter letter = plain_letter();
	char *first = compose(&letter, accounts);
	char *later = compose_at(&letter, accounts, NOW + 86400);
	char *rest = strstr(first, "\r\nFrom:"), *later_rest = strstr(later, "\r\nFrom:");
	char *mark = field(later, "Rejoinder-Mark"), detail[MARK_DETAIL_BYTES + 1];
	enum mark_kind kind;
	(void)state;

	assert_string_equal(rest, later_rest);
	assert_int_equal(mark_verify(&keys, mark, NOW + 3 * 86400, &kind, detail), 1);
	free(mark);
	free(first);
	free(later);
}

/* A field as the recipient's client shows it. */
static char *shown_field(const char *mail, const char *name)
{
	char *value = field(mail, name), *shown;

	assert_non_null(value);
	shown = subject_decode(value, strlen(value), 5000);
	free(value);
	return shown;
}

static void subjects(void **state)
{
	static const struct {
		const char *sentence;
		const char *own, *theirs;
		const char *expected;
	} rows[] = {
		{"the message's own", NULL, "Hello", "Auto: Hello"},
		{"or that of the file", "We got it", "Hello", "Auto: We got it"},
		{"with what it names", "[{conversation}] {subject}", "Hello",
	         "Auto: [aaaaab7hg4ijq] Hello"},
		{"a blank one is none", " \t", "Hello", "Auto: Hello"},
		{"none at all is said to be none", NULL, NULL, "Auto: (no subject)"},
		{"also where the file wants it", "{subject}", "", "Auto: (no subject)"},
		{"other letters are encoded", NULL, "Gr\xc3\xbc\xc3\x9f",
	         "Auto: Gr\xc3\xbc\xc3\x9f"},
		{"a line end begins no field", "{subject}", "Hi\r\nBcc: victim@example.com",
	         "Auto: Hi Bcc: victim@example.com"},
		{"nor in the subject itself", NULL, "Hi\r\n\r\nbody", "Auto: Hi body"},
		{"what a customer writes is no placeholder", "{subject}", "{address}",
	         "Auto: {address}"},
	};
	char id[CONVERSATION_ID_SIZE];
	(void)state;

	conversation_id_format(CONVERSATION, id);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct account account = accounts[0];
		struct letter letter = plain_letter();
		char *mail, *shown, *expected = xstrdup(rows[i].expected);
		char *place = strstr(expected, "aaaaab7hg4ijq");

		if (place != NULL)
			memcpy(place, id, CONVERSATION_ID_LENGTH);
		account.acknowledge_subject = (char *)rows[i].own;
		letter.subject = (char *)rows[i].theirs;
		mail = compose(&letter, &account);
		assert_well_formed(mail);
		shown = shown_field(mail, "Subject");
		if (strcmp(shown, expected) != 0)
			fail_msg("%s: \"%s\"", rows[i].sentence, shown);
		free(shown);
		free(expected);
		free(mail);
	}
}

static void placeholders(void **state)
{
	static const struct {
		const char *sentence;
		const char *text, *expected;
	} rows[] = {
		{"each is replaced, wherever it stands",
	         "{subject}|{reference}|{account}|{address}{subject}\n",
	         "Where is it?|Sales Order SO-0001|Support|support@company.testWhere is it?\n"},
		{"unknown ones stay", "{name} {Subject} {} {", "{name} {Subject} {} {\n"},
		{"as do halves of known ones", "{subject {subject\n} {{subject}}",
	         "{subject {subject\n} {Where is it?}\n"},
		{"line ends of all kinds are one", "a\r\nb\nc\r\n", "a\nb\nc\n"},
		{"an empty line stays", "a\n\nb\n", "a\n\nb\n"},
		{"other letters arrive", "K\xc3\xb6ln = {account}.\n", "K\xc3\xb6ln = Support.\n"},
		{"nothing is nothing", "", ""},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *mail = acknowledge(NULL, rows[i].text), *text = body(mail);

		assert_well_formed(mail);
		if (strcmp(text, rows[i].expected) != 0)
			fail_msg("%s: \"%s\"", rows[i].sentence, text);
		free(text);
		free(mail);
	}
}

static void what_is_not_known_is_empty(void **state)
{
	struct account account = accounts[0];
	struct letter letter = plain_letter();
	char *mail, *text, *references;
	(void)state;

	account.acknowledge_text = UNOWNED("<{subject}{reference}>\n");
	letter.subject = letter.reference = letter.msgid = NULL;
	mail = compose(&letter, &account);
	text = body(mail);
	references = field(mail, "References");
	assert_well_formed(mail);
	assert_string_equal(text, "<>\n");
	assert_field(mail, "In-Reply-To", NULL);
	assert_null(strchr(references, ' '));
	free(references);
	free(text);
	free(mail);
}

static void untrusted_values_stay_in_their_line(void **state)
{
	struct account account = accounts[0];
	struct letter letter = plain_letter();
	char *wide = repeat("\xc3\xa4", 3000), *mail, *text;
	(void)state;

	account.acknowledge_text = UNOWNED("{subject}\n{reference}\n");
	letter.subject = UNOWNED("a\x1b[31m\r\n.\r\nMAIL FROM:<x@example.org>");
	letter.reference = wide;
	mail = compose(&letter, &account);
	text = body(mail);
	assert_well_formed(mail);
	assert_memory_equal(text, "a [31m . MAIL FROM:<x@example.org>\n\xc3\xa4", 37);
	assert_true(strlen(text) < 600);
	free(text);
	free(mail);
	free(wide);
}

static void a_text_of_any_size_is_bounded(void **state)
{
	char *many = repeat("{subject}", 65536 / 9), *long_line = repeat("x", 65536);
	char *wide = repeat("\xc3\xa4", 250);
	struct account account = accounts[0];
	struct letter letter = plain_letter();
	char *mail, *text;
	(void)state;

	mail = acknowledge(NULL, long_line);
	text = body(mail);
	assert_well_formed(mail);
	assert_int_equal(strlen(text), 65537);
	free(text);
	free(mail);

	letter.subject = wide;
	many[strlen(many) - 9] = '!';
	account.acknowledge_text = account.acknowledge_subject = many;
	mail = compose(&letter, &account);
	assert_well_formed(mail);
	assert_true(strlen(mail) < COMPOSED_MAX_BYTES);
	/* It is cut where it is full, not sewn together of what still fits. */
	assert_null(strchr(text = body(mail), '!'));
	free(text);
	free(mail);
	free(wide);
	free(long_line);
	free(many);
}

static void an_account_with_a_domain_for_tokens(void **state)
{
	struct account account = accounts[0];
	struct letter letter = plain_letter();
	char *mail, *value, expected[200], token[TOKEN_SIZE];
	(void)state;

	account.token_domain = UNOWNED("answers.test");
	config.delimiter = UNOWNED("");
	mail = compose(&letter, &account);
	config.delimiter = UNOWNED("+");
	assert_well_formed(mail);
	value = field(mail, "Reply-To");
	assert_non_null(value);
	token_make(token, &keys, CONVERSATION, letter.created_at, "answers.test");
	snprintf(expected, sizeof(expected), "Company Support <%s@answers.test>", token);
	assert_string_equal(value, expected);
	free(value);
	free(mail);
}

static void replies(void **state)
{
	static const struct {
		const char *sentence;
		int reply_to;
		const char *delimiter, *reply_to_address, *recipient;
		bool is_token;
		const char *local, *domain; /* of the address, NULL: no Reply-To */
	} rows[] = {
		{"the account's address with the token", REPLY_TO_TOKEN, "+", NULL, "a@example.org",
	         true, "support", "company.test"},
		{"plain where it says so", REPLY_TO_PLAIN, "+", NULL, "a@example.org", false,
	         "support", "company.test"},
		{"plain without a delimiter", REPLY_TO_TOKEN, "", NULL, "a@example.org", false,
	         "support", "company.test"},
		{"none where Reply-To is kept as it is", REPLY_TO_KEEP, "+", NULL, "a@example.org",
	         false, NULL, NULL},
		{"none for whom it refuses", REPLY_TO_TOKEN, "+", NULL, "a@example.com", false,
	         NULL, NULL},
		{"another account of ours has its own", REPLY_TO_TOKEN, "+",
	         "replies@company.example", "a@example.org", true, "replies", "company.example"},
		{"an address of nobody is plain", REPLY_TO_TOKEN, "+", "crm@example.net",
	         "a@example.org", false, "crm", "example.net"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct account account = accounts[0];
		struct letter letter = plain_letter();
		char *mail, *value, *references, expected[200];
		int64_t conversation = 0;

		account.reply_to = rows[i].reply_to;
		account.reply_to_address = (char *)rows[i].reply_to_address;
		config.delimiter = (char *)rows[i].delimiter;
		letter.recipient = (char *)rows[i].recipient;
		mail = compose(&letter, &account);
		config.delimiter = UNOWNED("+");
		assert_well_formed(mail);
		value = field(mail, "Reply-To");
		if ((value == NULL) != (rows[i].local == NULL))
			fail_msg("%s: %s", rows[i].sentence, value != NULL ? value : "none");
		if (rows[i].is_token) {
			char *token = strchr(value, '+');

			if (token == NULL || conversation_of(token + 1, TOKEN_LENGTH,
			                                     rows[i].domain) != CONVERSATION)
				fail_msg("%s: %s", rows[i].sentence, value);
			memmove(token, token + 1 + TOKEN_LENGTH,
			        strlen(token + 1 + TOKEN_LENGTH) + 1);
		}
		if (value != NULL) {
			snprintf(expected, sizeof(expected), "Company Support <%s@%s>",
			         rows[i].local, rows[i].domain);
			if (strcmp(value, expected) != 0)
				fail_msg("%s: %s", rows[i].sentence, value);
		}
		/* Whatever Reply-To is, the thread alone is enough. */
		references = field(mail, "References");
		references[strcspn(references, " ")] = '\0';
		if (token_verify_msgid(&keys, references, domains, 2, NOW, config.token_lifetime_s,
		                       &conversation) != TOKEN_VALID)
			fail_msg("%s: %s", rows[i].sentence, references);
		free(references);
		free(value);
		free(mail);
	}
}

static void threads(void **state)
{
	char other[TOKEN_SIZE], own[TOKEN_SIZE + 40], forged[TOKEN_SIZE + 40];
	const struct {
		const char *sentence;
		const char *msgid, *named;
		const char *expected_in_reply_to, *expected; /* after our id */
	} rows[] = {
		{"what it names, then itself", "<3@x>", "<1@x> <2@x>", "<3@x>",
	         " <1@x> <2@x> <3@x>"},
		{"itself once", "<1@x>", "<1@x>\r\n <2@x>", "<1@x>", " <2@x> <1@x>"},
		{"without an id of its own", NULL, "<1@x>", NULL, " <1@x>"},
		{"what is no id is left out", "<3@x>\r\nBcc: a@example.org", "<1 2@x> words <2@x>",
	         NULL, " <12@x> <2@x>"},
		{"what looks like our id would lead elsewhere", own, "<1@x>", NULL, " <1@x>"},
		{"also among those it names", "<3@x>", own, "<3@x>", " <3@x>"},
		{"also a forged one", "<3@x>", forged, "<3@x>", " <3@x>"},
	};
	(void)state;

	token_make(other, &keys, CONVERSATION + 1, NOW, "company.test");
	snprintf(own, sizeof(own), "<%s@company.test>", other);
	other[30] = other[30] == 'a' ? 'b' : 'a';
	snprintf(forged, sizeof(forged), "<%s@company.test>", other);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct letter letter = plain_letter();
		char *mail, *references;

		letter.msgid = (char *)rows[i].msgid;
		letter.named_ids = (char *)rows[i].named;
		mail = compose(&letter, accounts);
		assert_well_formed(mail);
		references = field(mail, "References");
		assert_field(mail, "In-Reply-To", rows[i].expected_in_reply_to);
		if (strcmp(references + strcspn(references, " "), rows[i].expected) != 0)
			fail_msg("%s: %s", rows[i].sentence, references);
		free(references);
		free(mail);
	}
}

static void thousands_of_ids_are_bounded(void **state)
{
	char *many = repeat("<1@x> ", 4096 / 6), *mail;
	struct letter letter = plain_letter();
	(void)state;

	letter.named_ids = many;
	mail = compose(&letter, accounts);
	assert_well_formed(mail);
	assert_true(strlen(mail) < 2000);
	free(mail);
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_acknowledgement_says_it_all),
		cmocka_unit_test(a_later_try_is_the_same_mail_with_a_mark_of_its_day),
		cmocka_unit_test(subjects),
		cmocka_unit_test(placeholders),
		cmocka_unit_test(what_is_not_known_is_empty),
		cmocka_unit_test(untrusted_values_stay_in_their_line),
		cmocka_unit_test(a_text_of_any_size_is_bounded),
		cmocka_unit_test(replies),
		cmocka_unit_test(an_account_with_a_domain_for_tokens),
		cmocka_unit_test(threads),
		cmocka_unit_test(thousands_of_ids_are_bounded),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
