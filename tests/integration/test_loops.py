"""Programs that answer each other: whatever faces us, it comes to rest, and the operator hears of it."""

import email.utils
import os
import shutil
import tempfile
import threading
import time
import unittest

from mail import Mail, compose, new_msgid, token_of
from private_postfix import OUTSIDE
from rejoinder import Daemon
from scheduler import read_rows
from wait import wait_for
from world import World

CONFIG = """\
[rejoinder]
domains = {domain}
internal_hosts = 127.0.0.1
staff = @{domain}
operator = boss@{domain}

[account "Support"]
address = support@{domain}
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
deliver = mailbox
acknowledge = {directory}/support

[account "Jobs"]
address = jobs@{domain}
incoming = yes
deliver = mailbox
acknowledge = {directory}/jobs
"""

ACKNOWLEDGEMENT = "We have got \"{subject}\".\n"

OURS, THEIRS = "company.test", "example.com"
QUIET_S = 1.5


def inline(entries):
    return "inline:{ " + ", ".join(f"{{ {name} = {value} }}" for name, value in entries) + " }"


class LoopTestCase(unittest.TestCase):

    @classmethod
    def make_world(cls, domain):
        """A company that acknowledges what comes in, with a scheduler."""
        directory = tempfile.mkdtemp(prefix="rejoinder-loops-")
        cls.addClassCleanup(shutil.rmtree, directory)
        for name in ("support", "jobs"):
            with open(os.path.join(directory, name), "w", encoding="utf-8") as stream:
                stream.write(ACKNOWLEDGEMENT)
        users = ("support", "jobs", "boss", "jane", "postmaster")
        parameters = {
            "myhostname": f"mx.{domain}",
            "smtp_bind_address": OUTSIDE,  # so that the others take it for a stranger
            "virtual_mailbox_domains": domain,
            "virtual_mailbox_maps": inline((f"{user}@{domain}", f"{user}/") for user in users),
        }
        world = World(CONFIG.format(domain=domain, directory=directory), sasl=False,
                      postfix={"parameters": parameters})
        cls.addClassCleanup(world.stop)
        return world

    def start_scheduler(self, world):
        scheduler = Daemon(world.rejoinder, "rejoinder-scheduler", self.id())
        self.addCleanup(scheduler.kill)
        scheduler.start()
        return scheduler

    def wait_quiet(self, *worlds):
        """Wait until nothing moves any more, for a while."""
        seen = {"state": None, "since": 0.0}

        def is_quiet():
            state = [(read_rows(world.rejoinder.store, "SELECT count(*) FROM delivery"),
                      read_rows(world.rejoinder.store,
                                "SELECT count(*) FROM letter WHERE state = 'open'"),
                      len(world.postfix.queued()), len(world.far.messages()))
                     for world in worlds]
            if state != seen["state"]:
                seen.update(state=state, since=time.monotonic())
            return (all(one[1] == [(0,)] and one[2] == 0 for one in state)
                    and time.monotonic() - seen["since"] > QUIET_S)
        wait_for(is_quiet, lambda: f"rest; still: {seen['state']}", 60)

    def wait_messages(self, world, count):
        """Wait until the store holds as many: what is on its way stands in no queue for a moment."""
        wait_for(lambda: len(self.kinds(world)) >= count,
                 lambda: f"{count} messages at {world.postfix.directory}, not {self.kinds(world)}",
                 60)

    def kinds(self, world):
        """What the store holds: (direction, class) of each message, oldest first."""
        return read_rows(world.rejoinder.store,
                         "SELECT direction, class FROM message ORDER BY received_at, id")


class TwoRejoindersTest(LoopTestCase):
    """Both acknowledge, each in its own Postfix."""

    @classmethod
    def setUpClass(cls):
        cls.ours, cls.theirs = cls.make_world(OURS), cls.make_world(THEIRS)
        for world, domain, other in ((cls.ours, THEIRS, cls.theirs),
                                     (cls.theirs, OURS, cls.ours)):
            world.postfix.set_parameters({"transport_maps": inline([
                (domain, f"smtp:[127.0.0.1]:{other.postfix.smtp25}"),
                ("example.org", f"smtp:[127.0.0.1]:{world.far.port}")])})
            world.start()

    def tearDown(self):
        for world in (self.ours, self.theirs):
            world.check_logs()

    def test_they_come_to_rest(self):
        schedulers = [self.start_scheduler(world) for world in (self.ours, self.theirs)]
        data = compose(f"Support <support@{OURS}>", f"support@{THEIRS}", "A delivery",
                       "Where is it?\n")
        self.ours.postfix.send(data, f"support@{OURS}", f"support@{THEIRS}")
        self.wait_messages(self.theirs, 2)
        self.wait_messages(self.ours, 2)
        self.wait_quiet(self.ours, self.theirs)
        self.assertEqual(self.kinds(self.theirs), [("in", "human"), ("internal", "notification")])
        self.assertEqual(self.kinds(self.ours), [("out", "human"), ("in", "auto-reply")])
        answer = self.ours.postfix.mailbox("support").wait_count(1)[0]
        self.assertEqual(answer.value("Rejoinder-Match"), "own-id")
        self.assertEqual(answer.value("Return-Path"), "<>")

        # A relay between them that takes every mark of a machine off, and every id.
        stripped = compose(f"Support <support@{THEIRS}>", f"jobs@{OURS}",
                           answer.value("Subject"), answer.body.decode("ascii"))
        self.ours.postfix.send_from_outside(stripped, f"support@{THEIRS}", f"jobs@{OURS}")
        self.wait_messages(self.ours, 4)
        self.wait_messages(self.theirs, 3)
        self.wait_quiet(self.ours, self.theirs)
        self.assertEqual(self.kinds(self.ours)[2:],
                         [("in", "human"), ("internal", "notification")])
        self.assertEqual(self.kinds(self.theirs)[2:], [("in", "auto-reply")])
        for _ in range(3):  # however often it does that on a day
            data = compose(f"Support <support@{THEIRS}>", f"jobs@{OURS}", "Auto: again", "Hm.\n")
            self.ours.postfix.send_from_outside(data, f"support@{THEIRS}", f"jobs@{OURS}")
        self.wait_messages(self.ours, 7)
        self.wait_quiet(self.ours, self.theirs)
        self.assertEqual(self.kinds(self.ours)[4:], [("in", "human")] * 3)
        self.assertEqual(len(self.kinds(self.theirs)), 3)
        for scheduler in schedulers:
            scheduler.stop()
            scheduler.check_log()


class ResponderTest(LoopTestCase):
    """Programs that know nothing of RFC 3834, on the far side."""

    @classmethod
    def setUpClass(cls):
        cls.world = cls.make_world(OURS)
        cls.world.start()
        cls.postfix, cls.rejoinder = cls.world.postfix, cls.world.rejoinder

    def tearDown(self):
        self.world.check_logs()

    def answer_everything(self, field):
        """From now on each message that arrives outside is answered, to the address in a field."""
        keep, threads = self.world.far.keep, []

        def keep_and_answer(received):
            keep(received)
            to = received.mail.address(field) or received.mail.address("From")
            data = compose(received.recipients[0], to, "We have got your mail",
                           "It is important to us.\n")
            threads.append(threading.Thread(
                target=self.postfix.send_from_outside, args=(data, received.recipients[0], to)))
            threads[-1].start()

        def stop():
            del self.world.far.keep
            for thread in threads:
                thread.join()
        self.world.far.keep = keep_and_answer
        self.addCleanup(stop)

    def test_one_that_answers_everything_gets_one_letter(self):
        for number, field in enumerate(("From", "Reply-To")):
            with self.subTest(field):
                scheduler = self.start_scheduler(self.world)
                self.answer_everything(field)
                responder = f"responder-{number}@example.org"
                data = compose(responder, f"support@{OURS}", "A question", "Who is there?\n")
                self.postfix.send_from_outside(data, responder, f"support@{OURS}")
                wait_for(lambda: [one for one in self.world.far.messages()
                                  if one.recipients == [responder]],
                         lambda: f"the acknowledgement:\n{scheduler.log()}")
                wait_for(lambda: self.count_from(responder) == 2, "the answer to it")
                self.wait_quiet(self.world)
                self.assertEqual(len([one for one in self.world.far.messages()
                                      if one.recipients == [responder]]), 1)
                self.assertEqual(self.count_from(responder), 2)
                self.doCleanups()

    def count_from(self, sender):
        return read_rows(self.rejoinder.store, "SELECT count(*) FROM message"
                         " WHERE from_address = ? AND direction = 'in'", sender)[0][0]

    def test_past_a_cap_mail_is_only_tagged_and_the_operator_is_told_once(self):
        customer = "fast@example.org"
        msgid = new_msgid(OURS)
        self.postfix.send(compose(f"Support <support@{OURS}>", customer, "Your order", "Hello.\n",
                                  Message_ID=msgid), f"support@{OURS}", customer)
        address = self.world.far.wait(msgid).mail.address("Reply-To")
        conversation = token_of(address)[1:14]
        for _ in range(10):
            self.write(customer, address)
        self.assertEqual(self.rejoinder.json("show", conversation)["waits"][0]["customer"],
                         customer)
        self.rejoinder.run("close", conversation)
        for _ in range(3):
            arrived = self.write(customer, address)
            self.assertEqual((arrived.value("Rejoinder-Match"),
                              arrived.value("Rejoinder-Conversation")), ("token", conversation))
        shown = self.rejoinder.json("show", conversation)
        self.assertEqual((len(shown["messages"]), shown["state"]), (14, "closed"))
        self.assertEqual(self.rejoinder.log().count("capped=yes"), 3)
        other = self.write("slow@example.org", address)
        self.assertEqual(other.value("Rejoinder-Conversation"), conversation)
        self.assertEqual(self.rejoinder.json("show", conversation)["state"], "open",
                         "another customer reopens it")

        scheduler = self.start_scheduler(self.world)
        self.wait_quiet(self.world)
        told = [mail for mail in self.postfix.mailbox("boss").messages()
                if mail.value("Subject") == f"{customer} writes faster than people do"]
        self.assertEqual(len(told), 1, scheduler.log())
        self.assertIn(b"more than 10 messages within 10 min in one conversation", told[0].body)
        self.assertIn(f"rejoinder show {conversation}".encode(), told[0].body)
        scheduler.wait_log(r"info: letter \d+: kind=sender-capped, .* status=sent")

    def write(self, customer, address):
        data = compose(customer, address, "Re: Your order", "When?\n",
                       Date=email.utils.formatdate())
        self.postfix.send_from_outside(data, customer, address)
        return self.postfix.mailbox("support").wait(Mail(data).value("Message-ID"))


if __name__ == "__main__":
    unittest.main()
