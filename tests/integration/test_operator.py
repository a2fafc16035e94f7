"""What the operator is told of troubles: one mail when something breaks, one when it is well."""

import os
import re
import tempfile
import time
import unittest

from fake_pop3 import FakePop3, Faults
from rejoinder import Daemon, Rejoinder, is_long
from scheduler import AlertSink, change_rows, let_leases_end, read_rows
from wait import wait_for

CONFIG = """\
[rejoinder]
domains = company.test
submit_to = 127.0.0.1:{submit}
operator = boss@company.test
zone = UTC

[account "Shop"]
address = shop@company.test
incoming = yes
pop3 = pop3-plain://127.0.0.1:{pop3}
username = jane
password_command = echo jane-secret
poll = 10s
"""

CONFIG_ERROR = 78
REFUSED = Faults(replies={("PASS", None): "-ERR [AUTH] no such password",
                          ("AUTH", None): "-ERR [AUTH] no such password"})
AN_HOUR = 3600


class OperatorTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="rejoinder-operator-")
        self.addCleanup(directory.cleanup)
        self.sink, self.pop3 = AlertSink(), FakePop3()
        for fake in (self.sink, self.pop3):
            fake.start()
            self.addCleanup(fake.stop)
        config = CONFIG.format(submit=self.sink.port, pop3=self.pop3.port)
        self.rejoinder = Rejoinder(os.path.join(directory.name, "rejoinder"),
                                   "/nonexistent/milter.sock", config)
        self.rejoinder.write_config(config)
        self.rejoinder.run("keys", "add")
        self.store = self.rejoinder.store
        self.schedulers = [Daemon(self.rejoinder, "rejoinder-scheduler", f"scheduler-{number}")
                           for number in range(2)]
        for scheduler in self.schedulers:
            self.addCleanup(scheduler.kill)
        self.allowed = [r"warning: trouble (inbox Shop|backup): began"]
        self.backup_mails = []  # that fence() had come
        self.fetch(0)

    def tearDown(self):
        self.stop()
        for scheduler in self.schedulers:
            scheduler.check_log(*self.allowed)

    def start(self):
        for scheduler in self.schedulers:
            scheduler.start()

    def stop(self):
        for scheduler in self.schedulers:
            scheduler.stop()

    def look(self):
        """Have both look now, not in a minute."""
        for scheduler in self.schedulers:
            scheduler.reload()

    def fetch(self, code):
        self.rejoinder.run("fetch", "Shop", code=code)

    def break_inbox(self, polls, seconds):
        """It has refused us so many times in a row, and was well so long ago."""
        self.pop3.faults = REFUSED
        self.fetch(CONFIG_ERROR)
        since = int(time.time()) - seconds
        change_rows(self.store, "UPDATE inbox SET failure_count = ?, succeeded_at = ?",
                    polls, since)
        return since

    def heal_inbox(self):
        self.pop3.faults = Faults()
        self.fetch(0)

    def set_backup(self, error):
        """How the last backup went."""
        change_rows(self.store, "INSERT OR REPLACE INTO upkeep (task, tried_at, error)"
                    " VALUES ('backup', ?, ?)", int(time.time()), error)

    def fence(self):
        """Wait until a look has seen what is so now: the backup, last of all it looks at, changed."""
        is_broken = len(self.backup_mails) % 2 == 0
        self.set_backup("no room" if is_broken else None)
        self.look()
        self.backup_mails.append(self.NO_BACKUP if is_broken else self.BACKUP_WELL)
        self.wait_told(*self.backup_mails, about="backup")

    def told(self, about="inbox Shop"):
        """The subjects of what came about this, without what is not always the same."""
        subjects = [re.sub(r" (since|after) .*", r" \1", one.mail.value("Subject"))
                    for one in self.sink.messages()]
        return [subject for subject in subjects if about in subject]

    def wait_told(self, *subjects, about="inbox Shop"):
        wait_for(lambda: len(self.told(about)) >= len(subjects),
                 lambda: f"{subjects}: {self.told(about)}, {self.schedulers[0].log()}")
        self.assertEqual(self.told(about), list(subjects))

    def mail(self, about="inbox Shop"):
        """The newest mail about this."""
        return [one for one in self.sink.messages() if about in one.mail.value("Subject")][-1]

    BROKEN = "Rejoinder: the inbox Shop has failed since"
    WELL = "Rejoinder: the inbox Shop is well again after"
    NO_BACKUP = "Rejoinder: the nightly backup has failed since"
    BACKUP_WELL = "Rejoinder: the nightly backup is well again after"

    def test_status_tells_what_was_started_and_how_the_nights_went(self):
        self.start()
        self.set_backup("no room")
        wait_for(lambda: [one for one in self.rejoinder.json("status")["daemons"]
                          if one["name"] == "rejoinder-scheduler"
                          and one["process"] in [each.pid for each in self.schedulers]],
                 "the scheduler that was started last")
        status = self.rejoinder.json("status")
        self.assertEqual((status["upkeep"]["backup"]["error"], status["upkeep"]["backup"]["done"]),
                         ("no room", None))
        text = self.rejoinder.run("status")
        self.assertRegex(text, r"(?m)^Backup +FAILED at .*: no room$")
        self.assertRegex(text, rf"(?m)^ *(Started +)?rejoinder-scheduler {status['version']} at")

    def test_one_mail_when_it_breaks_and_one_when_it_is_well(self):
        since = self.break_inbox(polls=3, seconds=AN_HOUR)
        self.start()
        self.wait_told(self.BROKEN)
        broken = self.mail()
        self.assertEqual(broken.recipients, ["boss@company.test"])
        self.assertEqual(broken.sender, "postmaster@company.test")
        self.assertEqual(broken.mail.value("Auto-Submitted"), "auto-generated")
        self.assertRegex(broken.mail.value("Message-ID"),
                         r"^<rejoinder-letter-\d+@company\.test>$")
        text = broken.mail.body.decode("ascii")
        self.assertIn("no such password", text)
        self.assertIn("`rejoinder accounts`", text)
        self.assertIn("`rejoinder doctor`", text)
        self.assertIn(time.strftime("%Y, %H:%M UTC:", time.gmtime(since)), text)

        # It lasts, whoever looks again.
        self.assertEqual([(one["name"], one["since"] is not None) for one in
                          self.rejoinder.json("status")["troubles"]], [("inbox Shop", True)])
        self.assertRegex(self.rejoinder.run("status"),
                         r"\nTroubles +inbox Shop since .* \(1h \dm\):(.|\n)*no such\s+password")
        self.stop()
        self.fetch(CONFIG_ERROR)
        self.start()
        self.fence()
        self.assertEqual(self.told(), [self.BROKEN])

        self.heal_inbox()
        self.look()
        self.wait_told(self.BROKEN, self.WELL)
        well = self.mail()
        self.assertEqual(well.recipients, ["boss@company.test"])
        self.assertNotEqual(well.mail.value("Message-ID"), broken.mail.value("Message-ID"))
        self.assertRegex(well.mail.value("Subject"), "after 1 h$|after 1 h 1 min$")
        self.assertEqual([one["name"] for one in self.rejoinder.json("status")["troubles"]],
                         ["backup"])

        self.stop()
        self.start()
        self.fence()
        self.assertEqual(self.told(), [self.BROKEN, self.WELL])
        self.assertRegex(self.rejoinder.run("status"), r"\nTroubles +none\n")
        self.assertEqual(len(self.sink.messages()), 4)

    def test_what_heals_soon_and_what_could_not_be_told_tells_nobody(self):
        self.start()
        for _ in range(3):
            self.break_inbox(polls=2, seconds=AN_HOUR)
            self.fence()
            self.break_inbox(polls=30, seconds=AN_HOUR // 2 - 60)
            self.fence()
            self.heal_inbox()
            self.fence()
        self.assertEqual(self.told(), [])

        # Nobody takes mail while it lasts.
        self.allowed.append(r"letter \d+: kind=trouble-began, .*trouble=inbox\?Shop, .*"
                            r"status=deferred")
        self.sink.stop()
        self.break_inbox(polls=3, seconds=AN_HOUR)
        self.look()
        wait_for(lambda: read_rows(self.store, "SELECT 1 FROM letter WHERE count = 1"
                                   " AND trouble = 'inbox Shop'"), "a try that came to nothing")
        self.heal_inbox()
        self.look()
        wait_for(lambda: read_rows(self.store, "SELECT 1 FROM letter WHERE state = 'dropped'"),
                 "that it is dropped")
        self.assertEqual(read_rows(self.store, "SELECT kind FROM letter"
                                   " WHERE trouble = 'inbox Shop'"), [("trouble-began",)])

    def test_a_scheduler_that_is_idle_looks_once_a_minute(self):
        if not is_long():
            self.skipTest("takes up to a minute")
        self.schedulers[0].start()
        self.set_backup("no room")
        self.schedulers[0].reload()
        self.wait_told(self.NO_BACKUP, about="backup")
        self.break_inbox(polls=3, seconds=AN_HOUR)
        wait_for(self.told, "the mail about the inbox", deadline=70)
        self.assertEqual(self.told(), [self.BROKEN])

    def test_a_refusal_of_the_mailbox_hides_no_trouble(self):
        """As while its table is written anew."""
        refusals, reply_to = ["550 5.1.1 unknown in virtual mailbox table"], self.sink.reply_to
        self.sink.reply_to = lambda step, address: (
            refusals.pop() if step == "rcpt" and refusals else reply_to(step, address))
        self.addCleanup(setattr, self.sink, "reply_to", reply_to)
        self.allowed.append(r"letter \d+: kind=trouble-began, .*status=deferred, reason=refused")
        self.break_inbox(polls=3, seconds=AN_HOUR)
        self.start()
        wait_for(lambda: read_rows(self.store, "SELECT 1 FROM letter WHERE attempts = 1 AND"
                                   " state = 'open' AND leased_until > created_at + 50"),
                 "the first try")
        self.assertEqual(self.told(), [])
        change_rows(self.store, "UPDATE letter SET leased_until = 0")
        self.look()
        self.wait_told(self.BROKEN)
        self.heal_inbox()
        self.look()
        self.wait_told(self.BROKEN, self.WELL)

    def start_in_doubt(self):
        """The mail about the beginning is taken, and nobody knows."""
        self.sink.drops = 1
        self.allowed.append(r"letter \d+: .*status=deferred, outcome=unknown")
        self.break_inbox(polls=3, seconds=AN_HOUR)
        self.start()
        # It is put off for longer than it was leased.
        wait_for(lambda: read_rows(self.store, "SELECT 1 FROM letter WHERE attempts = 1"
                                   " AND leased_until > created_at + 50"), "the first try")

    def test_the_end_is_told_where_the_beginning_may_have_been(self):
        self.start_in_doubt()
        self.heal_inbox()
        self.look()
        self.wait_told(self.BROKEN, self.WELL)
        self.fence()
        self.assertEqual(self.told(), [self.BROKEN, self.WELL])

    def test_a_mail_whose_outcome_nobody_knows_has_one_message_id(self):
        self.start_in_doubt()
        let_leases_end(self.store)
        self.wait_told(self.BROKEN, self.BROKEN)
        self.assertEqual(len({one.mail.value("Message-ID") for one in self.sink.messages()}), 1)
        self.assertEqual(len([1 for scheduler in self.schedulers
                              if "outcome=unknown" in scheduler.log()]), 1)


if __name__ == "__main__":
    unittest.main()
