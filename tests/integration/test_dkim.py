"""Signatures of a real signer (opendkim) and our edits.

Inbound a signature that came with a message still verifies after us; outbound
one that was made after us does, and one that was made before us does not, which
is why the order of the milters matters.
"""

import glob
import os
import re
import shutil
import subprocess
import unittest

import postfix_model
from mail import compose
from ports import free_ports, is_listening
from private_postfix import OUTSIDE
from test_edits import CORPUS, Way
from wait import wait_for
from world import World

CONFIG = """\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1
staff = @company.test

[account "Replies"]
address = replies@company.test
incoming = yes
default_incoming = yes
deliver = mailbox

[account "Desk"]
address = desk@company.test
outgoing = yes
from = account
replies_always = yes
senders = jane@company.test
"""

SELECTOR = "test"
CANONICALIZATIONS = ("simple/simple", "relaxed/relaxed")


def undelivered(data):
    """A message without what its delivery has put at the top."""
    return re.sub(rb"\A(?:(?:Return-Path|X-Original-To|Delivered-To):.*\n)*", b"", data)


class Dkim:
    """A key in a file, signers with it, and a verifier that asks no name server."""

    def __init__(self, directory):
        self.directory = directory
        self.key = os.path.join(directory, "dkim.pem")
        os.makedirs(directory)
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True,
                       capture_output=True)
        public = subprocess.run(["openssl", "rsa", "-in", self.key, "-pubout"], check=True,
                                capture_output=True, text=True).stdout
        self.keys = self._write("keys", "".join(
            f"{SELECTOR}._domainkey.{domain} v=DKIM1; k=rsa; p="
            + "".join(public.splitlines()[1:-1]) + "\n"
            for domain in ("company.test", "example.net")))
        self.verifier = self._write("verify.conf", "Mode v\nTestPublicKeys %s\n" % self.keys)
        self.signers = []

    def _write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path

    def start_signer(self, port, canonicalization):
        hosts = self._write("hosts", f"127.0.0.1\n{OUTSIDE}\n")
        config = self._write(
            f"sign-{port}.conf",
            f"Mode s\nSocket inet:{port}@127.0.0.1\nDomain company.test,example.net\n"
            f"Selector {SELECTOR}\nKeyFile {self.key}\nRequireSafeKeys no\n"
            f"Canonicalization {canonicalization}\nInternalHosts {hosts}\nBackground no\n")
        signer = subprocess.Popen(["/usr/sbin/opendkim", "-f", "-x", config],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.signers.append(signer)
        wait_for(lambda: is_listening(port) or signer.poll() is not None, "opendkim")

    def stop(self):
        for signer in self.signers:
            signer.kill()  # it has nothing to lose, and takes 5 s to end otherwise
            signer.wait()

    def sign(self, message, domain):
        """A message (CR LF) signed by opendkim-testmsg (relaxed/simple); b"" if it refuses."""
        return subprocess.run(
            ["/usr/sbin/opendkim-testmsg", "-d", domain, "-k", self.key, "-s", SELECTOR],
            input=message, capture_output=True, timeout=30).stdout

    def verifies(self, message):
        """Does the signature on a message with LF verify?"""
        path = os.path.join(self.directory, "message")
        with open(path, "wb") as stream:
            stream.write(message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        done = subprocess.run(["/usr/sbin/opendkim", "-x", self.verifier, "-v", "-t", path],
                              capture_output=True, timeout=30)
        return done.returncode == 0 and b"succeeded" in done.stdout + done.stderr


class DkimTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("opendkim", path="/usr/sbin:/usr/bin"):
            raise unittest.SkipTest("no opendkim (build-aux/deps.sh installs it)")
        ports = free_ports(len(CANONICALIZATIONS))
        signers = [f"inet:127.0.0.1:{port}" for port in ports]
        untouched = "local_header_rewrite_clients="
        listeners = {"ours": [untouched, "smtpd_milters=$rejoinder_milter"]}
        for number, signer in enumerate(signers):
            listeners[f"sign{number}"] = [untouched, f"smtpd_milters={signer}"]
            listeners[f"after{number}"] = [untouched, f"smtpd_milters=$rejoinder_milter,{signer}"]
            listeners[f"before{number}"] = [untouched, f"smtpd_milters={signer},$rejoinder_milter"]
        cls.world = World(CONFIG, sasl=False, postfix={
            "listeners": listeners,
            "parameters": {"transport_maps": "inline:{ { example.org = discard: } }"}})
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.dkim = Dkim(os.path.join(cls.world.directory, "dkim"))
        cls.addClassCleanup(cls.dkim.stop)
        for port, canonicalization in zip(ports, CANONICALIZATIONS):
            cls.dkim.start_signer(port, canonicalization)

    def go(self, listener, messages, mark, **options):
        return Way(self.world, self.world.postfix.ports[listener], **options).send(messages, mark)

    @staticmethod
    def messages(sender):
        """{number: message with LF}, of all kinds that a signature may stumble over."""
        made = [
            compose(sender, "you@company.test", "plain"),
            compose(sender, "you@company.test", "folded\n  here\n\tand there", "\n \nend\n\n\n",
                    X_Odd="  two  blanks ", References="<a@x>\n\t<b@x>", Cc="a@b.test,\n c@d.test"),
            compose(sender, "you@company.test", "größe", "Grüße\n", Mime_Version="1.0",
                    Content_Type="text/plain; charset=utf-8", Content_Transfer_Encoding="8bit"),
            compose(sender, "you@company.test", "forged", Rejoinder_Match="forged",
                    Rejoinder_Owner=["a", "b"], Sender="other@example.net"),
            compose(sender, "you@company.test", "its own Reply-To", Reply_To="bob@company.test"),
        ]
        return dict(enumerate(message.replace(b"\r\n", b"\n") for message in made))

    def signed(self, listener):
        """What a customer's server sends: signed, and nothing of a delivery above it."""
        delivered = self.go(listener, self.messages("customer@example.net"), listener,
                            source=OUTSIDE, sender="customer@example.net", mailbox="jobs")
        return {key: undelivered(data) for key, data in delivered.items()}

    def test_the_verifier_can_say_no(self):
        for message in self.signed("sign0").values():
            self.assertTrue(self.dkim.verifies(message))
            self.assertFalse(self.dkim.verifies(message.replace(b"Subject: ", b"Subject: x", 1)))
            self.assertFalse(self.dkim.verifies(message + b"x\n"))

    def check_inbound(self, messages, mark):
        arrived = self.go("ours", messages, mark, source=OUTSIDE, sender="customer@example.net",
                          mailbox="replies")
        self.assertEqual(arrived.keys(), messages.keys())
        for key, data in arrived.items():
            with self.subTest(mark=mark, key=key):
                fields = postfix_model.Header.parse(data).fields
                self.assertIn(b"Rejoinder-Class", [name for name, _ in fields])
                self.assertNotIn(b"forged", [value.strip() for name, value in fields
                                             if name.startswith(b"Rejoinder")])
                self.assertTrue(self.dkim.verifies(data), data)

    def test_a_signature_that_comes_in_holds(self):
        for number in range(len(CANONICALIZATIONS)):
            self.check_inbound(self.signed(f"sign{number}"), f"in{number}")

    def test_real_mail_that_comes_in_too(self):
        files = sorted(glob.glob(os.path.join(CORPUS, "ordinary", "*")))[::3]
        if not files:
            self.skipTest(f"no real mail in {CORPUS} (REJOINDER_CORPUS names another place)")
        messages = {}
        for number, path in enumerate(files):
            with open(path, "rb") as stream:
                data = stream.read().replace(b"\r\n", b"\n")
            if data.startswith(b"From "):
                data = data.partition(b"\n")[2]
            # Without lines that a mail server cuts, with all that a signer needs.
            lines = data.split(b"\n")
            if max(map(len, lines)) < 900 and b"\r" not in data and b"\0" not in data \
                    and len(re.findall(rb"(?im)^from:", data.partition(b"\n\n")[0])) == 1:
                messages[number] = data.rstrip(b"\n") + b"\n"
        plain = self.go("sign0", messages, "plain", source=OUTSIDE,
                        sender="customer@example.net", mailbox="jobs")
        signed = {}
        for key, data in plain.items():
            data = self.dkim.sign(undelivered(data).replace(b"\n", b"\r\n"), "example.net")
            signed[key] = data.replace(b"\r\n", b"\n")
        usable = {key: data for key, data in signed.items() if self.dkim.verifies(data)}
        print(f"signed: {len(usable)} of {len(files)} real messages")
        self.assertGreater(len(usable), len(files) / 2)
        self.check_inbound(usable, "real")

    def send_out(self, listener):
        return self.go(listener, self.messages("Jane <jane@company.test>"), listener,
                       source="127.0.0.1", sender="jane@company.test", mailbox="team",
                       outside=["customer@example.org"])

    def test_a_signature_that_is_made_after_us_holds(self):
        for number in range(len(CANONICALIZATIONS)):
            for key, data in self.send_out(f"after{number}").items():
                with self.subTest(CANONICALIZATIONS[number], key=key):
                    self.assertRegex(data, rb"(?m)^From: Jane <desk@company\.test>$")
                    self.assertRegex(data, rb"(?m)^Reply-To: Jane <replies\+[a-z2-7]{34}@")
                    self.assertTrue(self.dkim.verifies(data), data)

    def test_one_that_is_made_before_us_does_not(self):
        for data in self.send_out("before0").values():
            self.assertIn(b"\nDKIM-Signature: ", data)
            self.assertFalse(self.dkim.verifies(data))


if __name__ == "__main__":
    unittest.main()
