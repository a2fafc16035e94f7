"""Many messages at once: nothing lost, nothing doubled, one row each; and group commit."""

import unittest

from fault import fault_environment
from load_rig import LoadRig, SESSIONS, conversation_of, outbound_faults, reply_faults
from rejoinder import is_long

MESSAGES = 5000 if is_long() else 600
SLOW_MESSAGES = 3000 if is_long() else 1000
SEEDS = 100 if is_long() else 20
FIRST = 1001

# Postfix is there before the milter, and says so when its ports are tried.
NOT_YET = r"connect to Milter service unix:rejoinder/milter\.sock: No such file"

SYNC_MS = 5
LEAST_AVERAGE_BATCH = 4


class LoadTest(unittest.TestCase):
    def check_all_once(self, rig, outcome, count):
        """Every number accepted, delivered once and whole, and recorded once."""
        numbers = range(FIRST, FIRST + count)
        outbound_numbers = {n for n in numbers if rig.is_outbound(FIRST, n)}
        reply_numbers = set(numbers) - outbound_numbers
        self.assertEqual({n: "250" for n in numbers}, outcome.replies, outcome.output)

        outbound, replies = rig.delivered()
        self.assertEqual({n: 1 for n in outbound_numbers},
                         {n: len(mails) for n, mails in outbound.items()})
        self.assertEqual({n: 1 for n in reply_numbers},
                         {n: len(mails) for n, mails in replies.items()})
        conversations = set(map(conversation_of, rig.tokens))
        for number, (mail,) in outbound.items():
            self.assertEqual([], outbound_faults(mail), f"message {number}")
        for number, (mail,) in replies.items():
            self.assertEqual([], reply_faults(mail, conversations), f"reply {number}")
        self.assertEqual({**{("out", n): 1 for n in outbound_numbers},
                          **{("in", n): 1 for n in reply_numbers}}, rig.rows())

    def test_every_message_arrives_once_and_has_one_row(self):
        with LoadRig() as rig:
            rig.seed(SEEDS)
            outcome = rig.send(FIRST, MESSAGES)
            committer = rig.finish()
            print(f"measured: {MESSAGES} messages, {SESSIONS} sessions: {outcome.rate:.0f} messages/s, "
                  f"average batch {committer['average']}")
            self.check_all_once(rig, outcome, MESSAGES)
            rig.postfix.check_log(NOT_YET)
            rig.rejoinder.check_log()

    def test_a_slow_disk_is_shared_by_many_commits(self):
        environment = fault_environment(calls="sync", delay_ms=SYNC_MS)
        # All but the milter's syncs is made as fast as can be: what makes a batch
        # small is messages that come slowly.
        with LoadRig(environment=environment, parent="/dev/shm", holds_mail=True) as rig:
            rig.seed(SEEDS)
            outcome = rig.send(FIRST, SLOW_MESSAGES)
            committer = rig.finish()
            print(f"measured: {SLOW_MESSAGES} messages, {SESSIONS} sessions, sync +{SYNC_MS} ms: "
                  f"{outcome.rate:.0f} messages/s, average batch {committer['average']}, "
                  f"largest {committer['largest']:.0f}")
            self.check_all_once(rig, outcome, SLOW_MESSAGES)
            self.assertEqual(SLOW_MESSAGES + SEEDS, committer["jobs"])
            self.assertGreater(committer["average"], LEAST_AVERAGE_BATCH)


if __name__ == "__main__":
    unittest.main()
