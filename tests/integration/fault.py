"""A disk in trouble: the shim of tests/fault/fault.c, preloaded into one of our programs."""

import os

from rejoinder import build_directory


def fault_environment(build=None, **settings):
    """The environment that puts the shim before a program.

    settings: those of fault.c without FAULT_, in lower case: path, calls, errno,
    delay_ms, at, count, and `while` as control.
    """
    environment = {
        "LD_PRELOAD": os.path.join(os.path.abspath(build or build_directory()),
                                   "tests", "fault", "fault.so"),
        "ASAN_OPTIONS": ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"),
                                               "verify_asan_link_order=0"))),
    }
    if not os.path.exists(environment["LD_PRELOAD"]):
        raise AssertionError(f"{environment['LD_PRELOAD']} is not built")
    for name, value in settings.items():
        environment["FAULT_" + {"control": "while"}.get(name, name).upper()] = str(value)
    return environment


class Fault:
    """A fault that is switched on and off while the program runs.

    directory: where the control file goes.  path: whose files.
    settings: further ones, as for fault_environment().
    environment: for the program.
    """

    def __init__(self, directory, path, build=None, **settings):
        self._control = os.path.join(directory, "fault")
        self.environment = fault_environment(build, path=path, control=self._control, **settings)

    def on(self, errno=None, calls="write,sync,truncate,open,allocate"):
        """From now on these calls fail with this error, e.g. ENOSPC; None: as the settings say."""
        with open(self._control + ".new", "w", encoding="ascii") as stream:
            stream.write(f"{errno} {calls}\n" if errno else "")
        os.rename(self._control + ".new", self._control)

    def off(self):
        if os.path.exists(self._control):
            os.unlink(self._control)
