"""`rejoinder doctor` beside a set-up that is well, and beside ones that are broken."""

import contextlib
import json
import os
import pty
import pwd
import re
import shutil
import socket
import sqlite3
import subprocess
import time
import unittest

from doctor_rig import CONFIG_WRONG, OK, USAGE, DoctorTest, Fake
from fake_pop3 import FakePop3
from rejoinder import is_long
from test_setup import VARIANTS
from wiring import PROGRAM, Wiring

DKIM, DMARC = "inet:localhost:8891", "inet:localhost:8893"


def setUpModule():
    DoctorTest.start()


class HealthyTest(DoctorTest):
    def test_no_problem(self):
        found = self.look()
        self.assertEqual([one for one in found if one["state"] == "problem"], [])
        # Of its own making: the certificate of the test's Postfix, and this machine's clock.
        self.assertLessEqual({one["check"] for one in found if one["state"] == "warning"},
                             {"certificates", "time", "disk"})
        said = {(one["check"], one["state"]) for one in found}
        for check in ("lists", "default_action", "twice", "delimiter", "bounces", "hand-over",
                      "relays", "socket", "map", "passwords", "domains", "recipients", "keys",
                      "readers", "ca_file", "store", "clock", "daemons", "upkeep", "troubles",
                      "defaults", "inboxes"):
            self.assertIn((check, "ok"), said)
        self.assertIn(("servers", "not tried"), said)
        self.world.check_logs()

    def test_chrooted(self):
        """As Debian ships it: a chroot sees the same socket."""
        self.doctor.master(lambda text: re.sub(r"^(\S+ (?:inet|unix) \S+ \S+) n ", r"\1 y ",
                                               text, flags=re.MULTILINE))
        self.assertEqual([one for one in self.look() if one["state"] == "problem"], [])

    def test_text(self):
        done = self.doctor.attempt()
        self.assertEqual(done.returncode, OK, done.stdout)
        self.assertEqual(done.stderr, "")
        self.assertNotIn("\033", done.stdout)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], "Postfix's configuration")
        self.assertRegex(lines[1], r"^ok +lists +\S")
        self.assertRegex(lines[-1], r"^0 problems, \d+ warnings?, \d+ looked at$")
        for title in ("Postfix", "This host", "Store and daemons", "Accounts"):
            self.assertIn("\n\n" + title + "\n", done.stdout)

    def test_colours_on_a_terminal(self):
        leader, follower = pty.openpty()
        self.addCleanup(os.close, leader)
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        subprocess.run([self.rejoinder.program("rejoinder"), "-c", self.doctor.config_file,
                        "doctor", "--config-dir", self.doctor.etc], stdout=follower,
                       stdin=subprocess.DEVNULL, check=True, timeout=60,
                       env={**environment, "TERM": "xterm"})
        os.close(follower)
        self.assertIn(b"\033[32mok\033[0m", os.read(leader, 4096))

    def test_usage(self):
        self.assertEqual(self.doctor.attempt("--nonsense").returncode, USAGE)
        self.assertEqual(self.doctor.attempt("more").returncode, USAGE)
        self.assertIn("usage:", self.doctor.attempt("--help").stdout)
        self.doctor.configure(("domains = company.test", "domains ="))
        self.assertEqual(self.doctor.attempt().returncode, CONFIG_WRONG)

    def test_not_root(self):
        """What cannot be tried is said."""
        os.chmod(self.doctor.config_file, 0o644)
        nobody = pwd.getpwnam("nobody")
        done = self.doctor.attempt("--json", user=nobody.pw_uid, group=nobody.pw_gid,
                                   extra_groups=[])
        found = json.loads(done.stdout)["findings"]
        self.assertTrue(any(one["check"] == "socket" and one["state"] == "warning"
                            and "somebody else" in one["text"] for one in found), found)

    def test_no_milters_at_all(self):
        """The socket is looked at even if Postfix does not know it."""
        self.doctor.main(rejoinder_milter="")
        seen = self.see("problem", {
            "lists": "not in smtpd_milters", "hand-over": "does not run our milter"})
        self.assertEqual(len(seen), 5)  # four ways in, and the hand-over
        self.assertTrue(any(one["check"] == "socket" and one["state"] == "ok"
                            for one in self.look()))


class WiringTest(DoctorTest):
    """Postfix's configuration, as files."""

    def test_no_postfix_there(self):
        self.doctor.etc = self.doctor.path("nothing")
        self.see("problem", {"postconf": "No such file"})

    def test_port_25_without(self):
        self.doctor.main(smtpd_milters="")
        self.doctor.option(self.world.postfix.ports["strict"], "smtpd_milters", "")
        self.see_problem("lists", "mail from outside does not pass .*127.0.0.1")

    def test_another_listener_without(self):
        self.doctor.option(self.world.postfix.ports["strict"], "smtpd_milters", DMARC)
        self.see_warning("lists", "a list of milters of its own, without ours")

    def test_submission_without(self):
        self.doctor.main(submission_milters="", non_smtpd_milters="$smtpd_milters")
        self.see_problem("lists", "mail of your people does not pass")

    def test_sendmail_without(self):
        self.doctor.main(non_smtpd_milters="")
        self.see_problem("lists", "sendmail.1. and bounces")

    def test_no_milters(self):
        self.doctor.option(self.world.postfix.smtp25, "receive_override_options", "no_milters")
        self.doctor.option(self.world.postfix.ports["strict"], "smtpd_milters", "")
        self.see_problem("lists", "mail from outside .* which has no_milters")

    def test_after_the_signer(self):
        self.doctor.main(submission_milters=f"{DKIM}, $rejoinder_milter",
                         non_smtpd_milters="$rejoinder_milter")
        (one,) = self.see_problem("lists", f"stands after {DKIM}, which signs")
        self.assertIn(str(self.world.postfix.submission), one["text"])

    def test_before_the_signer(self):
        self.doctor.main(submission_milters=f"$rejoinder_milter, {DKIM}",
                         smtpd_milters=f"{DKIM}, {DMARC}, $rejoinder_milter")
        self.assertEqual([one for one in self.look() if one["state"] == "problem"], [])

    def test_before_the_verifier(self):
        self.doctor.main(smtpd_milters=f"$rejoinder_milter, {DMARC}")
        self.see_problem("lists", f"stands before {DMARC}, whose verdict")

    def test_default_action_accept(self):
        self.doctor.main(rejoinder_milter="unix:rejoinder/milter.sock",
                         milter_default_action="accept")
        self.see_problem("default_action", "accept, for our milter in .*non_smtpd_milters")

    def test_default_action_reject(self):
        self.doctor.main(rejoinder_milter="{ unix:rejoinder/milter.sock, default_action=reject }")
        self.see_problem("default_action", "mail is refused while")

    def test_no_delimiter(self):
        self.doctor.main(recipient_delimiter="")
        self.see_problem("delimiter", "no recipient_delimiter")

    def test_another_delimiter(self):
        self.doctor.main(recipient_delimiter="-")
        self.see_problem("delimiter", '"-", delimiter of rejoinder.conf is "\\+"')

    def test_bounces_without(self):
        self.doctor.main(internal_mail_filter_classes="notify")
        self.see_problem("bounces", "bounces that Postfix writes")

    def test_the_hand_over_takes_more_than_mailboxes(self):
        self.doctor.main(virtual_mailbox_limit="51200000")
        self.see_problem("hand-over", "one larger message stops delivery for all")

    def test_twice_in_a_list(self):
        self.doctor.main(non_smtpd_milters="$submission_milters, $rejoinder_milter")
        self.see_problem("twice", "non_smtpd_milters names the milter 2 times")

    def test_twice_by_a_content_filter(self):
        self.doctor.main(content_filter="smtp:[127.0.0.1]:10024")
        self.doctor.master(lambda text: text + "127.0.0.1:10025 inet n - n - - smtpd\n"
                                               "  -o content_filter=\n")
        self.see_problem("twice", "127.0.0.1:10025: mail that comes back")

    def test_once_by_a_content_filter(self):
        self.doctor.main(content_filter="smtp:[127.0.0.1]:10024")
        self.doctor.master(lambda text: text + "127.0.0.1:10025 inet n - n - - smtpd\n"
                                               "  -o content_filter=\n"
                                               "  -o receive_override_options=no_milters\n")
        self.assertEqual([one for one in self.look() if one["state"] == "problem"], [])

    def test_filter_program(self):
        self.doctor.main(content_filter="filter:dummy")
        self.doctor.master(lambda text: text + "filter unix - n n - 10 pipe flags=Rq\n"
                                               "  user=nobody argv=/bin/true\n")
        self.see_warning("twice", "is a program")

    def test_proxy_filter(self):
        self.doctor.option(self.world.postfix.smtp25, "smtpd_proxy_filter", "127.0.0.1:10024")
        self.see_problem("proxy", "smtpd_proxy_filter 127.0.0.1:10024")

    def test_no_hand_over_listener(self):
        port = self.world.postfix.submit
        self.doctor.master(lambda text: re.sub(
            rf"^127\.0\.0\.1:{port} .*\n(?:  .*\n)*", "", text, flags=re.MULTILINE))
        self.see_problem("hand-over", f"no listener 127.0.0.1:{port}")

    def test_hand_over_without_milter(self):
        self.doctor.option(self.world.postfix.submit, "smtpd_milters", "")
        self.see_problem("hand-over", "does not run our milter")

    def test_hand_over_open_to_all(self):
        port = self.world.postfix.submit
        self.doctor.main(inet_interfaces="all")
        self.doctor.master(lambda text: text.replace(f"127.0.0.1:{port} ", f"{port} "))
        self.see_problem("hand-over", f"listener {port} can be reached")

    def test_hand_over_for_this_host(self):
        """Without an address it is as open as inet_interfaces says."""
        port = self.world.postfix.submit
        self.doctor.main(inet_interfaces="loopback-only")
        self.doctor.master(lambda text: text.replace(f"127.0.0.1:{port} ", f"{port} "))
        self.assertEqual([one for one in self.look() if one["state"] == "problem"], [])

    def test_hand_over_with_others(self):
        self.doctor.option(self.world.postfix.submit, "smtpd_milters",
                           f"$rejoinder_milter,{DMARC}")
        self.see_warning("hand-over", "runs other milters too")

    def test_hand_over_rewrites(self):
        self.doctor.option(self.world.postfix.submit, "local_header_rewrite_clients",
                           "permit_inet_interfaces")
        self.see_warning("hand-over", "completes addresses")

    def test_hand_over_takes_too_little(self):
        self.doctor.option(self.world.postfix.submit, "message_size_limit", "10240000")
        self.see_warning("hand-over", "takes 10240000 bytes, and messages of 52428800")

    def test_no_relay_service(self):
        self.doctor.master(lambda text: re.sub(
            r"^rejoinder-relay .*\n(?:  .*\n)*", "", text, flags=re.MULTILINE))
        self.see_problem("relays", "no service rejoinder-relay ")

    def test_relay_map_not_named(self):
        self.doctor.main(sender_dependent_default_transport_maps="")
        self.see_problem("relays", "does not name .*rejoinder_transport")

    def test_not_its_server(self):
        self.doctor.main(virtual_mailbox_domains="other.test")
        self.see_problem("domains", "not the server of company.test, where answers")

    def test_other_domain(self):
        self.doctor.configure(("domains = company.test", "domains = company.test, shop.test"))
        self.see_warning("domains", "not the server of shop.test$")

    def test_domains_in_a_table(self):
        path = self.doctor.path("domains")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("company.test anything\n")
        os.utime(path, (time.time() - 60, time.time() - 60))
        self.doctor.main(virtual_mailbox_domains=f"proxy:texthash:{path}")
        self.assertEqual([one for one in self.look() if one["state"] == "problem"], [])

    def test_no_server_for_tokens(self):
        self.doctor.configure(("alert = 4h", "token_domain = replies.company.test\nalert = 4h"),
                              ("domains = company.test",
                               "domains = company.test, replies.company.test"))
        self.see_problem("domains", "not the server of replies.company.test, where")

    def test_expired_certificate(self):
        certificate, _ = self.certificates.issue("expired", days=-1)
        self.doctor.main(smtpd_tls_chain_files=certificate)
        self.see_problem("certificates", "Postfix's own.* has expired 1d")

    def test_certificate_of_one_service(self):
        self.doctor.option(self.world.postfix.smtp25, "smtpd_tls_cert_file", "/nowhere.pem")
        self.see_problem("certificates", "/nowhere.pem: No such file")


class SetupTest(unittest.TestCase):
    """What `rejoinder setup` leaves is well."""

    def check(self, name):
        options, _, _ = VARIANTS[name]
        wiring = Wiring(**options)
        self.addCleanup(wiring.remove)
        wiring.write("virtual", "someone@company.test root\n")
        wiring.setup("--yes")
        done = subprocess.run([PROGRAM, "-c", wiring.config, "doctor", "--config-dir", wiring.etc,
                               "--json"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False)
        found = [one for one in json.loads(done.stdout)["findings"]
                 if one["part"] == "Postfix's configuration"]
        self.assertEqual(len(found), 8)
        self.assertEqual([one for one in found if one["state"] in ("problem", "warning")], [])

    def test_signer_and_verifiers(self):
        self.check("OpenDKIM signs and verifies, OpenDMARC verifies")

    def test_content_filter_and_relay(self):
        for name in VARIANTS if is_long() else ("amavis after the queue",
                                                "an account with a relay"):
            with self.subTest(name):
                self.check(name)


class SocketTest(DoctorTest):
    """The milter's socket, as user postfix finds it."""

    def test_missing(self):
        self.doctor.milter_at("rejoinder/none.sock")
        self.see_problem("socket", "no socket .*none.sock: the milter does not run")

    def test_wrong_mode_of_the_directory(self):
        directory = self.doctor.socket_directory("rejoinder-closed")
        fake = Fake(os.path.join(directory, "milter.sock"), None)
        self.addCleanup(fake.stop)
        os.chmod(directory, 0o700)
        self.doctor.milter_at("rejoinder-closed/milter.sock")
        self.see_problem("socket", "user postfix may not connect .* directory is 0700 root:root")

    def test_wrong_mode_of_the_socket(self):
        directory = self.doctor.socket_directory("rejoinder-mode")
        path = os.path.join(directory, "milter.sock")
        fake = Fake(path, None)
        self.addCleanup(fake.stop)
        os.chmod(path, 0o600)
        self.doctor.milter_at("rejoinder-mode/milter.sock")
        self.see_problem("socket", "may not connect .* the socket 0600 root:root")

    def test_open_to_all(self):
        directory = self.doctor.socket_directory("rejoinder-open")
        os.link(self.world.postfix.milter_socket, os.path.join(directory, "milter.sock"))
        mode = os.stat(self.world.postfix.milter_socket).st_mode & 0o777
        self.addCleanup(os.chmod, self.world.postfix.milter_socket, mode)
        os.chmod(self.world.postfix.milter_socket, 0o666)
        self.doctor.milter_at("rejoinder-open/milter.sock")
        self.see_problem("socket", "every user of this host can connect")

    def test_outside_the_chroot(self):
        path = self.doctor.path("milter.sock")
        self.doctor.configure_path("milter_socket", f"unix:{path}")
        self.doctor.main(rejoinder_milter=f"{{ unix:{path}, default_action=tempfail }}")
        self.doctor.master(lambda text: re.sub(r"^(\S+ inet \S+ \S+) n ", r"\1 y ", text,
                                               flags=re.MULTILINE))
        seen = self.see_problem(
            "socket", f"is in a chroot and looks .* at unix:{self.world.postfix.queue}{path}")
        # cleanup is not chrooted here, and finds nothing either.
        self.assertEqual(len(seen), 2)

    def test_elsewhere(self):
        self.doctor.main(rejoinder_milter="{ unix:rejoinder/other.sock, default_action=tempfail }")
        (one,) = self.see_problem("socket", "looks for the milter at .*other.sock, but")
        self.assertIn("Say milter_socket = unix:", one["advice"])

    def test_nobody_listens(self):
        directory = self.doctor.socket_directory("rejoinder-stale")
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(os.path.join(directory, "milter.sock"))
            os.chmod(os.path.join(directory, "milter.sock"), 0o666)
        self.doctor.milter_at("rejoinder-stale/milter.sock")
        self.see_problem("socket", "nobody listens on .*stale")

    def test_no_milter(self):
        directory = self.doctor.socket_directory("rejoinder-mail")
        fake = Fake(os.path.join(directory, "milter.sock"), b"220 mx.company.test ESMTP\r\n")
        self.addCleanup(fake.stop)
        self.doctor.milter_at("rejoinder-mail/milter.sock")
        self.see_problem("socket", "what answers there is no milter")

    def test_no_answer(self):
        directory = self.doctor.socket_directory("rejoinder-mute")
        fake = Fake(os.path.join(directory, "milter.sock"), None)
        self.addCleanup(fake.stop)
        self.doctor.milter_at("rejoinder-mute/milter.sock")
        started = time.monotonic()
        self.see_problem("socket", "there was no answer in time")
        self.assertLess(time.monotonic() - started, 10)

    def test_tcp(self):
        """Both spell the address of a milter in their own way."""
        self.doctor.configure_path("milter_socket", f"inet:{self.nobody}@127.0.0.1")
        self.doctor.main(rejoinder_milter=f"{{ inet:127.0.0.1:{self.nobody},"
                                          " default_action=tempfail }")
        self.see_problem("socket", f"nobody listens on inet:{self.nobody}@127.0.0.1")

    def test_no_such_user(self):
        self.doctor.configure(("[account \"Replies\"]",
                               "postfix_user = nobody-here\n\n[account \"Replies\"]"))
        found = self.look()
        self.assertIn("there is no user nobody-here",
                      [one["text"] for one in found if one["check"] == "socket"])


class RecipientsTest(DoctorTest):
    """Whom Postfix takes mail for, asked by RCPT."""

    def test_replies_address_unknown(self):
        self.doctor.configure(("address = replies@company.test", "address = nowhere@company.test"))
        (one,) = self.see_problem("recipients", "answers come to nowhere@company.test, .*550 5.1.1")
        self.assertIn("rejoinder setup", one["advice"])

    def test_no_delimiter_where_it_runs(self):
        postfix = self.world.postfix
        self.doctor.configure((f"submit_to = 127.0.0.1:{postfix.submit}",
                               f"submit_to = 127.0.0.1:{postfix.ports['strict']}"))
        (one,) = self.see_problem("recipients", r"with a token, such as replies\+a{34}@.*550 5.1.1")
        self.assertIn("recipient_delimiter", one["advice"])

    def test_staff_unknown(self):
        self.doctor.configure(("bob@company.test", "gone@company.test"))
        self.see_problem("recipients", "a member of staff, gone@company.test, .*550")

    def test_owner_unknown(self):
        self.doctor.store("UPDATE conversation SET owner = 'left@company.test'")
        self.doctor.configure(("jane@company.test, bob@company.test", "@company.test"))
        self.see_problem("recipients", "a member of staff, left@company.test, .*550")

    def test_alert_recipient_unknown(self):
        self.doctor.configure(("boss@company.test", "chief@company.test"))
        self.see_problem("recipients", "alerts go to chief@company.test, .*550")

    def test_operator_unknown(self):
        self.doctor.configure(("domains = company.test",
                               "domains = company.test\noperator = ops@company.test"))
        self.see_problem("recipients", "an operator must know goes to ops@company.test")

    def test_many_unknown(self):
        """More than Postfix bears in one session."""
        staff = ", ".join(f"u{number}@company.test" for number in range(9))
        self.doctor.configure(
            ("staff = jane@company.test, bob@company.test", f"staff = {staff}\n\t"
             + staff.replace("u", "v") + "\n\t" + staff.replace("u", "w")))
        self.assertEqual(len(self.see_problem("recipients", "staff, w8@company.test")), 27)

    def test_postfix_does_not_run(self):
        submit = self.world.postfix.submit
        self.doctor.configure((f"127.0.0.1:{submit}", f"127.0.0.1:{self.nobody}"))
        self.doctor.master(lambda text: text.replace(f"127.0.0.1:{submit}",
                                                     f"127.0.0.1:{self.nobody}"))
        self.see_problem("recipients", "could not be asked .*Connection refused")


class HostTest(DoctorTest):
    """Files, certificates, relays."""

    def test_map_missing(self):
        path = self.doctor.path("transport")
        self.doctor.configure_path("transport_map", path)
        self.doctor.main(sender_dependent_default_transport_maps=f"texthash:{path}")
        self.see_problem("map", "neither takes nor sends any mail")

    def test_map_missing_and_not_named(self):
        self.doctor.configure_path("transport_map", self.doctor.path("transport"))
        self.doctor.main(sender_dependent_default_transport_maps="")
        self.see("problem", {"map": "leaves by another way", "relays": "does not name"})

    def test_map_stale(self):
        path = self.doctor.path("transport")
        shutil.copyfile(self.world.postfix.transport_map, path)
        with open(path, "a", encoding="utf-8") as stream:
            stream.write("old@company.test rejoinder-relay:[old.example.org]:587\n")
        self.doctor.configure_path("transport_map", path)
        self.doctor.main(sender_dependent_default_transport_maps=f"texthash:{path}")
        self.see_problem("map", "0 lines missing, 1 too many")
        self.doctor.configure((f"localhost:{self.relay}", "localhost:587"))
        self.see_problem("map", "1 line missing, 2 too many")

    def test_map_not_readable(self):
        path = self.doctor.path("transport")
        shutil.copyfile(self.world.postfix.transport_map, path)
        os.chmod(path, 0o600)
        self.doctor.configure_path("transport_map", path)
        self.doctor.main(sender_dependent_default_transport_maps=f"texthash:{path}")
        self.see_problem("map", "user postfix cannot read it: Permission denied")

    def test_no_password_socket(self):
        self.doctor.configure_path("password_socket",
                                   f"{self.world.postfix.queue}/rejoinder/none.sock")
        self.see_problem("passwords", "nobody listens on .*none.sock")

    def test_keys_absent(self):
        self.doctor.configure_path("keys", self.doctor.path("keys"))
        (one,) = self.see_problem("keys", "found no key file")
        self.assertEqual(one["advice"], "Run: rejoinder keys add")

    def test_keys_readable_by_others(self):
        path = self.doctor.keys(0o644)
        (one,) = self.see_problem("keys", "found mode 0644")
        self.assertIn(f"chmod o= {path}", one["advice"])

    def test_keys_not_readable_by_the_services(self):
        """Their user is whom the directory of the store belongs to."""
        store = self.doctor.store()
        nobody = pwd.getpwnam("nobody")
        for path in (store, os.path.dirname(store)):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        path = self.doctor.keys(0o600)
        (one,) = self.see_problem("readers", "keys .*user nobody.* cannot read it: Permission")
        self.assertIn(f"chgrp nobody {path}", one["advice"])

    def test_certificates_expired(self):
        certificate, _ = self.certificates.issue("old", days=-1)
        self.doctor.configure_path("ca_file", certificate)
        self.see_problem("ca_file", "has expired 1d")

    def test_certificates_expire(self):
        certificate, _ = self.certificates.issue("ending", days=5)
        self.doctor.configure_path("ca_file", certificate)
        self.see_warning("ca_file", "expires in (4d 23h|5d 0h)")

    def test_no_certificates(self):
        self.doctor.configure_path("ca_file", self.doctor.config_file)
        self.see_problem("ca_file", "it holds none")

    def test_disk_full(self):
        """No byte is free in /sys, ever."""
        self.doctor.configure_path("backup_directory", "/sys")
        self.see_problem("disk", "backup: 0 MB are left in /sys")

    def test_trouble_of_the_configuration(self):
        self.doctor.configure(("alert = 4h", "acknowledge = /nowhere/answer\nalert = 4h"))
        self.see_problem("configuration", "/nowhere/answer")


class StoreTest(DoctorTest):
    def test_missing(self):
        self.doctor.configure_path("store", self.doctor.path("rejoinder.db"))
        (one,) = self.see_problem("store", "no such file")
        self.assertIn("Start rejoinder-milter", one["advice"])

    def test_damaged(self):
        path = self.doctor.store("INSERT INTO counter (name, value) VALUES ('spare', 1)")
        with contextlib.closing(sqlite3.connect(path)) as database:
            (page,) = database.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'letter_by_state'").fetchone()
            (size,) = database.execute("PRAGMA page_size").fetchone()
        with open(path, "r+b") as stream:
            stream.seek((page - 1) * size)
            stream.write(b"\xff" * size)
        (one,) = self.see_problem("store", "damaged")
        self.assertIn("backup", one["advice"])

    def test_of_another_program(self):
        path = self.doctor.path("other.db")
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE other (number)")
        self.doctor.configure_path("store", path)
        self.see_problem("store", "another program")

    def test_newer_schema(self):
        self.doctor.store("PRAGMA user_version = 99")
        self.see_problem("store", "a newer Rejoinder wrote it")

    def test_older_schema(self):
        self.doctor.store("PRAGMA user_version = 1")
        self.see_problem("store", "awaits migration")

    def test_readable_by_others(self):
        os.chmod(self.doctor.store(), 0o644)
        self.see_problem("store", "every user of this host can read")

    def test_messages_of_the_future(self):
        self.doctor.store("UPDATE message SET received_at = received_at + 86400")
        self.see_problem("clock", "the newest message was received 23h 59m|1d from now")

    def test_daemons_of_the_future(self):
        self.doctor.store("UPDATE daemon SET started_at = started_at + 7300"
                          " WHERE name = 'rejoinder-fetcher'")
        self.see_problem("clock", "rejoinder-fetcher 2h .*from now")

    def test_daemon_of_another_version(self):
        self.doctor.store("UPDATE daemon SET version = '0.0.9' WHERE name = 'rejoinder-fetcher'")
        (one,) = self.see_problem("daemons", "rejoinder-fetcher that runs is version 0.0.9")
        self.assertEqual(one["advice"], "Restart rejoinder-fetcher")

    def test_daemon_gone(self):
        with subprocess.Popen(["true"]) as ended:
            pass
        self.doctor.store(f"UPDATE daemon SET pid = {ended.pid} WHERE name = 'rejoinder-scheduler'")
        self.see_problem("daemons", f"rejoinder-scheduler does not run: process {ended.pid}")

    def test_process_of_another_program(self):
        self.doctor.store(f"UPDATE daemon SET pid = {os.getpid()} WHERE name = 'rejoinder-milter'")
        self.see_problem("daemons", "rejoinder-milter does not run")

    def test_daemon_never_started(self):
        self.doctor.store("DELETE FROM daemon WHERE name = 'rejoinder-scheduler'")
        self.see_problem("daemons", "rejoinder-scheduler was never started")

    def test_upkeep_failed(self):
        self.doctor.store("INSERT OR REPLACE INTO upkeep (task, tried_at, done_at, error) VALUES"
                          " ('backup', strftime('%s') - 7200, NULL, 'No space left on device')")
        self.see_problem("upkeep", "backup failed 2h .*No space left")

    def test_upkeep_is_late(self):
        self.doctor.store("INSERT OR REPLACE INTO upkeep (task, tried_at, done_at, error) SELECT"
                          " 'check', at, at, NULL FROM (SELECT strftime('%s') - 345600 AS at)")
        self.see_warning("upkeep", "nightly check was last done 4d")

    def test_trouble_lasts(self):
        self.doctor.store("INSERT INTO trouble (name, since, detail) VALUES"
                          " ('inbox Shop', strftime('%s') - 7200, 'it does not answer')")
        self.see_problem("troubles", "inbox Shop lasts.* 2h .*it does not answer")


class AccountsTest(DoctorTest):
    def test_no_default_incoming(self):
        self.doctor.configure(("default_incoming = yes\n", ""))
        self.see_problem("defaults", "mail of account Notifications gets no Reply-To")

    def test_domain_without_defaults(self):
        self.doctor.configure(("domains = company.test", "domains = company.test, other.test"))
        self.see_warning("defaults", "other.test: without a default outgoing account")

    def test_no_room_for_a_token(self):
        """Nothing is in force then: what is said is what every program says."""
        self.doctor.configure(("address = replies@", f"address = {'r' * 40}@"))
        done = self.doctor.attempt()
        self.assertEqual((done.returncode, done.stdout), (CONFIG_WRONG, ""))
        self.assertRegex(done.stderr, "address: .*token")

    def test_inbox_fails(self):
        self.doctor.store("UPDATE inbox SET error = '-ERR [AUTH] no', failure_count = 7")
        (one,) = self.see_problem("inboxes", r"account Shop fails \(7 in a row\): -ERR \[AUTH\]")
        self.assertEqual(one["advice"], 'Run: rejoinder account test "Shop"')

    def test_inbox_not_looked_into(self):
        self.doctor.store("UPDATE inbox SET polled_at = polled_at - 90000")
        self.see_problem("inboxes", "account Shop was looked into 1d 1h ago")

    def test_inbox_never_looked_into(self):
        self.doctor.store("DELETE FROM inbox")
        self.see_warning("inboxes", "account Shop was never looked into")


class OnlineTest(DoctorTest):
    """Servers are asked with --online only."""

    # Nobody is the relay here.
    WITHOUT_RELAY = (('address = notifications@company.test',
                      'address = notifications@company.test\nenabled = no'),)

    def online(self, *changes):
        path = self.doctor.path("transport")
        with open(path, "w", encoding="utf-8"):
            os.chmod(path, 0o644)
        self.doctor.configure(*self.WITHOUT_RELAY, *changes)
        self.doctor.configure_path("transport_map", path)

    def test_all_sign_in(self):
        self.online()
        found = self.look("--online")
        self.assertEqual([one for one in found if one["state"] == "problem"], [])
        self.assertIn(("servers", "ok", "1 account can sign in"),
                      [(one["check"], one["state"], one["text"]) for one in found])
        self.assertNotIn("servers", [one["check"] for one in found if one["state"] == "warning"])

    def test_wrong_password(self):
        self.online(("jane-secret", "wrong"))
        self.see_problem("servers", "account Shop, pop3: ", "--online")

    def test_no_relay(self):
        self.see_problem("servers", "account Notifications, relay: ", "--online")

    def test_certificate_ends(self):
        pop3 = FakePop3("tls", *self.certificates.issue("soon", days=3)).start()
        self.addCleanup(pop3.stop)
        self.online((f"127.0.0.1:{self.pop3.port}", f"127.0.0.1:{pop3.port}"))
        found = self.look("--online")
        self.assertTrue(any(one["check"] == "servers" and one["state"] == "warning" and
                            f"certificate: that of 127.0.0.1:{pop3.port} expires in"
                            in one["text"] for one in found), found)


if __name__ == "__main__":
    unittest.main()
