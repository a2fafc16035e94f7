"""Every message in its place, on a real Postfix: ids, tokens in all their forms, copies, staff."""

import re
import smtplib
import unittest

from fault import Fault
from mail import Mail, compose, new_msgid, token_of
from scene import BOB, CUSTOMER, JANE, REPLIES
from wait import wait_for
from world import World

CONFIG = """\
[rejoinder]
domains = company.test, answers.test
internal_hosts = 127.0.0.1
staff = @company.test
commit_timeout = 2s

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test, bob@company.test, erp@company.test
deliver = mailbox

[account "Support"]
address = support@company.test
token_domain = answers.test
incoming = yes
outgoing = yes
deliver = mailbox

[account "Sales"]
address = sales@company.test
incoming = yes
deliver = mailbox
"""

# A catch-all for the token domain, and the delimiters that Postfix may be told to take.
PARAMETERS = {
    "recipient_delimiter": "+-",
    "virtual_mailbox_domains": "company.test, answers.test",
    "virtual_alias_domains": "",
    "virtual_alias_maps": "inline:{ { @answers.test = support@company.test } }",
}

BAD_TOKEN = r"a token is not believed"


class MatchingTest(unittest.TestCase):
    """Each test has customers of its own."""

    @classmethod
    def setUpClass(cls):
        cls.world = World(CONFIG, sasl=False, postfix={"parameters": PARAMETERS})
        cls.addClassCleanup(cls.world.stop)
        cls.slow_disk = Fault(cls.world.directory, "/rejoinder.db", calls="sync", delay_ms=2800)
        cls.world.rejoinder.environment = cls.slow_disk.environment
        cls.world.start()
        cls.postfix, cls.rejoinder, cls.far = (
            cls.world.postfix, cls.world.rejoinder, cls.world.far)
        cls.numbers = iter(range(1, 10**6))

    def setUp(self):
        self.customer = f"customer-{next(self.numbers)}@example.org"
        self.allowed = []

    def tearDown(self):
        self.world.check_logs(rejoinder=self.allowed)

    # What people do

    def staff_writes(self, sender=JANE, to=None, **fields):
        """Return the message as it arrived outside."""
        to = to or self.customer
        data = compose(sender, to, "Your order", "Hello.\n", **fields)
        mail = Mail(data)
        self.postfix.send(data, mail.address("From"), to)
        return self.far.wait(mail.value("Message-ID")).mail

    def customer_writes(self, to, mailbox="replies", sender=None, header_to=None, **fields):
        """Return the message as it arrived in the mailbox."""
        sender = sender or self.customer
        data = compose(sender, header_to or to, "Re: Your order", "When?\n", **fields)
        self.postfix.send_from_outside(data, sender, to)
        return self.postfix.mailbox(mailbox).wait(Mail(data).value("Message-ID"))

    def show(self, mail):
        return self.rejoinder.json("show", mail.value("Rejoinder-Conversation"))

    def begin(self, **fields):
        """Jane writes; return the conversation, the reply address, and the mail outside."""
        sent = self.staff_writes(**fields)
        return token_of(sent.value("Reply-To"))[1:14], sent.address("Reply-To"), sent

    def assert_found(self, mail, match, conversation):
        self.assertEqual((mail.value("Rejoinder-Match"), mail.value("Rejoinder-Conversation")),
                         (match, conversation), mail.fields)
        row = [row for row in self.show(mail)["messages"]
               if row["msgid"] == mail.value("Message-ID")][-1]
        self.assertEqual(row["match"], match)

    def running(self, conversation):
        return [wait["customer"] for wait in self.rejoinder.json("show", conversation)["waits"]
                if wait["ended"] is None]

    # Ids

    def test_ids_in_every_state(self):
        conversation, _, sent = self.begin()
        msgid = sent.value("Message-ID")
        bare = msgid.strip("<>")
        long_thread = "\n ".join([msgid] + [f"<{n}@example.org>," for n in range(49)])
        too_far = "\n ".join([msgid] + [f"<{n}@example.org>" for n in range(200)])
        forms = {
            "several in In-Reply-To": ("in-reply-to", {
                "In_Reply_To": f"<unknown@example.org> {msgid}"}),
            "garbage and comments": ("in-reply-to", {
                "In_Reply_To": f"Your message of \"Mon, <x@y>\" (that (one) <z@y>) {msgid}"}),
            "brackets lost": ("in-reply-to", {"In_Reply_To": bare}),
            "one bracket lost": ("in-reply-to", {"In_Reply_To": f"<{bare}"}),
            "folded, with commas": ("references", {
                "References": f"<a@example.org>,\n\t{msgid},\n <b@example.org>"}),
            "the fiftieth": ("references", {"References": long_thread}),
            "a loop": ("references", {
                "References": f"<a@example.org> {msgid} <a@example.org> {msgid}"}),
        }
        for name, (match, fields) in forms.items():
            with self.subTest(name):
                self.assert_found(self.customer_writes(REPLIES, **fields), match, conversation)
        others = {
            "beyond the fiftieth": {"References": too_far},
            "in capitals": {"In_Reply_To": msgid.upper()},
        }
        for name, fields in others.items():
            with self.subTest(name):
                arrived = self.customer_writes(REPLIES, sender=f"x.{self.customer}", **fields)
                self.assertEqual(arrived.value("Rejoinder-Match"), "new")

    def test_our_own_id_is_believed_wherever_it_stands(self):
        conversation, _, sent = self.begin()
        thread = [sent.value("References")] + [f"<{n}@example.org>" for n in range(200)]
        self.assert_found(self.customer_writes(REPLIES, References="\n ".join(thread)),
                          "own-id", conversation)

    def test_two_answers_to_a_message_that_nobody_saw(self):
        unseen = new_msgid("example.org")
        first = self.customer_writes(REPLIES, In_Reply_To=unseen)
        self.assertEqual(first.value("Rejoinder-Match"), "new")
        conversation = first.value("Rejoinder-Conversation")
        second = self.customer_writes(REPLIES, sender=f"x.{self.customer}", References=unseen)
        self.assert_found(second, "named", conversation)
        late = self.customer_writes(REPLIES, Message_ID=unseen)
        self.assert_found(late, "named", conversation)

    def test_of_two_conversations_the_nearer_wins_and_none_is_merged(self):
        one, address, first = self.begin()
        other, other_address, second = self.begin()
        ids = {"In_Reply_To": first.value("Message-ID"), "References": second.value("Message-ID")}
        arrived = self.customer_writes(REPLIES, **ids)
        self.assert_found(arrived, "in-reply-to", one)
        self.assertEqual(self.show(arrived)["related"], [other])
        self.assertEqual(self.rejoinder.json("show", other)["related"], [one])
        self.assertEqual(len(self.rejoinder.json("show", other)["messages"]), 1)
        self.assertRegex(self.rejoinder.run("show", one), rf"(?m)^ +related +{other}$")

        third, third_address, _ = self.begin()
        data = compose(self.customer, [third_address, other_address], "Both", "Hello.\n")
        self.postfix.send_from_outside(data, self.customer, [third_address, other_address])
        arrived = self.postfix.mailbox("replies").wait(Mail(data).value("Message-ID"), 2)
        self.assert_found(arrived, "token", third)
        self.assertEqual(self.show(arrived)["related"], [other])

    def test_a_relay_that_replaces_the_message_id_breaks_no_thread(self):
        conversation, address, sent = self.begin()
        replaced = new_msgid("relay.example")
        references = sent.value("References")
        self.assert_found(
            self.customer_writes(REPLIES, In_Reply_To=replaced,
                                 References=f"{references} {replaced}"), "own-id", conversation)
        self.assert_found(self.customer_writes(REPLIES, In_Reply_To=replaced), "named",
                          conversation)
        again = new_msgid("relay.example")  # of a client that sends no References
        self.assert_found(self.customer_writes(address, In_Reply_To=again), "token", conversation)
        answer = self.staff_writes(BOB, In_Reply_To=again)
        self.assertEqual(token_of(answer.value("Reply-To"))[1:14], conversation)
        self.assertIn(conversation, answer.value("References"))

    # Tokens

    def test_tokens_in_every_form(self):
        conversation, address, _ = self.begin()
        token = token_of(address)
        for form in (address, address.upper(), f"replies-{token}@company.test",
                     f"Replies-{token.upper()}@Company.Test"):
            with self.subTest(form):
                self.assert_found(self.customer_writes(form), "token", conversation)

    def test_a_domain_for_tokens(self):
        sent = self.staff_writes("Support <support@company.test>")
        conversation = sent.value("References")[2:15]
        address = sent.address("Reply-To")
        token, _, domain = address.partition("@")
        self.assertEqual((len(token), domain), (34, "answers.test"), sent.fields)
        for form in (address, address.upper()):
            self.assert_found(self.customer_writes(form, "support"), "token", conversation)
        before = self.invalid()
        arrived = self.customer_writes(f"{token[:-1]}{'b' if token[-1] == 'a' else 'a'}@{domain}",
                                       "support", f"x.{self.customer}")
        self.assertEqual(arrived.value("Rejoinder-Match"), "new")
        self.assertEqual(self.invalid(), before + 1)
        other = self.customer_writes(f"info@{domain}", "support", f"y.{self.customer}")
        self.assertEqual(other.value("Rejoinder-Match"), None, "it is nobody's")
        self.allowed = [BAD_TOKEN]

    def invalid(self):
        return self.rejoinder.json("status")["invalid_tokens"]

    def test_what_is_not_believed_is_absent_counted_and_logged_once(self):
        conversation, address, _ = self.begin()
        token = token_of(address)
        flipped = token[:20] + ("a" if token[20] != "a" else "b") + token[21:]
        unknown_key = ("a" if token[0] != "a" else "b") + token[1:]
        forms = [flipped, unknown_key, token[:33], token[:20], token[:33] + "1"]
        before, sender = self.invalid(), f"x.{self.customer}"
        for number, form in enumerate(forms):
            arrived = self.customer_writes(f"replies+{form}@company.test", sender=sender)
            self.assertEqual(arrived.value("Rejoinder-Match"), "new", form)
            self.assertNotEqual(arrived.value("Rejoinder-Conversation"), conversation, form)
            self.assertEqual(self.invalid(), before + number + 1, form)
        self.rejoinder.wait_log(rf"(?m)from={sender}.* bad_tokens=1.* status=tagged")
        warnings = re.findall(rf"warning: \w+: {BAD_TOKEN}: forged, tokens=1, from={sender}",
                              self.rejoinder.log())
        self.assertEqual(len(warnings), 1)
        self.assertEqual(len(re.findall(rf"{BAD_TOKEN}.*from={sender}", self.rejoinder.log())), 1)
        self.customer_writes("replies+orders@company.test", sender=sender)
        self.assertEqual(self.invalid(), before + len(forms), "an admin's own word is no token")
        self.allowed = [BAD_TOKEN]

    def test_keys_come_and_go(self):
        conversation, address, sent = self.begin()
        with open(self.rejoinder.keys, encoding="ascii") as stream:
            old = stream.read()
        self.addCleanup(self.use_keys, old)
        self.rejoinder.run("keys", "add")
        self.reload()
        self.assert_found(self.customer_writes(address), "token", conversation)
        newer = token_of(self.begin()[1])
        self.assertNotEqual(newer[0], token_of(address)[0], "the newest key signs")

        with open(self.rejoinder.keys, encoding="ascii") as stream:
            new = [line for line in stream if line not in old.splitlines(True)]
        self.use_keys("".join(new))
        before = self.invalid()
        arrived = self.customer_writes(address, sender=f"x.{self.customer}")
        self.assertEqual(arrived.value("Rejoinder-Match"), "new", "its key is retired")
        self.assertEqual(self.invalid(), before + 1)
        self.assert_found(self.customer_writes(address, References=sent.value("References"),
                                               In_Reply_To=sent.value("Message-ID")),
                          "in-reply-to", conversation)
        self.allowed = [BAD_TOKEN]

    def use_keys(self, text):
        with open(self.rejoinder.keys, "w", encoding="ascii") as stream:
            stream.write(text)
        self.reload()

    def reload(self):
        count = self.rejoinder.log().count("read /")
        self.rejoinder.reload()
        wait_for(lambda: self.rejoinder.log().count("read /") > count, "the milter's reload")

    # Staff and machines

    def test_who_ends_a_wait(self):
        conversation, address, sent = self.begin()
        question = self.customer_writes(address, In_Reply_To=sent.value("Message-ID"))
        link = {"In_Reply_To": question.value("Message-ID")}
        self.assertEqual(self.running(conversation), [self.customer])

        self.staff_writes("ERP <erp@company.test>", Auto_Submitted="auto-generated", **link)
        self.assertEqual(self.running(conversation), [self.customer], "the ERP's notification")
        outsider = f"carrier.{self.customer}"
        self.staff_writes(to=outsider, **link)
        self.assertEqual(self.running(conversation), [self.customer], "a forward to an outsider")
        rows = self.rejoinder.json("show", conversation)["messages"]
        self.assertEqual([row["class"] for row in rows],
                         ["human", "human", "notification", "human"])
        self.customer_writes(address, sender=outsider)
        self.staff_writes(BOB, **link)
        self.assertEqual(self.running(conversation), [outsider],
                         "a colleague's answer ends the customer's wait, and nobody else's")

    # Copies

    def test_one_mail_to_two_of_our_accounts(self):
        msgid = new_msgid("example.org")
        data = compose(self.customer, ["replies@company.test", "sales@company.test"], "A question",
                       "Where?\n", Message_ID=msgid)
        for to in ("replies@company.test", "sales@company.test"):
            self.postfix.send_from_outside(data, self.customer, to)
        first, second = (self.postfix.mailbox(user).wait(msgid) for user in ("replies", "sales"))
        for name in ("Conversation", "Match", "Class", "Sender"):
            self.assertEqual(first.value(f"Rejoinder-{name}"), second.value(f"Rejoinder-{name}"))
        shown = self.show(first)
        self.assertEqual(len(shown["messages"]), 1)
        self.assertEqual(len(shown["messages"][0]["deliveries"]), 2)
        self.assertEqual(len(shown["waits"]), 1)

    def test_a_client_that_comes_again_after_451_though_it_was_recorded(self):
        data = compose(self.customer, REPLIES, "A question", "Where?\n")
        msgid = Mail(data).value("Message-ID")
        self.slow_disk.on(calls="sync")
        self.addCleanup(self.slow_disk.off)
        with self.assertRaises(smtplib.SMTPDataError) as raised:
            self.postfix.send_from_outside(data, self.customer, REPLIES)
        self.assertEqual(raised.exception.smtp_code, 451)
        self.slow_disk.off()
        self.postfix.send_from_outside(data, self.customer, REPLIES)
        arrived = self.postfix.mailbox("replies").wait(msgid)
        self.assertEqual(arrived.value("Rejoinder-Match"), "new")
        shown = self.show(arrived)
        self.assertEqual((len(shown["messages"]), len(shown["waits"])), (1, 1))
        self.assertEqual(len(shown["messages"][0]["deliveries"]), 2)
        self.rejoinder.wait_log(rf"from={self.customer}.*repeat=yes, status=tagged")
        self.allowed = ["status=deferred"]

    def test_what_staff_sent_and_what_came_back_of_it_stand_together(self):
        data = compose(JANE, "sales@company.test", "For the team", "Hello.\n")
        msgid = Mail(data).value("Message-ID")
        self.postfix.send(data, "jane@company.test", "sales@company.test")
        sent = self.postfix.mailbox("sales").wait(msgid)
        self.postfix.send_from_outside(data, "jane@company.test", "sales@company.test")
        back = self.postfix.mailbox("sales").wait(msgid, 2)
        self.assert_found(back, "named", sent.value("Rejoinder-Conversation"))
        shown = self.show(sent)
        self.assertEqual([row["direction"] for row in shown["messages"]], ["internal", "in"])
        self.assertEqual(shown["waits"], [])


if __name__ == "__main__":
    unittest.main()
