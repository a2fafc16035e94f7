"""kill -9 of the fetcher at random moments, with a real Dovecot, a real Postfix and the milter."""

import contextlib
import itertools
import os
import random
import re
import shutil
import sqlite3
import time
import unittest

from ledger import Ledger
from rejoinder import Rejoinder, is_long
from wait import wait_for
from world import World

USER = "external@provider.test"
PASSWORD = "external-secret"
CUSTOMER = "customer@example.org"

CONFIG = """\
[rejoinder]
domains = company.test
staff = @company.test
ca_file = {ca_file}

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes

[account "Sales"]
address = sales@company.test
incoming = yes
pop3 = pop3s://localhost:{port}
username = {user}
password_command = echo {password}
leave = no
first_fetch = all
poll = 10s
"""

MESSAGES, KILLS, WAVES = (1000, 100, 10) if is_long() else (150, 8, 1)
WINDOW = 64  # commands that the fetcher may be ahead: in flight at a kill are never more
TAIL = 0.3  # the share of kills that fall when all is fetched: into DELE and QUIT
TAIL_S = 0.15
DEADLINE = 60

# What is said by who loses the other on the way.
POSTFIX_SAYS = (r"warning: (?:connect to Milter service |milter )unix:",
                r"warning: bogus file name: incoming/")
# Postfix was stopped between a message's end and its edits.
MILTER_SAYS = ("status=deferred, reason=Postfix did not take every edit$",)
FETCHER_SAYS = (r"fetch Sales: .*; tried again in \d+ s",)


def has_clients(port):
    """Has a server on this port a connection that it has not closed yet?"""
    with open("/proc/net/tcp", encoding="ascii") as stream:
        rows = [line.split() for line in stream.readlines()[1:]]
    return any(int(row[1].partition(":")[2], 16) == port and row[3] in ("01", "03", "08")
               for row in rows)


class FetchKillTest(unittest.TestCase):
    def setUp(self):
        seed = int(os.environ.get("REJOINDER_SEED") or random.randrange(2**32))
        print(f"measured: REJOINDER_SEED={seed}")
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.recorded = set()  # UIDLs; the store forgets them when they left the server
        self.in_flight = []  # at each kill
        self.repeats = []  # until each kill
        self.world = World(None, postfix={"milters": True}, inboxes={USER: PASSWORD})
        self.addCleanup(self.world.stop)
        self.postfix = self.world.postfix
        self.world.rejoinder = self.rejoinder = Rejoinder(
            os.path.join(self.world.directory, "rejoinder"), self.postfix.milter_socket,
            CONFIG.format(ca_file=self.world.ca_file, port=self.world.dovecot.pop3s, user=USER,
                          password=PASSWORD), submit_port=self.postfix.submit)
        self.world.start()
        self.fetcher = self.rejoinder.fetcher
        self.inbox = self.world.dovecot.inbox(USER)

    # The scene

    def fill(self, count):
        for _ in range(count):
            entry = self.ledger.compose(CUSTOMER, USER, "Order", Return_Path=f"<{CUSTOMER}>")
            self.inbox.deliver(entry.data.replace(b"\r\n", b"\n"))

    def read(self, query):
        with contextlib.closing(sqlite3.connect(f"file:{self.rejoinder.store}?mode=ro", uri=True,
                                                timeout=10)) as database:
            return database.execute(query).fetchall()

    def accepted(self):
        """How many messages the milter has recorded, repeats left out."""
        return self.read("SELECT count(*) FROM message")[0][0]

    def is_empty(self):
        return not any(os.listdir(os.path.join(self.inbox.path, name)) for name in ("new", "cur"))

    def look_what_is_recorded(self):
        self.recorded |= {uidl for (uidl,) in self.read("SELECT uidl FROM uidl")}

    # The kills

    def wait_moment(self, kills):
        """Until a random moment, such that so many of them last for all that is left."""
        tail = int(kills * TAIL)
        left = len(self.ledger.entries) - self.accepted()
        if left > 0:
            goal = self.accepted() + self.random.randrange(1 + 2 * left // max(kills - tail, 1))
            wait_for(lambda: self.accepted() >= goal or self.is_empty(), "progress", DEADLINE)
            self.wait_a_moment(0.02)
        else:
            self.wait_a_moment(TAIL_S)

    def wait_a_moment(self, most_s):
        moment = time.monotonic() + self.random.uniform(0, most_s)
        wait_for(lambda: time.monotonic() >= moment, "the moment to kill")

    def kill(self):
        """Kill it, and count what Postfix took and no UIDL is recorded of."""
        self.fetcher.kill()
        wait_for(lambda: not has_clients(self.postfix.submit), "Postfix to notice")
        self.look_what_is_recorded()
        self.in_flight.append(self.accepted() - len(self.recorded))
        deliveries = self.read("SELECT count(*) FROM delivery")[0][0]
        self.repeats.append(deliveries - self.accepted())

    def finish(self):
        """The last fetcher is left alone."""
        if not self.fetcher.is_running():
            self.fetcher.start()
        wait_for(self.is_empty, "an empty inbox", DEADLINE)
        self.fetcher.wait_log(r"fetch Sales: new=\d+ .* left=0")
        self.fetcher.stop()
        self.postfix.wait_idle()

    def check(self, more_twice=0):
        allowed = sum(self.in_flight) + more_twice
        account = self.ledger.check(
            {"sales": self.postfix.mailbox("sales")}, {"inbox": self.inbox},
            store=self.rejoinder.store, duplicates_allowed=allowed)
        print(f"measured: {len(self.in_flight)} kills of {account.sent} messages' fetch, "
              f"{account.duplicates} came twice, {allowed} were in flight "
              f"(at one kill at most {max(self.in_flight)})")
        self.assertEqual((account.delivered, account.on_server),
                         (len(self.ledger.entries), 0))
        self.assertGreater(sum(self.in_flight), 0, "no kill hit the middle of anything")
        self.assertLessEqual(max(self.in_flight), WINDOW)

    # The tests

    def test_kills(self):
        for wave in range(WAVES):
            self.fill(MESSAGES // WAVES)
            # What an earlier wave did not use, because its QUIT came through, the next does.
            kills = KILLS * (wave + 1) // WAVES - len(self.in_flight)
            for left in range(kills, 0, -1):
                if self.is_empty() and wave < WAVES - 1:
                    break
                self.fetcher.start()
                self.wait_moment(left)
                self.kill()
            self.fetcher.start()
            wait_for(self.is_empty, "an empty inbox", DEADLINE)
            self.look_what_is_recorded()
            if wave < WAVES - 1:
                self.fetcher.kill()
        self.assertEqual(len(self.in_flight), KILLS)
        self.finish()
        self.check()
        for number, (earlier, later) in enumerate(itertools.pairwise(self.repeats)):
            self.assertLessEqual(later - earlier, self.in_flight[number],
                                 f"more came twice after the {number + 1}. kill than was in flight")
        self.world.check_logs()

    def test_kills_while_postfix_and_the_milter_come_and_go(self):
        others = ((self.postfix.stop, self.start_postfix),
                  (self.rejoinder.milter.kill, self.rejoinder.start_milter))
        for stop, start in others:
            for is_killed in (False, True):
                self.go_away(stop, start, is_killed)
        self.finish()
        # What Postfix took and could not say any more: one message each time.
        self.check(more_twice=4)
        self.world.check_logs(POSTFIX_SAYS, FETCHER_SAYS + MILTER_SAYS)

    def start_postfix(self):
        # Of a file that the stop left half made postsuper complains as user postfix, and
        # nothing starts when it cannot.
        shutil.chown(self.postfix.log_file, "postfix")
        self.postfix.start()

    def go_away(self, stop, start, is_killed):
        """In the middle of a fetch one goes, and comes back; the fetcher is killed too."""
        self.fill(80)
        if not self.fetcher.is_running():
            self.fetcher.start()
        self.wait_moment(6)
        warnings = self.count_warnings()
        stop()
        if is_killed:
            self.wait_a_moment(TAIL_S)
            self.kill()
            start()
            self.fetcher.start()
        else:
            wait_for(lambda: self.count_warnings() > warnings, "a warning", DEADLINE)
            start()
        seen = self.accepted()
        wait_for(lambda: self.accepted() > seen, "it to go on by itself", DEADLINE)
        self.wait_moment(6)
        self.kill()

    def count_warnings(self):
        return len(re.findall(FETCHER_SAYS[0], self.fetcher.log()))


if __name__ == "__main__":
    unittest.main()
