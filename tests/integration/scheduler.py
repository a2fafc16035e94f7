"""Where alerts go in tests, and the time that passes for the store."""

import contextlib
import fcntl
import os
import sqlite3
import threading

from fake_smtp import FakeSmtp
from wait import wait_for


class AlertSink(FakeSmtp):
    """Where alerts are sent to: it can also take a message and die before it says so."""

    def __init__(self):
        super().__init__()
        self.drops = 0        # how many of the next messages it takes so
        self.on_keep = None   # is called, once, before it says that it took a message
        self._sessions = 0
        self._counting = threading.Lock()
        self._serve, self._server.finish_request = self._server.finish_request, self._count

    def _count(self, *args):
        with self._counting:
            self._sessions += 1
        try:
            self._serve(*args)
        finally:
            with self._counting:
                self._sessions -= 1

    def wait_quiet(self):
        """Wait until nobody is connected: what was on its way from a killed client has come."""
        wait_for(lambda: self._sessions == 0, "the end of all sessions")

    def keep(self, received):
        super().keep(received)
        call, self.on_keep = self.on_keep, None
        if call:
            call()
        if self.drops > 0:
            self.drops -= 1
            raise ConnectionAbortedError

    def about(self, customer):
        """The alerts whose answer goes to this customer."""
        return [one for one in self.messages() if one.mail.value("Reply-To") == customer]

    def wait_about(self, customer, count):
        return wait_for(
            lambda: len(self.about(customer)) >= count and self.about(customer),
            lambda: f"{count} alerts about {customer}, {len(self.about(customer))} came")


@contextlib.contextmanager
def _write(store):
    """A write transaction as our programs make it: under the lock file."""
    with open(store + "-lock", "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as database:
            database.execute("PRAGMA wal_autocheckpoint = 0")
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")


def let_waits_age(store, seconds, customers="%"):
    """These customers (a pattern of LIKE) have waited that much longer."""
    with _write(store) as database:
        database.execute(
            "UPDATE wait SET started_at = started_at - ?1,"
            " due_at = CASE WHEN due_at < 9223372036854775807 THEN due_at - ?1 ELSE due_at END"
            " WHERE customer LIKE ?2", (seconds, customers))


def let_snoozes_end(store):
    """Whoever was to be reminded later is to be reminded now."""
    with _write(store) as database:
        database.execute("UPDATE conversation SET snoozed_until = unixepoch()"
                         " WHERE snoozed_until IS NOT NULL")
        database.execute("UPDATE wait SET due_at = NULL WHERE ended_at IS NULL")


def let_messages_age(store, seconds):
    """All that came and went did so that much earlier: who wrote a lot is past no rate cap."""
    with _write(store) as database:
        database.execute("UPDATE message SET received_at = received_at - ?", (seconds,))


def change_rows(store, statement, *values):
    """For what no command of ours changes."""
    with _write(store) as database:
        database.execute(statement, values)


def add_rows(store, statement, rows):
    """The statement for each of many rows, in one transaction."""
    with _write(store) as database:
        database.executemany(statement, rows)


def let_leases_end(store):
    """What was put off, or was under way at a crash, is to be sent now."""
    with _write(store) as database:
        for table in ("notice", "letter"):
            database.execute(f"UPDATE {table} SET leased_until = 0 WHERE state = 'open'")


def read_rows(store, query, *values):
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as database:
        return database.execute(query, values).fetchall()


def cpu_seconds(pid):
    """What a process has used so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
        words = stream.read().rpartition(") ")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
