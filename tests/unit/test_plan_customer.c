#include "tests/unit/plan_fixture.h"

/* Who may wait, as the milter tells the store: customers, colleagues, and by which name. */

static const char configuration[] =
	"[rejoinder]\n"
	"domains = company.test\nstaff = @company.test\n"
	"[account \"Replies\"]\n"
	"address = replies@company.test\n"
	"incoming = yes\noutgoing = yes\ndefault_incoming = yes\ndefault_outgoing = yes\n"
	"senders = jane@company.test\n"
	"acknowledge = %s\n"
	"[account \"Support\"]\n"
	"address = support@company.test\n"
	"incoming = yes\n"
	"[account \"Desk\"]\n"
	"address = desk@company.test\n"
	"incoming = yes\n"
	"internal_customers = yes\n"
	"acknowledge = %s\n";

#define DESK     "desk@company.test"
#define REPLIES  "replies@company.test"
#define BOB      "bob@company.test"
#define FROM_BOB "From: Bob <bob@company.test>\n" HUMAN

static int set_up(void **state)
{
	char path[] = "/tmp/rejoinder-test-XXXXXX", *text;
	int fd = mkstemp(path), result;
	(void)state;

	if (fd < 0 || write(fd, "We have it.\n", 12) < 0)
		return -1;
	close(fd);
	text = xasprintf(configuration, path, path);
	result = load_policy(text);
	free(text);
	unlink(path);
	return result;
}

static bool is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static const struct {
	const char *sentence;
	enum who who;
	const char *sender, *rcpts, *header;
	bool starts_wait, answers_colleagues, asks_as_colleague;
	const char *acknowledged_to;
} rows[] = {
	{"a customer", OUTSIDE, "c@example.org", DESK, "To: desk@company.test\n" CUSTOMER, true,
         false, false, "c@example.org"},
	{"a colleague who writes to the desk is told as well", STAFF, BOB, DESK,
         "To: desk@company.test\n" FROM_BOB, false, true, true, BOB},
	{"in Bcc he is not", STAFF, BOB, DESK, FROM_BOB, false, true, true, NULL},
	{"nor at an account whose customers are outside", STAFF, BOB, REPLIES,
         "To: replies@company.test\n" FROM_BOB, false, true, true, NULL},
	{"a colleague to a colleague in a conversation", STAFF, BOB, "jane@company.test",
         "References: <@T@@company.test>\n" FROM_BOB, false, true, true, NULL},
	{"an account of ours answers and does not ask", STAFF, "support@company.test", DESK,
         "To: desk@company.test\nFrom: support@company.test\n" HUMAN, false, true, false, NULL},
	{"a program of ours does not ask either", LOCAL, "root@company.test", DESK,
         "To: desk@company.test\nFrom: root@company.test\n" HUMAN, false, false, false, NULL},
	{"a machine does nothing", STAFF, BOB, DESK,
         "To: desk@company.test\nAuto-Submitted: auto-generated\n" FROM_BOB, false, false, false,
         NULL},
	{"who only says that he is inside", OUTSIDE, BOB, DESK, "To: desk@company.test\n" FROM_BOB,
         false, false, false, NULL},
	{"fetched mail neither", INTERNAL, BOB, "box@company.test",
         "Rejoinder-Mark: @F@\n" FROM_BOB, false, false, false, NULL},
	{"an alert of ours", INTERNAL, BOB, DESK,
         "Rejoinder-Mark: @A@\nReferences: <@T@@company.test>\n" FROM_BOB, false, false, false,
         NULL},
	{"mail that leaves", STAFF, "jane@company.test", "customer@example.org " DESK, JANE, false,
         false, false, NULL},
};

static void who_may_wait(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct row row = {.sentence = rows[i].sentence,
		                  .who = rows[i].who,
		                  .sender = rows[i].sender,
		                  .rcpts = rows[i].rcpts,
		                  .header = rows[i].header};
		struct plan plan;
		struct mail *mail = plan_row(&row, &plan);
		const struct record *record = &plan.record;

		if (record->starts_wait != rows[i].starts_wait ||
		    record->reopens != rows[i].starts_wait ||
		    record->answers_colleagues != rows[i].answers_colleagues ||
		    record->asks_as_colleague != rows[i].asks_as_colleague ||
		    !is_same(record->acknowledged_to, rows[i].acknowledged_to))
			fail_msg("%s: starts=%d answers=%d asks=%d told=%s", rows[i].sentence,
			         record->starts_wait, record->answers_colleagues,
			         record->asks_as_colleague,
			         record->acknowledged_to != NULL ? record->acknowledged_to : "-");
		assert_ptr_equal(record->config, policy.config);
		plan_release(&plan);
		mail_free(mail);
	}
}

static const struct {
	const char *sentence;
	const char *sender, *header, *body;
	const char *from, *reply_to;
	bool starts_wait;
} customers[] = {
	{"who writes without a readable From waits by his envelope", "c@example.org",
         "From: =?utf-8?b?bm9ib2R5?=\n" HUMAN, "", "c@example.org", NULL, true},
	{"one with a readable From by that", "bounce+1@example.com", CUSTOMER, "",
         "customer@example.org", NULL, true},
	{"nobody behind the null sender", "", "From: nobody\n" HUMAN, "", "", NULL, false},
	{"nobody who says that he is inside", BOB, "From: nobody\n" HUMAN, "", "", NULL, false},
	{"of several Reply-To the first that is not ours", "c@example.org",
         "Reply-To: desk@company.test, buyer@example.com, second@example.com\n" CUSTOMER, "",
         "customer@example.org", "buyer@example.com", true},
	{"none if all are ours", "c@example.org",
         "Reply-To: desk@company.test, bob@company.test\n" CUSTOMER, "", "customer@example.org",
         NULL, true},
	{"who accepts an invitation asks nothing", "c@example.org",
         "Content-Type: text/calendar; method=REPLY\n" CUSTOMER,
         "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REPLY\r\n", "customer@example.org", NULL, false},
	{"who invites does", "c@example.org",
         "Content-Type: text/calendar; method=REQUEST\n" CUSTOMER,
         "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n", "customer@example.org", NULL, true},
};

static void who_the_customer_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(customers) / sizeof(customers[0]); i++) {
		struct row row = {.sentence = customers[i].sentence,
		                  .who = OUTSIDE,
		                  .sender = customers[i].sender,
		                  .rcpts = DESK,
		                  .header = customers[i].header,
		                  .body = customers[i].body};
		struct plan plan;
		struct mail *mail = plan_row(&row, &plan);
		const struct record *record = &plan.record;

		if (!is_same(record->from, customers[i].from) ||
		    !is_same(record->reply_to, customers[i].reply_to) ||
		    record->starts_wait != customers[i].starts_wait)
			fail_msg("%s: from=%s reply_to=%s starts=%d", row.sentence, record->from,
			         record->reply_to != NULL ? record->reply_to : "-",
			         record->starts_wait);
		plan_release(&plan);
		mail_free(mail);
	}
}

#define A_HUNDRED                                                                                  \
	"a12345678901234567890123456789012345678901234567890"                                      \
	"12345678901234567890123456789012345678901234567 x"

static const struct {
	const char *sentence, *from, *expected;
} names[] = {
	{"words", "Bob Builder <bob@example.org>", "Bob Builder"},
	{"a quoted string", "\"Builder, \\\"Bob\\\"\" <bob@example.org>", "Builder, \"Bob\""},
	{"encoded words", "=?utf-8?q?J=C3=BCrgen?= =?utf-8?b?IE0u?= <bob@example.org>",
         "J\xc3\xbcrgen M."},
	{"bytes of another charset", "J\xfcrgen <bob@example.org>", "J\xc3\xbcrgen"},
	{"control characters are blanks", "=?utf-8?q?a=07b=0Ac=1B[31m?= <bob@example.org>",
         "a b c [31m"},
	{"none", "bob@example.org", NULL},
	{"an empty one", "\"\" <bob@example.org>", NULL},
	{"of two authors the first", "Bob <bob@example.org>, Eve <eve@example.org>", "Bob"},
	{"a long one is cut", "\"" A_HUNDRED A_HUNDRED A_HUNDRED "\" <bob@example.org>",
         A_HUNDRED A_HUNDRED},
};

static void the_name_in_from_is_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *header = xasprintf("From: %s\n" HUMAN, names[i].from);
		struct row row = {.sentence = names[i].sentence,
		                  .who = OUTSIDE,
		                  .sender = "bob@example.org",
		                  .rcpts = REPLIES,
		                  .header = header};
		struct plan plan;
		struct mail *mail = plan_row(&row, &plan);

		if (!is_same(plan.record.from_name, names[i].expected))
			fail_msg("%s: \"%s\"", names[i].sentence,
			         plan.record.from_name != NULL ? plan.record.from_name : "-");
		plan_release(&plan);
		mail_free(mail);
		free(header);
	}
}

static void what_it_is_related_to_stands_in_the_tag(void **state)
{
	static const struct row row = {.sentence = "related",
	                               .who = OUTSIDE,
	                               .sender = "c@example.org",
	                               .rcpts = "replies+@O@@company.test",
	                               .header = "Rejoinder-Related: 0123456789abc\n" CUSTOMER};
	struct recorded recorded = {.conversation = CONVERSATION + 1,
	                            .first_received_at = NOW,
	                            .reason = MATCH_TOKEN,
	                            .class = CLASS_HUMAN,
	                            .rule = (char[]){"none"},
	                            .related = CONVERSATION};
	struct plan plan;
	struct mail *mail = plan_row(&row, &plan);
	char *related = fill_in("insert Rejoinder-Related: @C@\n"), *found;
	(void)state;

	found = edits_of(&plan, mail, &recorded);
	assert_non_null(strstr(found, "delete Rejoinder-Related 1\n"));
	assert_non_null(strstr(found, related));
	free(found);
	recorded.related = 0;
	found = edits_of(&plan, mail, &recorded);
	assert_null(strstr(found, "insert Rejoinder-Related"));
	free(found);
	free(related);
	plan_release(&plan);
	mail_free(mail);
}

#define SUPPORT "support@company.test"

static const struct {
	const char *sentence;
	enum who who;
	const char *sender, *rcpts, *header;
	const char *account, *expected; /* edits of recipients */
} ways[] = {
	{"a customer's answer goes to the owner", OUTSIDE, "c@example.org", REPLIES,
         "References: <@T@@company.test>\n" CUSTOMER, "Replies",
         "to boss@company.test\nnot to replies@company.test\n"},
	{"the thread that a colleague sends to an account stays there", STAFF, BOB, DESK,
         "References: <@T@@company.test>\n" FROM_BOB, "Desk", ""},
	{"so does his copy to it", STAFF, BOB, "jane@company.test desk@company.test",
         "References: <@T@@company.test>\n" FROM_BOB, "Desk", ""},
	{"what he writes to the token alone goes to the owner", STAFF, BOB,
         "replies+@T@@company.test", FROM_BOB, "Replies",
         "to boss@company.test\nnot to replies+@T@@company.test\n"},
	{"a colleague waits where colleagues wait, whichever stands first", STAFF, BOB,
         SUPPORT " " DESK, FROM_BOB, "Desk", ""},
	{"a customer where he wrote first", OUTSIDE, "c@example.org", SUPPORT " " DESK, CUSTOMER,
         "Support",
         "to boss@company.test\nnot to support@company.test\n"
         "not to desk@company.test\n"},
};

static void whom_a_message_goes_to(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct row row = {.sentence = ways[i].sentence,
		                  .who = ways[i].who,
		                  .sender = ways[i].sender,
		                  .rcpts = ways[i].rcpts,
		                  .header = ways[i].header};
		struct recorded recorded = {.conversation = CONVERSATION,
		                            .first_received_at = NOW,
		                            .reason = MATCH_TOKEN,
		                            .class = CLASS_HUMAN,
		                            .rule = (char[]){"none"},
		                            .owner = (char[]){"boss@company.test"}};
		char *expected = fill_in(ways[i].expected), *found;
		struct plan plan;
		struct mail *mail = plan_row(&row, &plan);
		const char *first;

		if (!is_same(plan.record.account, ways[i].account))
			fail_msg("%s: account %s", row.sentence, plan.record.account);
		found = edits_of(&plan, mail, &recorded);
		/* Those of recipients stand last. */
		first = strstr(found, "\nto ");
		if (strcmp(first != NULL ? first + 1 : "", expected) != 0)
			fail_msg("%s: %s", row.sentence, found);
		free(found);
		free(expected);
		plan_release(&plan);
		mail_free(mail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whom_a_message_goes_to),
		cmocka_unit_test(who_may_wait),
		cmocka_unit_test(who_the_customer_is),
		cmocka_unit_test(the_name_in_from_is_kept),
		cmocka_unit_test(what_it_is_related_to_stands_in_the_tag),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
