"""What people do to a conversation: by the links of an alert, and by command."""

import email
import email.policy
import re
import smtplib
import time
import unittest
import urllib.parse

from mail import compose, new_msgid
from scheduler import let_snoozes_end, let_waits_age, read_rows
from wait import wait_for
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
senders = jane@company.test, bob@company.test
alert = 1h to jane@company.test
alert = 2h to jane@company.test
alert = 30d to jane@company.test
"""

JANE = "Jane <jane@company.test>"
REPLIES = "replies@company.test"
LEVEL_S = 3600
LINK = re.compile(r"mailto:(replies\+[a-z2-7]([a-z2-7])[a-z2-7]{29}@company\.test)\?([^\s<>]+)")


class CareTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(CONFIG)
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.postfix = cls.world.postfix
        cls.rejoinder = cls.world.rejoinder
        cls.numbers = iter(range(1, 10**6))
        cls.rejoinder.scheduler.start()

    def tearDown(self):
        self.world.check_logs()

    # Who writes

    def new_customer(self):
        return f"customer-{next(self.numbers)}@example.org"

    def ask(self, customer, to_msgid=None):
        """A customer writes, or writes again; the Message-ID."""
        msgid = new_msgid("example.org")
        data = compose(customer, REPLIES, f"A question of {customer}", "Where is it?\n",
                       Message_ID=msgid, In_Reply_To=to_msgid)
        self.postfix.send_from_outside(data, customer, REPLIES)
        return msgid

    def use(self, address, sender=JANE, user="jane", **fields):
        """Send the mail that a link opens, signed in on the submission port."""
        data = compose(sender, address, "Close: a question", "Send this mail as it is.\n", **fields)
        self.postfix.send(data, f"{user}@company.test", address, login=self.world.login(user))

    def use_in_vain(self, address, reason, outside=False, sender=JANE, **fields):
        with self.assertRaises(smtplib.SMTPDataError) as caught:
            if outside:
                self.postfix.send_from_outside(compose(sender, address, "Close"),
                                               "someone@example.org", address)
            else:
                self.use(address, sender, **fields)
        self.assertEqual(caught.exception.smtp_code, 550)
        text = caught.exception.smtp_error.decode()
        self.assertIn("5.7.1 " + reason, text)

    # What is there

    def row(self, customer):
        """The conversation of a customer, as `list` knows it."""
        rows = [row for row in self.rejoinder.json("list")
                if row["subject"] == f"A question of {customer}"]
        self.assertEqual(len(rows), 1)
        return rows[0]

    def show(self, customer):
        return self.rejoinder.json("show", self.row(customer)["id"])

    def alerts(self, customer):
        return [mail for mail in self.postfix.mailbox("jane").messages()
                if mail.value("Reply-To") == customer]

    def wait_alerts(self, customer, count):
        return wait_for(lambda: len(self.alerts(customer)) >= count and self.alerts(customer),
                        lambda: f"{count} alerts about {customer}")

    def alerted(self):
        """A customer waits past the first level: his address, his message, the three links."""
        customer = self.new_customer()
        msgid = self.ask(customer)
        let_waits_age(self.rejoinder.store, LEVEL_S + 5, customer)
        return customer, msgid, self.links(self.wait_alerts(customer, 1)[0])

    def links(self, alert):
        message = email.message_from_bytes(alert.data, policy=email.policy.default)
        plain = message.get_body(("plain",)).get_content()
        found = {letter: (address, urllib.parse.parse_qs(rest))
                 for address, letter, rest in LINK.findall(plain)}
        self.assertEqual(sorted(found), ["c", "s", "t"], plain)
        for address, query in found.values():
            self.assertEqual(query["body"], ["Send this mail as it is."])
        return {letter: address for letter, (address, _) in found.items()}

    # Links

    def test_the_links_of_an_alert_do_what_they_say_once(self):
        customer, msgid, links = self.alerted()
        self.use(links["t"])
        row = self.show(customer)
        self.assertEqual((row["owner"], row["owner_pinned"]), ("jane@company.test", True))
        self.use_in_vain(links["t"], "This link was used before")

        self.use(links["s"])
        row = self.show(customer)
        until = time.mktime(time.strptime(row["snoozed_until"], "%Y-%m-%dT%H:%M:%SZ"))
        self.assertAlmostEqual(until - time.mktime(time.gmtime()), 86400, delta=60)
        self.use_in_vain(links["s"], "This link was used before")

        self.use(links["c"])
        row = self.show(customer)
        self.assertEqual((row["state"], row["snoozed_until"]), ("closed", None))
        self.assertEqual([wait["end_reason"] for wait in row["waits"]], ["closed"])
        self.assertIsNone(row["waits"][0]["ended_by"])
        self.use_in_vain(links["c"], "This link was used before")
        self.assertEqual([one["from"] for one in row["messages"] if one["direction"] == "in"],
                         [customer])
        self.assertEqual(len(row["messages"]), 2)  # his and the alert
        for action in ("take-over", "snooze", "close"):
            self.rejoinder.wait_log(rf"[0-9A-Za-z]+: conv={row['id']}, from=jane@company.test,"
                                    rf" client=127.0.0.1, action={action}, status=done")
        self.postfix.wait_idle()
        self.assertEqual([mail for mail in self.postfix.mailbox("replies").messages()
                          if mail.value("Subject") == "Close: a question"], [])

        # Whoever writes afterwards waits anew, from the first level on.
        self.ask(customer, msgid)
        row = self.show(customer)
        self.assertEqual(row["state"], "open")
        self.assertEqual([wait["ended"] is None for wait in row["waits"]], [False, True])
        self.assertEqual(read_rows(self.rejoinder.store, "SELECT level FROM wait WHERE"
                                   " customer = ? AND ended_at IS NULL", customer), [(0,)])
        let_waits_age(self.rejoinder.store, LEVEL_S + 5, customer)
        self.wait_alerts(customer, 2)

    def test_who_may_not_and_what_is_no_longer_good(self):
        customer, _, links = self.alerted()
        before = self.show(customer)
        word = links["c"]
        at = word.index("@")
        forged = word[:at - 1] + ("b" if word[at - 1] == "a" else "a") + word[at:]
        self.use_in_vain(word, "Only staff can use this link", outside=True, sender=customer)
        self.use_in_vain(word, "Only staff can use this link", outside=True)
        self.use_in_vain(word, "Only staff can use this link", sender=customer)
        self.use_in_vain(forged, "This link is no longer valid")
        self.rejoinder.run("close", before["id"])
        self.use_in_vain(links["s"], "This conversation is closed already")
        self.rejoinder.run("reopen", before["id"])
        self.use_in_vain(links["s"], "Nobody waits there any more")
        row = self.show(customer)
        for key in ("state", "owner", "owner_pinned", "snoozed_until", "messages"):
            self.assertEqual(row[key], before[key])
        self.use(word)
        self.assertEqual(self.show(customer)["state"], "closed")

    def test_a_link_that_somebody_smuggled_into_a_mail_does_nothing(self):
        customer, _, links = self.alerted()
        # As a recipient beside people: what was written to them goes its usual way.
        msgid = new_msgid("company.test")
        data = compose("Jane <jane@company.test>", ["bob@company.test", links["c"]], "Look",
                       Message_ID=msgid)
        self.postfix.send(data, "jane@company.test", ["bob@company.test", links["c"]])
        self.postfix.mailbox("bob").wait(msgid)
        # As the Reply-To of what is answered: who answers learns that nobody got it.
        self.use_in_vain(links["c"], "This address takes the links of alerts and no answers",
                         In_Reply_To=msgid)
        self.assertEqual(self.show(customer)["state"], "open")
        self.use(links["c"])
        self.assertEqual(self.show(customer)["state"], "closed")

    def test_no_alert_while_it_is_snoozed_and_one_after(self):
        customer, _, links = self.alerted()
        self.use(links["s"])
        # The second level would be due, and the scheduler looks at it anew.
        let_waits_age(self.rejoinder.store, LEVEL_S + 5, customer)
        self.rejoinder.scheduler.stop()
        self.rejoinder.scheduler.start()
        self.alerted()
        self.assertEqual(len(self.alerts(customer)), 1)
        let_snoozes_end(self.rejoinder.store)
        self.wait_alerts(customer, 2)
        self.alerted()
        self.assertEqual(len(self.alerts(customer)), 2)

    def test_who_snoozed_is_told_again_though_no_level_is_near(self):
        customer, _, links = self.alerted()
        self.use(links["s"])
        let_snoozes_end(self.rejoinder.store)
        again = self.wait_alerts(customer, 2)[1]
        self.assertIn("for an answer (told again after a snooze).",
                      " ".join(again.body.decode().split()))
        self.rejoinder.scheduler.wait_log("to=jane@company.test, level=snoozed, waits=1, status=sent")
        self.rejoinder.scheduler.stop()
        self.rejoinder.scheduler.start()
        self.alerted()
        self.assertEqual(len(self.alerts(customer)), 2)
        # The links of both are good.
        self.use(self.links(again)["s"])
        self.assertIsNotNone(self.row(customer)["snoozed_until"])

    # The command

    def test_snooze_by_command(self):
        customer = self.new_customer()
        self.ask(customer)
        row = self.row(customer)
        for until, about in (("2h", 7200), ("3d", 3 * 86400), ("1w", 7 * 86400),
                             (time.strftime("%Y-%m-%dT%H:%M", time.localtime(
                                 time.time() + 5 * 86400)), 5 * 86400)):
            output = self.rejoinder.run("snooze", row["id"], until)
            self.assertRegex(output, rf"{row['id']} is snoozed until \d{{4}}-")
            found = read_rows(self.rejoinder.store, "SELECT max(snoozed_until) - unixepoch()"
                              " FROM conversation WHERE subject LIKE '%' || ?", customer)[0][0]
            self.assertAlmostEqual(found, about, delta=90)
        self.assertIsNotNone(self.row(customer)["snoozed_until"])
        listed = self.rejoinder.run("list", "--waiting")
        self.assertRegex(listed, rf"{row['id']} +snoozed")
        self.assertRegex(self.rejoinder.run("show", row["id"]), r"Snoozed +until \d{4}-")
        day = time.strftime("%Y-%m-%d", time.localtime(time.time() + 5 * 86400))
        self.assertIn(f"{day} 00:00:00", self.rejoinder.run("snooze", row["id"], day))
        self.rejoinder.run("snooze", row["id"], "off")
        self.assertIsNone(self.row(customer)["snoozed_until"])
        self.assertIn("was not snoozed", self.rejoinder.run("snooze", row["id"], "off"))
        for wrong in ("", "2", "2x", "0h", "2020-01-01", "2035-02-31", "99999d", "tomorrow",
                      "2999-01-01", "2h3"):
            self.rejoinder.run("snooze", row["id"], wrong, code=64)
        self.rejoinder.run("close", row["id"])
        self.rejoinder.run("snooze", row["id"], "2h", code=1)
        self.assertIn("closed after", self.rejoinder.run("show", row["id"]))

    def test_assign_by_command(self):
        customer = self.new_customer()
        self.ask(customer)
        row = self.row(customer)
        output = self.rejoinder.run("assign", row["id"], "bob@company.test")
        self.assertIn("is now bob@company.test's", output)
        found = self.row(customer)
        self.assertEqual((found["owner"], found["owner_pinned"]), ("bob@company.test", True))
        self.assertIn("bob@company.test (pinned)", self.rejoinder.run("list"))
        self.assertIn("bob@company.test (pinned)", self.rejoinder.run("show", row["id"]))
        for wrong in (customer, REPLIES, "bob", ""):
            self.rejoinder.run("assign", row["id"], wrong, code=64)
        self.rejoinder.run("assign", row["id"], "none")
        found = self.row(customer)
        self.assertEqual((found["owner"], found["owner_pinned"]), ("bob@company.test", False))
        self.rejoinder.run("assign", "zzzz", "bob@company.test", code=1)
        self.rejoinder.run("assign", row["id"], code=64)


if __name__ == "__main__":
    unittest.main()
