"""The beginning: `rejoinder init` writes a configuration, `rejoinder presets` says
what services want, and `rejoinder config` shows where each value comes from."""

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

from rejoinder import build_directory

PROGRAM = os.path.join(build_directory(), "bin", "rejoinder")
EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "contrib",
                       "rejoinder.conf")

OK = 0
USAGE = 64
CANNOT_CREATE = 73
CONFIG = 78

ACCOUNTS = ["Replies", "Sales", "Support", "Notifications", "Jobs"]
SERVICES = ["gmail", "google-workspace", "outlook.com", "microsoft365", "yahoo", "aol", "fastmail",
            "zoho", "gmx", "yandex", "mail.ru", "ionos", "ovh", "migadu", "proton-bridge",
            "sendgrid", "mailgun", "sparkpost", "ses", "postmark", "mandrill"]
SECRET = "tapir-secret"


class InitTest(unittest.TestCase):
    """A temporary directory a test, and the command."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="rejoinder-init-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = os.path.join(self.directory, "rejoinder.conf")

    def run_command(self, *arguments, code=OK, umask=-1):
        result = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=30, umask=umask, check=False)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def read(self):
        with open(self.path, encoding="utf-8") as stream:
            return stream.read()

    def write(self, text, mode=0o640):
        with open(self.path, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(self.path, mode)

    def accounts(self):
        return json.loads(self.run_command("-c", self.path, "accounts", "--json").stdout)


class FileTest(InitTest):
    def test_five_accounts_of_which_one_is_enabled(self):
        self.run_command("init", "--domain", "company.test", self.path)
        accounts = self.accounts()
        self.assertEqual([account["name"] for account in accounts], ACCOUNTS)
        self.assertEqual([account["name"] for account in accounts if account["enabled"]],
                         ["Replies"])
        for account in accounts:
            self.assertEqual(account["address"], account["name"].lower() + "@company.test")
        self.assertTrue(accounts[0]["default_incoming"] and accounts[0]["default_outgoing"])

    def test_what_it_writes_is_the_example_for_another_domain(self):
        with open(EXAMPLE, encoding="utf-8") as stream:
            example = stream.read()
        written = self.run_command("init", "--domain", "Company.Test", "-").stdout
        self.assertEqual(
            written, re.sub(r"(?m)^(?!# ).*$",
                            lambda line: line[0].replace("company.example", "company.test"),
                            example))

    def test_it_loads_with_every_account_enabled(self):
        self.run_command("init", "--domain", "company.test", self.path)
        password = os.path.join(self.directory, "password")
        text = self.read().replace("enabled = no\n", "enabled = yes\n")
        self.write(text.replace("/etc/rejoinder/jobs.password", password))
        with open(password, "w", encoding="ascii") as stream:
            stream.write(SECRET)
        os.chmod(password, 0o600)
        self.assertTrue(all(account["enabled"] for account in self.accounts()))
        os.chmod(password, 0o604)
        result = self.run_command("-c", self.path, "config", code=CONFIG)
        self.assertIn(f'password_file: found "{password}" with mode 0604', result.stderr)
        self.assertNotIn(SECRET, result.stdout + result.stderr)

    def test_several_domains(self):
        self.run_command("init", "--domain", "one.test", "--domain=two.test", "-d", "One.test",
                         self.path)
        accounts = self.accounts()
        self.assertEqual(accounts[0]["default_for"], ["one.test", "two.test"])
        self.assertEqual({account["address"].partition("@")[2] for account in accounts},
                         {"one.test"})
        shown = self.run_command("-c", self.path, "config").stdout
        self.assertIn("\ndomains = one.test, two.test  #", shown)
        self.assertIn("\nstaff = @one.test, @two.test  #", shown)

    def test_others_cannot_read_it_whatever_the_umask_is(self):
        for umask in (0, 0o022, 0o077):
            with self.subTest(umask=oct(umask)):
                self.run_command("init", "--domain", "company.test", self.path, umask=umask)
                self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o640)
                os.unlink(self.path)

    def test_it_is_written_where_the_configuration_is(self):
        self.run_command("-c", self.path, "init", "--domain", "company.test")
        self.assertIn("domains = company.test\n", self.read())

    def test_a_file_that_is_there_stays(self):
        self.write("mine\n")
        result = self.run_command("init", "--domain", "company.test", self.path,
                                  code=CANNOT_CREATE)
        self.assertIn("File exists", result.stderr)
        self.assertEqual(self.read(), "mine\n")
        os.unlink(self.path)
        os.symlink(os.path.join(self.directory, "elsewhere"), self.path)
        self.run_command("init", "--domain", "company.test", self.path, code=CANNOT_CREATE)
        self.assertEqual(os.listdir(self.directory), ["rejoinder.conf"])

    def test_a_place_that_is_not_there(self):
        result = self.run_command("init", "--domain", "company.test", self.path + "/x/y",
                                  code=CANNOT_CREATE)
        self.assertRegex(result.stderr, r"\Arejoinder: cannot make [^\n]+\n\Z")

    def test_wrong_usage(self):
        cases = (
            ("no domain", [], "a --domain is missing"),
            ("an empty domain", ["--domain", ""], "a --domain is missing"),
            ("no domain name", ["--domain", "company"], 'found "company", expected a domain'),
            ("an address", ["--domain", "jane@company.test"], "expected a domain"),
            ("a wrong one among others", ["-d", "a.test", "-d", "b_c"], 'found "b_c"'),
            ("a line end", ["--domain", "a.test\nstaff=*"], "expected a domain"),
            ("a domain that makes lines too long", ["-d", "a." * 60 + "test"], "at most 100"),
            ("more than a file", ["-d", "a.test", "x", "y"], 'unexpected argument "y"'),
            ("far too many", ["-d", "a.test"] * 101, "more than 100 times"),
        )
        for name, arguments, reason in cases:
            with self.subTest(name):
                result = self.run_command("-c", self.path, "init", *arguments, code=USAGE)
                self.assertIn(reason, result.stderr)
                self.assertFalse(os.path.exists(self.path))


class PresetsTest(InitTest):
    def test_the_table_names_every_service_and_what_could_not_be_checked(self):
        table, _, remarks = self.run_command("presets").stdout.partition("\n\n")
        self.assertEqual([line.split()[0] for line in table.split("\n")[1:]], SERVICES)
        starred = [line.split()[0] for line in table.split("\n")[1:] if line.endswith("*")]
        unchecked = remarks.partition("* could not be checked:\n")[2]
        self.assertEqual([line.partition(":")[0] for line in unchecked.splitlines()], starred)
        self.assertRegex(table, r"(?m)^gmail +pop3s://pop\.gmail\.com +smtp://smtp\.gmail\.com"
                                r" +500 +app password +yes +\d{4}-\d\d-\d\d$")

    def test_json(self):
        presets = json.loads(self.run_command("presets", "--json").stdout)
        self.assertEqual([preset["name"] for preset in presets], SERVICES)
        for preset in presets:
            self.assertEqual(set(preset), {"name", "title", "pop3", "relay", "daily_limit",
                                           "sign_in", "sub_addressing", "incoming", "outgoing",
                                           "checked_on", "unchecked", "note"})
            self.assertIn(preset["sign_in"], ("password", "app password", "OAuth2"))
            if preset["sub_addressing"] is False:
                self.assertEqual(preset["outgoing"]["reply_to"], "plain")
        self.assertIsNone(presets[SERVICES.index("proton-bridge")]["pop3"])

    def test_every_preset_is_what_an_account_gets(self):
        for preset in json.loads(self.run_command("presets", "--json").stdout):
            with self.subTest(preset["name"]):
                self.write("[rejoinder]\ndomains = company.test\n"
                           f'[common "company"]\npreset = {preset["name"]}\npassword = {SECRET}\n'
                           'username = jane\n[account "A"]\naddress = a@company.test\n'
                           "inherit = company\nincoming = yes\noutgoing = yes\n")
                if preset["sign_in"] == "OAuth2":
                    errors = self.run_command("-c", self.path, "config", code=CONFIG).stderr
                    self.assertRegex(errors, rf"\Arejoinder: {self.path}:4: preset: found "
                                             rf'"{preset["name"]}", [^\n]*OAuth2[^\n]*\n\Z')
                    continue
                shown = self.run_command("-c", self.path, "config").stdout
                self.assertIn(f'\nrelay = {preset["relay"]}  # preset {preset["name"]}\n', shown)
                self.assertIn(f"\npreset = {preset['name']}  # {self.path}:4\n", shown)
                if preset["pop3"]:
                    self.assertIn(f'\npop3 = {preset["pop3"]}  # preset {preset["name"]}\n', shown)
                    self.assertIn(f"\npassword = (set)  # {self.path}:5\n", shown)
                self.assertNotIn(SECRET, shown)


class MistakesTest(InitTest):
    def test_all_are_printed_at_once_with_file_and_line(self):
        self.write("[rejoinder]\ndomains = company.test\nnonsense\n"
                   '[common "company"]\ninherit = compny\nrelay = smtp\n'
                   '[account "A"]\naddress = a@company.test\ninherit = company\npreset = gmial\n'
                   f"outgoing = yes\npassword {SECRET}\nlimit = 5\n")
        result = self.run_command("-c", self.path, "config", code=CONFIG)
        self.assertEqual(result.stdout, "")
        self.assertNotIn(SECRET, result.stderr)
        self.assertEqual(
            sorted(int(line.split(":")[2]) for line in result.stderr.splitlines()),
            [3, 5, 6, 10, 12, 13])
        for line in result.stderr.splitlines():
            self.assertTrue(line.startswith(f"rejoinder: {self.path}:"), line)
            self.assertIn("found", line)
            self.assertIn("expected", line)

    def test_what_is_wrong_with_files_is_printed_beside_what_is_in_force(self):
        self.write("[rejoinder]\ndomains = company.test\n"
                   '[account "A"]\naddress = a@company.test\nincoming = yes\n'
                   f"acknowledge = {self.directory}/answer\n")
        result = self.run_command("-c", self.path, "config", code=CONFIG)
        self.assertEqual(
            result.stderr,
            f'rejoinder: {self.path}:6: acknowledge: found "{self.directory}/answer", expected a '
            "text file: cannot open: No such file or directory\n")
        self.assertIn("\naddress = a@company.test  #", result.stdout)
        self.assertEqual([account["name"] for account in self.accounts()], ["A"])


if __name__ == "__main__":
    unittest.main()
