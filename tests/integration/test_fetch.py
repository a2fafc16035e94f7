"""The fetcher against a POP3 server and a Postfix that misbehave: nothing is lost or doubled.

The server is FakePop3 and what stands for Postfix is FakeSmtp, so that each fault
can be chosen; test_fetch_story.py plays it with the real ones.
"""

import contextlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import tempfile
import unittest

from certificates import Certificates
from fake_pop3 import FakePop3, Faults
from fake_smtp import FakeSmtp
from ledger import Ledger
from mail import Mail
from ports import free_ports
from rejoinder import Rejoinder, is_long
from wait import wait_for

CONFIG = """\
[rejoinder]
domains = company.test
submit_to = 127.0.0.1:{submit}
ca_file = {ca_file}
{extra}

[account "Shop"]
address = shop@company.test
incoming = yes
pop3 = {url}
username = jane
password_command = echo {password}
max_message_size = 1M
first_fetch = all
poll = 10s
{account}
"""

COUNT = 20
OK, TEMPORARY, CONFIG_ERROR = 0, 75, 78


def is_nth(number, value, other=lambda size: size):
    """A claim that is a lie for the n-th size asked for."""
    seen = []

    def claim(size):
        seen.append(size)
        return value if len(seen) == number else other(size)
    return claim


class FetchTestCase(unittest.TestCase):
    """One inbox with COUNT messages of a ledger in it, and who takes them."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="rejoinder-fetch-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.certificates = Certificates(os.path.join(cls.directory.name, "ca"))
        cls.certificate = cls.certificates.issue("server")

    def setUp(self):
        self.numbers = iter(range(10000))
        self.begin()

    def begin(self):
        """A ledger and a Postfix that know of nothing yet."""
        self.ledger = Ledger()
        self.far = FakeSmtp()
        self.far.start()
        self.addCleanup(self.far.stop)

    def make(self, count=COUNT, security="none", leave="no", account="", extra="", password=None,
             submit=None):
        """Set the scene."""
        self.pop3 = self.new_pop3(security)
        for _ in range(count):
            self.add()
        schemes = {"none": "pop3-plain", "tls": "pop3s", "starttls": "pop3"}
        self.rejoinder = Rejoinder(
            os.path.join(self.directory.name,
                         self.id().rpartition(".")[2] + str(next(self.numbers))),
            "/nonexistent/milter.sock", CONFIG)
        self.url = f"{schemes[security]}://127.0.0.1:{self.pop3.port}"
        self.rejoinder.write_config(CONFIG.format(
            submit=submit or self.far.port, ca_file=self.certificates.ca_file, url=self.url,
            password=password or "jane-secret", extra=extra, account=f"leave = {leave}\n{account}"))
        self.rejoinder.run("keys", "add")

    def new_pop3(self, security="none"):
        pop3 = FakePop3(security, *(self.certificate if security != "none" else ()))
        pop3.start()
        self.addCleanup(pop3.stop)
        return pop3

    def add(self, sender="customer@example.org", **fields):
        """A message in the inbox; its number in the ledger."""
        entry = self.ledger.compose(sender, "shop@company.test", "Order", is_ours=None,
                                    Return_Path=f"<{sender}>", **fields)
        self.pop3.add(entry.data)
        return entry

    def fetch(self, code=OK, *options):
        """`rejoinder fetch`: what it printed, errors too."""
        done = self.popen(*options)
        output = done.communicate(timeout=100)[0].decode()
        self.assertEqual(done.returncode, code, output)
        return output

    def popen(self, *options):
        return subprocess.Popen(
            [self.rejoinder.program("rejoinder"), "-c", self.rejoinder.config_file, "fetch",
             *options, "shop"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)

    def check(self, **options):
        return self.ledger.check({"far": self.far}, {"inbox": self.pop3}, **options)

    def inbox(self):
        """What `rejoinder accounts` knows of it."""
        return self.rejoinder.json("accounts")[0]["inbox"]


class FaultTest(FetchTestCase):
    """A poll that goes wrong, and the next: nothing is lost, and in the end all is there once."""

    def play(self, name, faults, code, scene=None, before=None, twice=0):
        """before(): what is so after the poll that went wrong."""
        with self.subTest(name):
            self.begin()
            self.make(**(scene or {}))
            self.pop3.faults = faults
            output = self.fetch(code)
            # A message that was delivered may still be there; none is neither.
            self.check(leaves=True, duplicates_allowed=twice)
            if code != OK:
                self.assertIsNotNone(self.inbox()["error"], output)
            if before:
                before(output)
            self.pop3.faults = Faults()
            self.fetch()
            self.assertEqual(self.check(duplicates_allowed=twice).delivered, COUNT)
            self.assertEqual(self.pop3.messages(), [])
            self.assertIsNone(self.inbox()["error"])
            self.assertEqual(self.inbox()["backlog"], 0)
            wait_for(self.pop3.is_idle, "the end of all sessions")

    def has_not_quit(self, _output):
        self.assertFalse(any(session.has_quit for session in self.pop3.sessions()))
        self.assertEqual(self.pop3.deleted(), [])

    def test_cut_connections(self):
        for how in ("close", "reset"):
            for number, count in ((1, 0), (1, 3), (5, 200), (COUNT, 100)):
                self.play(f"the {number}. message ends after {count} bytes by {how}",
                          Faults(cut=(number, count, how)), TEMPORARY, before=self.has_not_quit)
        for how in ("close", "notify"):
            for security in ("tls", "starttls"):
                self.play(f"{security} ends by {how}", Faults(cut=(7, 300, how)), TEMPORARY,
                          scene={"security": security}, before=self.has_not_quit)

    def test_a_message_that_is_cut_before_its_dot_is_not_delivered(self):
        self.make(1)
        self.pop3.faults = Faults(cut=(1, len(b"+OK 1000 octets\r\n") + len(
            self.pop3.messages()[0].data), "close"))
        self.fetch(TEMPORARY)
        self.assertEqual(self.far.messages(), [])
        self.fetch_again()

    def fetch_again(self):
        self.pop3.faults = Faults()
        self.fetch()
        self.check()

    def test_refused_retr(self):
        def others_came(output):
            self.assertIn("did not give out 1 of the messages", output)
            self.assertEqual(len(self.far.messages()), COUNT - 1)
            self.assertEqual(len(self.pop3.messages()), 1)
        for reply in ("-ERR no", "-ERR [SYS/TEMP] later", "-ERR [IN-USE] x", "-ERR [FOO] x"):
            self.play(f"{reply} to the 5. RETR", Faults(replies={("RETR", 5): reply}), TEMPORARY,
                      before=others_came)
        self.play("-ERR to each RETR", Faults(replies={("RETR", None): "-ERR no"}), TEMPORARY)
        self.play("neither +OK nor -ERR", Faults(replies={("RETR", 5): "hello"}), TEMPORARY,
                  before=self.has_not_quit)

    def test_lies(self):
        self.play("all sizes are 1", Faults(claim=lambda size: 1), OK)
        self.play("all sizes are 0", Faults(claim=lambda size: 0), OK)
        self.play("all sizes are too small by one", Faults(claim=lambda size: size - 1), OK)
        self.play("all sizes are 100 times too large", Faults(claim=lambda size: size * 100), OK)
        # Such a message rests, and the next fetch by hand tries it again.
        self.play("a size beyond all limits", Faults(claim=is_nth(3, 2**80)), OK)

        def nothing_came(_output):
            self.assertEqual(self.far.messages(), [])
            self.has_not_quit(_output)
        self.play("one UIDL for all", Faults(uidls=lambda uidls: uidls[:1] * len(uidls)),
                  TEMPORARY, before=nothing_came)

        def others_came(count):
            def check(output):
                self.assertEqual(len(self.far.messages()), COUNT - count)
                self.assertIn(f"{count} of the messages cannot be told from others: ", output)
                self.assertEqual(len(self.pop3.messages()), count)
            return check
        for name, count, uidls in (
                ("a UIDL that is missing", 1, lambda uidls: [*uidls[:-1], None]),
                ("a UIDL that is too long", 1, lambda uidls: [*uidls[:-1], "x" * 300]),
                ("one UIDL for two", 2, lambda uidls: [*uidls[:-1], uidls[0]])):
            self.play(name, Faults(uidls=uidls), TEMPORARY, before=others_came(count))

    def test_a_deletion_that_is_refused(self):
        def others_went(output):
            self.assertIn("deleted=19", output)
            self.assertIn("the server did not delete 1 of the messages: ", output)
            self.assertIn("not that one", output)
            self.assertEqual(len(self.pop3.messages()), 1)
        self.play("one DELE", Faults(replies={("DELE", 3): "-ERR not that one"}), TEMPORARY,
                  before=others_went)

    def test_quit(self):
        def all_came(_output):
            self.assertEqual(len(self.far.messages()), COUNT)
        kinds = ["refuse", "close", "lose"] + (["ignore"] if is_long() else [])
        for kind in kinds:
            self.play(f"QUIT: {kind}", Faults(quit=kind), TEMPORARY, before=all_came)
        self.play("-ERR to a DELE", Faults(replies={("DELE", 3): "-ERR no"}), TEMPORARY,
                  before=all_came)
        self.make(leave="forever")
        self.pop3.faults = Faults(quit="refuse")
        self.fetch()  # without deletions it does not matter

    def test_sign_in(self):
        replies = {
            "-ERR [AUTH] no": CONFIG_ERROR, "-ERR [SYS/PERM] no": CONFIG_ERROR,
            "-ERR [IN-USE] later": TEMPORARY, "-ERR [SYS/TEMP] later": TEMPORARY,
            "-ERR [LOGIN-DELAY] later": TEMPORARY, "-ERR what": TEMPORARY}
        if is_long():  # a real answer is waited for
            replies["hello"] = TEMPORARY
        for reply, code in replies.items():
            self.play(f"{reply} to AUTH", Faults(replies={("AUTH", None): reply}), code,
                      before=self.has_not_quit)
        self.play("a greeting that is none", Faults(replies={("GREETING", 1): "-ERR full"}),
                  TEMPORARY)

    def test_floods(self):
        size = 2**30 if is_long() else 50 * 2**20
        self.play("a reply without end", Faults(flood=(("RETR", 4), size, "reply")), TEMPORARY,
                  before=self.has_not_quit)
        self.play("a list without end", Faults(flood=(("LIST", 1), size, "reply")), TEMPORARY,
                  before=self.has_not_quit)
        # It counts as too large, though it claimed another size, and is tried again.
        self.play("a message without end", Faults(flood=(("RETR", 4), size, "text")), OK)

    def test_renumbering(self):
        self.play("another order in the next session",
                  Faults(cut=(12, 100, "close"), order=lambda messages: messages[::-1]), TEMPORARY)
        self.make(leave="forever")
        for order in (lambda messages: messages, lambda messages: messages[::-1],
                      lambda messages: messages[5:] + messages[:5]):
            self.pop3.faults = Faults(order=order)
            self.fetch()
        self.check(leaves=True)

    def test_poor_servers(self):
        for name, value in (("has_capa", False), ("has_pipelining", False),
                            ("has_sasl_plain", False), ("has_user", False)):
            with self.subTest(name):
                self.begin()
                self.make()
                setattr(self.pop3, name, value)
                self.fetch()
                self.check()
                self.assertEqual(sum(session.early for session in self.pop3.sessions()), 0)
        self.make()
        self.pop3.has_uidl = False
        self.assertIn("UIDL", self.fetch(TEMPORARY))
        self.assertEqual(len(self.pop3.messages()), COUNT)


class SubmitTest(FetchTestCase):
    """What Postfix says, and what becomes of the message."""

    def test_later(self):
        for stage, reply in (("mail", "421 4.3.2 stopping"), ("data", "451 4.3.0 later"),
                             ("rcpt", "452 4.3.1 disk full"), ("data", "close"),
                             ("mail", "close")):
            with self.subTest(stage + " " + reply):
                self.begin()
                self.make(5)
                self.add("slow@example.com")
                self.add()
                pattern = "slow@*" if stage != "rcpt" else "shop@*"
                self.far.answer(stage, pattern, reply)
                output = self.fetch(TEMPORARY)
                self.assertIn("127.0.0.1", output)
                self.assertEqual(len(self.far.messages()), 0 if stage == "rcpt" else 5)
                self.assertFalse(self.pop3.sessions()[0].has_quit)
                self.far.answer_normally(stage, pattern)
                self.fetch()
                self.check()

    def test_never(self):
        self.make(3)
        refused = self.add("spam@example.com")
        self.add()
        self.far.answer("data", "spam@*", "554 5.7.1 no spam here")
        output = self.fetch()
        self.assertIn("delivered=4 refused=1", output)
        self.assertIn("no spam here", output)
        self.assertIn("error: ", output)
        self.assertEqual([self.ledger.number_of(self.mail_of(one)) for one in self.pop3.messages()],
                         [refused.number])
        self.assertEqual(self.inbox()["refused"], 1)
        self.check()
        # The service lets it rest; asked by hand it is tried again.
        self.far.answer_normally("data", "spam@*")
        self.assertIn("delivered=1", self.fetch())
        self.check()
        self.assertEqual(self.inbox()["refused"], 0)

    @staticmethod
    def mail_of(message):
        return Mail(message.data)

    def test_when_everything_is_refused_it_stops(self):
        self.make()
        self.far.answer("rcpt", "shop@*", "550 5.1.1 no such user")
        output = self.fetch(CONFIG_ERROR)
        self.assertIn("every message is refused", output)
        self.assertEqual(self.inbox()["refused"], 5)
        self.far.answer_normally("rcpt", "shop@*")
        self.fetch()
        self.check()

    def test_nobody_listens(self):
        self.make(submit=free_ports(1)[0])
        self.assertIn("onnect", self.fetch(TEMPORARY))
        self.check()
        self.assertEqual(len(self.pop3.messages()), COUNT)

    def test_envelope_and_mark(self):
        self.make(0)
        rows = (
            ({"Return_Path": "<bounce+1@example.com>"}, "bounce+1@example.com"),
            ({"Return_Path": "<>"}, ""),
            ({"Return_Path": "<MAILER-DAEMON>"}, ""),
            ({"Return_Path": '<"a b"@example.com>'}, "customer@example.org"),
            ({"Return_Path": "<taro..yamada@docomo.example>"}, "taro..yamada@docomo.example"),
            ({"Return_Path": '<"taro.."@docomo.example>'}, '"taro.."@docomo.example'),
            ({"Return_Path": "<bob@my_host.example.org>"}, "bob@my_host.example.org"),
            ({"Return_Path": "<bob@[192.0.2.7]>"}, "bob@[192.0.2.7]"),
            ({"Return_Path": None}, "customer@example.org"),
        )
        for fields, _ in rows:
            entry = self.ledger.compose("Customer <customer@example.org>", "shop@company.test", "x",
                                        is_ours=None, **fields)
            self.pop3.add(entry.data)
        plain = self.ledger.compose("customer@example.org", "shop@company.test", "x", is_ours=None,
                                    Return_Path=None)
        self.pop3.add(b"From customer Sun Nov 22 2026\r\n" + plain.data)
        folded = self.ledger.compose("customer@example.org", "shop@company.test", "x", is_ours=None)
        self.pop3.add(b"  a line that continues nothing\r\n" + folded.data)
        self.fetch()
        self.check()
        received = self.far.messages()
        self.assertEqual([one.sender for one in received[:len(rows)]], [sender for _, sender in rows])
        for one in received:
            self.assertEqual(one.recipients, ["shop@company.test"])
            self.assertEqual(len(one.mail.values("Rejoinder-Mark")), 1)
            self.assertRegex(one.mail.value("Rejoinder-Mark"),
                             r"^fetched \d+ [a-z2-7] [a-z2-7]{13} [a-z2-7]{16} Shop$")
        self.assertTrue(received[len(rows)].mail.value("X-Mailbox-Line").startswith("From customer"))


class OptionTest(FetchTestCase):
    """What the options of an account do."""

    def test_transports(self):
        for security in ("none", "tls", "starttls"):
            with self.subTest(security):
                self.begin()
                self.make(3, security=security)
                self.fetch()
                self.check()
                self.assertEqual(self.pop3.sessions()[-1].is_tls, security != "none")

    def test_a_certificate_that_does_not_verify(self):
        self.certificate = self.certificates.issue("other", ("DNS:other.test",))
        self.make(3, security="tls")
        self.fetch(CONFIG_ERROR)
        self.assertEqual(self.far.messages(), [])
        self.assertFalse(any(session.is_signed_in for session in self.pop3.sessions()))
        self.assertTrue(self.inbox()["error"])

    def test_passwords(self):
        self.make(1, password="wrong")
        self.assertIn("AUTH", self.fetch(CONFIG_ERROR))
        self.make(1, password="-n")
        self.assertIn("password", self.fetch(CONFIG_ERROR))

    def test_leave(self):
        self.make(4, leave="forever")
        self.fetch()
        self.assertIn("new=0", self.fetch())
        self.assertEqual((len(self.pop3.messages()), len(self.far.messages())), (4, 4))
        self.make(4, leave="14d")
        self.fetch()
        self.assertEqual(len(self.pop3.messages()), 4)
        self.make(4, leave="1s")
        self.fetch()
        wait_for(lambda: self.fetch() and not self.pop3.messages(), "all four to be deleted")
        self.assertEqual(len(self.far.messages()), 12)

    def test_what_the_server_no_longer_lists_is_forgotten(self):
        self.make(3, leave="forever")
        self.fetch()
        kept = self.pop3.messages()
        self.pop3.delete(kept)
        self.fetch()
        # Whoever gives a UIDL again gives another message.
        self.pop3.add(kept[0].data, kept[0].uidl)
        self.assertIn("delivered=1", self.fetch())

    def test_first_fetch(self):
        old = "Mon, 02 Nov 2020 10:00:00 +0000"
        for value, expected in (("7d", 3), ("all", 5), ("none", 0)):
            for has_capa in (True, False):
                with self.subTest(value, has_top=has_capa):
                    self.begin()
                    self.make(1, leave="no")
                    text = open(self.rejoinder.config_file, encoding="utf-8").read()
                    with open(self.rejoinder.config_file, "w", encoding="utf-8") as stream:
                        stream.write(text.replace("first_fetch = all", f"first_fetch = {value}"))
                    self.pop3.has_capa = has_capa
                    self.add(Date=old)
                    self.add(Received=f"from a by b; {old}")
                    self.add(Date="no date at all")
                    self.add(Received="from a by b; Fri, 01 Jan 2100 00:00:00 +0000", Date=old)
                    self.fetch()
                    self.assertEqual(len(self.far.messages()), expected)
                    self.assertEqual(len(self.pop3.messages()), 5 - expected)
                    self.check()
                    # Only the very first poll asks for the age.
                    self.add(Date=old)
                    self.fetch()
                    self.assertEqual(len(self.far.messages()), expected + 1)
                    self.check()

    def test_max_message_size(self):
        self.make(2)
        self.ledger.compose("customer@example.org", "shop@company.test", "large", is_ours=None)
        large = self.ledger.entries[3]
        self.pop3.add(large.data + b"x" * 70 * 100 * 300)
        self.add()
        output = self.fetch()
        self.assertIn("too_large=1", output)
        self.assertIn("over max_message_size", output)
        self.assertEqual(self.pop3.sessions()[0].commands.count("RETR 3"), 0)
        self.assertEqual(self.inbox()["too_large"], 1)
        self.assertEqual(self.inbox()["backlog"], 0)
        self.assertIn("new=0", self.fetch())
        self.check()

    def test_dry_run(self):
        self.make(3, leave="1s")
        output = self.fetch(OK, "--dry-run")
        self.assertEqual(len(re.findall(r"^fetch uidl-\d+ \(\d+ bytes\)$", output, re.M)), 3)
        self.assertEqual(self.far.messages(), [])
        self.assertFalse(self.pop3.sessions()[0].has_quit)
        self.assertIsNone(self.inbox()["polled_at"])
        self.fetch()
        wait_for(lambda: self.fetch(OK, "--dry-run").count("delete uidl-") == 3, "it to be due")
        self.assertEqual(len(self.pop3.messages()), 3)

    def test_usage(self):
        self.make(0)
        self.rejoinder.run("fetch", code=64)
        self.rejoinder.run("fetch", "Nobody", code=64)
        output = self.rejoinder.run("accounts")
        self.assertIn("shop@company.test", output)
        self.assertIn("never", output)


class MaildropTest(FetchTestCase):
    """What is decided of a maildrop as a whole."""

    OLD = "from a by b; Mon, 02 Nov 2020 10:00:00 +0000"

    def make(self, count=COUNT, old=0, first_fetch="7d", **scene):
        super().make(0, **scene)
        self.change("first_fetch = all", f"first_fetch = {first_fetch}")
        for _ in range(old):
            self.add(Received=self.OLD)
        for _ in range(count):
            self.add()

    def change(self, before, after):
        with open(self.rejoinder.config_file, encoding="utf-8") as stream:
            text = stream.read()
        self.assertIn(before, text)
        with open(self.rejoinder.config_file, "w", encoding="utf-8") as stream:
            stream.write(text.replace(before, after))

    def delivered(self):
        return len(self.far.messages())

    def test_a_first_poll_that_breaks_off_chooses_to_its_end(self):
        """Also where ages are only known of whole messages."""
        for name, has_capa, faults in (
                ("while it looks at ages", True, Faults(replies={("TOP", 3): "hello"})),
                ("while it fetches", True, Faults(cut=(2, 100, "close"))),
                ("without TOP", False, Faults(cut=(4, 100, "close")))):
            with self.subTest(name):
                self.begin()
                self.make(3, old=6)
                self.pop3.has_capa = has_capa
                self.pop3.faults = faults
                self.fetch(TEMPORARY)
                self.pop3.faults = Faults()
                self.fetch()
                self.assertEqual((self.delivered(), len(self.pop3.messages())), (3, 6))
                self.add(Received=self.OLD)
                self.fetch()
                self.assertEqual(self.delivered(), 4)  # now whatever comes is new

    def test_nothing_is_chosen_twice(self):
        """With `none` what comes after the first poll is fetched, though that failed."""
        self.make(3, first_fetch="none")
        self.pop3.faults = Faults(quit="close")
        self.fetch()
        self.assertEqual(self.delivered(), 0)
        self.pop3.faults = Faults()
        self.add()
        self.fetch()
        self.assertEqual(self.delivered(), 1)

    def test_another_inbox_under_the_same_account(self):
        """Its UIDLs say nothing of what was fetched from the other."""
        self.make(5, old=2, leave="1s")
        self.fetch()
        self.assertEqual(self.delivered(), 5)
        before, kept = self.pop3, self.pop3.messages()
        self.pop3 = self.new_pop3()
        self.pop3.users = {"other": "jane-secret"}
        for message in kept:
            self.pop3.add(message.data, message.uidl)
        self.change(f":{before.port}", f":{self.pop3.port}")
        self.change("username = jane", "username = other")
        self.assertIn("delivered=5", self.fetch())
        self.assertEqual(len(self.pop3.messages()), 7)
        self.assertIn("new=0", self.fetch())

    def test_a_listing_without_anything_that_was_there(self):
        """Maintenance, or new UIDLs: old mail does not come again."""
        for name, faults in (("empty once", Faults(order=lambda messages: [])),
                             ("new UIDLs", Faults(uidls=lambda uidls: ["x" + one for one in uidls]))):
            for leave in ("14d", "forever"):
                with self.subTest(name, leave=leave):
                    self.begin()
                    self.make(2, old=5, leave=leave, first_fetch="all")
                    self.fetch()
                    self.assertEqual(self.delivered(), 7)
                    self.pop3.faults = faults
                    self.fetch()
                    if name == "empty once":
                        self.pop3.faults = Faults()
                    self.fetch()
                    self.assertEqual(self.delivered(), 9)  # of the last day, it may be new
                    self.add(Received=self.OLD)
                    self.fetch()
                    self.assertEqual(self.delivered(), 10)

    def test_one_message_that_breaks_every_poll_holds_up_no_other(self):
        self.make(10)
        poison = self.pop3.messages()[3].uidl
        self.pop3.faults = Faults(poison=poison)
        self.fetch(TEMPORARY)
        self.assertEqual(self.delivered(), 3)
        for _ in range(2):
            self.fetch(TEMPORARY)
            self.assertEqual((self.delivered(), len(self.pop3.messages())), (9, 10))
        # Where it rests the poll ends as it should, and what is due is deleted.
        with contextlib.closing(sqlite3.connect(self.rejoinder.store)) as store, store:
            store.execute("UPDATE inbox SET next_poll_at = 0")
        self.rejoinder.fetcher.start()
        self.addCleanup(self.rejoinder.stop)
        wait_for(lambda: len(self.pop3.messages()) == 1, "the others to be deleted")
        self.rejoinder.fetcher.wait_log(
            f"message {poison} waits: the last 3 polls that tried it broke off there")
        self.rejoinder.fetcher.stop()
        self.pop3.faults = Faults()
        self.fetch()
        self.assertEqual((self.delivered(), self.pop3.messages()), (10, []))

    def test_one_message_that_postfix_does_not_take_now_holds_up_no_other(self):
        self.make(2)
        self.add("slow@example.com")
        self.add()
        self.far.answer("data", "slow@*", "451 4.3.0 later")
        self.fetch(TEMPORARY)
        self.assertEqual(self.delivered(), 2)
        self.fetch(TEMPORARY)
        self.assertEqual(self.delivered(), 3)
        self.far.answer_normally("data", "slow@*")
        self.fetch()
        self.assertEqual((self.delivered(), self.pop3.messages()), (4, []))

    def test_what_was_refused_lets_new_mail_pass(self):
        self.make(0)
        for _ in range(6):
            self.add("spam@example.com")
        self.far.answer("data", "spam@*", "554 5.7.1 no spam here")
        self.fetch(CONFIG_ERROR)
        self.add()
        self.fetch(CONFIG_ERROR)
        self.assertEqual(self.delivered(), 1)


class ServiceTest(FetchTestCase):
    """rejoinder-fetcher as a service."""

    def start(self, **scene):
        self.make(**scene)
        self.addCleanup(self.rejoinder.fetcher.kill)
        self.rejoinder.fetcher.start()

    def test_it_polls_by_itself_and_a_restart_brings_nothing(self):
        self.start(leave="forever")
        self.rejoinder.fetcher.wait_log(rf"fetch Shop: new={COUNT} delivered={COUNT} refused=0 "
                                        r"deleted=0 left=0, \d+\.\d s")
        self.rejoinder.fetcher.stop()
        self.add()
        self.rejoinder.fetcher.start()
        self.rejoinder.fetcher.wait_log(r"new=1 delivered=1")
        self.rejoinder.fetcher.stop()
        self.check(leaves=True)
        self.rejoinder.check_log()

    def test_a_dead_server_delays_no_other(self):
        dead = [self.new_pop3() for _ in range(3)]
        for server in dead:
            server.faults = Faults(stall=("LIST", 1))
        accounts = "".join(
            f'\n[account "Dead {number}"]\naddress = dead{number}@company.test\nincoming = yes\n'
            f"pop3 = pop3-plain://127.0.0.1:{server.port}\nusername = jane\n"
            "password_command = echo jane-secret\n" for number, server in enumerate(dead))
        self.start(account=accounts)
        self.rejoinder.fetcher.wait_log(rf"fetch Shop: new={COUNT} delivered={COUNT}", 20)
        wait_for(lambda: all(server.sessions() for server in dead), "a poll of each dead server")
        self.check()
        # A stop does not wait for it for ever.
        self.rejoinder.fetcher.kill()

    def test_stop_in_the_middle(self):
        self.make(count=100, leave="no")
        self.pop3.faults = Faults(cut=(60, 100, "stall"))
        self.addCleanup(self.rejoinder.fetcher.kill)
        self.rejoinder.fetcher.start()
        wait_for(lambda: len(self.far.messages()) == 59, "59 messages")
        self.rejoinder.fetcher.stop(deadline=10)
        self.assertFalse(self.pop3.sessions()[0].has_quit)
        self.rejoinder.check_log()
        self.pop3.faults = Faults()
        self.fetch()
        self.check()

    def test_the_messages_before_a_stall_are_recorded_at_once(self):
        self.make(count=100, leave="no")
        self.pop3.faults = Faults(cut=(60, 100, "stall"))
        self.addCleanup(self.rejoinder.fetcher.kill)
        self.rejoinder.fetcher.start()
        wait_for(lambda: self.count_recorded() == 59, "59 recorded UIDLs")
        self.rejoinder.fetcher.kill()
        self.pop3.faults = Faults()
        self.fetch()
        self.check()

    def count_recorded(self):
        if not os.path.exists(self.rejoinder.store):
            return 0
        with contextlib.closing(sqlite3.connect(
                f"file:{self.rejoinder.store}?mode=ro", uri=True, timeout=10)) as database:
            try:
                return database.execute("SELECT count(*) FROM uidl").fetchone()[0]
            except sqlite3.OperationalError:  # it is being made
                return 0

    def test_one_poll_at_a_time(self):
        self.make(count=3)
        self.pop3.faults = Faults(cut=(2, 10, "stall"))
        first = self.popen()
        wait_for(lambda: len(self.far.messages()) == 1, "a poll under way")
        self.assertIn("being polled right now", self.fetch(TEMPORARY))
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=10)
        self.pop3.faults = Faults()
        self.fetch()
        self.check()

    def test_reload(self):
        self.start(count=0)
        second = self.new_pop3()
        entry = self.ledger.compose("customer@example.org", "new@company.test", "x", is_ours=None)
        second.add(entry.data)
        with open(self.rejoinder.config_file, "a", encoding="utf-8") as stream:
            stream.write('[account "New"]\naddress = new@company.test\nincoming = yes\n'
                         f"pop3 = pop3-plain://127.0.0.1:{second.port}\nusername = jane\n"
                         "password_command = echo jane-secret\nleave = no\n")
        self.rejoinder.fetcher.reload()
        self.rejoinder.fetcher.wait_log("fetch New: new=1 delivered=1")
        self.check()
        with open(self.rejoinder.config_file, "a", encoding="utf-8") as stream:
            stream.write("nonsense\n")
        self.rejoinder.fetcher.reload()
        self.rejoinder.fetcher.wait_log("the configuration in force stays")
        self.rejoinder.fetcher.stop()

    def test_a_failure_is_logged_and_known_and_ends_by_itself(self):
        self.make(count=2)
        self.pop3.faults = Faults(replies={("PASS", None): "-ERR [SYS/TEMP] later",
                                           ("AUTH", None): "-ERR [SYS/TEMP] later"})
        self.addCleanup(self.rejoinder.fetcher.kill)
        self.rejoinder.fetcher.start()
        self.rejoinder.fetcher.wait_log(r"warning: fetch Shop: .*later.*; tried again in \d+ s")
        wait_for(lambda: self.inbox()["failures"] == 1, "the failure to be known")
        self.assertIn("later", self.inbox()["error"])
        self.pop3.faults = Faults()
        self.rejoinder.fetcher.wait_log("fetch Shop: new=2 delivered=2", 30)
        wait_for(lambda: self.inbox()["failures"] == 0, "the failure to be over")
        self.check()


class KillTest(FetchTestCase):
    """kill -9 at random moments: what comes twice is only what was in flight."""

    def test_kill(self):
        kills = 100 if is_long() else 10
        self.make(count=1000)
        randomness = random.Random(os.environ.get("REJOINDER_SEED", "fetch"))
        for _ in range(kills):
            goal = len(self.far.messages()) + randomness.randrange(2 * 1000 // (kills + 2))
            process = self.popen()
            wait_for(lambda: process.poll() is not None or len(self.far.messages()) >= goal,
                     "some messages")
            # From the middle of a message to the middle of a batch, at rest or in a write.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(randomness.uniform(0, 0.004))
            process.kill()
            process.communicate()
        self.fetch()
        account = self.check(duplicates_allowed=kills * 33)
        self.assertEqual((account.delivered, self.pop3.messages()), (1000, []))
        self.assertGreater(account.duplicates, 0, "no kill hit the middle of anything")
        print(f"{kills} times killed, {account.duplicates} messages came twice")


if __name__ == "__main__":
    unittest.main()
