"""Mail of every kind for a World, with a ledger; and others who hold the store's locks."""

import concurrent.futures
import contextlib
import os
import subprocess
import sys
import time

from ledger import Ledger
from private_postfix import OUTSIDE
from wait import wait_for

COMMIT_TIMEOUT_S = 2

CONFIG = f"""\
[rejoinder]
domains = company.test
staff = @company.test
commit_timeout = {COMMIT_TIMEOUT_S}s

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test
"""

JANE, BOB, REPLIES = "jane@company.test", "bob@company.test", "replies@company.test"
CUSTOMER, STRANGER = "customer@example.org", "stranger@example.com"

# What the milter answers when it cannot record.
BUSY = (451, b"4.3.0")
FULL = (452, b"4.3.1")

# Programs for holding(): take a lock, say so, and keep it until their input ends.
HOLD_FLOCK = """
import fcntl, sys
with open(sys.argv[1]) as stream:
    fcntl.flock(stream, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""
HOLD_SQLITE = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holding(program, path):
    """Another process holds a lock."""
    process = subprocess.Popen([sys.executable, "-c", program, path], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, start_new_session=True)
    try:
        if process.stdout.readline() != b"held\n":
            raise AssertionError(f"nobody could lock {path}")
        yield
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


class Traffic:
    """Messages of every kind, and how they are sent; the ledger says what became of them."""

    def __init__(self, world):
        self.world = world
        self.ledger = Ledger()
        self._ways = {}  # number: how PrivatePostfix.send() is called

    def message(self, sender, rcpt, subject, source=None, **options):
        entry = self.ledger.compose(sender, rcpt, subject, **options)
        self._ways[entry.number] = {"sender": sender, "recipients": rcpt, "source": source}
        return entry

    def outbound(self):
        return self.message(JANE, CUSTOMER, "outbound")

    def begin(self):
        """A conversation to answer to."""
        entry = self.outbound()
        self.post_all([entry], 250)
        sent = self.world.far.wait(entry.msgid).mail
        self.address = sent.address("Reply-To")
        self.own_id = sent.value("References")
        return self

    def ours(self):
        """Mail that needs the store."""
        return [self.outbound(),
                self.message(CUSTOMER, self.address, "by token", OUTSIDE),
                self.message(CUSTOMER, JANE, "by our id", OUTSIDE, References=self.own_id)]

    def others(self):
        """Mail that does not."""
        return [self.message(BOB, CUSTOMER, "no account", is_ours=False),
                self.message(STRANGER, BOB, "no id", OUTSIDE, is_ours=False),
                self.message(STRANGER, BOB, "an unknown id", OUTSIDE, is_ours=False,
                             In_Reply_To="<never-seen@example.com>")]

    def post(self, entry):
        """Send a message; return the reply's code, its enhanced code, the seconds it took."""
        texts = []

        def action():
            try:
                return self.world.postfix.send(entry.data, **self._ways[entry.number])
            except Exception as error:
                texts.append(getattr(error, "smtp_error", b""))
                raise
        started = time.monotonic()
        code = self.ledger.send(entry, action)
        return code, (texts or [b""])[0][:5], time.monotonic() - started

    def post_all(self, entries, wanted, seconds=None):
        """Send them all at once, see that each is answered so; return the longest time."""
        longest = 0
        with concurrent.futures.ThreadPoolExecutor(len(entries)) as pool:
            for entry, (code, status, took) in zip(entries, pool.map(self.post, entries)):
                found = code if isinstance(wanted, int) else (code, status)
                what = f"message {entry.number} ({entry.data[:200]!r}) after {took:.1f} s"
                if found != wanted:
                    raise AssertionError(f"{found}, not {wanted}: {what}\n{self._log()}")
                if seconds is not None and took > seconds:
                    raise AssertionError(f"answered too late: {what}\n{self._log()}")
                longest = max(longest, took)
        return longest

    def post_until_taken(self, entries, deadline=20):
        """Send again what was refused, as Postfix elsewhere would, until it is taken."""
        for entry in entries:
            wait_for(lambda entry=entry: self.post(entry)[0] == 250,
                     lambda: f"the milter to recover:\n{self._log()}", deadline)

    def check(self):
        """All arrived, once, and what is ours is recorded, once."""
        world = self.world
        world.postfix.wait_idle()
        places = {name: world.postfix.mailbox(name) for name in os.listdir(world.postfix.mailboxes)}
        account = self.ledger.check({"far": world.far, **places}, store=world.rejoinder.store)
        if account.delivered != account.sent:
            raise AssertionError(f"not all were taken in the end: {account}")

    def _log(self):
        return "\n".join(self.world.rejoinder.log().splitlines()[-20:])
