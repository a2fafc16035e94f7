"""What the tests of `rejoinder doctor` look at: a set-up that is well, and copies of its parts.

One Postfix runs, with all of Rejoinder's daemons.  What a test breaks is a copy: of Postfix's
configuration, which is read and not run, of rejoinder.conf, of the store; or a socket, a
listener or a server of its own.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
import unittest

from certificates import Certificates
from fake_pop3 import FakePop3
from mail import compose
from ports import free_ports
from private_postfix import parse_main
from rejoinder import Rejoinder
from wait import wait_for
from world import World

OK, PROBLEMS, USAGE, CONFIG_WRONG = 0, 1, 64, 78

CONFIG = """\
[rejoinder]
domains = company.test
staff = jane@company.test, bob@company.test
ca_file = {ca_file}
transport_map = {transport_map}
password_socket = {password_socket}

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test
alert = 4h to owner, boss@company.test

[account "Shop"]
address = support@company.test
incoming = yes
pop3 = pop3s://127.0.0.1:{pop3}
username = jane
password_command = echo jane-secret
mailbox = sales@company.test

[account "Notifications"]
address = notifications@company.test
outgoing = yes
relay = smtp://localhost:{relay}
username = company
password_command = echo relay-secret
"""

# As contrib's hand-over listener, on a Postfix that knows no delimiter.
WITHOUT_DELIMITER = [
    "recipient_delimiter=", "smtpd_milters=$rejoinder_milter", "local_header_rewrite_clients=",
    "message_size_limit=75000000", "cleanup_service_name=rejoinder-cleanup",
    "mynetworks=127.0.0.0/8", "smtpd_relay_restrictions=permit_mynetworks,reject"]


class Doctor:
    """What is looked at; each part is the healthy one until a test breaks a copy of it."""

    def __init__(self, case):
        self.case = case
        self.rejoinder, self.postfix = case.world.rejoinder, case.world.postfix
        self.directory = os.path.join(case.world.directory, "copies",
                                      *case.id().split(".")[-2:])
        os.makedirs(self.directory)
        self.etc = self.postfix.etc
        self.config_file = self.rejoinder.config_file

    def path(self, name):
        return os.path.join(self.directory, name)

    # Breaking things

    def configure(self, *changes):
        """A copy of rejoinder.conf with the first of each pair replaced by the second."""
        with open(self.config_file, encoding="utf-8") as stream:
            text = stream.read()
        for old, new in changes:
            self.case.assertIn(old, text)
            text = text.replace(old, new)
        self.config_file = self.path("rejoinder.conf")
        with open(self.config_file, "w", encoding="utf-8") as stream:
            stream.write(text)

    def configure_path(self, key, path):
        """Another path for a key of [rejoinder]."""
        with open(self.config_file, encoding="utf-8") as stream:
            line = re.search(rf"^{key} = .*$", stream.read(), re.MULTILINE)
        if line:
            self.configure((line[0], f"{key} = {path}"))
        else:
            self.configure(("[rejoinder]\n", f"[rejoinder]\n{key} = {path}\n"))

    def _copy_etc(self):
        if self.etc == self.postfix.etc:
            self.etc = self.path("etc")
            shutil.copytree(self.postfix.etc, self.etc)

    def _edit(self, name, edit):
        self._copy_etc()
        path = os.path.join(self.etc, name)
        with open(path, encoding="utf-8") as stream:
            before = stream.read()
        after = edit(before)
        self.case.assertNotEqual(before, after)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(after)
        # Postfix waits for two seconds until a file has cooled down.
        os.utime(path, (time.time() - 60, time.time() - 60))

    def main(self, **parameters):
        """Further lines of main.cf."""
        self._edit("main.cf", lambda text: "".join(
            f"{name} = {value}\n" for name, value in {**parse_main(text), **parameters}.items()))

    def master(self, edit):
        """Edit the text of master.cf."""
        self._edit("master.cf", edit)

    def option(self, port, parameter, value):
        """An -o option of the service on this port, in place of the one it may have."""
        def edit(text):
            head, service, rest = re.split(rf"(^127\.0\.0\.1:{port} .*\n(?:  .*\n)*)", text,
                                           maxsplit=1, flags=re.MULTILINE)
            service = re.sub(rf"^  -o {parameter}=.*\n", "", service, flags=re.MULTILINE)
            return f"{head}{service}  -o {parameter}={value}\n{rest}"
        self.master(edit)

    def store(self, *statements):
        """A copy of the store, in a directory of its own, changed by SQL."""
        directory = self.path("store")
        os.makedirs(directory)
        path = os.path.join(directory, "rejoinder.db")
        with contextlib.closing(sqlite3.connect(
                f"file:{self.rejoinder.store}?mode=ro", uri=True)) as source, \
                contextlib.closing(sqlite3.connect(path)) as copy:
            source.backup(copy)
            for statement in statements:
                copy.execute(statement)
            copy.commit()
        os.chmod(path, 0o640)
        self.configure_path("store", path)
        return path

    def keys(self, mode=0o640):
        path = self.path("keys")
        shutil.copyfile(self.rejoinder.keys, path)
        os.chmod(path, mode)
        self.configure_path("keys", path)
        return path

    def socket_directory(self, name, mode=0o755):
        """A directory in the queue directory, for a socket; mode is set last."""
        directory = os.path.join(self.postfix.queue, name)
        os.mkdir(directory)
        self.case.addCleanup(shutil.rmtree, directory)
        self.case.addCleanup(os.chmod, directory, 0o755)
        os.chmod(directory, mode)
        return directory

    def milter_at(self, name, relative=None):
        """Both look for the milter there, below the queue directory."""
        self.configure_path("milter_socket", f"unix:{self.postfix.queue}/{name}")
        self.main(rejoinder_milter=f"{{ unix:{relative or name}, default_action=tempfail }}")

    # Looking

    def attempt(self, *arguments, **options):
        return subprocess.run(
            [self.rejoinder.program("rejoinder"), "-c", self.config_file, "doctor",
             "--config-dir", self.etc, *arguments], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False, **options)

    def look(self, *arguments):
        """All findings, in order."""
        done = self.attempt("--json", *arguments)
        self.case.assertIn(done.returncode, (OK, PROBLEMS), done.stdout + done.stderr)
        found = json.loads(done.stdout)
        problems = [one for one in found["findings"] if one["state"] == "problem"]
        warnings = [one for one in found["findings"] if one["state"] == "warning"]
        self.case.assertEqual(found["problems"], len(problems))
        self.case.assertEqual(found["warnings"], len(warnings))
        self.case.assertEqual(found["ok"], not problems)
        self.case.assertEqual(done.returncode, PROBLEMS if problems else OK)
        for one in problems + warnings:
            self.case.assertTrue(one["advice"], one)
            self.case.assertNotIn("\n", one["text"] + one["advice"])
        return found["findings"]


class Fake(threading.Thread):
    """Listens on a unix socket, and says one thing to whoever connects; None: nothing."""

    def __init__(self, path, says):
        super().__init__(daemon=True)
        self.says = says
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.listen()
        self.connections = []
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.connections.append(connection)
                if self.says:
                    connection.sendall(self.says)

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.join()
        for one in (self.socket, *self.connections):
            one.close()


class DoctorTest(unittest.TestCase):
    """One world for all of them: it is only looked at."""

    @classmethod
    def start(cls):
        # What no service listens on.
        cls.nobody, cls.relay = free_ports(2)
        cls.world = World(None, sasl=False, postfix={
            "milters": True, "listeners": {"strict": WITHOUT_DELIMITER}})
        unittest.addModuleCleanup(cls.world.stop)
        postfix = cls.world.postfix
        cls.certificates = Certificates(os.path.join(cls.world.directory, "ca"))
        cls.pop3 = FakePop3("tls", *cls.certificates.issue("server")).start()
        unittest.addModuleCleanup(cls.pop3.stop)
        cls.world.rejoinder = Rejoinder(
            os.path.join(cls.world.directory, "rejoinder"), postfix.milter_socket,
            CONFIG.format(ca_file=cls.certificates.ca_file, pop3=cls.pop3.port, relay=cls.relay,
                          transport_map=postfix.transport_map,
                          password_socket=postfix.password_socket),
            submit_port=postfix.submit)
        cls.world.start()
        cls.rejoinder = cls.world.rejoinder
        cls.rejoinder.fetcher.start()
        cls.rejoinder.scheduler.start()
        cls.rejoinder.run("postfix", "maps")
        # A conversation of Jane's, so that there is an owner.
        postfix.sendmail(compose("Jane <jane@company.test>", "customer@example.org", "Offer"),
                         "-f", "jane@company.test", "customer@example.org")
        wait_for(lambda: cls.rejoinder.json("status")["conversations"]["open"], "a conversation")
        wait_for(lambda: any(one["inbox"] and one["inbox"]["succeeded_at"]
                             for one in cls.rejoinder.json("accounts")), "a poll")

    def setUp(self):
        self.doctor = Doctor(self)

    def look(self, *arguments):
        return self.doctor.look(*arguments)

    def see(self, state, expected, *arguments):
        """Findings of this state are those of `expected`, {check: pattern}, and no others."""
        found = self.look(*arguments)
        seen = [one for one in found if one["state"] == state]
        self.assertEqual({one["check"] for one in seen}, set(expected), seen)
        for check, pattern in expected.items():
            self.assertTrue(any(re.search(pattern, one["text"]) for one in seen
                                if one["check"] == check), (pattern, seen))
        return seen

    def see_problem(self, check, pattern, *arguments):
        return self.see("problem", {check: pattern}, *arguments)

    def see_warning(self, check, pattern):
        """This warning beside those that the healthy one has, and no problem."""
        found = self.look()
        self.assertEqual([one for one in found if one["state"] == "problem"], [])
        seen = [one for one in found if one["state"] == "warning" and one["check"] == check]
        self.assertTrue(any(re.search(pattern, one["text"]) for one in seen), seen)
