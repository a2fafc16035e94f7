#!/usr/bin/env python3
"""How fast messages are read, on one core, beside Python's email package.

usage: parse.py --build DIR [--seconds N] [--rounds N] [FILE...]

Small messages of several kinds are made (or those named are taken); in turn, tests/bench/parse.c
reads them as the milter does - header, parts, class, candidates for the
conversation - and Python's email package parses them, which is what a filter written in Python
would begin with.  What counts is the ratio of CPU time within a round.
"""

import argparse
import email
import email.policy
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

from mail import compose  # noqa: E402
from rejoinder import Rejoinder  # noqa: E402

CONFIG = """\
[rejoinder]
domains = company.test
staff = @company.test
authserv_id = mx.company.test

[account "Replies"]
address = replies@company.test
incoming = yes
outgoing = yes
default_incoming = yes
default_outgoing = yes
"""

TEXT = "All the lines of this body look like this one, and say nothing new.\n"

MULTIPART = """\
This is a message in two parts.

--part
Content-Type: text/plain; charset=utf-8

{text}
--part
Content-Type: text/html; charset=utf-8

<p>{text}</p>
--part--
"""

REPORT = """\
--part
Content-Type: text/plain

Your message could not be delivered.

--part
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; nobody@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--part
Content-Type: message/rfc822

From: replies@company.test
Message-ID: <returned-{number}@company.test>
Subject: Order

{text}
--part--
"""


def make_messages(directory, count=90):
    """A third each: plain answers, answers in two parts, reports."""
    paths = []
    for number in range(count):
        fields = {"Received": [f"from a{i}.example.org by b{i}.example.org; "
                               "Sun, 22 Nov 2026 10:00:00 +0000" for i in range(4)],
                  "In_Reply_To": f"<one-{number}@company.test>",
                  "References": f"<root-{number}@company.test> <one-{number}@company.test>"}
        sender, body = "customer@example.org", TEXT * 20
        if number % 3 == 1:
            fields["Content_Type"] = 'multipart/alternative; boundary="part"'
            body = MULTIPART.format(text=TEXT * 10)
        elif number % 3 == 2:
            sender = "mailer-daemon@example.org"
            fields["Content_Type"] = \
                'multipart/report; report-type=delivery-status; boundary="part"'
            body = REPORT.format(number=number, text=TEXT * 10)
        paths.append(os.path.join(directory, f"{number}.eml"))
        with open(paths[-1], "wb") as stream:
            stream.write(compose(sender, "replies@company.test", f"Re: Order {number}", body,
                                 MIME_Version="1.0", **fields))
    return paths


def ours(build, config, paths, seconds):
    output = subprocess.run([os.path.join(build, "tests", "bench", "parse"), config, str(seconds),
                             *paths], check=True, stdout=subprocess.PIPE, text=True).stdout
    messages, size, taken = re.match(r"(\d+) messages, (\d+) bytes, ([\d.]+) s", output).groups()
    return int(messages) / float(taken), int(size) / int(messages)


def python(paths, seconds):
    data = []
    for path in paths:
        with open(path, "rb") as stream:
            data.append(stream.read())
    began, messages = time.process_time(), 0
    while time.process_time() - began < seconds:
        for one in data:
            message = email.message_from_bytes(one, policy=email.policy.compat32)
            for part in message.walk():
                part.get_content_type()
        messages += len(data)
    return messages / (time.process_time() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "plain"))
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="rejoinder-parse-")
    try:
        rejoinder = Rejoinder(directory, os.path.join(directory, "milter"), CONFIG,
                              arguments.build)
        rejoinder.write_config(CONFIG)
        rejoinder.run("keys", "add")
        paths = arguments.files or make_messages(directory)
        rates, ratios = [], []
        for number in range(arguments.rounds):
            rate, size = ours(arguments.build, rejoinder.config_file, paths, arguments.seconds)
            beside = python(paths, arguments.seconds)
            rates.append(rate)
            ratios.append(rate / beside)
            print(f"parse, round {number + 1}: rejoinder {rate:.0f}, Python's email {beside:.0f} "
                  "messages/s", flush=True)
        print(f"parse, messages of {size:.0f} bytes: {statistics.median(rates):.0f} messages/s on "
              f"one core, {statistics.median(ratios):.0f} times Python's email "
              f"(from {min(ratios):.0f} to {max(ratios):.0f})")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
