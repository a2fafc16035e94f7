"""Alerts: who is told, how often, and what a crash or an outage makes of it."""

import collections
import email
import email.policy
import os
import random
import re
import time
import unittest

from mail import compose, new_msgid
from rejoinder import Daemon, is_long
from scheduler import (AlertSink, change_rows, cpu_seconds, let_leases_end, let_waits_age,
                       read_rows)
from wait import wait_for
from world import World

CONFIG = """\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1
staff = @company.test
submit_to = 127.0.0.1:{port}

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test, bob@company.test
keep_text = yes
alert = 1s to owner, boss@company.test

[account "Support"]
address = support@company.test
incoming = yes
alert = {support} to boss@company.test

[account "Jobs"]
address = jobs@company.test
incoming = yes
alert = 10m to boss@company.test
alert = 20m to boss@company.test, jane@company.test
alert = 30d to boss@company.test
"""

JANE = "Jane <jane@company.test>"
SUPPORT_AFTER_S = 3600

DELIVERY_REPORT = """\
--b
Content-Type: text/plain

It could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; x@example.org
Action: failed
Status: 5.1.1
--b--
"""


def read(received):
    """The alert as a mail client reads it, strictly."""
    return email.message_from_bytes(received.data.replace(b"\r\n", b"\n"),
                                    policy=email.policy.default)


def text_of(mail):
    """Its plain text, which is complete without the other part."""
    return mail.get_body(("plain",)).get_content()


class SchedulerTestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = AlertSink()
        cls.sink.start()
        cls.addClassCleanup(cls.sink.stop)
        cls.world = World(cls.config(), sasl=False)
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.store = cls.world.rejoinder.store
        cls.numbers = iter(range(1, 10**6))

    @classmethod
    def config(cls, support=f"{SUPPORT_AFTER_S}s"):
        return CONFIG.format(port=cls.sink.port, support=support)

    def setUp(self):
        self.scheduler = self.new_scheduler("scheduler")
        self.allowed = []  # patterns of lines that the log may hold

    def new_scheduler(self, name):
        """One that is not running yet; whatever happens it is gone at the end."""
        scheduler = Daemon(self.world.rejoinder, "rejoinder-scheduler", f"{self.id()}-{name}")
        self.addCleanup(scheduler.kill)
        return scheduler

    def tearDown(self):
        self.scheduler.stop()
        self.scheduler.check_log(*self.allowed)
        self.world.rejoinder.check_log()

    def new_customer(self):
        return f"customer-{next(self.numbers)}@example.org"

    def from_customer(self, customer, to="replies@company.test", subject="A question",
                      body="Where is it?\n", **fields):
        data = compose(customer, to, subject, body, **fields)
        self.world.postfix.send_from_outside(data, customer, to)

    def from_jane(self, to, subject="Your order", **fields):
        """Jane writes from this host; what arrives at the far side comes back."""
        fields.setdefault("Message_ID", new_msgid("company.test"))
        self.world.postfix.send(compose(JANE, to, subject, **fields), "jane@company.test", to)
        return self.world.far.wait(fields["Message_ID"]).mail

    def fence(self):
        """Wait for the alerts of a new customer: all that was due before is sent by then."""
        customer = self.new_customer()
        self.from_customer(customer)
        self.sink.wait_about(customer, 2)

    def recipients_about(self, customer):
        return sorted(one.recipients[0] for one in self.sink.about(customer))

    def wait_planned(self, customer):
        """Wait until the scheduler knows when the wait of this customer is due."""
        wait_for(lambda: read_rows(self.store, "SELECT 1 FROM wait WHERE customer = ?"
                                   " AND due_at IS NOT NULL", customer), f"a plan for {customer}")


class AlertTest(SchedulerTestCase):
    """What is sent, to whom, and that it is sent once."""

    def test_one_alert_to_owner_and_list_and_none_after_a_restart(self):
        customer = self.new_customer()
        sent = self.from_jane(customer)
        before = len(self.sink.messages())
        self.scheduler.start()
        self.from_customer(f"Customer <{customer}>", sent.value("Reply-To"), "Re: Your order",
                           "Wann kommt es? Grüße\n", In_Reply_To=sent.value("Message-ID"))
        self.sink.wait_about(customer, 2)
        self.assertEqual(self.recipients_about(customer),
                         ["boss@company.test", "jane@company.test"])
        alerts = self.sink.about(customer)
        self.assertEqual(len({one.mail.value("Message-ID") for one in alerts}), 2)
        for one in alerts:
            self.check_alert(one, customer, sent)
            number = re.match(r"<rejoinder-notice-(\d+)@company\.test>$",
                              one.mail.value("Message-ID"))[1]
            conversation = sent.value("References")[2:15]
            self.scheduler.wait_log(
                rf"info: notice {number}: conv={conversation}, to={one.recipients[0]}, level=1,"
                r" waits=1, status=sent")
        self.fence()
        self.scheduler.stop()
        self.scheduler.start()
        self.fence()
        self.assertEqual(len(self.sink.about(customer)), 2)
        self.assertEqual(len(self.sink.messages()), before + 2 * 3, "somebody else was told")
        self.assertEqual(self.world.rejoinder.json("status")["alerts"]["waiting"], 0)
        self.assertRegex(self.world.rejoinder.run("status"), r"Alerts +0 to send, \d+ sent, ")
        self.scheduler.stop()
        self.scheduler.check_log()

    def check_alert(self, received, customer, sent):
        alert = read(received)
        self.assertEqual(received.sender, "postmaster@company.test")
        self.assertEqual(alert["To"], received.recipients[0])
        self.assertEqual(alert["From"], "Rejoinder <postmaster@company.test>")
        self.assertRegex(alert["Subject"], r"^Unreplied for \d+ s: (Re: )?Your order$")
        self.assertEqual(alert["Auto-Submitted"], "auto-generated")
        references = alert["References"].split()
        self.assertEqual(references[0][2:15], sent.value("References")[2:15])
        self.assertEqual(references[1:], [alert["In-Reply-To"]])
        self.assertTrue(alert["Rejoinder-Mark"].startswith("alert "))
        text = text_of(alert)
        self.assertIn("> Wann kommt es? Grüße\n", text)
        self.assertIn(f"Just reply: it goes to {customer} and ends the wait.\n", text)
        self.assertIn("Wann kommt es? Grüße", alert.get_body(("html",)).get_content())
        links = re.findall(r"^<mailto:replies\+.(.)\w{29}@company\.test\?", text, re.MULTILINE)
        self.assertEqual(links, ["c", "s", "t"])
        for one in alert.walk():
            self.assertFalse(one.defects)

    def test_an_answer_to_the_alert_ends_the_wait(self):
        customer = self.new_customer()
        self.scheduler.start()
        self.from_customer(customer)
        alert = self.sink.wait_about(customer, 2)[0].mail
        conversation = alert.value("References")[2:15]
        references = f"{alert.value('References')} {alert.value('Message-ID')}"
        self.from_jane(alert.value("Reply-To"), "Re: " + alert.value("Subject"),
                       In_Reply_To=alert.value("Message-ID"), References=references)
        shown = self.world.rejoinder.json("show", conversation)
        self.assertEqual([(wait["customer"], wait["ended"] is None) for wait in shown["waits"]],
                         [(customer, False)])
        self.assertEqual([row["direction"] for row in shown["messages"]], ["in", "out"])

    def test_a_wait_that_ended_gives_none(self):
        answered, waiting = self.new_customer(), self.new_customer()
        self.scheduler.start()
        for customer in (answered, waiting):
            self.from_customer(customer, "support@company.test", Message_ID=f"<{customer}>")
            self.wait_planned(customer)
        self.from_jane(answered, In_Reply_To=f"<{answered}>")
        let_waits_age(self.store, SUPPORT_AFTER_S)
        self.sink.wait_about(waiting, 1)
        self.fence()
        self.assertEqual(self.recipients_about(waiting), ["boss@company.test"])
        self.assertEqual(self.recipients_about(answered), [])

    def test_machine_mail_gives_none(self):
        customer = self.new_customer()
        sent = self.from_jane(customer)
        to = sent.value("Reply-To")
        self.scheduler.start()
        self.from_customer("mailer-daemon@example.org", to, "Undelivered Mail", DELIVERY_REPORT,
                           Content_Type="multipart/report; report-type=delivery-status; boundary=b")
        self.from_customer(customer, to, "Read: Your order", "Read.\n",
                           Content_Type="multipart/report; boundary=b;"
                                        " report-type=disposition-notification")
        self.from_customer(customer, to, "Automatic reply: Your order", "I am away.\n",
                           Auto_Submitted="auto-replied")
        self.fence()
        conversation = sent.value("References")[2:15]
        shown = self.world.rejoinder.json("show", conversation)
        self.assertEqual([row["class"] for row in shown["messages"]],
                         ["human", "bounce", "receipt", "auto-reply"])
        self.assertFalse([one for one in self.sink.messages()
                          if conversation in (one.mail.value("References") or "")])

    def test_two_levels_at_once_are_one_mail_to_whom_both_name(self):
        customer = self.new_customer()
        self.scheduler.start()
        self.from_customer(customer, "jobs@company.test")
        self.wait_planned(customer)
        let_waits_age(self.store, 20 * 60, customer)
        self.sink.wait_about(customer, 2)
        self.fence()
        self.assertEqual(self.recipients_about(customer),
                         ["boss@company.test", "jane@company.test"])

    def test_levels_that_change_are_planned_anew(self):
        customer = self.new_customer()
        self.scheduler.start()
        self.from_customer(customer, "support@company.test")
        self.fence()
        self.assertEqual(self.sink.about(customer), [])
        self.addCleanup(self.world.rejoinder.write_config, self.config())
        self.world.rejoinder.write_config(self.config(support="1s"))
        self.scheduler.reload()
        self.sink.wait_about(customer, 1)
        self.world.rejoinder.write_config(self.config(support="never"))
        self.scheduler.reload()
        self.scheduler.wait_log("error: .*; the configuration in force stays")
        self.allowed += [r"rejoinder\.conf"]
        self.fence()
        self.assertEqual(self.recipients_about(customer), ["boss@company.test"])

    def test_it_does_nothing_when_there_is_nothing_to_do(self):
        self.scheduler.start()
        self.fence()
        used, end = cpu_seconds(self.scheduler.pid), time.monotonic() + 3
        wait_for(lambda: time.monotonic() > end, "three quiet seconds")
        self.assertLess(cpu_seconds(self.scheduler.pid) - used, 0.1)


class PostfixTest(SchedulerTestCase):
    """Alerts that go through the listener of contrib/postfix and our milter."""

    @classmethod
    def config(cls, support="1h"):
        return super().config(support).replace(f"submit_to = 127.0.0.1:{cls.sink.port}\n", "")

    def alerts(self, user, customer):
        return [mail for mail in self.world.postfix.mailbox(user).messages()
                if mail.value("Reply-To") == customer]

    def test_an_alert_arrives_and_its_answer_reaches_the_customer(self):
        customer = self.new_customer()
        sent = self.from_jane(customer)
        conversation = sent.value("References")[2:15]
        self.scheduler.start()
        self.from_customer(customer, sent.value("Reply-To"), "Re: Your order",
                           In_Reply_To=sent.value("Message-ID"))
        alert = wait_for(lambda: self.alerts("jane", customer), "the alert for jane")[0]
        wait_for(lambda: self.alerts("boss", customer), "the alert for boss")
        self.scheduler.wait_log(r"to=jane@company\.test, .*status=sent, queue_id=\w{5,}")
        self.assertEqual([name for name, _ in alert.fields if name.startswith("Rejoinder-")], [])
        self.assertEqual(alert.value("From"), "Rejoinder <postmaster@company.test>")
        references = f"{alert.value('References')} {alert.value('Message-ID')}"
        answer = self.from_jane(alert.value("Reply-To"), "Re: " + alert.value("Subject"),
                                In_Reply_To=alert.value("Message-ID"), References=references)
        self.assertEqual(answer.value("Reply-To").partition("+")[2][1:14], conversation)
        shown = self.world.rejoinder.json("show", conversation)
        self.assertEqual([wait["ended"] is None for wait in shown["waits"]], [False])
        self.world.postfix.wait_idle()
        self.assertEqual([len(self.alerts(user, customer)) for user in ("jane", "boss")], [1, 1])
        self.world.postfix.check_log()


class OutageTest(SchedulerTestCase):
    """What comes due while nobody can send."""

    def test_downtime_gives_one_digest_to_each(self):
        customers = [self.new_customer() for _ in range(5)]
        for customer in customers:
            self.from_customer(customer, subject=f"Question of {customer}")
        for age, customer in enumerate(customers, 1):
            let_waits_age(self.store, 600 * age, customer)
        before = len(self.sink.messages())
        self.scheduler.start()
        self.fence()
        digests = self.sink.messages()[before:-2]
        self.assertEqual(sorted(one.recipients[0] for one in digests),
                         ["boss@company.test", "replies@company.test"])
        for one in digests:
            digest = read(one)
            self.assertEqual(digest["Subject"], "5 customers wait for an answer")
            self.assertIsNone(digest["Reply-To"])
            self.assertIsNone(digest["References"])
            self.assertEqual(re.findall(r"^ *\d[\w ]*  (customer\S+)$", text_of(digest),
                                        re.MULTILINE),
                             customers[::-1], "not the longest wait first")
        self.scheduler.wait_log(r"to=boss@company\.test, level=1, waits=5, status=sent")

    def test_a_single_late_level_is_an_ordinary_alert(self):
        customer = self.new_customer()
        self.from_customer(customer, "support@company.test")
        let_waits_age(self.store, 3 * SUPPORT_AFTER_S, customer)
        self.scheduler.start()
        alert = self.sink.wait_about(customer, 1)[0].mail
        self.assertRegex(alert.value("Subject"), r"^Unreplied for 3 h( 0 min)?: A question$")

    def test_a_try_that_failed_is_made_again(self):
        customer = self.new_customer()
        self.addCleanup(self.sink.answer_normally, "rcpt", "jane@*")
        self.sink.answer("rcpt", "jane@*", "451 4.3.0 later")
        sent = self.from_jane(customer)
        self.scheduler.start()
        self.from_customer(customer, sent.value("Reply-To"))
        self.scheduler.wait_log(r"to=jane@.*status=deferred, reason=.*451 4\.3\.0 later")
        self.fence()
        self.assertEqual(self.recipients_about(customer), ["boss@company.test"])
        self.sink.answer_normally("rcpt", "jane@*")
        self.assertIn((1,), read_rows(self.store, "SELECT leased_until > strftime('%s') + 50"
                                      " FROM notice WHERE state = 'open'"))
        let_leases_end(self.store)
        self.sink.wait_about(customer, 2)
        self.fence()
        self.assertEqual(self.recipients_about(customer),
                         ["boss@company.test", "jane@company.test"])
        self.allowed += ["status=deferred"]

    def test_a_recipient_who_takes_nothing_now_keeps_no_other_waiting(self):
        self.addCleanup(self.sink.answer_normally, "rcpt", "boss@*")
        self.sink.answer("rcpt", "boss@*", "451 4.2.2 mailbox full")
        customers = [self.new_customer() for _ in range(6)]
        for customer in customers:
            self.from_customer(customer, "support@company.test")
            let_waits_age(self.store, SUPPORT_AFTER_S, customer)
        self.scheduler.start()
        wait_for(lambda: len(re.findall("to=boss@.*status=deferred, .*mailbox full",
                                        self.scheduler.log())) >= len(customers), "six tries")
        sent = self.from_jane(self.new_customer())
        customer = self.new_customer()
        self.from_customer(customer, sent.value("Reply-To"))
        self.sink.wait_about(customer, 1)
        self.assertEqual(self.recipients_about(customer), ["jane@company.test"])
        self.allowed += ["status=deferred"]

    def test_what_is_refused_is_tried_again_and_said_as_an_error(self):
        customer = self.new_customer()
        self.addCleanup(self.sink.answer_normally, "rcpt", "boss@*")
        self.sink.answer("rcpt", "boss@*", "550 5.1.1 no such boss")
        self.scheduler.start()
        self.from_customer(customer, "support@company.test")
        self.wait_planned(customer)
        let_waits_age(self.store, SUPPORT_AFTER_S, customer)
        self.scheduler.wait_log(r"error: notice.*status=deferred, reason=refused: .*no such boss")
        # He may have left: the address of the account is told in his place, at once.
        self.sink.wait_about(customer, 1)
        self.assertEqual(self.recipients_about(customer), ["support@company.test"])
        let_leases_end(self.store)
        self.scheduler.wait_log(r"warning: notice.*status=deferred, reason=refused: .*no such boss")
        self.sink.answer_normally("rcpt", "boss@*")
        let_leases_end(self.store)
        self.sink.wait_about(customer, 2)
        self.assertEqual(self.recipients_about(customer),
                         ["boss@company.test", "support@company.test"])
        self.allowed += ["status=deferred"]

    def test_an_unknown_outcome_is_one_more_of_the_same(self):
        customer = self.new_customer()
        self.sink.drops = 1
        self.scheduler.start()
        self.from_customer(customer, "support@company.test")
        self.wait_planned(customer)
        let_waits_age(self.store, SUPPORT_AFTER_S, customer)
        self.scheduler.wait_log("status=deferred, outcome=unknown")
        let_leases_end(self.store)
        self.sink.wait_about(customer, 2)
        self.fence()
        msgids = [one.mail.value("Message-ID") for one in self.sink.about(customer)]
        self.assertEqual(msgids, [msgids[0]] * 2)
        self.allowed += ["outcome=unknown"]

    def test_an_answer_before_the_next_try_drops_it(self):
        customer = self.new_customer()
        self.addCleanup(self.sink.answer_normally, "rcpt", "boss@*")
        self.sink.answer("rcpt", "boss@*", "451 4.3.0 later")
        self.scheduler.start()
        self.from_customer(customer, "support@company.test", Message_ID=f"<{customer}>")
        self.wait_planned(customer)
        let_waits_age(self.store, SUPPORT_AFTER_S, customer)
        self.scheduler.wait_log("status=deferred")
        self.from_jane(customer, In_Reply_To=f"<{customer}>")
        self.sink.answer_normally("rcpt", "boss@*")
        let_leases_end(self.store)
        self.scheduler.wait_log("status=dropped, reason=nobody waits any more")
        self.assertEqual(self.sink.about(customer), [])
        self.allowed += ["status=deferred"]

    def test_two_schedulers_send_one_alert(self):
        customers = [self.new_customer() for _ in range(20)]
        for customer in customers:
            self.from_customer(customer)
        self.scheduler.start()
        other = self.new_scheduler("other").start()
        for customer in customers:
            self.sink.wait_about(customer, 2)
        self.fence()
        for customer in customers:
            self.assertEqual(self.recipients_about(customer),
                             ["boss@company.test", "replies@company.test"])
        other.stop()
        other.check_log()

    def test_a_store_that_is_not_there_yet_is_waited_for(self):
        customer = self.new_customer()
        self.world.rejoinder.stop()
        moved = self.store + ".away"
        for tail in ("", "-wal", "-shm"):
            if os.path.exists(self.store + tail):
                os.rename(self.store + tail, moved + tail)
        self.scheduler.start()
        self.scheduler.wait_log("warning: there is no store .*: waiting for rejoinder-milter")
        self.world.rejoinder.start_milter()
        self.scheduler.wait_log("info: the store .* works again")
        self.from_customer(customer)
        self.sink.wait_about(customer, 2)
        self.assertEqual(len(re.findall("there is no store", self.scheduler.log())), 1)
        self.allowed += ["there is no store"]


class KillTest(SchedulerTestCase):
    """kill -9 of the scheduler, at random moments with many alerts due."""

    ALERTS, KILLS = (2000, 200) if is_long() else (60, 8)
    LIFE_S = 0.08  # of a scheduler that is to die before it sends anything
    NOTICE = re.compile(r"<rejoinder-notice-(\d+)@company\.test>$")

    def setUp(self):
        super().setUp()
        # It may die before it has said a word.
        self.scheduler = Daemon(self.world.rejoinder, "rejoinder-scheduler",
                                is_ready=lambda: True)
        self.addCleanup(self.scheduler.kill)
        self.seed = int(os.environ.get("REJOINDER_SEED") or random.randrange(2**32))
        print(f"REJOINDER_SEED={self.seed}")
        self.random = random.Random(self.seed)
        self.seen = len(self.sink.messages())
        self.unrecorded = collections.Counter()  # by notice: kills between its 250 and the record

    def kill_once(self, kills_left):
        """Start it and kill it after it has sent its share, give or take."""
        before = len(self.sink.messages())
        share = max(0, self.ALERTS - before) // kills_left
        target = before + self.random.randint(0, 2 * share)
        self.scheduler.start()
        end = time.monotonic() + self.random.uniform(0, self.LIFE_S)
        if target > before:
            wait_for(lambda: len(self.sink.messages()) >= target or self.is_all_taken(),
                     lambda: f"{target} alerts, {len(self.sink.messages())} came:\n"
                             + self.scheduler.log()[-2000:])
            end = time.monotonic() + self.random.uniform(0, 0.01)
        wait_for(lambda: time.monotonic() >= end, "the moment to kill")
        self.assertTrue(self.scheduler.is_running(), self.scheduler.log())
        self.scheduler.kill()
        self.sink.wait_quiet()
        self.count_unrecorded()

    def is_all_taken(self):
        return read_rows(self.store, "SELECT count(*) > 0 AND min(attempts) > 0 FROM notice"
                         " WHERE state = 'open' OR ended_at IS NOT NULL") == [(1,)]

    def notice_of(self, received):
        return int(self.NOTICE.match(received.mail.value("Message-ID"))[1])

    def count_unrecorded(self):
        """What the sink took since the last kill and the store does not know as sent."""
        fresh = self.sink.messages()[self.seen:]
        self.seen += len(fresh)
        unsent = {row[0] for row in
                  read_rows(self.store, "SELECT id FROM notice WHERE state != 'sent'")}
        found = [number for number in map(self.notice_of, fresh) if number in unsent]
        self.assertLessEqual(len(found), 1, "more than what was in flight at this kill")
        self.unrecorded.update(found)

    def test_kills_lose_nothing_and_repeat_only_what_was_in_flight(self):
        customers = [self.new_customer() for _ in range(self.ALERTS // 2)]
        for customer in customers:
            self.from_customer(customer)
        # All at once, and none so late that it would come in a digest.
        change_rows(self.store, "UPDATE wait SET started_at = unixepoch() - 1, due_at = NULL"
                    " WHERE ended_at IS NULL")
        for left in range(self.KILLS, 0, -1):
            self.kill_once(left)
        let_leases_end(self.store)
        self.scheduler.start()
        wait_for(lambda: read_rows(self.store, "SELECT count(*) FROM notice WHERE state = 'sent'")
                 == [(self.ALERTS,)], lambda: "the rest:\n" + self.scheduler.log()[-2000:], 60)
        self.fence()
        self.check(customers)

    def check(self, customers):
        mails = collections.defaultdict(list)
        for one in self.sink.messages():
            mails[one.mail.value("Reply-To"), one.recipients[0]].append(self.notice_of(one))
        wanted = {(customer, to) for customer in customers
                  for to in ("boss@company.test", "replies@company.test")}
        self.assertEqual(wanted - mails.keys(), set(), "lost")
        count = 0
        for key, numbers in mails.items():
            self.assertEqual(len(set(numbers)), 1, f"{key} repeated under another Message-ID")
            self.assertEqual(len(numbers), 1 + self.unrecorded[numbers[0]],
                             f"{key} repeated though no kill fell between its 250 and the record")
            count += len(numbers) - 1
        print(f"measured: {self.KILLS} kills, {sum(self.unrecorded.values())} of them between a"
              f" 250 and the record; {self.ALERTS} alerts, {count} sent once more for that,"
              f" {max(map(len, mails.values()))} times at most")
        self.assertEqual(read_rows(self.store, "SELECT count(*) FROM notice"
                                   " WHERE state != 'sent'"), [(0,)])


if __name__ == "__main__":
    unittest.main()
