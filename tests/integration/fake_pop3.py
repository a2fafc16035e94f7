"""A POP3 server that keeps a mailbox, and can misbehave on purpose.

It speaks CAPA, STLS, USER, PASS, AUTH PLAIN, STAT, LIST, UIDL, RETR, TOP, DELE, RSET,
NOOP and QUIT (RFC 1939, 2449, 2595, 5034), a thread a connection, in the clear, with
TLS from the first byte, or with STLS.  What is deleted goes at a QUIT, right before
that is answered, and never else.

It does not implement: APOP, SASL mechanisms other than PLAIN, initial responses
beyond AUTH PLAIN's, UTF8, LANG, EXPIRE, an autologout timer, more than one mailbox.
"""

import base64
import dataclasses
import re
import socket
import socketserver
import ssl
import struct
import threading
import typing

FLOOD_CHUNK = b"a" * 65536
CLIENT_SECONDS = 120


@dataclasses.dataclass
class Faults:
    """How it misbehaves; what a session sees when it begins holds to its end.

    Commands are counted within a session, from 1: ("RETR", 2) is the second RETR.
    """

    # {("PASS", 1): "-ERR [AUTH] no"}: a line in place of the answer; the number may be
    # None for "each".  "GREETING", "CAPA", "AUTH", "STLS" and all commands can be named.
    replies: dict = dataclasses.field(default_factory=dict)
    # (n, count, how): the n-th RETR ends after so many bytes of its answer.  how: "close"
    # (TLS without close_notify), "notify" (TLS with it), "reset", "stall".
    cut: typing.Optional[tuple] = None
    # The uidl of a message whose RETR ends after 100 bytes, in each session.
    poison: typing.Optional[str] = None
    # ("LIST", 1): that command is never answered; the connection stays.
    stall: typing.Optional[tuple] = None
    # (("RETR", 1), count, where): so many bytes without a line end, in place of the
    # status line (where = "reply") or of the message's text ("text"); then as usual.
    flood: typing.Optional[tuple] = None
    # Bytes a second, one at a time; None: as fast as they go.
    rate: typing.Optional[float] = None
    # What LIST says for a size: lambda size: 1
    claim: typing.Callable = lambda size: size
    # The uidls that UIDL tells: lambda uidls: [uidls[0]] * len(uidls).  None leaves one out.
    uidls: typing.Callable = lambda uidls: uidls
    # Texts go out with bare line feeds, their end too, as from a server that converts nothing.
    bare: bool = False
    # The order of the mailbox in a session: lambda messages: messages[::-1]
    order: typing.Callable = lambda messages: messages
    # "answer", "refuse" (-ERR, deletes nothing), "ignore" (no answer, deletes nothing),
    # "close" (deletes nothing), "lose" (deletes, and closes without an answer).
    quit: str = "answer"


@dataclasses.dataclass(eq=False)
class Message:
    uidl: str
    data: bytes  # with CR LF line ends


@dataclasses.dataclass
class SessionRecord:
    """What one connection did."""

    commands: list = dataclasses.field(default_factory=list)  # without passwords
    is_signed_in: bool = False
    is_tls: bool = False
    retrieved: list = dataclasses.field(default_factory=list)  # uidls, sent to their end
    deleted: list = dataclasses.field(default_factory=list)  # uidls, really
    has_quit: bool = False  # it said QUIT
    is_over: bool = False
    # Commands that came before the answer to the last, though PIPELINING was not offered.
    early: int = 0


class _Gone(Exception):
    """The connection is over, by the client or by a fault."""


class _Session(socketserver.BaseRequestHandler):
    def handle(self):
        self.fake = self.server.fake
        self.faults = self.fake.faults
        self.record = SessionRecord()
        self.fake.begin_session(self.record)
        self.pending = b""
        self.counts = {}
        self.verb = None
        self.user = None
        self.messages = None  # a list once signed in; deleted ones stay in their place
        self.marked = set()
        self.request.settimeout(CLIENT_SECONDS)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.fake.security == "tls":
                self._start_tls()
            self._talk()
        except (_Gone, OSError):
            pass
        finally:
            self.fake.unlock(self)
            self.request.close()
            self.record.is_over = True

    # The wire.

    def _start_tls(self):
        self.pending = b""
        self.request = self.fake.tls.wrap_socket(self.request, server_side=True)
        self.record.is_tls = True

    def _send(self, data):
        if self.faults.rate is None:
            self.request.sendall(data)
            return
        for at in range(len(data)):
            self.request.sendall(data[at:at + 1])
            if self.fake.stopping.wait(1 / self.faults.rate):
                raise _Gone

    def _say(self, line):
        self._send(line.encode("utf-8") + b"\r\n")

    def _read_line(self):
        while b"\n" not in self.pending:
            if len(self.pending) > 65536:
                raise _Gone
            more = self.request.recv(65536)
            if not more:
                raise _Gone
            self.pending += more
        line, _, self.pending = self.pending.partition(b"\n")
        return line.rstrip(b"\r").decode("latin-1")

    def _linger(self):
        """Read and answer nothing until the client is gone."""
        while self.request.recv(65536):
            pass
        raise _Gone

    def _drop(self, how):
        if how == "stall":
            self._linger()
        if how == "reset":
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _Gone
        if how == "notify" and self.record.is_tls:
            self.request.settimeout(0)
            try:
                self.request.unwrap()
            except OSError:
                pass  # it was sent; the client's own is not waited for
            self.request.settimeout(CLIENT_SECONDS)
        # Unread commands would make a mere close a reset.
        self.request.shutdown(socket.SHUT_WR)
        self._linger()

    def _flood(self, count):
        while count > 0:
            self.request.sendall(FLOOD_CHUNK[:min(count, len(FLOOD_CHUNK))])
            count -= len(FLOOD_CHUNK)

    def _is_now(self, which):
        verb, number = which
        return verb == self.verb and number in (None, self.counts[verb])

    def _begin(self, verb):
        """Count the command, and do what faults are due. True if it is answered already."""
        self.verb = verb
        self.counts[verb] = self.counts.get(verb, 0) + 1
        if self.faults.stall and self._is_now(self.faults.stall):
            self._linger()
        if self.faults.flood and self.faults.flood[2] == "reply" and \
                self._is_now(self.faults.flood[0]):
            self._flood(self.faults.flood[1])
        for which, line in self.faults.replies.items():
            if self._is_now(which):
                self._say(line)
                return True
        return False

    # The session.

    def _talk(self):
        if self._begin("GREETING"):
            return
        self._say("+OK fake POP3 ready")
        while True:
            if self.pending and not self.fake.has_pipelining:
                self.record.early += 1
            line = self._read_line()
            verb, _, argument = line.partition(" ")
            verb = verb.upper()
            self.record.commands.append({"PASS": "PASS", "AUTH": line[:10]}.get(verb, line))
            if verb == "QUIT":
                self._quit()
            if self._begin(verb):
                continue
            command = getattr(self, "_do_" + verb.lower(), None)
            if command is None or not re.fullmatch("[A-Z]{1,4}", verb):
                self._say("-ERR unknown command")
            elif self.messages is None and verb not in ("CAPA", "STLS", "USER", "PASS", "AUTH"):
                self._say("-ERR sign in first")
            else:
                command(argument)

    def _do_capa(self, _):
        if not self.fake.has_capa:
            self._say("-ERR unknown command")
            return
        is_before_tls = self.fake.security == "starttls" and not self.record.is_tls
        lines = ["TOP", "RESP-CODES", "AUTH-RESP-CODE"]
        if self.fake.has_uidl:
            lines.append("UIDL")
        if self.fake.has_pipelining:
            lines.append("PIPELINING")
        if is_before_tls:
            lines.append("STLS")
        if self.fake.has_user:
            lines.append("USER")
        if self.fake.has_sasl_plain:
            lines.append("SASL PLAIN")
        if self.fake.login_delay is not None:
            lines.append(f"LOGIN-DELAY {self.fake.login_delay}")
        self._say("\r\n".join(["+OK list follows", *lines, "."]))

    def _do_stls(self, _):
        if self.fake.security != "starttls" or self.record.is_tls:
            self._say("-ERR not now")
            return
        self._say("+OK begin TLS")
        self._start_tls()

    def _do_user(self, argument):
        if not self.fake.has_user:
            self._say("-ERR unknown command")
            return
        self.user = argument
        self._say("+OK now PASS")

    def _do_pass(self, argument):
        if self.user is None:
            self._say("-ERR USER first")
            return
        self._sign_in(self.user, argument)

    def _do_auth(self, argument):
        words = argument.split()
        if not self.fake.has_sasl_plain or not words or words[0].upper() != "PLAIN":
            self._say("-ERR no such mechanism")
            return
        if len(words) == 1:
            self._say("+ ")
            words.append(self._read_line())
        try:
            _, user, password = base64.b64decode(words[1]).decode("utf-8").split("\0")
        except ValueError:
            self._say("-ERR not understood")
            return
        self._sign_in(user, password)

    def _sign_in(self, user, password):
        if self.fake.users.get(user) != password:
            self._say("-ERR [AUTH] wrong user name or password")
            return
        messages = self.fake.lock(self)
        if messages is None:
            self._say("-ERR [IN-USE] another session has the mailbox")
            return
        self.messages = list(self.faults.order(messages))
        self.record.is_signed_in = True
        self._say("+OK signed in")

    def _message(self, argument):
        """(index, message) of a command's number, or None after saying -ERR."""
        word = (argument.split() or [""])[0]
        index = int(word) - 1 if word.isdigit() and word.isascii() else -1
        if not 0 <= index < len(self.messages) or index in self.marked:
            self._say("-ERR no such message")
            return None
        return index, self.messages[index]

    def _listed(self):
        return [(index, message) for index, message in enumerate(self.messages)
                if index not in self.marked]

    def _do_stat(self, _):
        listed = self._listed()
        total = sum(self.faults.claim(len(message.data)) for _, message in listed)
        self._say(f"+OK {len(listed)} {total}")

    def _do_list(self, argument):
        self._tell(argument, {index: self.faults.claim(len(message.data))
                              for index, message in self._listed()})

    def _do_uidl(self, argument):
        if not self.fake.has_uidl:
            self._say("-ERR unknown command")
            return
        told = self.faults.uidls([message.uidl for message in self.messages])
        self._tell(argument, {index: told[index] for index, _ in self._listed()
                              if told[index] is not None})

    def _tell(self, argument, values):
        if not argument:
            lines = [f"{index + 1} {value}" for index, value in values.items()]
            self._say("\r\n".join([f"+OK {len(lines)} messages", *lines, "."]))
            return
        found = self._message(argument)
        if found:
            self._say(f"+OK {found[0] + 1} {values[found[0]]}")

    def _text(self, data):
        return stuff(data).replace(b"\r\n", b"\n") if self.faults.bare else stuff(data)

    def _do_retr(self, argument):
        found = self._message(argument)
        if not found:
            return
        message = found[1]
        answer = b"+OK %d octets\r\n" % len(message.data) + self._text(message.data)
        if self.faults.flood and self.faults.flood[2] == "text" and \
                self._is_now(self.faults.flood[0]):
            self._send(b"+OK\r\n")
            self._flood(self.faults.flood[1])
            self._send(b"\r\n.\r\n")
            return
        if message.uidl == self.faults.poison:
            self._send(answer[:100])
            self._drop("close")
        if self.faults.cut and self._is_now(("RETR", self.faults.cut[0])):
            self._send(answer[:self.faults.cut[1]])
            self._drop(self.faults.cut[2])
        self._send(answer)
        self.record.retrieved.append(message.uidl)

    def _do_top(self, argument):
        found = self._message(argument)
        if not found:
            return
        words = argument.split()
        count = int(words[1]) if len(words) == 2 and words[1].isdigit() else 0
        header, blank, text = found[1].data.partition(b"\r\n\r\n")
        lines = b"".join(line + b"\r\n" for line in text.split(b"\r\n")[:count])
        self._send(b"+OK\r\n" + self._text(header + blank + lines))

    def _do_dele(self, argument):
        found = self._message(argument)
        if found:
            self.marked.add(found[0])
            self._say("+OK marked")

    def _do_rset(self, _):
        self.marked.clear()
        self._say("+OK")

    def _do_noop(self, _):
        self._say("+OK")

    def _quit(self):
        self.record.has_quit = True
        if self._begin("QUIT") or self.faults.quit == "close":
            raise _Gone
        if self.faults.quit == "ignore":
            self._linger()
        if self.faults.quit == "refuse":
            self._say("-ERR some deleted messages not removed")
            raise _Gone
        gone = [self.messages[index] for index in sorted(self.marked)]
        self.fake.delete(gone)
        self.record.deleted = [message.uidl for message in gone]
        self.fake.unlock(self)
        if self.faults.quit != "lose":
            self._say("+OK bye")
        raise _Gone


def stuff(data):
    """The text as RETR sends it: dots doubled, ended by a lone one."""
    if data and not data.endswith(b"\r\n"):
        data += b"\r\n"
    return re.sub(rb"(\A|(?<=\r\n))\.", b"..", data) + b".\r\n"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class FakePop3:
    """pop3 = FakePop3(); pop3.add(data); pop3.start(); ... pop3.port ... pop3.stop()

    security: "none", "tls" or "starttls"; the latter two want certificate and key,
    paths of PEM files.  The has_* attributes and login_delay say what CAPA offers
    and commands do; faults is how it misbehaves.  All may be changed between sessions.
    """

    def __init__(self, security="none", certificate=None, key=None, users=None):
        self.security = security
        self.users = users or {"jane": "jane-secret"}
        self.has_capa = True
        self.has_pipelining = True
        self.has_uidl = True
        self.has_user = True
        self.has_sasl_plain = True
        self.login_delay = None
        self.is_exclusive = False  # else a second session gets -ERR [IN-USE]
        self.faults = Faults()
        self.stopping = threading.Event()
        self.tls = None
        if security != "none":
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate, key)
        self._lock = threading.Lock()
        self._messages = []
        self._next = 1
        self._holder = None
        self._sessions = []
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.fake = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def port(self):
        return self._server.server_address[1]

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def add(self, data, uidl=None):
        """Put a message (bytes) at the end of the mailbox; return its uidl."""
        if not re.search(rb"\r\n", data):
            data = data.replace(b"\n", b"\r\n")
        with self._lock:
            uidl = uidl or f"uidl-{self._next:06}"
            self._next += 1
            self._messages.append(Message(uidl, data))
        return uidl

    def messages(self):
        """What is in the mailbox now."""
        with self._lock:
            return list(self._messages)

    def uidls(self):
        return [message.uidl for message in self.messages()]

    def sessions(self):
        """A SessionRecord for each connection so far, oldest first."""
        with self._lock:
            return list(self._sessions)

    def retrieved(self):
        """The uidls of all that was sent to its end, in order, repeats too."""
        return [uidl for session in self.sessions() for uidl in session.retrieved]

    def deleted(self):
        return [uidl for session in self.sessions() for uidl in session.deleted]

    def is_idle(self):
        """Is no session under way?"""
        return all(session.is_over for session in self.sessions())

    # For its sessions.

    def begin_session(self, record):
        with self._lock:
            self._sessions.append(record)

    def lock(self, session):
        with self._lock:
            if self.is_exclusive and self._holder is not None:
                return None
            self._holder = session
            return list(self._messages)

    def unlock(self, session):
        with self._lock:
            if self._holder is session:
                self._holder = None

    def delete(self, messages):
        with self._lock:
            self._messages = [one for one in self._messages if one not in messages]
