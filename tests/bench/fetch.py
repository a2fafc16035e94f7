#!/usr/bin/env python3
"""How fast rejoinder-fetcher empties a POP3 inbox, beside mpop and fetchmail.

usage: fetch.py --build DIR [--messages N] [--rounds N] [--delayed-messages N] [--only NAME,...]

A private Dovecot gives out messages of 5 KB over TLS; each program in turn signs in
to an inbox of its own, fetches all, hands them on, deletes them.  rejoinder and
fetchmail hand them to smtp_sink, which discards them; mpop speaks no SMTP and writes
them to a file.  What counts is the ratio within a
round: how many times longer than rejoinder the others take.  Then the same with
40 ms of round trip.  mpop and fetchmail take part where they are installed (make
deps-bench).  Nothing is asserted but that every inbox is empty afterwards.  Needs
root.
"""

import argparse
import atexit
import os
import pwd
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

from certificates import Certificates  # noqa: E402
from delay_proxy import DelayProxy  # noqa: E402
from mail import compose  # noqa: E402
from private_dovecot import PrivateDovecot  # noqa: E402
from ports import free_ports, is_listening  # noqa: E402
from private_postfix import need_root  # noqa: E402
from rejoinder import Rejoinder  # noqa: E402
from wait import wait_for  # noqa: E402

ROUND_TRIP_MS = 40
PASSWORD = "inbox-secret"
TEXT = "All the lines of this body look like this one, and say nothing new at all.\n" * 64

HEAD = """\
[rejoinder]
domains = company.test
submit_to = 127.0.0.1:{sink}
ca_file = {ca_file}
"""

ACCOUNT = """
[account "{user}"]
address = {user}@company.test
incoming = yes
pop3 = pop3s://localhost:{port}
username = {user}
password_file = {password_file}
leave = no
first_fetch = all
"""

MPOP = """\
account default
host localhost
port {port}
tls on
tls_starttls off
tls_trust_file {ca_file}
auth plain
user {user}
password {password}
pipelining {pipelining}
received_header off
uidls_file {home}/uidls-{user}
delivery mbox {home}/mbox
"""

FETCHMAIL = """\
set no bouncemail
poll localhost service {port} protocol pop3 no envelope no dns
user {user} password {password} is {user} here
ssl sslcertck sslcertfile {ca_file} no keep fetchall smtphost 127.0.0.1/{sink}
"""


class Program:
    """One that fetches.  command(user, port): how; it is run with HOME in the rig's directory."""

    def __init__(self, name, rig):
        self.name, self.rig = name, rig

    def write(self, name, text, user, port, **more):
        path = os.path.join(self.rig.home, name)
        with open(path, "w", encoding="ascii") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(text.format(user=user, port=port, password=PASSWORD, home=self.rig.home,
                                     ca_file=self.rig.authority.ca_file, sink=self.rig.sink.port,
                                     **more))
        return path


class OurFetcher(Program):
    def command(self, user, port):
        rejoinder = self.rig.rejoinder
        secret = self.write("password", "{password}\n", user, port)
        rejoinder.write_config(
            (HEAD + ACCOUNT).format(sink=self.rig.sink.port, ca_file=self.rig.authority.ca_file,
                                    user=user, port=port, password_file=secret))
        if not os.path.exists(rejoinder.keys):
            rejoinder.run("keys", "add")
        return [rejoinder.program("rejoinder"), "-c", rejoinder.config_file, "fetch", user]


class Mpop(Program):
    def __init__(self, name, rig, pipelining):
        super().__init__(name, rig)
        self.pipelining = pipelining

    def command(self, user, port):
        path = self.write("mpoprc", MPOP, user, port, pipelining=self.pipelining)
        return ["mpop", "--quiet", "--file", path]


class Fetchmail(Program):
    def command(self, user, port):
        path = self.write("fetchmailrc", FETCHMAIL, user, port)
        return ["fetchmail", "--silent", "--nodetach", "--nosyslog", "--daemon", "0",
                "--fetchmailrc", path, "--idfile", os.path.join(self.rig.home, "ids"),
                "--pidfile", os.path.join(self.rig.home, "pid")]


class Sink:
    """tests/bench/smtp_sink.c, running."""

    def __init__(self, build):
        self._program = os.path.join(os.path.abspath(build), "tests", "bench", "smtp_sink")
        self._process = None
        self.port = free_ports(1)[0]

    def start(self):
        self._process = subprocess.Popen([self._program, str(self.port)], start_new_session=True)
        atexit.register(self.stop)
        wait_for(lambda: is_listening(self.port), "the sink")

    def stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            atexit.unregister(self.stop)


class Rig:
    """with Rig(build, users): a Dovecot with an inbox for each user, and the sink."""

    def __init__(self, build, users):
        need_root()
        self.directory = tempfile.mkdtemp(prefix="rejoinder-fetch-")
        os.chmod(self.directory, 0o755)
        self.home = self.path("home")
        os.mkdir(self.home)
        self.authority = Certificates(self.path("certificates"))
        self.sink = Sink(build)
        self.dovecot = PrivateDovecot(
            self.path("dovecot"), self.path("auth"), passwords=dict.fromkeys(users, PASSWORD),
            tls=self.authority.issue("server"))
        self.rejoinder = Rejoinder(self.path("rejoinder"), self.path("milter"), None, build)

    def path(self, name):
        return os.path.join(self.directory, name)

    def __enter__(self):
        try:
            self.sink.start()
            self.dovecot.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.dovecot.stop()
            self.sink.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def make_messages(self, count):
        """What all inboxes hold."""
        os.mkdir(self.path("messages"))
        nobody = pwd.getpwnam("nobody")
        for number in range(count):
            data = compose("customer@example.org", "inbox@company.test", f"Order {number}", TEXT,
                           Return_Path="<customer@example.org>")
            text = data.replace(b"\r\n", b"\n")
            # With both sizes in its name, as Dovecot's own delivery leaves it.
            name = f"{1700000000 + number}.P1.mx,S={len(text)},W={len(data)}:2,"
            with open(os.path.join(self.path("messages"), name), "wb") as stream:
                stream.write(text)
                os.fchown(stream.fileno(), nobody.pw_uid, nobody.pw_gid)

    def fill(self, user, count):
        nobody = pwd.getpwnam("nobody")
        inbox = self.dovecot.inbox(user).path
        for folder in ("", "tmp", "new", "cur"):
            path = os.path.join(inbox, folder)
            os.mkdir(path)
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        for name in sorted(os.listdir(self.path("messages")))[:count]:
            os.link(os.path.join(self.path("messages"), name), os.path.join(inbox, "cur", name))

    def run(self, program, user, port, count):
        """How many seconds the program takes to empty the inbox."""
        self.fill(user, count)
        command = program.command(user, port)
        began = time.monotonic()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env={**os.environ, "HOME": self.home})
        seconds = time.monotonic() - began
        inbox = self.dovecot.inbox(user)
        left = len(inbox.messages())
        if done.returncode != 0 or left > 0:
            raise SystemExit(f"{program.name} ended with {done.returncode} and left {left} of "
                             f"{count} messages:\n{done.stdout.decode(errors='replace')[-2000:]}")
        shutil.rmtree(inbox.path)
        return seconds

    def programs(self):
        found = [OurFetcher("rejoinder", self)]
        if shutil.which("mpop"):
            found += [Mpop("mpop", self, "on"), Mpop("mpop without pipelining", self, "off")]
        if shutil.which("fetchmail"):
            found.append(Fetchmail("fetchmail", self))
        return found


def compare(rig, programs, users, title, port, count, rounds):
    times = {program.name: [] for program in programs}
    for number in range(rounds):
        # Each round begins with another, so that none always follows the same.
        for i in range(len(programs)):
            program = programs[(number + i) % len(programs)]
            times[program.name].append(rig.run(program, next(users), port, count))
        line = ", ".join(f"{name} {taken[-1]:.2f} s" for name, taken in times.items())
        print(f"{title}, round {number + 1}: {line}", flush=True)
    ours = times["rejoinder"]
    for name, theirs in times.items():
        median = statistics.median(theirs)
        line = f"{title}: {name} {median:.2f} s, {count / median:.0f} messages/s"
        if name != "rejoinder":
            ratios = [other / our for other, our in zip(theirs, ours)]
            line += (f", {statistics.median(ratios):.2f} times rejoinder's time "
                     f"(from {min(ratios):.2f} to {max(ratios):.2f})")
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "plain"))
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--delayed-messages", type=int, default=500, help="0: not delayed")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[],
                        help="these and rejoinder, e.g. mpop: without pipelining a long way is slow")
    arguments = parser.parse_args()
    for name in ("mpop", "fetchmail"):
        if not shutil.which(name):
            print(f"{name} is not installed (make deps-bench)", flush=True)
    users = [f"inbox{number}" for number in range(8 * (arguments.rounds + 1))]
    with Rig(arguments.build, users) as rig:
        rig.make_messages(max(arguments.messages, arguments.delayed_messages))
        remaining = iter(users)
        programs = [one for one in rig.programs()
                    if one.name in ("rejoinder", *(arguments.only or (one.name,)))]
        port = rig.dovecot.pop3s
        print(f"messages of 5 KB over TLS from Dovecot, {arguments.messages} in an inbox",
              flush=True)
        compare(rig, programs, remaining, "near", port, arguments.messages, arguments.rounds)
        if arguments.delayed_messages > 0:
            print(f"the same with {ROUND_TRIP_MS} ms round trip, {arguments.delayed_messages} in "
                  "an inbox", flush=True)
            proxy = DelayProxy(port, ROUND_TRIP_MS / 2).start()
            compare(rig, programs, remaining, "far", proxy.port,
                    arguments.delayed_messages, (arguments.rounds + 1) // 2)
            proxy.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
