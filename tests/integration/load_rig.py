"""Load on a private Postfix with Rejoinder, and the account of what became of it.

Half of the messages go out (jane, from this host, to customers), half are
replies from an outside address: to a token, or to jane with our id in
References.  Every message has a number, in its Subject and its Message-ID.
"""

import atexit
import collections
import glob
import os
import pwd
import re
import shutil
import sqlite3
import subprocess
import tempfile

from mail import Mail, token_of
from ports import free_ports, is_listening
from private_postfix import OUTSIDE, PrivatePostfix, need_root
from rejoinder import Rejoinder, build_directory
from wait import wait_for

SESSIONS = 20

CONFIG = """\
[rejoinder]
domains = company.test
staff = *@company.test

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test
"""

# About 5 KB, as ordinary mail has.
_TEXT = "All the lines of this body look like this one, and say nothing new at all.\n" * 60

_OUTBOUND = """\
From: Jane <jane@company.test>
To: customer-@N@@{domain}
Subject: load @N@
Date: Mon, 02 Nov 2026 10:00:00 +0000
Message-ID: <load-@N@@company.test>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

""" + _TEXT

_REPLY = """\
From: customer-@N@@example.org
To: {to}
Subject: load @N@
Date: Mon, 02 Nov 2026 11:00:00 +0000
Message-ID: <load-@N@@example.org>
{link}MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

""" + _TEXT

# The fields that a reply must have, once each.
TAGS = ("Rejoinder-Conversation", "Rejoinder-Match", "Rejoinder-Class", "Rejoinder-Sender",
        "Rejoinder-Owner")

_NUMBER = re.compile(r"load (\d+)$")
_OWN_ID = re.compile(r"<([a-z2-7]{34})@company\.test>")


class Sink:
    """smtp-sink(1): takes all mail, and keeps each message in a file if asked to."""

    def __init__(self, directory, keep=True):
        self.directory = directory
        self.port = free_ports(1)[0]
        self._keep = keep
        self._process = None

    def start(self):
        nobody = pwd.getpwnam("nobody")
        os.makedirs(self.directory, exist_ok=True)
        os.chown(self.directory, nobody.pw_uid, nobody.pw_gid)
        command = ["/usr/sbin/smtp-sink", "-u", "nobody", "-m", "200"]
        if self._keep:
            command += ["-d", os.path.join(self.directory, "message.")]
        self._process = subprocess.Popen(
            [*command, f"127.0.0.1:{self.port}", "200"], cwd=self.directory,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        atexit.register(self.stop)
        wait_for(lambda: is_listening(self.port), f"smtp-sink on port {self.port}")

    def stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            atexit.unregister(self.stop)

    def messages(self):
        found = []
        for path in glob.glob(os.path.join(self.directory, "message.*")):
            with open(path, "rb") as stream:
                found.append(Mail(stream.read()))
        return found


class Outcome:
    """What the load generator says of one run."""

    def __init__(self, output, results):
        self.output = output
        self.rate = float(re.search(r"([\d.]+) messages/s", output).group(1))
        self.retries = int(re.search(r"^retries: (\d+)$", output, re.MULTILINE).group(1))
        self.replies = {}  # number: the last reply
        self.unknown = {}  # number: tries whose outcome the client never learnt
        for line in results.splitlines():
            number, reply, _tries, unknown = line.split()
            self.replies[int(number)] = reply
            self.unknown[int(number)] = int(unknown)


class LoadRig:
    """with LoadRig() as rig: rig.seed(20); rig.send(1000, 600); rig.finish(); rig.check(...)

    environment: for the milter.  parent: where the temporary directory is made.
    keeps_mail: deliver and keep what is sent (False: only take it).
    holds_mail: deliver nothing while the load runs; finish() lets it all go.
    postfix: further arguments for PrivatePostfix.
    """

    def __init__(self, build=None, environment=None, parent=None, keeps_mail=True, holds_mail=False,
                 postfix=None):
        need_root()
        self.build = os.path.abspath(build or build_directory())
        self.directory = tempfile.mkdtemp(prefix="rejoinder-load-", dir=parent)
        os.chmod(self.directory, 0o755)
        self.sink = Sink(self.path("sink"))
        self.drain = Sink(self.path("drain"), keep=False)
        settings = dict(postfix or {})
        parameters = settings.pop("parameters", {})
        if not keeps_mail:
            parameters = {"virtual_transport": "discard", **parameters}
        self._holds_mail = holds_mail
        if holds_mail:
            parameters = {"header_checks": "static:HOLD", **parameters}
        self.postfix = PrivatePostfix(
            self.path("postfix"),
            relay={"example.com": self.sink.port,
                   "example.org": self.sink.port if keeps_mail else self.drain.port},
            parameters=parameters, **settings)
        self.rejoinder = Rejoinder(self.path("rejoinder"), self.postfix.milter_socket, CONFIG,
                                   self.build, environment)
        self.tokens = []

    def path(self, *names):
        return os.path.join(self.directory, *names)

    # Life

    def __enter__(self):
        try:
            self.sink.start()
            self.drain.start()
            self.postfix.start()
            self.rejoinder.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, error, trace):
        try:
            self.stop()
        except Exception:
            if error is None:
                raise

    def stop(self):
        failure = None
        for part in (self.postfix, self.rejoinder, self.drain, self.sink):
            try:
                part.stop()
            except Exception as error:  # the others must stop too
                failure = failure or error
        shutil.rmtree(self.directory, ignore_errors=True)
        if failure:
            raise failure

    # Load

    def seed(self, count):
        """Send count messages to example.com; their conversations are what the replies go to."""
        first = 1
        outcome = self._end(self._begin(
            first, count, False, self.postfix.smtp25,
            self._kind("seed", _OUTBOUND.format(domain="example.com"), "jane@company.test",
                       "customer-@N@@example.com")))
        if set(outcome.replies.values()) != {"250"}:
            raise AssertionError(f"the first messages were refused:\n{outcome.output}")
        self._wait_delivered()
        arrived = self.sink.messages()
        self.tokens = sorted(token_of(mail.value("Reply-To")) or "" for mail in arrived)
        if len(self.tokens) != count or not all(self.tokens):
            raise AssertionError(f"of {count} messages sent to the far side {len(self.tokens)} "
                                 f"came, tokens {self.tokens}")
        self._write("tokens", "".join(token + "\n" for token in self.tokens))

    def begin(self, first, count, is_retrying=False, port=None):
        """Start sending the numbers from first on; end() waits for the end."""
        jane, customer = "jane@company.test", "customer-@N@@example.org"
        token, own_id = "replies+@V@@company.test", "References: <@V@@company.test>\n"
        outbound = self._kind("outbound", _OUTBOUND.format(domain="example.org"), jane, customer)
        by_token = self._kind("by-token", _REPLY.format(to=token, link=""), customer, token,
                              "--source", OUTSIDE, "--values", self.path("tokens"))
        by_id = self._kind("by-id", _REPLY.format(to=jane, link=own_id), customer, jane,
                           "--source", OUTSIDE, "--values", self.path("tokens"))
        return self._begin(first, count, is_retrying, port or self.postfix.smtp25,
                           outbound + by_token + outbound + by_id)

    def end(self, process, seconds=900):
        return self._end(process, seconds)

    def send(self, first, count, **options):
        return self.end(self.begin(first, count, **options))

    @staticmethod
    def is_outbound(first, number):
        """What kind has this number, of a run that began with first?"""
        return (number - first) % 2 == 0

    def _kind(self, name, template, sender, rcpt, *more):
        path = self._write(name, template)
        return ["--template", path, "--from", sender, "--rcpt", rcpt, *more]

    def _write(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="ascii") as stream:
            stream.write(text)
        return path

    def _begin(self, first, count, is_retrying, port, kinds):
        command = [os.path.join(self.build, "tests", "bench", "load"), "--port", str(port),
                   "--sessions", str(SESSIONS), "--messages", str(count), "--first", str(first),
                   "--result", self.path("result"), *(["--retry"] if is_retrying else []), *kinds]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        atexit.register(process.kill)
        return process

    def _end(self, process, seconds=900):
        output = process.communicate(timeout=seconds)[0].decode(errors="replace")
        atexit.unregister(process.kill)
        if process.returncode not in (0, 1):
            raise AssertionError(f"load ended with {process.returncode}:\n{output}")
        with open(self.path("result"), encoding="ascii") as stream:
            return Outcome(output, stream.read())

    # What became of it

    def finish(self):
        """Wait for all deliveries and stop the milter; return its committer's last words."""
        self._wait_delivered()
        self.rejoinder.stop()
        found = re.findall(r"committer: batches=(\d+), jobs=(\d+), average=([\d.]+), largest=(\d+)",
                           self.rejoinder.log())
        if not found:
            raise AssertionError(f"the milter's log has no line on its batches:\n"
                                 f"{self.rejoinder.log()[-2000:]}")
        return dict(zip(("batches", "jobs", "average", "largest"), map(float, found[-1])))

    def _wait_delivered(self):
        if self._holds_mail:
            subprocess.run(["/usr/sbin/postsuper", "-c", self.postfix.etc, "-H", "ALL"], check=True,
                           capture_output=True)
            self.postfix.flush()
        self.postfix.wait_idle(deadline=300)

    def delivered(self):
        """All that arrived anywhere but the seeds: {number: [Mail, ...]}, outbound and replies."""
        outbound, replies = collections.defaultdict(list), collections.defaultdict(list)
        for mail in self.sink.messages():
            if "@example.com" not in mail.value("To"):
                outbound[_number(mail)].append(mail)
        for mailbox in os.listdir(self.postfix.mailboxes):
            for mail in self.postfix.mailbox(mailbox).messages():
                replies[_number(mail)].append(mail)
        return outbound, replies

    def rows(self):
        """The store's messages but the seeds, by number: {(direction, number): how many}."""
        copy = self.path("copy.db")
        source = sqlite3.connect(f"file:{self.rejoinder.store}?mode=ro", uri=True)
        try:
            source.execute("VACUUM INTO ?", (copy,))
        finally:
            source.close()
        database = sqlite3.connect(copy)
        try:
            rows = database.execute("SELECT direction, msgid FROM message").fetchall()
        finally:
            database.close()
            os.unlink(copy)
        counts = collections.Counter()
        for direction, msgid in rows:
            number = int(re.fullmatch(r"<load-(\d+)@.*>", msgid).group(1))
            if number > len(self.tokens):
                counts[direction, number] += 1
        return counts


def outbound_faults(mail):
    """What is missing in an outbound message: [] when it is completely rewritten."""
    faults = []
    token = token_of(mail.value("Reply-To"))
    own_ids = _OWN_ID.findall(mail.value("References") or "")
    if len(mail.values("Reply-To")) != 1 or not token:
        faults.append(f"Reply-To is {mail.values('Reply-To')}")
    if len(mail.values("References")) != 1 or own_ids != [token]:
        faults.append(f"References is {mail.values('References')}, Reply-To's token {token}")
    if mail.address("From") != "jane@company.test":
        faults.append(f"From is {mail.value('From')}")
    return faults


def reply_faults(mail, conversations):
    """What is wrong with the tag of a reply: [] when it is whole."""
    faults = [f"{name} is {mail.values(name)}" for name in TAGS if len(mail.values(name)) != 1]
    if mail.value("Rejoinder-Conversation") not in conversations:
        faults.append(f"Rejoinder-Conversation {mail.value('Rejoinder-Conversation')} is not one "
                      "that was answered")
    if mail.value("Rejoinder-Match") not in ("token", "own-id"):
        faults.append(f"Rejoinder-Match is {mail.value('Rejoinder-Match')}")
    return faults


def conversation_of(token):
    """The conversation's printed id in a token: one character of key, then its 13."""
    return token[1:14]


def _number(mail):
    return int(_NUMBER.search(mail.value("Subject")).group(1))
