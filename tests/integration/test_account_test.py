"""`rejoinder account test` and `rejoinder accounts`: what the admin sees of an account.

The inbox and the relay are a private Dovecot and a private Postfix with SASL; what
they never do is played by FakePop3 and FakeSmtp.
"""

import contextlib
import hashlib
import json
import os
import pty
import pwd
import re
import sqlite3
import subprocess
import tempfile
import time
import unittest

from certificates import Certificates
from fake_pop3 import FakePop3, Faults
from fake_smtp import FakeSmtp
from mail import compose
from ports import free_ports
from private_dovecot import PrivateDovecot
from private_postfix import PrivatePostfix, need_root
from rejoinder import Rejoinder
from wait import wait_for

OK, FAILED, USAGE, CONFIG = 0, 1, 64, 78
USER, PASSWORD = "shop@provider.test", "shop-secret"

HEAD = """\
[rejoinder]
domains = company.test
ca_file = {ca_file}
transport_map = {transport_map}
"""

ACCOUNT = """
[account "Shop"]
address = shop@company.test
{keys}
"""


def setUpModule():
    need_root()


class AccountTestCase(unittest.TestCase):
    """The servers are made once; each test has its own configuration."""

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="rejoinder-account-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = directory.name
        os.chmod(cls.directory, 0o755)
        cls.certificates = Certificates(os.path.join(cls.directory, "ca"))
        cls.certificate = cls.certificates.issue("server")

    def setUp(self):
        self.home = os.path.join(self.directory, self.id().rpartition(".")[2])
        self.rejoinder = Rejoinder(self.home, os.path.join(self.home, "milter.sock"), None)
        self.transport_map = os.path.join(self.home, "transport")
        self.ca_file = self.certificates.ca_file
        os.makedirs(self.home)
        os.chmod(self.home, 0o755)

    def configure(self, keys, head=""):
        head = HEAD.format(ca_file=self.ca_file, transport_map=self.transport_map) + head
        self.rejoinder.write_config(head + ACCOUNT.format(keys=keys))

    def configure_inbox(self, url, user=USER, password=PASSWORD, keys=""):
        self.configure(f"incoming = yes\npop3 = {url}\nusername = {user}\n"
                       f"password_command = echo {password}\n{keys}")

    def configure_relay(self, url, user=USER, password=PASSWORD, keys=""):
        self.configure(f"outgoing = yes\nrelay = {url}\nusername = {user}\n"
                       f"password_command = echo {password}\n{keys}")

    def make_store(self):
        """An empty one: a dry run records nothing, and opens it like any poll."""
        pop3 = FakePop3()
        self.addCleanup(pop3.stop)
        pop3.start()
        self.configure_inbox(f"pop3-plain://127.0.0.1:{pop3.port}", "jane", "jane-secret")
        self.rejoinder.run("keys", "add")
        self.rejoinder.run("fetch", "--dry-run", "Shop")
        self.rejoinder.run("list", code=FAILED)

    def check_account(self, code, name="Shop"):
        """{check: its object}; the exit code must be this one."""
        done = self.rejoinder.attempt("account", "test", name, "--json")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["account"], "Shop")
        self.assertIs(found["ok"], code == OK)
        self.assertNotIn(PASSWORD.encode(), done.stdout + done.stderr)
        return {check["check"]: check for check in found["checks"]}

    def assert_check(self, checks, name, state, text="", advice=None):
        check = checks[name]
        self.assertEqual(check["state"], state, check)
        self.assertIn(text, check["text"])
        if advice is None:
            self.assertIsNone(check["advice"], check)
        else:
            self.assertIn(advice, check["advice"] or "")


class RealServersTest(AccountTestCase):
    """Against Dovecot and Postfix."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        certificate, key = cls.certificate
        sasl = ["smtpd_sasl_auth_enable=yes", "smtpd_relay_restrictions=reject",
                "smtpd_recipient_restrictions=", "smtpd_tls_auth_only=yes"]
        cls.postfix = PrivatePostfix(
            os.path.join(cls.directory, "postfix"), milters=False,
            listeners={"starttls": [*sasl, "smtpd_tls_security_level=encrypt"],
                       "smtps": [*sasl, "smtpd_tls_wrappermode=yes"],
                       "open": ["smtpd_tls_security_level=may"]},
            parameters={"smtpd_tls_chain_files": f"{key}, {certificate}"})
        cls.dovecot = PrivateDovecot(os.path.join(cls.directory, "dovecot"),
                                     cls.postfix.auth_socket, passwords={USER: PASSWORD},
                                     tls=cls.certificate)
        cls.postfix.make_directories()
        cls.addClassCleanup(cls.postfix.stop)
        cls.postfix.start()
        cls.addClassCleanup(cls.dovecot.stop)
        cls.dovecot.start()
        cls.inbox = cls.dovecot.inbox(USER)
        for number in (1, 2):
            cls.inbox.deliver(compose("customer@example.org", USER, f"Order {number}", "Hello"))

    def seen_by_provider(self):
        """The names of the messages without the directory, which a look changes, flags with it."""
        found = []
        for folder in ("new", "cur"):
            with contextlib.suppress(FileNotFoundError):
                found += os.listdir(os.path.join(self.inbox.path, folder))
        return sorted(found)

    def store_bytes(self):
        digest = hashlib.sha256()
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError), \
                    open(self.rejoinder.store + suffix, "rb") as stream:
                digest.update(stream.read())
        return digest.hexdigest()

    def test_all_is_well_and_nothing_changes(self):
        port = self.postfix.ports["starttls"]
        keys = (f"incoming = yes\noutgoing = yes\npop3 = pop3s://127.0.0.1:{self.dovecot.pop3s}\n"
                f"relay = smtp://127.0.0.1:{port}\nusername = {USER}\n"
                f"password_command = echo {PASSWORD}")
        self.make_store()
        self.configure(keys)
        self.rejoinder.run("postfix", "maps")
        store, before = self.store_bytes(), self.seen_by_provider()
        self.assertEqual(len(before), 2)
        sent = self.postfix.log().count("from=<")

        checks = self.check_account(OK)
        self.assertEqual(list(checks), ["account", "password", "pop3", "inbox", "relay",
                                        "transport_map"])
        self.assert_check(checks, "account", "ok", "incoming and outgoing")
        self.assert_check(checks, "password", "ok", "password_command")
        self.assert_check(checks, "pop3", "ok",
                          f"signed in at 127.0.0.1:{self.dovecot.pop3s} as {USER} over TLS")
        self.assert_check(checks, "inbox", "ok", "2 messages; UIDL yes, PIPELINING yes, TOP yes")
        self.assert_check(checks, "relay", "ok", f"signed in at 127.0.0.1:{port} as {USER}")
        self.assert_check(checks, "transport_map", "ok", f"rejoinder-relay:[127.0.0.1]:{port}")

        after = self.seen_by_provider()
        self.assertEqual([name.partition(":")[0] for name in after],
                         [name.partition(":")[0] for name in before])
        for name in after:  # S is Maildir's flag for what was seen
            self.assertNotIn("S", name.partition(":2,")[2])
        self.assertEqual(self.store_bytes(), store)
        account, = self.rejoinder.json("accounts")
        self.assertIsNone(account["inbox"]["polled_at"])
        self.assertEqual(self.postfix.log().count("from=<"), sent)
        self.assertEqual(self.postfix.queued(), [])

    def test_stls_and_wrapper_mode(self):
        self.configure_inbox(f"pop3://127.0.0.1:{self.dovecot.pop3}")
        self.assert_check(self.check_account(OK), "pop3", "ok", "over TLS (STLS)")
        port = self.postfix.ports["smtps"]
        self.configure_relay(f"smtps://127.0.0.1:{port}")
        self.rejoinder.run("postfix", "maps")
        checks = self.check_account(OK)
        self.assert_check(checks, "relay", "ok", "signed in")
        self.assert_check(checks, "pop3", "not configured")

    def test_a_wrong_password(self):
        self.configure_inbox(f"pop3s://127.0.0.1:{self.dovecot.pop3s}", password="wrong")
        checks = self.check_account(FAILED)
        self.assert_check(checks, "pop3", "failed", "cannot sign in", "Check username and password")
        self.assertNotIn("inbox", checks)
        self.configure_relay(f"smtp://127.0.0.1:{self.postfix.ports['starttls']}", password="wrong")
        checks = self.check_account(FAILED)
        self.assert_check(checks, "relay", "failed", "535", "Check username and password")

    def test_a_wrong_password_where_the_preset_wants_an_app_password(self):
        self.configure_inbox(f"pop3s://127.0.0.1:{self.dovecot.pop3s}", password="wrong",
                             keys="preset = gmail")
        self.assert_check(self.check_account(FAILED), "pop3", "failed", "cannot sign in",
                          "Make an app password")

    def test_a_certificate_of_nobody_known(self):
        self.ca_file = Certificates(os.path.join(self.home, "other")).ca_file
        self.configure_inbox(f"pop3s://127.0.0.1:{self.dovecot.pop3s}")
        self.assert_check(self.check_account(FAILED), "pop3", "failed", "certificate", "ca_file")
        self.configure_relay(f"smtp://127.0.0.1:{self.postfix.ports['starttls']}")
        self.assert_check(self.check_account(FAILED), "relay", "failed", "certificate",
                          "smtp_tls_CAfile")

    def test_a_relay_without_auth(self):
        port = self.postfix.ports["open"]
        self.configure_relay(f"smtp://127.0.0.1:{port}")
        self.assert_check(self.check_account(FAILED), "relay", "failed", "offers no AUTH",
                          "leave out username")
        self.configure(f"outgoing = yes\nrelay = smtp://127.0.0.1:{port}")
        checks = self.check_account(FAILED)  # the map is not written
        self.assert_check(checks, "relay", "ok", "nobody signs in")
        self.assert_check(checks, "password", "not configured")


class FakeServersTest(AccountTestCase):
    """What real servers here do not do."""

    def serve_pop3(self, *arguments):
        pop3 = FakePop3(*arguments)
        self.addCleanup(pop3.stop)
        return pop3.start()

    def serve_smtp(self):
        smtp = FakeSmtp()
        self.addCleanup(smtp.stop)
        smtp.start()
        return smtp

    def test_nothing_listens(self):
        port, = free_ports(1)
        for url in (f"pop3s://127.0.0.1:{port}", f"pop3://127.0.0.1:{port}"):
            self.configure_inbox(url)
            self.assert_check(self.check_account(FAILED), "pop3", "failed", f"127.0.0.1:{port}",
                              "Nothing listens there")
        self.configure_relay(f"smtp://127.0.0.1:{port}")
        self.assert_check(self.check_account(FAILED), "relay", "failed", f"127.0.0.1:{port}",
                          "Nothing listens there")

    def test_no_stls_and_no_starttls(self):
        self.configure_inbox(f"pop3://127.0.0.1:{self.serve_pop3().port}")
        self.assert_check(self.check_account(FAILED), "pop3", "failed", "", "use pop3s://")
        self.configure_relay(f"smtp://127.0.0.1:{self.serve_smtp().port}")
        self.assert_check(self.check_account(FAILED), "relay", "failed", "", "use smtps://")

    def test_tls_where_none_is_spoken(self):
        self.configure_inbox(f"pop3s://127.0.0.1:{self.serve_pop3().port}")
        self.assert_check(self.check_account(FAILED), "pop3", "failed", "", "pop3://, port 110")
        self.configure_relay(f"smtps://127.0.0.1:{self.serve_smtp().port}")
        self.assert_check(self.check_account(FAILED), "relay", "failed", "", "smtp://, port 587")

    def test_a_certificate_of_another_host(self):
        certificate = self.certificates.issue("elsewhere", names=("DNS:pop.example.org",))
        self.configure_inbox(f"pop3s://127.0.0.1:{self.serve_pop3('tls', *certificate).port}")
        self.assert_check(self.check_account(FAILED), "pop3", "failed", "", "another host's")

    def test_an_inbox_that_lacks_uidl(self):
        pop3 = self.serve_pop3("tls", *self.certificate)
        pop3.has_uidl = False
        self.configure_inbox(f"pop3s://127.0.0.1:{pop3.port}", "jane", "jane-secret")
        checks = self.check_account(FAILED)
        self.assert_check(checks, "pop3", "ok")
        self.assert_check(checks, "inbox", "failed", "UIDL", "cannot be used")

    def test_a_mailbox_in_use(self):
        pop3 = self.serve_pop3("tls", *self.certificate)
        pop3.faults = Faults(replies={("PASS", None): "-ERR [IN-USE] locked",
                                      ("AUTH", None): "-ERR [IN-USE] locked"})
        self.configure_inbox(f"pop3s://127.0.0.1:{pop3.port}", "jane", "jane-secret")
        self.assert_check(self.check_account(FAILED), "pop3", "failed", "IN-USE", "some minutes")

    def test_a_poll_is_not_disturbed(self):
        pop3 = self.serve_pop3("tls", *self.certificate)
        pop3.faults = Faults(stall=("LIST", 1))
        self.configure_inbox(f"pop3s://127.0.0.1:{pop3.port}", "jane", "jane-secret")
        self.rejoinder.run("keys", "add")
        poll = subprocess.Popen(
            [self.rejoinder.program("rejoinder-fetcher"), "-c", self.rejoinder.config_file,
             "--once", "Shop"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: pop3.sessions() and "LIST" in pop3.sessions()[0].commands, "the poll")
            self.assert_check(self.check_account(FAILED), "pop3", "failed", "right now",
                              "in a moment")
            self.assertEqual(len(pop3.sessions()), 1)
        finally:
            poll.kill()
            poll.wait()
        pop3.faults = Faults()
        self.check_account(OK)

    def test_what_is_said_to_the_server(self):
        pop3 = self.serve_pop3("none")
        pop3.add(compose("customer@example.org", "shop@company.test", "Order", "Hello"))
        pop3.has_pipelining = False
        self.configure_inbox(f"pop3-plain://127.0.0.1:{pop3.port}", "jane", "jane-secret")
        checks = self.check_account(OK)
        self.assert_check(checks, "pop3", "ok", "IN CLEAR")
        self.assert_check(checks, "inbox", "ok", "1 message; UIDL yes, PIPELINING no")
        session, = pop3.sessions()
        said = {command.split()[0] for command in session.commands}
        self.assertLessEqual(said, {"CAPA", "AUTH", "USER", "PASS", "STAT", "LIST", "UIDL", "QUIT"},
                             session.commands)
        self.assertTrue(session.has_quit)
        self.assertEqual(len(pop3.messages()), 1)

    def test_the_password(self):
        pop3 = self.serve_pop3("none")
        url = f"pop3-plain://127.0.0.1:{pop3.port}"
        self.configure_inbox(url, "jane", keys="", password="")
        checks = self.check_account(FAILED)
        self.assert_check(checks, "password", "failed", "found nothing", "by hand")
        self.assert_check(checks, "pop3", "failed", "not tried")
        self.assertEqual(pop3.sessions(), [])

    def test_a_password_file_that_the_services_cannot_read(self):
        pop3 = self.serve_pop3("none")
        path = os.path.join(self.home, "password")
        with open(path, "w", encoding="ascii") as stream:
            stream.write("jane-secret\n")
        os.chmod(path, 0o600)
        self.configure(f"incoming = yes\npop3 = pop3-plain://127.0.0.1:{pop3.port}\n"
                       f"username = jane\npassword_file = {path}")
        self.assert_check(self.check_account(OK), "password", "ok", path)
        nobody = pwd.getpwnam("nobody")
        os.chown(self.home, nobody.pw_uid, nobody.pw_gid)
        checks = self.check_account(FAILED)
        self.assert_check(checks, "password", "failed", "user nobody", "chown root:nobody")
        self.assert_check(checks, "pop3", "ok")
        os.chown(path, 0, nobody.pw_gid)
        os.chmod(path, 0o640)
        self.check_account(OK)

    def test_the_transport_map(self):
        port = free_ports(1)[0]
        self.configure_relay(f"smtp://127.0.0.1:{port}")
        advice = "rejoinder postfix maps"
        self.assert_check(self.check_account(FAILED), "transport_map", "failed",
                          self.transport_map, advice)
        for line, text in (("", "does not name shop@company.test"),
                           ("shop@company.test rejoinder-relay:[127.0.0.1]:1\n", "expected")):
            with open(self.transport_map, "w", encoding="ascii") as stream:
                stream.write("other@company.test rejoinder-relay:[127.0.0.1]:25\n" + line)
            self.assert_check(self.check_account(FAILED), "transport_map", "failed", text, advice)
        self.configure("outgoing = yes")
        self.assert_check(self.check_account(FAILED), "transport_map", "failed", "still sends",
                          advice)

    def test_a_disabled_account_can_be_tried(self):
        pop3 = self.serve_pop3("none")
        self.configure_inbox(f"pop3-plain://127.0.0.1:{pop3.port}", "jane", "jane-secret",
                             keys="enabled = no")
        checks = self.check_account(OK)
        self.assert_check(checks, "account", "not configured", "disabled", "enabled = yes")
        self.assert_check(checks, "pop3", "ok")

    def test_lines_for_people(self):
        port, = free_ports(1)
        self.configure_inbox(f"pop3s://127.0.0.1:{port}")
        done = self.rejoinder.attempt("account", "test", "shop")
        self.assertEqual(done.returncode, FAILED, done.stderr)
        output = done.stdout.decode()
        self.assertRegex(output, r"(?m)^ok              account        enabled, incoming$")
        self.assertRegex(output, rf"(?m)^failed          pop3           127\.0\.0\.1:{port}")
        self.assertRegex(output, r"(?m)^ {31}-> Nothing listens there")
        self.assertRegex(output, r"(?m)^not configured  relay ")
        self.assertLessEqual(max(map(len, output.splitlines())), 80)
        self.assertNotIn("\x1b", output)

        coloured = self.on_a_terminal(TERM="xterm")
        self.assertIn("\x1b[31mfailed\x1b[0m          pop3           127", coloured)
        plain = re.sub(r"\x1b\[\d+m", "", coloured).replace("\r\n", "\n")
        self.assertEqual(plain.splitlines()[0], output.splitlines()[0])
        self.assertNotIn("\x1b", self.on_a_terminal(TERM="xterm", NO_COLOR="1"))
        self.assertNotIn("\x1b", self.on_a_terminal(TERM="dumb"))

    def on_a_terminal(self, **environment):
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            subprocess.run([self.rejoinder.program("rejoinder"), "-c", self.rejoinder.config_file,
                            "account", "test", "Shop"], stdin=subprocess.DEVNULL, stdout=theirs,
                           timeout=60, env={**os.environ, **environment}, check=False)
            os.close(theirs)
            output = b""
            with contextlib.suppress(OSError):  # the end of a terminal
                while more := terminal.read(4096):
                    output += more
        return output.decode()

    def test_usage(self):
        self.configure("outgoing = yes")
        for arguments, words in ((("test", "Shpo"), 'did you mean "Shop"?'),
                                 (("test", "sh"), 'did you mean "Shop"?'),
                                 (("test", "shop@company.test"), 'did you mean "Shop"?'),
                                 (("test", "Nobody"), "see: rejoinder accounts"),
                                 (("test",), "an argument is missing"),
                                 (("try", "Shop"), 'unexpected argument "try"')):
            with self.subTest(arguments):
                done = self.rejoinder.attempt("account", *arguments)
                self.assertEqual(done.returncode, USAGE)
                self.assertEqual(done.stdout, b"")
                self.assertIn(words, done.stderr.decode())
        self.rejoinder.write_config("[rejoinder]\nnonsense = 1\n")
        self.rejoinder.run("account", "test", "Shop", code=CONFIG)


class AccountsTest(AccountTestCase):
    """The table."""

    ACCOUNTS = """
[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
{limits}

[account "Sales"]
enabled = no
address = sales@company.test
outgoing = yes

[account "Shop"]
address = shop@company.test
incoming = yes
reference_type = Lead
pop3 = pop3s://pop.provider.test
username = jane
password_command = echo jane-secret
"""

    def configure_accounts(self, limits=""):
        head = HEAD.format(ca_file=self.ca_file, transport_map=self.transport_map)
        self.rejoinder.write_config(head + self.ACCOUNTS.format(limits=limits))

    def count(self, count):
        """What the store knows of Replies today and yesterday."""
        today = int(time.time()) // 86400
        store = sqlite3.connect(self.rejoinder.store)
        with contextlib.closing(store), store:
            store.execute("DELETE FROM account_day")
            store.executemany("INSERT INTO account_day (account, day, count) VALUES (?, ?, ?)",
                              [("Replies", today, count), ("Replies", today - 1, 999)])

    def rows(self):
        """{name: the cells of its line}; cells are two blanks apart."""
        lines = self.rejoinder.run("accounts").splitlines()
        return {cells[0]: cells[1:] for cells in (re.split(" {2,}", line) for line in lines)}

    def test_before_the_first_start(self):
        self.configure_accounts()
        rows = self.rows()
        self.assertEqual(rows["ACCOUNT"], ["ADDRESS", "SIDES", "DEFAULT", "HEALTH", "TODAY",
                                           "POLLED", "BACKLOG", "REMARK"])
        self.assertEqual(rows["Replies"], ["replies@company.test", "in, out", "in, out", "ok", "0",
                                           "-", "-", "-"])
        self.assertEqual(rows["Sales"], ["sales@company.test", "out", "-", "disabled", "-", "-",
                                         "-", "-"])
        self.assertEqual(rows["Shop"], ["shop@company.test", "in", "-", "never polled", "-",
                                        "never", "0", "-"])
        self.assertEqual(len(rows), 4)

    def test_the_count_against_the_limit(self):
        self.make_store()
        self.configure_accounts()
        self.count(12)
        self.assertEqual(self.rows()["Replies"][3:5], ["ok", "12"])
        for count, on_limit, health, today, remark in (
                (12, "pass", "ok", "12/500", "-"),
                (399, "pass", "ok", "399/500", "-"),
                (400, "pass", "near limit", "400/500", "-"),
                (500, "pass", "at limit", "500/500", "more of its mail goes out all the same"),
                (501, "pass", "over limit", "501/500", "its mail goes out all the same"),
                (501, "tempfail", "over limit", "501/500",
                 "its mail is put off until 00:00 UTC")):
            with self.subTest(count):
                self.configure_accounts(f"daily_limit = 500\non_limit = {on_limit}")
                self.count(count)
                row = self.rows()["Replies"]
                self.assertEqual((row[3], row[4], row[7]), (health, today, remark))
                facts = self.rejoinder.json("accounts")[0]
                self.assertEqual(facts["health"], health)
                self.assertEqual(facts["sending"],
                                 {"relay": None, "error": None, "counted_today": count,
                                  "daily_limit": 500, "daily_limit_warn": 80,
                                  "on_limit": on_limit})
        shop = self.rejoinder.json("accounts")[2]
        self.assertIsNone(shop["sending"])
        self.assertEqual((shop["reference_type"], shop["username"]), ("Lead", "jane"))
        self.assertNotIn("jane-secret", self.rejoinder.run("accounts", "--json"))

    def test_what_does_not_work_without_defaults(self):
        self.configure("outgoing = yes")
        output = self.rejoinder.run("accounts")
        self.assertRegex(output, r"(?m)^Shop .* no default .* no Reply-To of ours$")
        self.assertIn("company.test: without a default incoming account, mail", output)
        self.assertIn("company.test: without a default outgoing account, mail", output)
        self.configure("outgoing = yes\nincoming = yes\ndefault_incoming = yes")
        output = self.rejoinder.run("accounts")
        self.assertRegex(output, r"(?m)^Shop .* ok ")
        self.assertNotIn("without a default incoming", output)

    def test_it_fits_a_terminal_of_100_columns(self):
        self.configure_accounts("daily_limit = 2000\non_limit = pass")
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            subprocess.run(["stty", "cols", "100"], stdin=theirs, check=True)
            subprocess.run([self.rejoinder.program("rejoinder"), "-c", self.rejoinder.config_file,
                            "accounts"], stdout=theirs, timeout=30, check=True)
            os.close(theirs)
            output = b""
            with contextlib.suppress(OSError):
                while more := terminal.read(4096):
                    output += more
        lines = output.decode().splitlines()
        self.assertEqual(len(lines), 4, lines)
        self.assertLessEqual(max(map(len, lines)), 100, lines)


class ReferenceTypeTest(AccountTestCase):
    """What the business calls a conversation."""

    def test_show_and_list_name_it(self):
        self.make_store()
        store = sqlite3.connect(self.rejoinder.store)
        with contextlib.closing(store), store:
            store.executemany(
                "INSERT INTO conversation (id, created_at, updated_at, subject, reference_type)"
                " VALUES (?, 1000, ?, 'Broken', ?)", [(2**50, 2000, "Issue"), (2**51, 1000, None)])
        typed, plain = self.rejoinder.json("list")
        self.assertEqual((typed["reference_type"], plain["reference_type"]), ("Issue", None))
        self.assertEqual(self.rejoinder.json("show", typed["id"])["reference_type"], "Issue")
        self.assertRegex(self.rejoinder.run("show", typed["id"]), r"(?m)^Type          Issue$")
        self.assertNotIn("Type ", self.rejoinder.run("show", plain["id"]))


if __name__ == "__main__":
    unittest.main()
