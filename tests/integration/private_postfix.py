"""A Postfix of one's own: real daemons on loopback ports in a directory of theirs.

Its configuration is the files of contrib/postfix, as an admin adds them, on top
of the few lines a Postfix outside /etc needs.  Changed in those files are only
the address a service listens on, the path of the transport map, and chroot, which is off
unless asked for.

Inside is company.test: each of USERS has a maildir.  Outside is what `relay`
names.  A client from 127.0.0.1 is trusted (mynetworks), one that binds
127.0.0.2, OUTSIDE, is not.
"""

import atexit
import json
import os
import pwd
import re
import signal
import smtplib
import ssl
import subprocess

import processes
from mail import Maildir
from ports import free_ports, is_listening
from wait import WaitTimeout, wait_for

DOMAIN = "company.test"
USERS = ("jane", "jane.private", "bob", "boss", "team", "erp", "postmaster",
         "replies", "support", "sales", "notifications", "jobs")
OUTSIDE = "127.0.0.2"

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONTRIB = os.path.join(_ROOT, "contrib", "postfix")

# What a Postfix outside /etc needs, and the domains of the tests.
_MAIN = """\
compatibility_level = 3.6
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {directory}/mail.log
maillog_file_prefixes = {directory}

myhostname = mx.company.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.1/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
biff = no

virtual_mailbox_domains = company.test
virtual_mailbox_base = {mailboxes}
virtual_mailbox_limit = 0
mailbox_size_limit = 0
virtual_mailbox_maps = inline:{{ {mailbox_map} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
transport_maps = inline:{{ {transport_map} }}

smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_tls_chain_files = {directory}/etc/tls.pem

smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
minimal_backoff_time = 2s
maximal_backoff_time = 10s
queue_run_delay = 2s
"""

_MASTER = """\
127.0.0.1:{smtp25} inet n - {chroot} - - smtpd
pickup unix n - {chroot} 60 1 pickup
cleanup unix n - {chroot} - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - {chroot} 1000? 1 tlsmgr
rewrite unix - - {chroot} - - trivial-rewrite
bounce unix - - {chroot} - 0 bounce
defer unix - - {chroot} - 0 bounce
trace unix - - {chroot} - 0 bounce
verify unix - - {chroot} - 1 verify
flush unix n - {chroot} 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - {chroot} - - smtp
relay unix - - {chroot} - - smtp
showq unix n - {chroot} - - showq
error unix - - {chroot} - - error
retry unix - - {chroot} - - error
discard unix - - {chroot} - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - {chroot} - 1 anvil
scache unix - - {chroot} - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

# Services of contrib/postfix/master.cf whose name is an address.
_SERVICE_NAMES = {"127.0.0.1:2524": "submit"}

_PROBLEM = re.compile(r"\]: (?:[0-9A-Za-z]+: )?(?:warning|error|fatal|panic): ")

# What a machine makes Postfix say now and then, whatever the test does: a file written at
# the turn of a second bears the next one where the file system keeps its own clock.
_MACHINE = re.compile(r"warning: (?:file system clock is \d+ seconds (?:ahead of|behind) local"
                      r" clock|resetting file time stamps)")


def need_root():
    """A private Postfix cannot be started by anybody else: say so at once."""
    if os.geteuid() != 0:
        raise SystemExit("the integration tests need root (they start a Postfix): run them as root")


def parse_main(text):
    """The parameters of a main.cf: {name: value}, continuation lines joined."""
    parameters, name = {}, None
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t":
            parameters[name] += "\n    " + line.strip()
        else:
            name, _, value = line.partition("=")
            name = name.strip()
            if name in parameters:
                raise ValueError(f"main.cf sets {name} twice")
            parameters[name] = value.strip()
    return parameters


class PrivatePostfix:
    """One Postfix instance below `directory`, which user postfix must be able to search.

    relay: {domain: port on loopback}, where mail to the outside goes.
    milters: True for those of contrib/postfix; False for none; a string stands
        for the value of rejoinder_milter.
    chroot: run the daemons chrooted, as Debian's master.cf does.
    listeners: {name: ["parameter=value", ...]}, further smtpd services; their
        ports are in .ports[name].
    parameters: {name: value} for main.cf, over everything else.
    tls: (certificate, key), files, instead of a certificate that says nothing.
    """

    def __init__(self, directory, relay=None, milters=True, chroot=False, listeners=None,
                 parameters=None, tls=None):
        self.directory = os.path.abspath(directory)
        self.etc = os.path.join(self.directory, "etc")
        self.queue = os.path.join(self.directory, "queue")
        self.log_file = os.path.join(self.directory, "mail.log")
        self.mailboxes = os.path.join(self.directory, "mail")
        self.milter_socket = os.path.join(self.queue, "rejoinder", "milter.sock")
        self.auth_socket = os.path.join(self.queue, "private", "auth")
        self.password_socket = os.path.join(self.queue, "rejoinder", "password.sock")
        self.transport_map = os.path.join(self.etc, "rejoinder_transport")
        self._relay = relay or {}
        self._milters = milters
        self._chroot = "y" if chroot else "n"
        self._listeners = listeners or {}
        self._parameters = parameters or {}
        self._tls = tls
        names = ["smtp25", "submission", "submit", *self._listeners]
        self.ports = dict(zip(names, free_ports(len(names))))
        self.smtp25 = self.ports["smtp25"]
        self.submission = self.ports["submission"]
        self.submit = self.ports["submit"]
        self._log_offset = 0
        self._is_started = False

    def set_parameters(self, parameters):
        """Further lines of main.cf, {name: value}, over everything else; before start()."""
        self._parameters = {**self._parameters, **parameters}

    # Life

    def start(self):
        need_root()
        self.make_directories()
        self._make_certificate()
        self._write("main.cf", self._main_cf())
        self._write("master.cf", self._master_cf())
        if not os.path.exists(self.transport_map):
            self._write("rejoinder_transport", "")  # as `rejoinder postfix maps` without relays
        # Before the start: one that fails half-way is stopped too.
        self._is_started = True
        atexit.register(self.stop)
        self._command("postfix", "start")
        for name, port in self.ports.items():
            wait_for(lambda port=port: is_listening(port), f"Postfix's {name} on port {port}")
        return self

    def stop(self):
        """Stop all of it; afterwards no process of this instance is left."""
        if not self._is_started:
            return
        self._command("postfix", "stop", check=False)
        try:
            wait_for(lambda: not self.processes(), "the end of Postfix", 10)
        except WaitTimeout:
            for pid in self.processes():
                processes.send(pid, signal.SIGKILL)
            wait_for(lambda: not self.processes(), "the end of Postfix after SIGKILL", 10)
        self._is_started = False
        atexit.unregister(self.stop)

    def reload(self):
        self._command("postfix", "reload")

    def processes(self):
        """The pids of all daemons of this instance: they work in its queue directory."""
        return processes.in_directory(self.queue)

    def make_directories(self):
        """What start() does first; before it, for who puts a socket there."""
        postfix = pwd.getpwnam("postfix")
        for path in (self.directory, self.etc, self.queue, self.mailboxes):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o755)
        data = os.path.join(self.directory, "data")
        os.makedirs(data, exist_ok=True)
        os.chown(data, postfix.pw_uid, postfix.pw_gid)
        nobody = pwd.getpwnam("nobody")
        os.chown(self.mailboxes, nobody.pw_uid, nobody.pw_gid)
        # As contrib says: setgid, so that a socket made in it belongs to group postfix.
        sockets = os.path.dirname(self.milter_socket)
        os.makedirs(sockets, exist_ok=True)
        os.chown(sockets, 0, postfix.pw_gid)
        os.chmod(sockets, 0o2710)
        if len(self.milter_socket) > 107:
            raise ValueError(f"{self.directory} is too long a name for a socket below it")

    def _make_certificate(self):
        pem = os.path.join(self.etc, "tls.pem")
        if os.path.exists(pem):
            return
        certificate, key = self._tls or (pem + ".crt", pem + ".key")
        if not self._tls:
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-days", "7",
                 "-subj", "/CN=mx.company.test", "-keyout", key, "-out", certificate],
                check=True, capture_output=True)
        with open(pem, "wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            for part in (key, certificate):
                with open(part, "rb") as source:
                    stream.write(source.read())
                if not self._tls:
                    os.unlink(part)

    def _main_cf(self):
        nobody = pwd.getpwnam("nobody")
        base = parse_main(_MAIN.format(
            directory=self.directory, mailboxes=self.mailboxes, uid=nobody.pw_uid,
            gid=nobody.pw_gid,
            mailbox_map=", ".join(f"{{ {user}@{DOMAIN} = {user}/ }}" for user in USERS),
            transport_map=", ".join(f"{{ {domain} = smtp:[127.0.0.1]:{port} }}"
                                    for domain, port in self._relay.items())))
        if not self._relay:
            del base["transport_maps"]
        with open(os.path.join(CONTRIB, "main.cf"), encoding="utf-8") as stream:
            added = parse_main(stream.read())
        if twice := base.keys() & added.keys():
            raise ValueError(f"contrib/postfix/main.cf and the tests both set {sorted(twice)}")
        added["sender_dependent_default_transport_maps"] = "texthash:" + self.transport_map
        if self._milters is not True:
            added["rejoinder_milter"] = self._milters or ""
        return "".join(f"{name} = {value}\n"
                       for name, value in {**base, **added, **self._parameters}.items())

    def _master_cf(self):
        text = _MASTER.format(chroot=self._chroot, smtp25=self.smtp25)
        with open(os.path.join(CONTRIB, "master.cf"), encoding="utf-8") as stream:
            text += self._place_services(stream.read())
        for name, options in self._listeners.items():
            text += f"127.0.0.1:{self.ports[name]} inet n - {self._chroot} - - smtpd\n"
            text += "".join(f"  -o {option}\n" for option in options)
        return text

    def _place_services(self, text):
        lines = []
        for line in text.splitlines(keepends=True):
            words = line.split()
            if words and line[0] not in " \t#":
                if words[1] == "inet":
                    name = _SERVICE_NAMES.get(words[0], words[0])
                    words[0] = f"127.0.0.1:{self.ports[name]}"
                words[4] = self._chroot if words[4] == "y" else words[4]
                line = " ".join(words) + "\n"
            lines.append(line)
        return "".join(lines)

    def _write(self, name, text):
        path = os.path.join(self.etc, name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(path, 0o644)

    def _command(self, program, *args, check=True, data=None):
        flag = "-C" if program == "sendmail" else "-c"
        environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run([program, flag, self.etc, *args], input=data, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              start_new_session=True)
        output = done.stdout.decode(errors="replace")
        if check and done.returncode != 0:
            raise AssertionError(
                f"{program} {' '.join(args)} ended with {done.returncode}: {output}"
                + self._log_tail())
        return output

    # Mail in

    def send(self, data, sender, recipients, port=None, login=None, source=None, timeout=90):
        """Send by SMTP.  Returns what smtplib.sendmail does: the refused recipients.

        login: (user, password) for the submission port, over STARTTLS.
        source: the address to come from, OUTSIDE for a client nobody trusts.
        """
        if isinstance(recipients, str):
            recipients = [recipients]
        port = port or (self.submission if login else self.smtp25)
        smtp = smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.org",
                            timeout=timeout, source_address=(source, 0) if source else None)
        # Not as a context manager: that one turns Ctrl-C into an error of its own.
        try:
            if login:
                smtp.starttls(context=_unverified())
                smtp.login(*login)
            refused = smtp.sendmail(sender, recipients, data, mail_options=["BODY=8BITMIME"])
            smtp.quit()
            return refused
        finally:
            smtp.close()

    def send_from_outside(self, data, sender, recipients):
        return self.send(data, sender, recipients, source=OUTSIDE)

    def sendmail(self, data, *args):
        """Give a message to sendmail(1), as programs on this host do."""
        return self._command("sendmail", *args, data=data.replace(b"\r\n", b"\n"))

    def mailbox(self, user):
        return Maildir(os.path.join(self.mailboxes, user))

    # Queue and log

    def queued(self):
        """What waits in the queue: a list of dicts, as postqueue -j gives them."""
        return [json.loads(line) for line in self._command("postqueue", "-j").splitlines()]

    def flush(self):
        self._command("postqueue", "-f")

    def wait_idle(self, deadline=60.0):
        """Wait until the queue is empty."""
        wait_for(lambda: not self.queued(), lambda: f"an empty queue; in it: {self.queued()}",
                 deadline)

    def log(self):
        if not os.path.exists(self.log_file):
            return ""
        with open(self.log_file, encoding="utf-8", errors="replace") as stream:
            return stream.read()

    def wait_log(self, pattern, deadline=30.0):
        """Wait for a line of the log that matches; return the match."""
        return wait_for(lambda: re.search(pattern, self.log()),
                        lambda: f"{pattern!r} in the log{self._log_tail()}", deadline)

    def problems(self, *allowed):
        """Warnings and worse since the last call, but those that match one of `allowed`."""
        text = self.log()
        fresh, self._log_offset = text[self._log_offset:], len(text)
        return [line for line in fresh.splitlines() if _PROBLEM.search(line)
                and not _MACHINE.search(line)
                and not any(re.search(pattern, line) for pattern in allowed)]

    def check_log(self, *allowed):
        """Fail on any warning or worse in the log but those that match one of `allowed`."""
        if found := self.problems(*allowed):
            raise AssertionError("Postfix complains:\n  " + "\n  ".join(found))

    def _log_tail(self):
        return "\nThe end of its log:\n" + "\n".join(self.log().splitlines()[-15:])


def _unverified():
    """The certificate is made by the test and says nothing."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
