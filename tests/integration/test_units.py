"""The systemd units: what systemd-analyze says of them, and what the daemons tell a supervisor."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import unittest
from contextlib import closing

from rejoinder import Daemon, Rejoinder, build_directory
from wait import DEADLINE, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = ("rejoinder-milter", "rejoinder-fetcher", "rejoinder-scheduler")

# As systemd-analyze counts: 0 forbids all it knows of, 10 nothing.
EXPOSURE_MAX = {"rejoinder-milter": 0.5, "rejoinder-fetcher": 1.5, "rejoinder-scheduler": 1.5}

CONFIG = """[rejoinder]
domains = company.test
staff = @company.test

[account "Replies"]
address = replies@company.test
incoming = yes
default_incoming = yes
"""


def run(*command):
    """What it prints, both ways; it must end with 0."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


class UnitTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = tempfile.mkdtemp(prefix="rejoinder-units-")
        cls.addClassCleanup(shutil.rmtree, cls.tree)
        run("make", "--no-print-directory", "-C", ROOT, "-o", "all", f"B={build_directory()}",
            f"DESTDIR={cls.tree}", "PREFIX=/usr", "install")
        cls.units = cls.tree + "/usr/lib/systemd/system"

    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"there is no {program}")

    def unit(self, program):
        with open(f"{self.units}/{program}.service", encoding="utf-8") as stream:
            return stream.read()

    def test_little_is_exposed(self):
        self.need("systemd-analyze")
        for program in PROGRAMS:
            with self.subTest(program):
                said = run("systemd-analyze", "security", "--offline=true", "--no-pager",
                           f"{self.units}/{program}.service")
                exposure = re.search(rf"Overall exposure level for {program}\.service: (\S+) ",
                                     said)
                self.assertIsNotNone(exposure, said)
                self.assertLessEqual(float(exposure[1]), EXPOSURE_MAX[program], said)

    def test_systemd_finds_nothing_wrong(self):
        self.need("systemd-analyze")
        # verify looks for the programs where the units say.
        there = os.path.join(self.tree, "there")
        os.mkdir(there)
        for name in os.listdir(self.units):
            with open(f"{self.units}/{name}", encoding="utf-8") as source, \
                    open(f"{there}/{name}", "w", encoding="utf-8") as stream:
                stream.write(source.read().replace("/usr/sbin/", f"{self.tree}/usr/sbin/"))
        said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                   *(f"{there}/{name}" for name in sorted(os.listdir(there))))
        self.assertNotIn("rejoinder", said)

    def test_every_option_of_a_unit_is_there_for_all_or_has_a_reason(self):
        own = {"rejoinder-milter": {"PrivateNetwork=yes", "PrivateUsers=yes", "IPAddressDeny=any",
                                    "RestrictAddressFamilies=AF_UNIX"},
               "rejoinder-fetcher": {"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"},
               "rejoinder-scheduler": {"PrivateUsers=yes", "IPAddressDeny=any",
                                       "IPAddressAllow=localhost",
                                       "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"}}
        hardening = re.compile(r"^(?:Private|Protect|Restrict|SystemCall|Capability|IPAddress"
                               r"|NoNew|Memory|Lock|Device|Keyring|Remove|UMask)\w*=.*$",
                               re.MULTILINE)
        found = {program: {line for line in hardening.findall(self.unit(program))
                           if not line.startswith("RestartPrevent")} for program in PROGRAMS}
        common = set.intersection(*found.values())
        self.assertGreater(len(common), 20)
        self.assertEqual({program: lines - common for program, lines in found.items()}, own)

    def test_users_and_directories_are_made_by_systemd_too(self):
        self.need("systemd-sysusers")
        self.need("systemd-tmpfiles")
        root = os.path.join(self.tree, "machine")
        os.makedirs(root + "/etc")
        for name, text in (("passwd", "root:x:0:0::/:/bin/sh\n"),
                           ("group", "root:x:0:\npostfix:x:42:\n")):
            with open(f"{root}/etc/{name}", "w", encoding="ascii") as stream:
                stream.write(text)
        run("systemd-sysusers", f"--root={root}", f"{self.tree}/usr/lib/sysusers.d/rejoinder.conf")
        with open(f"{root}/etc/passwd", encoding="ascii") as stream:
            user = re.search(r"^rejoinder:[^:]*:(\d+):(\d+):[^:]*:/var/lib/rejoinder:", stream.read(),
                             re.MULTILINE)
        run("systemd-tmpfiles", "--create", f"--root={root}",
            f"{self.tree}/usr/lib/tmpfiles.d/rejoinder.conf")
        uid, gid = int(user[1]), int(user[2])
        for path, mode, owner, group in (
                ("/etc/rejoinder", 0o42750, 0, gid), ("/var/lib/rejoinder", 0o40750, uid, gid),
                ("/var/spool/postfix/rejoinder", 0o42710, uid, 42)):
            with self.subTest(path):
                facts = os.stat(root + path)
                self.assertEqual((oct(facts.st_mode), facts.st_uid, facts.st_gid),
                                 (oct(mode), owner, group))


class Supervisor:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, name):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name[0] == "@" else name)
        self.environment = {"NOTIFY_SOCKET": name}

    def heard(self, patience=0):
        """The next message as {field: value}, or None if there is none in so many seconds."""
        self._socket.settimeout(patience)
        try:
            text = self._socket.recv(4096).decode()
        except (BlockingIOError, TimeoutError):
            return None
        return dict(line.split("=", 1) for line in text.split("\n"))

    def wait(self, field):
        """The next message must come, and say this field."""
        message = self.heard(DEADLINE)
        if message is None or field not in message:
            raise AssertionError(f"expected {field}, heard {message}")
        return message

    def close(self):
        self._socket.close()


class SupervisorTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="rejoinder-units-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.rejoinder = Rejoinder(self.directory, self.directory + "/milter.sock", CONFIG)
        self.rejoinder.write_config(CONFIG)
        self.rejoinder.run("keys", "add")
        # Not stopped in good order, which takes libmilter 5 s: live() does that once each.
        for daemon in self.rejoinder.daemons:
            self.addCleanup(daemon.kill)

    def daemon(self, program):
        return next(daemon for daemon in self.rejoinder.daemons if daemon.program == program)

    def live(self, program, name=None):
        supervisor = Supervisor(name or f"{self.directory}/notify")
        self.addCleanup(supervisor.close)
        daemon = self.daemon(program)
        daemon.environment = supervisor.environment
        daemon.start()
        started = supervisor.wait("READY")
        self.assertEqual(started["READY"], "1")
        self.assertRegex(started["STATUS"], r"^(listens on|hands mail to|looks at) \S+$")

        daemon.reload()
        self.assertEqual(supervisor.wait("RELOADING")["RELOADING"], "1")
        self.assertRegex(supervisor.wait("READY")["STATUS"], "^read .* again$")

        self.rejoinder.write_config(CONFIG + "nonsense = 1\n")
        daemon.reload()
        self.assertRegex(supervisor.wait("RELOADING")["MONOTONIC_USEC"], r"^\d+$")
        self.assertRegex(supervisor.wait("READY")["STATUS"],
                         "1 mistake; the configuration in force stays$")

        daemon.stop()
        self.assertEqual(supervisor.wait("STOPPING")["STOPPING"], "1")
        self.assertIsNone(supervisor.heard())

    def test_the_life_of_the_milter(self):
        self.live("rejoinder-milter")

    def test_the_life_of_the_fetcher(self):
        self.live("rejoinder-fetcher", f"@{self.directory}/notify")

    def test_the_life_of_the_scheduler(self):
        self.live("rejoinder-scheduler")

    def test_a_milter_that_is_ready_is_connected_to_at_once(self):
        supervisor = Supervisor(f"{self.directory}/notify")
        self.addCleanup(supervisor.close)
        # No other sign of readiness is awaited.
        milter = Daemon(self.rejoinder, "rejoinder-milter", is_ready=lambda: True,
                        environment=supervisor.environment, umask=0o007)
        self.addCleanup(milter.kill)
        milter.start()
        supervisor.wait("READY")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.rejoinder.socket_path)

    def test_a_daemon_that_cannot_start_is_not_ready(self):
        self.rejoinder.write_config(CONFIG + "nonsense = 1\n")
        supervisor = Supervisor(f"{self.directory}/notify")
        self.addCleanup(supervisor.close)
        for program in PROGRAMS:
            done = subprocess.run(
                [self.rejoinder.program(program), "-c", self.rejoinder.config_file], timeout=30,
                capture_output=True, env={**os.environ, **supervisor.environment})
            self.assertEqual(done.returncode, 78, done.stderr)  # RestartPreventExitStatus
            self.assertIsNone(supervisor.heard())

    def rows(self):
        """{name: (version, pid)}; empty as long as the milter has not made the table."""
        try:
            with closing(sqlite3.connect(f"file:{self.rejoinder.store}?mode=ro",
                                         uri=True)) as store:
                return {name: (version, pid) for name, version, pid
                        in store.execute("SELECT name, version, pid FROM daemon")}
        except sqlite3.OperationalError:
            return {}

    def expected_rows(self):
        version = self.rejoinder.run("--version").split()[1]
        return {daemon.program: (version, daemon.pid) for daemon in self.rejoinder.daemons}

    def test_each_daemon_stands_in_the_store_as_it_was_started_last(self):
        # The scheduler before there is a store, the others after.
        for program in ("rejoinder-scheduler", "rejoinder-milter"):
            self.daemon(program).start()
        wait_for(lambda: "rejoinder-milter" in self.rows(), "the milter's row")
        self.daemon("rejoinder-fetcher").start()
        wait_for(lambda: self.rows() == self.expected_rows(), lambda: f"rows: {self.rows()}")
        for daemon in self.rejoinder.daemons:
            daemon.kill()
            daemon.start()
        wait_for(lambda: self.rows() == self.expected_rows(), lambda: f"rows: {self.rows()}")


if __name__ == "__main__":
    unittest.main()
