"""The whole set-up of a test: a company with a Postfix, a Dovecot and Rejoinder, and the far side.

    with World(CONFIG) as world:
        world.postfix.send(...)

Everything lives below one temporary directory and is gone afterwards.
"""

import atexit
import os
import shutil
import tempfile

from certificates import Certificates
from fake_smtp import FakeSmtp
from private_dovecot import PASSWORDS, PrivateDovecot
from private_postfix import PrivatePostfix, need_root
from rejoinder import Rejoinder

FAR_DOMAINS = ("example.org", "example.com")


class World:
    """config: of Rejoinder; None for a Postfix without milters and no Rejoinder at all.

    postfix: further arguments for PrivatePostfix.  sasl=False leaves Dovecot out.
    inboxes: {user: password}, inboxes at a provider outside: .dovecot keeps them
        (PrivateDovecot.inbox), with a certificate that .ca_file verifies.
    """

    def __init__(self, config, build=None, postfix=None, sasl=True, environment=None,
                 inboxes=None):
        need_root()
        self.directory = tempfile.mkdtemp(prefix="rejoinder-")
        os.chmod(self.directory, 0o755)  # user postfix must get through
        self.far = FakeSmtp()
        settings = {"milters": config is not None, **(postfix or {})}
        self.postfix = PrivatePostfix(
            os.path.join(self.directory, "postfix"),
            relay={domain: self.far.port for domain in FAR_DOMAINS}, **settings)
        self.dovecot = self.rejoinder = self.ca_file = tls = None
        if inboxes:
            authority = Certificates(os.path.join(self.directory, "certificates"))
            self.ca_file, tls = authority.ca_file, authority.issue("provider")
        if sasl:
            self.dovecot = PrivateDovecot(
                os.path.join(self.directory, "dovecot"), self.postfix.auth_socket,
                passwords={**PASSWORDS, **(inboxes or {})}, tls=tls)
        if config is not None:
            self.rejoinder = Rejoinder(os.path.join(self.directory, "rejoinder"),
                                       self.postfix.milter_socket, config, build, environment,
                                       self.postfix.submit)

    def start(self):
        atexit.register(self.stop)  # for a process that is told to end
        try:
            self.far.start()
            # The milter first, so that Postfix never finds its socket missing.
            self.postfix.make_directories()
            if self.rejoinder:
                self.rejoinder.start()
            self.postfix.start()
            if self.dovecot:
                self.dovecot.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        """Stop everything, whatever fails on the way, and remove the directory."""
        parts = [part for part in (self.postfix, self.rejoinder, self.dovecot, self.far) if part]
        failure = None
        for part in parts:
            try:
                part.stop()
            except Exception as error:  # the others must stop too
                failure = failure or error
        shutil.rmtree(self.directory, ignore_errors=True)
        atexit.unregister(self.stop)  # last: a stop that is interrupted is done again at exit
        if failure:
            raise failure

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, trace):
        try:
            self.stop()
        except Exception:
            if error is None:
                raise

    def login(self, user):
        """(user, password) for PrivatePostfix.send()."""
        return user, PASSWORDS[user]

    def check_logs(self, postfix=(), rejoinder=()):
        """Fail on any warning or worse but those that match the patterns given."""
        self.postfix.check_log(*postfix)
        if self.rejoinder:
            self.rejoinder.check_log(*rejoinder)
