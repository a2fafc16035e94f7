"""What becomes of a header, on mail that nobody here wrote.

Each message goes three ways: through a Postfix without milters, which shows the
header as Postfix has it; from there to our milter's socket, which lists the
edits; and through a Postfix with our milter.  What arrives there is what a
model of Postfix makes of the first with the second.

The real mail is looked for in the directory that REJOINDER_CORPUS names, else in
../shared/corpus beside the tree.  Where there is none, this is said, and the
messages of our own remain.
"""

import email.utils
import glob
import os
import re
import smtplib
import tempfile
import unittest
from email.header import decode_header, make_header

import postfix_model
from private_postfix import OUTSIDE
from raw_milter import RawMilter
from rejoinder import Rejoinder
from wait import wait_for
from world import World

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAMPLES = os.path.join(ROOT, "tests", "data", "mail")
CORPUS = os.environ.get("REJOINDER_CORPUS") or os.path.join(
    os.path.dirname(ROOT), "shared", "corpus")

CONFIG = """\
[rejoinder]
domains = company.test, xn--bcher-kva.test
internal_hosts = 127.0.0.1
staff = @company.test

[account "Replies"]
address = replies@company.test
incoming = yes
default_incoming = yes
deliver = mailbox

[account "Service Desk"]
address = desk@company.test
outgoing = yes
from = account
replies_always = yes
senders = jane@company.test, jane@xn--bcher-kva.test
"""

REVEALING = {
    b"autocrypt", b"disposition-notification-to", b"errors-to", b"mail-followup-to",
    b"mail-reply-to", b"return-receipt-to", b"sender",
    b"x-authenticated-sender", b"x-authentication-warning", b"x-confirm-reading-to",
    b"x-envelope-from", b"x-get-message-sender-via", b"x-google-original-from",
    b"x-original-from", b"x-original-sender", b"x-originating-email", b"x-return-path",
    b"x-sender"}
SINGLE = (b"from", b"reply-to", b"message-id", b"references")

HUMAN = b"To: you@example.org\nSubject: hello\nDate: Sun, 22 Nov 2026 18:00:00 +0000\n"
JANE = b"From: Jane Doe <jane@company.test>\nMessage-ID: <%s@own.test>\n" + HUMAN


def own(name, header, body=b"Hello.\n"):
    return name, header.replace(b"%s", name.replace(" ", "-").encode()) + b"\n" + body


OWN = [
    own("plain", JANE),
    own("no header at all", b""),
    own("no body", JANE, b""),
    own("fields of ours, in all spellings",
        b"Rejoinder-Match: a\nX-Other: 1\nREJOINDER-match: b\nrejoinder: yes\n"
        b"Rejoinder-Match : c\nRejoinder-Owner:\n\tboss@company.test\nX-Rejoinder-Match: stays\n"
        + JANE + b"Rejoinder-Class: human\nRejoinder-Match\t: d\n"),
    own("a blank before the colon",
        JANE + b"Reply-To : eve@example.net\nReferences : <a@x>\nSender : jane@company.test\n"),
    own("every single field twice",
        JANE + b"Reply-To: a@x.test\nReferences: <a@x>\nMessage-ID: <2@x>\nreply-to: b@x.test\n"
        b"REFERENCES: <b@x>\nReply-TO: c@x.test\n"),
    own("what tells who wrote", JANE + b"".join(
        b"%s: jane@company.test\nX-Between-%d: x\n%s: bob@company.test\n" % (name, number, name)
        for number, name in enumerate(sorted(REVEALING)))),
    own("odd folding",
        b"From:\n Jane\n\t Doe\n  <jane@company.test>\nMessage-ID:\n\t<%s@own.test>\n" + HUMAN +
        b"References:\n <a@x>\n\t<b@x>\n    <c@x>\nX-Tab:\tx\nX-Many:    x  \nX-None:x\nX-Empty:\n"
        b"X-Blank: \nReply-To:\n"),
    own("a bare CR", JANE + b"References: <a@x>\r<b@x>\nX-Other: a\rb\n"),
    own("raw bytes", JANE.replace(b"Jane Doe", b"J\xe4ne \xff") + b"X-Other: \x80\x81\xff\n"),
    own("raw UTF-8", JANE.replace(b"Jane Doe", "\"Jäne, Öl\"".encode()) +
        "X-Other: größe\n".encode()),
    own("an international domain", JANE.replace(b"jane@company", "jane@Bücher".encode())),
    own("and its other form", JANE.replace(b"jane@company", b"jane@XN--Bcher-kva")),
    own("a name of 30,000 bytes", JANE.replace(b"Jane", b"\n Jane" * 5000)),
    own("references of 60,000 bytes", JANE + b"References: " + b"\n\t".join(
        b"<%040d@x>" % number for number in range(1300)) + b"\n"),
    own("one line of 30,000", JANE + b"References: " + b" ".join(
        b"<%040d@x>" % number for number in range(650)) + b"\n"),
    own("two thousand fields", JANE + b"X-Field: x\n" * 1000 + b"Received: x\n" * 20 +
        b"X-Sender: x\nX-Field: x\n" * 100 + b"References: <a@x>\n" + b"X-Last: x\n" * 1000),
    own("many Reply-To", JANE + b"Reply-To: a@x.test\n" * 150),
    own("more than are removed", JANE + b"Reply-To: a@x.test\n" * 250),
    own("two From", JANE + b"From: Eve <eve@example.net>\n"),
    own("several authors", JANE.replace(b"Jane Doe", b"eve@example.net, Jane")),
    own("a body like a header", JANE, b"Rejoinder-Match: body\nFrom: x\n\n.\n..\r\n\n \nend"),
]


def collect():
    """[(name, message with LF)]: our own, our samples, and real mail if there is any."""
    messages = list(OWN)
    for pattern in (SAMPLES + "/*.eml", CORPUS + "/*/*"):
        for path in sorted(glob.glob(pattern)):
            with open(path, "rb") as stream:
                data = stream.read().replace(b"\r\n", b"\n")
            if data.startswith(b"From "):
                data = data.partition(b"\n")[2]
            messages.append((os.path.relpath(path, os.path.dirname(os.path.dirname(path))), data))
    return messages


def by_jane(message):
    """As if Jane wrote it now: From is hers, if there is a From, and nobody has passed it on."""
    head, mark, body = message.partition(b"\n\n")
    head = re.sub(rb"(?im)^(delivered-to|resent-from|resent-sender|x-sieve-redirected-from)[ \t]*:",
                  rb"X-\1:", head)
    mine = re.sub(rb"(?im)^from[ \t]*:.*(?:\n[ \t].*)*", b"From: Jane Doe <jane@company.test>", head)
    return mine + mark + body


class Way:
    """One way through Postfix to a maildir: all messages in one SMTP session."""

    def __init__(self, world, port, source, sender, mailbox, outside=()):
        self.world, self.port, self.source = world, port, source
        self.sender, self.mailbox, self.outside = sender, mailbox, list(outside)

    def send(self, messages, mark):
        """Send {key: message}; return {key: as delivered} of those that were taken."""
        expected = {}
        smtp = smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example.org",
                            timeout=90, source_address=(self.source, 0))
        try:
            for key, message in messages.items():
                rcpt = f"{self.mailbox}+{mark}{key}@company.test"
                try:
                    smtp.sendmail(self.sender, [rcpt, *self.outside],
                                  message.replace(b"\n", b"\r\n"), mail_options=["BODY=8BITMIME"])
                    expected[rcpt] = key
                except smtplib.SMTPDataError as error:
                    print(f"not taken: {key}: {error}")
            smtp.quit()
        finally:
            smtp.close()
        return self._collect(expected)

    def _collect(self, expected):
        directory = os.path.join(self.world.postfix.mailboxes, self.mailbox, "new")
        found, seen = {}, set()

        def look():
            for name in set(os.listdir(directory) if os.path.isdir(directory) else ()) - seen:
                seen.add(name)
                with open(os.path.join(directory, name), "rb") as stream:
                    data = stream.read()
                rcpt = re.search(rb"^Delivered-To: (.*)$", data, re.MULTILINE)[1].decode()
                if rcpt in expected:
                    found[expected[rcpt]] = data
            return len(found) == len(expected)

        wait_for(look, lambda: f"{sorted(set(expected.values()) - set(found))}", 120)
        return found


class EditsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # No field is added to, or completed in, what has none of them.
        untouched = ["local_header_rewrite_clients="]
        cls.world = World(CONFIG, sasl=False, postfix={
            "listeners": {"plain": untouched + ["smtpd_milters="],
                          "with_milter": untouched + ["smtpd_milters=$rejoinder_milter"]},
            "parameters": {"transport_maps": "inline:{ { example.org = discard: } }",
                           "hopcount_limit": "1000"}})
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.messages = dict(enumerate(message for _, message in collect()))
        cls.names = dict(enumerate(name for name, _ in collect()))
        if not os.path.isdir(CORPUS):
            print(f"no real mail in {CORPUS} (REJOINDER_CORPUS names another place): our own only")

    def ways(self, **options):
        ports = self.world.postfix.ports
        return (Way(self.world, ports["plain"], **options),
                Way(self.world, ports["with_milter"], **options))

    def edits_of(self, delivered, way, mark, key):
        """What the milter wants of the message that a plain Postfix delivered."""
        fields = postfix_model.Header.parse(delivered).shown()
        body = postfix_model.split(delivered)[1].replace(b"\n", b"\r\n")
        with RawMilter(self.world.rejoinder.socket_path) as client:
            client.begin(way.source)
            answer = client.message(
                [(name, value) for name, value in fields], body, way.sender,
                [f"{way.mailbox}+{mark}{key}@company.test", *way.outside])
        self.assertEqual(answer.verdict, "accept", self.names[key])
        return answer.edits

    def compare(self, messages, may_change, **options):
        """Returns [(key, fields before, fields after)] of all that arrived."""
        plain, with_milter = self.ways(**options)
        before = plain.send(messages, "p")
        edits = {key: self.edits_of(data, plain, "m", key) for key, data in before.items()}
        after = with_milter.send({key: messages[key] for key in before}, "m")
        self.assertEqual(before.keys(), after.keys())
        pairs = []
        for key, data in before.items():
            with self.subTest(self.names[key]):
                expected = postfix_model.Header.parse(data).apply(edits[key]).fields
                first = postfix_model.Header.parse(data).fields
                last = postfix_model.Header.parse(after[key]).fields
                self.assertEqual(last, expected)
                self.assertEqual(self.others(last, may_change), self.others(first, may_change))
                self.assertEqual(postfix_model.split(after[key])[1], postfix_model.split(data)[1])
                pairs.append((key, first, last))
        print(f"compared: {len(pairs)} of {len(messages)} messages, "
              f"{sum(bool(one) for one in edits.values())} of them edited")
        self.assertGreaterEqual(len(pairs), len(messages) * 0.98)
        return pairs

    @staticmethod
    def others(fields, may_change):
        return [(name, value) for name, value in fields
                if not may_change(name.rstrip(b" \t").lower())]

    @staticmethod
    def is_ours(name):
        return name == b"rejoinder" or name.startswith(b"rejoinder-")

    def test_inbound(self):
        pairs = self.compare(self.messages, self.is_ours, source=OUTSIDE,
                             sender="customer@example.net", mailbox="replies")
        for key, _, last in pairs:
            with self.subTest(self.names[key]):
                names = [name.lower() for name, _ in last]
                tags = [name for name in names if self.is_ours(name.rstrip(b" \t"))]
                self.assertEqual(len(tags), len(set(tags)), tags)
                self.assertEqual(names[:len(tags)], tags, "they are at the top")
                self.assertIn(b"rejoinder-class", tags)

    def test_outbound(self):
        messages = {key: by_jane(data) if key >= len(OWN) else data
                    for key, data in self.messages.items()}
        pairs = self.compare(
            messages, lambda name: name in SINGLE or name in REVEALING or self.is_ours(name),
            source="127.0.0.1", sender="jane@company.test", mailbox="team",
            outside=["customer@example.org"])
        rewritten = 0
        for key, first, last in pairs:
            with self.subTest(self.names[key]):
                self.assertFalse([name for name, _ in last if self.is_ours(name.strip().lower())])
                if dict(first) == dict(last) or not self.is_rewritten(last):
                    continue
                rewritten += 1
                self.check_rewritten(last)
        print(f"rewritten: {rewritten}")
        self.assertGreater(rewritten, 100 if len(pairs) > 400 else 15)
        self.assertEqual({self.names[key] for key, _, last in pairs
                          if key < len(OWN) and not self.is_rewritten(last)},
                         {"no header at all", "more than are removed", "two From",
                          "several authors"})

    @staticmethod
    def is_rewritten(fields):
        return any(name == b"Reply-To" and b"replies+" in value for name, value in fields)

    def check_rewritten(self, fields):
        values = {name.rstrip(b" \t").lower(): value for name, value in fields}
        names = [name.rstrip(b" \t").lower() for name, _ in fields]
        for name in SINGLE:
            self.assertEqual(names.count(name), 1, name)
        self.assertFalse(REVEALING & set(names))
        self.assertRegex(values[b"references"], rb"\A <[a-z2-7]{34}@company\.test>")
        for name in (b"from", b"reply-to"):
            whole = name + b":" + values[name]
            self.assertTrue(whole.isascii())
            self.assertNotIn(b"\r", whole)
            self.assertLessEqual(max(map(len, whole.split(b"\n"))), 100)
        self.assertTrue(all(len(line) <= 998 for line in values[b"references"].split(b"\n")))
        self.assertNotIn(b"\r", values[b"references"])
        self.assertEqual(read(values[b"from"])[1], "desk@company.test")


def read(value):
    """What Python reads in the value of a From or Reply-To: (name, address)."""
    line = re.sub(r"\r?\n(?=[ \t])", "", value.decode())
    name, address = email.utils.parseaddr(line)
    return " ".join(str(make_header(decode_header(name))).split()), address


# What stands before <jane@company.test>: Python's email package reads all of these right.
NAMES = [
    "", "Jane", "Jane Doe", '"Jane Doe"', '"Doe, Jane"', r'"Jane \"J\" Doe"', r'"back\\slash"',
    '"a <b>, c"', '"Bcc: x"', "=?utf-8?q?J=C3=A4ne?=",
    "=?utf-8?b?SsOkbmU=?= =?utf-8?b?IETDtg==?=", "=?iso-8859-1?q?J=E4ne_D?=",
    "=?utf-8?q?a=22=2C_b=3E?=", "=?utf-8?q?J=C3=A4ne?= Doe", '"(not a comment)"', "Jäne Döe", '"Jäne, Döe"', "簡 単", "word " * 40, "Jane\r\n Doe",
    '"Jane\r\n\tDoe"', '"%s"' % "a, " * 30, "=?utf-8?q?" + "=C3=A4" * 9 + "?=",
    "ä" * 200, "ä " * 100, "Jane O'Doe", "{Jane} #1 $ % & * + / = ? ^ _ ` |",
]


FORMS = [
    "jane@company.test (Jane)", "(a(b)) jane (c) @ (d) company.test", "Sales: jane@company.test;",
    "Sales: Jane <jane@company.test>;", "<jane@company.test>",
    "Jane <jane@company.test>, bob@example.org", "bob@example.org, jane@company.test",
    '"jane@company.test" <eve@example.net>', "Eve <eve@example.net> (jane@company.test)",
    "Sales: jane@company.test, eve@example.net;", "jane@company.test.example.net", "Nobody:;",
    "jane", "", r'"a\"b <x@y.test>" <jane@company.test>',
    '"Jane <jane@company.test>" <eve@example.net>', "(jane@company.test)",
]


class NamesTest(unittest.TestCase):
    """The name in From is that in Reply-To: as Python reads the one and the other."""

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="rejoinder-")
        cls.addClassCleanup(directory.cleanup)
        cls.socket = os.path.join(directory.name, "milter.sock")
        cls.rejoinder = Rejoinder(
            os.path.join(directory.name, "r"), cls.socket,
            CONFIG.replace("[rejoinder]\n", "[rejoinder]\non_unparsable = tempfail\n"))
        cls.addClassCleanup(cls.rejoinder.stop)
        cls.rejoinder.start()

    def send(self, *fields, login=None, address="127.0.0.1", port=40000):
        with RawMilter(self.socket) as client:
            client.negotiate()
            client.connect(address, port)
            if login:
                client.macros(b"M", auth_authen=login)
            return client.message([*fields, (b"Subject", b"hello")])

    def written(self, answer):
        """{name: value} of the fields that the milter writes."""
        found = {}
        for _, data in answer.edits:
            name, value = data[4:].split(b"\0")[:2]
            found[name.decode()] = value
        return found

    def test_a_name_comes_through(self):
        for name in NAMES:
            with self.subTest(name):
                value = (name + " <jane@company.test>").strip()
                found = self.written(self.send((b"From", value.encode())))
                mine = read(value.encode())[0]
                for field in ("From", "Reply-To"):
                    lines = (field.encode() + b": " + found[field]).split(b"\n")
                    self.assertLessEqual(max(map(len, lines)), 78, lines)
                    self.assertTrue(all(line[:1] == b" " for line in lines[1:]), lines)
                    self.assertEqual(read(found[field])[0], mine)
                    self.assertTrue(found[field].isascii())
                self.assertEqual(read(found["From"])[1], "desk@company.test")
                self.assertRegex(read(found["Reply-To"])[1],
                                 r"\Areplies\+[a-z2-7]{34}@company\.test\Z")

    def test_an_author_is_whom_python_reads(self):
        """Rewritten for Jane where Python reads one author, and her; of others nothing is."""
        for value in FORMS:
            with self.subTest(value):
                mine = [address for _, address in email.utils.getaddresses([value])]
                found = self.written(self.send((b"From", value.encode())))
                self.assertEqual("Reply-To" in found, mine == ["jane@company.test"], mine)

    def test_what_cannot_be_read_comes_again(self):
        """A client that signed in hears of it; sendmail(1) and programs of ours do not."""
        jane, eve = (b"From", b"jane@company.test"), (b"From", b"eve@example.net")
        for fields, reason in (((jane, eve), "it has 2 From fields"), ((), "its From names nobody"),
                               (((b"From", b"\x80;:,"),), "its From names nobody")):
            with self.subTest(fields):
                answer = self.send(*fields, login="jane", address="192.0.2.1")
                self.assertEqual(answer.verdict, f"451 4.7.1 Message not rewritten, {reason}")
                self.assertEqual(answer.edits, [])
                for port in (40000, 0):  # 0 is sendmail(1)
                    answer = self.send(*fields, port=port)
                    self.assertEqual((answer.verdict, answer.edits), ("accept", []))
                self.rejoinder.wait_log(
                    rf"warning: .*status=passed, reason=not rewritten, {reason}")
        self.assertEqual(len(self.rejoinder.problems("not rewritten")), 0)

    def test_what_goes_is_not_what_stays(self):
        """A field of ours goes from a message that cannot be rewritten, too."""
        answer = self.send((b"From", b"jane@company.test"), (b"From", b"bob@company.test"),
                           (b"Rejoinder-Match", b"forged"))
        self.assertEqual(answer.verdict, "accept")
        self.assertEqual([kind for kind, _ in answer.edits], ["change-field"])
        self.rejoinder.wait_log(r"status=stripped, reason=not rewritten, it has 2 From fields")


if __name__ == "__main__":
    unittest.main()
