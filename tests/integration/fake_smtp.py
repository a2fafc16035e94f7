"""The far side: an SMTP server that keeps what it is sent, and can misbehave.

It speaks EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP and QUIT (RFC 5321), with
PIPELINING and 8BITMIME, a thread a connection.  A recipient whose local part is
`nobody` does not exist here: 550 5.1.1.

It does not implement: TLS, AUTH, BDAT, SIZE, DSN, SMTPUTF8, limits of any kind,
checks of addresses or of the order of commands beyond DATA without recipients.
"""

import fnmatch
import os
import re
import socketserver
import threading

from mail import Mail
from wait import wait_for

NO_SUCH_USER = "550 5.1.1 no such user here"


class Received:
    """One message that arrived: its envelope and its exact bytes (CR LF kept)."""

    def __init__(self, sender, recipients, data):
        self.sender = sender
        self.recipients = recipients
        self.data = data
        self.mail = Mail(data)


class _Session(socketserver.StreamRequestHandler):
    # Each reply is a segment of its own: with Nagle's algorithm the second would wait for the
    # client's delayed acknowledgement of the first.
    disable_nagle_algorithm = True

    timeout = 120

    def _say(self, reply):
        if reply == "close":
            raise ConnectionAbortedError
        self.wfile.write(reply.encode("ascii") + b"\r\n")
        self.wfile.flush()

    def handle(self):
        try:
            self._talk()
        except OSError:
            pass  # the client went away, or we were told to close

    def _talk(self):
        far = self.server.far
        self._say("220 mx.example.org ESMTP fake")
        sender, recipients = None, []
        while line := self.rfile.readline(65536):
            verb, _, argument = line.decode("latin-1").strip().partition(" ")
            verb = verb.upper()
            address = (re.findall(r"<([^>]*)>", argument) or [""])[0]
            if verb in ("EHLO", "HELO"):
                sender, recipients = None, []
                if verb == "EHLO":
                    self._say("250-mx.example.org\r\n250-PIPELINING\r\n250 8BITMIME")
                else:
                    self._say("250 mx.example.org")
            elif verb == "MAIL":
                sender = address
                self._say(far.reply_to("mail", address) or "250 2.1.0 ok")
            elif verb == "RCPT":
                reply = far.reply_to("rcpt", address) or "250 2.1.5 ok"
                if reply.startswith("2"):
                    recipients.append(address)
                self._say(reply)
            elif verb == "DATA":
                if not recipients:
                    self._say("554 5.5.1 no valid recipients")
                    continue
                self._say("354 go on")
                data = self._read_data()
                reply = far.reply_to("data", sender) or "250 2.0.0 kept"
                if reply.startswith("2"):
                    far.keep(Received(sender, list(recipients), data))
                self._say(reply)
                sender, recipients = None, []
            elif verb == "RSET":
                sender, recipients = None, []
                self._say("250 2.0.0 ok")
            elif verb == "NOOP":
                self._say("250 2.0.0 ok")
            elif verb == "QUIT":
                self._say("221 2.0.0 bye")
                return
            else:
                self._say("502 5.5.2 not implemented")

    def _read_data(self):
        lines = []
        while line := self.rfile.readline():
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)
        raise ConnectionAbortedError


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class FakeSmtp:
    """far = FakeSmtp(); far.start(); ... far.port ... far.stop()

    directory: where each message is also written to a file, or None.
    """

    def __init__(self, directory=None):
        self.directory = directory
        self._lock = threading.Lock()
        self._messages = []
        self._replies = [("rcpt", "nobody@*", NO_SUCH_USER)]
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.far = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def port(self):
        return self._server.server_address[1]

    def start(self):
        self._thread.start()

    def stop(self):
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def answer(self, stage, pattern, reply):
        """From now on give this reply at `mail`, `rcpt` or `data`.

        pattern is a shell pattern for the address: the recipient's at `rcpt`, the
        sender's else.  reply is a whole line such as "451 4.3.0 later", or "close"
        to drop the connection.  What was said last wins.
        """
        with self._lock:
            self._replies.insert(0, (stage, pattern, reply))

    def answer_normally(self, stage, pattern):
        """Take back what answer() said for just this stage and pattern."""
        with self._lock:
            self._replies = [entry for entry in self._replies if entry[:2] != (stage, pattern)]

    def reply_to(self, stage, address):
        with self._lock:
            for told_stage, pattern, reply in self._replies:
                if told_stage == stage and fnmatch.fnmatch((address or "").lower(), pattern):
                    return reply
        return None

    def keep(self, received):
        with self._lock:
            self._messages.append(received)
            if self.directory:
                os.makedirs(self.directory, exist_ok=True)
                name = f"{len(self._messages):04}.eml"
                with open(os.path.join(self.directory, name), "wb") as stream:
                    stream.write(received.data)

    def messages(self):
        """All that arrived so far, oldest first."""
        with self._lock:
            return list(self._messages)

    def find(self, msgid):
        """What arrived under this Message-ID (with brackets), a list."""
        return [one for one in self.messages() if one.mail.value("Message-ID") == msgid]

    def wait(self, msgid, count=1):
        """Wait until the message has arrived count times; return the newest."""
        return wait_for(
            lambda: len(self.find(msgid)) >= count and self.find(msgid)[-1],
            lambda: f"{msgid} at the far side ({len(self.messages())} other messages came)")
