"""`rejoinder setup` and `--undo` on copies of the configuration that Debian installs."""

import json
import os
import pty
import re
import socket
import subprocess
import unittest

from private_postfix import CONTRIB, need_root, parse_main
from wiring import PROGRAM, RELAY, Wiring, enable

NO_RESULT, USAGE, UNAVAILABLE, TEMPORARY, CONFIG = 1, 64, 69, 75, 78

DKIM, DMARC, RSPAMD = "inet:localhost:8891", "inet:localhost:8893", "inet:localhost:11332"
OURS, OUT = "$rejoinder_milter", "$submission_milters"

AMAVIS = """
smtp-amavis unix - - y - 2 smtp
  -o smtp_data_done_timeout=1200
127.0.0.1:10025 inet n - y - - smtpd
  -o content_filter=
  -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks
"""
RETURN = "127.0.0.1:10025/inet/receive_override_options"

# name: arguments of Wiring, then what is in main.cf and what options master.cf has afterwards.
VARIANTS = {
    "Debian's default": (
        {},
        {"recipient_delimiter": "+", "internal_mail_filter_classes": "bounce",
         "smtpd_milters": OURS, "submission_milters": OURS, "non_smtpd_milters": OUT,
         "rejoinder_milter": "{ unix:rejoinder/milter.sock, default_action=tempfail, "
                             "connect_timeout=5s, command_timeout=15s, content_timeout=60s }"},
        {"127.0.0.1:2524/inet/smtpd_milters": OURS}),
    "OpenDKIM signs and verifies, OpenDMARC verifies": (
        {"main": f"smtpd_milters = {DKIM},\n  {DMARC}\nnon_smtpd_milters = $smtpd_milters\n",
         "master": lambda text: enable(text, "submission")},
        {"smtpd_milters": f"{DKIM}, {DMARC}, {OURS}",
         "submission_milters": f"{OURS}, {DKIM}, {DMARC}", "non_smtpd_milters": OUT},
        {"submission/inet/smtpd_milters": OUT,
         "submission/inet/milter_macro_daemon_name": "ORIGINATING"}),
    "rspamd": (
        {"main": f"smtpd_milters = {RSPAMD}\nnon_smtpd_milters = {RSPAMD}\n"
                 "milter_default_action = accept\nrecipient_delimiter = +\n"},
        {"smtpd_milters": f"{RSPAMD}, {OURS}", "submission_milters": f"{OURS}, {RSPAMD}",
         "non_smtpd_milters": OUT, "milter_default_action": "accept"},
        {}),
    "amavis after the queue": (
        {"main": "content_filter = smtp-amavis:[127.0.0.1]:10024\n",
         "master": lambda text: text + AMAVIS},
        {"smtpd_milters": OURS, "content_filter": "smtp-amavis:[127.0.0.1]:10024"},
        {RETURN: "no_header_body_checks,no_unknown_recipient_checks,no_milters"}),
    "submission on both ports": (
        {"master": lambda text: enable(text, "submission", "submissions")},
        {"submission_milters": OURS},
        {f"{name}/inet/{parameter}": value for name in ("submission", "submissions")
         for parameter, value in (("smtpd_milters", OUT),
                                  ("milter_macro_daemon_name", "ORIGINATING"))}),
    "submission on loopback only": (
        {"master": lambda text: enable(text, "127.0.0.1:submission")},
        {"submission_milters": OURS},
        {"127.0.0.1:submission/inet/smtpd_milters": OUT}),
    "another delimiter": (
        {"main": "recipient_delimiter = -\n", "general": "delimiter = -\n"},
        {"recipient_delimiter": "-"}, {}),
    "virtual aliases": (
        {"main": "virtual_alias_maps = texthash:{etc}/virtual\n"
                 "virtual_alias_domains = shop.test\n"},
        {"virtual_alias_maps": "texthash:{etc}/virtual"}, {}),
    "nobody knows the address for replies": (
        {"main": "virtual_alias_maps = texthash:{etc}/virtual\n", "aliases": ("postmaster",)},
        {"virtual_alias_maps": "texthash:{etc}/virtual, texthash:{etc}/rejoinder_replies"}, {}),
    "nobody knows it, and aliases stand under an older name": (
        {"main": "virtual_maps = texthash:{etc}/virtual\n", "aliases": ("postmaster",)},
        {"virtual_alias_maps": "$virtual_maps, texthash:{etc}/rejoinder_replies"}, {}),
    "an account with a relay": (
        {"accounts": RELAY,
         "main": "sender_dependent_default_transport_maps = texthash:{etc}/virtual\n"},
        {"sender_dependent_default_transport_maps":
             "texthash:{etc}/rejoinder_transport, texthash:{etc}/virtual",
         "rejoinder_passwords": "socketmap:unix:rejoinder/password.sock:relay"},
        {"rejoinder-relays/unix/smtp_tls_wrappermode": "yes"}),
}


class SetupTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        need_root()

    def make(self, **options):
        wiring = Wiring(**options)
        self.addCleanup(wiring.remove)
        wiring.write("virtual", "someone@company.test root\n")
        return wiring

    def see_restored(self, wiring, before):
        """Everything is as it was, and nothing lies about."""
        after = wiring.snapshot()
        self.assertEqual(sorted(before), sorted(after))
        for name in before:
            self.assertEqual(before[name], after[name], name)


class VariantTest(SetupTest):
    """Each way a Postfix may be configured: wired, wired again, undone."""

    def check(self, name):
        options, main, expected = VARIANTS[name]
        wiring = self.make(checks=bool(expected), **options)
        os.chmod(wiring.path("main.cf"), 0o640)
        before = wiring.snapshot()
        foreseen = wiring.setup("--dry-run")
        self.assertEqual(before, wiring.snapshot(), "a dry run has changed something")

        said = wiring.setup("--yes")
        self.assertEqual(foreseen.split("\n\n")[:-1], said.split("\n\n")[:len(
            foreseen.split("\n\n")) - 1], "a dry run shows what is done")
        found = wiring.main()
        for parameter, value in main.items():
            self.assertEqual(found[parameter], value.replace("{etc}", wiring.etc), parameter)
        found = wiring.options()
        for parameter, value in expected.items():
            self.assertEqual(found[parameter], value, parameter)
        self.assertEqual(wiring.snapshot()["main.cf"][0], before["main.cf"][0], "its mode")
        # What it says stands there as it says it.
        lines = re.findall(r"^  \+ ([a-z_A-Z-]+ = .*)$", said, re.MULTILINE)
        self.assertGreater(len(lines), 4)
        for line in lines:
            self.assertIn(line + "\n", wiring.read("main.cf"))

        wired = wiring.snapshot()
        self.assertIn("nothing to do", wiring.setup("--yes"))
        self.assertEqual(wired, wiring.snapshot(), "a second run has changed something")

        self.assertIn("byte for byte", wiring.setup("--undo", "--all", "--yes"))
        self.see_restored(wiring, before)


def add_variants():
    for number, name in enumerate(VARIANTS):
        def test(self, name=name):
            self.check(name)
        test.__doc__ = name
        setattr(VariantTest, f"test_variant_{number}", test)


add_variants()


class ContribTest(SetupTest):
    """contrib/postfix says by hand what setup does."""

    def test_the_same_lines(self):
        with open(os.path.join(CONTRIB, "master.cf"), encoding="utf-8") as stream:
            by_hand = stream.read()
        submission = re.search(r"^submission .*\n(?:  .*\n)+", by_hand, re.MULTILINE)[0]
        plain = "".join(line for line in submission.splitlines(keepends=True)
                        if "milter" not in line)
        self.assertEqual(plain.count("\n") + 2, submission.count("\n"))

        wired = self.make(accounts=RELAY, master=lambda text: text + plain)
        earlier = wired.main()
        wired.setup("--yes")
        hand = self.make(master=lambda text: text + by_hand)
        with open(os.path.join(CONTRIB, "main.cf"), encoding="utf-8") as stream:
            expected = {name: " ".join(value.split())
                        for name, value in parse_main(stream.read()).items()}
        expected["sender_dependent_default_transport_maps"] = (
            f"texthash:{wired.etc}/rejoinder_transport")  # /etc/postfix is where this stands
        self.assertEqual({name: value for name, value in wired.main().items()
                          if name not in earlier}, expected)
        self.assertEqual(wired.services(), hand.services())

    def test_every_line_has_its_reason(self):
        """README.md beside the files names all of them."""
        with open(os.path.join(CONTRIB, "README.md"), encoding="utf-8") as stream:
            told = stream.read()
        with open(os.path.join(CONTRIB, "main.cf"), encoding="utf-8") as stream:
            for name in parse_main(stream.read()):
                self.assertIn(name.replace("rejoinder-relay_", "..._")
                              .replace("rejoinder-relays_", "..._")
                              .replace("destination_concurrency_failed", "failed"),
                              told.replace("`", ""))


class UndoTest(SetupTest):
    def test_what_answers_depend_on_stays(self):
        wiring = self.make(aliases=("postmaster",))
        before = wiring.snapshot()
        wiring.setup("--yes")
        said = wiring.setup("--undo", "--yes")
        self.assertIn("--all takes", said)
        kept = ("recipient_delimiter = +\n"
                f"virtual_alias_maps = texthash:{wiring.etc}/rejoinder_replies\n")
        self.assertIn(kept.replace("\n", "\n  + ", 1), said)
        self.assertEqual(wiring.read("main.cf"), before["main.cf"][1].decode() + kept)
        self.assertEqual(wiring.snapshot()["master.cf"], before["master.cf"])
        self.assertIn("replies@company.test postmaster@company.test\n",
                      wiring.read("rejoinder_replies"))

        left = wiring.snapshot()
        self.assertIn("is undone", wiring.setup("--undo", "--yes"))
        self.assertEqual(left, wiring.snapshot())
        # It can be wired again, and then taken out without a trace.
        wiring.setup("--yes")
        wiring.setup("--undo", "--yes")
        self.assertEqual(left["main.cf"], wiring.snapshot()["main.cf"])
        wiring.setup("--undo", "--all", "--yes")
        self.see_restored(wiring, before)

    def test_nothing_to_undo(self):
        wiring = self.make()
        before = wiring.snapshot()
        self.assertIn("nothing to undo", wiring.setup("--undo", "--yes", code=NO_RESULT))
        self.see_restored(wiring, before)

    def test_a_dry_run_undoes_nothing(self):
        wiring = self.make()
        wiring.setup("--yes")
        before = wiring.snapshot()
        self.assertIn("Nothing was changed", wiring.setup("--undo", "--dry-run"))
        self.see_restored(wiring, before)

    def test_later_edits_of_the_admin_stay(self):
        wiring = self.make(main=f"smtpd_milters = {DKIM}\n",
                           master=lambda text: enable(text, "submission"))
        before = wiring.snapshot()
        wiring.setup("--yes")
        text = wiring.read("main.cf")
        text = text.replace(f"{DKIM}, {OURS}", f"{DKIM}, {OURS}, {DMARC}")
        text = text.replace("non_smtpd_milters =", "#non_smtpd_milters =")
        text = text.replace("content_timeout=60s", "content_timeout=90s")
        text += "# mine\nmessage_size_limit = 20480000\n"
        wiring.write("main.cf", text)
        wiring.postconf("-P", "-e", "submission/inet/smtpd_tls_security_level=may",
                        "127.0.0.1:2524/inet/syslog_name=mine")
        wiring.postconf("-M", "-e", "2525/inet=2525 inet n - y - - smtpd")

        said = wiring.setup("--undo", "--all", "--yes")
        self.assertIn("have been edited since setup", said)
        for name in ("smtpd_milters", "rejoinder_milter", "127.0.0.1:2524/inet"):
            self.assertRegex(said, f"- {name} ")
        self.assertEqual(wiring.backups(), re.findall(r"rejoinder-backup\S+", said))
        main = wiring.main()
        self.assertEqual(main.pop("smtpd_milters"), f"{DKIM}, {DMARC}")
        self.assertEqual(main.pop("message_size_limit"), "20480000")
        earlier = parse_main(before["main.cf"][1].decode())
        del earlier["smtpd_milters"]
        self.assertEqual(main, earlier)
        self.assertIn("# mine\n", wiring.read("main.cf"))
        self.assertIn("#non_smtpd_milters =", wiring.read("main.cf"))
        services, options = wiring.services(), wiring.options()
        self.assertIn("2525/inet", services)
        self.assertEqual(options["submission/inet/smtpd_tls_security_level"], "may")
        for name in [*services, *options]:
            self.assertNotRegex(name, "rejoinder|2524|milter")

    def test_what_came_into_the_list_of_submission_stays_in_force(self):
        wiring = self.make(master=lambda text: enable(text, "submission"))
        wiring.setup("--yes")
        wiring.postconf("-e", f"submission_milters={OURS}, {RSPAMD}")
        self.assertIn("it names submission_milters", wiring.setup("--undo", "--yes"))
        self.assertEqual(wiring.main()["submission_milters"], RSPAMD)
        self.assertEqual(wiring.main()["non_smtpd_milters"], OUT)
        self.assertEqual(wiring.options()["submission/inet/smtpd_milters"], OUT)
        self.assertNotIn(OURS, wiring.read("main.cf"))

    def test_a_list_of_a_service_goes_back_to_what_it_inherited(self):
        wiring = self.make(main=f"smtpd_milters = {DKIM}\n",
                           master=lambda text: enable(text, "submission"))
        wiring.setup("--yes")
        wiring.postconf("-P", "-e", f"submission/inet/smtpd_milters={OUT},{RSPAMD}")
        wiring.setup("--undo", "--yes")
        self.assertEqual(wiring.options()["submission/inet/smtpd_milters"],
                         f"{DKIM},{RSPAMD}")

    def test_runs_one_after_the_other_are_undone_one_by_one(self):
        wiring = self.make()
        before = wiring.snapshot()
        wiring.setup("--yes")
        with open(wiring.config, "a", encoding="utf-8") as stream:
            stream.write(RELAY)
        self.assertIn("rejoinder-relay unix", wiring.setup("--yes"))
        self.assertEqual(len(wiring.backups()), 2)
        self.assertIn("rejoinder-relay:", wiring.read("rejoinder_transport"))
        wiring.setup("--undo", "--all", "--yes")
        self.see_restored(wiring, before)

    def test_another_relay_comes_into_the_map(self):
        wiring = self.make()
        before = wiring.snapshot()
        for account in (RELAY, RELAY.replace("Sales", "Shop").replace("sales@company", "shop@company")):
            with open(wiring.config, "a", encoding="utf-8") as stream:
                stream.write(account)
            wiring.setup("--yes")
        for address in ("sales", "shop"):
            self.assertIn(f"{address}@company.test rejoinder-relay:",
                          wiring.read("rejoinder_transport"))
        self.assertIn("nothing to do", wiring.setup("--yes"))
        wiring.setup("--undo", "--all", "--yes")
        self.see_restored(wiring, before)

    def test_what_the_listener_takes_grows_with_an_inbox(self):
        wiring = self.make()
        before = wiring.snapshot()
        wiring.setup("--yes")
        with open(wiring.config, "a", encoding="utf-8") as stream:
            stream.write("pop3 = pop3s://pop.example.org\nusername = a\npassword = b\n"
                         "mailbox = replies@company.test\nmax_message_size = 100M\n")
        wiring.setup("--yes")
        for name in ("127.0.0.1:2524/inet", "rejoinder-cleanup/unix"):
            self.assertEqual(wiring.options()[f"{name}/message_size_limit"], "150000000")
        self.assertIn("nothing to do", wiring.setup("--yes"))
        wiring.setup("--undo", "--all", "--yes")
        self.see_restored(wiring, before)

    def test_who_names_the_list_of_submission_keeps_what_it_stands_for(self):
        """The admin has opened submission since, with the lines of contrib/postfix."""
        for name in ("$submission_milters", "${submission_milters}"):
            with self.subTest(name):
                wiring = self.make(main=f"smtpd_milters = {DKIM}\n"
                                        "non_smtpd_milters = $smtpd_milters\n")
                before = wiring.main()
                wiring.setup("--yes")
                wiring.write("master.cf", wiring.read("master.cf") + (
                    f"submission inet n - y - - smtpd\n  -o smtpd_milters={name}\n"))
                said = wiring.setup("--undo", "--all", "--yes")
                self.assertIn("submission_milters stays, without Rejoinder", said)
                self.assertNotIn("byte for byte", said)
                self.assertEqual(wiring.main(), {**before, "submission_milters": DKIM})

    def test_lists_with_blanks(self):
        """postconf(1) takes these only with the whole line of a service."""
        def edit(text):
            return enable(text, "submission").replace(
                "  -o smtpd_sasl_auth_enable=yes\n",
                "  -o smtpd_sasl_auth_enable=yes\n"
                f"  -o {{ smtpd_milters = {{ {DKIM}, default_action=accept }}, {DMARC} }}\n"
                "  -o { smtpd_client_restrictions = permit_mynetworks, reject }\n", 1)
        wiring = self.make(master=edit, checks=True)
        before, options = wiring.snapshot(), wiring.options()
        wiring.setup("--yes")
        self.assertEqual(wiring.options()["submission/inet/smtpd_milters"],
                         f"{OURS},{{ {DKIM}, default_action=accept }},{DMARC}")
        self.assertIn("nothing to do", wiring.setup("--yes"))
        wiring.write("master.cf", wiring.read("master.cf") + "# mine\n")
        wiring.setup("--undo", "--all", "--yes")
        self.assertEqual(wiring.options(), options)
        self.assertIn("# mine\n", wiring.read("master.cf"))
        self.assertEqual(wiring.snapshot()["main.cf"], before["main.cf"])

    def test_the_map_of_relays_goes_unless_it_has_lines_of_others(self):
        address = "sales@company.test"
        for later, stays in (("", False), (RELAY.replace("Sales", "Shop").replace(
                address, "shop@company.test"), False), ("boss@company.test smtp:\n", True)):
            with self.subTest(later):
                wiring = self.make(accounts=RELAY)
                before = wiring.snapshot()
                wiring.setup("--yes")
                if stays:
                    text = wiring.read("rejoinder_transport") + later
                    wiring.write("rejoinder_transport", text)
                elif later:
                    with open(wiring.config, "a", encoding="utf-8") as stream:
                        stream.write(later)
                    subprocess.run([PROGRAM, "-c", wiring.config, "postfix", "maps"], check=True,
                                   stdout=subprocess.DEVNULL)
                    self.assertIn("shop@", wiring.read("rejoinder_transport"))
                said = wiring.setup("--undo", "--all", "--yes")
                if stays:
                    self.assertIn("rejoinder_transport stays", said)
                    self.assertEqual(wiring.read("rejoinder_transport"), text)
                    os.unlink(wiring.path("rejoinder_transport"))
                self.see_restored(wiring, before)

    def test_a_map_of_replies_that_names_another_operator_is_told(self):
        wiring = self.make(aliases=("postmaster",))
        wiring.setup("--yes")
        self.assertNotIn("that nobody owns", wiring.setup("--yes"))
        text = wiring.read("rejoinder_replies")
        wiring.write("rejoinder_replies", text.replace("postmaster@company.test",
                                                       "gone@company.test")
                     + "info@company.test jane@company.test\n")
        said = " ".join(wiring.setup("--yes").split())
        self.assertIn("mail to replies@company.test that nobody owns goes to gone@company.test", said)
        self.assertIn("operator of rejoinder.conf is postmaster@company.test", said)
        self.assertEqual(said.count("that nobody owns"), 1)

    def test_a_map_of_replies_with_lines_of_the_admin_stays_in_force(self):
        wiring = self.make(aliases=("postmaster",))
        wiring.setup("--yes")
        text = wiring.read("rejoinder_replies") + "info@company.test jane@company.test\n"
        wiring.write("rejoinder_replies", text)
        said = wiring.setup("--undo", "--all", "--yes")
        self.assertIn("where you have put lines", " ".join(said.split()))
        self.assertNotIn("byte for byte", said)
        self.assertEqual(wiring.read("rejoinder_replies"), text)
        self.assertEqual(wiring.main()["virtual_alias_maps"],
                         f"texthash:{wiring.etc}/rejoinder_replies")
        self.assertNotIn("smtpd_milters", wiring.main())

    def test_byte_for_byte_is_said_only_if_it_is_so(self):
        wiring = self.make(aliases=("postmaster",))
        wiring.setup("--yes")
        wiring.write("main.cf", wiring.read("main.cf") + "# mine\n")
        wiring.setup("--undo", "--yes")
        self.assertNotIn("byte for byte", wiring.setup("--undo", "--all", "--yes"))
        self.assertIn("# mine\n", wiring.read("main.cf"))
        for name in ("recipient_delimiter", "rejoinder_replies"):
            self.assertNotIn(name, wiring.read("main.cf"))

    def test_a_last_line_without_end(self):
        """Postfix reads it, postconf(1) refuses to edit it."""
        wiring = self.make(checks=True)
        for name in ("main.cf", "master.cf"):
            wiring.write(name, wiring.read(name).rstrip("\n"))
        before = wiring.snapshot()
        wiring.setup("--yes")
        self.assertIn("nothing to do", wiring.setup("--yes"))
        wiring.setup("--undo", "--yes")
        wiring.setup("--undo", "--all", "--yes")
        self.see_restored(wiring, before)

    def test_json_of_what_would_be_undone(self):
        wiring = self.make(aliases=("postmaster",))
        wiring.setup("--yes")
        before = wiring.snapshot()
        found = json.loads(wiring.setup("--undo", "--dry-run", "--json"))
        self.see_restored(wiring, before)
        self.assertEqual([edit["target"] for edit in found["stays"]],
                         ["recipient_delimiter", "virtual_alias_maps",
                          wiring.path("rejoinder_replies")])
        self.assertIs(found["restored"], True)
        self.assertEqual(found["notes"], [])

    def test_a_lost_backup_is_done_without(self):
        wiring = self.make()
        earlier = wiring.main()
        wiring.setup("--yes")
        os.unlink(wiring.path(os.path.join(wiring.backups()[0], "main.cf")))
        wiring.setup("--undo", "--all", "--yes")
        self.assertEqual(wiring.main(), earlier)


class CrashTest(SetupTest):
    """Whatever happens on the way, it can be undone, or gone on with."""

    def see_recovers(self, wiring, before):
        self.assertIn("rejoinder.setup", wiring.snapshot())
        copy = wiring.snapshot()
        wiring.setup("--undo", "--all", "--yes")
        self.see_restored(wiring, before)
        # The same from there, but on.
        for name, (mode, data) in copy.items():
            os.makedirs(os.path.dirname(wiring.path(name)), mode=0o700, exist_ok=True)
            with open(wiring.path(name), "wb") as stream:
                stream.write(data)
            os.chmod(wiring.path(name), mode)
        wiring.setup("--yes")
        self.assertIn("nothing to do", wiring.setup("--yes"))
        wiring.setup("--undo", "--all", "--yes")
        self.see_restored(wiring, before)

    def test_between_journal_and_edits(self):
        wiring = self.make(aliases=("postmaster",))
        before = wiring.snapshot()
        wiring.setup("--yes")
        for name in ("main.cf", "master.cf"):  # as they were when the journal was written
            wiring.write(name, before[name][1].decode())
        os.unlink(wiring.path("rejoinder_replies"))
        self.see_recovers(wiring, before)

    def test_between_main_and_master(self):
        wiring = self.make()
        before = wiring.snapshot()
        wiring.setup("--yes")
        wiring.write("master.cf", before["master.cf"][1].decode())
        self.see_recovers(wiring, before)

    def test_killed_after_the_edits(self):
        wiring = self.make()
        before = wiring.snapshot()
        wiring.fake("postfix", 'case "$*" in *reload) kill -9 $PPID;; esac')
        self.assertEqual(wiring.attempt("--yes", "--without-milter").returncode, -9)
        wiring.unfake("postfix")
        self.see_recovers(wiring, before)

    def test_killed_in_the_middle_of_an_edit(self):
        """Nothing has been changed then, and the copy that was edited goes with the next run."""
        wiring = self.make()
        before = wiring.snapshot()
        wiring.fake("postconf", 'case "$*" in *smtpd_milters=*) kill -9 $PPID;; esac\n'
                                'exec $real "$@"')
        self.assertEqual(wiring.attempt("--yes").returncode, -9)
        wiring.unfake("postconf")
        self.assertEqual(before["main.cf"], wiring.snapshot()["main.cf"])
        self.assertEqual(len(os.listdir(wiring.etc)), len(before) + 1)
        wiring.setup("--undo", code=NO_RESULT)
        self.see_restored(wiring, before)

    def test_postconf_fails(self):
        wiring = self.make()
        before = wiring.snapshot()
        wiring.fake("postconf", 'case "$*" in *-Me*) echo postconf: fatal: no room >&2; exit 1;; '
                                'esac\nexec $real "$@"')
        self.assertIn("no room", wiring.setup("--yes", code=CONFIG))
        self.see_restored(wiring, before)

    def test_postconf_does_nothing(self):
        """It says that all is well, and is not believed."""
        wiring = self.make()
        before = wiring.snapshot()
        wiring.fake("postconf", 'case "$*" in *-Me*) exit 0;; esac\nexec $real "$@"')
        self.assertIn("did not make the edit", wiring.setup("--yes", code=CONFIG))
        self.see_restored(wiring, before)

    def test_postfix_finds_fault_afterwards(self):
        wiring = self.make(aliases=("postmaster",))
        before = wiring.snapshot()
        wiring.fake_postfix("if test -e $directory/second; then echo fatal: no good >&2; "
                            "exit 1; fi\ntouch $directory/second")
        said = wiring.setup("--yes", code=CONFIG)
        self.assertIn("postfix check: fatal: no good", said)
        self.see_restored(wiring, before)

    def test_no_room_for_the_second_file(self):
        """Neither takes its place, nothing lies about, and it is said."""
        wiring = self.make(aliases=("postmaster",), accounts=RELAY)
        before = wiring.snapshot()
        last = "/etc/master.cf."
        for calls in ("write", "rename"):
            with self.subTest(calls):
                said = wiring.setup("--yes", code=TEMPORARY, fault=(last, calls))
                self.assertRegex(said, "nothing was changed: write .*/master.cf: No space left")
                self.see_restored(wiring, before)
        wiring.setup("--yes")
        wired = wiring.snapshot()
        said = wiring.setup("--undo", "--yes", code=TEMPORARY, fault=(last, "rename"))
        self.assertRegex(said, "nothing was changed: write .*/master.cf: No space left")
        self.see_restored(wiring, wired)
        wiring.setup("--undo", "--all", "--yes")
        self.see_restored(wiring, before)

    def test_no_room_for_the_map(self):
        wiring = self.make(accounts=RELAY)
        before = wiring.snapshot()
        said = wiring.setup("--yes", code=TEMPORARY, fault=("rejoinder_transport.", "write"))
        self.assertRegex(said, "nothing was changed: write .*rejoinder_transport: No space left")
        self.see_restored(wiring, before)

    def test_text_that_no_journal_can_hold(self):
        wiring = self.make()
        with open(wiring.path("main.cf"), "ab") as stream:
            stream.write(b"smtpd_milters = inet:localhost:1\ninternal_mail_filter_classes = \xff\n")
        before = wiring.snapshot()
        self.assertIn("nothing was changed: main.cf or master.cf holds text that is not UTF-8",
                      wiring.setup("--yes", code=CONFIG))
        self.see_restored(wiring, before)

    def test_what_is_left_by_who_was_killed(self):
        wiring = self.make()
        before = wiring.snapshot()
        os.mkdir(wiring.path("rejoinder-staged-abcXYZ"))
        for name in ("rejoinder-staged-abcXYZ/main.cf.tmp",
                     "master.cf.rejoinder-staged-abcXYZ"):
            wiring.write(name, "x")
        left = wiring.snapshot()
        wiring.setup("--undo", "--dry-run", "--yes", code=NO_RESULT)
        self.see_restored(wiring, left)
        wiring.setup("--undo", "--yes", code=NO_RESULT)
        self.see_restored(wiring, before)
        self.assertFalse(os.path.exists(wiring.path("rejoinder-staged-abcXYZ")))

    def test_files_of_the_admin_stay_whatever_they_are_called(self):
        wiring = self.make()
        for name in ("rejoinder-new-mine", "rejoinder-staged-mine", "rejoinder-staged-abcdef"):
            os.mkdir(wiring.path(name))
            wiring.write(f"{name}/notes", "x")
        for name in ("main.cf.rejoinder-backup", "master.cf.rejoinder-before",
                     "rejoinder_notes"):
            wiring.write(name, "x")
        before = wiring.snapshot()
        wiring.setup("--yes")
        wiring.setup("--undo", "--all", "--yes")
        self.see_restored(wiring, before)

    def test_somebody_edits_at_the_same_time(self):
        wiring = self.make()
        wiring.fake("postconf", 'case "$*" in *smtpd_milters=*) '
                                'echo "# mine" >>$directory/etc/main.cf;; esac\nexec $real "$@"')
        self.assertIn("has just edited", wiring.setup("--yes", code=TEMPORARY))
        self.assertEqual(wiring.backups(), [])
        wiring.unfake("postconf")
        self.assertIn("# mine", wiring.read("main.cf"))
        self.assertNotIn("milter", wiring.read("main.cf"))
        wiring.setup("--yes")


class RecipientTest(SetupTest):
    """Which addresses for replies does Postfix know?"""

    def see_known(self, line, is_known=True, **options):
        wiring = self.make(aliases=("postmaster",), **options)
        wiring.write("virtual", line)
        wiring.write("mailname", "company.test\n")
        found = [edit["target"] for edit in json.loads(wiring.setup("--dry-run", "--json"))["edits"]]
        self.assertEqual(wiring.path("rejoinder_replies") not in found, is_known, found)

    def test_an_alias_without_domain(self):
        """It holds for domains of mydestination and for myorigin, and for no other."""
        maps = "virtual_alias_maps = texthash:{etc}/virtual\n"
        virtual = maps + "virtual_alias_domains = company.test\nmydestination = localhost\n"
        for main, is_known in ((maps, True), (virtual, False),
                               (virtual + "myorigin = company.test\n", True),
                               (virtual + "myorigin = {etc}/mailname\n", True)):
            with self.subTest(main):
                self.see_known("replies bob\n", is_known, main=main)
        self.see_known("other bob\n", False, main=maps)


    def test_a_table_that_fails_is_asked_once(self):
        """It may take long each time, and there may be many accounts."""
        wiring = self.make(main="virtual_alias_maps = texthash:{etc}/none\n", accounts=(
            "[account \"Desk\"]\naddress = desk@company.test\nincoming = yes\n"))
        wiring.fake("postmap", 'echo "$*" >>$directory/asked; exec $real "$@"')
        said = wiring.setup("--dry-run")
        self.assertEqual(said.count("whether Postfix takes mail"), 1, said)
        with open(os.path.join(wiring.directory, "asked"), encoding="utf-8") as stream:
            self.assertEqual(stream.read().count("/none"), 1)


class RefusalTest(SetupTest):
    """What it cannot wire it says, and leaves alone."""

    def see_refused(self, wiring, sentence, code=CONFIG, **options):
        before = wiring.snapshot()
        self.assertRegex(wiring.setup("--yes", code=code, **options), sentence)
        self.see_restored(wiring, before)

    def test_no_postfix(self):
        wiring = self.make()
        self.see_refused(wiring, "no postconf in PATH", path=wiring.directory)

    def test_no_configuration(self):
        wiring = self.make()
        os.unlink(wiring.path("main.cf"))
        self.see_refused(wiring, r"open \S+/main.cf: No such file", TEMPORARY)

    def test_configurations_that_no_program_should_edit(self):
        mail = "127.0.0.1:10024"
        for options, sentence in (
                ({"main": "smtpd_milters = hash:/etc/postfix/milters\n"}, "expected a milter"),
                ({"main": f"smtpd_milters = {{ {DKIM}\n"}, "do not match"),
                ({"main": "recipient_delimiter = -\n"}, "set delimiter = -"),
                ({"main": f"smtpd_proxy_filter = {mail}\n"}, "smtpd_proxy_filter"),
                ({"main": "receive_override_options = no_milters\n"}, "no_milters"),
                ({"master": lambda text: text + "submission inet n\n"}, "bad field count")):
            with self.subTest(sentence):
                self.see_refused(self.make(**options), sentence,
                                 TEMPORARY if sentence == "bad field count" else CONFIG)

    def test_lists_that_name_one_another(self):
        """The milter would be called twice."""
        for main in ("smtpd_milters = $non_smtpd_milters\n"
                     f"non_smtpd_milters = {DKIM}\n",
                     f"my = $smtpd_milters\nsmtpd_milters = {DKIM}\nnon_smtpd_milters = $my\n"):
            with self.subTest(main):
                self.see_refused(self.make(main=main), "would call the milter 2 times")

    def test_a_port_that_somebody_has(self):
        """master(8) would end."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            place = "127.0.0.1:%d" % other.getsockname()[1]
            general = f"submit_to = {place}\n"
            self.see_refused(self.make(general=general), "another program listens there")
            # It may be Postfix itself, with the listener of an earlier setup.
            wiring = self.make(general=general, master=lambda text: text + (
                f"{place} inet n - y - - smtpd -o smtpd_milters={OURS}\n"))
            wiring.setup("--yes")

    def test_a_protocol_that_postfix_does_not_speak(self):
        self.see_refused(self.make(main="inet_protocols = ipv6\n"),
                         r"set submit_to = \[::1\]:2524")

    def test_no_milters_on_submission(self):
        def edit(text):
            return enable(text, "submission").replace(
                "  -o smtpd_sasl_auth_enable=yes\n",
                "  -o smtpd_sasl_auth_enable=yes\n  -o receive_override_options=no_milters\n", 1)
        self.see_refused(self.make(master=edit), "service submission has no_milters")

    def test_what_postfix_itself_finds_wrong(self):
        wiring = self.make()
        wiring.fake_postfix("echo postfix/postfix-script: fatal: bad queue >&2; exit 1")
        self.see_refused(wiring, "postfix check: .*bad queue")

    def test_a_journal_that_is_none(self):
        wiring = self.make()
        sums = ["0" * 64, "0" * 64]
        run = {"backup": "../../etc", "main.cf": sums, "master.cf": sums, "edits": []}
        wiring.write("rejoinder.setup", json.dumps({"version": 1, "runs": [run]}))
        self.see_refused(wiring, "is no journal")
        self.assertIn("is no journal", wiring.setup("--undo", "--yes", code=CONFIG))
        wiring.write("rejoinder.setup", "")
        self.see_refused(wiring, "is no journal")

    def test_json_of_what_would_be_done(self):
        wiring = self.make()
        found = json.loads(wiring.setup("--dry-run", "--json"))
        self.assertEqual(found["directory"], wiring.etc)
        edits = {edit["target"]: edit for edit in found["edits"]}
        self.assertEqual((edits["smtpd_milters"]["kind"], edits["smtpd_milters"]["before"],
                          edits["smtpd_milters"]["after"]), ("main", None, OURS))
        self.assertEqual([name for name, edit in edits.items() if edit["stays"]],
                         ["recipient_delimiter"])
        self.assertEqual(len(found["notes"]), 1)
        wiring.setup("--json", code=USAGE)

    def test_what_postconf_warns_of_is_not_repeated(self):
        wiring = self.make(main="nobody_uses = this\n")
        self.assertEqual(wiring.attempt("--yes").stderr, "")


class AskTest(SetupTest):
    def answer(self, wiring, text):
        """Run it at a terminal that says this."""
        ours, its = pty.openpty()
        try:
            os.write(ours, text.encode())
            done = wiring.attempt(stdin=its)
            self.assertIn("Make these edits? [y/N]", done.stderr)
            return done
        finally:
            os.close(ours)
            os.close(its)

    def test_without_a_terminal_nothing_is_done(self):
        wiring = self.make()
        before = wiring.snapshot()
        self.assertIn("add --yes", wiring.setup(code=USAGE))
        self.assertIn("--undo", wiring.setup("--all", "--yes", code=USAGE))
        self.see_restored(wiring, before)

    def test_no_is_an_answer(self):
        wiring = self.make()
        before = wiring.snapshot()
        for text in ("n\n", "\n"):
            self.assertEqual(self.answer(wiring, text).returncode, NO_RESULT)
            self.see_restored(wiring, before)

    def test_yes_is_one_too(self):
        wiring = self.make()
        self.assertEqual(self.answer(wiring, "y\n").returncode, 0)
        self.assertIn(OURS, wiring.read("main.cf"))

    def test_what_is_edited_while_it_asks_is_kept(self):
        wiring = self.make()
        # The last that it does before it asks.
        wiring.fake("postfix", 'case "$*" in *status) echo "# mine" >>$directory/etc/main.cf\n'
                               'exit 1;; esac')
        done = self.answer(wiring, "y\n")
        self.assertEqual(done.returncode, TEMPORARY)
        self.assertIn("has just edited", done.stderr)
        self.assertTrue(wiring.read("main.cf").endswith("# mine\n"))
        self.assertNotIn("milter", wiring.read("main.cf"))
        self.assertEqual(wiring.backups(), [])

    def test_while_no_milter_answers_postfix_at_work_is_not_wired(self):
        """It would put off all mail, at once and before any reload."""
        wiring = self.make()
        before = wiring.snapshot()
        wiring.fake("postfix", 'echo "$*" >>$directory/calls')
        said = wiring.setup("--yes", code=UNAVAILABLE)
        self.assertRegex(said, "nothing was changed: rejoinder-milter does not answer.*start it first")
        self.see_restored(wiring, before)
        said = wiring.setup("--yes", "--without-milter", "--no-reload")
        self.assertIn("start rejoinder-milter first", said)
        self.assertIn("Postfix goes by it after: postfix reload", said)
        self.assertIn(OURS, wiring.read("main.cf"))
        with open(os.path.join(wiring.directory, "calls"), encoding="utf-8") as stream:
            self.assertNotIn("reload", stream.read())

    def test_postfix_that_does_not_live_through_a_reload(self):
        wiring = self.make()
        wiring.fake("postfix", 'case "$*" in *reload) touch $directory/reloaded;;\n'
                               '*status) test ! -e $directory/reloaded;; esac')
        said = wiring.setup("--yes", "--without-milter", code=TEMPORARY)
        self.assertIn("Postfix has stopped when it was reloaded", said)


if __name__ == "__main__":
    unittest.main()
