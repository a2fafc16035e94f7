"""The milter's life under mail: configuration and keys read again, and the end."""

import concurrent.futures
import os
import re
import smtplib
import time
import unittest

from fault import Fault, fault_environment
from private_postfix import OUTSIDE
from traffic import (
    BUSY, COMMIT_TIMEOUT_S, CONFIG, CUSTOMER, HOLD_FLOCK, JANE, Traffic, holding)
from wait import wait_for
from world import World

# What libmilter needs to stop (5 s) on a busy machine, beside what the messages under way need.
STOP_S = COMMIT_TIMEOUT_S + 15

SUPPORT = """
[account "Support"]
address = support@company.test
incoming = yes
"""

# Neither file is there.
TROUBLED = CONFIG + """
[account "Shop"]
address = shop@company.test
outgoing = yes
relay = smtp://smtp.example.org
username = shop
password_file = /nonexistent/shop.password

[account "Support"]
address = support@company.test
incoming = yes
acknowledge = /nonexistent/answer
"""

BROKEN = CONFIG.replace("commit_timeout = 2s", "commit_timeout = 2 fortnights").replace(
    "incoming = yes", "incomming = yes").replace("staff =", "stuff =")

# Of Postfix, while there is no milter.
NO_MILTER = (r"warning: (?:connect to Milter service |milter )unix:",)

# Each sync takes so much longer: a message whose end is reached is easy to meet.
SYNC_MS = 100
LONG_SYNC_MS = 1500

LOAD_THREADS = 8
LOAD_MESSAGES = 200


class ReloadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(CONFIG, sasl=False)
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.postfix, cls.rejoinder = cls.world.postfix, cls.world.rejoinder
        cls.pid = cls.rejoinder.pid

    def setUp(self):
        self.traffic = Traffic(self.world).begin()
        self.mark = len(self.rejoinder.log())

    def tearDown(self):
        self.assertEqual(self.rejoinder.pid, self.pid)
        self.world.check_logs(rejoinder=["^rejoinder-milter: error: "])

    def fresh_log(self):
        return self.rejoinder.log()[self.mark:]

    def reload(self, line):
        """Have it read everything again, and wait until it says so."""
        self.mark = len(self.rejoinder.log())
        self.rejoinder.reload()
        wait_for(lambda: re.search(line, self.fresh_log()),
                 lambda: f"{line!r} in the log:\n{self.fresh_log()}")

    def errors(self):
        return re.findall("^rejoinder-milter: error: (.*)$", self.fresh_log(), re.MULTILINE)

    def check_in_force(self):
        """What was in force still is: mail leaves by the account, and its answer comes home."""
        entries = self.traffic.ours()
        self.traffic.post_all(entries, 250)
        tagged = self.postfix.mailbox("jane").wait(entries[1].msgid)
        self.assertEqual(tagged.values("Rejoinder-Match"), ["token"])
        self.traffic.check()

    def to_support(self):
        """A message to the address of the account that comes later."""
        entry = self.traffic.message(CUSTOMER, "support@company.test", "help", OUTSIDE,
                                     is_ours=None)
        self.traffic.post_all([entry], 250)
        return self.postfix.mailbox("support").wait(entry.msgid).values("Rejoinder-Conversation")

    def test_a_new_account_is_there_after_a_reload(self):
        self.assertEqual(self.to_support(), [])
        self.rejoinder.write_config(CONFIG + SUPPORT)
        self.assertEqual(self.to_support(), [], "nobody has said that it is to be read")
        self.reload(r"info: read \S+ again")
        self.assertEqual(len(self.to_support()), 1)
        self.rejoinder.write_config(CONFIG)
        self.reload(r"info: read \S+ again")
        self.assertEqual(self.to_support(), [])
        self.check_in_force()

    def test_a_broken_configuration_keeps_the_old_one_and_names_every_mistake(self):
        self.rejoinder.write_config(BROKEN)
        self.reload("the configuration in force stays")
        self.rejoinder.write_config(CONFIG)
        errors = self.errors()
        for number, line in enumerate(open(self.rejoinder.config_file, encoding="utf-8"), 1):
            name = {"commit_timeout = 2s\n": "commit_timeout", "staff = *@company.test\n": "stuff",
                    "incoming = yes\n": "incomming"}.get(line)
            if name:
                self.assertTrue(any(f":{number}:" in error and name in error for error in errors),
                                f"line {number}, {name}: {errors}")
        self.check_in_force()

    def check_troubles(self):
        """The log names file and line of both files that are not there, and mail flows."""
        with open(self.rejoinder.config_file, encoding="utf-8") as stream:
            lines = stream.read().splitlines()
        for key in ("password_file", "acknowledge"):
            number = next(number for number, line in enumerate(lines, 1) if line.startswith(key))
            trouble = f"{self.rejoinder.config_file}:{number}: {key}: found \"/nonexistent/"
            self.assertEqual(sum(error.startswith(trouble) for error in self.errors()), 1,
                             self.fresh_log())
        self.check_in_force()
        self.assertEqual(len(self.to_support()), 1)

    def test_files_that_are_missing_stop_nothing_else(self):
        self.rejoinder.write_config(TROUBLED)
        self.reload(r"info: read \S+ again")
        self.check_troubles()
        self.rejoinder.stop()
        self.mark = len(self.rejoinder.log())
        self.rejoinder.start_milter()
        type(self).pid = self.rejoinder.pid
        self.check_troubles()
        errors = self.rejoinder.attempt("config").stderr.decode()
        self.rejoinder.run("config", code=78)
        for error in self.errors():
            self.assertIn(error, errors)
        for daemon in (self.rejoinder.fetcher, self.rejoinder.scheduler):
            daemon.start()
            self.assertIn(self.errors()[0], daemon.log())
            daemon.stop()
            daemon.problems()
        self.rejoinder.write_config(CONFIG)
        self.reload(r"info: read \S+ again")
        self.assertEqual(self.errors(), [])

    def test_a_configuration_that_is_gone_keeps_the_old_one(self):
        os.rename(self.rejoinder.config_file, self.rejoinder.config_file + ".away")
        self.reload("the configuration in force stays")
        os.rename(self.rejoinder.config_file + ".away", self.rejoinder.config_file)
        self.assertIn("No such file", " ".join(self.errors()))
        self.check_in_force()

    def test_keys_that_cannot_be_read_leave_those_in_force(self):
        away = self.rejoinder.keys + ".away"

        def nothing():
            pass

        def directory():
            os.mkdir(self.rejoinder.keys)

        def garbage():
            with open(self.rejoinder.keys, "w", encoding="ascii") as stream:
                stream.write("no key at all\n")

        def empty():
            open(self.rejoinder.keys, "w", encoding="ascii").close()

        for put in (nothing, directory, garbage, empty):
            with self.subTest(put.__name__):
                os.rename(self.rejoinder.keys, away)
                put()
                self.reload("the configuration in force stays")
                self.assertIn(self.rejoinder.keys, " ".join(self.errors()))
                if put is directory:
                    os.rmdir(self.rejoinder.keys)
                os.rename(away, self.rejoinder.keys)
                self.check_in_force()
        self.reload(r"info: read \S+ again")
        self.check_in_force()


    def test_no_core_file_holds_keys(self):
        with open(f"/proc/{self.pid}/limits", encoding="ascii") as stream:
            self.assertRegex(stream.read(), r"(?m)^Max core file size +0 +0 ")


class StopTest(unittest.TestCase):
    def setUp(self):
        self.world = World(CONFIG, sasl=False)
        self.addCleanup(self.world.stop)
        self.world.rejoinder.environment = fault_environment(
            path="/rejoinder.db", calls="sync", delay_ms=SYNC_MS)
        self.world.start()
        self.rejoinder = self.world.rejoinder
        self.traffic = Traffic(self.world).begin()

    def stop(self):
        """Stop the milter; return the seconds it took.  That it ends with 0 is seen to."""
        started = time.monotonic()
        self.rejoinder.stop()
        return time.monotonic() - started

    def test_it_drains_under_load_and_nothing_is_lost(self):
        traffic = self.traffic
        entries = [entry for _ in range(LOAD_MESSAGES // 6)
                   for entry in traffic.ours() + traffic.others()]
        with concurrent.futures.ThreadPoolExecutor(LOAD_THREADS) as pool:
            load = [pool.submit(traffic.post_until_taken, [entry], 60) for entry in entries]
            for part in (4, 2):
                wait_for(lambda part=part: sum(one.done() for one in load) > len(load) // part,
                         "some of the load")
                took = self.stop()
                print(f"stopped under load in {took:.1f} s")
                self.assertLess(took, STOP_S)
                self.rejoinder.start_milter()
            for one in load:
                one.result()
        refused = [entry for entry in entries if len(entry.replies) > 1]
        print(f"{len(entries)} messages, {len(refused)} of them sent again, "
              f"{traffic.ledger.unknown()} of unknown outcome")
        self.assertTrue(refused, "the stops met no message")
        traffic.check()
        self.world.check_logs(postfix=NO_MILTER, rejoinder=["status=deferred"])

    def test_a_message_that_is_being_recorded_is_answered_first(self):
        self.rejoinder.stop()
        fault = Fault(self.world.directory, "/rejoinder.db", calls="sync", delay_ms=LONG_SYNC_MS)
        self.rejoinder.environment = fault.environment
        self.rejoinder.write_config(CONFIG.replace("commit_timeout = 2s", "commit_timeout = 12s"))
        self.rejoinder.start_milter()
        self.traffic.begin()
        log_bytes = os.path.getsize(self.rejoinder.store + "-wal")
        fault.on()
        entry = self.traffic.outbound()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.traffic.post_all, [entry], 250)
            wait_for(lambda: os.path.getsize(self.rejoinder.store + "-wal") > log_bytes,
                     "the record to be written")
            print(f"stopped while a sync took {LONG_SYNC_MS / 1000} s: {self.stop():.1f} s")
            waiting.result()
        self.traffic.check()

    def test_it_stops_though_a_session_stays_open(self):
        smtp = smtplib.SMTP("127.0.0.1", self.world.postfix.smtp25, timeout=30)
        self.addCleanup(smtp.close)
        smtp.ehlo("client.example.org")
        smtp.mail(JANE)
        self.assertLess(self.stop(), STOP_S)

    def test_it_stops_though_the_write_lock_is_held(self):
        entries = self.traffic.ours()
        with holding(HOLD_FLOCK, self.rejoinder.store + "-lock"):
            self.traffic.post_all(entries, BUSY)
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                # libmilter reads nothing more at a stop: what had not come whole has no
                # answer of ours, and Postfix defers it with its own words.
                waiting = pool.submit(self.traffic.post_all, entries[:1], 451)
                wait_for(lambda: self.world.postfix.log().count(entries[0].msgid) >= 2,
                         "the message to wait for the lock")
                took = self.stop()
                waiting.result()
        print(f"stopped, the lock held, in {took:.1f} s")
        self.assertLess(took, STOP_S)
        self.rejoinder.start_milter()
        self.traffic.post_until_taken(entries)
        self.traffic.check()


if __name__ == "__main__":
    unittest.main()
