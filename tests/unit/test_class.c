#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/class.h"

/* Classify a message of raw bytes, as the milter would. */
static void classify_raw(const char *raw, bool is_null_sender, struct classification *out)
{
	size_t length = strlen(raw);
	struct header header;
	struct message message = {.header = &header};
	struct envelope_facts envelope = {.is_null_sender = is_null_sender};
	size_t body_at;

	header_init(&header);
	body_at = header_parse(&header, raw, length);
	message.body = raw + body_at;
	message.body_length = length - body_at;
	classify(&message, &envelope, out);
	header_release(&header);
}

#define JANE   "From: Jane <jane@company.test>\n"
#define DAEMON "From: MAILER-DAEMON@mx.example.org (Mail Delivery System)\n"

#define FORWARDED_REPORT                                                                           \
	"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nWhat is this?\n--b\n"                 \
	"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n"          \
	"Final-Recipient: rfc822; customer@example.org\nAction: failed\n--b\n"                     \
	"Content-Type: message/rfc822\n\nMessage-ID: <1@company.test>\n\nHello\n--b--\n"

/* Rows of which each looks like the class of a neighbour. */
static const struct {
	const char *name;
	bool is_null_sender;
	const char *raw;
	const char *class;
	const char *rule;
} rows[] = {
	{"a person's mail", false, JANE "Subject: Hello\n\nHello\n", "human", "none"},
	{"nothing at all", false, "", "human", "none"},

	/* 1: reports by their type */
	{"a delivery report, the null sender is not needed", false,
         JANE "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n",
         "bounce", "report"},
	{"a report whose type stands only in its part", false,
         DAEMON "Content-Type: multipart/report; boundary=b\n\n--b\n"
                "Content-Type: message/delivery-status\n\nAction: failed\n--b--\n",
         "bounce", "report"},
	{"a receipt, though submitted automatically", true,
         JANE "Auto-Submitted: auto-replied\nContent-Type: multipart/report;\n"
              "\treport-type=disposition-notification; boundary=b\n\n--b\n",
         "receipt", "report"},
	{"a complaint", false,
         "From: fbl@example.org\nContent-Type: multipart/report; report-type=Feedback-Report; "
         "boundary=b\n\n--b\n",
         "complaint", "report"},
	{"a complaint without the proper type", false,
         "From: fbl@example.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
         "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n--b--\n",
         "complaint", "feedback-part"},
	{"a complaint by a field in what it returns", false,
         "From: staff@example.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
         "Content-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: customer@example.org\n"
         "From: jane@company.test\n\nHello\n--b--\n",
         "complaint", "feedback-part"},

	/* 2: other bounces, before Auto-Submitted */
	{"a report in a multipart/mixed", true, DAEMON FORWARDED_REPORT, "bounce",
         "delivery-status-part"},
	{"the same, forwarded by a person, is the person's", false,
         JANE "Subject: Fwd: Undelivered Mail Returned to Sender\n" FORWARDED_REPORT, "human",
         "none"},
	{"failed recipients, though submitted automatically", true,
         "From: Mail Delivery System <Mailer-Daemon@mx.example.org>\n"
         "X-Failed-Recipients: customer@example.org\nAuto-Submitted: auto-replied\n\nx\n",
         "bounce", "failed-recipients"},
	{"words of qmail", true,
         DAEMON "Subject: failure notice\n\nHi. This is the qmail-send program at mx.\n"
                "I'm afraid I wasn't able to deliver your message to the following addresses.\n",
         "bounce", "undelivered-text"},
	{"words broken over two lines", true, "From: <>\n\nYour message could not be\ndelivered.\n",
         "bounce", "undelivered-text"},
	{"the daemon with a returned message and no word", false,
         DAEMON "\nxyz\n\nReceived: from a by b;\n\tMon\nFrom: jane@company.test\n\nHello\n",
         "bounce", "undelivered-text"},
	{"a delay, though submitted automatically", true,
         DAEMON "Auto-Submitted: auto-replied\nSubject: Warning: message delayed 24 hours\n\n"
                "A message that you sent has not yet been delivered.\n",
         "bounce", "undelivered-text"},
	{"German words", true, DAEMON "\nIhre Nachricht konnte nicht zugestellt werden.\n",
         "bounce", "undelivered-text"},
	{"the subject of a bounce and a returned message, from whomever", false,
         "From: gateway@example.org\nSubject: Undeliverable: Hello\n"
         "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n"
         "Content-Type: message/rfc822\n\nSubject: Hello\n\nx\n--b--\n",
         "bounce", "undelivered-subject"},
	{"a person who writes of such words", false,
         JANE "Subject: mail\n\nMy mail could not be delivered, user unknown. Why?\n", "human",
         "none"},
	{"a person with such a subject and nothing returned", false,
         JANE "Subject: Failure notice of the machine\n\nIt broke.\n", "human", "none"},
	{"a person who forwards a message", false,
         JANE "Subject: Fwd: Hello\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee.\n"
              "--b\nContent-Type: message/rfc822\n\nSubject: Hello\n\nx\n--b--\n",
         "human", "none"},
	{"a postmaster who writes as a person", false,
         "From: postmaster@example.org\nSubject: Your question\n\nWe have looked at it.\n", "human",
         "none"},
	{"a postmaster who answers and quotes", false,
         "From: postmaster@example.org\nSubject: Re: mail\n\n> My mail could not be delivered\n",
         "human", "none"},

	/* 3: Auto-Submitted */
	{"a vacation reply", false,
         JANE "Auto-Submitted: auto-replied (vacation)\nSubject: Away\n\nI am away.\n",
         "auto-reply", "auto-submitted"},
	{"in any case, with a parameter", false,
         JANE "Auto-Submitted: AUTO-GENERATED; owner=x\n\nx\n", "auto-reply", "auto-submitted"},
	{"no is a person", false, JANE "Auto-Submitted: no\n\nx\n", "human", "none"},
	{"No with a comment too", false, JANE "Auto-Submitted: No (really)\n\nx\n", "human",
         "none"},
	{"an empty one says nothing", false, JANE "Auto-Submitted:\n\nx\n", "human", "none"},

	/* 4, 5: the null sender, the fields of responders */
	{"the null sender without a report", true, JANE "Subject: Away\n\nI am away.\n",
         "auto-reply", "null-sender"},
	{"the null sender in Return-Path, of fetched mail", false,
         "Return-Path: <>\n" JANE "Subject: Away\n\nI am away.\n", "auto-reply", "null-sender"},
	{"X-Autoreply", false, JANE "X-Autoreply: yes\n\nx\n", "auto-reply", "autoreply-field"},
	{"X-Autoreply: no", false, JANE "X-Autoreply: no\n\nx\n", "human", "none"},
	{"X-Apple-Action", false, JANE "X-Apple-Action: VACATION\n\nx\n", "auto-reply",
         "autoreply-field"},
	{"Delivered-To of a responder", false, JANE "Delivered-To: Autoresponder\n\nx\n",
         "auto-reply", "autoreply-field"},
	{"Delivered-To of anybody", false, JANE "Delivered-To: bob@example.org\n\nx\n", "human",
         "none"},
	{"Precedence: auto_reply", false, JANE "Precedence: auto_reply\n\nx\n", "auto-reply",
         "autoreply-field"},
	{"the wish for no automatic answer is no evidence", false,
         JANE "X-Auto-Response-Suppress: All\n\nx\n", "human", "none"},

	/* 6: subjects */
	{"Out of Office alone", false, JANE "Subject: Out of Office\n\nx\n", "auto-reply",
         "out-of-office-subject"},
	{"Automatic reply with the subject behind", false,
         JANE "Subject: Automatic reply: Your offer\n\nx\n", "auto-reply", "out-of-office-subject"},
	{"encoded, in German", false, JANE "Subject: =?utf-8?q?Abwesenheitsnotiz:_Angebot?=\n\nx\n",
         "auto-reply", "out-of-office-subject"},
	{"Lotus says it at the end, and shows itself", false,
         JANE
         "Subject: Jane is out of the office (returning 05/01)\nX-Mailer: Lotus Notes 8\n\nx\n",
         "auto-reply", "out-of-office-subject"},
	{"a person says it too", false, JANE "Subject: Bob is out of the office today\n\nx\n",
         "human", "none"},
	{"an answer to one is a person's", false, JANE "Subject: Re: Out of Office\n\nx\n", "human",
         "none"},
	{"a sentence that goes on is a person's", false,
         JANE "Subject: Out of office next week?\n\nx\n", "human", "none"},
	{"a phrase inside a sentence is a person's", false,
         JANE "Subject: How to set an automatic reply\n\nx\n", "human", "none"},

	/* 7, 8 */
	{"a list", false, JANE "List-Id: <talk.example.org>\n\nx\n", "list", "list"},
	{"Precedence: bulk", false, JANE "Precedence: Bulk\n\nx\n", "list", "list"},
	{"another precedence", false, JANE "Precedence: first-class\n\nx\n", "human", "none"},
	{"a vacation reply through a list is one first", false,
         JANE "List-Id: <talk.example.org>\nAuto-Submitted: auto-replied\n\nx\n", "auto-reply",
         "auto-submitted"},
	{"spam by the filter before us", false, JANE "X-Spam-Flag: YES\n\nx\n", "spam",
         "spam-flag"},
	{"no spam by it", false, JANE "X-Spam-Flag: NO\n\nx\n", "human", "none"},
};

static void messages_are_classified(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct classification found;

		classify_raw(rows[i].raw, rows[i].is_null_sender, &found);
		if (strcmp(class_name(found.class), rows[i].class) != 0 ||
		    strcmp(found.rule, rows[i].rule) != 0)
			fail_msg("%s: found %s by %s", rows[i].name, class_name(found.class),
			         found.rule);
		assert_int_equal(class_is_human(found.class), strcmp(rows[i].class, "human") == 0);
		classification_release(&found);
	}
}

static void class_names_are_read_back(void **state)
{
	enum message_class class;
	(void)state;

	for (int i = CLASS_HUMAN; i <= CLASS_NOTIFICATION; i++) {
		assert_int_equal(class_from_name(class_name((enum message_class)i), &class), 1);
		assert_int_equal(class, i);
	}
	assert_int_equal(class_from_name("Human", &class), 0);
}

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
         "customer@example.org delayed  ", NULL},
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
         "customer@example.org delivered  ", NULL},
	{"recipients without a blank line between them",
         "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
         "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; customer@example.org\n"
         "Action: relayed\nFinal-Recipient: rfc822; b@example.org\nAction: failed\n--b--\n",
         "customer@example.org relayed  ", NULL},
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
         "a@b.test failed  ", NULL},
	{"a delimiter that a gateway broke hides nothing",
         DAEMON "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
                "Content-Type: message/delivery-status\n\n"
                "Final-Recipient: rfc822; customer@example.org\nAction: failed\n\n--c\n"
                "Content-Type: message/rfc822\n\nReceived: from x\nMessage-ID: <1@company.test>\n",
         "customer@example.org failed  ", "<1@company.test>"},
	{"control bytes in a diagnostic become blanks",
         "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
         "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; customer@example.org\n"
         "Action: failed\nDiagnostic-Code: smtp; 550 a\x07\x1b[0mb\n--b--\n",
         "customer@example.org failed  550 a  [0mb", NULL},
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_classified),
		cmocka_unit_test(class_names_are_read_back),
		cmocka_unit_test(postfix_bounces_are_read_completely),
		cmocka_unit_test(reports_say_what_they_speak_of),
		cmocka_unit_test(what_a_report_says_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
