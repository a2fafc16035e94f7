"""Who waits inside the company, and where a customer's message goes when all was closed."""

import unittest

from mail import Mail, compose, new_msgid
from scheduler import let_waits_age, read_rows
from wait import wait_for
from world import World

CONFIG = """\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1
staff = @company.test

[calendar "Around the clock"]
monday = 00:00-24:00
tuesday = 00:00-24:00
wednesday = 00:00-24:00
thursday = 00:00-24:00
friday = 00:00-24:00
saturday = 00:00-24:00
sunday = 00:00-24:00

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test
reopen = never

[account "Desk"]
address = support@company.test
incoming = yes
internal_customers = yes
calendar = Around the clock
alert = 1h to jane@company.test
"""

CUSTOMER = "Customer One <customer@example.org>"
REPLIES = "replies@company.test"
DESK = "support@company.test"
HOUR = 3600


def thread_of(mail):
    """The fields by which a mail client says what it answers."""
    msgid = mail.value("Message-ID")
    return {"In_Reply_To": msgid,
            "References": " ".join(filter(None, (mail.value("References"), msgid)))}


class DeskTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(CONFIG)
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.postfix = cls.world.postfix
        cls.rejoinder = cls.world.rejoinder
        cls.rejoinder.scheduler.start()

    def tearDown(self):
        self.world.check_logs()

    def write(self, user, to, subject, **fields):
        """Staff, with an ordinary mail client that is signed in."""
        sender = f"{user.capitalize()} <{user}@company.test>"
        data = compose(sender, to, subject, **fields)
        self.postfix.send(data, f"{user}@company.test", to, login=self.world.login(user))
        return Mail(data)

    def answer(self, user, to, mail, **fields):
        return self.write(user, to, f"Re: {mail.value('Subject')}", **thread_of(mail), **fields)

    def ask_from_outside(self, to, subject, **fields):
        data = compose(CUSTOMER, to, subject, Message_ID=new_msgid("example.org"), **fields)
        self.postfix.send_from_outside(data, "customer@example.org", to)
        return Mail(data)

    def in_mailbox(self, user, mail):
        return self.postfix.mailbox(user).wait(mail.value("Message-ID"))

    def waiting(self):
        return [row["subject"] for row in self.rejoinder.json("list") if row["waiting"] > 0]

    def show(self, mail):
        return self.rejoinder.json("show", mail.value("Rejoinder-Conversation"))

    def test_a_colleague_is_the_customer_of_a_desk(self):
        question = self.write("bob", DESK, "My keyboard")
        tagged = self.in_mailbox("support", question)
        self.assertEqual(self.waiting(), ["My keyboard"])
        self.assertEqual(read_rows(self.rejoinder.store, "SELECT from_name, direction FROM message"
                                   " WHERE msgid = ?", question.value("Message-ID")),
                         [("Bob", "internal")])

        let_waits_age(self.rejoinder.store, HOUR + 5, "bob@company.test")
        alert = wait_for(lambda: [mail for mail in self.postfix.mailbox("jane").messages()
                                  if mail.value("Reply-To") == "bob@company.test"],
                         "the alert about Bob")[0]
        self.assertIn("My keyboard", alert.value("Subject"))

        # Of somebody else's mail to Jane nothing ends; her answer, as clients make it, does.
        self.write("bob", "jane@company.test", "Lunch")
        self.answer("bob", "jane@company.test", question)
        self.assertEqual(self.waiting(), ["My keyboard"])
        answer = self.answer("jane", "bob@company.test", alert)
        self.in_mailbox("bob", answer)
        self.assertEqual(self.waiting(), [])
        wait, = self.show(tagged)["waits"]
        self.assertEqual((wait["customer"], wait["end_reason"]), ("bob@company.test", "answered"))
        self.assertGreaterEqual(wait["wall_seconds"], HOUR + 5)
        self.assertEqual(wait["wall_seconds"], wait["business_seconds"])
        output = self.rejoinder.run("show", tagged.value("Rejoinder-Conversation"))
        self.assertRegex(" ".join(output.split()),
                         r"answered after 1h \d+m \(1h \d+m in business time\)"
                         r" by jane@company.test, for bob@company.test")

        # What he asks then, though it goes to Jane, is a question again.
        again = self.answer("bob", "jane@company.test", answer)
        self.assertEqual(self.waiting(), ["My keyboard"])
        self.answer("jane", "bob@company.test", again, Cc=DESK)
        self.assertEqual(self.waiting(), [])

        # Who sends a thread of another account to the desk asks something new of the desk, and
        # it reaches the desk, whoever owns that thread.
        offer = self.write("jane", "customer@example.org", "An offer")
        forwarded = self.in_mailbox("support", self.write("jane", DESK, "Fwd: An offer",
                                                          **thread_of(offer)))
        self.assertEqual(self.waiting(), ["Fwd: An offer"])
        sold = self.rejoinder.json("list")
        self.assertEqual(forwarded.value("Rejoinder-Related"),
                         next(row["id"] for row in sold if row["subject"] == "An offer"))
        self.answer("bob", "jane@company.test", forwarded)
        self.assertEqual(self.waiting(), [])

        # At an account whose customers are outside nobody inside waits.
        self.in_mailbox("replies", self.write("bob", REPLIES, "A note"))
        self.assertEqual(self.waiting(), [])

    def test_a_message_in_a_closed_conversation_begins_another(self):
        offer = self.write("jane", "customer@example.org", "Your order",
                           Rejoinder_Reference="Sales Order SO-0001")
        arrived = self.world.far.wait(offer.value("Message-ID")).mail
        address = arrived.address("Reply-To")
        old = self.rejoinder.json("list")[0]["id"]
        self.rejoinder.run("close", old)

        first = self.in_mailbox("jane", self.ask_from_outside(address, "Re: Your order",
                                                              **thread_of(arrived)))
        new = first.value("Rejoinder-Conversation")
        self.assertNotEqual(new, old)
        self.assertEqual([first.value(f"Rejoinder-{name}") for name in
                          ("Related", "Match", "Sender", "Reference", "Owner")],
                         [old, "token", "known", "Sales Order SO-0001", "jane@company.test"])
        second = self.in_mailbox("jane", self.ask_from_outside(address, "Re: Your order"))
        self.assertEqual(second.value("Rejoinder-Conversation"), new)
        self.assertEqual(second.value("Rejoinder-Related"), old)
        self.assertEqual(self.waiting(), ["Your order"])

        shown = {one: self.rejoinder.json("show", one) for one in (old, new)}
        self.assertEqual((shown[old]["state"], shown[old]["continues"],
                          shown[old]["continued_by"]), ("closed", None, [new]))
        self.assertEqual((shown[new]["state"], shown[new]["continues"],
                          shown[new]["continued_by"]), ("open", old, []))
        self.assertEqual([wait["customer"] for wait in shown[new]["waits"]],
                         ["customer@example.org"])
        self.assertRegex(self.rejoinder.run("show", old), rf"(?m)^Continued by +{new}$")
        output = self.rejoinder.run("show", new)
        self.assertRegex(output, rf"(?m)^Continues +{old}$")
        self.assertNotIn("\nRelated", output)

        # Machine mail stays where it leads.
        self.ask_from_outside(address, "Out of Office: Re: Your order",
                              Auto_Submitted="auto-replied")
        self.postfix.wait_idle()
        self.assertEqual(self.rejoinder.json("show", old)["state"], "closed")
        self.assertEqual(len(self.rejoinder.json("show", old)["messages"]), 2)
        # Her answer to the first one carries our id of the old conversation.
        self.answer("jane", "customer@example.org", first)
        self.assertEqual(self.waiting(), [])


if __name__ == "__main__":
    unittest.main()
