"""rejoinder classify: samples of our own, the form of its output, and how well the
rules do on real mail, where that is at hand.

The real mail is looked for in the directory that REJOINDER_CORPUS names, else in
../shared/corpus beside the tree.  Where there is none, the tests that need it
say so and are skipped.
"""

import email
import glob
import json
import os
import re
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.abspath(os.environ.get("REJOINDER_BUILD", "build/plain") + "/bin/rejoinder")
SAMPLES = os.path.join(ROOT, "tests", "data", "mail")
CORPUS = os.environ.get("REJOINDER_CORPUS") or os.path.join(
    os.path.dirname(ROOT), "shared", "corpus")

USAGE = 64
NO_INPUT = 66

ORIGINAL = "<1@company.test>"
EXPECTED = {  # file: class, original id, status, recipient, action
    "auto-reply-exchange.eml": ("auto-reply", None, None, None, None),
    "auto-reply-notes.eml": ("auto-reply", None, None, None, None),
    "bounce-boundary-in-pieces.eml":
        ("bounce", ORIGINAL, "5.2.2", "customer@example.org", "failed"),
    "bounce-delay.eml": ("bounce", None, "4.4.1", "customer@example.org", "delayed"),
    "bounce-exchange-german.eml": ("bounce", None, "5.1.1", "customer@example.org", "failed"),
    "bounce-gateway.eml": ("bounce", None, "5.1.1", "customer@example.org", "failed"),
    "bounce-mbox.eml": ("bounce", ORIGINAL, "5.1.1", "customer@example.org", "failed"),
    "bounce-notification.eml": ("bounce", ORIGINAL, "5.1.1", "customer@example.org", "failed"),
    "bounce-qmail.eml": ("bounce", ORIGINAL, "5.1.1", "customer@example.org", "failed"),
    "bounce-webmail-chinese.eml": ("bounce", None, "5.1.1", "customer@example.org", "failed"),
    "bounce-xmail.eml": ("bounce", ORIGINAL, "5.1.1", "customer@example.org", "failed"),
    "complaint-words.eml": ("complaint", ORIGINAL, None, "customer@example.org", None),
    "human-furniture.eml": ("human", None, None, None, None),
    "human-parcel.eml": ("human", None, None, None, None),
    "human-pasted-bounce.eml": ("human", None, None, None, None),
    "receipt.eml": ("receipt", ORIGINAL, None, "customer@example.org", None),
}

# A Message-ID line in what a report returns, indented or quoted or not.
ID_LINE = re.compile(
    rb"^[ \t>*]*(?:original-|x-original-)?message-id[ \t*]*:\s*<?([^\s<>]+@[^\s<>]+?)>?\s*$",
    re.IGNORECASE | re.MULTILINE)


def run(*arguments, stdin=b""):
    return subprocess.run([PROGRAM, "classify", *arguments], input=stdin, capture_output=True,
                          timeout=60, check=False)


def facts(files):
    result = run("--json", *files)
    if result.returncode != 0:
        raise AssertionError(f"exit {result.returncode}: {result.stderr.decode()}")
    return json.loads(result.stdout)


def ids_in_body(path):
    """Every id on a Message-ID line below the header, whatever encodes it."""
    with open(path, "rb") as file:
        raw = file.read()
    texts = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[1:]
    for part in email.message_from_bytes(raw).walk():
        if not part.is_multipart():
            texts.append(part.get_payload(decode=True) or b"")
    return {found.decode("latin-1") for text in texts for found in ID_LINE.findall(text)}


class SampleTest(unittest.TestCase):
    def test_samples_have_their_class_and_facts(self):
        found = {os.path.basename(one["file"]): one
                 for one in facts(sorted(glob.glob(SAMPLES + "/*.eml")))}
        self.assertEqual(set(found), set(EXPECTED))
        for name, (kind, msgid, status, recipient, action) in EXPECTED.items():
            with self.subTest(file=name):
                one = found[name]
                first = one["recipients"][0] if one["recipients"] else {}
                self.assertEqual(
                    (one["class"], one["original_msgid"], one["status"], first.get("address"),
                     first.get("action")),
                    (kind, msgid, status, recipient, action), one)


class OutputTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="rejoinder-classify-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def write(self, name, content):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_a_line_a_file_with_five_columns(self):
        bounce = os.path.join(SAMPLES, "bounce-qmail.eml")
        human = os.path.join(SAMPLES, "human-furniture.eml")
        result = run(bounce, human)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.decode().splitlines(), [
            f"bounce\tundelivered-text\t{ORIGINAL}\t5.1.1\t{bounce}",
            f"human\tnone\t-\t-\t{human}"])

    def test_stdin_is_a_dash(self):
        result = run("-", stdin=b"Auto-Submitted: auto-replied\r\n\r\nAway\r\n")
        self.assertEqual(result.stdout, b"auto-reply\tauto-submitted\t-\t-\t-\n")

    def test_a_file_that_cannot_be_read_fails_at_the_end(self):
        human = os.path.join(SAMPLES, "human-furniture.eml")
        for bad in (os.path.join(self.directory, "absent"), self.directory):
            for arguments in ([bad, human], ["--json", bad, human]):
                with self.subTest(arguments=arguments):
                    result = run(*arguments)
                    self.assertEqual(result.returncode, NO_INPUT)
                    self.assertIn(b"human", result.stdout)
                    self.assertRegex(result.stderr.decode(),
                                     rf"\Arejoinder: {re.escape(bad)}: cannot be read: .+\n\Z")

    def test_without_a_file_it_is_wrong_usage(self):
        self.assertEqual(run().returncode, USAGE)

    def test_no_content_breaks_the_line(self):
        path = self.write("a\tb\nc", b"From: <>\n\nReceived: x\nMessage-ID: <a\x1bb@c>\nTo: x\n")
        line = run(path).stdout.decode()
        self.assertEqual((line.count("\t"), line.count("\n")), (4, 1), line)
        self.assertNotIn("\x1b", line)

    def test_a_huge_message_costs_what_is_looked_at(self):
        # The sign of a bounce lies beyond what the milter keeps of a body.
        far = self.write("far", b"From: jane@company.test\nContent-Type: multipart/mixed;"
                         b" boundary=b\n\n--b\n\n" + b"x" * 79 + b"\n" + (b"y" * 79 + b"\n") * 4000
                         + b"--b\nContent-Type: message/delivery-status\n\nAction: failed\n")
        many = self.write("many", b"".join(b"X-%d: y\n" % i for i in range(100000)) + b"\nx\n")
        deep = self.write("deep", b"Content-Type: multipart/mixed; boundary=b0\n\n" + b"".join(
            b"--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n" % (i, i + 1)
            for i in range(1000)))
        kinds = [line.split(b"\t")[0] for line in run(far, many, deep).stdout.splitlines()]
        self.assertEqual(kinds, [b"human"] * 3)


class CorpusTest(unittest.TestCase):
    """The floors; the figures go to the output."""

    @classmethod
    def setUpClass(cls):
        if not os.path.isdir(CORPUS):
            print(f"skipped: no real mail in {CORPUS} (REJOINDER_CORPUS names another place)")
            raise unittest.SkipTest("no corpus of real mail")

    def files(self, *folders):
        files = [file for folder in folders
                 for file in sorted(glob.glob(os.path.join(CORPUS, folder, "*")))]
        if not files:
            self.skipTest(f"no mail in {', '.join(folders)}")
        return files

    def measure(self, what, hits, total, least=0.0, most=1.0):
        share = hits / total
        print(f"measured: {what}: {hits} of {total}, {share:.1%}")
        self.assertGreaterEqual(share, least, what)
        self.assertLessEqual(share, most, what)

    def missed(self, found, kind):
        names = [os.path.basename(one["file"]) for one in found if one["class"] != kind]
        if names:
            print(f"not {kind}: {' '.join(names)}")
        return len(found) - len(names)

    def test_bounces(self):
        found = facts(self.files("bounce"))
        self.measure("bounces", self.missed(found, "bounce"), len(found), least=0.98)
        self.measure("bounces that name a recipient",
                     sum(any(one["address"] for one in bounce["recipients"]) for bounce in found),
                     len(found))
        self.measure("bounces with a status", sum(one["status"] is not None for one in found),
                     len(found))

    def test_original_ids(self):
        held = right = 0
        for one in facts(self.files("bounce", "complaint")):
            ids = ids_in_body(one["file"])
            if ids:
                held += 1
                right += (one["original_msgid"] or "").strip("<>") in ids
        self.measure("original ids, of those whose text holds one", right, held, least=0.97)

    def test_complaints(self):
        found = facts(self.files("complaint"))
        self.measure("complaints", self.missed(found, "complaint"), len(found), least=1.0)

    def test_auto_replies(self):
        found = facts(self.files("auto-reply"))
        self.measure("auto-replies", self.missed(found, "auto-reply"), len(found), least=1.0)

    def test_false_alarms(self):
        found = facts(self.files("ordinary", "not-bounce"))
        wrong = [one for one in found if one["class"] not in ("human", "list")]
        for one in wrong:
            print(f"false alarm: {os.path.basename(one['file'])}: {one['class']} {one['rule']}")
        self.measure("false alarms", len(wrong), len(found), most=0.02)

    def test_malformed_mail_has_some_class(self):
        files = self.files("malformed")
        self.assertEqual(len(facts(files)), len(files))


if __name__ == "__main__":
    unittest.main()
