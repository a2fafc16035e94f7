"""Which processes are ours: found in /proc by what only ours have, never by name.

A process that has ended but was not reaped yet is not there.
"""

import os


def _stat(pid):
    """(state, session), or None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            words = stream.read().rpartition(") ")[2].split()
        return words[0], int(words[3])
    except OSError:
        return None


def is_alive(pid):
    stat = _stat(pid)
    return stat is not None and stat[0] not in "ZX"


def _all():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def in_session(session):
    """The pids of a session: its leader's pid is its id."""
    return [pid for pid in _all()
            if (stat := _stat(pid)) and stat[0] not in "ZX" and stat[1] == session]


def in_directory(path):
    """The pids of the processes whose working directory this is."""
    return [pid for pid in _all() if _cwd(pid) == path and is_alive(pid)]


def _cwd(pid):
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return None


def send(pid, number):
    """Send a signal; that the process is gone already is no failure."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
