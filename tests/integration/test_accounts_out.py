"""What an account says of mail that leaves under it and of mail that opens something, on a real
Postfix."""

import contextlib
import os
import sqlite3
import tempfile
import unittest

from mail import Mail, changes, compose, token_of
from private_postfix import OUTSIDE
from scene import tags_of
from world import World

CONFIG = """\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1
staff = @company.test

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test
bcc = team@company.test, archive@example.com

[account "Support"]
address = support@company.test
incoming = yes
reference_type = Issue
acknowledge = {acknowledge}

[account "Sales"]
address = sales@company.test
outgoing = yes
reply_to_address = support@company.test

[account "Desk"]
address = desk@company.test
outgoing = yes
reply_to_address = team@company.test

[account "Notifications"]
address = notifications@company.test
incoming = yes
outgoing = yes
replies_always = yes
no_reply_to_for = @example.com

[account "Jobs"]
address = jobs@company.test
incoming = yes
open_new = no
reference_type = Applicant
"""

CUSTOMER = "customer@example.org"
PICKY = "picky@example.com"


class AccountsOutTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", delete=False) as acknowledge:
            acknowledge.write("Subject: We have it\n\nYour message has arrived.\n")
        cls.addClassCleanup(os.unlink, acknowledge.name)
        cls.world = World(CONFIG.format(acknowledge=acknowledge.name))
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.postfix, cls.rejoinder, cls.far = (cls.world.postfix, cls.world.rejoinder,
                                               cls.world.far)

    def tearDown(self):
        self.world.check_logs()

    def send(self, sender, to=CUSTOMER, **fields):
        """Send as a mail client that signed in; return what was sent."""
        data = compose(sender, to, "Your order", **fields)
        mail = Mail(data)
        self.postfix.send(data, mail.address("From"), to, login=self.world.login("erp"))
        return mail

    def leave(self, sender, to=CUSTOMER, **fields):
        """The same; return what was sent and what arrived."""
        mail = self.send(sender, to, **fields)
        return mail, self.far.wait(mail.value("Message-ID")).mail

    def come_in(self, to, sender=CUSTOMER, user=None, **fields):
        """A customer writes; return what was sent and what lies in the mailbox."""
        data = compose(sender, to, "A question", **fields)
        mail = Mail(data)
        self.postfix.send(data, sender, to, source=OUTSIDE)
        return mail, self.postfix.mailbox(user or to.partition("@")[0]).wait(
            mail.value("Message-ID"))

    def letters(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.rejoinder.store}?mode=ro",
                                                uri=True, timeout=10)) as store:
            return store.execute("SELECT kind, recipient, account FROM letter").fetchall()

    def test_a_copy_arrives_and_nobody_sees_it(self):
        mail = self.send("Jane <jane@company.test>")
        msgid = mail.value("Message-ID")
        received = self.far.wait(msgid)
        self.assertEqual(sorted(received.recipients), ["archive@example.com", CUSTOMER])
        for copy in (b"team@company.test", b"archive@example.com"):
            self.assertNotIn(copy, received.data)
        self.assertIsNotNone(token_of(received.mail.value("Reply-To")))
        kept = self.postfix.mailbox("team").wait(msgid)
        self.assertEqual(kept.values("Reply-To"), received.mail.values("Reply-To"))
        # Who gets it anyway gets it once.
        mail = self.send("Jane <jane@company.test>", [CUSTOMER, "team@company.test"])
        self.postfix.wait_idle()
        self.assertEqual(len(self.postfix.mailbox("team").find(mail.value("Message-ID"))), 1)

    def test_answers_go_to_the_account_that_is_named(self):
        _, arrived = self.leave("Sales <sales@company.test>")
        address = arrived.address("Reply-To")
        self.assertRegex(address, r"^support\+[a-z2-7]{34}@company\.test$")
        _, answer = self.come_in(address, user="support")
        self.assertEqual(answer.values("Rejoinder-Match"), ["token"])

    def test_answers_go_to_an_address_that_is_no_account_as_it_is(self):
        _, arrived = self.leave("Desk <desk@company.test>")
        self.assertEqual(arrived.values("Reply-To"), ["Desk <team@company.test>"])
        # The thread is known all the same.
        self.assertRegex(arrived.value("References"), r"^<[a-z2-7]{34}@company\.test>$")

    def test_a_foreign_reply_to_gives_way_only_where_all_answers_are_wanted(self):
        for reply_to in ("erp@elsewhere.example", "Support <support@company.test>"):
            _, arrived = self.leave("notifications@company.test", Reply_To=reply_to)
            self.assertRegex(arrived.address("Reply-To"),
                             r"^notifications\+[a-z2-7]{34}@company\.test$")
            self.assertEqual(len(arrived.values("Reply-To")), 1)
        mail, arrived = self.leave("jane@company.test", Reply_To="jane@elsewhere.example")
        self.assertEqual(changes(mail, arrived), [])

    def test_who_refuses_a_reply_to_gets_none(self):
        mail, arrived = self.leave("notifications@company.test", PICKY)
        self.assertEqual([change[:2] for change in changes(mail, arrived)],
                         [("added", "References")])
        data = compose(PICKY, "bob@company.test", "Re: Your order",
                       In_Reply_To=mail.value("Message-ID"),
                       References=f"{arrived.value('References')} {mail.value('Message-ID')}")
        self.postfix.send(data, PICKY, "bob@company.test", source=OUTSIDE)
        answer = self.postfix.mailbox("bob").wait(Mail(data).value("Message-ID"))
        self.assertEqual(answer.values("Rejoinder-Match"), ["own-id"])
        # One of his own is left to the sender.
        mail, arrived = self.leave("notifications@company.test", PICKY,
                                   Reply_To="erp@company.test")
        self.assertEqual(arrived.values("Reply-To"), ["erp@company.test"])

    def test_mail_that_answers_nothing_may_open_nothing(self):
        before = len(self.rejoinder.json("list"))
        mail, arrived = self.come_in("jobs@company.test", Rejoinder_Reference_Type="forged")
        self.assertEqual(sorted(tags_of(arrived)),
                         [("Rejoinder-Class", "human; rule=none"), ("Rejoinder-Match", "none")])
        self.assertEqual(len(self.rejoinder.json("list")), before)
        self.rejoinder.wait_log("conv=-, dir=in, class=human, rule=none, match=none, "
                                "account=Jobs, .*status=tagged\n")
        # What answers something does as ever.
        sent, _ = self.leave("Jane <jane@company.test>")
        _, answer = self.come_in("jobs@company.test", In_Reply_To=sent.value("Message-ID"),
                                 user="jane")
        self.assertEqual(answer.values("Rejoinder-Match"), ["in-reply-to"])
        self.assertEqual(answer.values("Rejoinder-Reference-Type"), [])

    def test_a_conversation_has_the_type_of_its_account_and_its_opener_is_told(self):
        mail, arrived = self.come_in("support@company.test", Rejoinder_Reference_Type="forged")
        self.assertEqual(arrived.values("Rejoinder-Match"), ["new"])
        self.assertEqual(arrived.values("Rejoinder-Reference-Type"), ["Issue"])
        told = [("acknowledgement", CUSTOMER, "Support")]
        self.assertEqual(self.letters(), told)
        # An answer in the conversation bears the type too, wherever it comes in.
        _, answer = self.come_in("replies@company.test", sender=PICKY,
                                 In_Reply_To=mail.value("Message-ID"))
        self.assertEqual(answer.values("Rejoinder-Reference-Type"), ["Issue"])
        # Neither that nor a program's mail is acknowledged.
        self.come_in("support@company.test", sender="noreply@example.com")
        self.come_in("support@company.test", sender="robot@example.com",
                     Auto_Submitted="auto-generated")
        self.assertEqual(self.letters(), told)


if __name__ == "__main__":
    unittest.main()
