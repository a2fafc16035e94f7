"""From `make install` to `make uninstall`, as README.md says it, on a machine that is as before afterwards."""

import os
import sys
import unittest

import machine
from rejoinder import build_directory


class InstallWalkTest(unittest.TestCase):
    def test_the_machine_is_afterwards_what_it_was(self):
        if why := machine.why_impossible():
            self.skipTest(f"no machine of its own can be made here: {why}")
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "install_walk.py")
        code, output = machine.enter(build_directory(), [sys.executable, script,
                                                         build_directory()])
        self.assertEqual(code, 0, output)


if __name__ == "__main__":
    unittest.main()
