"""The ledger: every message has a number, and at the end every number is somewhere.

    ledger = Ledger()
    entry = ledger.compose("jane@company.test", "customer@example.org", "Hello")
    ledger.send(entry, lambda: postfix.send(entry.data, ...))
    ...
    ledger.check(delivered={"far": far, "jane": postfix.mailbox("jane")},
                 on_server={"inbox": pop3}, store=rejoinder.store)

The numbers at the source are those delivered, those refused (the last thing
the client was told was a 4xx or a 5xx) and those still on a POP3 server: none is
in two of these, and none in none.  What is ours has exactly one row in the store
when it is delivered, and never two; what is not ours has none.  A message that
was refused may have its row already: the record is made before the 250.
"""

import collections
import smtplib
import sqlite3
import uuid

import mail as mails

FIELD = "X-Ledger"
SHOWN = 20  # numbers in a failure


class Entry:
    """A message of the ledger.

    number: its place in the ledger.  msgid, data: as sent.
    is_ours: it must be recorded; False: it must not; None: either.
    copies: in how many of the places looked at it arrives once each.
    replies: the SMTP codes that the client was told, a try after the other; None
        where it never learnt.
    """

    def __init__(self, number, msgid, data, is_ours, copies):
        self.number, self.msgid, self.data = number, msgid, data
        self.is_ours, self.copies = is_ours, copies
        self.replies = []

    @property
    def reply(self):
        """What the client was told last, or None."""
        return self.replies[-1] if self.replies else None

    @property
    def is_refused(self):
        return self.reply is not None and self.reply >= 400


class Account:
    """What check() found: how many numbers were where, and what came too often.

    duplicates: copies above what was due.  rows: {number: rows in the store}.
    """

    def __init__(self, sent, delivered, refused, on_server, duplicates, rows):
        self.sent, self.delivered, self.refused = sent, delivered, refused
        self.on_server, self.duplicates, self.rows = on_server, duplicates, rows

    def __str__(self):
        return (f"{self.sent} sent = {self.delivered} delivered + {self.refused} refused + "
                f"{self.on_server} on the server; {self.duplicates} twice")


class Ledger:
    """A run of numbered messages.  Used by one thread, but for send()."""

    def __init__(self):
        self.run = uuid.uuid4().hex[:8]
        self.entries = {}  # number: Entry

    # At the source

    def compose(self, sender, to, subject, body="Hello.\n", is_ours=True, copies=1, **fields):
        """Make the next message, as mail.compose() does, and enter it."""
        number = len(self.entries) + 1
        msgid = f"<{self.run}-{number}@{sender.rpartition('@')[2].rstrip('>')}>"
        data = mails.compose(sender, to, subject, body,
                             **{"Message_ID": msgid, FIELD: f"{self.run}-{number}", **fields})
        self.entries[number] = Entry(number, msgid, data, is_ours, copies)
        return self.entries[number]

    def send(self, entry, action):
        """Send a message and note the answer; return its code, or None if none came.

        action: does it, by smtplib: returns what sendmail() does, or raises.
        """
        try:
            refused = action()
            reply = next(iter(refused.values()))[0] if refused else 250
        except smtplib.SMTPRecipientsRefused as error:
            reply = next(iter(error.recipients.values()))[0]
        except smtplib.SMTPResponseException as error:
            reply = error.smtp_code
        except OSError:
            reply = None
        entry.replies.append(reply)
        return reply

    def unknown(self):
        """Tries whose outcome the client never learnt: each may have made a copy too many."""
        return sum(entry.replies.count(None) for entry in self.entries.values())

    def number_of(self, mail):
        """The number of a mail.Mail, or None if it is not of this run."""
        run, _, number = (mail.value(FIELD) or "").rpartition("-")
        return int(number) if run == self.run and number.isdigit() else None

    # At the end

    def seen_in(self, places):
        """{number: [name of the place, ...]}, a name as often as the message is there.

        places: {name: object with messages()}, which gives mail.Mail, bytes, or
        objects with .mail or .data: a Maildir, a FakeSmtp, a Sink, a mailbox of
        a FakePop3.
        """
        seen = collections.defaultdict(list)
        for name, place in (places or {}).items():
            for message in place.messages():
                number = self.number_of(_mail(message))
                if number is not None:
                    seen[number].append(name)
        return seen

    def rows(self, store):
        """{number: rows of the store's message table}; reads only, whoever writes meanwhile."""
        numbers = {entry.msgid: entry.number for entry in self.entries.values()}
        counts = collections.Counter()
        database = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)
        try:
            for (msgid,) in database.execute("SELECT msgid FROM message WHERE msgid LIKE ?",
                                             (f"<{self.run}-%",)):
                counts[numbers.get(msgid, msgid)] += 1
        finally:
            database.close()
        return counts

    def check(self, delivered, on_server=None, leaves=False, store=None, duplicates_allowed=0):
        """Balance the ledger: return an Account, or raise AssertionError with what is wrong.

        delivered, on_server: places, as for seen_in().  leaves: what was delivered
        may stay on the server.  store: the file whose rows are counted; None:
        they are not looked at.  duplicates_allowed: copies too
        many, in all: what was in flight when something was killed.
        """
        arrived, waiting = self.seen_in(delivered), self.seen_in(on_server)
        rows = self.rows(store) if store else None
        faults, kinds, duplicates = [], collections.Counter(), {}
        for number, entry in self.entries.items():
            kind, wrong = _place(entry, arrived[number], waiting[number], leaves)
            kinds[kind] += 1
            if rows is not None:
                wrong += _row_faults(entry, kind, rows[number])
            if len(arrived[number]) > entry.copies:
                duplicates[number] = len(arrived[number]) - entry.copies
            if wrong:
                faults.append((number, wrong))
        for number in (set(arrived) | set(waiting) | set(rows or ())) - self.entries.keys():
            faults.append((number, ["was never sent"]))
        if sum(duplicates.values()) > duplicates_allowed:
            faults += [(number, [f"{count} too many"]) for number, count in duplicates.items()]
        if faults:
            raise AssertionError(self._report(faults, arrived, waiting, rows, duplicates_allowed))
        return Account(len(self.entries), kinds["delivered"], kinds["refused"], kinds["on server"],
                       sum(duplicates.values()), rows)

    def _report(self, faults, arrived, waiting, rows, duplicates_allowed):
        lines = [f"the ledger does not balance: {len(faults)} of {len(self.entries)} numbers "
                 f"({duplicates_allowed} copies too many are allowed)"]
        for number, wrong in faults[:SHOWN]:
            entry = self.entries.get(number)
            told = f"told {entry.replies[-10:]}, " if entry and entry.replies else ""
            lines.append(f"  {number}: {', '.join(wrong)} ({told}"
                         f"delivered {_names(arrived.get(number))}, "
                         f"on server {_names(waiting.get(number))}"
                         + (f", rows {rows[number]}" if rows is not None else "") + ")")
        if len(faults) > SHOWN:
            lines.append(f"  and {len(faults) - SHOWN} more")
        return "\n".join(lines)


def _place(entry, arrived, waiting, leaves):
    """Where a number belongs, and what speaks against it."""
    if arrived:
        wrong = []
        if entry.replies and min(reply or 0 for reply in entry.replies) >= 400:
            wrong.append("refused, yet delivered")
        if waiting and not leaves:
            wrong.append("delivered, and still on the server")
        if len(arrived) < entry.copies:
            wrong.append(f"only {len(arrived)} of {entry.copies} copies")
        return "delivered", wrong
    if waiting:
        return "on server", []
    if entry.is_refused:
        return "refused", []
    return "lost", ["lost"]


def _row_faults(entry, kind, count):
    if count > 1:
        return ["recorded more than once"]
    if entry.is_ours is False and count:
        return ["recorded, and none of ours"]
    if entry.is_ours and kind == "delivered" and not count:
        return ["delivered without a record"]
    return []


def _names(places):
    counts = collections.Counter(places or ())
    return ", ".join(f"{name} {count}x" if count > 1 else name
                     for name, count in counts.items()) or "nowhere"


def _mail(message):
    if isinstance(message, (bytes, bytearray)):
        return mails.Mail(bytes(message))
    if isinstance(message, mails.Mail):
        return message
    return getattr(message, "mail", None) or mails.Mail(message.data)
