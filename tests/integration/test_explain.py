"""`rejoinder explain` says what the milter then does: both with the same message, one after the other."""

import os
import re
import smtplib
import struct
import unittest

import postfix_model
from mail import Mail, compose, token_of
from rejoinder import Rejoinder
from wait import wait_for
from world import World

CONFIG = """\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1
staff = @company.test
on_unparsable = tempfail
exclude_recipients = friend@example.org

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test

[account "Desk"]
address = support@company.test
outgoing = yes
from = account
envelope_from = account
senders = bob@company.test
bcc = team@company.test

[account "Jobs"]
address = jobs@company.test
incoming = yes
outgoing = yes
deliver = mailbox
reply_to = plain
reference_type = Application
senders = boss@company.test
daily_limit = 1
on_limit = tempfail

[account "Sales"]
address = sales@company.test
incoming = yes
deliver = mailbox
reopen = never
internal_customers = yes
"""

JANE, BOB, BOSS = "Jane <jane@company.test>", "Bob <bob@company.test>", "boss@company.test"
CUSTOMER = "customer@example.org"

BOUNCE = """\
--b
Content-Type: text/plain

It could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; customer@example.org
Action: failed
Status: 5.1.1

--b
Content-Type: text/rfc822-headers

From: jane@company.test
Message-ID: {msgid}

--b--
"""


def raw_edits(edits):
    """The edits of the header as postfix_model has them."""
    for edit in edits:
        if edit["name"] is not None:
            kind = "insert-field" if edit["action"] == "insert field" else "change-field"
            yield kind, (struct.pack(">I", edit["index"]) + edit["name"].encode() + b"\0"
                         + (edit["value"] or "").encode() + b"\0")


class ExplainTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(CONFIG)
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.postfix, cls.rejoinder = cls.world.postfix, cls.world.rejoinder
        cls.file = os.path.join(cls.world.directory, "message.eml")

    def explain(self, data, *arguments, rejoinder=None):
        """Also sees that nothing is written."""
        with open(self.file, "wb") as stream:
            stream.write(data)
        before = self.totals()
        explained = (rejoinder or self.rejoinder).json("explain", self.file, *arguments)
        self.assertEqual(self.totals(), before)
        return explained

    def totals(self):
        status = self.rejoinder.json("status")
        return {name: status[name] for name in (
            "conversations", "messages", "deliveries", "waits", "letters", "invalid_tokens")}

    def play(self, data, sender, recipients, user=None):
        """Explain it, then send it; returns what was explained and what the log says of it."""
        if isinstance(recipients, str):
            recipients = [recipients]
        envelope = ["--from", sender] + [part for one in recipients for part in ("--rcpt", one)]
        if user:
            explained = self.explain(data, *envelope, "--authenticated", "--client", "127.0.0.1")
            self.postfix.send(data, sender, recipients, login=self.world.login(user))
        else:
            explained = self.explain(data, *envelope, "--client", "127.0.0.2")
            self.postfix.send_from_outside(data, sender, recipients)
        # Of several arrivals the last one.
        msgid = Mail(data).value("Message-ID")
        found = wait_for(lambda: re.findall(rf"\]: (\w+): message-id={re.escape(msgid)}",
                                            self.postfix.log()), f"{msgid} in the log")
        self.postfix.wait_log(found[-1] + ": removed")
        line = re.search(rf": {found[-1]}: (.*status=.*)", self.rejoinder.log())
        fields = dict(part.split("=", 1) for part in line[1].split(", ")) if line else {}
        self.see_same_decision(explained, fields)
        return explained, fields

    def see_same_decision(self, explained, fields):
        self.assertEqual(explained["status"], fields.get("status", "passed"))
        if "conv" in fields:
            self.assertEqual((explained["class"], explained["rule"], explained["match"]),
                             (fields["class"], fields["rule"], fields["match"]))
            self.assertEqual(explained["account"] or "-", fields["account"])
            self.assertEqual(explained["crowded"], fields.get("crowded") == "yes")
            if not explained["new_conversation"]:
                self.assertEqual(explained["conversation"] or "-", fields["conv"])

    def see_same_header(self, explained, sent, arrived, conversation):
        """The edits, put to what was sent, make what arrived."""
        model = postfix_model.Header(postfix_model.split(sent.replace(b"\r\n", b"\n"))[0])
        model.apply(list(raw_edits(explained["edits"])))
        expected, found = model.fields, postfix_model.Header.parse(
            arrived.replace(b"\r\n", b"\n")).fields
        if explained["new_conversation"]:
            expected, found = ([(name, self.without_ids(value, one)) for name, value in fields]
                               for fields, one in ((expected, "aaaaaaaaaaaab"),
                                                   (found, conversation)))
        self.assertEqual(found, expected)

    @staticmethod
    def without_ids(value, conversation):
        value = re.sub(rb"a%s[a-z2-7]{20}" % conversation.encode(), b"TOKEN", value)
        return value.replace(conversation.encode(), b"CONVERSATION")

    def edits(self, explained, *actions):
        return [(one["action"], one["name"] or one["value"]) for one in explained["edits"]
                if one["action"] in actions]

    def ask_as_jane(self, **fields):
        """A message of Jane's that opens a conversation: (as sent, as it arrived, its id)."""
        data = compose(JANE, CUSTOMER, "Your order", "Hello.\n", **fields)
        explained, line = self.play(data, "jane@company.test", CUSTOMER, "jane")
        received = self.world.far.wait(Mail(data).value("Message-ID"))
        self.see_same_header(explained, data, received.data, line["conv"])
        return explained, received, line["conv"]

    def test_outbound(self):
        explained, received, _ = self.ask_as_jane(Rejoinder_Match="forged",
                                                  References="<a@x.test>\n  <b@x.test>")
        self.assertEqual(explained["route"], "outbound")
        self.assertEqual(explained["account_reason"], "the account's senders name its author")
        self.assertEqual(explained["owner"], "jane@company.test")
        self.assertEqual(self.edits(explained, "insert field", "change field", "delete field"),
                         [("insert field", "Reply-To"), ("change field", "References"),
                          ("delete field", "Rejoinder-Match")])
        self.assertTrue(all(len(one["reason"]) > 10 for one in explained["edits"]))
        self.assertIsNotNone(token_of(received.mail.value("Reply-To")))

    def test_under_an_account(self):
        data = compose(BOB, CUSTOMER, "Offer", X_Sender="bob@company.test", Message_ID=[
            "<first-%d@company.test>" % os.getpid(), "<second@company.test>"])
        explained, line = self.play(data, "bob@company.test", CUSTOMER, "bob")
        received = self.world.far.wait(Mail(data).value("Message-ID"))
        self.see_same_header(explained, data, received.data, line["conv"])
        self.assertEqual(self.edits(explained, "set sender", "add recipient"),
                         [("set sender", "support@company.test"),
                          ("add recipient", "team@company.test")])
        self.assertEqual(received.sender, "support@company.test")
        self.postfix.mailbox("team").wait(Mail(data).value("Message-ID"))
        self.assertIn(("delete field", "X-Sender"), self.edits(explained, "delete field"))

    def test_what_is_left_alone_and_why(self):
        cases = (
            ("somebody whom no account names", "erp@company.test", CUSTOMER, {}, "strip",
             "no account names its author: left as it is"),
            ("an excluded recipient", JANE, "friend@example.org", {}, "strip",
             "exclude_recipients name one of its recipients"),
            ("she says no", JANE, CUSTOMER, {"Rejoinder": "no"}, "strip",
             "it says Rejoinder: no"),
            ("its answers go elsewhere", JANE, CUSTOMER, {"Reply_To": "x@example.com"}, "strip",
             "its Reply-To leads to an address outside"),
            ("list mail", JANE, CUSTOMER, {"List_Id": "<a.company.test>"}, "strip",
             "list mail and reports are left as they are"),
            ("people inside only", JANE, "bob@company.test", {}, "strip",
             "staff write to people inside only"),
        )
        for name, sender, rcpt, fields, route, reason in cases:
            with self.subTest(name):
                data = compose(sender, rcpt, "Private", **{"Rejoinder_Class": "x", **fields})
                explained, _ = self.play(data, Mail(data).address("From"), rcpt, "jane")
                self.assertEqual((explained["route"], explained["route_reason"]), (route, reason))
                arrived = (self.world.far.wait(Mail(data).value("Message-ID")).data
                           if rcpt != "bob@company.test" else
                           self.postfix.mailbox("bob").wait(Mail(data).value("Message-ID")).data)
                self.see_same_header(explained, data, arrived, "")
        data = compose("erp@company.test", CUSTOMER, "Private")
        explained, line = self.play(data, "erp@company.test", CUSTOMER, "jane")
        self.assertEqual((explained["route"], explained["edits"], line), ("pass", [], {}))

    def test_inbound(self):
        first, received, conversation = self.ask_as_jane()
        address = received.mail.address("Reply-To")
        answer = compose(CUSTOMER, address, "Re: Your order", "When?\n", Rejoinder_Owner="me@x.test")
        explained, line = self.play(answer, CUSTOMER, address)
        arrived = self.postfix.mailbox("jane").wait(Mail(answer).value("Message-ID"))
        self.see_same_header(explained, answer, arrived.data, conversation)
        self.assertEqual((explained["match"], explained["conversation"]), ("token", conversation))
        self.assertEqual(explained["waits_started"], 1)
        self.assertEqual(self.edits(explained, "add recipient", "delete recipient"),
                         [("add recipient", "jane@company.test"),
                          ("delete recipient", address)])
        self.assertEqual([one["reason"] for one in explained["edits"] if one["name"] ==
                          "Rejoinder-Owner"], ["a field of ours from outside is a forgery",
                                               "tag: who answers"])

        again, line = self.play(answer, CUSTOMER, address)
        self.assertEqual((line["repeat"], again["waits_started"]), ("yes", 0))
        self.assertEqual(again["match_reason"], "the same message was recorded before")
        arrived = self.postfix.mailbox("jane").wait(Mail(answer).value("Message-ID"), 2)
        self.see_same_header(again, answer, arrived.data, conversation)

        # Its class is that of the first time, whatever it carries now.
        marked = answer.replace(b"Subject:", b"List-Id: <a.example.org>\r\nSubject:", 1)
        explained, line = self.play(marked, CUSTOMER, address)
        self.assertEqual((line["repeat"], explained["class"]), ("yes", "human"))

        # To Jane herself, known by its ids only.
        direct = compose(CUSTOMER, "jane@company.test", "Re: Your order",
                         In_Reply_To=received.mail.value("Message-ID"))
        explained, line = self.play(direct, CUSTOMER, "jane@company.test")
        self.assertEqual((explained["route"], explained["match"], explained["waits_started"]),
                         ("inbound", "in-reply-to", 0))
        arrived = self.postfix.mailbox("jane").wait(Mail(direct).value("Message-ID"))
        self.see_same_header(explained, direct, arrived.data, conversation)

        answered = compose(JANE, CUSTOMER, "Re: Your order", In_Reply_To=Mail(direct).value(
            "Message-ID"))
        explained, line = self.play(answered, "jane@company.test", CUSTOMER, "jane")
        self.assertEqual(explained["waits_ended"], 1)
        self.see_same_header(explained, answered, self.world.far.wait(
            Mail(answered).value("Message-ID")).data, conversation)

    def test_a_new_question_and_a_forged_token(self):
        bad = "replies+" + "a" * 34 + "@company.test"
        for rcpt, account, mailbox in ((bad, "Replies", "replies"),
                                       ("jobs@company.test", "Jobs", "jobs")):
            with self.subTest(rcpt):
                data = compose("new@example.com", rcpt, "A question")
                explained, line = self.play(data, "new@example.com", rcpt)
                self.assertEqual((explained["match"], explained["new_conversation"]), ("new", True))
                self.assertEqual(explained["account"], account)
                self.assertIsNone(explained["conversation"])
                self.assertEqual(explained["bad_tokens"], 1 if rcpt == bad else 0)
                arrived = self.postfix.mailbox(mailbox).wait(Mail(data).value("Message-ID"))
                self.see_same_header(explained, data, arrived.data, line["conv"])

    def test_a_closed_conversation(self):
        sales = "sales@company.test"
        data = compose("later@example.com", sales, "A question")
        _, line = self.play(data, "later@example.com", sales)
        self.rejoinder.run("close", line["conv"])
        for number in (1, 2):  # the second finds the conversation that the first began
            answer = compose("later@example.com", sales, "Re: A question",
                             In_Reply_To=Mail(data).value("Message-ID"))
            explained, found = self.play(answer, "later@example.com", sales)
            self.assertEqual((explained["match"], explained["new_conversation"],
                              explained["related"]), ("in-reply-to", number == 1, line["conv"]))
            self.assertNotEqual(found["conv"], line["conv"])
            arrived = self.postfix.mailbox("sales").wait(Mail(answer).value("Message-ID"))
            self.see_same_header(explained, answer, arrived.data, found["conv"])

    def test_a_colleague_waits(self):
        sales = "sales@company.test"
        data = compose("erp@company.test", sales, "The printer")
        explained, line = self.play(data, "erp@company.test", sales, "jane")
        self.assertEqual((explained["route"], explained["waits_started"]), ("internal", 1))
        waits = self.rejoinder.json("show", line["conv"])["waits"]
        self.assertEqual([one["customer"] for one in waits], ["erp@company.test"])
        arrived = self.postfix.mailbox("sales").wait(Mail(data).value("Message-ID"))
        self.see_same_header(explained, data, arrived.data, line["conv"])

    def test_one_more_than_may_wait(self):
        _, received, _ = self.ask_as_jane()
        rcpt = received.mail.address("Reply-To")
        *others, last = (f"customer{i}@example.org" for i in range(51))
        for other in others:
            self.postfix.send_from_outside(compose(other, rcpt, "Me too"), other, rcpt)
        explained, line = self.play(compose(last, rcpt, "Me too"), last, rcpt)
        self.assertEqual((explained["match"], explained["waits_started"], line.get("crowded")),
                         ("token", 0, "yes"))
        explained, line = self.play(compose(others[0], rcpt, "And?"), others[0], rcpt)
        self.assertEqual((explained["match"], explained["crowded"]), ("token", False))

    def test_a_bounce(self):
        _, received, conversation = self.ask_as_jane()
        data = compose("MAILER-DAEMON@mx.example.org", "jane@company.test", "Undelivered",
                       BOUNCE.format(msgid=received.mail.value("Message-ID")), MIME_Version="1.0",
                       Content_Type="multipart/report; report-type=delivery-status; boundary=b")
        explained, _ = self.play(data, "", "jane@company.test")
        self.assertEqual((explained["class"], explained["match"], explained["conversation"]),
                         ("bounce", "report", conversation))
        arrived = self.postfix.mailbox("jane").wait(Mail(data).value("Message-ID"))
        self.see_same_header(explained, data, arrived.data, conversation)

    def test_what_is_refused(self):
        two = ["c1@example.org", "c2@example.org"]
        jobs = compose(BOSS, CUSTOMER, "Vacancy")
        self.play(jobs, BOSS, CUSTOMER, "jane")
        cases = (("over the limit", compose(BOSS, CUSTOMER, "Next"), BOSS, [CUSTOMER], "jane"),
                 ("hopeless", compose(BOSS, two, "All"), BOSS, two, "jane"),
                 ("two authors", compose(f"{JANE}, {BOB}", CUSTOMER, "x"), "jane@company.test",
                  [CUSTOMER], "jane"),
                 ("a flood", compose(CUSTOMER, "jane@company.test", "x",
                                     Rejoinder_X=["x"] * 201), CUSTOMER, ["jane@company.test"],
                  None))
        for name, data, sender, recipients, user in cases:
            with self.subTest(name):
                envelope = ["--from", sender] + [part for one in recipients
                                                 for part in ("--rcpt", one)]
                if user:
                    envelope += ["--authenticated", "--client", "127.0.0.1"]
                explained = self.explain(data, *envelope)
                with self.assertRaises(smtplib.SMTPDataError) as caught:
                    self.postfix.send(data, sender, recipients,
                                      login=self.world.login(user) if user else None,
                                      source=None if user else "127.0.0.2")
                said = f"{caught.exception.smtp_code} {caught.exception.smtp_error.decode()}"
                self.assertEqual(explained["reply"], said)
                self.assertEqual(explained["edits"], [])
                self.assertEqual(explained["status"],
                                 "rejected" if said.startswith("5") else "deferred")

    def test_without_a_store_and_for_people(self):
        bare = Rejoinder(os.path.join(self.world.directory, "bare"), self.rejoinder.socket_path,
                         CONFIG)
        bare.write_config(CONFIG)
        done = bare.attempt("explain", self.file)
        self.assertEqual(done.returncode, 78)
        self.assertIn(b"keys", done.stderr)
        bare.run("keys", "add")
        data = compose(JANE, CUSTOMER, "x")
        explained = self.explain(data, "--authenticated", rejoinder=bare)
        self.assertRegex(explained["store_error"], "there is no store at")
        self.assertEqual((explained["route"], explained["match"], explained["sender"],
                          explained["recipients"]),
                         ("outbound", "new", "jane@company.test", [CUSTOMER]))
        text = bare.run("explain", self.file, "--authenticated")
        for pattern in ("^Sender +jane@company.test, as the file says", "^Route +outbound: staff",
                        "^Account +Replies: the account's senders", r"^  insert field +Reply-To: ",
                        "^Store +as if it were empty"):
            self.assertRegex(text, "(?m)" + pattern)
        self.assertEqual(bare.attempt("explain", self.file + ".none").returncode, 66)
        self.assertEqual(bare.attempt("explain", self.file, "--client", "x").returncode, 64)


if __name__ == "__main__":
    unittest.main()
