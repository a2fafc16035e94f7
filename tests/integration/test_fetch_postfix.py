"""An external inbox behind a real Postfix and the milter: fetched mail is mail like any other."""

import contextlib
import os
import sqlite3
import unittest

from certificates import Certificates
from fake_pop3 import FakePop3
from ledger import Ledger
from mail import compose
from rejoinder import Rejoinder
from wait import wait_for
from world import World

CONFIG = """\
[rejoinder]
domains = company.test
senders = @company.test
staff = @company.test
ca_file = {ca_file}

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes

[account "Shop"]
address = support@company.test
incoming = yes
pop3 = pop3s://127.0.0.1:{port}
username = jane
password_command = echo jane-secret
mailbox = sales@company.test
leave = {leave}
first_fetch = all
"""

JANE = "Jane <jane@company.test>"
CUSTOMER = "customer@example.org"


class PostfixTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(None, sasl=False, postfix={"milters": True})
        certificates = Certificates(os.path.join(cls.world.directory, "ca"))
        cls.addClassCleanup(cls.world.stop)
        cls.pop3 = FakePop3("tls", *certificates.issue("server")).start()
        cls.addClassCleanup(cls.pop3.stop)
        cls.config = CONFIG.replace("{port}", str(cls.pop3.port)).replace(
            "{ca_file}", certificates.ca_file)
        cls.world.rejoinder = Rejoinder(
            os.path.join(cls.world.directory, "rejoinder"), cls.world.postfix.milter_socket,
            cls.config.format(leave="no"), submit_port=cls.world.postfix.submit)
        cls.world.start()
        cls.rejoinder, cls.postfix = cls.world.rejoinder, cls.world.postfix

    def tearDown(self):
        self.pop3.delete(self.pop3.messages())
        self.world.check_logs()

    def ask(self, subject):
        """Jane writes to the customer; what he got."""
        data = compose(JANE, CUSTOMER, subject)
        self.postfix.send(data, "jane@company.test", CUSTOMER)
        return wait_for(lambda: next((one.mail for one in self.world.far.messages()
                                      if one.mail.value("Subject") == subject), None), subject)

    def answer(self, question, **fields):
        """The customer's answer, as his provider put it into the inbox."""
        options = {"To": question.value("Reply-To"), "In_Reply_To": question.value("Message-ID"),
                   "Return_Path": f"<{CUSTOMER}>", **fields}
        return compose(f"Customer <{CUSTOMER}>", options.pop("To"),
                       "Re: " + question.value("Subject"), **options)

    def fetch(self, code=0):
        return self.rejoinder.run("fetch", "Shop", code=code)

    def deliveries(self, msgid):
        """(messages, deliveries) of an id in the store."""
        with contextlib.closing(sqlite3.connect(f"file:{self.rejoinder.store}?mode=ro",
                                                uri=True)) as database:
            return database.execute(
                "SELECT count(DISTINCT message.id), count(*) FROM message JOIN delivery"
                " ON delivery.message = message.id WHERE msgid = ?", (msgid,)).fetchone()

    def test_an_answer_finds_its_conversation_and_its_owner(self):
        question = self.ask("An offer")
        answer = self.answer(question, Delivered_To="sales@company.test",
                             Rejoinder_Conversation="forged",
                             Message_ID="<answer-1@example.org>")
        self.pop3.add(answer)
        self.assertIn("new=1 delivered=1", self.fetch())
        mail = self.postfix.mailbox("jane").wait("<answer-1@example.org>")
        self.assertEqual(mail.values("Rejoinder-Match"), ["token"])
        self.assertEqual(len(mail.values("Rejoinder-Conversation")), 1)
        self.assertNotIn("forged", mail.values("Rejoinder-Conversation"))
        self.assertEqual(mail.values("Rejoinder-Mark"), [])
        self.assertRegex(mail.value("Rejoinder-Class"), "^human;")
        self.assertEqual(mail.value("Return-Path"), f"<{CUSTOMER}>")
        self.assertNotIn("sales@company.test", mail.values("Delivered-To")[1:])
        self.assertEqual(self.pop3.messages(), [])
        self.assertIn("new=0", self.fetch())
        # The same by SMTP: one message, two deliveries.
        self.postfix.send_from_outside(answer, CUSTOMER, question.address("Reply-To"))
        self.postfix.mailbox("jane").wait("<answer-1@example.org>", 2)
        self.assertEqual(self.deliveries("<answer-1@example.org>"), (1, 2))

    def test_mail_of_a_stranger_is_tagged_and_goes_to_the_mailbox(self):
        data = compose("stranger@example.com", "shop@example.com", "Hello",
                       Message_ID="<stranger-1@example.com>")
        self.pop3.add(data)
        self.fetch()
        mail = self.postfix.mailbox("sales").wait("<stranger-1@example.com>")
        self.assertEqual(mail.values("Rejoinder-Match"), ["new"])
        self.assertEqual(mail.value("From"), "stranger@example.com")
        # Without a Return-Path its author is the sender: it is no machine's mail.
        self.assertRegex(mail.value("Rejoinder-Class"), "^human;")

    def test_what_is_in_the_message_stays_as_it_was(self):
        data = (b"From: bob\r\nTo: undisclosed-recipients:;\r\nSubject: bare\r\n\r\n"
                b".\r\n..\r\nFrom here\r\n")
        self.pop3.add(data)
        self.fetch()
        mail = self.postfix.mailbox("sales").wait_until(
            lambda one: one.value("Subject") == "bare", "the message")
        self.assertEqual(mail.value("From"), "bob")
        self.assertIsNone(mail.value("Message-ID"))
        self.assertEqual(mail.body, b".\n..\nFrom here\n")

    def test_a_message_of_30_mb(self):
        data = compose("stranger@example.com", "shop@example.com", "Large",
                       body=("x" * 75 + "\n") * 400000, Message_ID="<large-1@example.com>")
        self.pop3.add(data)
        self.assertIn("delivered=1", self.fetch())
        mail = self.postfix.mailbox("sales").wait("<large-1@example.com>")
        self.assertEqual(len(mail.body), 76 * 400000)

    def test_while_the_milter_is_away_mail_stays_where_it_is(self):
        ledger = Ledger()
        for _ in range(5):
            self.pop3.add(ledger.compose("stranger@example.com", "shop@example.com", "x").data)
        self.rejoinder.milter.stop()
        self.fetch(code=75)
        self.assertEqual(len(self.pop3.messages()), 5)
        self.postfix.problems()
        self.rejoinder.start_milter()
        self.fetch()
        wait_for(lambda: ledger.seen_in({"sales": self.postfix.mailbox("sales")}).keys()
                 == set(range(1, 6)), "all five")
        ledger.check({"sales": self.postfix.mailbox("sales")}, {"inbox": self.pop3},
                     store=self.rejoinder.store)

    def test_a_key_that_the_milter_has_not_read_yet(self):
        self.rejoinder.run("keys", "add")
        self.pop3.add(compose("stranger@example.com", "shop@example.com", "A new key",
                              Message_ID="<new-key@example.com>"))
        self.fetch(code=75)
        self.assertEqual(len(self.pop3.messages()), 1)
        self.assertTrue(any("is a reload due?" in line for line in self.rejoinder.problems()))
        self.rejoinder.milter.reload()
        self.rejoinder.wait_log(r"read \S+ again")
        self.fetch()
        mail = self.postfix.mailbox("sales").wait("<new-key@example.com>")
        self.assertEqual(mail.values("Rejoinder-Match"), ["new"])
        self.assertEqual(self.pop3.messages(), [])

    def test_an_id_that_postfix_cuts_makes_nobody_staff(self):
        msgid = "(" + "".join("z" * 900 + "\n " for _ in range(69)) + ")\n <cut@example.com>"
        self.pop3.add(compose(JANE, "shop@example.com", "Cut", Message_ID=msgid,
                              Rejoinder_Reference="Sales Order SO-0666"))
        self.assertIn("delivered=1", self.fetch())
        mail = self.postfix.mailbox("sales").wait_until(
            lambda one: one.value("Subject") == "Cut", "the message")
        self.assertEqual(mail.values("Rejoinder-Match"), ["new"])
        self.assertEqual(mail.values("Rejoinder-Reference"), [])
        self.assertEqual(mail.values("Rejoinder-Mark"), [])

    def test_a_mailbox_that_is_not_there(self):
        self.rejoinder.write_config(self.config.format(leave="no").replace(
            "mailbox = sales@", "mailbox = nobody@"))
        self.addCleanup(self.rejoinder.write_config, self.config.format(leave="no"))
        self.pop3.add(compose("stranger@example.com", "shop@example.com", "Lost?",
                              Message_ID="<nobody-1@example.com>"))
        self.assertIn("refused=1", self.fetch())
        self.assertEqual(len(self.pop3.messages()), 1)
        self.rejoinder.write_config(self.config.format(leave="no"))
        self.fetch()
        self.postfix.mailbox("sales").wait("<nobody-1@example.com>")
        self.assertEqual(self.pop3.messages(), [])


if __name__ == "__main__":
    unittest.main()
