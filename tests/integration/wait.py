"""Waiting with a deadline: the only place of all tests that sleeps."""

import time

DEADLINE = 30.0


class WaitTimeout(AssertionError):
    """What was waited for did not come; a test that lets it through fails."""


def wait_for(predicate, what, deadline=DEADLINE):
    """Call predicate until what it returns is true, and return that.

    what names the thing in the failure; it may be a function that returns the
    text, called only then.  deadline is in seconds.
    """
    end = time.monotonic() + deadline
    pause = 0.005
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() > end:
            text = what() if callable(what) else what
            raise WaitTimeout(f"waited {deadline:g} s for {text}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
