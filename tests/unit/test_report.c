#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "tests/unit/class_fixture.h"

static const char postfix_bounce[] =
	"From: MAILER-DAEMON@company.test (Mail Delivery System)\n"
	"Subject: Undelivered Mail Returned to Sender\n"
	"To: jane@company.test\n"
	"Auto-Submitted: auto-replied\n"
	"MIME-Version: 1.0\n"
	"Content-Type: multipart/report; report-type=delivery-status;\n"
	"\tboundary=\"4C1.1/mx.company.test\"\n"
	"Content-Transfer-Encoding: 8bit\n"
	"\n"
	"This is a MIME-encapsulated message.\n"
	"\n"
	"--4C1.1/mx.company.test\n"
	"Content-Description: Notification\n"
	"Content-Type: text/plain; charset=utf-8\n"
	"\n"
	"This is the mail system at host mx.company.test.\n"
	"\n"
	"<customer@example.org>: host mx.example.org[192.0.2.1] said: 550 5.1.1\n"
	"    <customer@example.org>: no such user (in reply to RCPT TO command)\n"
	"\n"
	"--4C1.1/mx.company.test\n"
	"Content-Description: Delivery report\n"
	"Content-Type: message/delivery-status\n"
	"\n"
	"Reporting-MTA: dns; mx.company.test\n"
	"X-Postfix-Queue-ID: 4C1\n"
	"X-Postfix-Sender: rfc822; jane@company.test\n"
	"Arrival-Date: Mon,  1 Feb 2027 10:00:00 +0100 (CET)\n"
	"\n"
	"Final-Recipient: rfc822; customer@example.org\n"
	"Original-Recipient: rfc822;Customer@example.org\n"
	"Action: failed\n"
	"Status: 5.1.1\n"
	"Remote-MTA: dns; mx.example.org\n"
	"Diagnostic-Code: smtp; 550 5.1.1 <customer@example.org>: no such\n"
	"    user\n"
	"\n"
	"Final-Recipient: rfc822; boss@example.org\n"
	"Action: Delayed\n"
	"Status: 4.4.1\n"
	"\n"
	"--4C1.1/mx.company.test\n"
	"Content-Description: Undelivered Message\n"
	"Content-Type: message/rfc822\n"
	"\n"
	"Return-Path: <jane@company.test>\n"
	"From: Jane <jane@company.test>\n"
	"Reply-To: Jane <replies+token@company.test>\n"
	"To: customer@example.org\n"
	"Message-ID: <1@company.test>\n"
	"In-Reply-To: <0@example.org>\n"
	"References: <first@example.org>\n"
	"\t<0@example.org>\n"
	"Subject: Offer\n"
	"\n"
	"Message-ID: <not-this@example.org>\n"
	"\n"
	"--4C1.1/mx.company.test--\n";

static void postfix_bounces_are_read_completely(void **state)
{
	struct classification found;
	(void)state;

	classify_raw(postfix_bounce, true, &found);
	assert_int_equal(found.class, CLASS_BOUNCE);
	assert_int_equal(found.recipient_count, 2);
	assert_string_equal(found.recipients[0].address, "customer@example.org");
	assert_string_equal(found.recipients[0].action, "failed");
	assert_string_equal(found.recipients[0].status, "5.1.1");
	assert_string_equal(found.recipients[0].diagnostic,
	                    "550 5.1.1 <customer@example.org>: no such user");
	assert_string_equal(found.recipients[1].address, "boss@example.org");
	assert_string_equal(found.recipients[1].action, "delayed");
	assert_string_equal(found.recipients[1].status, "4.4.1");
	assert_string_equal(found.original_msgid, "<1@company.test>");
	assert_int_equal(found.returned_ids.count, 3);
	assert_string_equal(found.returned_ids.items[0], "<0@example.org>");
	assert_string_equal(found.returned_ids.items[1], "<first@example.org>");
	assert_int_equal(found.returned_addresses.count, 2);
	assert_string_equal(found.returned_addresses.items[0], "replies+token@company.test");
	assert_string_equal(found.returned_addresses.items[1], "jane@company.test");
	classification_release(&found);
}

/* What a report without machine-readable facts says, and no more than it says. */
static const struct {
	const char *name;
	const char *raw;
	const char *recipient; /* "address action status diagnostic" of the first, or "" */
	const char *original_msgid;
} reports[] = {
	{"words of qmail",
         DAEMON "\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
                "<customer@example.org>:\n192.0.2.1 does not like recipient.\n"
                "Remote host said: 550 5.1.1 no such user\n\n"
                "--- Below this line is a copy of the message.\n\n"
                "Return-Path: <jane@company.test>\nMessage-ID: <1@company.test>\nTo: x@y.test\n",
         "customer@example.org failed 5.1.1 Remote host said: 550 5.1.1 no such user",
         "<1@company.test>"},
	{"words of Exim with the recipient in a field",
         DAEMON "X-Failed-Recipients: customer@example.org\n\n"
                "A message that you sent could not be delivered.\n\n  customer@example.org\n"
                "    host mx.example.org: 550 5.7.1 go away\n\n"
                "------ This is a copy of the message, including all the headers. ------\n\n"
                "Received: from x by y\nMessage-ID: <1@company.test>\n",
         "customer@example.org failed 5.7.1 host mx.example.org: 550 5.7.1 go away",
         "<1@company.test>"},
	{"a delay is no failure",
         DAEMON "\nTHIS IS A WARNING MESSAGE ONLY.\n\nDelivery to the following recipient has been "
                "delayed:\n\n     customer@example.org\n",
         "customer@example.org delayed 4.0.0 ", NULL},
	{"no word of what happened: no action",
         DAEMON "\n<customer@example.org>\n\nReceived: from x by y\nMessage-ID: <1@company.test>\n",
         "customer@example.org   ", "<1@company.test>"},
	{"fields in the words",
         DAEMON
         "\nYour mail could not be delivered. Technical report:\nReporting-MTA: dsn; x\nAction: failed\n"
         "Final-Recipient: rfc822; customer@example.org\n"
         "Diagnostic-Code: smtp; 550 no\nStatus: 5.0.0\n",
         "customer@example.org failed 5.0.0 550 no", NULL},
	{"an action that is missing follows the status",
         "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
         "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
         "Final-Recipient: rfc822; customer@example.org\nStatus: 4.2.2\n--b--\n",
         "customer@example.org delayed 4.2.2 ", NULL},
	{"the original recipient where the final one is no address",
         "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
         "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
         "Original-Recipient: rfc822;customer@example.org\nFinal-Recipient: local; customer\n"
         "Action: delivered (to the mailbox)\n--b--\n",
         "customer@example.org delivered 2.0.0 ", NULL},
	{"recipients without a blank line between them",
         "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
         "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; customer@example.org\n"
         "Action: relayed\nFinal-Recipient: rfc822; b@example.org\nAction: failed\n--b--\n",
         "customer@example.org relayed 2.0.0 ", NULL},
	{"a receipt names the message",
         "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n"
         "Content-Type: message/disposition-notification\n\n"
         "Final-Recipient: rfc822;customer@example.org\nOriginal-Message-ID: <1@company.test>\n"
         "Disposition: manual-action/MDN-sent-manually; displayed\n--b--\n",
         "customer@example.org   ", "<1@company.test>"},
	{"a complaint names both",
         "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n"
         "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
         "Original-Rcpt-To: <customer@example.org>\n--b\n"
         "Content-Type: text/rfc822-headers\n\nMessage-ID: <1@company.test>\n--b--\n",
         "customer@example.org   ", "<1@company.test>"},
	{"a report in base64",
         "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
         "Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n"
         "RmluYWwtUmVjaXBpZW50OiByZmM4MjI7YUBiLnRlc3QKQWN0aW9uOiBmYWlsZWQK\n--b--\n",
         "a@b.test failed 5.0.0 ", NULL},
	{"a delimiter that a gateway broke hides nothing",
         DAEMON "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
                "Content-Type: message/delivery-status\n\n"
                "Final-Recipient: rfc822; customer@example.org\nAction: failed\n\n--c\n"
                "Content-Type: message/rfc822\n\nReceived: from x\nMessage-ID: <1@company.test>\n",
         "customer@example.org failed 5.0.0 ", "<1@company.test>"},
	{"a reason in plain words has a status",
         DAEMON "\nYour message was not delivered to:\n\n  customer@example.org\n\nbecause:\n\n"
                "  User customer not listed in Directory\n",
         "customer@example.org failed 5.1.1 because:", NULL},
	{"a reply code that is for now makes it transient",
         DAEMON "\nDelivery failed:\n<customer@example.org>: 452 mailbox full\n",
         "customer@example.org failed 4.2.2 452 mailbox full", NULL},
	{"a bullet before the address",
         DAEMON "\nDelivery to the following recipients failed:\n\n   * customer@example.org\n",
         "customer@example.org failed 5.0.0 ", NULL},
	{"a transcript before the address",
         DAEMON "\n   ----- Transcript of session follows -----\n"
                "554 <customer@example.org>... 550 Host unknown\n",
         "customer@example.org failed 5.1.2 550 Host unknown", NULL},
	{"a sender before the address",
         DAEMON "\nThe mail from jane@company.test to customer@example.org was not delivered.\n",
         "customer@example.org failed 5.0.0 was not delivered.", NULL},
	{"whom to ask is no recipient",
         DAEMON "\nYour mail could not be delivered.\nFor further assistance, send mail to "
                "<help@example.org>\n\nReceived: from x\nMessage-ID: <1@company.test>\n"
                "To: customer@example.org\n",
         "customer@example.org failed 5.0.0 ", "<1@company.test>"},
	{"what is repeated of the message is no reason",
         DAEMON "\nYour mail could not be delivered to:\n  customer@example.org\n"
                "  Subject: 550 chairs\n  No such user\n",
         "customer@example.org failed 5.1.1 No such user", NULL},
	{"of several recipients of the returned message none is taken",
         DAEMON "\nYour mail could not be delivered.\n\nReceived: from x\n"
                "Message-ID: <1@company.test>\nTo: customer@example.org, boss@example.org\n",
         "", "<1@company.test>"},
	{"a part that names nobody gives way to the words",
         "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n"
         "<customer@example.org>: 550 5.1.1 unknown\n--b\n"
         "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
         "Final-Recipient: rfc822; @example.org\nAction: failed\nStatus: 5.1.1\n--b--\n",
         "customer@example.org failed 5.1.1 550 5.1.1 unknown", NULL},
	{"a status of X.0.0 in the part stays",
         "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
         "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
         "Final-Recipient: rfc822; customer@example.org\nAction: failed\nStatus: 5.0.0\n"
         "Diagnostic-Code: smtp; 550 5.1.1 user unknown\n--b--\n",
         "customer@example.org failed 5.0.0 550 5.1.1 user unknown", NULL},
	{"a boundary in pieces",
         "Content-Type: multipart/report; report-type=delivery-status;\n boundary*0=\"b\";\n"
         " boundary*1=\"c\"\n\n--bc\nContent-Type: message/delivery-status\n\n"
         "Final-Recipient: rfc822; customer@example.org\nAction: delayed\nStatus: 4.4.1\n--bc--\n",
         "customer@example.org delayed 4.4.1 ", NULL},
	{"a notification in JSON within JSON",
         "From: no-reply@sns.example.com\n\n{\n  \"Type\" : \"Notification\",\n"
         "  \"Message\" : \"{\\\"notificationType\\\":\\\"Bounce\\\",\\\"bounce\\\":"
         "{\\\"bouncedRecipients\\\":[{\\\"status\\\":\\\"5.1.1\\\",\\\"action\\\":"
         "\\\"failed\\\",\\\"diagnosticCode\\\":\\\"smtp; 550 5.1.1 unknown\\\","
         "\\\"emailAddress\\\":\\\"customer@example.org\\\"}]},\\\"mail\\\":"
         "{\\\"messageId\\\":\\\"0101\\\",\\\"headers\\\":[{\\\"name\\\":\\\"Message-ID\\\","
         "\\\"value\\\":\\\"<1@company.test>\\\"}]}}\"\n}\n",
         "customer@example.org failed 5.1.1 550 5.1.1 unknown", "<1@company.test>"},
	{"a notification of a delay",
         "\n{\"eventType\":\"DeliveryDelay\",\"deliveryDelay\":{\"delayedRecipients\":[{"
         "\"emailAddress\":\"customer@example.org\"}]},\"mail\":{\"commonHeaders\":"
         "{\"messageId\":\"<1@company.test>\"}}}",
         "customer@example.org delayed 4.0.0 ", "<1@company.test>"},
	{"a notification of a delivery",
         "\n{\"notificationType\":\"Delivery\",\"delivery\":{\"recipients\":"
         "[\"customer@example.org\"]},\"mail\":{}}",
         "customer@example.org delivered 2.0.0 ", NULL},
	{"a complaint that says whose only by what it returns",
         "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n"
         "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n--b\n"
         "Content-Type: message/rfc822\n\nMessage-ID: <1@company.test>\n"
         "To: Customer <customer@example.org>\n\nHello\n--b--\n",
         "customer@example.org   ", "<1@company.test>"},
	{"a complaint by a provider's own field",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
         "X-HmXmrOriginalRecipient: customer@example.org\nMessage-ID: <1@company.test>\n"
         "To: list@company.test\n\nHello\n--b--\n",
         "customer@example.org   ", "<1@company.test>"},
	{"control bytes in a diagnostic become blanks",
         "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
         "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; customer@example.org\n"
         "Action: failed\nDiagnostic-Code: smtp; 550 a\x07\x1b[0mb\n--b--\n",
         "customer@example.org failed 5.0.0 550 a  [0mb", NULL},
};

static void reports_say_what_they_speak_of(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++) {
		const char *expected = reports[i].original_msgid;
		struct classification found;
		char first[700] = "";

		classify_raw(reports[i].raw, true, &found);
		if (found.recipient_count > 0)
			snprintf(first, sizeof first, "%s %s %s %s", found.recipients[0].address,
			         found.recipients[0].action, found.recipients[0].status,
			         found.recipients[0].diagnostic);
		if (strcmp(first, reports[i].recipient) != 0)
			fail_msg("%s: found recipient \"%s\"", reports[i].name, first);
		if ((found.original_msgid == NULL) != (expected == NULL) ||
		    (expected != NULL && strcmp(found.original_msgid, expected) != 0))
			fail_msg("%s: found id %s", reports[i].name, found.original_msgid);
		classification_release(&found);
	}
}

static void a_recipient_may_have_two_names(void **state)
{
	static const struct {
		const char *name, *fields, *address, *original;
	} rows[] = {
		{"an alias",
	         "Original-Recipient: rfc822;Customer@example.org\n"
	         "Final-Recipient: rfc822;mbox17@b.example.org\n",
	         "mbox17@b.example.org", "Customer@example.org"},
		{"in the other order, and who it was in the end",
	         "Final-Recipient: rfc822;mbox17@b.example.org\n"
	         "X-Actual-Recipient: rfc822;x@b.example.org\n"
	         "Original-Recipient: rfc822;customer@example.org\n",
	         "mbox17@b.example.org", "customer@example.org"},
		{"both the same",
	         "Original-Recipient: rfc822;Customer@example.org\n"
	         "Final-Recipient: rfc822;customer@example.org\n",
	         "customer@example.org", NULL},
		{"of one that cannot be read nothing is kept",
	         "Original-Recipient: x400;/S=customer/\n"
	         "Final-Recipient: rfc822;customer@example.org\n",
	         "customer@example.org", NULL},
		{"only the one in the end", "X-Actual-Recipient: rfc822;customer@example.org\n",
	         "customer@example.org", NULL},
	};
	(void)state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct classification found;
		const char *original;
		char *raw = xasprintf(
			"Content-Type: multipart/report; boundary=b; "
			"report-type=delivery-status\n\n--b\nContent-Type: text/plain\n\n"
			"<customer@example.org>: mailbox full\n--b\n"
			"Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
			"%sAction: failed\n--b--\n",
			rows[i].fields);

		classify_raw(raw, true, &found);
		assert_int_equal(found.recipient_count, 1);
		original = found.recipients[0].original;
		if (strcmp(found.recipients[0].address, rows[i].address) != 0)
			fail_msg("%s: found %s", rows[i].name, found.recipients[0].address);
		if ((original == NULL) != (rows[i].original == NULL) ||
		    (original != NULL && strcmp(original, rows[i].original) != 0))
			fail_msg("%s: found original %s", rows[i].name, original);
		/* The words may use either name. */
		assert_string_equal(found.recipients[0].diagnostic, "mailbox full");
		classification_release(&found);
		free(raw);
	}
}

static void what_a_report_says_is_limited(void **state)
{
	static const char start[] =
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
		"Content-Type: message/delivery-status\n\n";
	static const char group[] = "Final-Recipient: rfc822;a@b.test\nAction: failed\n\n";
	static const char end[] = "--b\nContent-Type: message/rfc822\n\nReferences:";
	size_t count = 1000;
	char *raw = xmalloc(sizeof start + count * (sizeof group + 20) + sizeof end + 2000);
	struct classification found;
	size_t at = sizeof start - 1;
	(void)state;

	memcpy(raw, start, sizeof start);
	for (size_t i = 0; i < count; i++, at += sizeof group - 1)
		memcpy(raw + at, group, sizeof group);
	memcpy(raw + at, end, sizeof end);
	at += sizeof end - 1;
	for (int i = 0; i < 60; i++)
		at += (size_t)snprintf(raw + at, 30, " <%d@company.test>\n", i);
	classify_raw(raw, true, &found);
	assert_int_equal(found.recipient_count, REPORT_RECIPIENTS_MAX);
	assert_int_equal(found.returned_ids.count, 50);
	/* The nearest ones are the last. */
	assert_string_equal(found.returned_ids.items[49], "<59@company.test>");
	classification_release(&found);
	free(raw);
}

static const char *field_of(const struct classification *found, const char *name)
{
	for (size_t i = 0; i < found->field_count; i++) {
		if (strcmp(found->fields[i].name, name) == 0)
			return found->fields[i].value;
	}
	return "(none)";
}

static void complaints_and_receipts_have_fields(void **state)
{
	struct classification found;
	(void)state;

	classify_raw(
		"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n"
		"Content-Type: message/feedback-report\n\nfeedback-type: abuse\n"
		"User-Agent: x/1\nSource-IP: 192.0.2.1\nSource-IP: 192.0.2.2\n"
		"Unheard-Of: y\n--b--\n",
		false, &found);
	assert_int_equal(found.class, CLASS_COMPLAINT);
	assert_int_equal(found.field_count, 3);
	assert_string_equal(field_of(&found, "Feedback-Type"), "abuse");
	assert_string_equal(field_of(&found, "Source-IP"), "192.0.2.1");
	classification_release(&found);

	classify_raw("Content-Type: multipart/report; report-type=disposition-notification; "
	             "boundary=b\n\n--b\nContent-Type: message/disposition-notification\n\n"
	             "Reporting-UA: x\nFinal-Recipient: rfc822;customer@example.org\n"
	             "Disposition: manual-action/MDN-sent-manually;\n\tdeleted\n--b--\n",
	             false, &found);
	assert_int_equal(found.class, CLASS_RECEIPT);
	assert_string_equal(field_of(&found, "Disposition"),
	                    "manual-action/MDN-sent-manually; deleted");
	assert_string_equal(classification_status(&found), "");
	classification_release(&found);
}

#define TOKEN "aqwertyuiopasdfghjklzxcvbnm234567q"

static void tokens_are_found_in_plain_words(void **state)
{
	struct classification found;
	(void)state;

	assert_int_equal(strlen(TOKEN), 34);
	classify_raw(DAEMON "\nYour message could not be delivered.\n\n  Id: <" TOKEN
	                    "@company.test>\n"
	                    "  Sender: Jane <replies+" TOKEN "@company.test>\n"
	                    "  jane@company.test, x" TOKEN "@example.org\n",
	             true, &found);
	assert_int_equal(found.returned_ids.count, 1);
	assert_string_equal(found.returned_ids.items[0], "<" TOKEN "@company.test>");
	assert_int_equal(found.returned_addresses.count, 3);
	assert_string_equal(found.returned_addresses.items[1], "replies+" TOKEN "@company.test");
	classification_release(&found);

	/* What is returned as a header goes before. */
	classify_raw(DAEMON "\nReplies to replies+" TOKEN "@company.test\n\nReceived: x\n"
	                    "Message-ID: <1@company.test>\nFrom: jane@company.test\n",
	             true, &found);
	assert_int_equal(found.returned_addresses.count, 1);
	assert_string_equal(found.returned_addresses.items[0], "jane@company.test");
	classification_release(&found);
}

static void the_status_is_that_of_what_failed(void **state)
{
	struct classification found;
	(void)state;

	classify_raw(
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
		"Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822;a@example.org\n"
		"Action: delivered\nStatus: 2.0.0\n\nFinal-Recipient: rfc822;b@example.org\n"
		"Action: failed\nStatus: 5.2.2\n--b--\n",
		false, &found);
	assert_string_equal(classification_status(&found), "5.2.2");
	found.recipients[1].status[0] = '\0';
	assert_string_equal(classification_status(&found), "2.0.0");
	classification_release(&found);
	assert_string_equal(classification_status(&found), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(postfix_bounces_are_read_completely),
		cmocka_unit_test(reports_say_what_they_speak_of),
		cmocka_unit_test(a_recipient_may_have_two_names),
		cmocka_unit_test(complaints_and_receipts_have_fields),
		cmocka_unit_test(tokens_are_found_in_plain_words),
		cmocka_unit_test(the_status_is_that_of_what_failed),
		cmocka_unit_test(what_a_report_says_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
