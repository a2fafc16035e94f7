"""A Dovecot of one's own: the auth server that Postfix's SASL asks, and POP3 inboxes.

Users and plain-text passwords stand in a file; no user of the system is touched.
"""

import atexit
import os
import pwd
import signal
import subprocess
import uuid

import processes
from mail import Maildir
from ports import free_ports, is_listening
from wait import wait_for

PASSWORDS = {"jane": "jane-secret", "bob": "bob-secret", "erp": "erp-secret"}

_CONF = """\
base_dir = {directory}/run
state_dir = {directory}/state
instance_name = rejoinder-test
protocols = {protocols}
listen = 127.0.0.1
log_path = {directory}/dovecot.log
ssl = no
auth_mechanisms = plain login
first_valid_uid = 1
auth_failure_delay = 0

passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {directory}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  unix_listener {auth_socket} {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
service anvil {{
  # Else a client that gave a wrong password waits longer and longer.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

_POP3 = """\
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:{mailboxes}/%u
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
"""


class Inbox(Maildir):
    """An external mailbox, into which its provider delivers."""

    def deliver(self, data):
        """Put a message there, whole or not at all."""
        nobody = pwd.getpwnam("nobody")
        for name in ("", "tmp", "new", "cur"):
            path = os.path.join(self.path, name)
            os.makedirs(path, exist_ok=True)
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        name = uuid.uuid4().hex
        path = os.path.join(self.path, "tmp", name)
        with open(path, "wb") as stream:
            stream.write(data)
            os.fchown(stream.fileno(), nobody.pw_uid, nobody.pw_gid)
        os.rename(path, os.path.join(self.path, "new", name))


class PrivateDovecot:
    """dovecot = PrivateDovecot(directory, auth_socket); dovecot.start(); ... dovecot.stop()

    auth_socket: where Postfix looks for it; its directory must exist.
    passwords: of the users that sign in.
    tls: (certificate, key), files: then every user has an inbox, by POP3 over TLS on
        port .pop3s and by STLS on port .pop3.
    protocols, extra: of the configuration, for tests that want more.
    """

    def __init__(self, directory, auth_socket, passwords=None, protocols="none", extra="",
                 tls=None):
        self.directory = os.path.abspath(directory)
        self.auth_socket = auth_socket
        self.passwords = passwords or PASSWORDS
        self.log_file = os.path.join(self.directory, "dovecot.log")
        self.mailboxes = os.path.join(self.directory, "mail")
        self.pop3 = self.pop3s = None
        if tls:
            self.pop3, self.pop3s = free_ports(2)
            protocols = "pop3"
            extra = _POP3.format(certificate=tls[0], key=tls[1], mailboxes=self.mailboxes,
                                 pop3=self.pop3, pop3s=self.pop3s) + extra
        self._conf = _CONF.format(directory=self.directory, auth_socket=auth_socket,
                                  protocols=protocols) + extra
        self._process = None

    def inbox(self, user):
        return Inbox(os.path.join(self.mailboxes, user))

    def start(self):
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        if self.pop3s:
            nobody = pwd.getpwnam("nobody")
            os.makedirs(self.mailboxes, exist_ok=True)
            os.chown(self.mailboxes, nobody.pw_uid, nobody.pw_gid)
        with open(os.path.join(self.directory, "dovecot.conf"), "w", encoding="utf-8") as stream:
            stream.write(self._conf)
        users = os.path.join(self.directory, "users")
        with open(users, "w", encoding="utf-8") as stream:
            for user, password in self.passwords.items():
                stream.write(f"{user}:{{PLAIN}}{password}\n")
        os.chown(users, 0, pwd.getpwnam("dovecot").pw_gid)
        os.chmod(users, 0o640)
        with open(os.path.join(self.directory, "stdout.log"), "ab") as output:
            self._process = subprocess.Popen(
                ["/usr/sbin/dovecot", "-F", "-c", os.path.join(self.directory, "dovecot.conf")],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        atexit.register(self.stop)
        wait_for(self._is_ready, lambda: f"Dovecot's sockets; its log: {self.log()}")
        return self

    def _is_ready(self):
        if self._process.poll() is not None:
            raise AssertionError(f"dovecot ended with {self._process.returncode}: {self.log()}")
        return os.path.exists(self.auth_socket) and (
            self.pop3s is None or is_listening(self.pop3s) and is_listening(self.pop3))

    def stop(self):
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        # Its children leave when they notice, which takes them seconds.
        for pid in self.processes():
            processes.send(pid, signal.SIGTERM)
        wait_for(lambda: not self.processes(), "the end of Dovecot's children", 10)
        self._process = None
        atexit.unregister(self.stop)

    def processes(self):
        """The pids of all its processes: they form the session that start() made."""
        if self._process is None:
            return []
        return processes.in_session(self._process.pid)

    def log(self):
        text = ""
        for name in ("stdout.log", "dovecot.log"):
            path = os.path.join(self.directory, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as stream:
                    text += stream.read()
        return text
