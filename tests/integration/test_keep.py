"""Backups, the nightly work, restoring by the manual, and removing what is known of somebody."""

import contextlib
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import tempfile
import time
import unittest

from fault import fault_environment
from mail import TOKEN, Mail, compose, new_msgid
from scheduler import AlertSink, change_rows, read_rows
from wait import wait_for
from world import World

CONFIG = """\
[rejoinder]
domains = company.test
internal_hosts = 127.0.0.1
staff = @company.test
operator = boss@company.test
submit_to = 127.0.0.1:{port}
retention = 100d

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
senders = jane@company.test
keep_text = yes
"""

JANE = "Jane <jane@company.test>"
MANUAL = os.path.join(os.path.dirname(__file__), "..", "..", "man", "rejoinder.8")
DAY = 86400
NAME = re.compile(r"rejoinder-\d{8}-\d{6}$")


class Shared:
    """One world for all tests here."""

    world = sink = None


def setUpModule():
    Shared.sink = AlertSink()
    Shared.sink.start()
    unittest.addModuleCleanup(Shared.sink.stop)
    Shared.world = World(CONFIG.format(port=Shared.sink.port), sasl=False)
    unittest.addModuleCleanup(Shared.world.stop)
    Shared.world.start()


class KeepCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world, cls.sink = Shared.world, Shared.sink
        cls.postfix, cls.rejoinder = cls.world.postfix, cls.world.rejoinder
        cls.store = cls.rejoinder.store
        cls.nightly = os.path.join(cls.rejoinder.directory, "backup")

    def jane_writes(self, to, subject="Your order"):
        """As it arrives at the customer."""
        msgid = new_msgid("company.test")
        data = compose(JANE, to, subject, Message_ID=msgid)
        self.postfix.send(data, "jane@company.test", to)
        return self.world.far.wait(msgid).mail

    def customer_answers(self, customer, mail, body="Thank you.\n", **fields):
        """To the address with the token alone; as it arrives in Jane's mailbox."""
        to = mail.address("Reply-To")
        self.assertRegex(to, TOKEN)
        data = compose(customer, to, "Re: " + mail.value("Subject"), body, **fields)
        self.postfix.send_from_outside(data, customer, to)
        return self.postfix.mailbox("jane").wait(Mail(data).value("Message-ID"))

    def customer_answers_plainly(self, customer, mail):
        """In a conversation that nobody owns: it comes to the mailbox of the replies."""
        data = compose(customer, mail.address("Reply-To"), "Re: " + mail.value("Subject"))
        self.postfix.send_from_outside(data, customer, mail.address("Reply-To"))
        return self.postfix.mailbox("replies").wait(Mail(data).value("Message-ID"))

    def row(self, task):
        """tried, done and error of a task."""
        rows = read_rows(self.store, "SELECT tried_at, done_at, error FROM upkeep WHERE task = ?",
                         task)
        return rows[0] if rows else None


class RestoreTest(KeepCase):
    def stop(self):
        self.rejoinder.milter.stop()

    def start(self):
        self.rejoinder.start_milter()

    def commands(self, backup):
        """Those of the manual, made to work on our directories."""
        with open(MANUAL, encoding="utf-8") as stream:
            text = stream.read()
        section = text[text.index(".Sh RESTORING"):text.index(".Sh FILES")]
        blocks = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed", section, re.DOTALL | re.MULTILINE)
        self.assertEqual(len(blocks), 4)
        for block in blocks:
            block = re.sub(r"/var/lib/rejoinder/backup/rejoinder-\d+-\d+", backup, block)
            block = block.replace("/var/lib/rejoinder", self.rejoinder.directory)
            yield block.replace("-o rejoinder -g rejoinder", "-o root -g root")

    def restore(self, backup):
        for block in self.commands(backup):
            if block == "systemctl stop rejoinder.target\n":
                self.stop()
            elif block.startswith("systemctl start rejoinder.target\n"):
                self.start()
            else:
                subprocess.run(["sh", "-euc", block], check=True)

    def test_what_is_lost_is_restored_by_the_manual(self):
        sent = self.jane_writes("customer@example.org")
        first = self.customer_answers("customer@example.org", sent)
        conversation = first.value("Rejoinder-Conversation")
        backup = self.rejoinder.run("backup", os.path.join(self.rejoinder.directory, "mine")).strip()
        self.assertRegex(backup, NAME)
        self.assertEqual(sorted(os.listdir(backup)), ["keys", "rejoinder.conf", "rejoinder.db"])
        for name in ("", "keys", "rejoinder.conf", "rejoinder.db"):
            mode = stat.S_IMODE(os.stat(os.path.join(backup, name)).st_mode)
            self.assertEqual(mode, 0o600 if name else 0o700, name)
        later = self.jane_writes("customer@example.org", "Written after the backup")

        with open(self.store, "r+b") as stream:
            stream.write(b"\0" * 8192)
        with open(self.rejoinder.keys, "w", encoding="ascii") as stream:
            stream.write("nothing\n")
        self.restore(backup)

        self.assertEqual(stat.S_IMODE(os.stat(self.store).st_mode), 0o640)
        mail = self.customer_answers("customer@example.org", sent)
        self.assertEqual(mail.value("Rejoinder-Conversation"), conversation)
        self.assertEqual(mail.value("Rejoinder-Match"), "token")
        self.assertEqual(mail.value("Rejoinder-Sender"), "known")
        shown = self.rejoinder.json("show", conversation)
        self.assertEqual(len(shown["messages"]), 3)
        # What began after the backup begins again under its id: its token is still ours.
        again = self.customer_answers_plainly("customer@example.org", later)
        self.assertEqual(again.value("Rejoinder-Match"), "token")
        self.assertEqual(len(self.rejoinder.json(
            "show", again.value("Rejoinder-Conversation"))["messages"]), 1)
        self.rejoinder.problems()

    def test_backups_are_whole_while_mail_comes(self):
        target = os.path.join(self.rejoinder.directory, "while")
        for number in range(3):
            for customer in range(5):
                self.jane_writes(f"customer-{number}-{customer}@example.org")
            path = self.rejoinder.json("backup", target)["backup"]
            database = sqlite3.connect(os.path.join(path, "rejoinder.db"))
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            counted, = database.execute("SELECT count(*) FROM message").fetchone()
            database.close()
            self.assertEqual(
                counted, read_rows(self.store, "SELECT count(*) FROM message")[0][0])
        self.assertEqual(len(os.listdir(target)), 3)
        self.rejoinder.check_log()

    def test_what_is_wrong_is_said(self):
        file = os.path.join(self.rejoinder.directory, "file")
        with open(file, "w", encoding="ascii"):
            pass
        for arguments, code, said in (
                (["backup"], 64, "an argument is missing"),
                (["backup", os.path.join(file, "x")], 78, "Not a directory"),
                (["backup", self.rejoinder.directory + "/no/where"], 78, "No such file"),
                (["purge"], 64, "either --older-than or --address"),
                (["purge", "--older-than", "1d", "--address", "x@example.org"], 64, "either"),
                (["purge", "--older-than", "23h"], 64, "expected 1d to 3650d"),
                (["purge", "--older-than", "10y"], 64, "expected 1d to 3650d"),
                (["purge", "--older-than", "4000d"], 64, "expected 1d to 3650d"),
                (["purge", "--address", "nonsense"], 64, "expected an address"),
                (["purge", "--address", "Jane@company.test"], 64, "is one of yours"),
                (["purge", "--older-than", "1d"], 64, "add --yes"),
                (["keys", "retire"], 64, "name one key"),
                (["keys", "retire", "ab"], 64, "name one key"),
                (["keys", "retire", "z"], 1, "has no key z")):
            with self.subTest(arguments=arguments):
                done = self.rejoinder.attempt(*arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(said, done.stderr.decode())

    def test_root_makes_it_as_the_owner_of_the_directory(self):
        """Who may write where root makes a backup could else lead root anywhere by links."""
        if os.geteuid() != 0:
            self.skipTest("only root can be another")
        target = os.path.join(self.rejoinder.directory, "owned")
        os.mkdir(target, 0o700)
        os.chown(target, 65534, 65534)
        done = self.rejoinder.attempt("backup", target)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn("belongs to another user than the store", done.stderr.decode())
        self.assertEqual(os.listdir(target), [])

        # A store of his own, and his keys are a link to what he may not read.
        place = tempfile.mkdtemp(prefix="rejoinder-owner-")
        self.addCleanup(shutil.rmtree, place)
        secret, keys = os.path.join(self.rejoinder.directory, "secret"), f"{place}/keys"
        shutil.copy(self.rejoinder.keys, secret)
        os.chmod(secret, 0o600)
        with open(self.rejoinder.config_file, encoding="utf-8") as stream:
            text = stream.read()
        with open(f"{place}/rejoinder.conf", "w", encoding="utf-8") as stream:
            stream.write(text.replace(self.store, f"{place}/store.db")
                         .replace(self.rejoinder.keys, keys))
        shutil.copy(self.rejoinder.run("backup", os.path.join(place, "first")).strip()
                    + "/rejoinder.db", f"{place}/store.db")
        shutil.copy(secret, keys)
        os.chmod(keys, 0o600)
        for name in ("", "/rejoinder.conf", "/store.db", "/keys"):
            os.chown(place + name, 65534, 65534)
        command = [self.rejoinder.program("rejoinder"), "-c", f"{place}/rejoinder.conf",
                   "backup", f"{place}/backups"]
        path = subprocess.run(command, check=True, capture_output=True, text=True,
                              timeout=60).stdout.strip()
        for name in ("", "/keys", "/rejoinder.db"):
            self.assertEqual(os.stat(path + name).st_uid, 65534)
        os.unlink(keys)
        os.symlink(secret, keys)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 78)
        self.assertIn(f"cannot read {keys}: Permission denied", done.stderr)
        self.assertEqual(len(os.listdir(f"{place}/backups")), 1)

    def test_a_full_disk_leaves_no_half_backup(self):
        target = os.path.join(self.rejoinder.directory, "full")
        done = subprocess.run(
            [self.rejoinder.program("rejoinder"), "-c", self.rejoinder.config_file, "backup",
             target], capture_output=True, timeout=60, check=False,
            env={**os.environ, **fault_environment(path="/full/", calls="write", errno="ENOSPC",
                                                   at=20)})
        self.assertEqual(done.returncode, 73, done.stderr)
        self.assertRegex(done.stderr.decode(), r"cannot write \S+: disk is full")
        self.assertEqual(os.listdir(target), [])
        self.rejoinder.run("backup", target)
        self.assertEqual(len(os.listdir(target)), 1)

    def test_keys_come_and_go(self):
        old, = self.rejoinder.json("keys", "list")
        self.assertTrue(old["signs"])
        sent = self.jane_writes("old@example.org")
        self.rejoinder.run("keys", "retire", old["id"], code=64)
        self.rejoinder.run("keys", "add")
        new, old = self.rejoinder.json("keys", "list")
        self.assertEqual((new["signs"], old["signs"], new["needed_until"]), (True, False, None))
        self.assertGreater(old["needed_until"], time.strftime("%Y-%m-%d"))
        self.rejoinder.run("keys", "retire", old["id"], code=64)  # nobody to ask
        self.assertEqual(len(self.rejoinder.json("keys", "list")), 2)
        said = self.rejoinder.run("keys", "retire", "--yes", old["id"])
        self.assertIn(f"valid until {old['needed_until']}", said)
        self.assertEqual(self.rejoinder.json("keys", "list"), [new])
        self.rejoinder.reload()
        self.rejoinder.wait_log(r"info: read \S+ again")
        answer = self.customer_answers_plainly("old@example.org", sent)
        self.assertEqual(answer.value("Rejoinder-Match"), "new")
        self.assertEqual(
            self.customer_answers("new@example.org", self.jane_writes("new@example.org"))
            .value("Rejoinder-Match"), "token")
        self.rejoinder.problems()

    def test_a_person_is_forgotten(self):
        person, other = "bob@example.org", "customer@example.com"
        own = self.customer_answers(person, self.jane_writes(person), f"I am {person}.\n")
        shared = self.customer_answers(
            person, self.jane_writes(other), f"Me too, says {person}.\n", Cc=other)
        self.assertNotEqual(own.value("Rejoinder-Conversation"),
                            shared.value("Rejoinder-Conversation"))
        self.assertIn(person.encode(), self.bytes_of_store())
        trial = self.rejoinder.json("purge", "--address", person, "--dry-run")
        self.assertEqual(trial["conversations"], 1)
        self.assertIn(person.encode(), self.bytes_of_store())
        done = self.rejoinder.json("purge", "--address", "Bob@Example.ORG", "--yes")
        self.assertEqual((done["conversations"], done["messages"]), (1, 2))
        self.assertEqual(done["conversations_without_address"], 1)
        self.assertNotIn(person.encode(), self.bytes_of_store())
        self.rejoinder.run("show", own.value("Rejoinder-Conversation"), code=1)
        left = self.rejoinder.json("show", shared.value("Rejoinder-Conversation"))
        self.assertEqual([message["from"] for message in left["messages"]],
                         ["jane@company.test", None])
        self.rejoinder.run("show", shared.value("Rejoinder-Conversation"))
        # And the milter goes on with the same store.
        self.customer_answers(other, self.jane_writes(other))
        self.rejoinder.check_log()

    def bytes_of_store(self):
        parts = []
        for path in (self.store, self.store + "-wal"):
            if os.path.exists(path):
                with open(path, "rb") as stream:
                    parts.append(stream.read().lower())
        return b"\0".join(parts)


class NightTest(KeepCase):
    def setUp(self):
        self.scheduler = self.rejoinder.scheduler
        self.addCleanup(self.scheduler.kill)

    def let_night_come(self):
        """The last night was two days ago."""
        change_rows(self.store, "UPDATE upkeep SET tried_at = ?1, done_at = ?1",
                    int(time.time()) - 2 * DAY)

    def wait_done(self, task, since):
        wait_for(lambda: (self.row(task)[1] or 0) >= since, lambda: f"{task}: {self.row(task)}")

    def letters(self, words):
        return [one for one in self.sink.messages() if words in one.mail.value("Subject")]

    def test_the_nights(self):
        began = int(time.time())
        self.scheduler.start()
        wait_for(lambda: self.row("purge"), "the rows of the first start")
        self.assertEqual(self.row("backup")[1:], (None, None))
        self.scheduler.stop()
        self.assertFalse(os.path.exists(self.nightly))

        old = self.customer_answers("old@example.org", self.jane_writes("old@example.org"))
        kept = self.customer_answers("new@example.org", self.jane_writes("new@example.org"))
        self.jane_writes("old@example.org")
        change_rows(self.store, "UPDATE wait SET ended_at = started_at, end_reason = 'closed'")
        change_rows(self.store, "UPDATE conversation SET updated_at = updated_at - ? WHERE id ="
                    " (SELECT conversation FROM message WHERE msgid = ?)", 101 * DAY,
                    old.value("Message-ID"))
        for night in range(3):
            self.let_night_come()
            self.scheduler.start()
            self.wait_done("purge", began)
            self.assertEqual(len(os.listdir(self.nightly)), min(night + 1, 2))
            self.scheduler.stop()
        self.rejoinder.run("show", old.value("Rejoinder-Conversation"), code=1)
        self.rejoinder.run("show", kept.value("Rejoinder-Conversation"))
        log = self.scheduler.log()
        self.assertEqual(log.count("backup: made "), 3)
        self.assertEqual(log.count("backup: removed 1 older"), 1)
        self.assertIn("purge: removed 1 conversations with 2 messages", log)
        self.assertEqual(stat.S_IMODE(os.stat(self.nightly).st_mode), 0o700)
        self.scheduler.check_log()

        # A start in the same night does nothing again.
        before = [self.row(task) for task in ("check", "backup", "purge")]
        self.scheduler.start()
        self.scheduler.stop()
        self.assertEqual([self.row(task) for task in ("check", "backup", "purge")], before)

        self.see_full_disk_told()
        self.see_crash_followed()
        self.see_damage_told()

    def see_full_disk_told(self):
        whole = sorted(os.listdir(self.nightly))
        self.let_night_come()
        self.scheduler.environment = fault_environment(path="/backup/", calls="write,allocate",
                                                       errno="ENOSPC")
        self.scheduler.start()
        wait_for(lambda: self.letters("backup has failed"), "the letter about the backup")
        self.assertIn("disk is full", self.row("backup")[2])
        self.assertEqual(sorted(os.listdir(self.nightly)), whole)
        self.scheduler.stop()
        self.assertEqual(len(self.scheduler.problems()), 2)
        self.scheduler.environment = {}
        change_rows(self.store, "UPDATE upkeep SET tried_at = tried_at - 3600")
        self.scheduler.start()
        wait_for(lambda: self.letters("backup is well again"), "the letter that it is well")
        self.assertEqual(len(self.letters("backup")), 2)
        self.scheduler.stop()
        self.scheduler.check_log()

    def see_crash_followed(self):
        """kill -9 while the backup is being written."""
        self.let_night_come()
        self.scheduler.environment = fault_environment(path="/backup/", calls="write",
                                                       delay_ms=200)
        self.scheduler.start()
        wait_for(lambda: [name for name in os.listdir(self.nightly) if name.endswith(".tmp")],
                 "a backup that is being made")
        self.scheduler.kill()
        self.scheduler.environment = {}
        self.assertLess(self.row("backup")[1], self.row("backup")[0])
        change_rows(self.store, "UPDATE upkeep SET tried_at = tried_at - 3600")
        began = int(time.time())
        self.scheduler.start()
        self.wait_done("backup", began)
        self.scheduler.stop()
        names = os.listdir(self.nightly)
        self.assertEqual(len(names), 2)
        for name in names:
            self.assertRegex(name, NAME)
        self.scheduler.check_log()

    def see_damage_told(self):
        whole = sorted(os.listdir(self.nightly))
        self.set_pinned(7)
        self.let_night_come()
        self.scheduler.start()
        wait_for(lambda: self.letters("check"), "the letter about the damage")
        self.assertIn("is damaged", self.row("check")[2])
        self.assertEqual(sorted(os.listdir(self.nightly)), whole)
        self.scheduler.stop()
        self.assertEqual(len(self.scheduler.problems()), 2)
        path = os.path.join(self.rejoinder.directory, "damaged")
        done = self.rejoinder.attempt("backup", path)
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertEqual(os.listdir(path), [])
        shutil.rmtree(path)
        self.set_pinned(0)

    def set_pinned(self, value):
        """Also what no row may say."""
        with contextlib.closing(sqlite3.connect(self.store, isolation_level=None)) as database:
            database.execute("PRAGMA ignore_check_constraints = ON")
            database.execute("PRAGMA wal_autocheckpoint = 0")
            database.execute("UPDATE conversation SET is_owner_pinned = ?", (value,))


if __name__ == "__main__":
    unittest.main()
