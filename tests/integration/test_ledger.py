"""The ledger finds what is lost, doubled, unrecorded; and the shim makes calls fail."""

import contextlib
import errno
import os
import smtplib
import sqlite3
import subprocess
import sys
import tempfile
import unittest

from fake_pop3 import FakePop3
from fault import Fault, fault_environment
from ledger import Ledger


class Place:
    """A place where messages are."""

    def __init__(self, *entries):
        self._entries = entries

    def messages(self):
        return [b"Received: by a server\r\n" + entry.data for entry in self._entries]


class LedgerTest(unittest.TestCase):
    def setUp(self):
        self.ledger = Ledger()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.store = os.path.join(directory.name, "store.db")
        with contextlib.closing(sqlite3.connect(self.store)) as database:
            database.execute("CREATE TABLE message (msgid TEXT)")

    def compose(self, count=1, **options):
        return [self.ledger.compose("jane@company.test", "customer@example.org", "entry", **options)
                for _ in range(count)]

    def record(self, *entries):
        with contextlib.closing(sqlite3.connect(self.store)) as database, database:
            database.executemany("INSERT INTO message VALUES (?)",
                                 [(entry.msgid,) for entry in entries])

    def refuse(self, entry, code):
        def action():
            raise smtplib.SMTPDataError(code, b"no")
        self.ledger.send(entry, action)

    def break_off(self, entry):
        def action():
            raise ConnectionResetError
        self.ledger.send(entry, action)

    def accept(self, entry):
        self.assertEqual(self.ledger.send(entry, dict), 250)

    def check(self, *delivered, on_server=(), **options):
        inbox = FakePop3()
        self.addCleanup(inbox.stop)
        for entry in on_server:
            inbox.add(entry.data)
        return self.ledger.check({"jane": Place(*delivered)}, {"inbox": inbox},
                                 store=self.store, **options)

    def test_delivered_refused_and_on_the_server_make_the_sum(self):
        a, b, c, d, e = self.compose(5)
        self.accept(a)
        self.refuse(b, 554)
        self.refuse(d, 451)
        self.accept(d)
        self.refuse(e, 451)
        self.record(a, d, e)
        account = self.check(a, d, on_server=[c])
        self.assertEqual((account.sent, account.delivered, account.refused, account.on_server),
                         (5, 2, 2, 1))

    def test_what_is_not_ours_has_no_row(self):
        passed, = self.compose(is_ours=False)
        self.check(passed)
        self.record(passed)
        with self.assertRaisesRegex(AssertionError, "1: recorded, and none of ours"):
            self.check(passed)

    def test_each_fault_is_found_and_named_with_its_number(self):
        def doubled(a):
            self.record(a)
            return [a, a], []

        def delivered_and_refused(a):
            self.record(a)
            self.refuse(a, 451)
            self.refuse(a, 451)
            return [a], []

        def twice_recorded(a):
            self.record(a, a)
            return [a], []

        def on_the_server_and_delivered(a):
            self.record(a)
            return [a], [a]

        def accepted_and_lost(a):
            self.record(a)
            self.accept(a)
            return [], []

        def never_known_and_lost(a):
            self.break_off(a)
            return [], []

        for make, words in ((doubled, "1 too many .*jane 2x"),
                            (delivered_and_refused, r"refused, yet delivered .*\[451, 451\]"),
                            (twice_recorded, "recorded more than once .*rows 2"),
                            (on_the_server_and_delivered,
                             "delivered, and still on the server .*inbox"),
                            (accepted_and_lost, r"lost \(told \[250\], delivered nowhere"),
                            (never_known_and_lost, r"lost \(told \[None\]"),
                            (lambda a: ([a], []), "delivered without a record .*rows 0"),
                            (lambda a: ([], []), "lost .*on server nowhere")):
            with self.subTest(words):
                self.ledger = Ledger()
                right, wrong = self.compose(2)
                self.record(right)
                delivered, on_server = make(wrong)
                with self.assertRaisesRegex(AssertionError, f"1 of 2 numbers.*\n  2: {words}"):
                    self.check(right, *delivered, on_server=on_server)

    def test_a_crash_may_double_what_was_in_flight_and_no_more(self):
        a, b = self.compose(2)
        self.record(a, b)
        self.break_off(a)
        self.accept(a)
        self.assertEqual(self.ledger.unknown(), 1)
        self.assertEqual(self.check(a, a, b, duplicates_allowed=1).duplicates, 1)
        with self.assertRaisesRegex(AssertionError, "1: 1 too many"):
            self.check(a, a, b, b, duplicates_allowed=1)

    def test_copies_for_several_places_are_due(self):
        both, = self.compose(copies=2)
        self.record(both)
        self.check(both, both)
        with self.assertRaisesRegex(AssertionError, "only 1 of 2 copies"):
            self.check(both)

    def test_copies_may_stay_on_a_server_that_leaves_them(self):
        a, b = self.compose(2)
        self.record(a)
        account = self.check(a, on_server=[a, b], leaves=True)
        self.assertEqual((account.delivered, account.on_server), (1, 1))

    def test_a_number_that_was_never_sent_is_found_and_another_run_is_not(self):
        known, unknown = self.compose(2)
        del self.ledger.entries[2]
        self.record(known)
        self.check(known, Ledger().compose("jane@company.test", "a@example.org", "other"))
        with self.assertRaisesRegex(AssertionError, "2: was never sent"):
            self.check(known, unknown)


# What a program does to a file, each call once, and how each one ended.
_CALLS = """
import os, sys
path = sys.argv[1]
fd = os.open(path, os.O_RDWR)
def attempt(name, call):
    try:
        call()
        print(name, 0)
    except OSError as error:
        print(name, error.errno)
for _ in range(int(sys.argv[2])):
    attempt("write", lambda: os.write(fd, b"x"))
    attempt("write", lambda: os.pwrite(fd, b"x", 0))
    attempt("write", lambda: os.writev(fd, [b"x"]))
    attempt("sync", lambda: os.fdatasync(fd))
    attempt("sync", lambda: os.fsync(fd))
    attempt("truncate", lambda: os.ftruncate(fd, 10))
    attempt("allocate", lambda: os.posix_fallocate(fd, 0, 10))
    attempt("open", lambda: os.close(os.open(path, os.O_WRONLY)))
    attempt("open", lambda: os.close(os.open(path, os.O_RDONLY | os.O_CREAT)))
    attempt("read-only", lambda: os.close(os.open(path, os.O_RDONLY)))
    attempt("read", lambda: os.read(fd, 1))
    attempt("read", lambda: os.pread(fd, 1, 0))
"""


class FaultTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.path = os.path.join(self.directory, "some.db")
        with open(self.path, "wb") as stream:
            stream.write(b"0123456789")

    def calls(self, environment, times=1, path=None):
        """[(kind of call, errno or 0), ...]"""
        done = subprocess.run([sys.executable, "-S", "-c", _CALLS, path or self.path, str(times)],
                              env={**os.environ, **environment}, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [(kind, int(number)) for kind, number in
                map(str.split, done.stdout.decode().splitlines())]

    def failed(self, *arguments, **options):
        return {kind: number for kind, number in self.calls(*arguments, **options) if number}

    def test_the_chosen_calls_on_the_chosen_file_fail_as_told(self):
        for calls, errno_name in (("write", "ENOSPC"), ("sync", "EIO"), ("truncate", "EIO"),
                                  ("allocate", "EDQUOT"), ("read", "EIO"), ("write,sync", "EROFS")):
            with self.subTest(calls):
                environment = fault_environment(path="some.db", calls=calls, errno=errno_name)
                number = getattr(errno, errno_name)
                self.assertEqual(
                    [(kind, number if kind in calls.split(",") else 0)
                     for kind, _ in self.calls({})], self.calls(environment))

    def test_opening_to_write_fails_once_the_file_is_open(self):
        fault = fault_environment(path="some.db", calls="open", errno="EROFS", at=2)
        self.assertEqual(self.calls(fault).count(("open", errno.EROFS)), 2)
        self.assertEqual(self.failed(fault), {"open": errno.EROFS})

    def test_other_files_are_left_alone(self):
        other = os.path.join(self.directory, "other.db")
        open(other, "wb").close()
        for pattern in ("some.db", "*/some*"):
            fault = fault_environment(path=pattern, calls="write", errno="EIO")
            self.assertEqual(self.failed(fault), {"write": errno.EIO})
            self.assertEqual(self.failed(fault, path=other), {})

    def test_only_the_nth_calls_fail(self):
        fault = fault_environment(path="some.db", calls="sync", errno="EIO", at=3, count=2)
        syncs = [number for kind, number in self.calls(fault, 3) if kind == "sync"]
        self.assertEqual(syncs, [0, 0, errno.EIO, errno.EIO, 0, 0])

    def test_a_control_file_switches_it(self):
        fault = Fault(self.directory, "some.db")
        self.assertEqual(self.failed(fault.environment), {})
        fault.on("ENOSPC", "write,sync")
        self.assertEqual(self.failed(fault.environment),
                         {"write": errno.ENOSPC, "sync": errno.ENOSPC})
        fault.on("EIO", "read")
        self.assertEqual(self.failed(fault.environment), {"read": errno.EIO})
        fault.off()
        self.assertEqual(self.failed(fault.environment), {})

    def test_what_it_does_not_understand_ends_the_program(self):
        for settings in ({"errno": "ENOSUCH"}, {"calls": "write,wriet"}, {"at": "x"}):
            with self.subTest(settings):
                done = subprocess.run(
                    [sys.executable, "-S", "-c", _CALLS, self.path, "1"], capture_output=True,
                    env={**os.environ, **fault_environment(path="some.db", **settings)})
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(b"fault: cannot understand FAULT_", done.stderr)


if __name__ == "__main__":
    unittest.main()
