#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/memory.h"
#include "lib/conversation/mark.h"
#include "lib/conversation/token.h"
#include "lib/mail/encoding.h"
#include "lib/mail/header.h"
#include "lib/mail/subject.h"
#include "scheduler/compose.h"

#define NOW          INT64_C(1795341600) /* 2026-11-22 10:00:00 UTC */
#define CONVERSATION INT64_C(4242424242)
#define NOTICE       INT64_C(77)

/* Literals in members that elsewhere are on the heap; nothing frees them here. */
#define UNOWNED(text) ((char *)(text))

static const struct keyring keys = {
	.keys = {{.id = 'c', .made_on = "2026-02-02", .bytes = "the newest key signs, 32 bytes.."}},
	.count = 1,
};
static struct account account = {
	.name = UNOWNED("Replies"),
	.is_enabled = true,
	.address = UNOWNED("replies@company.test"),
	.domain = UNOWNED("company.test"),
};
static const struct config config = {
	.alert_from = UNOWNED("postmaster@company.test"), .accounts = &account, .account_count = 1};

static struct notice_item plain_item(void)
{
	return (struct notice_item){
		.wait = 1,
		.conversation = CONVERSATION,
		.started_at = NOW - 45 * 60,
		.is_running = true,
		.customer = UNOWNED("customer@example.org"),
		.subject = UNOWNED("Question about the order"),
		.reference = UNOWNED("Sales Order SO-0001"),
		.account = UNOWNED("Replies"),
		.msgid = UNOWNED("<1@example.org>"),
		.text = UNOWNED("Where is it?\n\nCustomer"),
	};
}

/* The mail about these items, a heap string. */
static char *compose(struct notice_item *items, size_t count)
{
	struct notice notice = {.id = NOTICE,
	                        .recipient = UNOWNED("boss@company.test"),
	                        .created_at = NOW - 5,
	                        .items = items,
	                        .item_count = count};
	const struct notice_item **selected = xreallocarray(NULL, count, sizeof(*selected));
	const struct compose_context context = {&config, &keys, NOW};
	struct buffer out;

	buffer_init(&out, COMPOSED_MAX_BYTES);
	count = compose_select(&notice, selected);
	compose_notice(&out, &notice, selected, count, &context);
	assert_false(out.is_full);
	free(selected);
	return buffer_take(&out);
}

/* The value of a field, unfolded, a heap string; NULL if it is not there once. */
static char *field(const char *mail, const char *name)
{
	size_t length = strlen(name);
	const char *found = NULL;
	unsigned count = 0;

	for (const char *line = mail; strncmp(line, "\r\n", 2) != 0;
	     line = strstr(line, "\r\n") + 2) {
		if (strncmp(line, name, length) == 0 && line[length] == ':') {
			found = line + length + 1;
			count++;
		}
	}
	if (count != 1)
		return NULL;
	length = strcspn(found, "\r");
	while (found[length + 2] == ' ')
		length += 2 + strcspn(found + length + 2, "\r");
	return header_unfold(found, length);
}

static void assert_field(const char *mail, const char *name, const char *expected)
{
	char *value = field(mail, name);

	if (expected == NULL)
		assert_null(value);
	else
		assert_string_equal(value != NULL ? value : "(no such field)", expected);
	free(value);
}

/* The body as the recipient sees it, LF line ends. */
static char *body(const char *mail)
{
	const char *begin = strstr(mail, "\r\n\r\n") + 4;
	size_t length = strlen(begin), kept = 0;
	char *text = xmalloc(length + 1);
	char *encoding = field(mail, "Content-Transfer-Encoding");

	if (strcmp(encoding, "quoted-printable") == 0) {
		length = quoted_printable_decode(begin, length, false, text, length);
	} else {
		assert_string_equal(encoding, "7bit");
		memcpy(text, begin, length);
	}
	free(encoding);
	for (size_t i = 0; i < length; i++) {
		if (text[i] != '\r')
			text[kept++] = text[i];
	}
	text[kept] = '\0';
	return text;
}

/* Lines end in CRLF, none is too long, all is ASCII, and there are no fields but ours. */
static void assert_well_formed(const char *mail)
{
	static const char *const names[] = {"Rejoinder-Mark",
	                                    "From",
	                                    "To",
	                                    "Date",
	                                    "Message-ID",
	                                    "Auto-Submitted",
	                                    "Subject",
	                                    "Reply-To",
	                                    "In-Reply-To",
	                                    "References",
	                                    "MIME-Version",
	                                    "Content-Type",
	                                    "Content-Transfer-Encoding",
	                                    NULL};
	bool is_header = true;
	const char *end;

	for (const char *line = mail; *line != '\0'; line = end + 2) {
		size_t name_length = strcspn(line, ":"), i = 0;

		end = strstr(line, "\r\n");
		assert_non_null(end);
		assert_true(end - line <= 998);
		for (const char *c = line; c < end; c++)
			assert_true((*c >= ' ' && *c < 0x7f));
		is_header = is_header && end > line;
		if (!is_header || *line == ' ')
			continue;
		while (names[i] != NULL && (strlen(names[i]) != name_length ||
		                            memcmp(names[i], line, name_length) != 0))
			i++;
		if (names[i] == NULL)
			fail_msg("unexpected line in the header: %.60s", line);
	}
}

static void an_alert_says_it_all(void **state)
{
	struct notice_item item = plain_item();
	char *mail = compose(&item, 1), *text = body(mail), *mark = field(mail, "Rejoinder-Mark");
	char *references = field(mail, "References");
	char detail[MARK_DETAIL_BYTES + 1], id[CONVERSATION_ID_SIZE];
	char *domains[] = {UNOWNED("company.test")};
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
	assert_field(mail, "Content-Type", "text/plain; charset=utf-8");

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

	assert_string_equal(text, "customer@example.org has waited for an answer since "
	                          "2026-11-22 09:15 +0000 (45 min).\n"
	                          "\n"
	                          "Subject: Question about the order\n"
	                          "Reference: Sales Order SO-0001\n"
	                          "\n"
	                          "> Where is it?\n"
	                          ">\n"
	                          "> Customer\n"
	                          "\n"
	                          "Answer this mail: it goes to customer@example.org.\n");
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
	char *mail = compose(&item, 1), *text = body(mail);
	(void)state;

	assert_well_formed(mail);
	assert_field(mail, "Subject", "Unreplied for 0 s: (no subject)");
	assert_field(mail, "In-Reply-To", NULL);
	assert_string_equal(text, "a@example.org has waited for an answer since "
	                          "2026-11-22 10:01 +0000 (0 s).\n\n\n"
	                          "Answer this mail: it goes to a@example.org.\n");
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
		{"a quoted local part is one", "\"a b\"@example.org", NULL, "<1@x>",
	         "\"a b\"@example.org", "<1@x>"},
		{"an id with a blank is none", "a@example.org", NULL, "<1 2@x>", "a@example.org",
	         NULL},
		{"nor one with a line end", "a@example.org", NULL, "<1\r\nBcc:@x>", "a@example.org",
	         NULL},
		{"nor two of them", "a@example.org", NULL, "<1@x><2@x>", "a@example.org", NULL},
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
		text = body(mail);
		assert_well_formed(mail);
		assert_field(mail, "Reply-To", rows[i].expected_reply_to);
		assert_field(mail, "In-Reply-To", rows[i].expected_in_reply_to);
		assert_true((strstr(text, "Answer this mail") != NULL) ==
		            (rows[i].expected_reply_to != NULL));
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

static char *repeat(const char *text, size_t count)
{
	struct buffer out;

	buffer_init(&out, count * strlen(text));
	while (count-- > 0)
		buffer_append_text(&out, text);
	return buffer_take(&out);
}

static void texts(void **state)
{
	char *many = repeat("line\n", 30), *ten = repeat("> line\n", 10);
	char *wide = repeat("\xc3\xa4", 600), *wide_shown = repeat("\xc3\xa4", 498);
	char *blanks = repeat(" \r\n", 30);
	const struct {
		const char *sentence;
		const char *text;
		const char *before, *expected; /* each in the body */
	} rows[] = {
		{"ten lines at most", many, "\n\n", ten},
		{"and they are the last", "old\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\r\n", "\n\n",
	         "> 1\n> 2\n> 3\n> 4\n> 5\n> 6\n> 7\n> 8\n> 9\n> 10\n\n"},
		{"a long line is cut at a character", wide, "\n> ", wide_shown},
		{"a text of blanks is none", blanks, "SO-0001\n\n", "\nAnswer"},
		{"a dot alone stays", ".\nmore", "\n\n", "> .\n> more\n"},
		{"controls are blanks", "a\x1b[31mb", "\n\n", "> a [31mb\n"},
		{"other letters arrive", "K\xc3\xb6ln = 1 \xe2\x82\xac", "\n\n",
	         "> K\xc3\xb6ln = 1 \xe2\x82\xac\n"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notice_item item = plain_item();
		struct buffer expected;
		char *mail, *text;

		item.text = (char *)rows[i].text;
		mail = compose(&item, 1);
		text = body(mail);
		assert_well_formed(mail);
		buffer_init(&expected, 10000);
		buffer_append_text(&expected, rows[i].before);
		buffer_append_text(&expected, rows[i].expected);
		if (strstr(text, expected.data) == NULL)
			fail_msg("%s:\n%s", rows[i].sentence, text);
		buffer_release(&expected);
		for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
			if (strcspn(line, "\n") > 998)
				fail_msg("%s: a line is too long", rows[i].sentence);
		}
		free(text);
		free(mail);
	}
	free(many);
	free(ten);
	free(wide);
	free(wide_shown);
	free(blanks);
}

static void a_digest_lists_the_longest_first(void **state)
{
	struct notice_item items[3] = {plain_item(), plain_item(), plain_item()};
	char *mail, *text;
	char id[CONVERSATION_ID_SIZE];
	struct buffer expected;
	(void)state;

	conversation_id_format(CONVERSATION, id);
	items[1].wait = 2;
	items[1].customer = UNOWNED("first@example.org\nBcc: x@example.org");
	items[1].started_at = NOW - 3 * 3600;
	items[1].reference = NULL;
	items[2].wait = 3;
	items[2].is_running = false;
	mail = compose(items, 3);
	text = body(mail);
	assert_well_formed(mail);
	assert_field(mail, "Subject", "2 customers wait for an answer");
	assert_field(mail, "Reply-To", NULL);
	assert_field(mail, "In-Reply-To", NULL);
	assert_field(mail, "References", NULL);
	assert_field(mail, "Auto-Submitted", "auto-generated");
	buffer_init(&expected, 10000);
	buffer_printf(&expected,
	              "While alerts could not be sent, these came due. The longest wait is first.\n"
	              "\n"
	              "first@example.org Bcc: x@example.org\n"
	              "  since 2026-11-22 07:00 +0000 (3 h)\n"
	              "  Question about the order\n"
	              "  Conversation: %s\n"
	              "\n"
	              "customer@example.org\n"
	              "  since 2026-11-22 09:15 +0000 (45 min)\n"
	              "  Question about the order\n"
	              "  Reference: Sales Order SO-0001\n"
	              "  Conversation: %s\n"
	              "\n"
	              "An answer to this mail reaches no customer.\n",
	              id, id);
	assert_string_equal(text, expected.data);
	buffer_release(&expected);
	free(text);
	free(mail);

	items[1].customer = items[0].customer;
	mail = compose(items, 2);
	assert_field(mail, "Subject", "1 customer waits for an answer");
	free(mail);
}

static void a_digest_of_thousands_is_bounded(void **state)
{
	enum { COUNT = 3000 };
	struct notice_item *items = xreallocarray(NULL, COUNT, sizeof(*items));
	char *wide = repeat("\xc3\xa4", 600), *mail, *text;
	(void)state;

	for (size_t i = 0; i < COUNT; i++) {
		items[i] = plain_item();
		items[i].wait = (int64_t)i + 1;
		items[i].subject = items[i].reference = wide;
	}
	mail = compose(items, COUNT);
	text = body(mail);
	assert_well_formed(mail);
	assert_non_null(strstr(text, "\nand 2800 more: rejoinder list --waiting\n"));
	free(text);
	free(mail);
	free(wide);
	free(items);
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
		cmocka_unit_test(texts),
		cmocka_unit_test(a_digest_lists_the_longest_first),
		cmocka_unit_test(a_digest_of_thousands_is_bounded),
		cmocka_unit_test(selection),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
