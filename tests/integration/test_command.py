"""The admin command: usage, exit codes, configuration mistakes, keys, and what
it says while there is no store.  What list and show print of real mail is in
the story."""

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import unittest

PROGRAM = os.path.abspath(os.environ.get("REJOINDER_BUILD", "build/plain") + "/bin/rejoinder")

OK = 0
NO_RESULT = 1
USAGE = 64
TEMPORARY = 75
CONFIG = 78

VERBS = ("list", "show", "status", "accounts", "account", "fetch", "config", "keys", "close",
         "reopen", "help")

CONFIGURATION = """
[rejoinder]
domains = company.test, other.test
store = {directory}/rejoinder.db
keys = {directory}/keys
milter_socket = unix:{directory}/milter.sock

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes

[account "Sales"]
enabled = no
address = sales@company.test
outgoing = yes
"""


class CommandTest(unittest.TestCase):
    """One temporary directory with a configuration a test."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="rejoinder-command-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.configuration = os.path.join(self.directory, "rejoinder.conf")
        self.keys = os.path.join(self.directory, "keys")
        self.configure(CONFIGURATION.format(directory=self.directory))

    def configure(self, text):
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(text)

    def run_bare(self, *arguments):
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=30, check=False)

    def run_command(self, *arguments):
        return self.run_bare("-c", self.configuration, *arguments)

    def assert_exit(self, result, code):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)

    def assert_one_sentence(self, result):
        """Nothing on stdout, one line that names the program on stderr."""
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, r"\Arejoinder: [^\n]+\n\Z")


class UsageTest(CommandTest):
    def test_help_and_version_are_exit_0_on_stdout(self):
        for arguments in (["-h"], ["--help"], ["help"], ["-h", "list"]):
            with self.subTest(arguments=arguments):
                result = self.run_bare(*arguments)
                self.assert_exit(result, OK)
                self.assertEqual(result.stderr, "")
                for verb in VERBS:
                    self.assertRegex(result.stdout, rf"(?m)^  {verb} ")
        for arguments in (["-V"], ["--version"]):
            with self.subTest(arguments=arguments):
                result = self.run_bare(*arguments)
                self.assert_exit(result, OK)
                self.assertRegex(result.stdout, r"\Arejoinder \d+\.\d+\.\d+\n\Z")

    def test_every_verb_explains_itself(self):
        for verb in VERBS:
            for arguments in ([verb, "-h"], [verb, "--help"], ["help", verb]):
                with self.subTest(arguments=arguments):
                    result = self.run_bare(*arguments)
                    self.assert_exit(result, OK)
                    self.assertIn(f"usage: rejoinder {verb}", result.stdout)

    def test_wrong_usage_is_exit_64_with_a_reason(self):
        cases = (
            ("no verb", [], "a verb is missing"),
            ("an unknown global option", ["--nonsense"], "unknown option --nonsense"),
            ("an unknown short option", ["-x"], "unknown option -x"),
            ("a global option without its value", ["-c"], "--config needs a value"),
            ("a mistyped verb", ["lst"], 'did you mean "list"?'),
            ("the beginning of a verb", ["stat"], 'did you mean "status"?'),
            ("a verb like no other", ["frobnicate"], "see: rejoinder help"),
            ("an empty verb", [""], "see: rejoinder help"),
            ("a verb far too long", ["list" * 1000], "see: rejoinder help"),
            ("help on an unknown verb", ["help", "lst"], 'no verb "lst"'),
            ("an unknown option of a verb", ["list", "--wating"], "unknown option --wating"),
            ("a value for an option that takes none", ["list", "--json=yes"],
             "--json takes no value"),
            ("an option of a verb without its value", ["list", "--limit"],
             "--limit needs a value"),
            ("a limit that is no number", ["list", "--limit", "ten"], 'found "ten"'),
            ("a limit of nothing", ["list", "--limit", "0"], 'found "0"'),
            ("a negative limit", ["list", "--limit=-1"], 'found "-1"'),
            ("a limit beyond all numbers", ["list", "--limit", "9" * 40], "expected a number"),
            ("an argument too many", ["status", "now"], 'unexpected argument "now"'),
            ("show without an id", ["show"], "an argument is missing"),
            ("close without an id", ["close"], "an argument is missing"),
            ("account without its word", ["account"], "an argument is missing"),
            ("account with a wrong word", ["account", "try", "Sales"],
             'unexpected argument "try"'),
            ("reopen of two", ["reopen", "a", "b"], 'unexpected argument "b"'),
            ("keys without a word", ["keys"], "an argument is missing"),
            ("keys with a wrong word", ["keys", "drop"], 'unexpected argument "drop"'),
        )
        for name, arguments, reason in cases:
            with self.subTest(name):
                result = self.run_bare(*arguments)
                self.assert_exit(result, USAGE)
                self.assertEqual(result.stdout, "")
                self.assertIn(reason, result.stderr)

    def test_control_bytes_of_an_argument_do_not_reach_the_terminal(self):
        result = self.run_bare("\x1b[2J")
        self.assert_exit(result, USAGE)
        self.assertNotIn("\x1b", result.stderr)
        result = self.run_bare("--\x1b[2J")
        self.assert_exit(result, USAGE)
        self.assertNotIn("\x1b", result.stderr)

    def test_options_may_stand_after_arguments_and_after_the_verb(self):
        for arguments in (["keys", "add", "-c", self.configuration],
                          ["keys", "-c", self.configuration, "add"],
                          ["--config=" + self.configuration, "keys", "add"]):
            with self.subTest(arguments=arguments):
                self.assert_exit(self.run_bare(*arguments), OK)

    def test_output_that_cannot_be_written_is_no_success(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = subprocess.run([PROGRAM, "help"], stdout=full, stderr=subprocess.PIPE,
                                    text=True, timeout=30, check=False)
        self.assertEqual(result.returncode, 74)
        self.assertIn("writing the output failed", result.stderr)


class ConfigurationTest(CommandTest):
    def test_config_prints_what_is_in_force(self):
        result = self.run_command("config")
        self.assert_exit(result, OK)
        self.assertEqual(result.stderr, "")
        self.assertIn("company.test", result.stdout)
        self.assertIn('[account "Replies"]', result.stdout)
        self.assertIn(self.directory + "/rejoinder.db", result.stdout)

    def test_every_mistake_is_said_at_once_by_every_verb(self):
        self.configure("[rejoinder]\n"
                       "domains = company.test\n"
                       "token_lifetime = soon\n"
                       "commit_timout = 5s\n"
                       "[account \"Replies\"]\n"
                       "incoming = yes\n")
        for arguments in (["config"], ["status"], ["accounts"], ["account", "test", "Replies"],
                          ["list"], ["list", "--json"], ["show", "d"],
                          ["keys", "list"], ["keys", "add"], ["close", "d"], ["reopen", "d"]):
            with self.subTest(arguments=arguments):
                result = self.run_command(*arguments)
                self.assert_exit(result, CONFIG)
                self.assertEqual(result.stdout, "")
                self.assertIn(f"{self.configuration}:3: token_lifetime", result.stderr)
                self.assertIn(f"{self.configuration}:4: commit_timout", result.stderr)
                self.assertIn("address", result.stderr)
                for line in result.stderr.splitlines():
                    self.assertTrue(line.startswith("rejoinder: "), line)
        self.assertFalse(os.path.exists(self.keys))

    def test_a_missing_configuration_is_named(self):
        missing = os.path.join(self.directory, "absent.conf")
        result = self.run_bare("-c", missing, "status")
        self.assert_exit(result, CONFIG)
        self.assertIn(missing, result.stderr)


class KeysTest(CommandTest):
    def secrets(self):
        with open(self.keys, encoding="ascii") as file:
            return re.findall(r"(?m)^([a-z2-7]) \d{4}-\d\d-\d\d ([0-9a-f]{64})$", file.read())

    def test_add_makes_a_private_file_and_says_what_to_do(self):
        result = self.run_command("keys", "add")
        self.assert_exit(result, OK)
        self.assertEqual(stat.S_IMODE(os.stat(self.keys).st_mode), 0o640)
        (key_id, secret), = self.secrets()
        self.assertIn(f"Key {key_id} ", result.stdout)
        self.assertIn("SIGUSR1", result.stdout)
        self.assertNotIn(secret, result.stdout)

    def test_the_newest_key_signs_and_the_others_stay(self):
        self.assert_exit(self.run_command("keys", "add"), OK)
        first, = self.secrets()
        self.assert_exit(self.run_command("keys", "add"), OK)
        second, kept = self.secrets()
        self.assertEqual(kept, first)
        self.assertNotEqual(second[0], first[0])

        result = self.run_command("keys", "list")
        self.assert_exit(result, OK)
        lines = result.stdout.splitlines()
        self.assertEqual(len(lines), 3, result.stdout)
        self.assertRegex(lines[1], rf"^{second[0]} .* signs and verifies$")
        self.assertRegex(lines[2], rf"^{first[0]} .* verifies$")
        for _, secret in (first, second):
            self.assertNotIn(secret[:16], result.stdout)

    def test_a_directory_of_another_owner_gives_the_file_to_him(self):
        if os.geteuid() != 0:
            self.fail("this test needs root")
        os.chown(self.directory, 12345, 23456)
        self.assert_exit(self.run_command("keys", "add"), OK)
        made = os.stat(self.keys)
        self.assertEqual((made.st_uid, made.st_gid), (12345, 23456))

    def test_no_key_file_is_a_matter_of_configuration(self):
        result = self.run_command("keys", "list")
        self.assert_exit(result, CONFIG)
        self.assert_one_sentence(result)
        self.assertIn(self.keys, result.stderr)
        self.assertIn("rejoinder keys add", result.stderr)


class NoStoreTest(CommandTest):
    def test_a_missing_store_is_temporary_and_is_not_made(self):
        for arguments in (["list"], ["list", "--waiting", "--json"], ["show", "d"],
                          ["show", "--json", "d"], ["close", "d"], ["reopen", "d"]):
            with self.subTest(arguments=arguments):
                result = self.run_command(*arguments)
                self.assert_exit(result, TEMPORARY)
                self.assert_one_sentence(result)
                self.assertIn(self.directory + "/rejoinder.db", result.stderr)
                self.assertIn("rejoinder-milter", result.stderr)
        self.assertEqual(os.listdir(self.directory), ["rejoinder.conf"])

    def test_a_file_that_is_no_store_is_refused(self):
        with open(self.directory + "/rejoinder.db", "w", encoding="ascii") as file:
            file.write("this is no database\n" * 500)
        for arguments in (["list"], ["show", "d"], ["status"]):
            with self.subTest(arguments=arguments):
                result = self.run_command(*arguments)
                self.assert_exit(result, TEMPORARY)
                self.assertIn(self.directory + "/rejoinder.db", result.stderr)

    def test_a_store_that_is_just_being_made_is_waited_for(self):
        store = self.directory + "/rejoinder.db"
        self.assert_exit(self.run_command("keys", "add"), OK)
        with open(store, "wb"):
            pass  # as it is for a moment while rejoinder-milter makes it
        result = self.run_command("list")
        self.assert_exit(result, TEMPORARY)
        self.assertIn("schema 0 awaits migration", result.stderr)

        lister = subprocess.Popen([PROGRAM, "-c", self.configuration, "list"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
        milter = subprocess.Popen([os.path.join(os.path.dirname(PROGRAM), "rejoinder-milter"),
                                   "-c", self.configuration], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            output, _ = lister.communicate(timeout=60)
        finally:
            milter.terminate()
            milter.wait(60)
        self.assertEqual(lister.returncode, NO_RESULT, output)
        self.assertIn(b"there is no conversation yet", output)

    def test_status_says_what_it_can(self):
        self.assert_exit(self.run_command("keys", "add"), OK)
        result = self.run_command("status")
        self.assert_exit(result, TEMPORARY)
        self.assertIn(self.configuration, result.stdout)
        self.assertIn("1 of 2 enabled", result.stdout)
        self.assertIn("company.test: default incoming Replies, outgoing Replies", result.stdout)
        self.assertIn("other.test: default incoming none, outgoing none", result.stdout)
        self.assertIn("NOT READABLE", result.stdout)
        self.assertIn("DOES NOT ANSWER", result.stdout)
        self.assertIn("there is no store", result.stderr)
        for line in result.stdout.splitlines():
            if "/" not in line:
                self.assertLessEqual(len(line), 80, line)

    def test_status_as_json(self):
        self.assert_exit(self.run_command("keys", "add"), OK)
        result = self.run_command("status", "--json")
        self.assert_exit(result, TEMPORARY)
        status = json.loads(result.stdout)
        self.assertEqual(status["configuration"], self.configuration)
        self.assertEqual(status["accounts"]["total"], 2)
        self.assertEqual(status["accounts"]["enabled"], 1)
        self.assertEqual(status["accounts"]["domains"], [
            {"domain": "company.test", "default_incoming": "Replies",
             "default_outgoing": "Replies"},
            {"domain": "other.test", "default_incoming": None, "default_outgoing": None}])
        self.assertEqual(status["keys"]["count"], 1)
        self.assertIsNone(status["keys"]["error"])
        self.assertIn("there is no store", status["store"]["error"])
        self.assertIsNone(status["messages"]["in"])
        self.assertIsNone(status["waits"]["oldest"])
        self.assertIs(status["milter"]["answers"], False)

    def test_status_finds_a_milter_that_listens(self):
        with socket.socket(socket.AF_UNIX) as local, socket.socket() as inet:
            local.bind(self.directory + "/listening.sock")
            local.listen()
            inet.bind(("127.0.0.1", 0))
            inet.listen()
            port = inet.getsockname()[1]
            for spelling in (f"unix:{self.directory}/listening.sock",
                             f"inet:{port}@127.0.0.1", f"inet:{port}@[127.0.0.1]"):
                with self.subTest(spelling):
                    self.assertEqual(self.milter_status(spelling),
                                     {"socket": spelling, "answers": True, "error": None})
        refused = self.milter_status(f"inet:{port}@127.0.0.1")
        self.assertIs(refused["answers"], False)
        self.assertIn("Connection refused", refused["error"])

    def milter_status(self, spelling):
        text = CONFIGURATION.format(directory=self.directory)
        self.configure(re.sub("milter_socket = .*", "milter_socket = " + spelling, text))
        return json.loads(self.run_command("status", "--json").stdout)["milter"]


if __name__ == "__main__":
    unittest.main()
