"""The milter while its store is in trouble.

Mail that needs us is deferred, in words and within the deadline; other mail
passes; and when the cause goes all recovers alone: the same messages, sent again, are
accepted, arrive once and are recorded once.
"""

import concurrent.futures
import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import time
import unittest

from fault import Fault
from rejoinder import is_long
from traffic import (
    BUSY, COMMIT_TIMEOUT_S, CONFIG, CUSTOMER, FULL, HOLD_FLOCK, HOLD_SQLITE, JANE, Traffic, holding)
from wait import wait_for
from world import World

SLACK_S = 4  # for a busy machine
# Debian's libmilter has a pool of threads, and while those of a burst block in it at
# the end of their messages the others of that burst wait for one.
BURST_S = COMMIT_TIMEOUT_S + SLACK_S
HELD_S = 30 if is_long() else 5


class TroubleCase(unittest.TestCase):
    """A world a class, and how a trouble is gone through."""

    @classmethod
    def setUpClass(cls):
        cls.world = World(CONFIG, sasl=False)
        cls.addClassCleanup(cls.world.stop)
        cls.postfix, cls.rejoinder = cls.world.postfix, cls.world.rejoinder
        cls.fault = Fault(cls.world.directory, "/rejoinder.db")
        cls.rejoinder.environment = cls.fault.environment
        cls.world.start()
        cls.pid = cls.rejoinder.pid

    def setUp(self):
        self.addCleanup(self.fault.off)
        self.traffic = Traffic(self.world).begin()
        self.rejoinder.problems()
        self.mark = len(self.rejoinder.log()), len(self.postfix.log())

    def refusals(self):
        """Queue ids refused since setUp: as Postfix says them, as our log does with reasons."""
        ours, theirs = self.rejoinder.log()[self.mark[0]:], self.postfix.log()[self.mark[1]:]
        told = re.findall(r" (\w+): milter-reject: END-OF-MESSAGE ", theirs)
        return told, re.findall(r"^rejoinder-milter: warning: (\w+): .*status=deferred, "
                                r"reason=(.*)$", ours, re.MULTILINE)

    def check_told(self, reason):
        """Each refusal stands in our log once, with the cause in words."""
        told, reasons = self.refusals()
        self.assertTrue(told)
        self.assertEqual(sorted(told), sorted(queue_id for queue_id, _ in reasons))
        for _, text in reasons:
            self.assertRegex(text, reason)

    def check_quiet(self, *allowed):
        self.assertEqual(self.rejoinder.pid, self.pid)
        self.rejoinder.check_log("status=deferred, reason=", *allowed)
        self.postfix.check_log(r"milter-reject:")

    def go_through(self, wanted, reason, seconds, allowed=()):
        """What is refused and what passes while a trouble lasts."""
        ours = self.traffic.ours()
        self.traffic.post_all(ours + [self.traffic.outbound() for _ in range(5)],
                              wanted, seconds)
        refused = [entry for entry in self.traffic.ledger.entries.values() if entry.is_refused]
        self.traffic.post_all(self.traffic.others(), 250, seconds)
        self.traffic.post_all(ours, wanted, seconds)
        self.check_told(reason)
        self.check_quiet(*allowed)
        return refused


class StoreTest(TroubleCase):
    def fail_with(self, errno, calls, wanted, reason):
        self.fault.on(errno, calls)
        refused = self.go_through(wanted, reason, SLACK_S,
                                  ("cannot checkpoint", "passes without being matched"))
        self.fault.off()
        self.traffic.post_until_taken(refused)
        self.traffic.check()

    def test_disk_full(self):
        self.fail_with("ENOSPC", "write,allocate,truncate", FULL,
                       r"^cannot record a message in \S+: disk is full$|"
                       r"^cannot open the store in \S+: disk is full$")

    def test_disk_full_at_the_sync(self):
        self.fail_with("ENOSPC", "sync", FULL, "disk is full$")

    def test_quota_used_up(self):
        self.fail_with("EDQUOT", "write", FULL, "disk is full$")

    def test_read_only(self):
        self.fail_with("EROFS", "write,sync,truncate,open,allocate", BUSY,
                       r"[Rr]ead-only file system|readonly database")

    def test_input_output_error_at_a_write(self):
        self.fail_with("EIO", "write", BUSY, "Input/output error$")

    def test_input_output_error_at_the_sync(self):
        self.fail_with("EIO", "sync", BUSY, "Input/output error$")

    def test_input_output_error_at_a_read(self):
        """What is known already may do without a read, what is not may not."""
        self.fault.on("EIO", "read,write")
        # SQLite takes what it cannot read for damage.
        refused = self.go_through(BUSY, "Input/output error$|is malformed$", SLACK_S,
                                  ("passes without being matched", "cannot checkpoint"))
        self.fault.on("EIO", "read")
        self.traffic.post_all(refused, BUSY, SLACK_S)
        self.fault.off()
        self.traffic.post_until_taken(refused)
        self.traffic.check()

    def test_sendmail_is_tried_again_by_itself(self):
        self.fault.on("ENOSPC", "write")
        entry = self.traffic.outbound()
        self.postfix.sendmail(entry.data, "-f", JANE, CUSTOMER)
        wait_for(lambda: self.refusals()[1], "the first refusal")
        self.fault.off()
        # pickup(8) looks again when something new comes, or a minute later.
        self.postfix.sendmail(self.traffic.outbound().data, "-f", JANE, CUSTOMER)
        self.world.far.wait(entry.msgid)
        self.check_told("disk is full$")
        self.traffic.check()

    def test_mail_that_waits_for_the_lock_lets_other_mail_pass(self):
        ours, others = [self.traffic.outbound() for _ in range(20)], self.traffic.others()
        with holding(HOLD_FLOCK, self.rejoinder.store + "-lock"), \
                concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.traffic.post_all, ours, BUSY, BURST_S)
            worst = self.traffic.post_all(others, 250, BURST_S)
            print(f"beside {len(ours)} that wait {COMMIT_TIMEOUT_S} s for the lock, other mail "
                  f"took up to {worst:.1f} s, they themselves {waiting.result():.1f} s")
        self.traffic.post_until_taken(ours)

    def hold(self, program, path, reason):
        with holding(program, path):
            ends = time.monotonic() + HELD_S
            refused = self.go_through(BUSY, reason, BURST_S)
            while time.monotonic() < ends:
                self.traffic.post_all(refused, BUSY, BURST_S)
        self.traffic.post_until_taken(refused)
        self.traffic.check()

    def test_the_write_lock_is_held(self):
        self.hold(HOLD_FLOCK, self.rejoinder.store + "-lock", "lock is busy|is busy$|in time")

    def test_another_program_writes_without_end(self):
        self.hold(HOLD_SQLITE, self.rejoinder.store, "database is locked|is busy$|in time")

    # The files

    def unlink(self, *endings):
        for ending in endings:
            path = self.rejoinder.store + ending
            if os.path.exists(path):
                os.unlink(path)

    ANEW = "was gone, and a new one is made"

    def check_notices(self, *more):
        """The next messages are recorded in the file that is there now; more: what is logged too."""
        entries = self.traffic.ours() + self.traffic.others()
        self.traffic.post_until_taken(entries)
        rows = self.traffic.ledger.rows(self.rejoinder.store)
        for entry in entries:
            self.assertEqual(rows[entry.number], 1 if entry.is_ours else 0, entry.data)
        self.assertNotIn("(deleted)", " ".join(self.open_files()), "the old file is still open")
        self.rejoinder.wait_log("was replaced; opening it again|was removed or replaced")
        # What was recorded before went with the file.
        for entry in list(self.traffic.ledger.entries.values()):
            if entry not in entries:
                del self.traffic.ledger.entries[entry.number]
        for line in more:
            self.rejoinder.wait_log(line)
        self.check_quiet("was replaced; opening it again", *more)

    def open_files(self):
        found = []
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"/proc/{self.pid}/fd/{name}"))
        return [path for path in found if "rejoinder.db" in path]

    def test_the_files_are_unlinked(self):
        self.unlink("", "-wal", "-shm", "-lock")
        self.check_notices(self.ANEW)

    def test_only_the_database_file_is_unlinked(self):
        self.unlink("")
        self.check_notices(self.ANEW)

    def test_the_database_is_replaced_by_a_backup(self):
        backup = self.rejoinder.store + "-backup"
        with contextlib.closing(sqlite3.connect(f"file:{self.rejoinder.store}?mode=ro",
                                                uri=True)) as source:
            source.execute("VACUUM INTO ?", (backup,))
        lost = self.traffic.outbound()
        self.traffic.post_all([lost], 250)
        self.unlink("-wal", "-shm")
        os.rename(backup, self.rejoinder.store)
        self.assertEqual(self.traffic.ledger.rows(self.rejoinder.store)[lost.number], 0)
        self.check_notices()

    def test_the_directory_is_moved_away_and_comes_back(self):
        directory = os.path.dirname(self.rejoinder.store)
        refused = self.traffic.ours()
        os.rename(directory, directory + ".away")
        try:
            self.traffic.post_all(refused, BUSY, COMMIT_TIMEOUT_S + SLACK_S)
            self.traffic.post_all(self.traffic.others(), 250, SLACK_S)
        finally:
            os.rename(directory + ".away", directory)
        self.check_told("No such file or directory|removed or replaced|no such file")
        self.traffic.post_until_taken(refused)
        self.traffic.check()
        self.check_quiet("passes without being matched", "was replaced; opening it again")


class StartTest(unittest.TestCase):
    """What is missing when the milter starts, and comes later."""

    def setUp(self):
        self.world = World(CONFIG, sasl=False)
        self.addCleanup(self.world.stop)
        self.postfix, self.rejoinder = self.world.postfix, self.world.rejoinder
        self.directory = os.path.join(self.world.directory, "store")
        self.rejoinder.store = os.path.join(self.directory, "rejoinder.db")
        self.traffic = Traffic(self.world)

    def check_recovers(self, wanted, mend):
        """Refused before, taken after."""
        refused = [self.traffic.outbound() for _ in range(3)]
        self.traffic.post_all(refused, wanted, COMMIT_TIMEOUT_S + SLACK_S)
        self.traffic.post_all(self.traffic.others(), 250, COMMIT_TIMEOUT_S + SLACK_S)
        mend()
        self.traffic.post_until_taken(refused)
        self.traffic.begin()
        self.traffic.post_all(self.traffic.ours(), 250)
        self.traffic.check()

    def test_the_directory_of_the_store_appears_later(self):
        self.world.start()
        self.rejoinder.wait_log("error: .*No such file or directory; messages that need it")
        self.check_recovers(BUSY, lambda: os.mkdir(self.directory))

    def test_the_store_cannot_be_read_at_first(self):
        os.mkdir(self.directory)
        fault = Fault(self.world.directory, "/rejoinder.db")
        fault.on("EIO", "read,write")
        self.rejoinder.environment = fault.environment
        self.world.start()
        self.check_recovers(BUSY, fault.off)

    def test_a_disk_that_is_really_full(self):
        os.mkdir(self.directory)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", self.directory],
                                 capture_output=True)
        if mounted.returncode != 0:
            self.skipTest(f"no tmpfs may be mounted here: {mounted.stderr.decode().strip()}")
        # After the milter has stopped, before the directory is removed.
        self.addCleanup(subprocess.run, ["umount", self.directory], check=True)
        self.addCleanup(self.rejoinder.stop)
        self.world.start()
        self.traffic.begin()
        filler = os.path.join(self.directory, "filler")
        with open(filler, "wb", buffering=0) as stream:
            with contextlib.suppress(OSError):
                while True:
                    stream.write(b"x" * 1024)
        self.assertEqual(shutil.disk_usage(self.directory).free, 0)
        self.check_recovers(FULL, lambda: os.unlink(filler))
        self.rejoinder.wait_log("reason=cannot record a message in .*: disk is full\n")


if __name__ == "__main__":
    unittest.main()
