#!/usr/bin/env python3
"""How fast mail goes through Postfix with Rejoinder, with a filter that does nothing, with none.

usage: throughput.py --build DIR [--messages N] [--rounds N] [--where memory|disk|both] [--no-slow]

Three listeners of one private Postfix take the same load in turn, half outbound
and half replies, over 20 sessions; the queue and the store lie in /dev/shm
(memory) or in the temporary directory (disk).  What counts is the ratio within
a round: the paired medians at the end.  Then, per place, one round on a disk
whose fdatasync takes 5 ms longer, with the average batch of the group commit.
Nothing is asserted but that every message was accepted.  Needs root.
"""

import argparse
import atexit
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

from fault import fault_environment  # noqa: E402
from load_rig import LoadRig, SESSIONS  # noqa: E402
from wait import wait_for  # noqa: E402

VARIANTS = ("rejoinder", "nothing", "none")
SEEDS = 100
FIRST = 1001
SYNC_MS = 5


def start_nothing(rig):
    """The do-nothing filter, where its listener looks for it."""
    path = os.path.join(os.path.dirname(rig.postfix.milter_socket), "nothing.sock")
    process = subprocess.Popen([os.path.join(rig.build, "tests", "bench", "nothing_milter"),
                                f"unix:{path}"], stdin=subprocess.DEVNULL, start_new_session=True)
    atexit.register(process.kill)
    wait_for(lambda: os.path.exists(path) and process.poll() is None, "the do-nothing filter")
    return process


def stop(process):
    process.kill()
    process.wait()
    atexit.unregister(process.kill)


def run(rig, variant, first, count):
    outcome = rig.send(first, count, port=rig.postfix.ports[variant])
    if set(outcome.replies.values()) != {"250"}:
        raise SystemExit(f"with {variant} not every message was accepted:\n{outcome.output}")
    rig.postfix.wait_idle(deadline=600)
    return outcome.rate


def make_rig(arguments, parent, environment=None):
    milter = "unix:rejoinder/nothing.sock"
    listeners = {"rejoinder": ["smtpd_milters=$rejoinder_milter"],
                 "nothing": [f"smtpd_milters={milter}"],
                 "none": ["smtpd_milters="]}
    return LoadRig(arguments.build, environment, parent, keeps_mail=False,
                   postfix={"listeners": listeners})


def compare(arguments, place, parent):
    rates = {variant: [] for variant in VARIANTS}
    with make_rig(arguments, parent) as rig:
        nothing = start_nothing(rig)
        rig.seed(SEEDS)
        first = FIRST
        for number in range(arguments.rounds):
            # Each round begins with another, so that none always follows the same.
            for i in range(len(VARIANTS)):
                variant = VARIANTS[(number + i) % len(VARIANTS)]
                rates[variant].append(run(rig, variant, first, arguments.messages))
                first += arguments.messages
            line = ", ".join(f"{variant} {rates[variant][-1]:.0f}" for variant in VARIANTS)
            print(f"{place}, round {number + 1}: {line} messages/s", flush=True)
        stop(nothing)
        committer = rig.finish()
    for variant in VARIANTS:
        print(f"{place}: {variant} {statistics.median(rates[variant]):.0f} messages/s")
    for other in ("nothing", "none"):
        ratios = [ours / theirs for ours, theirs in zip(rates["rejoinder"], rates[other])]
        print(f"{place}: rejoinder/{other} {statistics.median(ratios):.2f} "
              f"(from {min(ratios):.2f} to {max(ratios):.2f})")
    print(f"{place}: average batch {committer['average']}, largest {committer['largest']:.0f}",
          flush=True)


def slow(arguments, place, parent):
    environment = fault_environment(arguments.build, calls="sync", delay_ms=SYNC_MS)
    with make_rig(arguments, parent, environment) as rig:
        rig.seed(SEEDS)
        rate = run(rig, "rejoinder", FIRST, arguments.messages)
        committer = rig.finish()
    print(f"{place}, sync +{SYNC_MS} ms: rejoinder {rate:.0f} messages/s, "
          f"average batch {committer['average']}, largest {committer['largest']:.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "plain"))
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--where", choices=("memory", "disk", "both"), default="both")
    parser.add_argument("--no-slow", action="store_true")
    arguments = parser.parse_args()
    places = {"memory": "/dev/shm", "disk": tempfile.gettempdir()}
    chosen = places if arguments.where == "both" else [arguments.where]
    print(f"{arguments.messages} messages of 5 KB, {SESSIONS} sessions, half outbound, "
          "half replies", flush=True)
    for place in chosen:
        compare(arguments, place, places[place])
        if not arguments.no_slow:
            slow(arguments, place, places[place])
    return 0


if __name__ == "__main__":
    sys.exit(main())
