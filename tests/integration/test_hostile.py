"""Clients of the milter's socket that do what Postfix never would.

After each the milter is the process that it was, does its work for the next
message, and has not grown past a fixed cap.
"""

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


def fields_of(entry):
    return [(name.encode(), value.replace("\n", "\r\n").encode("utf-8", "surrogateescape"))
            for name, value in mails.Mail(entry.data).fields]


if __name__ == "__main__":
    unittest.main()
