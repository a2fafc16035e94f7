"""`rejoinder trace`: a message's story from the store and the logs of real programs."""

import datetime
import gzip
import os
import re
import smtplib
import unittest

from mail import compose, token_of
from rejoinder import Rejoinder
from wait import wait_for
from world import World

INBOX = "external@provider.test"
CONFIG = """\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1
staff = @company.test
ca_file = {ca_file}

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test
alert = 1s to boss@company.test

[account "Sales"]
address = sales@company.test
incoming = yes
pop3 = pop3s://localhost:{port}
username = external@provider.test
password_file = {password_file}
leave = forever
"""

JANE = "Jane <jane@company.test>"
CUSTOMER = "customer@example.org"


class TraceTest(unittest.TestCase):
    """One story, made once: jane asks, the customer answers and waits, and jane mistypes."""

    @classmethod
    def setUpClass(cls):
        cls.world = World("[rejoinder]\n", inboxes={INBOX: "external-secret"})
        cls.addClassCleanup(cls.world.stop)
        cls.postfix, cls.rejoinder = cls.world.postfix, cls.world.rejoinder
        password_file = os.path.join(cls.world.directory, "password")
        with open(password_file, "w", encoding="ascii") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write("external-secret\n")
        cls.rejoinder._config = CONFIG.format(
            ca_file=cls.world.ca_file, port=cls.world.dovecot.pop3s, password_file=password_file)
        cls.world.start()
        cls.make_story()
        cls.logs = [cls.postfix.log_file, cls.rejoinder.log_file,
                    cls.rejoinder.scheduler.log_file, cls.rejoinder.fetcher.log_file]

    @classmethod
    def make_story(cls):
        cls.rejoinder.scheduler.start()
        cls.out = cls.send_as_jane(CUSTOMER)
        arrived = cls.world.far.wait(cls.msgid(cls.out)).mail
        cls.address = arrived.address("Reply-To")
        cls.token = token_of(cls.address)
        cls.reply = compose(CUSTOMER, cls.address, "Re: Your order", "When?\n")
        cls.postfix.send_from_outside(cls.reply, CUSTOMER, cls.address)
        tagged = cls.postfix.mailbox("jane").wait(cls.msgid(cls.reply))
        cls.conversation = tagged.value("Rejoinder-Conversation")
        cls.alert = cls.postfix.mailbox("boss").wait_until(
            lambda one: cls.msgid(cls.reply) in (one.value("References") or ""), "the alert")
        cls.rejoinder.scheduler.wait_log(r"to=boss@company.test, .*status=sent")
        cls.answer = cls.send_as_jane(CUSTOMER, In_Reply_To=cls.msgid(cls.reply))
        cls.world.far.wait(cls.msgid(cls.answer))
        cls.lost = cls.send_as_jane("nobody@example.org")
        cls.bounce = cls.postfix.mailbox("jane").wait_until(
            lambda one: (one.value("Content-Type") or "").startswith("multipart/report"),
            "the bounce")
        cls.fetched = compose("other@example.com", INBOX, "An old address", "Hello?\n")
        cls.world.dovecot.inbox(INBOX).deliver(cls.fetched)
        cls.rejoinder.fetcher.start()
        cls.postfix.mailbox("sales").wait(cls.msgid(cls.fetched))
        cls.rejoinder.fetcher.wait_log("status=fetched")
        cls.postfix.wait_idle()
        cls.postfix.wait_log(cls.queue_id(cls.msgid(cls.fetched)) + ": removed")

    @classmethod
    def send_as_jane(cls, recipient, **fields):
        mail = compose(JANE, recipient, "Your order", "Hello.\n", **fields)
        cls.postfix.send(mail, "jane@company.test", recipient, login=cls.world.login("jane"))
        return mail

    @staticmethod
    def msgid(mail):
        return re.search(r"^Message-ID: (.*?)\r?$", mail.decode(), re.MULTILINE)[1]

    @classmethod
    def queue_id(cls, msgid):
        """The first that Postfix gave the message."""
        return cls.postfix.wait_log(rf"(\w+): message-id={re.escape(msgid)}")[1]

    def trace(self, query, *logs, rejoinder=None):
        files = [part for path in logs or self.logs for part in ("--log", path)]
        story = (rejoinder or self.rejoinder).json("trace", *files, query)
        self.assertEqual(story["query"], query)
        return story

    def see_in_order(self, story, *wanted):
        """Each pattern of (event, regex) is found, one behind the other."""
        lines = [(one["event"], f"{one['queue_id'] or '-'} {one['program'] or '-'}: {one['text']}")
                 for one in story["events"]]
        shown = "\n".join(f"{event:10} {text}" for event, text in lines)
        at = 0
        for event, pattern in wanted:
            while at < len(lines) and not (lines[at][0] == event
                                           and re.search(pattern, lines[at][1])):
                at += 1
            self.assertLess(at, len(lines), f"{event} {pattern} is not there, or not there:\n{shown}")
            at += 1

    def reply_events(self):
        """What is told of the customer's answer, in its order."""
        first, alert = self.queue_id(self.msgid(self.reply)), self.queue_id(
            self.alert.value("Message-ID"))
        return (
            ("arrived", rf"arrived by SMTP from 127\.0\.0\.2, account Replies: "
                        + re.escape(self.msgid(self.reply))),
            ("log", rf"{first} postfix/smtpd: client="),
            ("log", rf"{first} postfix/cleanup: message-id="),
            ("log", rf"{first} rejoinder-milter: conv={self.conversation}, dir=in, .*match=token"
                    ".*status=tagged"),
            ("recorded", rf"recorded in conversation {self.conversation}: in, human by rule none,"
                         " match token"),
            ("wait-began", "customer@example.org begins to wait"),
            ("log", rf"{first} postfix/qmgr: from=<customer@example.org>"),
            ("log", rf"{first} postfix/virtual: to=<jane@company.test>.*dsn=2.0.0, status=sent"),
            ("log", rf"{first} postfix/qmgr: removed"),
            ("arrived", "rejoinder-notice-"),
            ("log", rf"{alert} postfix/cleanup: message-id=<rejoinder-notice-"),
            ("log", rf"{alert} rejoinder-milter: .*status=alert"))

    def test_an_answer_by_whatever_names_it(self):
        for query, kind in ((self.msgid(self.reply), "message-id"),
                            (self.msgid(self.reply).strip("<>"), "message-id"),
                            (self.queue_id(self.msgid(self.reply)), "queue-id")):
            with self.subTest(query):
                story = self.trace(query)
                self.assertEqual(story["kind"], kind)
                self.see_in_order(story, *self.reply_events())
                self.see_in_order(story, ("log", r"rejoinder-scheduler: notice \d+: .*status=sent"),
                                  ("alert", r"notice \d+ to boss@company.test was sent"),
                                  ("wait-ended", "customer@example.org was answered after .* by "
                                   "jane@company.test " + re.escape(self.msgid(self.answer))))
                texts = str(story["events"])
                self.assertNotIn(self.msgid(self.out), texts)
                self.assertNotIn(self.queue_id(self.msgid(self.out)), texts)
                self.assertNotIn(self.msgid(self.lost), texts)
                self.assertEqual(story["notes"], [])

    def test_a_whole_conversation(self):
        for query in (self.token, self.address, self.conversation, self.conversation[:12],
                      f"<{self.token}@company.test>"):
            with self.subTest(query):
                story = self.trace(query)
                self.assertIn(story["kind"], ("token", "conversation"))
                out = self.queue_id(self.msgid(self.out))
                self.see_in_order(
                    story,
                    ("arrived", "account Replies: " + re.escape(self.msgid(self.out))),
                    ("log", rf"{out} postfix/submission/smtpd: client=.*sasl_username=jane"),
                    ("log", rf"{out} rejoinder-milter: .*match=new.*status=rewritten"),
                    ("recorded", "out, human by rule none, match new"),
                    ("log", rf"{out} postfix/smtp: to=<customer@example.org>, relay=127\.0\.0\.1.*"
                            r"dsn=2\.0\.0, status=sent"),
                    *self.reply_events())
                self.assertNotIn(self.msgid(self.lost), str(story["events"]))

    def test_what_ended_a_wait(self):
        story = self.trace(self.msgid(self.answer))
        self.see_in_order(
            story, ("log", "rejoinder-milter: .*match=in-reply-to.*status=rewritten"),
            ("recorded", "out, human"), ("answered", "it answers customer@example.org, who waited"),
            ("log", "postfix/smtp: to=<customer@example.org>.*status=sent"))
        self.assertNotIn("wait-ended", {one["event"] for one in story["events"]})
        whole = [one["event"] for one in self.trace(self.conversation)["events"]]
        self.assertEqual((whole.count("wait-ended"), whole.count("answered")), (1, 0))

    def test_a_bounce(self):
        first, bounce = (self.queue_id(self.msgid(self.lost)),
                         self.queue_id(self.bounce.value("Message-ID")))
        story = self.trace(self.msgid(self.lost))
        self.see_in_order(
            story, ("log", rf"{first} postfix/smtp: to=<nobody@example.org>.*status=bounced"),
            ("log", rf"{bounce} rejoinder-milter: .*class=bounce.*match=report"),
            ("recorded", "in, bounce by rule"),
            ("failed", r"it bounced for nobody@example.org: 5\.1\.1 .*no such user"),
            ("log", rf"{bounce} postfix/virtual: to=<jane@company.test>.*status=sent"))
        self.see_in_order(
            story, ("log", rf"{first} postfix/bounce: sender non-delivery notification: {bounce}"),
            ("log", rf"{first} postfix/qmgr: removed"))
        self.see_in_order(self.trace(bounce), ("recorded", "bounce"),
                          ("reports", "it reports: bounced for nobody@example.org.*"
                                      + re.escape(self.msgid(self.lost))))

    def test_a_fetched_message(self):
        first = self.queue_id(self.msgid(self.fetched))
        self.see_in_order(
            self.trace(first), ("arrived", "arrived by our fetcher, account Sales"),
            ("log", rf"{first} rejoinder-milter: .*account=Sales"))
        self.see_in_order(self.trace(first), (
            "log", rf"{first} rejoinder-fetcher: account=Sales, uidl=\S+, bytes=\d+, status=fetched"))

    def test_an_address_is_many_messages(self):
        story = self.trace("Customer@Example.org")
        self.assertEqual((story["kind"], story["events"]), ("address", None))
        self.assertEqual([one["msgid"] for one in story["messages"]],
                         [self.msgid(self.answer), self.msgid(self.reply), self.msgid(self.out)])
        self.assertEqual(story["messages"][1]["queue_ids"],
                         [self.queue_id(self.msgid(self.reply))])
        story = self.trace("nobody@example.org")
        self.assertEqual(len(story["messages"]), 2)  # the message and, as its companion, the bounce
        self.see_in_order(story, ("log", "status=bounced"), ("failed", "no such user"))

    def test_an_address_that_was_refused(self):
        """What Postfix wants no queue id for is in the log alone."""
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            self.postfix.send_from_outside(compose("shut@example.org", "nobody@company.test", "Hello"),
                                           "shut@example.org", "nobody@company.test")
        self.postfix.wait_log("NOQUEUE: reject: .*from=<shut@example.org>")
        for query in ("shut@example.org", "Nobody@company.test"):
            with self.subTest(query):
                story = self.trace(query)
                self.assertEqual((story["kind"], story["messages"], story["queue_ids"],
                                  story["events"]), ("address", [], [], []))
                self.assertEqual([one["program"] for one in story["refused"]], ["postfix/smtpd"])
                self.assertRegex(story["refused"][0]["text"], "^NOQUEUE: reject: RCPT from .*: 550 ")
        text = self.rejoinder.run("trace", "--log", self.logs[0], "shut@example.org")
        self.assertRegex(text, r"\ARefused before it had a queue id:\n\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  "
                               r"postfix/smtpd: NOQUEUE: reject: ")

    def test_an_address_that_store_and_log_know(self):
        """What no account names is in the log, and what the store has is told once."""
        plain = ["mx postfix/smtpd[9]: 4bPlain12: client=a[192.0.2.9]",
                 "mx postfix/cleanup[9]: 4bPlain12: message-id=<plain@example.org>",
                 "mx postfix/qmgr[9]: 4bPlain12: from=<friend@example.org>, size=9, nrcpt=1",
                 "mx postfix/virtual[9]: 4bPlain12: to=<all@company.test>, "
                 "orig_to=<nobody@example.org>, relay=virtual, delay=1, status=sent (delivered)",
                 "mx postfix/cleanup[9]: 4bAgain12: message-id=<plain@example.org>",
                 "mx postfix/virtual[9]: 4bAgain12: to=<x@y>, orig_to=<nobody@example.org>, status=sent"]
        stamp = self.postfix.log()[:15]
        path = self.write("mixed.log", self.postfix.log().splitlines()
                          + [f"{stamp} {line}" for line in plain])
        story = self.trace("nobody@example.org", path)
        self.assertIsNone(story["events"])
        self.assertEqual([one["msgid"] for one in story["messages"]], [self.msgid(self.lost)])
        self.assertEqual([(one["queue_id"], one["from"], one["msgid"]) for one in story["queue_ids"]],
                         [("4bPlain12", "friend@example.org", "<plain@example.org>")])
        table = self.rejoinder.run("trace", "--log", path, "nobody@example.org")
        self.assertRegex(table, r"(?m)^.{19} +4bPlain12 +- +friend@example.org +- +<plain@example.org>$")
        self.assertIn(self.msgid(self.lost), table)

    def test_a_queue_id_of_an_address_at_two_times(self):
        """Of each use what was said before the address was named, not what came long before."""
        def use(day, number):
            return [f"Nov {day} 12:00:00 mx postfix/cleanup[9]: ABCDEF1: message-id=<{number}@x>",
                    f"Nov {day} 12:00:01 mx postfix/qmgr[9]: ABCDEF1: from=<f{number}@x>, size=1",
                    f"Nov {day} 12:00:02 mx postfix/smtp[9]: ABCDEF1: to=<deep@x>, status=sent (a)"]
        story = self.trace("deep@x", self.write(
            "uses.log", use(10, 1) + use(12, "another")[:2] + use(20, 2)))
        self.assertEqual([(one["at"][5:10], one["from"], one["msgid"]) for one in story["queue_ids"]],
                         [("11-20", "f2@x", "<2@x>"), ("11-10", "f1@x", "<1@x>")])

    def test_of_many_the_newest(self):
        for kind, line, newest in (
                ("queue_ids", "qmgr[9]: 4bMany{:04}: from=<many@example.org>, size=9, nrcpt=1",
                 {"queue_id": "4bMany0021"}),
                ("refused", "smtpd[9]: NOQUEUE: reject: RCPT from a: 450 {}; from=<many@example.org>",
                 {"text": "NOQUEUE: reject: RCPT from a: 450 21; from=<many@example.org>"})):
            with self.subTest(kind):
                path = self.write("many.log", [f"Nov 22 10:00:{i:02} mx postfix/{line.format(i)}"
                                               for i in range(22)])
                story = self.trace("many@example.org", path)
                self.assertEqual(len(story[kind]), 20)
                self.assertLessEqual(newest.items(), story[kind][0].items())
                self.assertEqual(story["notes"], ["only the newest are told: there are more"])
                done = self.rejoinder.attempt("trace", "--log", path, "many@example.org")
                self.assertIn(b"only the newest are told", done.stderr)

    def test_of_store_and_log_the_newest(self):
        recorded = [self.msgid(self.answer), self.msgid(self.reply), self.msgid(self.out)]
        year = datetime.datetime.now().year
        for other, messages, uses in ((year - 1, recorded, 17), (year + 1, [], 20)):
            with self.subTest(other):
                path = self.write("others.log", [
                    f"{other}-06-01T10:00:{i:02}Z mx postfix/qmgr[9]: 4bOther{i:04}: "
                    f"from=<{CUSTOMER}>, size=9, nrcpt=1" for i in range(20)])
                story = self.trace(CUSTOMER, path)
                self.assertEqual([one["msgid"] for one in story["messages"]], messages)
                self.assertEqual([one["queue_id"] for one in story["queue_ids"]],
                                 [f"4bOther{i:04}" for i in range(19, 19 - uses, -1)])
                self.assertEqual(story["notes"], ["only the newest are told: there are more"])

    def test_an_address_that_looks_like_a_token(self):
        address = "a" * 34 + "@example.org"
        path = self.write("looks.log", [
            f"Nov 22 10:00:00 mx postfix/qmgr[9]: 4bLooks12: from=<{address}>, size=9, nrcpt=1"])
        story = self.trace(address, path)
        self.assertEqual((story["kind"], [one["queue_id"] for one in story["events"]]),
                         ("address", ["4bLooks12"]))

    def test_without_the_store_and_without_logs(self):
        bare = Rejoinder(os.path.join(self.world.directory, "bare"), self.rejoinder.socket_path,
                         "[rejoinder]\ndomains = company.test\n")
        bare.write_config("[rejoinder]\ndomains = company.test\n")
        first, bounce = (self.queue_id(self.msgid(self.lost)),
                         self.queue_id(self.bounce.value("Message-ID")))
        for query in (first, self.msgid(self.lost), "nobody@example.org"):
            with self.subTest(query):
                story = self.trace(query, rejoinder=bare)
                self.assertRegex(story["notes"][0], "there is no store")
                self.see_in_order(story, ("log", rf"{first} postfix/cleanup: message-id="),
                                  ("log", rf"{bounce} postfix/qmgr: removed"))
                self.assertEqual({one["event"] for one in story["events"]}, {"log"})
        story = self.trace(CUSTOMER, rejoinder=bare)
        self.assertIsNone(story["events"])
        self.assertLessEqual({self.queue_id(self.msgid(self.out)),
                              self.queue_id(self.msgid(self.reply))},
                             {one["queue_id"] for one in story["queue_ids"]})

        story = self.trace(self.msgid(self.reply), os.devnull)
        self.see_in_order(story, ("arrived", "SMTP"), ("recorded", "match token"),
                          ("wait-began", "customer"), ("alert", "was sent"))
        self.assertNotIn("log", {one["event"] for one in story["events"]})
        self.rejoinder.run("trace", "--log", os.devnull, "4bZZZZZZZZ", code=1)
        done = self.rejoinder.attempt("trace", "--log", self.logs[0], "<none@example.org>")
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b'nothing is known of "<none@example.org>"', done.stderr)

    # Other forms of a log

    def write(self, name, lines):
        path = os.path.join(self.world.directory, name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.writelines(line + "\n" for line in lines)
        return path

    def dated(self, form):
        """Postfix's log and ours in one, as a syslog daemon writes them."""
        ours, lines = {}, []
        for line in self.rejoinder.log().splitlines():
            program, _, rest = line.partition(": ")
            ours.setdefault(rest.split(": ")[1], []).append(
                f"mx {program}[7]: {rest.partition(': ')[2]}")
        year = datetime.datetime.now().year
        for line in self.postfix.log().splitlines():
            at = form(datetime.datetime.strptime(f"{year} {line[:15]}", "%Y %b %d %H:%M:%S"))
            lines.append(f"{at} {line[16:]}")
            if found := re.search(r"\]: (\w+): message-id=", line):
                lines.extend(f"{at} {one}" for one in ours.get(found[1], ()))
        return lines

    def test_forms_of_time_stamps(self):
        zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
        forms = {
            "rfc3164": lambda at: at.strftime("%b ") + f"{at.day:2}" + at.strftime(" %H:%M:%S"),
            "rfc3339": lambda at: at.astimezone(zone).isoformat(timespec="microseconds"),
            "utc": lambda at: at.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "precise": lambda at: at.strftime("%b %d %H:%M:%S.250000"),
            "journal": lambda at: at.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        plain = self.trace(self.msgid(self.reply))
        for name, form in forms.items():
            with self.subTest(name):
                path = self.write(name + ".log", self.dated(form))
                story = self.trace(self.msgid(self.reply), path)
                self.see_in_order(story, *self.reply_events())
                self.assertEqual(self.moments(story), self.moments(plain))

    @staticmethod
    def moments(story):
        """When each dated line of Postfix was written."""
        return sorted((one["queue_id"], one["text"], one["at"]) for one in story["events"]
                      if (one["program"] or "").startswith("postfix/"))

    def test_a_queue_id_is_used_again(self):
        first = self.queue_id(self.msgid(self.reply))
        log = self.postfix.log().splitlines()
        early = datetime.datetime.now() - datetime.timedelta(days=40)
        stamp = early.strftime("%b ") + f"{early.day:2}" + early.strftime(" %H:%M:%S")
        before = [f"{stamp} mx postfix/smtpd[9]: {first}: client=early.example.org[192.0.2.9]",
                  f"{stamp} mx postfix/cleanup[9]: {first}: message-id=<early@example.org>",
                  f"{stamp} mx postfix/qmgr[9]: {first}: removed",
                  f"{stamp} mx postfix/cleanup[9]: 4bOther99: message-id=<early@example.org>"]
        path = self.write("again.log", before + log)
        for query in (first, self.msgid(self.reply)):
            with self.subTest(query):
                story = self.trace(query, path)
                self.assertNotIn("early", str(story["events"]))
                self.see_in_order(story, ("log", rf"{first} postfix/qmgr: removed"))
        story = self.trace("<early@example.org>", path)
        self.assertEqual([one["text"].split("=")[0] for one in story["events"]],
                         ["client", "message-id", "removed", "message-id"])
        self.assertLess(story["events"][0]["at"], story["events"][2]["at"][:4] + "~")

    def test_ids_with_blanks_and_without_an_at_sign(self):
        """As scanners and printers make them; the store has them without blanks."""
        at = "Nov 22 10:00:0"
        path = self.write("blanks.log", [
            f"{at}0 mx postfix/smtpd[9]: 4bBlanks10: client=a[192.0.2.9]",
            f"{at}1 mx postfix/cleanup[9]: 4bBlanks10: message-id=<Sun, 22 Nov 10:00@printer>",
            f"{at}2 mx postfix/smtpd[9]: 4bBlanks11: client=b[192.0.2.9]",
            f"{at}3 mx postfix/cleanup[9]: 4bBlanks11: message-id=<Sun, 22 Nov 11:00@printer>",
            f"{at}4 mx postfix/smtpd[9]: 4bNoAt1234: client=c[192.0.2.9]",
            f"{at}5 mx postfix/cleanup[9]: 4bNoAt1234: message-id=<noat.123>"])
        for query, client in (("<Sun, 22 Nov 10:00@printer>", "a"),
                              ("<Sun,22Nov11:00@printer>", "b"), ("4bBlanks11", "b"),
                              ("<noat.123>", "c")):
            with self.subTest(query):
                story = self.trace(query, path)
                self.assertEqual([one["text"] for one in story["events"]
                                  if one["text"].startswith("client=")],
                                 [f"client={client}[192.0.2.9]"])

    def test_what_others_write_leads_to_no_other_message(self):
        """Ids, addresses and replies of other hosts may name any queue id."""
        at = "Nov 22 10:00:0"
        secret = [f"{at}0 mx postfix/smtpd[9]: 4bSecret10: client=a[192.0.2.9]",
                  f"{at}0 mx postfix/qmgr[9]: 4bSecret10: from=<boss@company.test>"]
        for number, line in enumerate((
                "postfix/cleanup[9]: 4bFirst123: "
                "message-id=<x queued as 4bSecret10 [127.0.0.1]@evil.example>",
                "postfix/smtp[9]: 4bFirst123: to=<a@example.org>, relay=mx.example.org[192.0.2.1]:25,"
                " delay=1, status=sent (250 relay=h[127.0.0.1]:1: queued as 4bSecret10)",
                "postfix/local[9]: 4bFirst123: to=<a@example.org>, relay=local, delay=1,"
                " status=sent (forwarded as 4bNone1234, [127.0.0.1] queued as 4bSecret10)")):
            with self.subTest(line):
                path = self.write(f"others{number}.log", secret + [
                    f"{at}1 mx postfix/smtpd[9]: 4bFirst123: client=b[192.0.2.9]",
                    f"{at}2 mx {line}"])
                story = self.trace("4bFirst123", path)
                self.assertNotIn("boss@company.test", str(story["events"]))
        # But a filter on this host hands it on.
        path = self.write("filter.log", secret + [
            f"{at}1 mx postfix/smtpd[9]: 4bFirst123: client=b[192.0.2.9]",
            f"{at}2 mx postfix/lmtp[9]: 4bFirst123: to=<a@example.org>,"
            " relay=127.0.0.1[127.0.0.1]:10024, delay=1, status=sent (250 2.0.0 from"
            " MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4bSecret10)"])
        self.assertIn("boss@company.test", str(self.trace("4bFirst123", path)["events"]))

    def test_a_queue_id_that_the_store_knows_of_another_time(self):
        queue_id = self.queue_id(self.msgid(self.reply))
        later = datetime.datetime.now() + datetime.timedelta(hours=2)
        stamp = later.strftime("%b ") + f"{later.day:2}" + later.strftime(" %H:%M:%S")
        path = self.write("later.log", [
            f"{stamp} mx postfix/smtpd[9]: {queue_id}: client=later.example.org[192.0.2.9]"])
        os.utime(path, (later.timestamp(),) * 2)
        story = str(self.trace(queue_id, path)["events"])
        self.assertIn("later.example.org", story)
        self.assertIn(self.msgid(self.reply), story)

    def test_a_stamp_without_a_year(self):
        """It is that of the year in which the file was written, or of the one before."""
        path = self.write("year.log", ["Dec 31 12:00:00 mx postfix/smtpd[9]: 4bOld12345: client=a",
                                       "Jan  1 12:00:00 mx postfix/qmgr[9]: 4bOld12345: removed"])
        for written, years in ((datetime.datetime(2025, 1, 2), ("2024-12-31T", "2025-01-01T")),
                               (datetime.datetime(2024, 12, 31, 12), ("2024-12-31T", "2024-01-01T"))):
            with self.subTest(written):
                os.utime(path, (written.timestamp(),) * 2)
                story = self.trace("4bOld12345", path)
                found = {one["text"]: one["at"][:11] for one in story["events"]}
                if years[0] < years[1]:
                    self.assertEqual(found, {"client=a": years[0], "removed": years[1]})
                else:  # years apart, they are two uses
                    self.assertEqual(found, {"client=a": years[0]})
                    self.assertRegex(story["notes"][0], "used several times")

    def test_what_is_not_read(self):
        packed = os.path.join(self.world.directory, "mail.log.2.gz")
        with gzip.open(packed, "wb") as stream:
            stream.write(self.postfix.log().encode())
        done = self.rejoinder.attempt("trace", "--log", packed, self.msgid(self.out))
        self.assertEqual(done.returncode, 66)
        self.assertIn(b"it is compressed and is not read", done.stderr)
        done = self.rejoinder.attempt("trace", "--log", packed + ".none", self.msgid(self.out))
        self.assertEqual(done.returncode, 66)
        wild = self.write("wild.log", ["", "x" * 50000, "Nov 99 10:00:00 mx postfix/smtpd[1]: A: b",
                                       ": ", "[", "postfix/smtpd[", "Nov 22", "2026-", "\x1b[2J: \x07",
                                       *self.postfix.log().splitlines()])
        self.see_in_order(self.trace(self.msgid(self.reply), wild, self.rejoinder.log_file),
                          *self.reply_events())

    def test_a_large_log(self):
        """A line that lies across two of the blocks that are read, and more than is read at all."""
        first = self.queue_id(self.msgid(self.reply))
        mine = [line for line in self.postfix.log().splitlines() if first in line]
        filler = "Nov 22 10:00:00 mx postfix/anvil[1]: " + "x" * 26
        for cut in (30, 1, 0):
            with self.subTest(cut):
                lines = [filler] * (256 * 1024 // 64 - 1) + ["y" * (63 - cut)] + mine
                story = self.trace(first, self.write("block.log", lines))
                self.assertEqual([one["text"] for one in story["events"] if one["event"] == "log"],
                                 [line.partition(f"{first}: ")[2] for line in mine])
        path = self.write("huge.log", [])
        os.truncate(path, 201 * 1024 * 1024)
        with open(path, "a", encoding="ascii") as stream:
            stream.write("\n" + "\n".join(mine) + "\n")
        story = self.trace(first, path)
        self.assertEqual(story["notes"], [f"of {path} only the last 200 MB were read"])
        self.assertEqual(len([one for one in story["events"] if one["event"] == "log"]), len(mine))

    def test_for_people(self):
        logs = [part for path in self.logs for part in ("--log", path)]
        text = self.rejoinder.run("trace", *logs, self.msgid(self.reply))
        self.assertRegex(text, r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \w+ arrived by SMTP from"
                               r" 127\.0\.0\.2")
        self.assertLess(text.index("begins to wait"), text.index("status=alert"))
        table = self.rejoinder.run("trace", *logs, CUSTOMER)
        self.assertRegex(table, r"\ATIME +QUEUE ID +DIR +FROM +SUBJECT +MESSAGE-ID\n")
        self.assertIn(self.msgid(self.out), table)


if __name__ == "__main__":
    unittest.main()
