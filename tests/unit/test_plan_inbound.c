#include "tests/unit/plan_fixture.h"

/* The keys of an incoming account: open_new, reference_type, acknowledge. */

static const char configuration[] =
	"[rejoinder]\n"
	"domains = company.test\n"
	"[account \"Replies\"]\n"
	"address = replies@company.test\n"
	"incoming = yes\noutgoing = yes\ndefault_incoming = yes\ndefault_outgoing = yes\n"
	"senders = jane@company.test\n"
	"[account \"Support\"]\n"
	"address = support@company.test\n"
	"incoming = yes\n"
	"reference_type = Issue\n"
	"acknowledge = %s\n"
	"[account \"Quiet\"]\n"
	"address = quiet@company.test\n"
	"incoming = yes\n"
	"open_new = no\nreference_type = Lead\n";

static int set_up(void **state)
{
	char path[] = "/tmp/rejoinder-test-XXXXXX", *text;
	int fd = mkstemp(path), result;
	(void)state;

	if (fd < 0 || write(fd, "We have it.\n", 12) < 0)
		return -1;
	close(fd);
	text = xasprintf(configuration, path);
	result = load_policy(text);
	free(text);
	unlink(path);
	return result;
}

static const struct opening_row {
	const char *sentence;
	enum who who;
	const char *sender, *rcpts, *header;
	bool may_open;
	const char *account, *reference_type;
} opening_rows[] = {
	{"mail to an account opens a conversation", OUTSIDE, "c@example.org",
         "replies@company.test", CUSTOMER, true, "Replies", NULL},
	{"of the type that the account has", OUTSIDE, "c@example.org", "support@company.test",
         CUSTOMER, true, "Support", "Issue"},
	{"open_new = no: it opens none", OUTSIDE, "c@example.org", "quiet@company.test", CUSTOMER,
         false, "Quiet", "Lead"},
	{"of two accounts the one that opens", OUTSIDE, "c@example.org",
         "quiet@company.test support@company.test", CUSTOMER, true, "Support", "Issue"},
	{"of two that open the first", OUTSIDE, "c@example.org",
         "replies@company.test support@company.test", CUSTOMER, true, "Replies", NULL},
	{"staff that writes to it does the same", STAFF, "bob@company.test", "support@company.test",
         "From: bob@company.test\n" HUMAN, true, "Support", "Issue"},
	{"and may not where nobody may", STAFF, "bob@company.test", "quiet@company.test",
         "From: bob@company.test\n" HUMAN, false, "Quiet", "Lead"},
	{"mail to a person neither opens nor has a type", OUTSIDE, "c@example.org",
         "jane@company.test", CUSTOMER "References: <@T@@company.test>\n", false, NULL, NULL},
	{"mail that leaves is not of the type", STAFF, "jane@company.test",
         "customer@example.org support@company.test", JANE, true, "Replies", NULL},
};

static bool is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void what_opens_a_conversation(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(opening_rows) / sizeof(opening_rows[0]); i++) {
		const struct opening_row *row = &opening_rows[i];
		struct row full = {row->sentence, row->who, row->sender, row->rcpts, row->header,
		                   NULL,          0,        NULL,        NULL};
		struct plan plan;
		struct mail *mail = plan_row(&full, &plan);
		const struct record *record = &plan.record;

		if (record->match.may_open != row->may_open ||
		    !is_same(record->account, row->account) ||
		    !is_same(record->reference_type, row->reference_type))
			fail_msg("%s: opens=%d account=%s type=%s", row->sentence,
			         record->match.may_open,
			         record->account != NULL ? record->account : "none",
			         record->reference_type != NULL ? record->reference_type : "none");
		plan_release(&plan);
		mail_free(mail);
	}
}

#define TO_SUPPORT "To: support@company.test\n"
#define SUPPORT    "support@company.test"

static const struct acknowledge_row {
	const char *sentence;
	enum who who;
	const char *sender, *rcpts, *header;
	const char *expected; /* who is told, or NULL */
} acknowledge_rows[] = {
	{"a customer who writes to the account", OUTSIDE, "C@example.org", SUPPORT,
         TO_SUPPORT CUSTOMER, "C@example.org"},
	{"though From is another address of his", OUTSIDE, "c@example.com", SUPPORT,
         TO_SUPPORT CUSTOMER, "c@example.com"},
	{"in Cc, among others, in any case", OUTSIDE, "c@example.org", SUPPORT,
         "To: a@example.org\nCc: b@example.org,\n Us <Support@Company.test>\n" CUSTOMER,
         "c@example.org"},
	{"with a token, that may have expired", OUTSIDE, "c@example.org", SUPPORT,
         "To: support+@T@@company.test\n" CUSTOMER, "c@example.org"},
	{"fetched for it, whatever To says", INTERNAL, "c@example.org", "box@company.test",
         "Rejoinder-Mark: @F@\nTo: team@provider.example\n" CUSTOMER, "c@example.org"},
	{"an account that acknowledges nothing", OUTSIDE, "c@example.org", "replies@company.test",
         "To: replies@company.test\n" CUSTOMER, NULL},
	{"the account was in Bcc", OUTSIDE, "c@example.org", SUPPORT,
         "To: c@example.org\n" CUSTOMER, NULL},
	{"another account stands in To", OUTSIDE, "c@example.org", SUPPORT,
         "To: replies@company.test\n" CUSTOMER, NULL},
	{"no To at all", OUTSIDE, "c@example.org", SUPPORT, CUSTOMER, NULL},
	{"the null sender", OUTSIDE, "", SUPPORT, TO_SUPPORT CUSTOMER, NULL},
	{"a sender that is no address", OUTSIDE, "?", SUPPORT, TO_SUPPORT CUSTOMER, NULL},
	{"a sender at a literal, which may be a host inside", OUTSIDE, "c@[127.0.0.1]", SUPPORT,
         TO_SUPPORT CUSTOMER, NULL},
	{"a way by a host in between", OUTSIDE, "boss%company.test@example.org", SUPPORT,
         TO_SUPPORT CUSTOMER, NULL},
	{"by another kind of way", OUTSIDE, "example.com!boss@example.org", SUPPORT,
         TO_SUPPORT CUSTOMER, NULL},
	{"by a third", OUTSIDE, "boss@company.test@example.org", SUPPORT, TO_SUPPORT CUSTOMER,
         NULL},
	{"a blank in it", OUTSIDE, "jane doe@example.org", SUPPORT, TO_SUPPORT CUSTOMER, NULL},
	{"quotes in it", OUTSIDE, "\"jane\"@example.org", SUPPORT, TO_SUPPORT CUSTOMER, NULL},
	{"a bracket, which our own sending refuses", OUTSIDE, "c>@example.org", SUPPORT,
         TO_SUPPORT CUSTOMER, NULL},
	{"a control character, the same", OUTSIDE, "c\x7f@example.org", SUPPORT,
         TO_SUPPORT CUSTOMER, NULL},
	{"a + and a ' and bytes beyond ASCII are no harm", OUTSIDE, "o'neil+x\xc3\xbc@example.org",
         SUPPORT, TO_SUPPORT CUSTOMER, "o'neil+x\xc3\xbc@example.org"},
	{"an automatic answer", OUTSIDE, "c@example.org", SUPPORT,
         TO_SUPPORT "Auto-Submitted: auto-replied\n" CUSTOMER, NULL},
	{"list mail", OUTSIDE, "c@example.org", SUPPORT,
         TO_SUPPORT "List-Id: <l.example.org>\n" CUSTOMER, NULL},
	{"bulk mail", OUTSIDE, "c@example.org", SUPPORT, TO_SUPPORT "Precedence: bulk\n" CUSTOMER,
         NULL},
	{"a list's owner", OUTSIDE, "OWNER-list@example.org", SUPPORT, TO_SUPPORT CUSTOMER, NULL},
	{"a list's program", OUTSIDE, "list-Request@example.org", SUPPORT, TO_SUPPORT CUSTOMER,
         NULL},
	{"its bounces", OUTSIDE, "list-bounces@example.org", SUPPORT, TO_SUPPORT CUSTOMER, NULL},
	{"with the reader in them", OUTSIDE, "list-bounces+jane=company.test@example.org", SUPPORT,
         TO_SUPPORT CUSTOMER, NULL},
	{"a mailer", OUTSIDE, "mailer-daemon@example.org", SUPPORT, TO_SUPPORT CUSTOMER, NULL},
	{"noreply", OUTSIDE, "NoReply@example.org", SUPPORT, TO_SUPPORT CUSTOMER, NULL},
	{"noreply with a detail", OUTSIDE, "noreply+1234@example.org", SUPPORT, TO_SUPPORT CUSTOMER,
         NULL},
	{"a name with noreply at its end", OUTSIDE, "calendar-noreply@example.org", SUPPORT,
         TO_SUPPORT CUSTOMER, NULL},
	{"a person whose name begins like a program's", OUTSIDE, "rooter@example.org", SUPPORT,
         TO_SUPPORT CUSTOMER, "rooter@example.org"},
	{"or ends like one", OUTSIDE, "request@example.org", SUPPORT, TO_SUPPORT CUSTOMER,
         "request@example.org"},
	{"a sender inside", OUTSIDE, "jane@company.test", SUPPORT, TO_SUPPORT CUSTOMER, NULL},
	{"an account of ours", OUTSIDE, "replies@company.test", SUPPORT, TO_SUPPORT CUSTOMER, NULL},
	{"a customer's address around an author inside", OUTSIDE, "c@example.org", SUPPORT,
         TO_SUPPORT "From: jane@company.test\n" HUMAN, NULL},
	{"staff", STAFF, "bob@company.test", SUPPORT, TO_SUPPORT "From: bob@company.test\n" HUMAN,
         NULL},
	{"an alert of ours, whoever it seems to be from", INTERNAL, "c@example.org", SUPPORT,
         "Rejoinder-Mark: @A@\nReferences: <@T@@company.test>\n" TO_SUPPORT CUSTOMER, NULL},
	{"mail that leaves", STAFF, "jane@company.test", "customer@example.org " SUPPORT,
         TO_SUPPORT JANE, NULL},
	{"a mail to a person that names our id", OUTSIDE, "c@example.org", "jane@company.test",
         TO_SUPPORT CUSTOMER "References: <@T@@company.test>\n", NULL},
};

static void who_is_told_that_it_arrived(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(acknowledge_rows) / sizeof(acknowledge_rows[0]); i++) {
		const struct acknowledge_row *row = &acknowledge_rows[i];
		struct row full = {row->sentence, row->who, row->sender, row->rcpts, row->header,
		                   NULL,          0,        NULL,        NULL};
		struct plan plan;
		struct mail *mail = plan_row(&full, &plan);
		const char *found = plan.record.acknowledged_to;

		if (!is_same(found, row->expected))
			fail_msg("%s: told is %s", row->sentence, found != NULL ? found : "nobody");
		plan_release(&plan);
		mail_free(mail);
	}
}

static void nobody_is_told_of_mail_whose_sender_is_forged(void **state)
{
	static const struct {
		const char *sentence, *verdict, *expected;
	} rows[] = {
		{"its authentication failed", "dmarc=fail", NULL},
		{"it passed", "dmarc=pass", "c@example.org"},
		{"nobody looked", "none", "c@example.org"},
	};
	(void)state;

	policy.config->authserv_id = xstrdup("mx.company.test");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *header = xasprintf("Authentication-Results: mx.company.test; %s\n"
		                         "To: support@company.test\n" CUSTOMER,
		                         rows[i].verdict);
		struct row row = {.sentence = rows[i].sentence,
		                  .who = OUTSIDE,
		                  .sender = "c@example.org",
		                  .rcpts = "support@company.test",
		                  .header = header};
		struct plan plan;
		struct mail *mail = plan_row(&row, &plan);

		if (!is_same(plan.record.acknowledged_to, rows[i].expected))
			fail_msg("%s", rows[i].sentence);
		plan_release(&plan);
		mail_free(mail);
		free(header);
	}
	free(policy.config->authserv_id);
	policy.config->authserv_id = NULL;
}

static void nobody_is_told_where_the_text_cannot_be_read(void **state)
{
	static const struct row row = {.sentence = "a customer who writes to the account",
	                               .who = OUTSIDE,
	                               .sender = "c@example.org",
	                               .rcpts = SUPPORT,
	                               .header = TO_SUPPORT CUSTOMER};
	struct account *account = &policy.config->accounts[1];
	char *text = account->acknowledge_text;
	struct plan plan;
	struct mail *mail;
	(void)state;

	account->acknowledge_text = NULL;
	mail = plan_row(&row, &plan);
	account->acknowledge_text = text;
	assert_null(plan.record.acknowledged_to);
	plan_release(&plan);
	mail_free(mail);
}

static void a_message_has_the_keys_of_its_copies(void **state)
{
	static const struct {
		const char *sentence;
		enum who who;
		const char *sender, *rcpts, *header;
		bool has_copy_keys;
	} rows[] = {
		{"within the company", STAFF, "bob@company.test", "support@company.test",
	         "From: bob@company.test\n" HUMAN, true},
		{"the same as it comes back", OUTSIDE, "bob@company.test", "support@company.test",
	         "From: bob@company.test\n" HUMAN, true},
		{"without a Date", OUTSIDE, "c@example.org", "support@company.test",
	         "From: c@example.org\nMessage-ID: <1@x>\n", false},
		{"without a Message-ID", OUTSIDE, "c@example.org", "support@company.test",
	         "From: c@example.org\nDate: today\nSubject: hello\n", false},
	};
	struct record records[4];
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct row row = {.sentence = rows[i].sentence,
		                  .who = rows[i].who,
		                  .sender = rows[i].sender,
		                  .rcpts = rows[i].rcpts,
		                  .header = rows[i].header};
		struct plan plan;
		struct mail *mail = plan_row(&row, &plan);

		records[i] = plan.record;
		if (records[i].has_copy_keys != rows[i].has_copy_keys)
			fail_msg("%s", rows[i].sentence);
		plan_release(&plan);
		mail_free(mail);
	}
	/* The other directions of the first are out, in; of the second out, internal. */
	assert_memory_not_equal(records[0].key, records[1].key, DIGEST_BYTES);
	assert_memory_equal(records[0].copy_keys[1], records[1].key, DIGEST_BYTES);
	assert_memory_equal(records[1].copy_keys[1], records[0].key, DIGEST_BYTES);
	assert_memory_equal(records[0].copy_keys[0], records[1].copy_keys[0], DIGEST_BYTES);
}

static void check_tag(const struct row *row, const struct recorded *recorded)
{
	struct plan plan;
	struct mail *mail = plan_row(row, &plan);
	char *expected = fill_in(row->expected), *found = edits_of(&plan, mail, recorded);

	if (strcmp(found, expected) != 0)
		fail_msg("%s: found edits\n%sexpected\n%s", row->sentence, found, expected);
	free(found);
	free(expected);
	plan_release(&plan);
	mail_free(mail);
}

static void the_type_stands_in_the_tag(void **state)
{
	static const struct row row = {
		"a forged type goes, the conversation's comes",
		OUTSIDE,
		"c@example.org",
		"replies+@T@@company.test",
		"Rejoinder-Reference-Type: Invoice\n" CUSTOMER,
		NULL,
		ROUTE_INBOUND,
		NULL,
		"delete Rejoinder-Reference-Type 1\ninsert Rejoinder-Reference-Type: Issue\n"
		"insert Rejoinder-Reference: SO-1\n" OUR_TAG};
	static const struct row untyped = {"none without one",
	                                   OUTSIDE,
	                                   "c@example.org",
	                                   "support+@T@@company.test",
	                                   CUSTOMER,
	                                   NULL,
	                                   ROUTE_INBOUND,
	                                   NULL,
	                                   OUR_TAG};
	struct recorded recorded = {.conversation = CONVERSATION,
	                            .first_received_at = NOW,
	                            .reason = MATCH_TOKEN,
	                            .class = CLASS_HUMAN,
	                            .rule = (char[]){"none"},
	                            .reference = (char[]){"SO-1"},
	                            .reference_type = (char[]){"Issue"}};
	(void)state;

	check_tag(&row, &recorded);
	recorded.reference = recorded.reference_type = NULL;
	check_tag(&untyped, &recorded);
}

static void what_opens_nothing_is_tagged_so(void **state)
{
	static const struct row row = {
		"open_new = no",
		OUTSIDE,
		"c@example.org",
		"quiet@company.test",
		"Rejoinder-Match: token\n" CUSTOMER,
		NULL,
		ROUTE_INBOUND,
		NULL,
		"delete Rejoinder-Match 1\n"
		"insert Rejoinder-Class: human; rule=none\ninsert Rejoinder-Match: none\n"};
	struct recorded recorded = {.status = RECORDED_NOT_OURS, .reason = MATCH_NONE};
	(void)state;

	check_tag(&row, &recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_opens_a_conversation),
		cmocka_unit_test(who_is_told_that_it_arrived),
		cmocka_unit_test(nobody_is_told_of_mail_whose_sender_is_forged),
		cmocka_unit_test(nobody_is_told_where_the_text_cannot_be_read),
		cmocka_unit_test(a_message_has_the_keys_of_its_copies),
		cmocka_unit_test(the_type_stands_in_the_tag),
		cmocka_unit_test(what_opens_nothing_is_tagged_so),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
