import time

import pytest

from vitscope.server.api.servicer import _is_late
from vitscope.server.query import NO_DEADLINE
from vitscope.server.scheduling.timeline import Timeline


@pytest.mark.parametrize(
    ("passed", "late"),
    [(11.0, True), (9.5, True), (8.0, False), (0.1, False)],
    ids=["after", "just before", "well before", "at once"],
)
def test_a_cancelled_call_was_late_where_hardly_any_of_its_ten_seconds_were_left(passed: float, late: bool) -> None:
    received = time.monotonic() - passed
    assert _is_late(Timeline(received=received), received + 10) is late


def test_a_call_without_a_deadline_is_never_late() -> None:
    assert not _is_late(Timeline(received=0.0), NO_DEADLINE)
