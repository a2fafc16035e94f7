"""Making messages, reading them back, telling two versions of one apart."""

import email.utils
import os
import re
import uuid

from wait import wait_for

TOKEN = re.compile(r"\+([a-z2-7]{34})@", re.IGNORECASE)


def new_msgid(domain):
    return f"<{uuid.uuid4().hex[:20]}@{domain}>"


def compose(sender, to, subject, body="Hello.\n", **fields):
    """Make a message as bytes with CR LF.

    Further fields are keyword arguments, `_` for `-`; None leaves a field out.
    Date and Message-ID are made unless given.  A list gives a field several
    times.
    """
    domain = email.utils.parseaddr(sender)[1].partition("@")[2] or "example.org"
    lines = {
        "From": sender,
        "To": to if isinstance(to, str) else ", ".join(to),
        "Subject": subject,
        "Date": email.utils.formatdate(),
        "Message-ID": new_msgid(domain),
    }
    for name, value in fields.items():
        name = name.replace("_", "-")
        name = next((known for known in lines if known.lower() == name.lower()), name)
        lines[name] = value
    header = []
    for name, value in lines.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                header.append(f"{name}: {one}\n")
    text = "".join(header) + "\n" + body
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "surrogateescape")


class Mail:
    """A message as it lies there: its fields in order, undecoded, and its body."""

    def __init__(self, data):
        self.data = data
        text = data.replace(b"\r\n", b"\n")
        if text.startswith(b"\n"):
            header, self.body = b"", text[1:]
        else:
            header, _, self.body = text.partition(b"\n\n")
        self.fields = []
        for line in header.decode("utf-8", "surrogateescape").split("\n"):
            if line[:1] in (" ", "\t") and self.fields:
                name, value = self.fields[-1]
                self.fields[-1] = (name, value + "\n" + line)
            elif ":" in line:
                name, _, value = line.partition(":")
                self.fields.append((name, value.removeprefix(" ")))

    def values(self, name):
        """All values of a field, unfolded."""
        return [re.sub(r"\n(?=[ \t])", "", value) for known, value in self.fields
                if known.lower() == name.lower()]

    def value(self, name):
        """The first value of a field, unfolded, or None."""
        return next(iter(self.values(name)), None)

    def without(self, *names):
        """The fields but those named, for comparisons."""
        left_out = {name.lower() for name in names}
        return [field for field in self.fields if field[0].lower() not in left_out]

    def address(self, name):
        """The bare address of a field, or None."""
        value = self.value(name)
        return email.utils.parseaddr(value)[1] if value is not None else None


def changes(before, after, ignore=("Received", "Return-Path", "Delivered-To", "X-Original-To")):
    """What became of the fields: a list of (kind, name, old, new).

    kind is `changed`, `added` or `removed`, in the order of the fields.  The
    n-th field of a name is compared with the n-th of that name.
    """
    old, new = _numbered(before.without(*ignore)), _numbered(after.without(*ignore))
    result = []
    for key, (name, value) in new.items():
        if key not in old:
            result.append(("added", name, None, value))
        elif old[key][1] != value:
            result.append(("changed", name, old[key][1], value))
    for key, (name, value) in old.items():
        if key not in new:
            result.append(("removed", name, value, None))
    return result


def _numbered(fields):
    result, seen = {}, {}
    for name, value in fields:
        number = seen[name.lower()] = seen.get(name.lower(), 0) + 1
        result[name.lower(), number] = (name, value)
    return result


def token_of(text):
    """The token in an address or a field's value, or None."""
    found = TOKEN.search(text or "")
    return found.group(1) if found else None


class Maildir:
    """A mailbox that virtual(8) delivers to."""

    def __init__(self, path):
        self.path = path

    def messages(self):
        """All messages, oldest first."""
        found = []
        for folder in ("cur", "new"):
            place = os.path.join(self.path, folder)
            for name in os.listdir(place) if os.path.isdir(place) else ():
                path = os.path.join(place, name)
                found.append((os.stat(path).st_mtime_ns, path))
        return [_read(path) for _, path in sorted(found)]

    def find(self, msgid):
        """The messages with this Message-ID (with brackets)."""
        return [mail for mail in self.messages() if mail.value("Message-ID") == msgid]

    def wait(self, msgid, count=1):
        """Wait until the message is there count times; return the newest."""
        return wait_for(
            lambda: len(self.find(msgid)) >= count and self.find(msgid)[-1],
            lambda: f"{msgid} in {self.path} (there are {len(self.messages())} others)")

    def wait_until(self, predicate, what):
        """Wait for a message for which predicate is true, and return it."""
        return wait_for(lambda: next(filter(predicate, self.messages()), None),
                        f"{what} in {self.path}")

    def wait_count(self, count):
        """Wait until there are at least count messages; return them all."""
        return wait_for(lambda: len(self.messages()) >= count and self.messages(),
                        lambda: f"{count} messages in {self.path}, {len(self.messages())} came")


def _read(path):
    with open(path, "rb") as stream:
        return Mail(stream.read())
