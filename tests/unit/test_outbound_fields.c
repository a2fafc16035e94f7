#include "tests/unit/plan_fixture.h"

#include "milter/outbound.h"

/* The fields that outbound mail leaves with, whatever it came with. */

static const char configuration[] =
	"[rejoinder]\n"
	"domains = company.test, answers.test\n"
	"[account \"Replies\"]\n"
	"address = replies@company.test\n"
	"incoming = yes\noutgoing = yes\ndefault_incoming = yes\ndefault_outgoing = yes\n"
	"senders = jane@company.test, jane@xn--bcher-kva.test\n"
	"[account \"Away\"]\n"
	"address = away@company.test\n"
	"outgoing = yes\nfrom = account\n"
	"senders = bob@company.test\n"
	"exclude_recipients = vip@example.org\n"
	"[account \"All\"]\n"
	"address = all@company.test\n"
	"incoming = yes\noutgoing = yes\ntoken_domain = answers.test\n"
	"[account \"Bare\"]\n"
	"address = bare@company.test\n"
	"outgoing = yes\nreply_to = plain\nreply_to_address = all@company.test\n";

static int set_up(void **state)
{
	(void)state;
	return load_policy(configuration);
}

#define HEAD          "From: Jane Doe <jane@company.test>\nDate: today\nSubject: hello\n"
#define ID            "Message-ID: <1@x>\n"
#define TO_JANE       "insert Reply-To: Jane Doe <replies+@T@@company.test>\n"
#define OUR_ID        "<@T@@company.test>"
#define TO(name)      "insert Reply-To: " name "\n <replies+@T@@company.test>\n"
#define CUSTOMER_RCPT "customer@example.org"

#define ROW(sentence, header, edits)                                                               \
	{                                                                                          \
		sentence, STAFF, "jane@company.test", CUSTOMER_RCPT, header, NULL, ROUTE_OUTBOUND, \
			NULL, edits                                                                \
	}

static const struct row rows[] = {
	ROW("References are repeated as they were folded",
            HEAD ID "References: <a@x>\n  <b@x> (a comment)\n",
            TO_JANE "set References 1: " OUR_ID "\n\t<a@x>\n  <b@x> (a comment)\n"),
	ROW("of two References one is made, in their order",
            HEAD ID "References: <a@x>\nReferences: <b@x> <c@x>\n",
            TO_JANE "set References 1: " OUR_ID "\n\t<a@x>\n\t<b@x>\n\t<c@x>\n"
                    "delete References 2\n"),
	ROW("our id is written once, though it stood in the second",
            HEAD ID "References: <a@x>\nReferences: <@T@@company.test> <c@x>\n",
            TO_JANE "set References 1: <a@x>\n\t" OUR_ID "\n\t<c@x>\ndelete References 2\n"),
	ROW("a bare CR is not repeated", HEAD ID "References: <a@x>\r<b@x>\n",
            TO_JANE "set References 1: " OUR_ID "\n\t<a@x>\n\t<b@x>\n"),
	ROW("a line of blanks neither", HEAD ID "References: <a@x>\n \n <b@x>\n",
            TO_JANE "set References 1: " OUR_ID "\n\t<a@x>\n\t<b@x>\n"),
	ROW("empty References are filled", HEAD ID "References:\n",
            TO_JANE "set References 1: " OUR_ID "\n"),
	ROW("In-Reply-To alone follows our id", HEAD ID "In-Reply-To: <a@x> \"b\" <c@x>\n",
            TO_JANE "insert References: " OUR_ID "\n\t<a@x>\n\t<c@x>\n"),

	ROW("of several Reply-To one is made",
            HEAD ID "Reply-To: jane@company.test\nReply-To: bob@company.test\nReply-To:\n",
            "set Reply-To 1: Jane Doe <replies+@T@@company.test>\n"
            "delete Reply-To 3\ndelete Reply-To 2\ninsert References: " OUR_ID "\n"),
	ROW("of two Message-IDs the first stays", HEAD ID "Message-ID: <2@x>\n",
            TO_JANE "insert References: " OUR_ID "\ndelete Message-ID 2\n"),

	ROW("a name that is raw UTF-8 is encoded", "From: \"Jäne, Ö\" <jane@company.test>\n" HUMAN,
            TO("=?UTF-8?B?SsOkbmUsIMOW?=") "insert References: " OUR_ID "\n"),
	ROW("a long one is folded at 78",
            "From: one two three four five six seven eight nine ten eleven twelve thirteen"
            " <jane@company.test>\n" HUMAN,
            "insert Reply-To: one two three four five six seven eight nine ten eleven twelve\n"
            " thirteen <replies+@T@@company.test>\n"
            "insert References: " OUR_ID "\n"),
	ROW("a comment is no name", "From: jane@company.test (Jane Doe)\n" HUMAN,
            "insert Reply-To: replies+@T@@company.test\ninsert References: " OUR_ID "\n"),
	ROW("a group of one has one author", "From: Sales: Jane Doe <jane@company.test>;\n" HUMAN,
            TO_JANE "insert References: " OUR_ID "\n"),
	{"an international domain is that of its ASCII form", STAFF, "jane@bücher.test",
         CUSTOMER_RCPT, "From: jane@Bücher.test\n" HUMAN, NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: replies+@T@@company.test\ninsert References: " OUR_ID "\n"},
};

static void what_leaves_is_well_formed(void **state)
{
	(void)state;
	check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

/* The id in References is of the account's own domain, which is where it is looked for. */
static void a_token_domain_is_for_reply_to_only(void **state)
{
	static const struct row with_token = {"token",
	                                      STAFF,
	                                      "all@company.test",
	                                      CUSTOMER_RCPT,
	                                      "From: All <all@company.test>\n" HUMAN,
	                                      NULL,
	                                      ROUTE_OUTBOUND,
	                                      NULL,
	                                      NULL};
	static const struct row plain = {"plain",
	                                 STAFF,
	                                 "bare@company.test",
	                                 CUSTOMER_RCPT,
	                                 "From: bare@company.test\n" HUMAN,
	                                 NULL,
	                                 ROUTE_OUTBOUND,
	                                 NULL,
	                                 "insert Reply-To: all@company.test\n"
	                                 "insert References: " OUR_ID "\n"};
	struct recorded recorded = {.conversation = CONVERSATION, .first_received_at = NOW};
	char token_there[TOKEN_SIZE], *expected;
	char *const delimiter = policy.config->delimiter;
	(void)state;

	token_make(token_there, &policy.keys, CONVERSATION, NOW, "answers.test");
	expected = xasprintf("insert Reply-To: All <%s@answers.test>\n"
	                     "insert References: <%s@company.test>\n",
	                     token_there, token);
	/* It needs no delimiter. */
	for (size_t i = 0; i < 2; i++) {
		struct plan plan;
		struct mail *mail = plan_row(&with_token, &plan);
		char *found = edits_of(&plan, mail, &recorded);

		assert_string_equal(found, expected);
		free(found);
		plan_release(&plan);
		mail_free(mail);
		policy.config->delimiter = (char[]){""};
	}
	policy.config->delimiter = delimiter;
	check_rows(&plain, 1);
	free(expected);
}

static const struct unreadable_row {
	const char *sentence;
	enum who who;
	const char *sender, *rcpts, *header;
	const char *reason; /* or NULL */
} unreadable[] = {
	{"one author can be read", STAFF, "jane@company.test", CUSTOMER_RCPT, JANE, NULL},
	{"two From fields", STAFF, "jane@company.test", CUSTOMER_RCPT,
         JANE "From: eve@example.net\n", "it has 2 From fields"},
	{"whichever comes first", INTERNAL, "x@y.test", CUSTOMER_RCPT,
         "From: eve@example.net\nFrom: bob@company.test\n", "it has 2 From fields"},
	{"several authors", STAFF, "x@y.test", CUSTOMER_RCPT,
         "From: eve@example.net, g: bob@company.test;\n", "its From names several authors"},
	{"nobody in it, but the envelope names one", LOCAL, "jane@company.test", CUSTOMER_RCPT,
         "From: undisclosed:;\n", "its From names nobody"},
	{"no From at all", STAFF, "jane@company.test", CUSTOMER_RCPT, "Subject: x\n",
         "its From names nobody"},
	{"an empty one", STAFF, "jane@company.test", CUSTOMER_RCPT, "From:\n",
         "its From names nobody"},
	{"people who are not named are let alone", STAFF, "eve@company.test", CUSTOMER_RCPT,
         "From: eve@company.test, eve@example.net\n", NULL},
	{"unless the message asks", STAFF, "eve@company.test", CUSTOMER_RCPT,
         "From: eve@company.test, eve@example.net\nRejoinder: yes\n",
         "its From names several authors"},
	{"or refuses", STAFF, "jane@company.test", CUSTOMER_RCPT,
         "From: jane@company.test, eve@example.net\nRejoinder: no\n", NULL},
	{"a client that nobody trusts is let alone", OUTSIDE, "jane@company.test", CUSTOMER_RCPT,
         JANE JANE, NULL},
	{"mail that stays inside too", STAFF, "jane@company.test", "bob@company.test", JANE JANE,
         NULL},
	{"and the null sender", STAFF, "", CUSTOMER_RCPT, JANE JANE, NULL},
};

static void check_unreadable(const struct row *row, const char *expected)
{
	char reason[OUTBOUND_REASON_SIZE];
	struct plan plan;
	struct mail *mail = plan_row(row, &plan);

	if (!outbound_is_unreadable(&plan, mail, reason)) {
		if (expected != NULL)
			fail_msg("%s: it can be read", row->sentence);
	} else if (expected == NULL || strcmp(reason, expected) != 0) {
		fail_msg("%s: found \"%s\"", row->sentence, reason);
	} else if (plan.route == ROUTE_OUTBOUND) {
		fail_msg("%s: it is rewritten all the same", row->sentence);
	}
	plan_release(&plan);
	mail_free(mail);
}

static void what_cannot_be_read_is_not_rewritten(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(unreadable) / sizeof(unreadable[0]); i++) {
		const struct unreadable_row *from = &unreadable[i];
		struct row row = {.sentence = from->sentence,
		                  .who = from->who,
		                  .sender = from->sender,
		                  .rcpts = from->rcpts,
		                  .header = from->header};

		check_unreadable(&row, from->reason);
	}
}

/* Each removal costs Postfix a walk through the message. */
static void nor_what_has_fields_without_end(void **state)
{
	static const char *const names[] = {"Reply-To", "References", "Message-ID", "X-Sender"};
	(void)state;

	for (size_t i = 0; i < 4; i++) {
		struct buffer header;
		struct row row = {.sentence = "fields without end",
		                  .who = STAFF,
		                  .sender = "bob@company.test",
		                  .rcpts = CUSTOMER_RCPT};
		char reason[OUTBOUND_REASON_SIZE];

		buffer_init(&header, 20000);
		buffer_append_text(&header, "From: bob@company.test\n");
		for (size_t j = 0; j < EDIT_DELETIONS_MAX; j++)
			buffer_printf(&header, "%s: <bob@company.test>\n", names[i]);
		row.header = header.data;
		check_unreadable(&row, NULL);
		buffer_printf(&header, "%s: <bob@company.test>\n", names[i]);
		row.header = header.data;
		snprintf(reason, sizeof(reason), "it has over 200 %s fields", names[i]);
		check_unreadable(&row, reason);
		buffer_release(&header);
	}
}

/* A field of 60,000 bytes, as Postfix cuts it, and what we put before it. */
static void long_references_keep_the_nearest(void **state)
{
	struct buffer header;
	struct plan plan;
	struct edit_list edits = {0};
	struct recorded recorded = {.conversation = CONVERSATION, .first_received_at = NOW};
	struct row row = {.sentence = "long",
	                  .who = STAFF,
	                  .sender = "jane@company.test",
	                  .rcpts = CUSTOMER_RCPT};
	struct mail *mail;
	const char *value = NULL;
	(void)state;

	buffer_init(&header, 200000);
	buffer_append_text(&header, JANE "References:");
	for (int i = 0; i < 1500; i++)
		buffer_printf(&header, " <%036d@x>", i);
	buffer_append_text(&header, "\nReferences:");
	for (int i = 1500; i < 1900; i++)
		buffer_printf(&header, " <%036d@x>", i);
	buffer_append_text(&header, "\n");
	row.header = header.data;
	mail = plan_row(&row, &plan);
	plan_edits(&plan, mail, &recorded, &edits);
	for (size_t i = 0; i < edits.count; i++)
		if (edits.items[i].kind == EDIT_SET_FIELD)
			value = edits.items[i].value;
	assert_non_null(value);
	assert_true(strlen(value) < 60200);
	assert_memory_equal(value + 1, token, TOKEN_LENGTH);
	assert_null(strstr(value, "<000000000000000000000000000000000000@x>"));
	assert_non_null(strstr(value, "\n\t<000000000000000000000000000000001899@x>"));
	edit_list_release(&edits);
	plan_release(&plan);
	mail_free(mail);
	buffer_release(&header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_leaves_is_well_formed),
		cmocka_unit_test(a_token_domain_is_for_reply_to_only),
		cmocka_unit_test(what_cannot_be_read_is_not_rewritten),
		cmocka_unit_test(nor_what_has_fields_without_end),
		cmocka_unit_test(long_references_keep_the_nearest),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
