#!/usr/bin/env python3
"""Run the tests of a build and count them.

usage: tests/run.py --build DIR [--long] [--jobs N] [unit] [fuzz] [integration] [NAME...]

unit: the cmocka programs; fuzz: every fuzz entry with its corpus; integration:
the unittest modules in tests/integration, each in a process of its own, which
need root.  A NAME such as test_story or fuzz_header leaves only those of that
name.  A line a program, the output of what failed, and at the end
`N passed, N failed, N skipped`, counting single tests.  Exit code 1 if any
failed.  N programs at once, by default one a processor; with --long one, since
the long forms measure.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KINDS = ("unit", "fuzz", "integration")
UNIT_SECONDS = 300
MODULE_SECONDS = 600
MODULE_SECONDS_LONG = 1800
CLEANUP_SECONDS = 60

_TAP = re.compile(r"^(not )?ok \d+ (# SKIP|-) ?(.*)$", re.MULTILINE)


class Outcome:
    """What a test program came to."""

    def __init__(self, passed=0, failed=0, skipped=(), output=""):
        self.passed = passed
        self.failed = failed
        self.skipped = list(skipped)  # (name, reason)
        self.output = output


def run_program(command, seconds, environment=None):
    """Run to the end or the timeout; return (exit code or None, output)."""
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env={**os.environ, **(environment or {})})
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output.decode(errors="replace")
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)  # a module stops its servers on this
        try:
            output, _ = process.communicate(timeout=CLEANUP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        return None, output.decode(errors="replace") + f"\nnot finished after {seconds} s\n"


def tap_outcome(code, output):
    """What a cmocka program says in TAP.  cmocka 1.1.5 writes a skip as `not ok N # SKIP`."""
    outcome = Outcome(output=output)
    for negated, mark, name in _TAP.findall(output):
        if mark == "# SKIP":
            outcome.skipped.append((name, "skipped by the test itself"))
        elif negated:
            outcome.failed += 1
        else:
            outcome.passed += 1
    planned = sum(int(count) for count in re.findall(r"^1\.\.(\d+)$", output, re.MULTILINE))
    reported = outcome.passed + outcome.failed + len(outcome.skipped)
    if planned > reported:  # it died on the way
        outcome.failed += planned - reported
        outcome.output += f"\n{planned - reported} of {planned} tests did not report\n"
    elif outcome.failed == 0 and (code != 0 or reported == 0):
        outcome.failed += 1
    if outcome.failed and code not in (None, 0, outcome.failed):
        outcome.output += f"\nexit code {code}\n"
    return outcome


def run_unit(path, _arguments):
    return tap_outcome(*run_program([path], UNIT_SECONDS, {"CMOCKA_MESSAGE_OUTPUT": "TAP"}))


def run_fuzz(path, _arguments):
    corpus = os.path.join(ROOT, "tests", "data", "fuzz", _name(path).removeprefix("fuzz_"))
    if not os.path.isdir(corpus) or not os.listdir(corpus):
        return Outcome(failed=1, output=f"no corpus in {os.path.relpath(corpus, ROOT)}\n")
    code, output = run_program([path, corpus], UNIT_SECONDS)
    if code != 0:
        return Outcome(failed=1, output=f"{output}\nexit code {code}\n")
    return Outcome(passed=1)


def run_module(path, arguments):
    environment = {"REJOINDER_BUILD": os.path.abspath(arguments.build),
                   "REJOINDER_LONG": "1" if arguments.long else "0",
                   "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.NamedTemporaryFile() as result:
        code, output = run_program(
            [sys.executable, os.path.abspath(__file__), "--module", path, "--result", result.name],
            MODULE_SECONDS_LONG if arguments.long else MODULE_SECONDS, environment)
        text = result.read()
    if not text:  # it timed out or died
        return Outcome(failed=1, output=f"{output}\nexit code {code}\n")
    counted = json.loads(text)
    if code != 0 and not counted["failed"]:
        counted["failed"] = 1
        output += f"\nexit code {code}\n"
    return Outcome(counted["passed"], counted["failed"], counted["skipped"], output)


class _Result(unittest.TextTestResult):
    """Counts passes too; a sub-test that fails makes its method one failure."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def module_process(path, result_path):
    """The child's side of run_module: run the module's tests, write the counts."""
    # unittest lets only KeyboardInterrupt through; atexit then stops what a test started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    name = os.path.basename(path).removesuffix(".py")
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName(name)
        runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=_Result)
        result = runner.run(suite)
    except KeyboardInterrupt:
        return 130
    broken = {getattr(test, "test_case", test).id() for test, _ in result.failures + result.errors}
    counted = {
        "passed": result.passed,
        "failed": len(broken) + len(result.unexpectedSuccesses),
        "skipped": [(str(test), reason) for test, reason in result.skipped],
    }
    if not any(counted.values()):
        counted["failed"] = 1
        print(f"{name} holds no tests")
    with open(result_path, "w", encoding="utf-8") as stream:
        json.dump(counted, stream)
    return 1 if counted["failed"] else 0


def find_programs(kind, build):
    if kind == "integration":
        return sorted(glob.glob(os.path.join(ROOT, "tests", "integration", "test_*.py")))
    prefix = {"unit": "test_", "fuzz": "fuzz_"}[kind]
    folder = os.path.join(os.path.abspath(build), "tests", kind)
    return [path for path in sorted(glob.glob(os.path.join(folder, prefix + "*")))
            if os.access(path, os.X_OK) and "." not in os.path.basename(path)]


RUNNERS = {"unit": run_unit, "fuzz": run_fuzz, "integration": run_module}


def run_kind(kind, names, arguments, total):
    programs = find_programs(kind, arguments.build)
    if names:
        programs = [path for path in programs if _name(path) in names]
    if kind == "integration" and programs and os.geteuid() != 0:
        print("integration: FAILED: these tests need root (they start a Postfix); run them as root")
        total.failed += 1
        return set()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        running = [pool.submit(_timed, RUNNERS[kind], path, arguments) for path in programs]
        try:
            for job in concurrent.futures.as_completed(running):
                _report(kind, *job.result(), total)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return set(map(_name, programs))


def _timed(runner, path, arguments):
    started = time.monotonic()
    outcome = runner(path, arguments)
    return path, outcome, time.monotonic() - started


def _report(kind, path, outcome, seconds, total):
    counts = f"{outcome.passed} passed, {outcome.failed} failed, {len(outcome.skipped)} skipped"
    print(f"{kind}/{_name(path)}: {counts} ({seconds:.1f} s)")
    if outcome.failed:
        print(_indent(outcome.output))
    else:
        measured = re.findall(r"measured: .*", outcome.output)
        print(_indent("\n".join(measured)) + "\n" if measured else "", end="")
    for name, reason in outcome.skipped:
        print(f"    skipped: {name}: {reason}")
    sys.stdout.flush()
    total.passed += outcome.passed
    total.failed += outcome.failed
    total.skipped += outcome.skipped


def _name(path):
    return os.path.basename(path).removesuffix(".py")


def _indent(text):
    return "\n".join("    " + line for line in text.rstrip().splitlines())


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("--build")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--module", help=argparse.SUPPRESS)
    parser.add_argument("--result", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    if arguments.module:
        return module_process(arguments.module, arguments.result)
    if not arguments.build:
        parser.error("--build is missing")
    if arguments.jobs is None:
        arguments.jobs = 1 if arguments.long else os.cpu_count() or 1
    kinds = [word for word in arguments.words if word in KINDS] or list(KINDS)
    names = {_name(word) for word in arguments.words if word not in KINDS}
    sys.stdout.reconfigure(errors="replace")

    total, ran = Outcome(), set()
    for kind in kinds:
        ran |= run_kind(kind, names, arguments, total)
    for name in sorted(names - ran) if total.failed == 0 else ():
        print(f"{name}: FAILED: no such test")
        total.failed += 1
    if not ran and not total.failed:
        print(f"{', '.join(kinds)}: FAILED: no tests in {arguments.build}")
        total.failed += 1
    print(f"{total.passed} passed, {total.failed} failed, {len(total.skipped)} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
