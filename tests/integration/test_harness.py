"""The harness itself: what the other tests stand on does what it says."""

import os
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import unittest

import processes
from fake_smtp import FakeSmtp
from mail import Mail, changes, compose, token_of
from ports import free_ports, is_listening
from private_dovecot import PASSWORDS
from private_postfix import PrivatePostfix, parse_main
from wait import WaitTimeout, wait_for
from world import World


class HarnessTest(unittest.TestCase):
    """A Postfix without milters."""

    @classmethod
    def setUpClass(cls):
        cls.world = World(None, postfix={"listeners": {"plain": ["syslog_name=postfix/plain"]}})
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.postfix, cls.far = cls.world.postfix, cls.world.far

    def tearDown(self):
        self.postfix.check_log()

    def send_to_customer(self, data, **options):
        self.postfix.send(data, "jane@company.test", "customer@example.org", **options)
        return self.far.wait(Mail(data).value("Message-ID"))

    def test_mail_with_a_token_detail_reaches_the_mailbox_from_outside(self):
        data = compose("customer@example.org", "replies@company.test", "hello")
        self.postfix.send_from_outside(data, "customer@example.org", "replies+abc@company.test")
        mail = self.postfix.mailbox("replies").wait(Mail(data).value("Message-ID"))
        self.assertEqual(mail.value("Delivered-To"), "replies+abc@company.test")
        self.assertIn("[127.0.0.2]", mail.value("Received"))

    def test_mail_reaches_the_far_side_byte_for_byte(self):
        data = compose("jane@company.test", "customer@example.org", "dots",
                       ".\n..two\nGrüße\n \n\nend\n", X_Folded="one\n two\n\tthree")
        received = self.send_to_customer(data)
        self.assertEqual(received.sender, "jane@company.test")
        self.assertEqual(received.recipients, ["customer@example.org"])
        self.assertTrue(received.data.endswith(data), received.data)

    def test_an_own_listener_takes_mail(self):
        data = compose("jane@company.test", "customer@example.org", "by another door")
        self.send_to_customer(data, port=self.postfix.ports["plain"])
        self.postfix.wait_log(r"postfix/plain/smtpd\[\d+\]: \w+: client=")

    def test_a_right_password_is_taken_over_tls(self):
        data = compose("jane@company.test", "customer@example.org", "signed in")
        received = self.send_to_customer(data, login=self.world.login("jane"))
        self.assertIn("with ESMTPSA", received.mail.value("Received"))
        self.postfix.wait_log("sasl_username=jane")

    def test_a_wrong_password_is_refused(self):
        data = compose("jane@company.test", "customer@example.org", "not signed in")
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.send_to_customer(data, login=("jane", PASSWORDS["bob"]))
        # The client has tried both mechanisms, and went before the line of the second was written.
        self.postfix.wait_log("SASL LOGIN authentication failed")
        complaints = self.postfix.problems()
        self.assertTrue(complaints)
        for line in complaints:
            self.assertIn("authentication failed", line)

    def test_submission_without_login_is_refused(self):
        data = compose("jane@company.test", "customer@example.org", "nobody")
        with self.assertRaises(smtplib.SMTPException):
            self.send_to_customer(data, port=self.postfix.submission)

    def test_the_outside_may_not_relay(self):
        data = compose("customer@example.org", "other@example.com", "relay")
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            self.postfix.send_from_outside(data, "customer@example.org", "other@example.com")

    def test_sendmail_and_a_bounce(self):
        data = compose("jane@company.test", "nobody@example.org", "to nobody")
        self.postfix.sendmail(data, "-f", "jane@company.test", "nobody@example.org")
        bounce = self.postfix.mailbox("jane").wait_until(
            lambda mail: Mail(data).value("Message-ID").encode() in mail.body, "the bounce")
        self.assertEqual(bounce.value("Return-Path"), "<>")
        self.assertIn(b"550 5.1.1", bounce.body)
        self.postfix.wait_idle()

    def test_the_far_side_defers_closes_and_takes_it_later(self):
        self.far.answer("rcpt", "late@example.org", "450 4.2.0 later")
        self.far.answer("data", "bob@company.test", "close")
        first = compose("jane@company.test", "late@example.org", "deferred")
        second = compose("bob@company.test", "customer@example.org", "cut off")
        self.postfix.send(first, "jane@company.test", "late@example.org")
        self.postfix.send(second, "bob@company.test", "customer@example.org")
        self.postfix.wait_log(r"status=deferred .*450 4\.2\.0 later")
        self.postfix.wait_log(r"status=deferred .*lost connection")
        self.assertEqual({entry["sender"] for entry in self.postfix.queued()},
                         {"jane@company.test", "bob@company.test"})
        self.far.answer_normally("rcpt", "late@example.org")
        self.far.answer_normally("data", "bob@company.test")
        self.postfix.flush()
        self.far.wait(Mail(first).value("Message-ID"))
        self.far.wait(Mail(second).value("Message-ID"))
        self.postfix.wait_idle()

    def test_a_warning_in_the_log_is_found(self):
        with open(self.postfix.log_file, "a", encoding="utf-8") as log:
            log.write("Jan  1 00:00:00 mx postfix/smtpd[1]: warning: made by this test\n"
                      "Jan  1 00:00:00 mx postfix/cleanup[1]: 4Bxyz: warning: and this\n"
                      "Jan  1 00:00:00 mx postfix/smtp[1]: 4Bxyz: said: 550 error: no matter\n")
        with self.assertRaisesRegex(AssertionError, "made by this test\n.*and this$"):
            self.postfix.check_log()
        self.postfix.check_log()


class LifeTest(unittest.TestCase):
    """Starting and stopping."""

    def test_two_at_once_and_nothing_left_behind(self):
        first, second = World(None), World(None)
        self.addCleanup(first.stop)
        self.addCleanup(second.stop)
        first.start()
        second.start()
        for world in (first, second):
            data = compose("jane@company.test", "customer@example.org", "one of two")
            world.postfix.send(data, "jane@company.test", "customer@example.org",
                               login=world.login("jane"))
            world.far.wait(Mail(data).value("Message-ID"))
            self.assertEqual(len(world.far.messages()), 1)
        pids = first.postfix.processes() + first.dovecot.processes()
        self.assertGreater(len(first.postfix.processes()), 2)
        self.assertGreater(len(first.dovecot.processes()), 1)
        first.stop()
        self.assertEqual([pid for pid in pids if processes.is_alive(pid)], [])
        self.assertFalse(os.path.exists(first.directory))
        self.assertFalse(is_listening(first.postfix.smtp25))
        self.assertTrue(is_listening(second.postfix.smtp25), "stopping one stopped the other")

    def test_chrooted_as_debian_ships_it(self):
        world = World(None, postfix={"chroot": True})
        self.addCleanup(world.stop)
        world.start()
        data = compose("jane@company.test", "customer@example.org", "from the chroot")
        world.postfix.send(data, "jane@company.test", "customer@example.org",
                           login=world.login("jane"))
        world.far.wait(Mail(data).value("Message-ID"))
        roots = {os.readlink(f"/proc/{pid}/root") for pid in world.postfix.processes()}
        self.assertIn(world.postfix.queue, roots)
        world.check_logs()

    def test_a_milter_that_is_missing_means_451_as_contrib_says(self):
        world = World(None, sasl=False, postfix={"milters": True})
        self.addCleanup(world.stop)
        world.start()
        with self.assertRaises(smtplib.SMTPResponseException) as refused:
            world.postfix.send(compose("jane@company.test", "customer@example.org", "no milter"),
                               "jane@company.test", "customer@example.org")
        self.assertEqual(refused.exception.smtp_code, 451)
        self.assertTrue(world.postfix.problems())
        world.check_logs()

    def test_postfix_that_cannot_start_fails_and_leaves_nothing(self):
        directory = tempfile.mkdtemp(prefix="rejoinder-")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        postfix = PrivatePostfix(directory, milters=False)
        self.addCleanup(postfix.stop)
        with socket.create_server(("127.0.0.1", postfix.submission)):
            with self.assertRaisesRegex(AssertionError, "mail system startup failed"):
                postfix.start()
        postfix.stop()
        self.assertEqual(postfix.processes(), [])


class PartsTest(unittest.TestCase):
    """The parts that need no Postfix."""

    def test_waiting_returns_what_came_or_names_what_did_not(self):
        answers = iter([None, 0, "at last"])
        self.assertEqual(wait_for(lambda: next(answers), "the answer"), "at last")
        with self.assertRaisesRegex(WaitTimeout, "waited 0.02 s for the impossible"):
            wait_for(lambda: False, "the impossible", 0.02)

    def test_free_ports_differ_and_can_be_bound(self):
        ports = free_ports(20)
        self.assertEqual(len(set(ports)), 20)
        self.assertFalse(any(map(is_listening, ports)))

    def test_a_port_that_was_drawn_stays_with_its_process(self):
        (taken,), (other,) = free_ports(1), free_ports(1)
        draw = ("import ports, random\n"
                "random.randrange = lambda *_: drawn.pop(0)\n"
                f"drawn = [{taken}, {other}, *range(10000, 20000)]\n"
                "print(*ports.free_ports(1), len(drawn))")
        port, left = map(int, subprocess.run(
            [sys.executable, "-c", draw], cwd=os.path.dirname(os.path.abspath(__file__)),
            check=True, capture_output=True, timeout=60).stdout.split())
        self.assertNotIn(port, (taken, other))
        self.assertLess(left, 10000)

    def test_fields_that_changed_are_told(self):
        before = Mail(b"From: a\r\nReply-To: a\r\nX: 1\r\nX: 2\r\n\r\nbody\r\n")
        after = Mail(b"Received: x\nReply-To: b\nFrom: a\nX: 1\nNew: folded\n  value\n\nbody\n")
        self.assertEqual(changes(before, after), [
            ("changed", "Reply-To", "a", "b"),
            ("added", "New", None, "folded\n  value"),
            ("removed", "X", "2", None)])
        self.assertEqual(after.value("new"), "folded  value")
        self.assertEqual(before.body, after.body)

    def test_a_token_is_found_in_an_address(self):
        token = "abcdefghijklmnopqrstuvwxyz234567ab"
        self.assertEqual(token_of(f"Jane <replies+{token}@company.test>"), token)
        self.assertIsNone(token_of(f"<replies+{token}x@company.test>"))
        self.assertIsNone(token_of(None))

    def test_main_cf_is_read_as_postfix_reads_it(self):
        self.assertEqual(parse_main("# c\na = 1\nb = { x,\n    y }\n\n  # c\nc =\n"),
                         {"a": "1", "b": "{ x,\n    y }", "c": ""})
        with self.assertRaisesRegex(ValueError, "sets a twice"):
            parse_main("a = 1\na = 2\n")

    def test_the_fake_far_side_refuses_and_keeps(self):
        far = FakeSmtp()
        far.start()
        self.addCleanup(far.stop)
        data = compose("jane@company.test", "customer@example.org", "direct", ".\n")
        with smtplib.SMTP("127.0.0.1", far.port, timeout=10) as smtp:
            refused = smtp.sendmail("jane@company.test",
                                    ["customer@example.org", "nobody@example.org"], data)
        self.assertEqual(refused, {"nobody@example.org": (550, b"5.1.1 no such user here")})
        self.assertEqual([(one.recipients, one.data) for one in far.messages()],
                         [(["customer@example.org"], data)])


if __name__ == "__main__":
    unittest.main()
