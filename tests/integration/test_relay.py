"""Accounts with a relay: Postfix sends their mail by it, signed in as each account says.

The relay is a Postfix of its own, with a Dovecot for the passwords and a certificate;
beyond it is the far side.  Ours runs chrooted, as Debian's does.
"""

import os
import pwd
import re
import shutil
import smtplib
import sqlite3
import subprocess
import unittest

from certificates import Certificates
from mail import compose
from private_dovecot import PrivateDovecot
from private_postfix import CONTRIB, OUTSIDE, PrivatePostfix
from rejoinder import Rejoinder
from wait import wait_for
from world import World

LIMIT = 10  # of Jobs

CONFIG = """\
[rejoinder]
domains = company.test
password_socket = {socket}
transport_map = {map}

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes

[account "Sales"]
address = sales@company.test
outgoing = yes
relay = smtp://localhost:{starttls}
username = sales@provider.test
password_file = {sales_password}

[account "Support"]
address = support@company.test
outgoing = yes
relay = smtps://localhost:{tls}
username = support@provider.test
password_command = cat {support_password}

[account "Jobs"]
address = jobs@company.test
outgoing = yes
relay = smtp://localhost:{starttls}
username = jobs@provider.test
password_command = echo jobs-secret
daily_limit = 10

[account "Notifications"]
address = notifications@company.test
outgoing = yes
relay = smtp://127.0.0.1:{starttls}
username = notifications@provider.test
password_command = echo notifications-secret
"""

PASSWORDS = {f"{name}@provider.test": f"{name}-secret" for name in ("sales", "support", "jobs")}

# What Postfix and the fetcher say of a test's own making.
POSTFIX_PROBLEMS = (r"socketmap:unix:\S+:relay (?:socketmap server|lookup error)",
                    r"smtp_sasl_password_maps lookup error", r"SASL authentication failed",
                    r"connect to rejoinder/password\.sock: No such file or directory")
REJOINDER_PROBLEMS = (r"warning: relay Sales: password: ", r"refused user id")

# Asks as whoever runs it; prints the answer, and nothing if it is hung up on.
ASK = """\
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.settimeout(30)
client.connect(sys.argv[1])
request = "relay " + sys.argv[2]
try:
    client.sendall(f"{len(request)}:{request},".encode())
    print(client.recv(4096).decode(), end="")
except (ConnectionResetError, BrokenPipeError):
    pass
"""


# An alias that leads outside.
TEAM_OUT = ("home1@example.org", "home2@example.org")


def guard_lines():
    """What README of contrib/postfix offers against who forges an account's address."""
    with open(os.path.join(CONTRIB, "README.md"), encoding="utf-8") as stream:
        text = stream.read()
    found, = re.findall(r"^    smtpd_sender_restrictions = (.*,)\n +(.*)$", text, re.MULTILINE)
    # The file lies elsewhere here, and an option of master.cf holds no blanks.
    value = ",".join(re.split(r"[,\s]+(?![^{]*\})", "".join(found))).replace(
        "texthash:/etc/postfix/rejoinder_transport", "$sender_dependent_default_transport_maps")
    return [f"smtpd_sender_restrictions={value}"]


class RelayTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        world = cls.world = World(None, sasl=False, postfix={
            "milters": True, "chroot": True, "listeners": {"guarded": guard_lines()},
            "parameters": {"virtual_alias_maps": "inline:{ { team.out@company.test = "
                                                 f"{' '.join(TEAM_OUT)} }} }}"}})
        cls.addClassCleanup(world.stop)
        cls.postfix, cls.far = world.postfix, world.far
        certificates = Certificates(os.path.join(world.directory, "ca"))
        cls.relay = PrivatePostfix(
            os.path.join(world.directory, "relay"), relay={"example.org": cls.far.port},
            milters=False, tls=certificates.issue("relay"),
            listeners={"tls": ["smtpd_tls_wrappermode=yes", "smtpd_sasl_auth_enable=yes",
                               "smtpd_relay_restrictions=permit_sasl_authenticated,reject"]},
            parameters={"smtpd_sasl_authenticated_header": "yes"})
        cls.relay_users = PrivateDovecot(os.path.join(world.directory, "relay-users"),
                                         cls.relay.auth_socket, passwords=PASSWORDS)
        cls.passwords = {name: os.path.join(world.directory, f"{name}.password")
                         for name in ("sales", "support")}
        cls.config = CONFIG.format(
            socket=cls.postfix.password_socket, map=cls.postfix.transport_map,
            starttls=cls.relay.submission, tls=cls.relay.ports["tls"],
            sales_password=cls.passwords["sales"], support_password=cls.passwords["support"])
        for name in cls.passwords:
            cls.write_password(name, f"{name}-secret")
        cls.start_all(certificates.ca_file)
        cls.count = 0

    @classmethod
    def start_all(cls, ca_file):
        # What has no account goes straight to the far side, as a relayhost says.
        cls.postfix.set_parameters({"transport_maps": "",
                                    "relayhost": f"[127.0.0.1]:{cls.far.port}",
                                    "rejoinder_relay_CAfile": ca_file})
        cls.postfix.make_directories()
        # As Debian copies it into the chroot, for who is named "localhost".
        os.makedirs(os.path.join(cls.postfix.queue, "etc"))
        shutil.copy("/etc/hosts", os.path.join(cls.postfix.queue, "etc", "hosts"))
        cls.rejoinder = cls.world.rejoinder = Rejoinder(
            os.path.join(cls.world.directory, "rejoinder"), cls.postfix.milter_socket, cls.config,
            submit_port=cls.postfix.submit)
        cls.world.start()
        cls.rejoinder.run("postfix", "maps")
        cls.postfix.reload()
        cls.rejoinder.fetcher.start()
        for part in (cls.relay, cls.relay_users):
            cls.addClassCleanup(part.stop)
            part.start()

    def tearDown(self):
        self.postfix.check_log(*POSTFIX_PROBLEMS)
        self.rejoinder.check_log(*REJOINDER_PROBLEMS)

    @classmethod
    def write_password(cls, name, text):
        path = cls.passwords[name]
        with open(path, "w", encoding="ascii", opener=lambda path, flags:
                  os.open(path, flags, 0o600)) as stream:
            stream.write(text + "\n")

    def new_recipient(self):
        """Somebody outside who gets no other mail."""
        type(self).count += 1
        return f"customer{self.count}@example.org"

    def send(self, name, sender="erp@company.test"):
        """A mail of that name's address to a new recipient."""
        recipient = self.new_recipient()
        self.postfix.send(compose(f"{name}@company.test", recipient, "Offer", "Hello.\n"),
                          sender, recipient)
        return recipient

    def find(self, recipient):
        return [one for one in self.far.messages() if one.recipients == [recipient]]

    def see_arrived(self, recipient, sender, user):
        """It came once, from that sender, and its relay knew who signed in (None: no relay)."""
        wait_for(lambda: self.find(recipient),
                 lambda: f"{recipient} at the far side; queued: {self.postfix.queued()}\n"
                         f"{self.postfix.log()[-3000:]}")
        received, = self.find(recipient)
        self.assertEqual(received.sender, sender)
        users = [field for field in received.mail.values("Received")
                 if "Authenticated sender:" in field]
        self.assertEqual(len(users), 0 if user is None else 1, received.mail.values("Received"))
        if user:
            self.assertIn(f"(Authenticated sender: {user})", users[0])

    def see_waits(self, recipient, reason):
        """It is in the queue, and Postfix says why."""
        def reasons():
            return [each["delay_reason"] for mail in self.postfix.queued()
                    for each in mail["recipients"]
                    if each["address"] == recipient and "delay_reason" in each]
        found = wait_for(reasons, lambda: f"{recipient} in the queue: {self.postfix.queued()}\n"
                                          f"{self.postfix.log()[-3000:]}")
        self.assertRegex(found[0], reason)
        self.assertEqual(self.find(recipient), [])

    def see_leaves(self, recipient, name):
        """It is sent at the next try."""
        self.postfix.flush()
        self.see_arrived(recipient, f"{name}@company.test", f"{name}@provider.test")

    def health(self, account):
        found, = [each for each in self.rejoinder.json("accounts") if each["name"] == account]
        return found["health"]

    def see_bob_is_untouched(self):
        """Who has no account sends as ever."""
        self.see_arrived(self.send("bob", "bob@company.test"), "bob@company.test", None)

    # The tests

    def test_each_account_signs_in_as_itself(self):
        sales, support, jane = self.send("sales"), self.send("support"), self.send("replies")
        self.see_arrived(sales, "sales@company.test", "sales@provider.test")
        self.see_arrived(support, "support@company.test", "support@provider.test")
        self.see_arrived(jane, "erp@company.test", None)
        self.see_bob_is_untouched()

    def test_a_sub_address_belongs_to_its_account(self):
        recipient = self.send("bob", "sales+spring@company.test")
        self.see_arrived(recipient, "sales+spring@company.test", "sales@provider.test")

    def test_a_wrong_password_keeps_mail_waiting_until_it_is_right(self):
        self.write_password("support", "wrong")
        recipient = self.send("support")
        self.see_waits(recipient, "SASL authentication failed")
        self.see_bob_is_untouched()
        self.write_password("support", "support-secret")
        self.see_leaves(recipient, "support")

    def test_who_cannot_sign_in_holds_up_nobody_else_at_the_same_server(self):
        self.write_password("sales", "wrong")
        waiting = [self.send("sales") for _ in range(3)]
        for recipient in waiting:
            self.see_waits(recipient, "SASL authentication failed")
        self.reset_limit()
        other = self.send("jobs")
        self.see_arrived(other, "jobs@company.test", "jobs@provider.test")
        self.assertNotRegex(self.postfix.log(), f"to=<{other}>.* status=deferred")
        self.write_password("sales", "sales-secret")
        for recipient in waiting:
            self.see_leaves(recipient, "sales")

    def test_without_a_password_nothing_goes_out_unsigned(self):
        os.unlink(self.passwords["sales"])
        recipient = self.send("sales")
        self.see_waits(recipient, "local data error")
        self.rejoinder.fetcher.wait_log("warning: relay Sales: password: ")
        self.assertEqual(self.health("Sales"), "error")
        self.postfix.wait_log("socketmap server temporary error: Sales: password: ")
        self.write_password("sales", "sales-secret")
        self.see_leaves(recipient, "sales")
        self.rejoinder.fetcher.wait_log("info: relay Sales: its mail may go out again")
        self.assertEqual(self.health("Sales"), "ok")

    def test_a_relay_whose_certificate_is_not_its_own_is_told_nothing(self):
        # The certificate is localhost's; Postfix wants the name that the account gives.
        recipient = self.send("notifications")
        self.see_waits(recipient, "Server certificate not verified")
        self.assertNotIn("notifications@provider.test", self.relay_users.log() + self.relay.log())

    def test_while_the_relay_is_down_its_mail_waits(self):
        self.relay.stop()
        recipient = self.send("sales")
        self.see_waits(recipient, "Connection refused")
        self.see_bob_is_untouched()
        self.relay.start()
        self.see_leaves(recipient, "sales")

    def test_while_the_service_is_down_only_mail_of_accounts_waits(self):
        self.rejoinder.fetcher.stop()
        self.assertFalse(os.path.exists(self.postfix.password_socket))
        recipient = self.send("sales")
        self.see_waits(recipient, "local data error")
        self.see_bob_is_untouched()
        self.rejoinder.fetcher.start()
        self.see_leaves(recipient, "sales")

    def test_a_socket_left_by_a_crash_is_replaced(self):
        self.rejoinder.fetcher.kill()
        self.assertTrue(os.path.exists(self.postfix.password_socket))
        self.rejoinder.fetcher.start()
        self.see_arrived(self.send("sales"), "sales@company.test", "sales@provider.test")

    def reset_limit(self):
        """The day is over: what was counted and released today was so yesterday."""
        with sqlite3.connect(self.rejoinder.store, timeout=30) as database:
            database.execute("DELETE FROM account_day WHERE day < unixepoch() / 86400")
            database.execute("UPDATE account_day SET day = day - 1")
        database.close()

    def of_today(self, account="Jobs"):
        """How many recipients were counted, and released: (count, released)."""
        with sqlite3.connect(self.rejoinder.store, timeout=30) as database:
            found = database.execute("SELECT count, released FROM account_day WHERE account = ?"
                                     " AND day = unixepoch() / 86400", (account,)).fetchone()
        database.close()
        return found or (0, 0)

    def see_released(self, count):
        """So many recipients' mail has left, and no more was taken for released."""
        self.assertEqual(self.of_today()[1], count)

    def arrived(self, recipients):
        return [recipient for recipient in recipients if self.find(recipient)]

    def test_over_the_daily_limit_only_what_is_over_it_waits(self):
        self.reset_limit()
        recipients = [self.send("jobs") for _ in range(LIMIT + 2)]
        self.assertEqual(self.of_today()[0], LIMIT + 2)
        wait_for(lambda: len(self.arrived(recipients)) >= LIMIT,
                 lambda: f"{LIMIT} mails; queued: {self.postfix.queued()}")
        waiting = [each for each in recipients if each not in self.arrived(recipients)]
        for recipient in waiting:
            self.see_waits(recipient, "local data error")
        self.postfix.wait_log(f"temporary error: Jobs: has sent its daily limit of {LIMIT}")
        self.see_arrived(self.send("sales"), "sales@company.test", "sales@provider.test")
        self.postfix.flush()
        for recipient in waiting:
            self.see_waits(recipient, "local data error")
        self.assertEqual(len(self.arrived(recipients)), LIMIT)
        self.see_released(LIMIT)
        # What waited counts on the day on which it leaves.
        self.reset_limit()
        self.assertEqual(len(waiting), 2)
        for recipient in waiting:
            self.see_leaves(recipient, "jobs")
        self.see_released(2)
        recipients = [self.send("jobs") for _ in range(LIMIT)]
        wait_for(lambda: len(self.arrived(recipients)) >= LIMIT - 2,
                 lambda: f"{LIMIT - 2} mails; queued: {self.postfix.queued()}")
        for recipient in recipients:
            if recipient not in self.arrived(recipients):
                self.see_waits(recipient, "local data error")
        self.see_released(LIMIT)
        self.reset_limit()
        self.postfix.flush()
        wait_for(lambda: len(self.arrived(recipients)) == LIMIT, "the last two")

    def test_each_recipient_is_released_once(self):
        self.reset_limit()
        recipients = [self.new_recipient() for _ in range(3)]
        self.postfix.send(compose("jobs@company.test", recipients[0], "Offer", "Hello.\n"),
                          "erp@company.test", recipients)
        for recipient in recipients:
            self.see_arrived(recipient, "jobs@company.test", "jobs@provider.test")
        self.see_released(3)
        self.assertEqual(self.of_today()[0], 3)

    def test_what_fails_before_it_signs_in_is_not_released(self):
        self.reset_limit()
        self.relay.stop()
        recipient = self.send("jobs")
        self.see_waits(recipient, "Connection refused")
        self.see_released(0)
        self.relay.start()
        self.see_leaves(recipient, "jobs")
        self.see_released(1)

    def test_mail_that_the_milter_does_not_count_is_metered(self):
        self.reset_limit()
        own = self.new_recipient()
        self.postfix.send(b"Rejoinder: no\r\n" + compose("jobs@company.test", own, "Offer",
                                                          "Hello.\n"),
                          "jobs@company.test", own)
        # An outsider who says that he is the account: see README of contrib/postfix.
        self.postfix.send_from_outside(compose("jobs@company.test", "team.out@company.test",
                                               "Offer", "Hello.\n"),
                                       "jobs@company.test", "team.out@company.test")
        for recipient in (own, *TEAM_OUT):
            self.see_arrived(recipient, "jobs@company.test", "jobs@provider.test")
        self.see_released(1 + len(TEAM_OUT))
        self.assertEqual(self.of_today()[0], 0)

    def test_an_outsider_may_be_kept_from_sending_as_an_account(self):
        """By the line of contrib/postfix/README.md."""
        port = self.postfix.ports["guarded"]
        for sender, source, code in (("jobs@company.test", OUTSIDE, 554),
                                     ("jobs+x@company.test", OUTSIDE, 554),
                                     ("bob@company.test", OUTSIDE, None),
                                     ("customer@example.org", OUTSIDE, None),
                                     ("jobs@company.test", None, None)):
            with self.subTest(sender=sender, source=source):
                mail = compose(sender, "bob@company.test", "Offer", "Hello.\n")
                if code is None:
                    self.postfix.send(mail, sender, "bob@company.test", port=port, source=source)
                    continue
                with self.assertRaises(smtplib.SMTPRecipientsRefused) as caught:
                    self.postfix.send(mail, sender, "bob@company.test", port=port, source=source)
                self.assertEqual(caught.exception.recipients["bob@company.test"][0], code)

    def test_mail_of_an_account_that_is_gone_is_not_sent_unsigned(self):
        head, _, _ = self.config.partition('[account "Sales"]')
        _, mark, tail = self.config.partition('[account "Support"]')
        self.configure(head + mark + tail)
        recipient = self.send("bob", "sales@company.test")
        self.see_waits(recipient, "local data error")
        self.postfix.wait_log("no enabled account signs in there")
        self.assertEqual(self.rejoinder.run("postfix", "maps").split("\n")[0],
                         f"- sales@company.test rejoinder-relay:[localhost]:"
                         f"{self.relay.submission}")
        self.postfix.reload()
        self.postfix.flush()
        self.see_arrived(recipient, "sales@company.test", None)
        self.configure(self.config)
        self.rejoinder.run("postfix", "maps")
        self.postfix.reload()

    def configure(self, config):
        self.rejoinder.write_config(config)
        before = self.rejoinder.fetcher.log().count(" again\n")
        self.rejoinder.fetcher.reload()
        wait_for(lambda: self.rejoinder.fetcher.log().count(" again\n") > before,
                 "the fetcher to read its configuration again")

    def ask(self, user, key="sales@company.test"):
        done = subprocess.run(["/usr/bin/python3", "-c", ASK, self.postfix.password_socket, key],
                              stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              user=user, group=pwd.getpwnam("postfix").pw_gid, extra_groups=[])
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def test_only_postfix_is_told_a_password(self):
        answer = b"sales@provider.test:sales-secret"
        expected = b"%d:OK %s," % (len(answer) + 3, answer)
        self.assertEqual(self.ask("postfix"), expected)
        self.assertEqual(self.ask("root"), expected)
        # The group opens the socket's directory; it does not make one of Postfix.
        self.assertEqual(self.ask("nobody"), b"")
        self.rejoinder.fetcher.wait_log(
            f"warning: password service: refused user id {pwd.getpwnam('nobody').pw_uid}")
        self.assertEqual(self.ask("postfix", "bob@company.test"), b"9:NOTFOUND ,")
        mode = os.stat(self.postfix.password_socket)
        self.assertEqual((mode.st_mode & 0o777, mode.st_gid),
                         (0o660, pwd.getpwnam("postfix").pw_gid))

    def test_no_password_stands_in_any_log(self):
        self.see_arrived(self.send("support"), "support@company.test", "support@provider.test")
        logs = self.postfix.log() + "".join(daemon.log() for daemon in self.rejoinder.daemons)
        for password in PASSWORDS.values():
            self.assertNotIn(password, logs)

    def test_the_map_names_each_account_with_a_relay(self):
        path = os.path.join(self.world.directory, "another_map")
        port, tls_port = self.relay.submission, self.relay.ports["tls"]
        lines = [f"sales@company.test rejoinder-relay:[localhost]:{port}",
                 f"support@company.test rejoinder-relays:[localhost]:{tls_port}",
                 f"jobs@company.test rejoinder-relay:[localhost]:{port}",
                 f"notifications@company.test rejoinder-relay:[127.0.0.1]:{port}"]
        would = "".join(f"+ {line}\n" for line in lines)
        self.assertEqual(self.rejoinder.run("postfix", "maps", "--dry-run", path),
                         would + f"{path} would be written.\n")
        self.assertFalse(os.path.exists(path))
        self.assertEqual(self.rejoinder.run("postfix", "maps", path),
                         would + f"{path} is written; Postfix reads it after: postfix reload\n")
        with open(path, encoding="ascii") as stream:
            self.assertEqual([line.rstrip("\n") for line in stream if line[0] != "#"], lines)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)

        os.chown(path, *(pwd.getpwnam("nobody")[2:4]))
        with open(path, "w", encoding="ascii") as stream:
            stream.write(lines[0] + "\nold@company.test rejoinder-relay:[old.example]:587\n")
        output = self.rejoinder.run("postfix", "maps", path)
        self.assertEqual(output.split("\n")[0:2],
                         ["- old@company.test rejoinder-relay:[old.example]:587",
                          f"+ {lines[1]}"])
        self.assertEqual(os.stat(path).st_uid, pwd.getpwnam("nobody").pw_uid)
        self.assertEqual(self.rejoinder.run("postfix", "maps", path),
                         f"{path} is up to date (4 relays).\n")
        self.assertEqual([name for name in os.listdir(self.world.directory)
                          if name.startswith("another_map")], ["another_map"])

    def test_an_address_that_would_be_a_comment_of_the_map_is_refused(self):
        self.rejoinder.write_config(self.config.replace("jobs@company.test",
                                                        "#jobs@company.test"))
        self.addCleanup(self.rejoinder.write_config, self.config)
        done = self.rejoinder.attempt("postfix", "maps", "--dry-run")
        self.assertEqual(done.returncode, 78)
        self.assertRegex(done.stderr.decode(), r'address: found "#jobs@company\.test".*comment')

    def test_a_password_that_is_not_utf_8_is_said(self):
        with open(self.passwords["sales"], "wb") as stream:
            stream.write("sésame\n".encode("latin-1"))
        self.addCleanup(self.write_password, "sales", "sales-secret")
        recipient = self.send("sales")
        self.see_waits(recipient, "local data error")
        self.rejoinder.fetcher.wait_log("warning: relay Sales: password: found bytes that are "
                                        "not UTF-8, which Postfix drops")
        output = " ".join(self.rejoinder.run("account", "test", "Sales", code=1).split())
        self.assertRegex(output, "not UTF-8, which Postfix drops")
        self.write_password("sales", "sales-secret")
        self.see_leaves(recipient, "sales")

    def test_a_comment_of_the_map_is_no_line_of_an_account(self):
        """As `rejoinder account test` reads it."""
        with open(self.postfix.transport_map, encoding="ascii") as stream:
            lines = stream.read()
        self.addCleanup(self.rejoinder.run, "postfix", "maps")
        with open(self.postfix.transport_map, "w", encoding="ascii") as stream:
            stream.write(lines.replace("sales@", "# sales@"))
        self.assertRegex(self.rejoinder.run("account", "test", "Sales", code=1),
                         "does not name sales@company.test")

    def test_a_map_that_cannot_be_written_is_said(self):
        path = os.path.join(self.world.directory, "no", "map")
        self.assertIn(b"No such file", self.rejoinder.attempt("postfix", "maps", path).stderr)
        self.rejoinder.run("postfix", "maps", path, code=74)
        self.rejoinder.run("postfix", code=64)
        self.rejoinder.run("postfix", "masp", code=64)


if __name__ == "__main__":
    unittest.main()
