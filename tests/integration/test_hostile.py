"""Clients of the milter's socket that do what Postfix never would.

After each the milter is the process that it was, does its work for the next
message, and has not grown past a fixed cap.
"""

import contextlib
import itertools
import os
import re
import struct
import tempfile
import unittest

import mail as mails
from ledger import Ledger
from raw_milter import ACTIONS, STEPS, MilterClosed, RawMilter
from rejoinder import Rejoinder
from wait import wait_for

CONFIG = """\
[rejoinder]
domains = company.test
staff = @company.test
commit_timeout = 5s

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test
"""

# Of the whole process, whatever comes.
MEMORY_MAX_KB = 32 * 1024

MAN = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                   "man", "rejoinder-milter.8")

SKIP = 0x400  # SMFIP_SKIP: the body may end early

# libmilter leaves it out unasked, where no callback wants it.
NO_HELO = 0x2

# The steps for one message.
SCRIPT = (
    (b"C", b"client.example.org\0004\x9c\x40127.0.0.1\0"),
    (b"M", b"<jane@company.test>\0"),
    (b"R", b"<customer@example.org>\0"),
    (b"L", b"From\0jane@company.test\0"),
    (b"L", b"Subject\0script\0"),
    (b"N", b""),
    (b"B", b"Hello.\r\n"),
    (b"E", b""),
)


class HostileTest(unittest.TestCase):
    grown = 0

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="rejoinder-")
        cls.addClassCleanup(directory.cleanup)
        cls.socket = os.path.join(directory.name, "milter.sock")
        cls.rejoinder = Rejoinder(os.path.join(directory.name, "r"), cls.socket, CONFIG)
        cls.addClassCleanup(cls.rejoinder.stop)  # ends with 0: nothing has leaked
        cls.rejoinder.start()
        cls.addClassCleanup(lambda: print(f"the milter took up to {cls.grown / 1024:.0f} MB"))

    def setUp(self):
        if not self.rejoinder.milter.is_running():  # an earlier test has said so
            self.rejoinder.kill()
            self.rejoinder.start_milter()
        self.pid = self.rejoinder.pid
        self.ledger = Ledger()
        self.allowed = ()  # in the milter's log

    def tearDown(self):
        self.assertTrue(self.rejoinder.milter.is_running(), "the milter has died")
        self.check_next_mail()
        if not re.search("lib[at]san", self.read_proc("maps")):
            grown = int(re.search(r"VmHWM:\s+(\d+) kB", self.read_proc("status"))[1])
            type(self).grown = max(grown, self.grown)
            self.assertLess(grown, MEMORY_MAX_KB, "the milter has grown")
        self.rejoinder.check_log(*self.allowed)

    # Helpers

    def read_proc(self, name):
        with open(f"/proc/{self.pid}/{name}", encoding="utf-8") as stream:
            return stream.read()

    def client(self):
        client = RawMilter(self.socket)
        self.addCleanup(client.close)
        return client

    def ours(self, name="next", **fields):
        """An outbound message under the account: its entry, and its fields for the protocol."""
        entry = self.ledger.compose("jane@company.test", "customer@example.org", name, **fields)
        return entry, fields_of(entry)

    def check_next_mail(self):
        entry, fields = self.ours()
        with self.client().begin() as client:
            answer = client.message(fields)
        self.assertEqual(answer.verdict, "accept")
        self.assertIn(b"Reply-To\0", b"".join(data for _, data in answer.edits))
        self.assertEqual(self.ledger.rows(self.rejoinder.store)[entry.number], 1)

    # Before a message

    def test_connect_and_close(self):
        for _ in range(200):
            self.client().close()

    def test_many_connections_that_say_nothing(self):
        silent = [self.client() for _ in range(200)]
        self.check_next_mail()
        for client in silent:
            client.close()

    def test_a_message_without_negotiation(self):
        """libmilter skips the first step that it does not expect, and takes the next ones."""
        for start in range(len(SCRIPT)):
            with self.subTest(start), RawMilter(self.socket, timeout=0.2) as client:
                try:
                    for command, data in SCRIPT[start:] * 2:
                        client.put(command, data)
                    while True:
                        verdict = client.answer().verdict
                        self.assertNotEqual(verdict, "accept")
                except (MilterClosed, TimeoutError):
                    pass

    def test_an_old_partner_is_refused_in_words(self):
        entry, fields = self.ours("version 2")
        with self.client() as client:
            try:
                client.negotiate(version=2, actions=0x1F, steps=0x7F)
                client.connect()
                answer = client.message(fields)
                self.assertNotIn("accept", answer.verdict)
            except MilterClosed:
                pass
        self.assertEqual(self.ledger.rows(self.rejoinder.store)[entry.number], 0)
        self.assertEqual(len(self.rejoinder.problems()), 1, "one line says what is missing")

    def test_nothing_may_be_left_out(self):
        entry, fields = self.ours("every step answered")
        with self.client().begin(steps=0) as client:
            self.assertEqual(client.steps & ~NO_HELO, 0)
            self.assertEqual(client.message(fields, body=b"x" * 1000000).verdict, "accept")
        self.assertEqual(self.ledger.rows(self.rejoinder.store)[entry.number], 1)

    def test_negotiating_again_and_again(self):
        client = self.client()
        client.negotiate()
        for _ in range(1000):
            client.put(b"O", struct.pack(">III", 6, ACTIONS, STEPS))

    # Garbage

    def test_garbage(self):
        seed = bytes(range(256)) * 16
        for text in (b"EHLO example.org\r\n", b"\0" * 64, b"\xff" * 64, seed, seed[::-1],
                     struct.pack(">I", 0xFFFFFFFF) + b"B" + seed,
                     struct.pack(">I", 0) * 100,
                     struct.pack(">I", 1 << 24) + b"B" + seed * 64):
            for begins in (False, True):
                with self.subTest(text=text[:8], begins=begins), self.client() as client:
                    if begins:
                        client.begin()
                    try:
                        client.write(text)
                    except MilterClosed:
                        pass

    def test_every_command_with_garbage_for_data(self):
        for command in (bytes([code]) for code in range(256)):
            for data in (b"", b"\0", b"a", b"\0\0\0\0", b"\xff" * 40, b"a\0b\0c\0d"):
                if command + data in (b"Q", b"K"):
                    continue
                with self.client().begin() as client:
                    client.mail("jane@company.test")
                    try:
                        client.put(command, data)
                        client.quit()
                    except MilterClosed:
                        pass

    def test_macros_without_end(self):
        with self.client().begin() as client:
            try:
                client.macros(b"M", auth_authen="x" * 60000)
                for number in range(200):
                    client.macros(b"M", **{f"name{number}": "y" * 60000})
                client.put(b"D", b"M{auth_authen}")
                client.mail("jane@company.test")
                client.rcpt("customer@example.org")
            except MilterClosed:
                pass

    # Odd messages

    def test_ten_thousand_and_one_fields(self):
        self.allowed = ("reason=not rewritten, it has (?:over 200 References|10002 From) fields",)
        for name, value in ((b"X-Field", b"v" * 500), (b"References", b"<a@example.org> " * 400),
                            (b"From", b"a@example.org"), (b"Received", b"w" * 60000)):
            with self.subTest(name):
                entry, fields = self.ours()
                count = 10001 if len(value) < 10000 else 1001
                with self.client().begin() as client:
                    answer = client.message(fields + [(name, value)] * count)
                self.assertEqual(answer.verdict, "accept", answer)
                self.assertLessEqual(self.ledger.rows(self.rejoinder.store)[entry.number], 1)

    def test_ten_thousand_fields_of_ours_from_nowhere(self):
        self.allowed = ("status=rejected, reason=over 200 Rejoinder fields",)
        entry, fields = self.ours(is_ours=False)
        with self.client().begin() as client:
            answer = client.message(fields + [(b"Rejoinder-Conversation", b"x" * 2000)] * 10001)
        self.assertRegex(answer.verdict, r"^554 5\.6\.0 ")
        self.assertEqual(self.ledger.rows(self.rejoinder.store)[entry.number], 0)

    def test_a_nul_in_a_field(self):
        self.allowed = ("reason=not rewritten, it has 2 From fields",)
        for place in (b"From", b"Subject", b"Message-ID", b"X-Other", b"Fr\0om"):
            with self.subTest(place), self.client().begin() as client:
                try:
                    odd = [(place, b"jane\0@company.test\0\0x\0")]
                    answer = client.message(odd + self.ours()[1])
                    self.assertEqual(answer.verdict, "accept", answer)
                except MilterClosed:
                    pass

    def test_twenty_thousand_recipients(self):
        entry, fields = self.ours()
        recipients = [f"customer-{number}@example.org" for number in range(20000)]
        with self.client().begin() as client:
            answer = client.message(fields, recipients=recipients)
        self.assertEqual(answer.verdict, "accept")
        self.assertEqual(self.ledger.rows(self.rejoinder.store)[entry.number], 1)

    def test_recipients_that_are_no_addresses(self):
        self.allowed = ("a token is not believed: malformed",)
        entry, fields = self.ours()
        recipients = ["", "@", "a" * 60000, "((((((((", "<<<", '"' * 1000, "x@" * 5000,
                      "replies+" + "a" * 34 + "@company.test", "\udcff@\udcfe".encode(
                          "utf-8", "surrogateescape").decode("latin-1"), "customer@example.org"]
        with self.client().begin() as client:
            self.assertEqual(client.message(fields, recipients=recipients).verdict, "accept")
        self.assertEqual(self.ledger.rows(self.rejoinder.store)[entry.number], 1)

    def test_a_body_of_thirty_megabytes(self):
        body = b"All the lines of this body look like this one.\r\n" * (30 * 1024 * 1024 // 48)
        for steps in (STEPS, 0):
            entry, fields = self.ours(Content_Type="multipart/mixed; boundary=x")
            with self.subTest(steps), self.client().begin(steps=steps) as client:
                self.assertEqual(client.message(fields, body=body).verdict, "accept")
                self.assertEqual(self.ledger.rows(self.rejoinder.store)[entry.number], 1)

    def test_a_body_that_goes_on_after_enough(self):
        entry, fields = self.ours()
        with self.client().begin() as client:
            client.mail("jane@company.test")
            client.rcpt("customer@example.org")
            for name, value in fields:
                client.field(name, value)
            client.end_header()
            verdicts = {client.step(b"B", b"z" * 65535).verdict for _ in range(160)}
            self.assertEqual(client.end().verdict, "accept")
        self.assertIn("skip", verdicts)
        self.assertEqual(self.ledger.rows(self.rejoinder.store)[entry.number], 1)

    def test_two_from_fields(self):
        """Nobody can say whose it is, so it is not rewritten; it passes."""
        self.allowed = ("status=passed, reason=not rewritten, it has 2 From fields",)
        for order in ((b"jane@company.test", b"boss@company.test"),
                      (b"stranger@example.com", b"jane@company.test")):
            entry, fields = self.ours()
            rest = [field for field in fields if field[0] != b"From"]
            with self.subTest(order), self.client().begin() as client:
                answer = client.message([(b"From", value) for value in order] + rest)
                self.assertEqual(answer.verdict, "accept")
                self.assertNotIn(b"Reply-To", b"".join(data for _, data in answer.edits))

    def test_no_fields_and_no_sender_at_all(self):
        for sender, recipients in (("", ["customer@example.org"]), ("", ["jane@company.test"]),
                                   ("jane@company.test", ["replies@company.test"]), ("", ["", ""])):
            with self.subTest((sender, recipients)), self.client().begin() as client:
                answer = client.message([], sender=sender, recipients=recipients)
                self.assertEqual(answer.verdict, "accept")

    def test_reports_that_name_no_recipient(self):
        """`show` tells them, and tells of one whose recipient was purged."""
        for name, fields, told in (
                ("x400", "Final-Recipient: x400; /G=c/S=example\r\nAction: failed\r\nStatus: 5.1.1",
                 r"bounced: +a recipient 5\.1\.1"),
                ("none", "Action: delayed\r\nStatus: 4.4.1", r"delayed: +a recipient 4\.4\.1"),
                ("purged", "Final-Recipient: rfc822; other@example.org\r\nAction: failed\r\n"
                 "Status: 5.1.1", r"bounced: +a recipient 5\.1\.1")):
            with self.subTest(name):
                entry, message = self.ours(name)
                report = ("--b\r\nContent-Type: message/delivery-status\r\n\r\n"
                          f"Reporting-MTA: dns; mx.example.org\r\n\r\n{fields}\r\n\r\n--b\r\n"
                          "Content-Type: text/rfc822-headers\r\n\r\n"
                          f"Message-ID: {entry.msgid}\r\n\r\n--b--\r\n").encode()
                with self.client().begin() as client:
                    client.message(message, recipients=["customer@example.org", "other@example.org"])
                with self.client().begin("192.0.2.9") as client:
                    client.message([
                        (b"From", b"MAILER-DAEMON@example.org"), (b"To", b"jane@company.test"),
                        (b"Message-ID", f"<report-{name}@example.org>".encode()),
                        (b"Content-Type", b"multipart/report; boundary=b; "
                         b"report-type=delivery-status")], report, "", ["jane@company.test"])
                story = self.rejoinder.json("trace", "--log", os.devnull, entry.msgid)
                if name == "purged":
                    self.rejoinder.run("purge", "--address", "other@example.org", "--yes")
                shown = self.rejoinder.run("show", story["messages"][0]["conversation"])
                self.assertRegex(shown, told)

    # Breaking off

    def test_an_abort_in_every_state(self):
        with self.client() as client:
            client.negotiate(steps=0)
            for count in itertools.chain(range(1, len(SCRIPT)), [len(SCRIPT)] * 3):
                # Only the first message begins with the connection.
                for command, data in SCRIPT[(count > 1):count]:
                    client.step(command, data)
                client.abort()
            entry, fields = self.ours("after the aborts")
            self.assertEqual(client.message(fields).verdict, "accept")
        self.assertEqual(self.ledger.rows(self.rejoinder.store)[entry.number], 1)

    def test_a_connection_lost_or_quit_in_every_state(self):
        self.allowed = ("reason=Postfix did not take every edit",)
        for count in range(len(SCRIPT) + 1):
            for leave in ("close", "quit", "half"):
                with self.subTest(count=count, leave=leave), self.client() as client:
                    client.negotiate(steps=0)
                    for command, data in SCRIPT[:count]:
                        # The last answer is not waited for: so it finds nobody.
                        if command == b"E":
                            client.put(command, data)
                        else:
                            client.step(command, data)
                    if leave == "quit":
                        client.quit()
                    elif leave == "half":
                        client.write(struct.pack(">I", 1000) + b"B12345")

    def test_a_client_that_reads_no_answer(self):
        clients = [self.client().begin(steps=0) for _ in range(20)]
        for client in clients:
            client.set_timeout(0.2)
            try:
                for command, data in SCRIPT[1:] * 1000:
                    client.put(command, data)
            except TimeoutError:
                pass
        self.check_next_mail()
        for client in clients:
            client.close()
        wait_for(lambda: self.sockets() < 20, lambda: f"{self.sockets()} open files to go away")

    def sockets(self):
        count = 0
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                count += os.readlink(f"/proc/{self.pid}/fd/{name}").startswith("socket:")
            except FileNotFoundError:
                pass  # closed since it was listed
        return count


class MemoryTest(unittest.TestCase):
    """What a message takes at most: the number in rejoinder-milter(8)."""

    SESSIONS = 4
    SLACK_KB = 4 * 1024  # what the process takes for all sessions together

    @classmethod
    def setUpClass(cls):
        with open(MAN, encoding="utf-8") as stream:
            found = re.search(r"^A message takes at most (\d+) MB of memory", stream.read(), re.M)
        cls.max_kb = int(found[1]) * 1024

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="rejoinder-")
        self.addCleanup(directory.cleanup)
        self.socket = os.path.join(directory.name, "milter.sock")
        self.rejoinder = Rejoinder(
            os.path.join(directory.name, "r"), self.socket,
            CONFIG.replace("senders =", "keep_text = yes\nsenders ="))
        self.addCleanup(self.rejoinder.kill)
        self.rejoinder.start()
        if re.search("lib[at]san", self.read_proc("maps")):
            self.skipTest("a sanitizer has memory of its own")

    def read_proc(self, name):
        with open(f"/proc/{self.rejoinder.pid}/{name}", encoding="utf-8") as stream:
            return stream.read()

    def memory_kb(self, name):
        return int(re.search(name + r":\s+(\d+) kB", self.read_proc("status"))[1])

    def check(self, fields=(), body=b"Hello.\r\n", recipients=(), verdict="accept", rounds=1):
        """The same message in all sessions at once, to the last byte before any ends."""
        self.talk((), b"Hello.\r\n", ())
        before = self.memory_kb("VmRSS")
        for _ in range(rounds):
            verdicts = self.talk(fields, body, recipients)
            self.assertEqual(set(verdicts), {verdict})
        grown = self.memory_kb("VmHWM") - before
        print(f"{self._testMethodName}: {grown / self.SESSIONS / 1024:.1f} MB a message")
        self.assertLess(grown, self.SESSIONS * self.max_kb + self.SLACK_KB)
        self.rejoinder.check_log("status=rejected", "reason=not rewritten, it has over 200")

    def talk(self, fields, body, recipients):
        packets = [(b"R", f"<{one}>\0".encode()) for one in (*recipients, "customer@example.org")]
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(RawMilter(self.socket)) for _ in range(self.SESSIONS)]
            for number, client in enumerate(clients):
                client.begin(steps=STEPS & ~SKIP)
                client.mail("jane@company.test")
                own = [(b"From", b"Jane <jane@company.test>"), (b"Subject", b"%d" % number)]
                whole = packets + [(b"L", name + b"\0" + value + b"\0")
                                   for name, value in (*own, *fields)]
                client.write(b"".join(struct.pack(">I", len(data) + 1) + command + data
                                      for command, data in whole))
            ended = [client.end_header().verdict for client in clients]
            going = [client for client, verdict in zip(clients, ended) if verdict == "continue"]
            for client in going:
                client.body(body)
            for client in going:
                client.put(b"E")
            return ([client.answer().verdict for client in going]
                    + [verdict for verdict in ended if verdict != "continue"])

    def test_a_hundred_thousand_fields(self):
        for name, value in ((b"X-Field", b"v" * 500), (b"To", b"a@example.org, " * 30),
                            (b"References", b"<a@example.org>" * 30), (b"Reply-To", b"v" * 100)):
            with self.subTest(name):
                self.check([(name, value)] * 100000)

    def test_fields_as_long_as_they_come(self):
        ids = b" ".join(b"<%015d@example.org>" % number for number in range(2000))
        self.check([(b"References", ids)] * 9 + [(b"In-Reply-To", ids)]
                   + [(b"Cc", b"a@example.org, " * 4000)] * 1000)

    def test_fields_of_ours(self):
        self.check([(b"Rejoinder-%d" % number, b"v" * 60000) for number in range(1000)],
                   verdict="554 5.6.0 Too many Rejoinder fields in the header (over 200)")

    def test_a_hundred_thousand_recipients(self):
        self.check(recipients=[f"{number:0250}@{'e' * 60}.org" for number in range(100000)])

    def test_recipients_as_long_as_they_come(self):
        self.check(recipients=[f"{number:060000}@example.org" for number in range(1000)])

    def test_parts_a_thousand_deep(self):
        self.check([(b"Content-Type", b"multipart/mixed; boundary=b0")], b"".join(
            b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (at, at + 1)
            for at in range(1000)))

    def test_parts_without_end(self):
        for part in (b"", b"Content-Type: message/rfc822\r\n\r\nReferences: <a@example.org>\r\n",
                     b"Content-Type: message/delivery-status\r\n\r\n"
                     b"Final-Recipient: rfc822; a@example.org\r\nAction: failed\r\n"):
            with self.subTest(part):
                self.check([(b"Content-Type", b"multipart/report; boundary=b")],
                           (b"--b\r\n" + part + b"\r\n") * 10000)

    def test_a_body_of_a_hundred_megabytes(self):
        self.check(body=b"All the lines of this body look like this one.\r\n" * (100 * 1024 * 21))

    def test_all_of_it_at_once(self):
        deep = b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n"
                        % (at, at + 1) for at in range(10000))
        # The second time adds nothing to the first.
        self.check([(b"References", b"<a@example.org>" * 200)] * 150
                   + [(b"Cc", b"a@example.org, ")] * 3000
                   + [(b"Content-Type", b"multipart/mixed; boundary=b0")]
                   + [(b"Rejoinder-%d" % number, b"v" * 2000) for number in range(199)],
                   deep, [f"{number:0250}@{'e' * 60}.org" for number in range(20000)],
                   rounds=2)


def fields_of(entry):
    return [(name.encode(), value.replace("\n", "\r\n").encode("utf-8", "surrogateescape"))
            for name, value in mails.Mail(entry.data).fields]


if __name__ == "__main__":
    unittest.main()
