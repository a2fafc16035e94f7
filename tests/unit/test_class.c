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

#define FORWARDED_REPORT                                                                           \
	"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nWhat is this?\n--b\n"                 \
	"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n"          \
	"Final-Recipient: rfc822; customer@example.org\nAction: failed\n--b\n"                     \
	"Content-Type: message/rfc822\n\nMessage-ID: <1@company.test>\n\nHello\n--b--\n"

#define QUOTED_BOUNCE                                                                              \
	"When I write to sales I get: A message that you sent could not be delivered to one or\n"  \
	"more of its recipients. The following address(es) failed:\n\n  sales@company.test\n"      \
	"    550 5.1.1 User unknown\n\nCan you help?\n"

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

	{"a complaint in words with the mail it is about", false,
         "From: fbl@example.org\nSubject: FW: Offer\nContent-Type: multipart/mixed; boundary=b\n\n"
         "--b\n\nThis is an email abuse report for an email message received from 192.0.2.1.\n"
         "--b\nContent-Type: message/rfc822\n\nMessage-ID: <1@company.test>\n\nx\n--b--\n",
         "human", "none"},
	{"the same with a subject of its own", false,
         "From: fbl@example.org\nSubject: Abuse\nContent-Type: multipart/mixed; boundary=b\n\n"
         "--b\n\nThis is an email abuse report for an email message received from 192.0.2.1.\n"
         "--b\nContent-Type: message/rfc822\n\nMessage-ID: <1@company.test>\n\nx\n--b--\n",
         "complaint", "complaint-text"},
	{"such words and no mail", false,
         JANE "Subject: Abuse\n\nWe got: this is an email abuse report. What is it?\n", "human",
         "none"},
	{"a complaint in JSON", false,
         "From: no-reply@example.com\n\n{\"notificationType\":\"Complaint\",\"complaint\":{}}\n",
         "complaint", "service-notification"},
	{"a bounce in JSON, though it has a Feedback-ID", false,
         "From: no-reply@example.com\nFeedback-ID: 1:x\n\n"
         "{\"notificationType\":\"Bounce\",\"bounce\":{}}\n",
         "bounce", "service-notification"},
	{"other JSON", false, "From: no-reply@example.com\n\n{\"type\":\"Bounce\"}\n", "human",
         "none"},
	{"JSON inside a person's words", false,
         JANE "\nIt said {\"notificationType\":\"Bounce\"}\n", "human", "none"},

	/* 2: other bounces, before Auto-Submitted */
	{"a report that Exchange embeds", false,
         "From: System Administrator <jane@example.org>\nX-MS-Embedded-Report:\n\nx\n", "bounce",
         "embedded-report"},
	{"a receipt that it embeds", false,
         JANE "X-MS-Embedded-Report:\nSubject: =?utf-8?q?Le=C3=ADdo=3A_Oferta?=\n\nx\n", "receipt",
         "embedded-report"},
	{"a refusal in a language that nobody here knows", true,
         "From: <>\n\nxyz <customer@example.org> zyx:\n550 5.1.1 zzz\n", "bounce",
         "undelivered-text"},
	{"a date is no refusal", true, JANE "\nJusqu'au 5.1.2027, tel. 550 51 20\n", "auto-reply",
         "null-sender"},
	{"a machine of another name with a form letter", false,
         "From: no-reply@example.org\nSubject: Mail delivery failed\n\n"
         "Could not be delivered to:\n<customer@example.org>\nAs their mailbox is full.\n",
         "bounce", "undelivered-text"},
	{"a machine of another name that writes of orders", false,
         "From: no-reply@example.org\nSubject: Your order\n\nYour parcel could not be delivered.\n",
         "human", "none"},
	{"a parcel service whose subject is that of a bounce too", false,
         "From: no-reply@example.org\nSubject: Delivery failed\n\nNobody was at home.\n", "human",
         "none"},
	{"a parcel service that uses the words of a form letter", false,
         "From: no-reply@example.org\nSubject: Delivery failed\n\nYour parcel could not be "
         "delivered to the following address: 1 Main Street.\n",
         "human", "none"},
	{"a person who pastes a bounce", false,
         JANE "Subject: Mail delivery failed\n\nI get this when I write to bob:\n"
              "A message that you sent could not be delivered to one or more of its recipients.\n"
              "550 5.1.1 user unknown\n",
         "human", "none"},
	{"a vacation reply from the null sender with such words", true,
         JANE "Auto-Submitted: auto-replied (vacation)\nSubject: Away\n\n"
              "Mail that could not be delivered is read by bob.\n",
         "auto-reply", "auto-submitted"},
	{"an absence of a postmaster with such words", true,
         "From: postmaster@example.org\nSubject: Automatic reply: mail was not delivered\n\nx\n",
         "auto-reply", "null-sender"},
	{"a list manager's refusal", false,
         "From: talk-admin@example.org\nX-MLServer: fml\nSubject: You jane@company.test are not "
         "member (talk ML)\n\nx\n",
         "bounce", "list-refusal"},
	{"what a list manager sends else", false,
         "From: talk@example.org\nX-MLServer: fml\nSubject: Guide\n\nx\n", "human", "none"},
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
         "From: filter@example.org\nSubject: Undeliverable: Hello\n"
         "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n"
         "Content-Type: message/rfc822\n\nSubject: Hello\n\nx\n--b--\n",
         "bounce", "undelivered-subject"},
	{"such a subject, a returned message, and a form letter", false,
         "From: filter@example.org\nSubject: Mail delivery failed\n"
         "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nYour mail could not be delivered "
         "to the following recipients.\n--b\n"
         "Content-Type: message/rfc822\n\nSubject: Hello\n\nx\n--b--\n",
         "bounce", "undelivered-subject"},
	{"such a subject, an attached message, and a person's letter", false,
         JANE "Subject: Delivery problem\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n"
              "Hello, the goods of the order attached could not be delivered. Please call.\n--b\n"
              "Content-Type: message/rfc822\n\nSubject: Order\n\nx\n--b--\n",
         "human", "none"},
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
	{"a postmaster with the subject of a bounce", false,
         "From: postmaster@example.org\nSubject: Undeliverable: Your offer\n\nx\n", "bounce",
         "undelivered-text"},
	{"a customer of such an address who quotes a bounce", false,
         "From: postmaster@example.org\nSubject: Problem\n\n" QUOTED_BOUNCE, "human", "none"},
	{"one whose address programs use", false,
         "From: Customer <mail@example.org>\nSubject: Problem\n\n" QUOTED_BOUNCE, "human", "none"},
	{"one whose name programs use", false,
         "From: Mail Server Team <jane@example.org>\nSubject: Problem\n\n" QUOTED_BOUNCE, "human",
         "none"},
	{"a customer who attaches what came back", false,
         "From: admin@example.org\nSubject: Problem\nContent-Type: multipart/mixed; "
         "boundary=b\n\n--b\n\n" QUOTED_BOUNCE "--b\nContent-Type: message/rfc822\n\n"
         "Subject: Order\n\nx\n--b--\n",
         "human", "none"},
	{"the same words from the null sender", true,
         "From: mail@example.org\nSubject: Problem\n\n" QUOTED_BOUNCE, "bounce",
         "undelivered-text"},
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
	{"spam by another filter", false, JANE "X-Spam: Yes\n\nx\n", "spam", "spam-flag"},
	{"spam by a field that anybody's filter leaves", false,
         JANE "X-Spam-Status: Yes, score=9\n\nx\n", "human", "none"},
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

static void the_spam_fields_are_the_operators(void **state)
{
	static const char *const fields[] = {"x-spam-status:yes", "X-Bogosity: Spam"};
	static const struct {
		const char *field;
		enum message_class class;
	} spam[] = {
		{"X-Spam-Status: Yes, score=9\n", CLASS_SPAM},
		{"X-Bogosity: Spam, tests=bogofilter\n", CLASS_SPAM},
		{"X-Bogosity: Ham\n", CLASS_HUMAN},
		{"X-Spam-Flag: YES\n", CLASS_HUMAN},
		{"X-Spam-Status: Yes\nList-Id: <talk.example.org>\n", CLASS_LIST},
	};
	struct classify_options options = {.spam_fields = fields, .spam_field_count = 2};
	(void)state;

	for (size_t i = 0; i < sizeof spam / sizeof spam[0]; i++) {
		char *raw = xasprintf("%s%s\nx\n", JANE, spam[i].field);
		struct envelope_facts envelope = {0};
		struct classification found;
		struct header header;
		struct message message = {.header = &header};

		header_init(&header);
		header_parse(&header, raw, strlen(raw));
		classify_with(&message, &envelope, &options, &found);
		if (found.class != spam[i].class)
			fail_msg("%s: found %s", spam[i].field, class_name(found.class));
		classification_release(&found);
		header_release(&header);
		free(raw);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_classified),
		cmocka_unit_test(the_spam_fields_are_the_operators),
		cmocka_unit_test(class_names_are_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
