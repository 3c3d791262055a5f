"""When a cancelled call counts as late, and that all who ask agree."""

import math

import pytest

from vitscope.server.answer.deadline import NO_DEADLINE, Deadline


@pytest.mark.parametrize(
    ("passed", "late"),
    [(11.0, True), (9.5, True), (8.0, False), (0.1, False)],
    ids=["after", "just before", "well before", "at once"],
)
def test_a_cancelled_call_was_late_where_hardly_any_of_its_ten_seconds_were_left(passed: float, late: bool) -> None:
    assert Deadline(100.0, 110.0).missed(100.0 + passed) is late


def test_a_call_without_a_deadline_is_never_late() -> None:
    assert not Deadline(0.0).missed(1e9)
    assert Deadline.within(None).at == NO_DEADLINE


def test_the_first_who_asks_decides_for_all() -> None:
    deadline = Deadline(0.0, 10.0)
    assert not deadline.missed(8.99)
    assert not deadline.missed(9.01), "what is around the method asks a little later than the service"


def test_the_share_of_the_time_that_was_used() -> None:
    assert Deadline(0.0, 10.0).share_used(since=6.0, seconds=1.0) == 0.25
    assert Deadline(0.0, 10.0).share_used(since=10.0, seconds=1.0) == 1
    assert Deadline(0.0, math.inf).share_used(since=6.0, seconds=1.0) is None
