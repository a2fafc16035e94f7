"""Levels on the real thing: quiet hours, business time, warnings, repetitions, daily digests."""

import collections
import time

from mail import compose
from rejoinder import is_long
from scheduler import change_rows, let_waits_age, read_rows
from test_scheduler import SchedulerTestCase, read, text_of
from wait import wait_for

CONFIG = """\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1
staff = @company.test
submit_to = 127.0.0.1:{port}
zone = UTC

[calendar "Closed"]
zone = UTC
{closed_day} = 10:00-11:00

[calendar "Always"]
zone = Asia/Kolkata
monday = 00:00-24:00
tuesday = 00:00-24:00
wednesday = 00:00-24:00
thursday = 00:00-24:00
friday = 00:00-24:00
saturday = 00:00-24:00
sunday = 00:00-24:00

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test, bob@company.test
alert = 1s to owner, boss@company.test

[account "Support"]
address = support@company.test
incoming = yes
alert = 1s to owner, boss@company.test
alert = 2s urgent to jane@company.test
quiet = {quiet}

[account "Jobs"]
address = jobs@company.test
incoming = yes
calendar = {calendar}
alert = 1s business to boss@company.test
alert = 2s to jane@company.test

[account "Sales"]
address = sales@company.test
incoming = yes
calendar = Always
warn = 1h before
alert = 2h business to boss@company.test
repeat = 1h up to 2

[account "Notifications"]
address = notifications@company.test
incoming = yes
digest = {digest} to owner, boss@company.test
"""

BOSS = "boss@company.test"
DAY = 86400


def utc(seconds):
    """A clock's face, hh:mm."""
    return time.strftime("%H:%M", time.gmtime(seconds))


def day_of_week(seconds):
    return time.strftime("%A", time.gmtime(seconds)).lower()


class LevelsTest(SchedulerTestCase):
    @classmethod
    def config(cls, **settings):
        now = time.time()
        settings = {"closed_day": day_of_week(now + 3 * DAY), "calendar": "Closed",
                    "quiet": f"{utc(now - 3600)}-{utc(now + 3600)}",
                    "digest": utc(now - 120), **settings}
        return CONFIG.format(port=cls.sink.port, **settings)

    def change_config(self, **settings):
        self.world.rejoinder.write_config(self.config(**settings))
        self.addCleanup(self.world.rejoinder.write_config, self.config())

    def ask(self, account, **fields):
        customer = self.new_customer()
        self.from_customer(customer, f"{account}@company.test", Message_ID=f"<{customer}>",
                           **fields)
        return customer

    def mails_to(self, *recipients):
        return [one for one in self.sink.messages() if one.recipients[0] in recipients]

    def end_quiet_hours(self):
        """As if it were later: what is held may be told."""
        change_rows(self.store, "UPDATE notice SET leased_until = strftime('%s', 'now'),"
                    " created_at = strftime('%s', 'now') WHERE state = 'open' AND attempts = 0")

    def test_one_mail_of_what_still_waits_when_they_end(self):
        self.scheduler.start()
        waiting = [self.ask("support") for _ in range(2)]
        answered = self.ask("support")
        for customer in (*waiting, answered):
            self.sink.wait_about(customer, 1)
        self.fence()
        for customer in (*waiting, answered):
            self.assertEqual(self.recipients_about(customer), ["jane@company.test"])
        ends = {row[0] for row in read_rows(self.store, "SELECT leased_until FROM notice"
                                            " WHERE state = 'open'")}
        self.assertEqual(len(ends), 1)
        self.assertAlmostEqual(ends.pop(), time.time() + 3600, delta=120)
        self.from_jane(answered, In_Reply_To=f"<{answered}>")
        self.scheduler.stop()
        self.scheduler.start()
        self.fence()
        self.assertEqual(self.recipients_about(waiting[0]), ["jane@company.test"],
                         "a restart ended them")
        before = len(self.sink.messages())
        self.end_quiet_hours()
        wait_for(lambda: len(self.sink.messages()) >= before + 2, "two digests")
        self.fence()
        digests = self.sink.messages()[before:-2]
        self.assertEqual(sorted(one.recipients[0] for one in digests),
                         [BOSS, "support@company.test"])
        for one in digests:
            digest = read(one)
            self.assertEqual(digest["Subject"], "2 customers wait for an answer")
            text = text_of(digest)
            self.assertNotIn(answered, text)
            self.assertLess(text.index(waiting[0]), text.index(waiting[1]))

    def test_after_them_it_is_told_at_once(self):
        now = time.time()
        self.change_config(quiet=f"{utc(now - 7200)}-{utc(now - 60)}")
        self.scheduler.start()
        customer = self.ask("support")
        self.sink.wait_about(customer, 3)

    def test_their_real_end(self):
        if not is_long():
            self.skipTest("takes up to two minutes")
        ends_at = time.time() // 60 * 60 + 120
        self.change_config(quiet=f"{utc(ends_at - 3600)}-{utc(ends_at)}")
        self.scheduler.start()
        customers = [self.ask("support") for _ in range(2)]
        wait_for(lambda: time.time() > ends_at - 1, "their end", deadline=130)
        for customer in customers:
            self.assertEqual(self.recipients_about(customer), ["jane@company.test"])
        before = len(self.sink.messages())
        wait_for(lambda: len(self.sink.messages()) >= before + 2, "two digests")
        self.assertLess(time.time(), ends_at + 3)

    def test_it_does_not_pass_while_nobody_works(self):
        self.scheduler.start()
        customer = self.ask("jobs")
        self.sink.wait_about(customer, 1)
        self.fence()
        self.assertEqual(self.recipients_about(customer), ["jane@company.test"])
        self.change_config(calendar="Always")
        self.scheduler.reload()
        text = text_of(read(self.sink.wait_about(customer, 2)[1]))
        self.assertIn("Asia/Kolkata", text)
        self.assertRegex(text, r"Business time:\s+\d+ s")

    def test_a_warning_the_level_and_its_repetitions(self):
        self.scheduler.start()
        customer = self.new_customer()
        self.world.postfix.send_from_outside(
            compose(f"Bob Builder <{customer}>", "sales@company.test", "A question"),
            customer, "sales@company.test")
        self.wait_planned(customer)
        told = []
        for age in (3600, 3600, 3600, 90000):
            let_waits_age(self.store, age, customer)
            self.fence()
            told.append([one.recipients[0] for one in self.sink.about(customer)[sum(
                len(some) for some in told):]])
        self.assertEqual(told, [["sales@company.test"], [BOSS], [BOSS], [BOSS]])
        self.check_wording(customer, [read(one) for one in self.sink.about(customer)])
        last = self.sink.about(customer)[-1]
        self.scheduler.wait_log(rf"to={BOSS}, level=4, .*status=sent")
        let_waits_age(self.store, 10 * DAY, customer)
        self.fence()
        self.assertIs(self.sink.about(customer)[-1], last, "more repetitions than two")

    def check_wording(self, customer, mails):
        """Of a warning, the level and its two repetitions."""
        who = f"Bob Builder <{customer}>"
        self.assertEqual([mail["Subject"] for mail in mails],
                         [f"{how}: A question" for how in (
                             "In 1 h unreplied", "Unreplied for 2 h", "Unreplied for 3 h",
                             "Unreplied for 1 day 4 h")])
        for mail, sentence in zip(mails, (
                rf"In 1 h, .* Asia/Kolkata, {who} will have waited 2 h of business time for an"
                rf" answer; then an alert goes to {BOSS}\.\n",
                rf"\n{who} has waited 2 h for an answer\.\n",
                rf"\n{who} has waited 3 h for an answer \(told again, 1 of 2\)\.\n",
                rf"\n{who} has waited 1 day 4 h for an answer \(told again, 2 of 2\)\.\n")):
            self.assertRegex(text_of(mail), sentence)

    def let_a_day_pass(self):
        change_rows(self.store, "UPDATE digest SET day = day - 1")

    def wait_first_day(self):
        wait_for(lambda: read_rows(self.store, "SELECT 1 FROM digest"), "its first day")

    def digests_about(self, customer):
        return [one for one in self.sink.messages()
                if customer.encode() in one.data and one.recipients[0] in
                (BOSS, "notifications@company.test", "jane@company.test")]

    def test_once_a_day_whatever_is_started_again(self):
        self.scheduler.start()
        self.wait_first_day()
        customers = [self.ask("notifications") for _ in range(3)]
        for age, customer in enumerate(customers, 1):
            let_waits_age(self.store, 600 * age, customer)
        self.fence()
        self.scheduler.stop()
        self.assertEqual(self.digests_about(customers[0]), [], "on the first day")
        self.let_a_day_pass()
        before = len(self.sink.messages())
        other = self.new_scheduler("other").start()
        self.scheduler.start()
        wait_for(lambda: len(self.sink.messages()) >= before + 2, "two digests")
        self.scheduler.stop()
        self.scheduler.start()
        self.fence()
        other.stop()
        other.check_log()
        found = collections.Counter(one.recipients[0] for one in self.digests_about(customers[0]))
        self.assertEqual(found, {BOSS: 1, "notifications@company.test": 1})
        digest = read(self.digests_about(customers[0])[0])
        self.assertEqual(digest["Subject"], "3 customers wait for an answer")
        text = text_of(digest)
        places = [text.index(customer) for customer in customers]
        self.assertEqual(places, sorted(places, reverse=True), "not the longest wait first")
        for customer in customers:
            self.from_jane(customer, In_Reply_To=f"<{customer}>")
        # Many days of downtime, and nobody waits.
        change_rows(self.store, "UPDATE digest SET day = day - 7")
        self.scheduler.stop()
        before = len(self.mails_to("notifications@company.test"))
        self.scheduler.start()
        self.fence()
        self.assertEqual(len(self.mails_to("notifications@company.test")), before)
        last = read_rows(self.store, "SELECT day FROM digest")[0][0]
        self.assertAlmostEqual(last, time.time() / DAY, delta=1.1)

    def test_its_real_time(self):
        if not is_long():
            self.skipTest("takes up to a minute")
        self.scheduler.start()
        self.wait_first_day()
        customer = self.ask("notifications")
        comes_at = time.time() // 60 * 60 + 60
        change_rows(self.store, "UPDATE digest SET day = day - 1")
        self.change_config(digest=utc(comes_at))
        self.scheduler.reload()
        self.assertEqual(self.digests_about(customer), [])
        wait_for(lambda: len(self.digests_about(customer)) == 2, "the digests", deadline=70)
        self.assertLess(abs(time.time() - comes_at), 3)
