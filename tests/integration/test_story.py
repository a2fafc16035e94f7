"""The story that `make demo` plays, step by step, with nobody listening."""

import atexit
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

import processes
from rejoinder import build_directory
from scene import CONFIG, INBOXES
from story import STEPS, Story
from wait import wait_for
from world import World

PLAIN = {"listeners": {"plain": ["smtpd_milters="]}}


class StoryTest(unittest.TestCase):
    """A method a step, made below; a step stands on those before it."""

    @classmethod
    def setUpClass(cls):
        cls.world = World(CONFIG, postfix=PLAIN, inboxes=INBOXES)
        cls.addClassCleanup(cls.world.stop)
        cls.world.start()
        cls.story = Story(cls.world)
        cls.failed = None

    def play(self, number):
        if self.failed:
            self.fail(f"not reached: step {self.failed} failed")
        type(self).failed = number
        try:
            self.story.play(number)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._logs()}") from error
        type(self).failed = None

    def _logs(self):
        return "\n".join(f"{daemon.program}'s log:\n" + "\n".join(daemon.log().splitlines()[-20:])
                         for daemon in self.world.rejoinder.daemons)


def _make_test(number, title):
    def test(self):
        self.play(number)
    test.__doc__ = title
    name = re.sub(r"\W+", "_", title.lower())
    setattr(StoryTest, f"test_{number:02}_{name}", test)


for _number, (_title, _) in enumerate(STEPS, 1):
    _make_test(_number, _title)


class ChrootTest(unittest.TestCase):
    """The milter is reached from a chroot, as Debian ships Postfix, by every way mail comes in."""

    def test_out_in_and_a_bounce_of_a_chrooted_postfix(self):
        with World(CONFIG, postfix={**PLAIN, "chroot": True}) as world:
            story = Story(world)
            for number, (_, step) in enumerate(STEPS, 1):
                if step in (Story.out_with_a_way_home, Story.the_reply_comes_back_tagged,
                            Story.a_bounce_finds_its_conversation):
                    story.play(number)
            world.check_logs()


class DemoTest(unittest.TestCase):
    """What `make demo` prints, and that it leaves nothing behind."""

    def start(self, *arguments):
        """Start the demo in a session of its own, its output in a file."""
        output = tempfile.NamedTemporaryFile()
        self.addCleanup(output.close)
        demo = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo.py"),
             "--build", build_directory(), *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)

        def end():
            demo.terminate()
            demo.wait(60)

        def read():
            with open(output.name, encoding="utf-8") as stream:
                return stream.read()

        self.addCleanup(end)
        atexit.register(end)  # no cleanup runs when the test run itself is told to end
        return demo, read

    def wait_output(self, demo, read, text):
        wait_for(lambda: text in read() or demo.poll() is not None,
                 lambda: f"{text!r} in the demo's output:\n{read()}", 120)
        self.assertIn(text, read())

    def places(self, text):
        """The demo's directory, and the one its Postfix works in."""
        directory = re.search(r"Everything is below (\S+)", text)[1]
        return directory, os.path.join(directory, "postfix", "queue")

    def test_it_is_played_kept_up_and_ended_by_ctrl_c(self):
        demo, read = self.start("--keep")
        self.wait_output(demo, read, "Still running")
        text = read()
        for number, (title, _) in enumerate(STEPS, 1):
            self.assertIn(f"== {number}. {title} =", text)
        self.assertIn(f"All {len(STEPS)} steps were seen", text)
        self.assertNotIn("\033", text, "colours though this is no terminal")
        directory, queue = self.places(text)
        self.assertTrue(processes.in_directory(queue))
        demo.send_signal(signal.SIGINT)
        self.assertEqual(demo.wait(60), 0, read())
        self.assertEqual(processes.in_directory(queue), [])
        self.assertFalse(os.path.exists(directory))

    def test_ctrl_c_in_the_middle_leaves_nothing(self):
        demo, read = self.start()
        self.wait_output(demo, read, "== 1.")
        directory, queue = self.places(read())
        self.assertTrue(processes.in_directory(queue))
        demo.send_signal(signal.SIGINT)
        self.assertEqual(demo.wait(60), 1, read())
        self.assertIn("Stopping.", read())
        self.assertEqual(processes.in_directory(queue), [])
        self.assertFalse(os.path.exists(directory))


if __name__ == "__main__":
    unittest.main()
