"""Our own programs, as a test runs them: a configuration, keys, the daemons, the command."""

import atexit
import json
import os
import re
import signal
import socket
import subprocess

from wait import wait_for

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Lines of the log that need attention.
_PROBLEM = re.compile(r"^[\w-]+: (?:warning|error): |Sanitizer|runtime error:")

# What a machine with a full disk makes the scheduler say, whatever the test does.
_MACHINE = re.compile(r": \d+ MB of \d+ MB are free on the disk of ")


def build_directory():
    """The build under test: REJOINDER_BUILD, or build/plain."""
    return os.path.abspath(os.environ.get("REJOINDER_BUILD")
                           or os.path.join(_ROOT, "build", "plain"))


def is_long():
    """Are the long forms of the tests asked for?"""
    return os.environ.get("REJOINDER_LONG") == "1"


class Daemon:
    """One of our programs that stay in the foreground, its log in a file.

    rejoinder: beside whose store and configuration it runs.
    program: its name.  log_name: of the log file, without .log.
    is_ready: called after the start until it is true; without it the program is
        ready when it has logged its version.
    environment: for this program only, e.g. LD_PRELOAD; umask: -1 leaves it.
    """

    def __init__(self, rejoinder, program, log_name=None, is_ready=None, environment=None,
                 umask=-1):
        self.rejoinder = rejoinder
        self.program = program
        self.log_file = os.path.join(
            rejoinder.directory, (log_name or program.removeprefix("rejoinder-")) + ".log")
        self.environment = environment or {}
        self._is_ready = is_ready or self._has_logged_its_version
        self._umask = umask
        self._process = None
        self._start_offset = 0  # of this run in the log
        self._log_offset = 0    # of what problems() has not seen

    # Life

    @property
    def pid(self):
        return self._process.pid if self._process else None

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def start(self):
        self._start_offset = len(self.log())
        with open(self.log_file, "ab") as log:
            self._process = subprocess.Popen(
                [self.rejoinder.program(self.program), "-c", self.rejoinder.config_file],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, umask=self._umask,
                env={**os.environ, **self.environment}, start_new_session=True)
        atexit.register(self.kill)
        wait_for(self._is_up, lambda: f"{self.program}; its log:\n{self.log()}")
        return self

    def _is_up(self):
        process = self._process
        if process is None:  # killed by another thread of the test, which may want just that
            return True
        if process.poll() is not None:
            raise AssertionError(f"{self.program} ended with {process.returncode}:\n{self.log()}")
        return self._is_ready()

    def _has_logged_its_version(self):
        return ": info: version " in self.log()[self._start_offset:]

    def reload(self):
        self._process.send_signal(signal.SIGUSR1)

    def stop(self, deadline=60):
        """Stop it as systemd does; it must end with 0."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self.program} did not stop in {deadline} s:\n{self.log()}") from None
        self._forget()
        if code != 0:
            raise AssertionError(f"{self.program} ended with {code}:\n{self.log()}")

    def kill(self):
        """kill -9, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget()

    def _forget(self):
        atexit.unregister(self.kill)
        self._process = None

    # The log

    def log(self):
        if not os.path.exists(self.log_file):
            return ""
        with open(self.log_file, encoding="utf-8", errors="replace") as stream:
            return stream.read()

    def wait_log(self, pattern, deadline=30.0):
        return wait_for(lambda: re.search(pattern, self.log()),
                        lambda: f"{pattern!r} in the log of {self.program}:\n"
                                f"{self.log()[-3000:]}", deadline)

    def problems(self, *allowed):
        """Warnings and worse since the last call, but those that match one of `allowed`."""
        text = self.log()
        fresh, self._log_offset = text[self._log_offset:], len(text)
        return [line for line in fresh.splitlines() if _PROBLEM.search(line)
                and not _MACHINE.search(line)
                and not any(re.search(pattern, line) for pattern in allowed)]

    def check_log(self, *allowed):
        if found := self.problems(*allowed):
            raise AssertionError(f"{self.program} complains:\n  " + "\n  ".join(found))


class Rejoinder:
    """Our daemons beside a PrivatePostfix, and the `rejoinder` command for their store.

    directory: where configuration, keys, store and logs go.
    socket_path: the milter's; its directory must exist.
    config: what rejoinder.conf says beyond the paths; the [rejoinder] section
        comes first in it, and the paths are put at its beginning.
    environment: for the milter only, e.g. LD_PRELOAD.
    submit_port: of Postfix's listener for our own programs; a configuration
        that says submit_to itself has its way.

    start() starts the milter; .fetcher and .scheduler are started by who wants
    them.  pid, log and kill() are the milter's, what is about problems is everybody's.
    """

    def __init__(self, directory, socket_path, config, build=None, environment=None,
                 submit_port=None):
        self.directory = os.path.abspath(directory)
        self.socket_path = socket_path
        self.build = os.path.abspath(build or build_directory())
        self.config_file = os.path.join(self.directory, "rejoinder.conf")
        self.store = os.path.join(self.directory, "rejoinder.db")
        self.keys = os.path.join(self.directory, "keys")
        self._config = config
        self._submit = f"submit_to = 127.0.0.1:{submit_port}\n" if submit_port else ""
        # The socket takes its mode from the umask, as it does under systemd.
        self.milter = Daemon(self, "rejoinder-milter", is_ready=self._milter_answers,
                             environment=environment, umask=0o007)
        self.fetcher = Daemon(self, "rejoinder-fetcher")
        self.scheduler = Daemon(self, "rejoinder-scheduler")
        self.daemons = (self.fetcher, self.scheduler, self.milter)  # as they are stopped

    def program(self, name):
        return os.path.join(self.build, "bin", name)

    def start(self):
        """Configuration, a key if there is none yet, and the milter."""
        self.write_config(self._config)
        if not os.path.exists(self.keys):
            self.run("keys", "add")
        self.start_milter()
        return self

    def write_config(self, config):
        """Write rejoinder.conf; a daemon that runs sees it after reload()."""
        os.makedirs(self.directory, exist_ok=True)
        head, mark, rest = config.partition("[rejoinder]\n")
        if not mark:
            raise ValueError("the configuration has no [rejoinder] section")
        submit = "" if "\nsubmit_to =" in config else self._submit
        backup = ("" if "\nbackup_directory =" in config
                  else f"backup_directory = {self.directory}/backup\n")
        paths = (f"milter_socket = unix:{self.socket_path}\nstore = {self.store}\n"
                 f"keys = {self.keys}\nlog = stderr\n{backup}{submit}")
        with open(self.config_file, "w", encoding="utf-8") as stream:
            stream.write(head + mark + paths + rest)

    def stop(self, deadline=60):
        """Stop what runs as systemd does; each must end with 0."""
        failure = None
        for daemon in self.daemons:
            try:
                daemon.stop(deadline)
            except AssertionError as error:  # the others must stop too
                failure = failure or error
        if failure:
            raise failure

    # The milter

    def start_milter(self):
        self.milter.start()

    def _milter_answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket_path) == 0

    @property
    def pid(self):
        return self.milter.pid

    @property
    def environment(self):
        return self.milter.environment

    @environment.setter
    def environment(self, environment):
        self.milter.environment = environment

    @property
    def log_file(self):
        return self.milter.log_file

    def reload(self):
        self.milter.reload()

    def kill(self):
        self.milter.kill()

    def log(self):
        return self.milter.log()

    def wait_log(self, pattern, deadline=30.0):
        return self.milter.wait_log(pattern, deadline)

    # The command

    def attempt(self, *args):
        """Run `rejoinder -c CONFIG args...`; return its CompletedProcess."""
        return subprocess.run([self.program("rejoinder"), "-c", self.config_file, *args],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)

    def run(self, *args, code=0):
        """Run the command, expect this exit code; return what it printed."""
        done = self.attempt(*args)
        output, errors = done.stdout.decode(), done.stderr.decode(errors="replace")
        if done.returncode != code:
            raise AssertionError(f"rejoinder {' '.join(args)} ended with {done.returncode}, "
                                 f"not {code}:\n{output}{errors}")
        return output

    def json(self, *args):
        """Run the command with --json; return what it printed, parsed."""
        output = self.run(*args, "--json")
        try:
            return json.loads(output)
        except ValueError as error:
            raise AssertionError(
                f"rejoinder {' '.join(args)} --json printed no JSON ({error}):\n{output}") from None

    # All logs

    def problems(self, *allowed):
        """Warnings and worse since the last call, but those that match one of `allowed`."""
        return [line for daemon in self.daemons for line in daemon.problems(*allowed)]

    def check_log(self, *allowed):
        if found := self.problems(*allowed):
            raise AssertionError("Rejoinder complains:\n  " + "\n  ".join(found))
