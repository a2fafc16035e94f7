#include "tests/unit/plan_fixture.h"

static const char configuration[] =
	"[rejoinder]\n"
	"domains = company.test\n"
	"staff = @company.test\n"
	"exclude_recipients = @excluded.example\n"
	"[account \"Replies\"]\n"
	"address = replies@company.test\n"
	"incoming = yes\noutgoing = yes\ndefault_incoming = yes\ndefault_outgoing = yes\n"
	"senders = jane@company.test\n"
	"[account \"Support\"]\n"
	"address = support@company.test\n"
	"display_name = Company Support\n"
	"incoming = yes\noutgoing = yes\nfrom = account\n"
	"senders = bob@company.test\n"
	"[account \"Sales\"]\n"
	"address = sales@company.test\n"
	"display_name = Sales, Company\n"
	"incoming = yes\noutgoing = yes\nfrom = name\ndeliver = mailbox\n"
	"[account \"Jobs\"]\n"
	"address = jobs@company.test\n"
	"incoming = yes\noutgoing = yes\nreply_to = plain\ndeliver = none\n"
	"[account \"Both\"]\n"
	"address = both@company.test\n"
	"incoming = yes\ndeliver = both\n";

static int set_up(void **state)
{
	(void)state;
	return load_policy(configuration);
}

static const struct row rows[] = {
	{"staff to the outside under an account", STAFF, "jane@company.test",
         "customer@example.org", JANE, NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: Jane Doe <replies+@T@@company.test>\n"
         "insert References: <@T@@company.test>\n"},
	{"the same through sendmail(1)", LOCAL, "jane@company.test", "customer@example.org", JANE,
         NULL, ROUTE_OUTBOUND, NULL, NULL},
	{"one outside and one inside recipient is outbound", STAFF, "jane@company.test",
         "bob@company.test customer@example.org", JANE, NULL, ROUTE_OUTBOUND, NULL, NULL},
	{"the same From, but the client is not trusted", OUTSIDE, "jane@company.test",
         "customer@example.org", JANE, NULL, ROUTE_PASS, NULL, NULL},
	{"a sender whom no account names", STAFF, "eve@company.test", "customer@example.org",
         "From: eve@company.test\n" HUMAN, NULL, ROUTE_PASS, NULL, NULL},
	{"who opts in leaves by the default account", STAFF, "eve@company.test",
         "customer@example.org", "From: eve@company.test\nRejoinder: yes\n" HUMAN, NULL,
         ROUTE_OUTBOUND, NULL,
         "insert Reply-To: replies+@T@@company.test\n"
         "insert References: <@T@@company.test>\n"
         "delete Rejoinder 1\n"},
	{"a reference opts in", STAFF, "eve@company.test", "customer@example.org",
         "From: eve@company.test\nRejoinder-Reference: Sales Order SO-0001\n" HUMAN, NULL,
         ROUTE_OUTBOUND, NULL, NULL},
	{"a reference from outside is stripped", OUTSIDE, "eve@example.org", "jane@company.test",
         "From: eve@example.org\nRejoinder-Reference: x\n" HUMAN, NULL, ROUTE_STRIP, NULL,
         "delete Rejoinder-Reference 1\n"},
	{"Rejoinder: no is taken out, and nothing else is done", STAFF, "jane@company.test",
         "customer@example.org", "Rejoinder: no\n" JANE, NULL, ROUTE_STRIP, NULL,
         "delete Rejoinder 1\n"},
	{"another domain's default does not exist", STAFF, "eve@example.net",
         "customer@example.org", "From: eve@example.net\nRejoinder: yes\n" HUMAN, NULL, ROUTE_STRIP,
         NULL, NULL},
	{"two authors are nobody's to rewrite", STAFF, "jane@company.test", "customer@example.org",
         "From: jane@company.test, bob@company.test\n" HUMAN, NULL, ROUTE_PASS, NULL, NULL},
	{"two From fields neither", STAFF, "jane@company.test", "customer@example.org",
         "From: bob@company.test\n" JANE, NULL, ROUTE_PASS, NULL, NULL},
	{"an excluded recipient", STAFF, "jane@company.test", "a@excluded.example b@example.org",
         JANE, NULL, ROUTE_PASS, NULL, NULL},
	{"a Reply-To that leads elsewhere", STAFF, "jane@company.test", "customer@example.org",
         JANE "Reply-To: jane@home.example\n", NULL, ROUTE_PASS, NULL, NULL},
	{"a Reply-To inside is replaced, further ones go", STAFF, "jane@company.test",
         "customer@example.org", JANE "Reply-To: jane@company.test\nReply-To: bob@company.test\n",
         NULL, ROUTE_OUTBOUND, NULL,
         "set Reply-To 1: " REPLY_TO_JANE "delete Reply-To 2\n"
         "insert References: <@T@@company.test>\n"},
	{"a Reply-To that is another account of ours keeps it", STAFF, "jane@company.test",
         "customer@example.org", JANE "Reply-To: support@company.test\n", NULL, ROUTE_OUTBOUND,
         NULL,
         "set Reply-To 1: Jane Doe <support+@T@@company.test>\n"
         "insert References: <@T@@company.test>\n"},
	{"the null sender is never touched", STAFF, "", "customer@example.org", JANE, NULL,
         ROUTE_PASS, NULL, NULL},
	{"list mail is never touched", STAFF, "jane@company.test", "customer@example.org",
         JANE "List-Id: <x.example.org>\n", NULL, ROUTE_STRIP, NULL, ""},
	{"an invitation is never touched, but it may answer", STAFF, "jane@company.test",
         "customer@example.org", JANE "Content-Type: text/calendar; method=REQUEST\n",
         "BEGIN:VCALENDAR\n", ROUTE_TRACKED, NULL, ""},
	{"and goes to no token", STAFF, "jane@company.test",
         "customer@example.org replies+@T@@company.test",
         JANE "Content-Type: text/calendar; method=REPLY\n", "BEGIN:VCALENDAR\n", ROUTE_TRACKED,
         NULL, "not to replies+@T@@company.test\n"},
	{"what somebody redirects was not written now", STAFF, "jane@company.test",
         "home@example.org", "Resent-From: bob@company.test\n" JANE, NULL, ROUTE_PASS, NULL, NULL},
	{"nor what his program resends", STAFF, "jane@company.test", "home@example.org",
         "Resent-Sender: bob@company.test\n" JANE, NULL, ROUTE_PASS, NULL, NULL},
	{"nor what was delivered before", LOCAL, "bob@company.test", "home@example.org",
         "Delivered-To: jane@company.test\nFrom: bob@company.test\n" HUMAN, NULL, ROUTE_PASS, NULL,
         NULL},
	{"nor what a filter redirects, whatever it says of us", LOCAL, "bob@company.test",
         "home@example.org",
         "X-Sieve-Redirected-From: jane@company.test\nRejoinder: yes\n"
         "From: bob@company.test\nReferences: <@T@@company.test>\n" HUMAN,
         NULL, ROUTE_STRIP, NULL, "delete Rejoinder 1\n"},
	{"the account's address with the user's name", STAFF, "bob@company.test",
         "customer@example.org",
         "From: =?utf-8?q?B=C3=B6b?= <bob@company.test>\nSender: bob@company.test\n"
         "Disposition-Notification-To: bob@company.test\n" HUMAN,
         NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: =?utf-8?q?B=C3=B6b?=\n <support+@T@@company.test>\n"
         "sender support@company.test\n"
         "set From 1: =?utf-8?q?B=C3=B6b?= <support@company.test>\n"
         "delete Disposition-Notification-To 1\n"
         "delete Sender 1\n"
         "insert References: <@T@@company.test>\n"},
	{"the account's address and name", STAFF, "erp@company.test", "customer@example.org",
         "From: ERP <sales@company.test>\n" HUMAN, NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: \"Sales, Company\"\n <sales+@T@@company.test>\n"
         "sender sales@company.test\n"
         "set From 1: \"Sales, Company\" <sales@company.test>\n"
         "insert References: <@T@@company.test>\n"},
	{"the plain address where sub-addressing does not work", STAFF, "jobs@company.test",
         "customer@example.org", "From: jobs@company.test\n" HUMAN, NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: jobs@company.test\n"
         "insert References: <@T@@company.test>\n"},
	{"an answer keeps its References behind our id", STAFF, "jane@company.test",
         "customer@example.org", JANE "References: <a@x>\n <b@x>\nIn-Reply-To: <b@x>\n", NULL,
         ROUTE_OUTBOUND, NULL,
         "insert Reply-To: " REPLY_TO_JANE
         "set References 1: <@T@@company.test>\n\t<a@x>\n <b@x>\n"},
	{"an answer without References gets what it answers", STAFF, "jane@company.test",
         "customer@example.org", JANE "In-Reply-To: <b@x>\n", NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: " REPLY_TO_JANE "insert References: <@T@@company.test>\n\t<b@x>\n"},
	{"our id stands once", STAFF, "jane@company.test", "customer@example.org",
         JANE "References: <@T@@company.test> <b@x>\n", NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: " REPLY_TO_JANE},
	{"a forged id of ours does not count as ours", STAFF, "jane@company.test",
         "customer@example.org", JANE "References: <@B@@company.test>\n", NULL, ROUTE_OUTBOUND,
         NULL,
         "insert Reply-To: " REPLY_TO_JANE
         "set References 1: <@T@@company.test>\n\t<@B@@company.test>\n"},
	{"a token leaves the envelope when the customer is there too", STAFF, "jane@company.test",
         "customer@example.org replies+@T@@company.test", JANE "References: <@T@@company.test>\n",
         NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: " REPLY_TO_JANE "not to replies+@T@@company.test\n"},
	{"a staff answer that no account names is tracked", STAFF, "eve@company.test",
         "customer@example.org replies+@T@@company.test", "From: eve@company.test\n" HUMAN, NULL,
         ROUTE_TRACKED, NULL, "not to replies+@T@@company.test\n"},

	{"an answer goes to the owner", OUTSIDE, "customer@example.org", "replies+@T@@company.test",
         CUSTOMER, NULL, ROUTE_INBOUND, "jane@company.test",
         OWNED_TAG "to jane@company.test\nnot to replies+@T@@company.test\n"},
	{"in whatever case the relay wrote it", OUTSIDE, "customer@example.org",
         "<REPLIES+@T@@Company.TEST>", CUSTOMER, NULL, ROUTE_INBOUND, "jane@company.test",
         OWNED_TAG "to jane@company.test\nnot to <REPLIES+@T@@Company.TEST>\n"},
	{"an owner who is there already gets one copy", OUTSIDE, "customer@example.org",
         "Jane@company.test replies+@T@@company.test", CUSTOMER, NULL, ROUTE_INBOUND,
         "jane@company.test", OWNED_TAG "not to replies+@T@@company.test\n"},
	{"without an owner it stays in the mailbox", OUTSIDE, "customer@example.org",
         "replies+@T@@company.test", CUSTOMER, NULL, ROUTE_INBOUND, NULL, OUR_TAG},
	{"an owner who is no staff (any more) neither", OUTSIDE, "customer@example.org",
         "replies+@T@@company.test", CUSTOMER, NULL, ROUTE_INBOUND, "gone@elsewhere.example",
         "insert Rejoinder-Owner: gone@elsewhere.example\n" OUR_TAG},
	{"deliver = mailbox", OUTSIDE, "customer@example.org", "sales+@T@@company.test", CUSTOMER,
         NULL, ROUTE_INBOUND, "jane@company.test", OWNED_TAG},
	{"deliver = both", OUTSIDE, "customer@example.org", "both+@T@@company.test", CUSTOMER, NULL,
         ROUTE_INBOUND, "jane@company.test", OWNED_TAG "to jane@company.test\n"},
	{"deliver = none, and nobody else", OUTSIDE, "customer@example.org",
         "jobs+@T@@company.test", CUSTOMER, NULL, ROUTE_INBOUND, "jane@company.test",
         OWNED_TAG "discard\n"},
	{"deliver = none, but others get it", OUTSIDE, "customer@example.org",
         "jobs+@T@@company.test bob@company.test", CUSTOMER, NULL, ROUTE_INBOUND,
         "jane@company.test", OWNED_TAG "not to jobs+@T@@company.test\n"},
	{"forged fields go, each by its own index, before ours come", OUTSIDE,
         "customer@example.org", "replies+@T@@company.test",
         "Rejoinder-Match: a\nX: y\nrejoinder-match: b\nRejoinder-Zz: c\n" CUSTOMER, NULL,
         ROUTE_INBOUND, NULL,
         "delete Rejoinder-Zz 1\ndelete rejoinder-match 2\ndelete Rejoinder-Match 1\n" OUR_TAG},
	{"mail to a person with our id in References", OUTSIDE, "customer@example.org",
         "jane@company.test", CUSTOMER "References: <@T@@company.test>\n", NULL, ROUTE_INBOUND,
         "jane@company.test", OWNED_TAG},
	{"mail to a person that says nothing", OUTSIDE, "customer@example.org", "jane@company.test",
         CUSTOMER, NULL, ROUTE_PASS, NULL, NULL},
	{"a report never changes its recipients", OUTSIDE, "", "replies+@T@@company.test",
         "From: MAILER-DAEMON@example.org\nContent-Type: multipart/report; "
         "report-type=delivery-status; boundary=b\n" HUMAN,
         "--b\n\nfailed\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
         "Final-Recipient: rfc822; a@example.org\nAction: failed\nStatus: 5.1.1\n\n--b--\n",
         ROUTE_INBOUND, "jane@company.test", NULL},
	{"a colleague's answer to the token alone is internal", STAFF, "bob@company.test",
         "replies+@T@@company.test", "From: bob@company.test\n" HUMAN, NULL, ROUTE_INTERNAL,
         "jane@company.test", OWNED_TAG "to jane@company.test\nnot to replies+@T@@company.test\n"},
	{"with another recipient the token leaves", STAFF, "bob@company.test",
         "replies+@T@@company.test eve@company.test", "From: bob@company.test\n" HUMAN, NULL,
         ROUTE_INTERNAL, "jane@company.test",
         OWNED_TAG "to jane@company.test\nnot to replies+@T@@company.test\n"},
	{"the owner does not get it twice", STAFF, "bob@company.test",
         "replies+@T@@company.test Jane@company.test", "From: bob@company.test\n" HUMAN, NULL,
         ROUTE_INTERNAL, "jane@company.test", OWNED_TAG "not to replies+@T@@company.test\n"},
	{"nor what he wrote himself", STAFF, "jane@company.test",
         "replies+@T@@company.test bob@company.test", JANE, NULL, ROUTE_INTERNAL,
         "jane@company.test", OWNED_TAG "not to replies+@T@@company.test\n"},
	{"staff to staff, no conversation", STAFF, "bob@company.test", "jane@company.test",
         "From: bob@company.test\n" HUMAN, NULL, ROUTE_PASS, NULL, NULL},
	{"an owner in whose own mailbox it arrives keeps it", INTERNAL, "customer@example.org",
         "jane@company.test", "Rejoinder-Mark: @F@\n" CUSTOMER, NULL, ROUTE_INBOUND,
         "jane@company.test", "delete Rejoinder-Mark 1\n" OWNED_TAG},
	{"an owner who became an account does not get it past the account", OUTSIDE,
         "customer@example.org", "support+@T@@company.test", CUSTOMER, NULL, ROUTE_INBOUND,
         "support@company.test", "insert Rejoinder-Owner: support@company.test\n" OUR_TAG},
	{"the token of a second conversation keeps its copy", OUTSIDE, "customer@example.org",
         "replies+@T@@company.test replies+@O@@company.test", CUSTOMER, NULL, ROUTE_INBOUND,
         "jane@company.test", OWNED_TAG "to jane@company.test\nnot to replies+@T@@company.test\n"},
	{"a foreign Reply-To that is not the first is one too", STAFF, "jane@company.test",
         "customer@example.org", JANE "Reply-To: jane@company.test, partner@example.com\n", NULL,
         ROUTE_PASS, NULL, NULL},
	{"and one in a second field", STAFF, "jane@company.test", "customer@example.org",
         JANE "Reply-To: jane@company.test\nReply-To: partner@example.com\n", NULL, ROUTE_PASS,
         NULL, NULL},
	{"an address in place of a name does not leave", STAFF, "bob@company.test",
         "customer@example.org",
         "From: \"bob@company.test\" <bob@company.test>\nMail-Reply-To: bob@company.test\n" HUMAN,
         NULL, ROUTE_OUTBOUND, NULL,
         "insert Reply-To: Company Support\n <support+@T@@company.test>\n"
         "sender support@company.test\n"
         "set From 1: Company Support <support@company.test>\n"
         "delete Mail-Reply-To 1\n"
         "insert References: <@T@@company.test>\n"},
	{"a program that opts in", STAFF, "noreply@company.test", "customer@example.org",
         "From: noreply@company.test\nRejoinder: yes\n" HUMAN, NULL, ROUTE_OUTBOUND, NULL, NULL},
	{"a client that answers from the token", STAFF, "jane@company.test", "customer@example.org",
         "From: Jane <replies+@T@@company.test>\n" HUMAN "References: <@T@@company.test>\n", NULL,
         ROUTE_TRACKED, NULL, NULL},
	{"what the fetcher brings is inbound, though an internal host hands it over", INTERNAL,
         "customer@example.org", "box@company.test",
         "Rejoinder-Mark: @F@\nDelivered-To: support@provider.example\n" CUSTOMER, NULL,
         ROUTE_INBOUND, "jane@company.test",
         "delete Rejoinder-Mark 1\ndelete Delivered-To 1\n" OWNED_TAG
         "to jane@company.test\nnot to box@company.test\n"},
	{"its mark is not believed from outside", OUTSIDE, "customer@example.org",
         "box@company.test", "Rejoinder-Mark: @F@\n" CUSTOMER, NULL, ROUTE_STRIP, NULL,
         "delete Rejoinder-Mark 1\n"},
	{"a reference in fetched mail is not believed", INTERNAL, "jane@company.test",
         "box@company.test",
         "Rejoinder-Mark: @F@\nRejoinder-Reference: x\nFrom: jane@company.test\n" HUMAN, NULL,
         ROUTE_INBOUND, NULL, "delete Rejoinder-Reference 1\ndelete Rejoinder-Mark 1\n" OUR_TAG},
	{"an alert passes as it is", INTERNAL, "postmaster@company.test", "jane@company.test",
         "Rejoinder-Mark: @A@\nFrom: postmaster@company.test\n"
         "References: <@T@@company.test>\nAuto-Submitted: auto-generated\n" HUMAN,
         NULL, ROUTE_ALERT, "jane@company.test", "delete Rejoinder-Mark 1\n"},
	{"a digest names no conversation", INTERNAL, "postmaster@company.test", "jane@company.test",
         "Rejoinder-Mark: @A@\nFrom: postmaster@company.test\n" HUMAN, NULL, ROUTE_STRIP, NULL,
         "delete Rejoinder-Mark 1\n"},
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static void from_message_to_edits(void **state)
{
	(void)state;
	check_rows(rows, ROW_COUNT);
}

static void what_is_recorded(void **state)
{
	static const struct {
		const char *sentence;
		enum direction direction;
		bool starts_wait, ends_waits, may_open;
		const char *owner;
		size_t recipients;
	} records[] = {
		{"one outside and one inside recipient is outbound", DIRECTION_OUT, false, true,
	         true, "jane@company.test", 2},
		{"a program that opts in", DIRECTION_OUT, false, false, true, NULL, 1},
		{"a client that answers from the token", DIRECTION_OUT, false, true, false, NULL,
	         1},
		{"the account's address and name", DIRECTION_OUT, false, true, true, NULL, 1},
		{"a staff answer that no account names is tracked", DIRECTION_OUT, false, true,
	         false, "eve@company.test", 1},
		{"an answer goes to the owner", DIRECTION_IN, true, false, true, NULL, 1},
		{"mail to a person with our id in References", DIRECTION_IN, true, false, false,
	         NULL, 1},
		{"a report never changes its recipients", DIRECTION_IN, false, false, false, NULL,
	         1},
		{"a colleague's answer to the token alone is internal", DIRECTION_INTERNAL, false,
	         false, true, NULL, 1},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct mail *mail = mail_of_row(row_named(rows, ROW_COUNT, records[i].sentence));
		struct plan plan;

		mail_read_header(mail);
		plan_route(&plan, mail);
		mail_read_body(mail);
		plan_record(&plan, mail);
		const struct record *record = &plan.record;
		if (record->direction != records[i].direction ||
		    record->starts_wait != records[i].starts_wait ||
		    record->ends_waits != records[i].ends_waits ||
		    record->match.may_open != records[i].may_open ||
		    record->recipient_count != records[i].recipients ||
		    (record->owner == NULL) != (records[i].owner == NULL) ||
		    (record->owner != NULL && strcmp(record->owner, records[i].owner) != 0))
			fail_msg("%s: dir=%s starts=%d ends=%d opens=%d owner=%s recipients=%zu",
			         records[i].sentence, direction_name(record->direction),
			         record->starts_wait, record->ends_waits, record->match.may_open,
			         record->owner != NULL ? record->owner : "none",
			         record->recipient_count);
		plan_release(&plan);
		mail_free(mail);
	}
}

static void fetched_mail_is_matched_by_its_header(void **state)
{
	struct row row = {
		"",
		INTERNAL,
		"customer@example.org",
		"box@company.test",
		"Rejoinder-Mark: @F@\nTo: a@example.org, Jane <replies+@T@@company.test>\n" CUSTOMER,
		NULL,
		ROUTE_INBOUND,
		NULL,
		NULL};
	struct mail *mail = mail_of_row(&row);
	struct plan plan;
	(void)state;

	mail_read_header(mail);
	plan_route(&plan, mail);
	mail_read_body(mail);
	plan_record(&plan, mail);
	assert_true(plan.record.match.token_conversation == CONVERSATION);
	assert_string_equal(plan.record.account, "Support");
	assert_int_equal(plan.record.arrival, ARRIVAL_FETCH);
	assert_true(plan.record.starts_wait);
	plan_release(&plan);
	mail_free(mail);
}

static void machine_mail_of_our_side_is_no_answer(void **state)
{
	static const struct row row = {"", STAFF, "", "", "", NULL, ROUTE_OUTBOUND, NULL, NULL};
	struct row machine = row;
	struct plan plan;
	struct mail *mail;
	(void)state;

	machine.sender = "jane@company.test";
	machine.rcpts = "customer@example.org";
	machine.header = JANE "Auto-Submitted: auto-generated\n";
	mail = mail_of_row(&machine);
	mail_read_header(mail);
	plan_route(&plan, mail);
	mail_read_body(mail);
	plan_record(&plan, mail);
	assert_int_equal(plan.record.class, CLASS_NOTIFICATION);
	assert_false(plan.record.ends_waits);
	assert_null(plan.record.owner);
	plan_release(&plan);
	mail_free(mail);
}

/* A message without an id gets the same one each time it is tried. */
static void an_added_message_id_stays_the_same(void **state)
{
	struct row row = {"",
	                  STAFF,
	                  "jane@company.test",
	                  "customer@example.org",
	                  "From: jane@company.test\nDate: today\nSubject: hello\n",
	                  "text\n",
	                  ROUTE_OUTBOUND,
	                  NULL,
	                  NULL};
	char *ids[2];
	unsigned char keys[2][DIGEST_BYTES];
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct mail *mail = mail_of_row(&row);
		struct plan plan;

		mail_read_header(mail);
		plan_route(&plan, mail);
		mail_read_body(mail);
		plan_record(&plan, mail);
		assert_non_null(plan.record.msgid);
		ids[i] = xstrdup(plan.record.msgid);
		memcpy(keys[i], plan.record.key, DIGEST_BYTES);
		plan_release(&plan);
		mail_free(mail);
	}
	assert_string_equal(ids[0], ids[1]);
	assert_memory_equal(keys[0], keys[1], DIGEST_BYTES);
	free(ids[0]);
	free(ids[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_message_to_edits),
		cmocka_unit_test(what_is_recorded),
		cmocka_unit_test(fetched_mail_is_matched_by_its_header),
		cmocka_unit_test(machine_mail_of_our_side_is_no_answer),
		cmocka_unit_test(an_added_message_id_stays_the_same),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
