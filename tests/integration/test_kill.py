"""kill -9 of the milter, at random moments under load."""

import os
import random
import time
import unittest

from load_rig import LoadRig, conversation_of, outbound_faults, reply_faults
from rejoinder import is_long
from wait import wait_for

KILLS = 50 if is_long() else 5
ROUND_MESSAGES = 600  # the load is begun anew until all kills are done
SEEDS = 20
FIRST = 1001

# From the last start to the kill.
LIFE_S = (0.02, 0.6)

# Postfix says all this of a milter that dies.
MILTER_GONE = (r"warning: (?:connect to Milter service |milter )unix:",)


class KillTest(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("REJOINDER_SEED") or random.randrange(2**32))
        print(f"measured: REJOINDER_SEED={self.seed}")
        self.random = random.Random(self.seed)
        self.first = FIRST
        self.process = None
        self.replies, self.unknown, self.retries = {}, {}, 0

    def begin_round(self, rig):
        self.process = rig.begin(self.first, ROUND_MESSAGES, is_retrying=True)
        self.first += ROUND_MESSAGES

    def end_round(self, rig):
        outcome = rig.end(self.process)
        self.process = None
        self.replies.update(outcome.replies)
        self.unknown.update(outcome.unknown)
        self.retries += outcome.retries

    def kill_under_load(self, rig):
        """Kill the milter at a random moment of a round, and start it again."""
        while True:
            if self.process is None:
                self.begin_round(rig)
            moment = time.monotonic() + self.random.uniform(*LIFE_S)
            wait_for(lambda: time.monotonic() >= moment or self.process.poll() is not None,
                     "the moment to kill")
            if self.process.poll() is None:
                rig.rejoinder.kill()
                rig.rejoinder.start_milter()
                return
            self.end_round(rig)

    def test_kills_lose_double_and_halve_nothing(self):
        with LoadRig() as rig:
            rig.seed(SEEDS)
            for _ in range(KILLS):
                self.kill_under_load(rig)
            if self.process is not None:
                self.end_round(rig)
            rig.finish()
            print(f"measured: {KILLS} kills, {len(self.replies)} messages, {self.retries} retries, "
                  f"{sum(self.unknown.values())} of unknown outcome")
            self.check(rig)
            rig.postfix.check_log(*MILTER_GONE)
            rig.rejoinder.check_log()

    def check(self, rig):
        self.assertEqual({"250"}, set(self.replies.values()))
        self.assertGreater(self.retries, 0, "no message met a kill")
        outbound, replies = rig.delivered()
        self.assertEqual(self.replies.keys(), outbound.keys() | replies.keys(), "lost")
        self.assertEqual(set(), outbound.keys() & replies.keys())
        conversations = set(map(conversation_of, rig.tokens))
        for number in self.replies:
            is_outbound = rig.is_outbound(FIRST, number)
            mails = (outbound if is_outbound else replies)[number]
            # A client that did not learn the outcome rightly sends again.
            self.assertLessEqual(1, len(mails), f"message {number}")
            self.assertLessEqual(len(mails), 1 + self.unknown[number], f"message {number} doubled")
            for mail in mails:
                faults = outbound_faults(mail) if is_outbound else reply_faults(mail, conversations)
                self.assertEqual([], faults, f"message {number} is half edited")
        self.assertEqual({**{("out", number): 1 for number in outbound},
                          **{("in", number): 1 for number in replies}}, rig.rows())


if __name__ == "__main__":
    unittest.main()
