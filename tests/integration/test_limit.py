"""The daily limit of an account, on a real Postfix: exact, kept over restarts, told once."""

import collections
import concurrent.futures
import contextlib
import datetime
import re
import smtplib
import sqlite3
import time
import unittest

from mail import Mail, compose
from wait import wait_for
from world import World

SESSIONS = 20
MESSAGES = 50
LIMIT = 30
WARN_AT = 24  # 80 percent

CONFIG = f"""\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1

[account "Replies"]
address = replies@company.test
incoming = yes
default_incoming = yes

[account "Parallel"]
address = parallel@company.test
outgoing = yes
daily_limit = {LIMIT}
on_limit = tempfail

[account "Small"]
address = small@company.test
outgoing = yes
daily_limit = 3
on_limit = tempfail

[account "Repeat"]
address = repeat@company.test
outgoing = yes
daily_limit = 2
on_limit = tempfail

[account "Machine"]
address = machine@company.test
outgoing = yes
daily_limit = 2
on_limit = tempfail

[account "Pass"]
address = pass@company.test
outgoing = yes
daily_limit = 2
on_limit = pass
"""

DAY_S = 86400
CUSTOMERS = [f"customer{number}@example.org" for number in range(10)]

# What the milter says of each message that it refuses.
REFUSED = r"status=(?:deferred|rejected), reason=daily limit of account"


def message(account, subject="Your order", **fields):
    return compose(f"Company <{account}@company.test>", "customers@example.org", subject, **fields)


class LimitTest(unittest.TestCase):
    """Each test has an account of its own."""

    @classmethod
    def setUpClass(cls):
        # The count begins anew at midnight, which no test is to see.
        wait_for(lambda: DAY_S - time.time() % DAY_S > 60, "midnight (UTC) to pass", 90)
        cls.world = World(CONFIG)
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.postfix, cls.rejoinder = cls.world.postfix, cls.world.rejoinder

    def tearDown(self):
        self.world.check_logs(rejoinder=[REFUSED])

    def send(self, data, recipients=CUSTOMERS[:1], **options):
        """Send as a mail client that signed in; return (code, text) of the answer."""
        options = options or {"login": self.world.login("erp")}
        try:
            self.assertEqual(
                self.postfix.send(data, "erp@company.test", recipients, **options), {})
        except smtplib.SMTPDataError as error:
            return error.smtp_code, error.smtp_error.decode()
        return 250, ""

    def code(self, *arguments, **options):
        return self.send(*arguments, **options)[0]

    @contextlib.contextmanager
    def database(self):
        with contextlib.closing(sqlite3.connect(self.rejoinder.store, timeout=10)) as database:
            with database:
                yield database

    def rows(self, sql, *values):
        with self.database() as database:
            return database.execute(sql, values).fetchall()

    def count(self, account):
        """Today's."""
        found = self.rows("SELECT count FROM account_day WHERE account = ? AND day = ?", account,
                          int(time.time()) // DAY_S)
        return found[0][0] if found else 0

    def letters(self, account):
        return self.rows("SELECT kind, count, recipient FROM letter WHERE account = ?"
                         " ORDER BY id", account)

    def let_a_day_pass(self, account):
        for table in ("account_day", "letter"):
            self.rows(f"UPDATE {table} SET day = day - 1 WHERE account = ?", account)

    def send_all(self, messages):
        """Send them from SESSIONS clients at once; return those refused."""
        with concurrent.futures.ThreadPoolExecutor(SESSIONS) as pool:
            codes = list(pool.map(self.code, messages))
        self.assertLessEqual(set(codes), {250, 450}, collections.Counter(codes))
        return [data for data, code in zip(messages, codes) if code == 450]

    def arrived(self, messages):
        """How many of them the customers have got, each once at most."""
        self.postfix.wait_idle()
        found = [len(self.world.far.find(Mail(data).value("Message-ID"))) for data in messages]
        self.assertLessEqual(set(found), {0, 1})
        return sum(found)

    def test_it_is_exact_under_parallel_sessions_and_outlives_a_restart(self):
        messages = [message("parallel") for _ in range(MESSAGES)]
        refused = self.send_all(messages)
        self.assertEqual(len(refused), MESSAGES - LIMIT)
        self.assertEqual(self.arrived(messages), LIMIT)
        self.assertEqual(self.count("Parallel"), LIMIT)
        told = [("limit-near", WARN_AT, None), ("limit-reached", LIMIT, None)]
        self.assertEqual(self.letters("Parallel"), told)

        self.rejoinder.milter.stop()
        self.rejoinder.start_milter()
        self.assertEqual(self.code(refused[0]), 450)
        self.assertEqual(self.letters("Parallel"), told)

        self.let_a_day_pass("Parallel")
        self.assertEqual(self.send_all(refused), [])
        self.assertEqual(self.arrived(messages), MESSAGES)
        self.assertEqual(self.count("Parallel"), MESSAGES - LIMIT)
        self.assertEqual(self.letters("Parallel"), told, "told though nothing was near")

    def test_the_answer_says_which_limit_and_until_when(self):
        self.assertEqual(self.code(message("small"), CUSTOMERS[:2]), 250)
        tomorrow = datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(1)
        refused = message("small")
        reason = f'daily limit of account "Small" is reached: 3 recipients until ' \
                 f"{tomorrow}T00:00:00Z"
        self.assertEqual(self.send(refused, CUSTOMERS[:2]),
                         (450, f"4.7.1 Try again later: {reason}"))
        self.rejoinder.wait_log(
            r"[0-9A-F]+: conv=-, dir=out, class=human, .*account=Small, "
            rf".*status=deferred, reason={re.escape(reason)}\n")
        self.assertEqual(self.count("Small"), 2)
        # What still fits goes.
        self.assertEqual(self.code(message("small")), 250)

        hopeless = message("small")
        reason = 'daily limit of account "Small" is 3 recipients, the message has 4'
        self.assertEqual(self.send(hopeless, CUSTOMERS[:4]),
                         (552, f"5.3.4 Too many recipients: {reason}"))
        self.rejoinder.wait_log(rf"status=rejected, reason={re.escape(reason)}\n")
        # Nor does a day help it.
        self.let_a_day_pass("Small")
        self.assertEqual(self.code(hopeless, CUSTOMERS[:4]), 552)
        # One twice, one inside: three.
        self.assertEqual(self.code(message("small"), [*CUSTOMERS[:3], "Customer0@Example.ORG",
                                                      "jane@company.test"]), 250)
        self.assertEqual(self.count("Small"), 3)
        for data in (refused, hopeless):
            self.assertEqual(self.rows("SELECT count(*) FROM message WHERE msgid = ?",
                                       Mail(data).value("Message-ID")), [(0,)])

    def test_what_comes_again_counts_once(self):
        first, second = message("repeat"), message("repeat")
        for _ in range(3):
            self.assertEqual(self.code(first), 250)
        self.assertEqual(self.count("Repeat"), 1)
        self.assertEqual(self.letters("Repeat"), [])
        self.assertEqual(self.code(second), 250)
        self.assertEqual(self.code(message("repeat")), 450)
        # What had its place today keeps it, though not for somebody else.
        self.assertEqual(self.code(first), 250)
        self.assertEqual(self.code(first, CUSTOMERS[1:2]), 450)
        self.assertEqual(self.count("Repeat"), 2)
        # 80 percent of two are both: that is told once.
        self.assertEqual([kind for kind, *_ in self.letters("Repeat")], ["limit-reached"])

    def test_programs_are_counted_and_never_told_to_come_again(self):
        for _ in range(3):
            data = message("machine")
            self.postfix.sendmail(data, "-f", "erp@company.test", CUSTOMERS[0])
            self.world.far.wait(Mail(data).value("Message-ID"))
        self.assertEqual(self.count("Machine"), 3)
        self.assertEqual(self.code(message("machine"), port=self.postfix.smtp25), 250)
        self.assertEqual(self.count("Machine"), 4)
        # A mail client is.
        self.assertEqual(self.code(message("machine")), 450)
        self.assertEqual(self.letters("Machine"), [("limit-reached", 2, None)])

    def test_on_limit_pass_only_counts_and_tells(self):
        for recipients in (CUSTOMERS[:1], CUSTOMERS[:4], CUSTOMERS[:1]):
            self.assertEqual(self.code(message("pass"), recipients), 250)
        self.assertEqual(self.count("Pass"), 6)
        self.assertEqual([kind for kind, *_ in self.letters("Pass")], ["limit-reached"])


if __name__ == "__main__":
    unittest.main()
