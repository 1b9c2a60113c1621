"""The judge itself must be able to say no: one test for each way in which books can be wrong."""
import copy
import pathlib
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parents[2] / "bench")]
from lab import oracle  # noqa: E402
from lab.books import Books, Gap, Row, Skipped  # noqa: E402
from lab.target import Request  # noqa: E402
from lab.target_server import LENGTHS, STATUSES  # noqa: E402

SECOND = 1_000_000
AGENT = "agent"


def row(seq, service, number, at):
    return Row(AGENT, seq, service, at, 1000, STATUSES[number % len(STATUSES)], number % LENGTHS, "up", 0, 5000)


class Judgement(unittest.TestCase):
    """Two services with ten checks each; the first twelve results have arrived, and the first six are purged."""

    def setUp(self):
        self.requests = [Request(service, number, (100 + number) * SECOND + 2000) for number in range(1, 11)
                         for service in (0, 1)]
        rows = [row(place + 1, request.service, request.number, request.at - 2000)
                for place, request in enumerate(self.requests)]
        self.local, self.remote = Books(), Books()
        self.local.epochs, self.local.head, self.local.integrity = [(AGENT, 1, 1, 1)], 20, ["ok"]
        self.local.rows = {(AGENT, entry.seq): entry for entry in rows[6:]}
        self.remote.rows = {(AGENT, entry.seq): entry for entry in rows[:12]}
        self.lives = [oracle.Life(100 * SECOND, 112 * SECOND, False, 100 * SECOND + 200_000, 111 * SECOND)]
        self.allowance = oracle.Allowance(services=(0, 1))
        self.witnessed = {entry.seq: entry for entry in rows}

    def faults(self):
        return oracle.judge(self.requests, self.local, self.remote, self.lives, self.witnessed, self.allowance).faults

    def test_what_is_whole_passes(self):
        self.assertEqual(self.faults(), [])

    def test_a_lost_row_is_seen(self):
        del self.local.rows[(AGENT, 20)]
        self.assertTrue(any("nowhere" in fault for fault in self.faults()))
        self.assertTrue(any("seen committed" in fault for fault in self.faults()))
        self.assertTrue(any("no result" in fault for fault in self.faults()))

    def test_a_gap_explains_it(self):
        del self.local.rows[(AGENT, 20)]
        self.local.gaps[(AGENT, 1)] = Gap(AGENT, 1, "size_cap", 0, 0, 20, 20, 1)
        self.assertEqual(self.faults(), [])

    def test_the_quarantine_explains_it(self):
        del self.local.rows[(AGENT, 20)]
        self.local.quarantined = {20: ("P0001", "not today")}
        self.assertEqual(self.faults(), [])

    def test_a_row_without_a_request_is_a_lie(self):
        self.local.rows[(AGENT, 21)] = row(21, 0, 11, 111 * SECOND)
        self.local.head = 21
        self.assertTrue(any("no request" in fault for fault in self.faults()))

    def test_two_rows_of_one_request_are_seen(self):
        self.local.rows[(AGENT, 21)] = self.local.rows[(AGENT, 20)]._replace(seq=21)
        self.local.head = 21
        self.assertTrue(any("two results" in fault for fault in self.faults()))

    def test_a_number_that_is_there_twice_is_seen(self):
        self.remote.add(self.remote.rows, (AGENT, 12), row(12, 0, 7, 107 * SECOND))
        self.assertTrue(any("twice" in fault for fault in self.faults()))

    def test_a_row_that_changed_on_its_way_is_seen(self):
        self.remote.rows[(AGENT, 12)] = self.remote.rows[(AGENT, 12)]._replace(outcome="down")
        self.assertTrue(any("not the same" in fault for fault in self.faults()))

    def test_a_damaged_file_is_seen(self):
        self.local.integrity = ["row 5 missing from index"]
        self.assertTrue(any("damaged" in fault for fault in self.faults()))

    def test_rows_of_a_stranger_are_seen(self):
        self.remote.rows[("other", 5)] = self.remote.rows[(AGENT, 5)]._replace(agent="other")
        self.assertTrue(any("never was" in fault for fault in self.faults()))

    def test_a_number_that_was_never_given_is_seen(self):
        self.local.head = 10
        self.assertTrue(any("never given" in fault for fault in self.faults()))

    def test_a_request_right_before_a_kill_needs_no_result(self):
        self.requests += [Request(0, 11, 111 * SECOND), Request(1, 11, 111 * SECOND)]
        self.lives = [oracle.Life(100 * SECOND, 111 * SECOND + 200_000, True, 100 * SECOND + 200_000)]
        self.assertEqual(self.faults(), [])

    def test_a_request_long_before_a_kill_needs_one(self):
        self.requests.append(Request(0, 11, 111 * SECOND))
        self.lives = [oracle.Life(100 * SECOND, 115 * SECOND, True, 100 * SECOND + 200_000)]
        self.assertTrue(any("no kill explains" in fault for fault in self.faults()))

    def test_a_slot_that_is_neither_run_nor_skipped_is_seen(self):
        middle = next(key for key, entry in self.local.rows.items() if entry.service == 0 and entry.seq > 12)
        lost = self.local.rows.pop(middle)
        del self.witnessed[middle[1]]
        self.local.gaps[(AGENT, 1)] = Gap(AGENT, 1, "disk_full", 0, 0, middle[1], middle[1], 1)
        self.assertTrue(any("neither a result nor skipped" in fault for fault in self.faults()))
        due = lost.at - lost.lateness
        self.local.skipped[(AGENT, 1)] = Skipped(AGENT, 1, 0, due, due, 1, "still_running")
        self.assertFalse(any("neither a result nor skipped" in fault for fault in self.faults()))

    def forget(self, gone):
        """As if what `gone` says of a request had never been asked; the numbers after it move up."""
        self.requests = [request for request in self.requests if not gone(request)]
        rows = [row(place + 1, request.service, request.number, request.at - 2000)
                for place, request in enumerate(self.requests)]
        self.local.rows = {(AGENT, entry.seq): entry for entry in rows}
        self.local.head = len(rows)
        self.remote.rows, self.witnessed = {}, {}

    def test_a_service_that_begins_late_is_seen(self):
        self.forget(lambda request: request.service == 1 and request.number < 4)
        self.assertEqual(len(self.faults()), 1)
        self.assertIn("1 times a service was not checked from the start on", self.faults()[0])

    def test_a_service_that_falls_silent_is_seen(self):
        self.forget(lambda request: request.service == 1 and request.number > 7)
        self.assertEqual(len(self.faults()), 1)
        self.assertIn("1 times a service fell silent before the end", self.faults()[0])

    def test_one_that_falls_silent_before_a_kill_is_seen(self):
        self.lives = [oracle.Life(100 * SECOND, 111 * SECOND, True, 100 * SECOND + 200_000)]
        self.forget(lambda request: request.service == 1 and request.number > 8)
        self.assertEqual(self.faults(), [], "it may be that the last ones were not committed")
        self.forget(lambda request: request.service == 1 and request.number > 6)
        self.assertIn("1 times a service fell silent before the end", self.faults()[0])

    def test_a_service_that_is_never_checked_is_seen(self):
        self.allowance.services = (0, 1, 2)
        self.assertIn("1 times a service was not checked from the start on", self.faults()[0])

    def test_silence_is_seen_in_each_life(self):
        self.lives = [oracle.Life(100 * SECOND, 105 * SECOND, False, 100 * SECOND + 200_000, 105 * SECOND - 200_000),
                      oracle.Life(105 * SECOND + 100_000, 112 * SECOND, False, 105 * SECOND + 300_000, 111 * SECOND)]
        self.local.gaps[(AGENT, 1)] = Gap(AGENT, 1, "not_running", 105 * SECOND, 105 * SECOND + 300_000, 0, 0, 0)
        self.assertEqual(self.faults(), [])
        self.forget(lambda request: request.service == 1 and request.number > 5)
        self.assertIn("1 times a service was not checked from the start on", self.faults()[0])

    def test_a_life_that_was_never_ready_or_too_short_is_excused(self):
        self.allowance.services = (0, 1, 2)
        self.lives[0].ready = 0
        self.assertEqual(self.faults(), [])
        self.lives[0].ready = 110 * SECOND
        self.assertEqual(self.faults(), [])

    def test_a_gap_explains_silence(self):
        self.forget(lambda request: request.service == 1 and request.number > 7)
        self.local.gaps[(AGENT, 1)] = Gap(AGENT, 1, "disk_full", 108 * SECOND, 111 * SECOND, 0, 0, 3)
        self.assertEqual(self.faults(), [])

    def test_what_an_older_copy_forgot_may_be_in_postgresql_only(self):
        self.allowance.replaced = {(AGENT, 21): row(21, 0, 11, 111 * SECOND)}
        self.requests.append(Request(0, 11, 111 * SECOND + 2000))
        self.remote.rows.update(self.allowance.replaced)
        self.assertEqual(self.faults(), [])

    def test_a_number_that_an_older_copy_gives_again_is_seen(self):
        self.allowance.replaced = {(AGENT, 20): row(20, 0, 10, 110 * SECOND)}
        self.assertTrue(any("second result" in fault for fault in self.faults()))

    def test_the_time_after_it_ran_no_more_is_excused(self):
        self.forget(lambda request: request.number > 7)
        self.local.gaps[(AGENT, 1)] = Gap(AGENT, 1, "not_running", 108 * SECOND, 120 * SECOND, 0, 0, 0)
        self.assertEqual(self.faults(), [])

    def test_a_gap_without_numbers_explains_as_many_requests_as_it_counts(self):
        self.requests += [Request(0, 11, 111 * SECOND), Request(1, 11, 111 * SECOND)]
        self.local.gaps[(AGENT, 1)] = Gap(AGENT, 1, "disk_full", 111 * SECOND, 111 * SECOND, 0, 0, 2)
        self.assertEqual(self.faults(), [])
        self.local.gaps[(AGENT, 1)] = Gap(AGENT, 1, "disk_full", 111 * SECOND, 111 * SECOND, 0, 0, 1)
        self.assertTrue(any("no kill explains" in fault for fault in self.faults()))

    def test_a_gap_with_numbers_explains_requests_of_rows_that_nobody_saw(self):
        self.requests += [Request(0, 11, 111 * SECOND), Request(1, 11, 111 * SECOND)]
        self.local.head = 22
        self.local.gaps[(AGENT, 1)] = Gap(AGENT, 1, "size_cap", 111 * SECOND, 111 * SECOND, 21, 22, 2)
        self.assertEqual(self.faults(), [])
        self.local.head = 21
        self.local.gaps[(AGENT, 1)] = Gap(AGENT, 1, "size_cap", 111 * SECOND, 111 * SECOND, 21, 21, 1)
        self.assertTrue(any("no kill explains" in fault for fault in self.faults()))

    def test_a_burst_is_seen(self):
        copied = copy.copy(self.local.rows[(AGENT, 19)])
        self.requests.append(Request(0, 11, copied.at + 300_000))
        self.local.rows[(AGENT, 21)] = row(21, 0, 11, copied.at + 300_000)
        self.local.head = 21
        self.assertTrue(any("too early" in fault for fault in self.faults()))


if __name__ == "__main__":
    unittest.main()
