"""Postfix configurations as Debian installs them, for `rejoinder setup` to edit.

Nothing runs there; /etc/postfix of this machine is neither read nor written.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time

from fault import fault_environment
from private_postfix import parse_main
from rejoinder import build_directory

PROGRAM = os.path.join(build_directory(), "bin", "rejoinder")
_DEBIAN = "/usr/share/postfix"

CONFIG = """\
[rejoinder]
domains = company.test
milter_socket = unix:{queue}/rejoinder/milter.sock
password_socket = {queue}/rejoinder/password.sock
transport_map = {etc}/rejoinder_transport
store = {directory}/rejoinder.db
keys = {directory}/keys
{general}
[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
{accounts}"""

# What Debian's package asks for, and a table of aliases of its own.
_SITE = """
myhostname = mx.company.test
mydestination = $myhostname, company.test, localhost
mailbox_size_limit = 0
alias_maps = texthash:{etc}/aliases
queue_directory = {queue}
data_directory = {directory}/data
"""

RELAY = """
[account "Sales"]
address = sales@company.test
outgoing = yes
relay = smtp://relay.example.org
username = sales@example.org
password = secret
"""


# What a script in the place of postfix(1) says of a Postfix that is not running.
_STOPPED = 'case "$*" in *status) exit 1;; esac\n'

# As Wiring._make_older(), for what setup starts itself.
_OLDER = 'touch -d "10 seconds ago" $directory/etc/*.cf\n'


class Wiring:
    """One directory with main.cf and master.cf, and a rejoinder.conf beside it.

    main: lines for main.cf, where {etc} is that directory.  master: a function that edits the text of master.cf.
    aliases: of local(8); what is not there is unknown to Postfix.
    general, accounts: lines for rejoinder.conf.
    checks: let the real `postfix check` look at it, which takes its time.
    """

    def __init__(self, main="", master=None, aliases=("replies", "postmaster"), general="",
                 accounts="", checks=False):
        self.directory = tempfile.mkdtemp(prefix="rejoinder-setup-")
        os.chmod(self.directory, 0o755)
        self.etc = os.path.join(self.directory, "etc")
        places = {"directory": self.directory, "etc": self.etc,
                  "queue": os.path.join(self.directory, "queue")}
        for name in ("etc", "queue", "data", "bin"):
            os.mkdir(os.path.join(self.directory, name))
        shutil.chown(os.path.join(self.directory, "data"), "postfix")
        self.write("main.cf", self._debian("main.cf.debian") + _SITE.format(**places)
                   + main.replace("{etc}", self.etc))
        text = self._debian("master.cf.dist")
        self.write("master.cf", master(text) if master else text)
        self.write("aliases", "".join(f"{name} root\n" for name in aliases))
        self._checks = checks
        self.unfake("postfix")
        self.config = os.path.join(self.directory, "rejoinder.conf")
        with open(self.config, "w", encoding="utf-8",
                  opener=lambda path, flags: os.open(path, flags, 0o640)) as stream:
            stream.write(CONFIG.format(general=general, accounts=accounts, **places))

    @staticmethod
    def _debian(name):
        with open(os.path.join(_DEBIAN, name), encoding="utf-8") as stream:
            return stream.read()

    def remove(self):
        shutil.rmtree(self.directory)

    # Files

    def path(self, name):
        return os.path.join(self.etc, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as stream:
            return stream.read()

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as stream:
            stream.write(text)

    def snapshot(self):
        """{path: (mode, bytes)} of Postfix's directory."""
        found = {}
        for directory, _, names in os.walk(self.etc):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as stream:
                    found[os.path.relpath(path, self.etc)] = (
                        os.stat(path).st_mode, stream.read())
        return found

    def backups(self):
        return sorted(name for name in os.listdir(self.etc) if name.startswith("rejoinder-backup"))

    # Programs

    def _make_older(self):
        """Postfix's programs wait until a file is some seconds old."""
        for name in os.listdir(self.etc):
            os.utime(self.path(name), (0, time.time() - 10))

    def fake(self, name, text):
        """A script that is found before the real program of that name; $real is that."""
        real = shutil.which(name, path="/usr/sbin:/usr/bin")
        path = os.path.join(self.directory, "bin", name)
        with open(path, "w", encoding="utf-8", opener=lambda path, flags:
                  os.open(path, flags, 0o755)) as stream:
            stream.write(f"#!/bin/sh\nreal={real}\ndirectory={self.directory}\n{text}\n")

    def fake_postfix(self, text):
        """The same for postfix(1), which says as before that Postfix is not running."""
        self.fake("postfix", _STOPPED + text)

    def unfake(self, name):
        self.fake(name, _OLDER + 'exec $real "$@"' if name != "postfix" or self._checks
                  else _STOPPED + "exit 0")

    def attempt(self, *arguments, path=None, fault=None, **options):
        """fault: a part of a path, and the call on such files that finds no room (fault.c)."""
        self._make_older()
        shim = fault_environment(path=fault[0], calls=fault[1], errno="ENOSPC") if fault else {}
        path = path or f"{self.directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(
            [PROGRAM, "-c", self.config, "setup", "--config-dir", self.etc, *arguments],
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, **shim, "PATH": path}, **{"stdin": subprocess.DEVNULL, **options})

    def setup(self, *arguments, code=0, **options):
        """Run it, expect this exit code; return what it said."""
        done = self.attempt(*arguments, **options)
        if done.returncode != code:
            raise AssertionError(f"setup {' '.join(arguments)} ended with {done.returncode}, not "
                                 f"{code}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def postconf(self, *arguments):
        self._make_older()
        return subprocess.run(["postconf", "-c", self.etc, *arguments], check=True,
                              capture_output=True, text=True, timeout=60).stdout

    def main(self):
        """The parameters of main.cf, blanks in a row as one."""
        return {name: " ".join(value.split())
                for name, value in parse_main(self.read("main.cf")).items()}

    def services(self):
        """{name/type: line} of master.cf, blanks in a row as one."""
        lines = [" ".join(line.split()) for line in self.postconf("-M").splitlines()]
        return {"/".join(line.split()[:2]): line for line in lines}

    def options(self):
        """{name/type/parameter: value} of master.cf."""
        pairs = [line.partition(" =") for line in self.postconf("-P").splitlines()]
        return {name: value.strip() for name, _, value in pairs}


def enable(text, *names):
    """Take the # off services of Debian's master.cf, and off their options as far as to SASL."""
    lines = text.splitlines(keepends=True)
    for name in names:
        at = next(i for i, line in enumerate(lines) if re.match(rf"#{name} +inet ", line))
        while True:
            lines[at] = lines[at][1:]
            if "smtpd_sasl_auth_enable" in lines[at]:
                break
            at += 1
    return "".join(lines)
