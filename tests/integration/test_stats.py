"""rejoinder stats: what it counts, against a slow and obvious count, and how it shows it."""

import collections
import csv
import fcntl
import io
import os
import pty
import random
import re
import shutil
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from rejoinder import Rejoinder
from scheduler import add_rows

CONFIG = """\
[rejoinder]
domains = company.test
staff = @company.test

[calendar "Office"]
zone = Europe/Berlin
monday = 09:00-17:00
tuesday = 09:00-17:00

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
alert = 30m to owner
alert = 4h to owner

[account "Support"]
address = support@company.test
incoming = yes
calendar = Office
alert = 1h to owner
alert = 2h business to owner

[account "Jobs"]
enabled = no
address = jobs@company.test
incoming = yes
alert = 1d to owner
"""

LEVELS = {"Replies": [(1800, False), (14400, False)], "Support": [(3600, False), (7200, True)]}
ACCOUNTS = ("Replies", "Support", "Jobs", "Old", None)  # as they are to be listed
SPELLINGS = {"Replies": ("Replies", "replies"), "Support": ("SUPPORT", "Support")}

DAY_S = 86400
PERCENTS = (50, 90, 95, 99)
BARS = (60, 120, 300, 900, 1800, 3600, 7200, 14400, 28800, DAY_S, 2 * DAY_S, 4 * DAY_S, 7 * DAY_S,
        14 * DAY_S, 30 * DAY_S, None)

Wait = collections.namedtuple("Wait", "account started ended reason wall business")


def percentile(durations, percent):
    """The shortest that so many percent of them do not exceed."""
    for one in sorted(durations):
        if sum(other <= one for other in durations) * 100 >= percent * len(durations):
            return one
    return None


def expected_durations(durations):
    bars, rest = [], list(durations)
    for end in BARS:
        bars.append({"up_to_seconds": end,
                     "count": sum(end is None or one <= end for one in rest)})
        rest = [one for one in rest if end is not None and one > end]
    return {"count": len(durations), "histogram": bars,
            **{f"p{percent}": percentile(durations, percent) for percent in PERCENTS}}


class StatsTestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="rejoinder-stats-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.rejoinder = Rejoinder(cls.directory, cls.directory + "/milter.sock", CONFIG)
        cls.rejoinder.start()  # makes the store
        cls.rejoinder.stop()

    def setUp(self):
        add_rows(self.rejoinder.store, "DELETE FROM conversation WHERE id > ?", [(0,)])
        add_rows(self.rejoinder.store, "DELETE FROM wait WHERE id > ?", [(0,)])
        self.now = int(time.time())
        self.ids = iter(range(1, 10**9))

    def add(self, waits):
        conversations, rows = [], []
        for wait in waits:
            number = next(self.ids)
            conversations.append((number, wait.started, wait.account))
            rows.append((number, wait.started, wait.ended, wait.reason, wait.wall, wait.business))
        add_rows(self.rejoinder.store, "INSERT INTO conversation (id, created_at, updated_at,"
                 " account) VALUES (?1, ?2, ?2, ?3)", conversations)
        add_rows(self.rejoinder.store, "INSERT INTO wait (id, conversation, customer, started_at,"
                 " started_by, ended_at, end_reason, wall_s, business_s)"
                 " VALUES (?1, ?1, 'customer@example.org', ?2, 1, ?3, ?4, ?5, ?6)", rows)

    def answered(self, account, wall, business=None, ago=60):
        """Ended `ago` seconds before now."""
        ended = self.now - ago
        return Wait(account, ended - wall, ended, "answered", wall, business)

    def running(self, account, since):
        return Wait(account, self.now - since, None, None, None, None)


class NumbersTest(StatsTestCase):
    def random_wait(self, source):
        account = source.choice(ACCOUNTS)
        spelling = source.choice(SPELLINGS.get(account, (account,)))
        wall = source.choice((0, 1, 60, 61, 1800, int(source.lognormvariate(8, 2.5))))
        kind = source.random()
        if kind < 0.1:
            return self.running(spelling, wall)
        # Many end within the same second, and some on the second from which on they count.
        ended = self.now - source.choice((60, 7 * DAY_S, source.randrange(90 * DAY_S)))
        if kind < 0.2:
            return Wait(spelling, ended - wall, ended, "closed", wall, None)
        business = wall // 3 if account == "Support" and source.random() < 0.8 else None
        return Wait(spelling, ended - wall, ended, "answered", wall, business)

    def check(self, found, waits, now):
        waits = list(waits)
        answered = [wait for wait in waits if wait.reason == "answered"]
        started = [wait.started for wait in waits if wait.ended is None]
        self.assertEqual(found["ended"], sum(wait.ended is not None for wait in waits))
        self.assertEqual(found["answered"], len(answered))
        self.assertEqual(found["closed"], sum(wait.reason == "closed" for wait in waits))
        self.assertEqual(found["wall_seconds"],
                         expected_durations([wait.wall for wait in answered]))
        self.assertEqual(found["business_seconds"], expected_durations(
            [wait.business for wait in answered if wait.business is not None]))
        self.assertEqual(found["waiting"], len(started))
        self.assertEqual(found["waiting_since"], time.strftime(
            "%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(started))) if started else None)
        self.assertEqual(found["waiting_seconds"], now - min(started) if started else None)

    def check_levels(self, found, waits):
        answered = [wait for wait in waits if wait.reason == "answered"]
        levels = []
        for after, is_business in LEVELS.get(found["account"], []):
            durations = [wait.business if is_business else wait.wall for wait in answered]
            durations = [one for one in durations if one is not None]
            within = sum(one <= after for one in durations)
            levels.append({"after_seconds": after, "business": is_business,
                           "count": len(durations), "within": within,
                           "share": within / len(durations) if durations else None})
        self.assertEqual(found["levels"], levels)

    def test_all_numbers_are_those_of_a_slow_count(self):
        seed = int(os.environ.get("REJOINDER_SEED") or random.randrange(2**32))
        print(f"REJOINDER_SEED={seed}")
        source = random.Random(seed)
        waits = [self.random_wait(source) for _ in range(700)]
        self.add(waits)
        for argument, seconds in (("7d", 7 * DAY_S), (None, 30 * DAY_S), ("2h", 7200)):
            options = ("--since", argument) if argument else ()
            found = self.rejoinder.json("stats", *options)
            until = int(time.time())
            now = time.strptime(found["until"], "%Y-%m-%dT%H:%M:%SZ")
            now = int(time.mktime(now)) - time.timezone
            self.assertIn(now, range(self.now, until + 1))
            since = now - seconds
            counted = [wait for wait in waits if wait.ended is None or wait.ended >= since]
            self.assertEqual([one["account"] for one in found["accounts"]], list(ACCOUNTS))
            for one in found["accounts"]:
                own = [wait for wait in counted
                       if (wait.account or "").lower() == (one["account"] or "").lower()]
                with self.subTest(since=argument, account=one["account"]):
                    self.check(one, own, now)
                    self.check_levels(one, own)
                    self.assertEqual(one["configured"],
                                     one["account"] in ("Replies", "Support", "Jobs"))
            with self.subTest(since=argument, account="all"):
                self.check(found["all"], counted, now)

    def test_one_account_in_any_case(self):
        self.add([self.answered("Replies", 10), self.answered("replies", 30),
                  self.answered("Support", 999), self.running("Old", 5), self.running(None, 5)])
        for name, listed, ended in (("rEPLIES", "Replies", 2), ("old", "Old", 0)):
            found = self.rejoinder.json("stats", "--account", name)
            self.assertEqual([one["account"] for one in found["accounts"]], [listed])
            self.assertEqual(found["all"]["ended"], ended)
        self.assertEqual(self.rejoinder.json("stats", "-a", "Replies")["all"]["wall_seconds"]["p99"],
                         30)

    def test_nobody_waits_in_a_closed_conversation(self):
        self.add([self.running("Replies", 100)])
        add_rows(self.rejoinder.store, "UPDATE conversation SET state = ?", [("closed",)])
        self.rejoinder.run("stats", code=1)


class ArgumentsTest(StatsTestCase):
    def test_since_takes_what_other_verbs_take(self):
        midnight = time.mktime(time.strptime("2026-03-29", "%Y-%m-%d"))
        self.now = int(midnight) + 3600
        self.add([self.answered("Replies", 5, ago=ago) for ago in (0, 3599, 3600, 3601)])
        for since, ended in (("2026-03-29", 3), ("2026-03-29T00:01", 1), ("2026-03-29 00:00", 3),
                             ("2026-03-28", 4), ("3650d", 4), ("12h", None), ("0m", None)):
            with self.subTest(since=since):
                if ended is None:
                    self.rejoinder.run("stats", "--since", since, code=1)
                else:
                    found = self.rejoinder.json("stats", "--since", since)
                    self.assertEqual(found["all"]["ended"], ended)
        self.assertRegex(self.rejoinder.run("stats", "--since", "2026-03-29"),
                         r"Ended +3 since 2026-03-29 00:00:00: 3 answered, 0 closed\n")

    def test_what_it_does_not_understand_is_wrong_usage(self):
        for wrong in (["--since", "yesterday"], ["--since", ""], ["--since", "2026-02-31"],
                      ["--since", "2999-01-01"], ["--since", "3651d"], ["--since", "-3d"],
                      ["--since", "99999999999999999999d"], ["--json", "--csv"], ["Replies"],
                      ["--since"]):
            with self.subTest(wrong=wrong):
                done = self.rejoinder.attempt("stats", *wrong)
                self.assertEqual(done.returncode, 64)
                self.assertRegex(done.stderr.decode(), r"\Arejoinder(?: stats)?: [^\n]+\n")
                self.assertEqual(done.stdout, b"")

    def test_nothing_to_show_is_said(self):
        for options, reason in (([], "no wait ended since .*, and nobody waits"),
                                (["-a", "jobs"], 'account "Jobs" ended .* nobody waits\n'),
                                (["-a", "x"], 'account "x" .*configuration names no such account')):
            with self.subTest(options=options):
                done = self.rejoinder.attempt("stats", *options)
                self.assertEqual((done.returncode, done.stdout), (1, b""))
                self.assertRegex(done.stderr.decode(), reason)
        self.assertEqual(self.rejoinder.run("stats", "--csv", code=1).count("\r\n"), 2)
        self.assertIn('"accounts": []', self.rejoinder.run("stats", "--json", code=1))

    def test_no_store_is_temporary(self):
        other = Rejoinder(self.directory + "/other", self.rejoinder.socket_path, CONFIG)
        other.write_config(CONFIG)
        done = other.attempt("stats")
        self.assertEqual(done.returncode, 75)
        self.assertRegex(done.stderr.decode(), r"\Arejoinder: .*there is no store[^\n]*\n\Z")


class CsvTest(StatsTestCase):
    NAMES = ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", 'He said "no", twice', "a=b", "O'Neil",
             "Grüße", "two\r\nlines", "\t=1")

    def test_each_row_is_what_json_says(self):
        self.add([self.answered("Support", 100 * number, 50 * number) for number in range(1, 51)]
                 + [self.running("Support", 7200), self.answered("Old", 3)])
        output = self.rejoinder.run("stats", "--csv")
        self.assertEqual(output.count("\n"), output.count("\r\n"))
        rows = list(csv.DictReader(io.StringIO(output, newline="")))
        self.assertEqual([(row["scope"], row["account"], row["configured"]) for row in rows],
                         [("account", "Support", "yes"), ("account", "Old", "no"), ("all", "", "")])
        document = self.rejoinder.json("stats")
        for row, found in zip(rows, document["accounts"] + [document["all"]]):
            for name in ("ended", "answered", "closed", "waiting"):
                self.assertEqual(row[name], str(found[name]))
            self.assertEqual(row["waiting_since"], found["waiting_since"] or "")
            for kind in ("wall", "business"):
                for percent in PERCENTS:
                    value = found[f"{kind}_seconds"][f"p{percent}"]
                    self.assertEqual(row[f"{kind}_p{percent}_seconds"],
                                     "" if value is None else str(value))
        self.assertEqual(rows[0]["levels"], "1h 72.0 %; 2h business 100.0 %")
        self.assertIn(int(rows[0]["waiting_seconds"]), range(7200, 7300))
        self.assertEqual(rows[1]["waiting_seconds"], "")

    def test_no_name_is_a_formula_and_none_breaks_a_row(self):
        self.add([self.answered(name, 1) for name in self.NAMES])
        output = self.rejoinder.run("stats", "--csv")
        rows = list(csv.reader(io.StringIO(output, newline=""), strict=True))
        self.assertEqual({len(row) for row in rows}, {len(rows[0])})
        names = [row[1] for row in rows[1:-1]]
        wanted = [re.sub(r"^(\s*[=+@-])", r"'\1", name) for name in self.NAMES]
        wanted = [re.sub(r"[\t\r\n]", " ", name) for name in wanted]
        self.assertEqual(sorted(names), sorted(wanted))
        self.assertIn('account,"He said ""no"", twice",no,', output)


class TextTest(StatsTestCase):
    def setUp(self):
        super().setUp()
        self.add([self.answered("Support", 100, 50)] * 3
                 + [self.answered("Support", 1700, 800)] * 640
                 + [self.answered("Support", 7000)] * 10
                 + [self.answered("Support", 40 * DAY_S, 4 * DAY_S)]
                 + [Wait("Support", self.now - 70, self.now - 60, "closed", 10, 5),
                    self.running("Support", 7500), self.running("Support", 20)])

    def in_terminal(self, columns, **environment):
        """What it prints on a terminal of this width."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        variables = {name: value for name, value in os.environ.items()
                     if name != "LANG" and not name.startswith("LC_")}
        process = subprocess.Popen(
            [self.rejoinder.program("rejoinder"), "-c", self.rejoinder.config_file, "stats"],
            stdin=subprocess.DEVNULL, stdout=theirs, env={**variables, **environment})
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:  # the far end was closed
            pass
        self.assertEqual(process.wait(30), 0)
        return output.decode().replace("\r\n", "\n")

    def test_plain_text_says_all(self):
        output = self.rejoinder.run("stats")
        lines = output.splitlines()
        self.assertTrue(output.isascii())
        self.assertRegex(output, r"\AAccount +Support\n"
                                 r"Ended +655 since [-\d]{10} [:\d]{8}: 654 answered, 1 closed\n"
                                 r"Waiting +2, the longest since [-\d]{10} [:\d]{8} \(2h \dm\)\n"
                                 r"Wall time +p50 28m, p90 28m, p95 28m, p99 1h 56m\n"
                                 r"Business time +p50 13m, p90 13m, p95 13m, p99 13m \(of 644\)\n"
                                 r"Within +1h: 643 of 654 \(98\.3 %\)\n"
                                 r" +2h business: 643 of 644 \(99\.8 %\)\n"
                                 r"\n")
        bars = lines[lines.index("") + 1:]
        self.assertEqual([re.sub(" +#* *", " ", line).strip() for line in bars],
                         ["up to 2m 3", "up to 5m 0", "up to 15m 0", "up to 30m 640", "up to 1h 0",
                          "up to 2h 10", "up to 4h 0", "up to 8h 0", "up to 1d 0", "up to 2d 0",
                          "up to 4d 0", "up to 7d 0", "up to 14d 0", "up to 30d 0", "over 30d 1"])
        lengths = [line.count("#") for line in bars]
        self.assertEqual(lengths, [1, 0, 0, 60, 0, 1] + [0] * 8 + [1])
        self.assertEqual(max(map(len, lines)), 79)

    def test_a_terminal_of_utf_8_has_bars_as_wide_as_it_is(self):
        for columns, width in ((120, 100), (40, 20), (20, 10)):
            with self.subTest(columns=columns):
                output = self.in_terminal(columns, LANG="C.UTF-8")
                bars = re.findall("[▏▎▍▌▋▊▉█]+", output)
                self.assertEqual(bars[1], "█" * width)
                self.assertEqual(bars[0], "▏" if width < 50 else "▎▍▌"[3 * width * 8 // 640 - 2])
                self.assertNotIn("#", output)

    def test_other_terminals_have_ascii(self):
        for environment in ({}, {"LANG": "C"}, {"LANG": "C.UTF-8", "LC_ALL": "POSIX"},
                            {"LANG": "xx_XX.UTF-8"}):
            with self.subTest(environment=environment):
                output = self.in_terminal(60, **environment)
                self.assertTrue(output.isascii())
                self.assertIn("  up to 30m    " + "#" * 40 + " 640\n", output)

    def test_more_accounts_have_a_sum_and_names_are_clean(self):
        self.add([self.answered("Old\x1b[31m", 60), self.running(None, 60),
                  self.answered("Jobs", 60)])
        output = self.rejoinder.run("stats")
        self.assertNotIn("\x1b", output)
        self.assertEqual(re.findall(r"^(?:Account|All accounts).*$", output, re.MULTILINE),
                         ["Account        Support", "Account        Jobs (disabled)",
                          "Account        Old\ufffd[31m (the configuration names it no more)",
                          "Account        none", "All accounts"])
        self.assertIn("Waiting        3, the longest", output.partition("All accounts")[2])
        self.assertIn("Waiting        nobody", output)


if __name__ == "__main__":
    unittest.main()
