"""A model of the header as Postfix 3.7 keeps it while milters edit it.

    header = Header.parse(message)
    header.apply(edits)      # as RawMilter lists them
    header.fields            # [(name, everything behind the colon), ...], as bytes

What a milter sees are the fields below Postfix's own Received.  A change counts
from 1 among the fields of that name (any case) and takes the place of the one
it counts to, under the name that the milter wrote; without a value it removes
the field, and the later ones of that name move up at once; where there is none,
it appends.  An insertion at N makes the field the N-th below Received.  A blank
is put between the colon and the value.

Not modelled: fields of another kind than those (a line without a colon ends the
header), and what Postfix adds to a header that lacks something.
"""

import struct

# What delivery puts above the header.
_DELIVERY = (b"return-path", b"x-original-to", b"delivered-to")


def split(message):
    """A message with LF: (fields, body); a field is (name, everything behind the colon)."""
    head, _, body = message.partition(b"\n\n")
    if message.startswith(b"\n"):
        head, body = b"", message[1:]
    fields = []
    for line in head.rstrip(b"\n").split(b"\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] = (fields[-1][0], fields[-1][1] + b"\n" + line)
        elif line:
            name, _, value = line.partition(b":")
            fields.append((name, value))
    return fields, body


class Header:
    """fields: those that a milter sees."""

    def __init__(self, fields):
        self.fields = list(fields)

    @classmethod
    def parse(cls, delivered):
        """The header of a message that virtual(8) delivered, below Postfix's own Received."""
        fields = split(delivered)[0]
        at = 0
        while fields[at][0].lower() in _DELIVERY:
            at += 1
        if fields[at][0] != b"Received":
            raise ValueError(f"found {fields[at]}, expected Postfix's own Received")
        return cls(fields[at + 1:])

    def shown(self):
        """The fields as a milter is told them."""
        return [(name.rstrip(b" \t"), value.lstrip(b" \t")) for name, value in self.fields]

    def places(self, name):
        return [at for at, field in enumerate(self.fields)
                if field[0].rstrip(b" \t").lower() == name.lower()]

    def change(self, name, index, value):
        places = self.places(name)
        if not 1 <= index <= len(places):
            if value:
                self.fields.append((name, b" " + value))
        elif value:
            self.fields[places[index - 1]] = (name, b" " + value)
        else:
            del self.fields[places[index - 1]]

    def insert(self, name, index, value):
        self.fields.insert(max(index - 1, 0), (name, b" " + value))

    def apply(self, edits):
        for kind, data in edits:
            if kind in ("change-field", "insert-field"):
                index, = struct.unpack(">I", data[:4])
                name, value = data[4:].split(b"\0")[:2]
                (self.change if kind == "change-field" else self.insert)(name, index, value)
            elif kind == "add-field":
                name, value = data.split(b"\0")[:2]
                self.fields.append((name, b" " + value))
        return self
