"""A milter client: speaks Sendmail's milter protocol, version 6, to a milter's socket.

It does what Postfix does, and all that Postfix never would.  It does not
implement: asking for the macros that the milter wants (the caller sends what he
likes), applying edits (it lists them), quarantine, progress beyond ignoring it,
TLS, and DATA, unknown commands and HELO unless asked for by put().
"""

import socket
import struct

ACTIONS = 0x1FF    # all edits there are
STEPS = 0x1FFFFF   # all steps may be left out or stay unanswered, SKIP, leading space
PACKET_MAX = 65535

# Steps that the milter may leave unanswered: SMFIP_NR_*.
_SILENT = {b"C": 0x1000, b"H": 0x2000, b"M": 0x4000, b"R": 0x8000, b"T": 0x10000,
           b"L": 0x80, b"N": 0x40000, b"B": 0x80000}
# Steps that it may not want: SMFIP_NO*.
_UNWANTED = {b"C": 0x1, b"H": 0x2, b"M": 0x4, b"R": 0x8, b"B": 0x10, b"L": 0x20, b"N": 0x40,
             b"T": 0x200}

_EDITS = {b"+": "add-rcpt", b"2": "add-rcpt", b"-": "delete-rcpt", b"b": "replace-body",
          b"h": "add-field", b"i": "insert-field", b"m": "change-field", b"e": "change-sender",
          b"q": "quarantine"}

_VERDICTS = {b"c": "continue", b"a": "accept", b"d": "discard", b"r": "reject", b"t": "tempfail",
             b"s": "skip"}


class MilterClosed(Exception):
    """The milter closed the connection."""


class Answer:
    """verdict: "continue", "accept", ..., or an SMTP reply such as "451 4.3.0 ...".

    edits: [(kind, bytes of the packet), ...], in order.
    """

    def __init__(self, verdict, edits):
        self.verdict, self.edits = verdict, edits

    def __repr__(self):
        return f"{self.verdict} {self.edits}"


class RawMilter:
    """One connection.  Closing it is not quitting: see quit()."""

    def __init__(self, path, timeout=30):
        self.steps = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._socket.settimeout(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    def set_timeout(self, seconds):
        """Of each read and write from now on: TimeoutError."""
        self._socket.settimeout(seconds)

    # Packets

    def write(self, data):
        """Write bytes as they are."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise MilterClosed from error

    def put(self, command, data=b""):
        self.write(struct.pack(">I", len(data) + 1) + command + data)

    def get(self):
        """Read a packet: (command, data)."""
        length, = struct.unpack(">I", self._read(4))
        data = self._read(length)
        return data[:1], data[1:]

    def _read(self, count):
        data = b""
        while len(data) < count:
            try:
                part = self._socket.recv(count - len(data))
            except ConnectionResetError as error:
                raise MilterClosed from error
            if not part:
                raise MilterClosed
            data += part
        return data

    def answer(self):
        """Read what the milter says to a step, edits first."""
        edits = []
        while True:
            command, data = self.get()
            if command in _EDITS:
                edits.append((_EDITS[command], data))
            elif command == b"y":
                return Answer(data.rstrip(b"\0").decode("utf-8", "replace"), edits)
            elif command in _VERDICTS:
                return Answer(_VERDICTS[command], edits)
            elif command != b"p":
                raise AssertionError(f"the milter answers {command!r} {data!r}")

    # Steps

    def negotiate(self, version=6, actions=ACTIONS, steps=STEPS):
        """Returns (version, actions, steps) as the milter wants them."""
        self.put(b"O", struct.pack(">III", version, actions, steps))
        command, data = self.get()
        if command != b"O":
            raise AssertionError(f"the milter negotiates with {command!r} {data!r}")
        version, actions, self.steps = struct.unpack(">III", data[:12])
        return version, actions, self.steps

    def step(self, command, data=b""):
        """Take a step as negotiated; return the Answer, or None if none is due."""
        if self.steps & _UNWANTED.get(command, 0):
            return None
        self.put(command, data)
        return None if self.steps & _SILENT.get(command, 0) else self.answer()

    def macros(self, command, **values):
        """Macros for the step that follows; a name longer than a letter gets its braces."""
        pairs = b"".join((name if len(name) == 1 else "{%s}" % name).encode() + b"\0"
                         + value.encode() + b"\0" for name, value in values.items())
        self.put(b"D", command + pairs)

    def connect(self, address="127.0.0.1", port=40000):
        return self.step(b"C", b"client.example.org\0" + b"4" + struct.pack(">H", port)
                         + address.encode() + b"\0")

    def mail(self, sender):
        return self.step(b"M", f"<{sender}>".encode() + b"\0")

    def rcpt(self, recipient):
        return self.step(b"R", f"<{recipient}>".encode() + b"\0")

    def field(self, name, value):
        return self.step(b"L", name + b"\0" + value + b"\0")

    def end_header(self):
        return self.step(b"N")

    def body(self, data):
        """All of it, in packets, until the milter has seen enough; return the last Answer."""
        answer = None
        for at in range(0, len(data), PACKET_MAX):
            answer = self.step(b"B", data[at:at + PACKET_MAX])
            if answer and answer.verdict != "continue":
                break
        return answer

    def end(self, queue_id="4RAW0000"):
        self.macros(b"E", i=queue_id)
        return self.step(b"E")

    def abort(self):
        self.put(b"A")

    def quit(self):
        self.put(b"Q")
        self.close()

    # A whole message

    def begin(self, address="127.0.0.1", steps=STEPS):
        self.negotiate(steps=steps)
        self.connect(address)
        return self

    def message(self, fields, body=b"Hello.\r\n", sender="jane@company.test",
                recipients=("customer@example.org",)):
        """Send a message over a connection that has begun; return the last Answer.

        fields: [(name, value), ...] as bytes.
        """
        self.mail(sender)
        for recipient in recipients:
            self.rcpt(recipient)
        for name, value in fields:
            self.field(name, value)
        answer = self.end_header()
        if answer and answer.verdict == "accept":
            return answer
        self.body(body)
        return self.end()
