#!/usr/bin/env python3
"""Play the story on a private Postfix and print what happens.

usage: tests/integration/demo.py [--build DIR] [--keep]

Exit code 0 only if every step was seen.  Nothing is left running, whatever
happens.  With --keep it stays up after the story until Ctrl-C, and says how to
send mail into it and how to look.
"""

import argparse
import os
import shlex
import signal
import sys
import textwrap
import traceback

from inbox_story import ALERT_S
from mail import changes
from private_dovecot import PASSWORDS
from private_postfix import USERS, need_root
from scene import CONFIG, EXTERNAL, INBOXES
from story import STEPS, Story
from world import World

WIDTH = 80
SHOWN_LINES = 12  # of a body


class Teller:
    """Prints the story: plain text, colours only on a terminal."""

    def __init__(self, stream):
        self._stream = stream
        self._is_colour = stream.isatty() and "NO_COLOR" not in os.environ
        self.claims = 0

    def _print(self, text="", code=None):
        if code and self._is_colour:
            text = f"\033[{code}m{text}\033[0m"
        print(text, file=self._stream, flush=True)

    def _fold(self, first, rest, text, code=None):
        """Print text under a margin, broken at blanks where it can be."""
        lines = []
        for paragraph in text.split("\n"):
            paragraph = paragraph.replace("\t", "    ").rstrip("\r")
            lines += textwrap.wrap(paragraph, WIDTH - len(rest), break_on_hyphens=False,
                                   replace_whitespace=False) or [""]
        for number, line in enumerate(lines):
            self._print(((first if number == 0 else rest) + line).rstrip(), code)

    def step(self, number, title):
        self._print()
        self._print(f"== {number}. {title} ".ljust(WIDTH, "="), "1")

    def say(self, text):
        self._print()
        self._fold("", "", text)

    def sent(self, how, mail):
        self._print()
        self._print(f"  SENT by {how}", "1")
        for name, value in mail.fields:
            self._field("  ", name, value)
        self._body(mail)

    def arrived(self, where, before, after):
        self._print()
        self._print(f"  ARRIVED {where}", "1")
        if before is None:
            for name, value in after.without(
                    "Received", "Return-Path", "X-Original-To", "Delivered-To"):
                mark = "+ " if name.startswith("Rejoinder-") else "  "
                self._field(mark, name, value, "32" if mark == "+ " else None)
            self._body(after)
            return
        found = changes(before, after)
        for kind, name, old, new in found:
            if old is not None:
                self._field("- ", name, old, "31")
            if new is not None:
                self._field("+ ", name, new, "32")
        if before.body != after.body:
            self._print("    the body has changed", "31")
        elif found:
            self._print("    all other fields and the body as sent")
        else:
            self._print("    every field and the body as sent")

    def _field(self, mark, name, value, code=None):
        self._fold(f"  {mark}| ", f"  {mark}|   ", f"{name}: {value}", code)

    def _body(self, mail):
        lines = mail.body.decode("utf-8", "replace").rstrip("\n").split("\n")
        self._print("    |")
        for line in lines[:SHOWN_LINES]:
            self._fold("    | ", "    | ", line)
        if len(lines) > SHOWN_LINES:
            self._print(f"    | ... {len(lines) - SHOWN_LINES} more lines")

    def file(self, what, text):
        self._print()
        self._print(f"  {what}", "1")
        for line in text.strip("\n").split("\n"):
            self._print(f"    | {line}".rstrip())

    def command(self, arguments, output):
        self._print()
        self._print("  $ rejoinder " + shlex.join(arguments), "1")
        for line in output.rstrip("\n").split("\n"):
            self._print(("    " + line).rstrip())
        self._print()

    def seen(self, claim):
        self.claims += 1
        self._fold("  seen: ", "        ", claim, "36")


def play(story, teller):
    """Play all steps; return True if every one was seen."""
    for number in range(1, len(STEPS) + 1):
        try:
            story.play(number)
        except Exception as error:  # whatever it was, the step was not seen
            if not isinstance(error, AssertionError):
                traceback.print_exc()
            print(f"\nStep {number} FAILED: {error}\n", flush=True)
            for daemon in (*story.rejoinder.daemons, story.postfix):
                print(f"{daemon.log_file} ends:\n{_tail(daemon.log())}", flush=True)
            return False
    print(f"\nAll {len(STEPS)} steps were seen ({teller.claims} observations).", flush=True)
    return True


def _tail(text, count=15):
    return "\n".join("  " + line for line in text.splitlines()[-count:]) + "\n"


def explain(world):
    """How to send mail into what is running, and how to look."""
    postfix, rejoinder = world.postfix, world.rejoinder
    one_liner = (
        "import smtplib, ssl; s = smtplib.SMTP('127.0.0.1', {port}); {login}"
        "s.sendmail('{sender}', '{to}', 'From: {sender}\\nTo: {to}\\nSubject: Try\\n\\nHello.\\n')")
    login = "s.starttls(context=ssl._create_unverified_context()); s.login('jane', '{}'); ".format(
        PASSWORDS["jane"])
    from_jane = one_liner.format(port=postfix.submission, login=login,
                                 sender="jane@company.test", to="customer@example.org")
    from_outside = one_liner.format(
        port=postfix.smtp25, login="", sender="customer@example.org", to="replies@company.test"
    ).replace(f"{postfix.smtp25})", f"{postfix.smtp25}, source_address=('127.0.0.2', 0))")
    users = ", ".join(f"{user} ({password})" for user, password in PASSWORDS.items())
    print(f"""
Still running, until Ctrl-C.

Submission (STARTTLS, AUTH): 127.0.0.1 port {postfix.submission}; users (passwords): {users}
From outside:                127.0.0.1 port {postfix.smtp25}, coming from 127.0.0.2
  (who comes from 127.0.0.1 is trusted)

Jane writes to a customer:
  /usr/bin/python3 -c "{from_jane}"
  swaks --server 127.0.0.1 --port {postfix.submission} -tls -a -au jane -ap {PASSWORDS["jane"]} \\
      --from jane@company.test --to customer@example.org
  printf 'From: jane@company.test\\nSubject: Try\\n\\nHello.\\n' |
      /usr/sbin/sendmail -C {postfix.etc} -f jane@company.test customer@example.org

A customer writes (for an answer, take the Reply-To of what arrived at the far side; if
nobody answers him, {ALERT_S} seconds later there is an alert in the mailboxes of the owner and team):
  /usr/bin/python3 -c "{from_outside}"
  swaks --server 127.0.0.1 --port {postfix.smtp25} --local-interface 127.0.0.2 \\
      --from customer@example.org --to replies@company.test

Something waits at the provider, for the fetcher (a file in Dovecot's maildir):
  printf 'From: customer@example.org\\nTo: {EXTERNAL}\\nSubject: Try\\n\\nHello.\\n' \\
      > {world.dovecot.inbox(EXTERNAL).path}/new/try

Look:
  {rejoinder.program("rejoinder")} -c {rejoinder.config_file} list
  {rejoinder.program("rejoinder")} -c {rejoinder.config_file} show ID
  {rejoinder.program("rejoinder")} -c {rejoinder.config_file} status
  {rejoinder.program("rejoinder")} -c {rejoinder.config_file} accounts
  mailboxes        {postfix.mailboxes}/NAME/new   ({", ".join(USERS)})
  the far side     {world.far.directory}   (example.org and example.com; nobody@ is unknown)
  our logs         {rejoinder.directory}/milter.log, fetcher.log, scheduler.log
  Postfix's log    {postfix.log_file}
  configuration    {rejoinder.config_file}
                   {postfix.etc}/main.cf, master.cf
""", flush=True)


def main():
    parser = argparse.ArgumentParser(usage="demo.py [--build DIR] [--keep]")
    parser.add_argument("--build", default=None)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    need_root()
    sys.stdout.reconfigure(errors="replace")
    # Said aloud, since a shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))

    world = World(CONFIG, build=arguments.build,
                  postfix={"listeners": {"plain": ["smtpd_milters="]}}, inboxes=INBOXES)
    print("Starting a private Postfix (from contrib/postfix), a Dovecot for its passwords and\n"
          "for an external inbox, and rejoinder-milter on free loopback ports.  Inside is\n"
          "company.test, with Jane and Bob; outside, at a fake far side, is the customer at\n"
          "example.org.\n"
          f"Everything is below {world.directory}", flush=True)
    world.far.directory = os.path.join(world.directory, "far")
    is_seen = False
    try:
        world.start()
        teller = Teller(sys.stdout)
        is_seen = play(Story(world, teller), teller)
        if arguments.keep:
            explain(world)
            signal.pause()
    except KeyboardInterrupt:
        print("\nStopping.", flush=True)
        is_seen = is_seen and arguments.keep
    finally:
        # A second Ctrl-C must not leave a Postfix behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        world.stop()
    return 0 if is_seen else 1


if __name__ == "__main__":
    sys.exit(main())
