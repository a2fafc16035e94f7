#include "tests/unit/notice_fixture.h"

#include <stdio.h>
#include <time.h>

#include "lib/conversation/mark.h"
#include "lib/conversation/token.h"
#include "lib/mail/subject.h"

static void an_alert_says_it_all(void **state)
{
	struct notice_item item = plain_item();
	char *mail = compose(&item, 1), *text = part(mail, "text/plain");
	char *mark = field(mail, "Rejoinder-Mark");
	char *references = field(mail, "References");
	char detail[MARK_DETAIL_BYTES + 1], id[CONVERSATION_ID_SIZE];
	char *domains[] = {UNOWNED("company.test")}, *at;
	enum mark_kind kind;
	int64_t conversation = 0;
	(void)state;

	assert_well_formed(mail);
	assert_field(mail, "From", "Rejoinder <postmaster@company.test>");
	assert_field(mail, "To", "boss@company.test");
	assert_field(mail, "Date", "Sun, 22 Nov 2026 09:59:55 +0000");
	assert_field(mail, "Message-ID", "<rejoinder-notice-77@company.test>");
	assert_field(mail, "Auto-Submitted", "auto-generated");
	assert_field(mail, "Subject", "Unreplied for 45 min: Question about the order");
	assert_field(mail, "Reply-To", "customer@example.org");
	assert_field(mail, "In-Reply-To", "<1@example.org>");
	assert_field(mail, "MIME-Version", "1.0");

	conversation_id_format(CONVERSATION, id);
	assert_int_equal(mark_verify(&keys, mark, NOW, &kind, detail), 1);
	assert_int_equal(kind, MARK_ALERT);
	assert_string_equal(detail, id);

	assert_string_equal(references + strcspn(references, " "), " <1@example.org>");
	references[strcspn(references, " ")] = '\0';
	assert_int_equal(
		token_verify_msgid(&keys, references, domains, 1, NOW, 86400, &conversation),
		TOKEN_VALID);
	assert_true(conversation == CONVERSATION);

	/* The links are looked at elsewhere. */
	at = strstr(text, "\n\nClose: ");
	assert_non_null(at);
	*at = '\0';
	assert_string_equal(
		text,
		"Your answer goes to the customer; delete what stands below.\n"
		"\n"
		"customer@example.org has waited 45 min for an answer.\n"
		"\n"
		"Since:          Sun 22 Nov 2026, 09:15 UTC\n"
		"Subject:        Question about the order\n"
		"Reference:      Sales Order SO-0001\n"
		"\n"
		"> Where is it?\n"
		">\n"
		"> Customer\n"
		"\n"
		"-- \n"
		"Just reply: it goes to customer@example.org and ends the wait.\n"
		"For staff only. Each of these opens a mail that is ready: send it as it is.");
	free(references);
	free(mark);
	free(text);
	free(mail);
}

static void what_is_not_known_is_left_out(void **state)
{
	struct notice_item item = {.wait = 1,
	                           .is_running = true,
	                           .started_at = NOW + 60,
	                           .customer = UNOWNED("a@example.org")};
	char *mail = compose(&item, 1), *text = part(mail, "text/plain");
	(void)state;

	assert_well_formed(mail);
	assert_field(mail, "Subject", "Unreplied for 0 s: (no subject)");
	assert_field(mail, "In-Reply-To", NULL);
	assert_string_equal(text, "Your answer goes to the customer; delete what stands below.\n"
	                          "\n"
	                          "a@example.org has waited 0 s for an answer.\n"
	                          "\n"
	                          "Since:          Sun 22 Nov 2026, 10:01 UTC\n"
	                          "\n"
	                          "-- \n"
	                          "Just reply: it goes to a@example.org and ends the wait.\n");
	free(text);
	free(mail);
}

static void subjects(void **state)
{
	static const struct {
		const char *sentence;
		const char *subject;
		const char *expected; /* as the recipient's client shows it */
	} rows[] = {
		{"ASCII stays as it is", "Hello there", "Hello there"},
		{"other letters are encoded",
	         "Gr\xc3\xbc\xc3\x9f"
	         "e aus K\xc3\xb6ln",
	         "Gr\xc3\xbc\xc3\x9f"
	         "e aus K\xc3\xb6ln"},
		{"a long one of other letters becomes several words",
	         "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
	         "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
	         "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac",
	         "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
	         "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
	         "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"},
		{"what looks encoded is not decoded", "=?UTF-8?B?eA==?= is what I wrote",
	         "=?UTF-8?B?eA==?= is what I wrote"},
		{"a line end begins no field", "Hello\r\nBcc: victim@example.com",
	         "Hello Bcc: victim@example.com"},
		{"nor does it end the header", "Hello\r\n\r\nbody\nmore", "Hello body more"},
		{"controls are blanks",
	         "a\x01\x02\x7f"
	         "b\tc",
	         "a b c"},
		{"blanks alone are no subject", " \t\r\n ", "(no subject)"},
		{"none is said to be none", NULL, "(no subject)"},
		{"bytes that are no UTF-8 are taken for windows-1252",
	         "Gr\xfc\xdf"
	         "e",
	         "Gr\xc3\xbc\xc3\x9f"
	         "e"},
		{"what reverses the line is a blank",
	         "Invoice \xe2\x80\xae"
	         "fdp.exe \xe2\x81\xa6x\xe2\x81\xa9",
	         "Invoice fdp.exe x"},
		{"a separator of lines is one",
	         "a\xe2\x80\xa8"
	         "b\xe2\x80\xa9"
	         "c\xc2\x85"
	         "d",
	         "a b c d"},
		{"a mark of direction stays", "\xe2\x80\x8f\xd7\xa9", "\xe2\x80\x8f\xd7\xa9"},
		{"many words are folded",
	         "one two three four five six seven eight nine ten eleven twelve thirteen fourteen",
	         "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notice_item item = plain_item();
		char expected[1000], *mail, *value, *shown;

		item.subject = (char *)rows[i].subject;
		mail = compose(&item, 1);
		assert_well_formed(mail);
		value = field(mail, "Subject");
		if (value == NULL)
			fail_msg("%s: no subject", rows[i].sentence);
		shown = subject_decode(value, strlen(value), 1000);
		snprintf(expected, sizeof(expected), "Unreplied for 45 min: %s", rows[i].expected);
		if (strcmp(shown, expected) != 0)
			fail_msg("%s: \"%s\"", rows[i].sentence, shown);
		for (const char *line = mail; strncmp(line, "\r\n", 2) != 0;
		     line = strstr(line, "\r\n") + 2) {
			if (strcspn(line, "\r") > 78 && strncmp(line, "Rejoinder-Mark", 14) != 0)
				fail_msg("%s: over 78 columns: %.90s", rows[i].sentence, line);
		}
		free(shown);
		free(value);
		free(mail);
	}
}

static void links(void **state)
{
	static const struct {
		const char *sentence;
		const char *customer, *reply_to, *msgid;
		const char *expected_reply_to, *expected_in_reply_to;
	} rows[] = {
		{"Reply-To of the customer counts", "a@example.org", "b@example.org", "<1@x>",
	         "b@example.org", "<1@x>"},
		{"one that is no address does not", "a@example.org", "nonsense", "<1@x>",
	         "a@example.org", "<1@x>"},
		{"an address with a line end is none", "a@example.org\r\nBcc: c@example.org", NULL,
	         "<1@x>", NULL, "<1@x>"},
		{"nor is a list of them", "a@example.org, b@example.org", NULL, "<1@x>", NULL,
	         "<1@x>"},
		{"nor one in brackets", "<a@example.org>", NULL, "<1@x>", NULL, "<1@x>"},
		{"one that is not ASCII cannot stand in a field", "j\xc3\xa4ne@example.org", NULL,
	         "<1@x>", NULL, "<1@x>"},
		{"a quoted local part is one", "\"a b\"@example.org", NULL, "<1@x>",
	         "\"a b\"@example.org", "<1@x>"},
		{"an id with a blank is none", "a@example.org", NULL, "<1 2@x>", "a@example.org",
	         NULL},
		{"nor one with a line end", "a@example.org", NULL, "<1\r\nBcc:@x>", "a@example.org",
	         NULL},
		{"nor two of them", "a@example.org", NULL, "<1@x><2@x>", "a@example.org", NULL},
		{"nor one that is not ASCII", "a@example.org", NULL, "<1\xc3\xa4@x>",
	         "a@example.org", NULL},
		{"nor one without brackets", "a@example.org", NULL, "1@x", "a@example.org", NULL},
		{"nor an empty one", "a@example.org", NULL, "<>", "a@example.org", NULL},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notice_item item = plain_item();
		char *mail, *text, *references;

		item.customer = (char *)rows[i].customer;
		item.reply_to = (char *)rows[i].reply_to;
		item.msgid = (char *)rows[i].msgid;
		mail = compose(&item, 1);
		text = part(mail, "text/plain");
		assert_well_formed(mail);
		assert_field(mail, "Reply-To", rows[i].expected_reply_to);
		assert_field(mail, "In-Reply-To", rows[i].expected_in_reply_to);
		assert_true((strstr(text, "Just reply: it goes to ") != NULL) ==
		            (rows[i].expected_reply_to != NULL));
		assert_true((strstr(text, "Your answer goes to the customer") != NULL) ==
		            (rows[i].expected_reply_to != NULL));
		assert_true((strstr(text, "does not reach the customer") != NULL) ==
		            (rows[i].expected_reply_to == NULL));
		references = field(mail, "References");
		assert_non_null(references);
		assert_true((strchr(references, ' ') != NULL) ==
		            (rows[i].expected_in_reply_to != NULL));
		free(references);
		free(text);
		free(mail);
	}
}

static void an_account_that_is_gone_lends_no_domain(void **state)
{
	struct notice_item item = plain_item();
	char *mail, *references;
	(void)state;

	item.account = UNOWNED("Gone");
	mail = compose(&item, 1);
	references = field(mail, "References");
	assert_non_null(strstr(references, "@company.test>"));
	free(references);
	free(mail);
}

static void selection(void **state)
{
	const struct notice_item *selected[4];
	struct notice_item items[4] = {plain_item(), plain_item(), plain_item(), plain_item()};
	struct notice notice = {.items = items, .item_count = 4};
	(void)state;

	items[1].level = 2;
	items[2].wait = 5;
	items[2].started_at = NOW - 86400;
	items[3].wait = 6;
	items[3].is_running = false;
	assert_int_equal(compose_select(&notice, selected), 2);
	assert_ptr_equal(selected[0], &items[2]);
	assert_ptr_equal(selected[1], &items[1]);

	items[0].is_running = items[1].is_running = items[2].is_running = false;
	assert_int_equal(compose_select(&notice, selected), 0);
	notice.item_count = 0;
	assert_int_equal(compose_select(&notice, selected), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alert_says_it_all),
		cmocka_unit_test(what_is_not_known_is_left_out),
		cmocka_unit_test(subjects),
		cmocka_unit_test(links),
		cmocka_unit_test(an_account_that_is_gone_lends_no_domain),
		cmocka_unit_test(selection),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
