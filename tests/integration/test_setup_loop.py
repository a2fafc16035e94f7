"""A Postfix that has never heard of Rejoinder, chrooted as Debian's is: `rejoinder setup` while it
runs, mail there and back, and `--undo`."""

import os
import re
import subprocess
import time
import unittest

from mail import Mail, compose, token_of
from ports import is_listening
from private_dovecot import PrivateDovecot
from private_postfix import CONTRIB, USERS, PrivatePostfix, parse_main
from rejoinder import Rejoinder
from scene import CUSTOMER, JANE, REPLIES
from wait import wait_for
from world import FAR_DOMAINS, World

CONFIG = f"""\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1
staff = @company.test
operator = postmaster@company.test

[account "Replies"]
address = {REPLIES}
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test
"""

# Nobody has made a mailbox for replies yet.
MAILBOXES = ", ".join(f"{{ {user}@company.test = {user}/ }}" for user in USERS
                      if user != "replies")


class PlainPostfix(PrivatePostfix):
    """A private Postfix before anybody has added anything of contrib/postfix to it.

    .submit is free: the port where setup will make it listen.
    """

    def __init__(self, directory, **settings):
        super().__init__(directory, chroot=True, parameters={
            "virtual_mailbox_maps": f"inline:{{ {MAILBOXES} }}"}, **settings)
        del self.ports["submit"]

    def _main_cf(self):
        with open(os.path.join(CONTRIB, "main.cf"), encoding="utf-8") as stream:
            added = parse_main(stream.read())
        return "".join(f"{name} = {value}\n" for name, value in
                       parse_main(super()._main_cf()).items() if name not in added)

    def _place_services(self, text):
        """The submission service alone, without what contrib adds to one."""
        found = re.search(r"^submission .*\n(?:  .*\n)+", text, re.MULTILINE)[0]
        self.ports["submit"] = self.submit
        try:
            return super()._place_services("".join(
                line for line in found.splitlines(keepends=True) if "milter" not in line))
        finally:
            del self.ports["submit"]


class LoopTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        world = cls.world = World(None, sasl=False)
        cls.addClassCleanup(world.stop)
        place = os.path.join(world.directory, "postfix")
        cls.postfix = world.postfix = PlainPostfix(
            place, relay={domain: world.far.port for domain in FAR_DOMAINS})
        world.dovecot = PrivateDovecot(os.path.join(world.directory, "dovecot"),
                                       cls.postfix.auth_socket)
        cls.rejoinder = world.rejoinder = Rejoinder(
            os.path.join(world.directory, "rejoinder"), cls.postfix.milter_socket, CONFIG,
            submit_port=cls.postfix.submit)
        world.start()

    def wire(self, *arguments):
        # Postfix's programs wait until it is some seconds old.
        os.utime(os.path.join(self.postfix.etc, "main.cf"), (0, time.time() - 10))
        return self.rejoinder.run("setup", "--config-dir", self.postfix.etc, "--yes", *arguments)

    def configuration(self):
        found = []
        for name in ("main.cf", "master.cf"):
            with open(os.path.join(self.postfix.etc, name), "rb") as stream:
                found.append(stream.read())
        return found

    def send_out(self, **how):
        data = compose(JANE, CUSTOMER, "Your order", "It is on its way.\n")
        self.postfix.send(data, "jane@company.test", CUSTOMER, **how)
        return self.world.far.wait(Mail(data).value("Message-ID")).mail

    def test_wired_seen_through_and_taken_out(self):
        before = self.configuration()
        self.assertIsNone(self.send_out().value("Reply-To"))

        said = self.wire()
        self.assertIn("Postfix is reloaded", said)
        self.assertIn(f"+ {REPLIES} postmaster@company.test", said)
        wait_for(lambda: is_listening(self.postfix.submit), "the listener of the hand-over")

        for how in ({}, {"login": self.world.login("jane")}):
            with self.subTest(how=how):
                self.see_a_round(**how)
        self.see_the_hand_over()
        self.world.check_logs()

        self.wire("--undo")
        wait_for(lambda: not is_listening(self.postfix.submit), "the end of the listener")
        self.assertIsNone(self.send_out().value("Reply-To"))
        # Answers to what was sent are taken all the same.
        self.see_at("postmaster", self.answer(self.sent, {}))
        self.wire("--undo", "--all")
        self.assertEqual(before, self.configuration())
        # So master(8) says that a service is gone which was at work.
        self.world.check_logs(postfix=[r"cleanup pid \d+ exit status 15"])

    def see_a_round(self, **how):
        self.sent = sent = self.send_out(**how)
        self.assertTrue(token_of(sent.value("Reply-To")), sent.fields)
        answer = self.see_at("jane", self.answer(sent, {"In_Reply_To": sent.value("Message-ID")}))
        self.assertEqual(answer.value("Rejoinder-Match"), "token")
        self.assertEqual(answer.value("Rejoinder-Conversation"),
                         token_of(sent.value("Reply-To"))[1:14])

    def answer(self, sent, fields):
        data = compose(CUSTOMER, sent.value("Reply-To"), "Re: Your order", "When?\n", **fields)
        self.postfix.send_from_outside(data, CUSTOMER, sent.address("Reply-To"))
        return Mail(data)

    def see_at(self, user, mail):
        return self.postfix.mailbox(user).wait(mail.value("Message-ID"))

    def see_the_hand_over(self):
        """It takes mail that port 25 finds too large, and passes it by the milter once."""
        size = int(subprocess.run(
            ["postconf", "-c", self.postfix.etc, "-h", "message_size_limit"], check=True,
            capture_output=True, text=True).stdout)
        line = "x" * 76 + "\n"
        data = compose(CUSTOMER, REPLIES, "A large one", line * (size // len(line) + 1000))
        self.postfix.send(data, CUSTOMER, REPLIES, port=self.postfix.submit)
        arrived = self.see_at("postmaster", Mail(data))
        self.assertEqual(len(arrived.values("Rejoinder-Conversation")), 1)


if __name__ == "__main__":
    unittest.main()
