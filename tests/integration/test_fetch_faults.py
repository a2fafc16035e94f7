"""rejoinder-fetcher as a service, and servers that misbehave: it says so once, and comes again.

test_fetch.py plays faults one at a time, by hand; here an account for each has its
own server, and what is seen is how the service lives with them.
"""

import os
import re
import tempfile
import unittest

from certificates import Certificates
from fake_pop3 import FakePop3, Faults
from fake_smtp import FakeSmtp
from ledger import Ledger
from rejoinder import Rejoinder, is_long
from wait import wait_for

HEAD = """\
[rejoinder]
domains = company.test
submit_to = 127.0.0.1:{submit}
ca_file = {ca_file}
fetch_workers = {workers}
"""

ACCOUNT = """
[account "{name}"]
address = {name}@company.test
incoming = yes
pop3 = {scheme}://127.0.0.1:{port}
username = jane
password_command = echo jane-secret
leave = no
first_fetch = all
poll = 10s
"""

SCHEMES = {"none": "pop3-plain", "tls": "pop3s", "starttls": "pop3"}
COUNT = 10  # messages in each inbox
POLL_S = 11  # with its tenth more
PLAIN_MEMORY_KB = 100 * 1024
FLOOD = 2**30 if is_long() else 64 * 2**20
# What a server says that ends the text here and sends the next, if it is believed.
FORGED = b"bare\n.\r\n+OK\r\nFrom: forged@example.org\r\n\r\nforged\r\n"


def is_sanitized(program):
    with open(program, "rb") as stream:
        return re.search(b"__[at]san_init", stream.read()) is not None


class ServiceTestCase(unittest.TestCase):
    """Accounts whose servers are here, one service for all, one ledger."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="rejoinder-faults-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.certificates = Certificates(os.path.join(cls.directory.name, "ca"))
        cls.certificate = cls.certificates.issue("server")

    def setUp(self):
        self.ledger = Ledger()
        self.far = FakeSmtp()
        self.far.start()
        self.addCleanup(self.far.stop)
        self.servers = {}
        self.accounts = ""

    def add_server(self, name, faults=None, security="none", count=COUNT, is_answering=True):
        """An account and its server; one that does not answer only listens until it is started."""
        pop3 = FakePop3(security, *(self.certificate if security != "none" else ()))
        pop3.faults = faults or Faults()
        self.addCleanup(pop3.stop)
        if is_answering:
            pop3.start()
        self.servers[name] = pop3
        self.accounts += ACCOUNT.format(name=name, scheme=SCHEMES[security], port=pop3.port)
        self.add_messages(name, count)
        return pop3

    def add_messages(self, name, count):
        for _ in range(count):
            self.servers[name].add(self.ledger.compose(
                "customer@example.org", f"{name}@company.test", "Order", is_ours=None).data)

    def add_forged(self, name):
        data = self.ledger.compose("customer@example.org", f"{name}@company.test", "Order",
                                   is_ours=None).data
        self.servers[name].add(data + FORGED)

    def start(self, workers=32):
        head = HEAD.format(submit=self.far.port, ca_file=self.certificates.ca_file,
                           workers=workers)
        self.rejoinder = Rejoinder(
            os.path.join(self.directory.name, self.id().rpartition(".")[2]),
            "/nonexistent/milter.sock", None)
        self.rejoinder.write_config(head + self.accounts)
        self.rejoinder.run("keys", "add")
        self.fetcher = self.rejoinder.fetcher
        self.addCleanup(self.fetcher.kill)
        self.fetcher.start()
        # The first poll makes the store, and while it does so nobody can read it.
        wait_for(lambda: self.rejoinder.attempt("accounts").returncode == 0, "the store")

    def inboxes(self):
        """What `rejoinder accounts` knows: {name: inbox}."""
        return {row["name"]: row["inbox"] for row in self.rejoinder.json("accounts")}

    def check(self, **options):
        return self.ledger.check({"far": self.far}, self.servers, **options)

    def lines_about(self, name, level):
        return re.findall(rf": {level}: fetch {name}: .*", self.fetcher.log())

    def wait_recovery(self, names, seconds=POLL_S + 20):
        """Their faults are gone: each is polled again by itself, and nothing is left."""
        def is_well():
            inboxes = self.inboxes()
            return all(inboxes[name]["error"] is None and inboxes[name]["polled_at"]
                       and not self.servers[name].messages() for name in names)
        wait_for(is_well, lambda: f"recovery; {self.inboxes()}\n{self.fetcher.log()}", seconds)


CUT = "message 4 was cut short: the (?:server closed the connection|connection broke)"
TOO_SLOW = "cannot connect: Operation timed out"
SILENT = "the server was silent for 60000 ms"
UNSURE = "deletions may not have been made"

# name: (faults, what `rejoinder accounts` says)
FAULTS = {
    "cut-close": (Faults(cut=(4, 100, "close")), CUT),
    "cut-reset": (Faults(cut=(4, 100, "reset")), CUT),
    "cut-renumber": (Faults(cut=(4, 100, "close"), order=lambda messages: messages[::-1]), CUT),
    "cut-tls": (Faults(cut=(4, 100, "close")), CUT),
    "cut-tls-notify": (Faults(cut=(4, 100, "notify")), CUT),
    "cut-starttls": (Faults(cut=(4, 100, "close")), CUT),
    "cut-starttls-notify": (Faults(cut=(4, 100, "notify")), CUT),
    "retr-err": (Faults(replies={("RETR", 4): "-ERR no"}), "did not give out 1 .*no"),
    "retr-temp": (Faults(replies={("RETR", 4): "-ERR [SYS/TEMP] x"}), "did not give out 1 .*TEMP"),
    "retr-junk": (Faults(replies={("RETR", 4): "hello"}), "message 4: .*hello"),
    "greeting-err": (Faults(replies={("GREETING", 1): "-ERR full"}), 'the server said "-ERR full"'),
    "greeting-junk": (Faults(replies={("GREETING", 1): "hello"}), "cannot connect: "),
    "auth": (Faults(replies={("AUTH", None): "-ERR [AUTH] no"}), "AUTH"),
    "sys-perm": (Faults(replies={("AUTH", None): "-ERR [SYS/PERM] no"}), "SYS/PERM"),
    "sys-temp": (Faults(replies={("AUTH", None): "-ERR [SYS/TEMP] no"}), "SYS/TEMP"),
    "in-use": (Faults(replies={("AUTH", None): "-ERR [IN-USE] no"}), "IN-USE"),
    "login-delay": (Faults(replies={("AUTH", None): "-ERR [LOGIN-DELAY] no"}), "LOGIN-DELAY"),
    "no-code": (Faults(replies={("AUTH", None): "-ERR go away"}), "go away"),
    "odd-code": (Faults(replies={("AUTH", None): "-ERR [X-NEW] go away"}), "go away"),
    "list-err": (Faults(replies={("LIST", 1): "-ERR no list"}), "no list"),
    "uidl-same": (Faults(uidls=lambda uidls: uidls[:1] * len(uidls)), "belongs to message 1 and"),
    "uidl-missing": (Faults(uidls=lambda uidls: [*uidls[:-1], None]), "UIDL does not"),
    "uidl-twice": (Faults(uidls=lambda uidls: [*uidls[:-1], uidls[0]]), "message 1 and to 10"),
    "uidl-long": (Faults(uidls=lambda uidls: [*uidls[:-1], "x" * 300]), "message 10 has no usable"),
    "forged": (Faults(claim=lambda size: 1), "the end of message 11 is in doubt: "),
    "dele-err": (Faults(replies={("DELE", 3): "-ERR no"}), 'answered DELE 3 with "-ERR no"'),
    "quit-refused": (Faults(quit="refuse"), UNSURE),
    "quit-closed": (Faults(quit="close"), UNSURE),
    "quit-lost": (Faults(quit="lose"), UNSURE),
    "slow": (Faults(rate=1), TOO_SLOW),
    "dead": (Faults(), TOO_SLOW),
}

# What a poll gets over by itself.
HARMLESS = {
    "sizes-1": Faults(claim=lambda size: 1),
    "sizes-large": Faults(claim=lambda size: size * 100),
    "slow-enough": Faults(rate=2000),
    "bare": Faults(bare=True),
}

# These last for a minute each.
if is_long():
    FAULTS |= {
        "stall-list": (Faults(stall=("LIST", 1)), SILENT),
        "stall-retr": (Faults(stall=("RETR", 4)), SILENT),
        "stall-text": (Faults(cut=(4, 100, "stall")), SILENT),
        "stall-dele": (Faults(stall=("DELE", 1)), SILENT),
        "quit-ignored": (Faults(quit="ignore"), UNSURE),
    }


class FaultsTest(ServiceTestCase):
    def test_after_each_fault_the_account_is_polled_again(self):
        for name, (faults, _) in FAULTS.items():
            security = "starttls" if "starttls" in name else "tls" if "tls" in name else "none"
            self.add_server(name, faults, security, is_answering=name != "dead")
        for name, faults in HARMLESS.items():
            self.add_server(name, faults)
        self.add_forged("forged")
        self.start()
        self.wait_failures()
        self.wait_recovery(self.servers)
        self.assertEqual(self.check().delivered, COUNT * len(self.servers) + 1)
        for message in self.far.messages():
            self.assertIsNotNone(self.ledger.number_of(message.mail), message.data)
        self.fetcher.stop()
        for name in FAULTS:
            self.assertEqual(len(self.lines_about(name, "warning")), 1, self.fetcher.log())
        self.rejoinder.check_log("warning: fetch .*; tried again in ")

    def wait_failures(self):
        """Each failure is seen in words, and its cause goes."""
        failed = {}

        def look():
            for name, inbox in self.inboxes().items():
                if inbox["error"] and name not in failed:
                    failed[name] = inbox["error"]
                    self.assertEqual(inbox["failures"], 1)
                    self.servers[name].faults = Faults()
                    if name == "dead":
                        self.servers[name].start()
            self.check(leaves=True)
            return failed.keys() >= FAULTS.keys()
        wait_for(look, lambda: f"a failure of {FAULTS.keys() - failed.keys()}", 90)
        for name, words in failed.items():
            with self.subTest(name):
                self.assertIn(name, FAULTS, words)
                self.assertRegex(words, FAULTS[name][1])

    def test_a_server_that_only_listens_delays_nobody(self):
        healthy = [f"shop-{number}" for number in range(5)]
        self.add_server("dead", is_answering=False)
        for name in healthy:
            self.add_server(name)
        self.start(workers=2)
        for polls in (1, 2):
            wait_for(lambda polls=polls: all(len(self.lines_about(name, "info")) == polls
                                             for name in healthy),
                     lambda polls=polls: f"{polls} polls of all:\n{self.fetcher.log()}", POLL_S + 2)
            self.wait_recovery(healthy, 1)
            for name in healthy:
                self.add_messages(name, 2)
        self.assertEqual(self.lines_about("dead", "(?:info|warning)"), [])
        self.check()

    def test_what_has_no_end_is_not_kept_in_memory(self):
        floods = {"list": ("LIST", "reply"), "reply": ("RETR", "reply"), "text": ("RETR", "text")}
        for name, (verb, place) in floods.items():
            self.add_server(name, Faults(flood=((verb, 1), FLOOD, place)))
        self.start()
        wait_for(lambda: all(self.lines_about(name, "info") for name in floods),
                 lambda: f"the end of three floods:\n{self.fetcher.log()}", 300)
        most_kb = self.most_memory_kb()
        print(f"measured: {len(floods)} floods of {FLOOD >> 20} MB in {most_kb >> 10} MB of memory")
        if not is_sanitized(self.rejoinder.program("rejoinder-fetcher")):
            self.assertLess(most_kb, PLAIN_MEMORY_KB)
        for pop3 in self.servers.values():
            pop3.faults = Faults()
        self.wait_recovery(("list", "reply"))
        # What was too large rests for a day, unless it is asked for.
        self.assertEqual(self.inboxes()["text"]["too_large"], 1)
        done = wait_for(self.fetch_by_hand, "a moment in which the daemon does not poll it")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.check().delivered, COUNT * len(floods))

    def fetch_by_hand(self):
        """What the command came to, or None if the daemon polls that inbox right now."""
        done = self.rejoinder.attempt("fetch", "text")
        return None if b"being polled right now" in done.stderr else done

    def most_memory_kb(self):
        with open(f"/proc/{self.fetcher.pid}/status", encoding="ascii") as stream:
            return int(re.search(r"^VmHWM:\s+(\d+) kB", stream.read(), re.MULTILINE).group(1))


if __name__ == "__main__":
    unittest.main()
