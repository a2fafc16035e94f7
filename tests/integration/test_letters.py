"""Letters: acknowledgements that customers get, and what the operator is told of limits."""

import os
import re
import shutil
import tempfile
import unittest

from mail import compose, new_msgid
from rejoinder import Daemon
from scheduler import AlertSink, let_leases_end, read_rows
from wait import wait_for
from world import World

CONFIG = """\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1
staff = @company.test
operator = boss@company.test
{submit}
[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test
daily_limit = 5
on_limit = pass

[account "Support"]
address = support@company.test
display_name = Company Support
incoming = yes
deliver = mailbox
acknowledge = {directory}/support
alert = {alert} to boss@company.test

[account "Jobs"]
address = jobs@company.test
incoming = yes
deliver = mailbox
acknowledge = {directory}/jobs
"""

SUPPORT = """\
Subject: [{conversation}] {subject}

Grüße! {account} has got "{subject}" and answers within a day.
"""
JOBS = "We have got your application.\n"

JANE = "Jane <jane@company.test>"

BOUNCE = """\
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; x@example.org
Action: failed
Status: 5.1.1
--b--
"""


class LetterTestCase(unittest.TestCase):
    """With a Postfix; `sink`, if there is one, stands where the scheduler hands mail over."""

    ALERT = "30d"
    sink = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="rejoinder-letters-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        for name, text in (("support", SUPPORT), ("jobs", JOBS)):
            with open(os.path.join(cls.directory, name), "w", encoding="utf-8") as stream:
                stream.write(text)
        cls.world = World(cls.config(), sasl=False)
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.store = cls.world.rejoinder.store
        cls.numbers = iter(range(1, 10**6))

    @classmethod
    def config(cls):
        submit = f"submit_to = 127.0.0.1:{cls.sink.port}\n" if cls.sink else ""
        return CONFIG.format(directory=cls.directory, alert=cls.ALERT, submit=submit)

    def setUp(self):
        self.scheduler = Daemon(self.world.rejoinder, "rejoinder-scheduler", self.id())
        self.addCleanup(self.scheduler.kill)
        self.allowed = []  # patterns of lines that the log may hold

    def tearDown(self):
        self.scheduler.stop()
        self.scheduler.check_log(*self.allowed)
        self.world.check_logs()

    def new_customer(self):
        return f"customer-{next(self.numbers)}@example.org"

    def write(self, customer, to="support@company.test", subject="A question", sender=None,
              body="Where is it?\n", **fields):
        """A customer writes; sender is the envelope's. Returns the Message-ID."""
        fields.setdefault("Message_ID", new_msgid("example.org"))
        data = compose(f"Customer <{customer}>", to, subject, body, **fields)
        self.world.postfix.send_from_outside(data, customer if sender is None else sender, to)
        return fields["Message_ID"]

    def to(self, address):
        """What was sent to an address outside."""
        place = self.sink or self.world.far
        return [one for one in place.messages() if one.recipients == [address]]

    def wait_to(self, address, count=1):
        return wait_for(lambda: len(self.to(address)) >= count and self.to(address),
                        lambda: f"{count} messages to {address}:\n{self.scheduler.log()[-2000:]}")

    def fence(self):
        """Wait for the letter to a new customer: all that was due before is sent by then."""
        customer = self.new_customer()
        self.write(customer)
        self.wait_to(customer)

    def conversation_of(self, msgid):
        return read_rows(self.store, "SELECT conversation FROM message WHERE msgid = ?", msgid)


class PostfixTest(LetterTestCase):
    """Who gets a letter, through Postfix and our milter."""

    def test_one_in_the_thread_whose_answer_comes_home(self):
        customer = self.new_customer()
        self.scheduler.start()
        msgid = self.write(customer, subject="Where?", References="<older@example.org>")
        received = self.wait_to(customer)[0]
        mail = received.mail
        conversation = mail.value("References")[2:15]
        self.assertEqual(received.sender, "")
        self.assertEqual([name for name, _ in mail.fields if name.startswith("Rejoinder-")], [])
        self.assertEqual(mail.value("From"), "Company Support <support@company.test>")
        self.assertEqual(mail.value("To"), customer)
        self.assertEqual(mail.value("Subject"), f"Auto: [{conversation}] Where?")
        self.assertEqual(mail.value("Auto-Submitted"), "auto-replied")
        self.assertEqual(mail.value("In-Reply-To"), msgid)
        self.assertEqual(mail.value("References").split()[1:], ["<older@example.org>", msgid])
        self.assertRegex(mail.value("Reply-To"),
                         rf"^Company Support <support\+.{conversation}.{{20}}@company\.test>$")
        self.assertEqual(mail.body.decode("ascii").strip(),
                         'Gr=C3=BC=C3=9Fe! Support has got "Where?" and answers within a day.')
        self.scheduler.wait_log(rf"info: letter \d+: kind=acknowledgement, conv={conversation},"
                                rf" account=Support, to={customer}, status=sent, queue_id=\w{{5,}}")

        own = mail.value("Message-ID")
        self.answer(customer, mail.address("Reply-To"), "token", conversation)
        self.answer(customer, "support@company.test", "in-reply-to", conversation,
                    In_Reply_To=own)
        self.answer(customer, "support@company.test", "own-id", conversation, In_Reply_To=own,
                    References=f"{mail.value('References')} {own}")
        shown = self.world.rejoinder.json("show", conversation)
        self.assertEqual([(row["direction"], row["class"]) for row in shown["messages"]],
                         [("in", "human"), ("internal", "notification")] + [("in", "human")] * 3)
        self.assertEqual([(wait["customer"], wait["ended"]) for wait in shown["waits"]],
                         [(customer, None)], "it answers nothing")
        self.fence()
        self.assertEqual(len(self.to(customer)), 1)

    def answer(self, customer, to, match, conversation, **fields):
        msgid = self.write(customer, to, "Re: Where?", **fields)
        arrived = self.world.postfix.mailbox("support").wait(msgid)
        self.assertEqual(arrived.value("Rejoinder-Conversation"), conversation)
        self.assertEqual(arrived.value("Rejoinder-Match"), match)

    def test_a_second_conversation_on_that_day_gives_none(self):
        customer = self.new_customer()
        self.scheduler.start()
        first = self.write(customer, "jobs@company.test", "One")
        other = self.write(customer, "support@company.test", "Two")
        self.assertNotEqual(self.conversation_of(first), self.conversation_of(other))
        self.fence()
        self.assertEqual([one.mail.value("Subject") for one in self.to(customer)], ["Auto: One"])

    def test_machine_mail_gives_none(self):
        self.scheduler.start()
        kinds = {
            "auto-reply": {"Auto_Submitted": "auto-replied"},
            "bounce": {"body": BOUNCE, "sender": "",
                       "Content_Type": "multipart/report; report-type=delivery-status;"
                                       " boundary=b"},
            "list": {"List_Id": "<list.example.org>"},
            "null sender": {"sender": ""},
            "program": {"sender": "noreply@example.org"},
        }
        customers = {kind: self.new_customer() for kind in kinds}
        for kind, fields in kinds.items():
            self.write(customers[kind], **fields)
        self.fence()
        for kind, customer in customers.items():
            self.assertEqual(self.to(customer), [], kind)
        self.assertEqual(self.to("noreply@example.org"), [])

    def test_two_responders_come_to_rest(self):
        """The other side is as we are: it acknowledges what comes, also what should not be."""
        self.scheduler.start()
        responder = self.new_customer()
        self.write(responder)
        ours = self.wait_to(responder)[0].mail
        for sender in ("", responder):
            data = compose(f"Other <{responder}>", "jobs@company.test",
                           f"Auto: {ours.value('Subject')}", "We have got it too.\n",
                           Auto_Submitted="auto-replied", In_Reply_To=new_msgid("example.com"))
            self.world.postfix.send_from_outside(data, sender, "jobs@company.test")
        # What we sent, as it would come in at another account that acknowledges.
        self.world.postfix.send_from_outside(
            self.to(responder)[0].data, "", "jobs@company.test")
        self.fence()
        self.assertEqual(len(self.to(responder)), 1)
        self.assertEqual(read_rows(self.store, "SELECT count(*) FROM letter l JOIN message m"
                                   " ON m.id = l.message WHERE m.class != 'human'"), [(0,)])

    def test_an_account_that_stopped_drops_what_waits(self):
        customer = self.new_customer()
        msgid = self.write(customer)
        rest = re.sub("(?m)^acknowledge = .*/support\n", "", self.config())
        self.addCleanup(self.world.rejoinder.write_config, self.config())
        self.world.rejoinder.write_config(rest)
        self.scheduler.start()
        self.scheduler.wait_log(rf"info: letter .*to={customer}, status=dropped,"
                                " reason=the account acknowledges no more")
        self.assertEqual(self.to(customer), [])
        self.assertEqual(len(self.conversation_of(msgid)), 1)

    def told(self):
        return [mail for mail in self.world.postfix.mailbox("boss").messages()
                if mail.value("Subject").startswith("Account ")]

    def test_the_operator_is_told_once_when_a_limit_is_near_and_once_when_it_is_reached(self):
        self.scheduler.start()
        for number, recipients in enumerate((2, 2, 1, 1)):
            to = [self.new_customer() for _ in range(recipients)]
            msgid = new_msgid("company.test")
            self.world.postfix.send(compose(JANE, to, f"Mailing {number}", Message_ID=msgid),
                                    "jane@company.test", to)
            self.world.far.wait(msgid)
        wait_for(lambda: len(self.told()) >= 2, lambda: f"two letters: {self.scheduler.log()}")
        self.fence()
        told = self.told()
        self.assertEqual([mail.value("Subject") for mail in told],
                         ["Account Replies has sent to 4 of 5 recipients today",
                          "Account Replies has sent to 5 of 5 recipients today"])
        for mail in told:
            self.assertEqual(mail.value("From"), "Rejoinder <postmaster@company.test>")
            self.assertEqual(mail.value("Return-Path"), "<postmaster@company.test>")
            self.assertEqual(mail.value("Auto-Submitted"), "auto-generated")
            self.assertEqual([name for name, _ in mail.fields if name.startswith("Rejoinder-")],
                             [])
        self.assertIn(b"From now on its mail still leaves as before", told[1].body)


class SinkTest(LetterTestCase):
    """What Postfix answers, and what a crash makes of it."""

    ALERT = "1s"

    @classmethod
    def setUpClass(cls):
        cls.sink = AlertSink()
        cls.sink.start()
        cls.addClassCleanup(cls.sink.stop)
        super().setUpClass()

    def test_a_kill_repeats_it_once_under_the_same_id(self):
        customer = self.new_customer()
        self.scheduler.start()
        self.sink.on_keep = self.scheduler.kill
        self.write(customer, "jobs@company.test")
        self.wait_to(customer)
        wait_for(lambda: not self.scheduler.is_running(), "the end of the scheduler")
        self.assertEqual(read_rows(self.store, "SELECT state, attempts FROM letter"
                                   " WHERE recipient = ?", customer), [("open", 1)])
        let_leases_end(self.store)
        self.scheduler.start()
        self.wait_to(customer, 2)
        self.fence()
        first, *others = self.to(customer)
        self.assertEqual(len(others), 1)
        self.assertEqual(others[0].mail.without("Rejoinder-Mark"),
                         first.mail.without("Rejoinder-Mark"))
        self.assertRegex(first.mail.value("Message-ID"), r"^<rejoinder-letter-\d+@company\.test>$")

    def test_one_that_is_refused_is_dropped(self):
        customer = self.new_customer()
        self.sink.answer("rcpt", customer, "550 5.1.1 nobody")
        self.scheduler.start()
        self.write(customer)
        self.scheduler.wait_log(rf"warning: letter .*to={customer}, status=dropped,"
                                r" reason=refused: .*550 5\.1\.1 nobody")
        self.allowed += ["status=dropped, reason=refused"]
        let_leases_end(self.store)
        self.fence()
        self.assertEqual(read_rows(self.store, "SELECT state, attempts FROM letter"
                                   " WHERE recipient = ?", customer), [("dropped", 1)])

    def test_one_that_waits_is_sent_later(self):
        customer = self.new_customer()
        self.sink.answer("rcpt", customer, "451 4.3.0 later")
        self.scheduler.start()
        self.write(customer)
        self.scheduler.wait_log(rf"warning: letter .*to={customer}, status=deferred,")
        self.allowed += ["status=deferred"]
        self.sink.answer_normally("rcpt", customer)
        let_leases_end(self.store)
        self.wait_to(customer)

    def test_letters_and_alerts_take_turns(self):
        customers = [self.new_customer() for _ in range(12)]
        for customer in customers:
            self.write(customer)
        wait_for(lambda: read_rows(self.store, "SELECT count(*) FROM wait WHERE customer = ?"
                                   " AND started_at < strftime('%s') - 1",
                                   customers[-1]) == [(1,)], "the last alert to be due")
        before = len(self.sink.messages())
        self.scheduler.start()
        wait_for(lambda: len(self.sink.messages()) >= before + 24,
                 lambda: f"24 messages:\n{self.scheduler.log()[-2000:]}")
        first = self.sink.messages()[before:before + 12]
        letters = sum(one.sender == "" for one in first)
        self.assertIn(letters, (5, 6, 7), [one.sender for one in first])
        self.assertEqual({one.recipients[0] for one in self.sink.messages()[before:]},
                         {*customers, "boss@company.test"})


if __name__ == "__main__":
    unittest.main()
