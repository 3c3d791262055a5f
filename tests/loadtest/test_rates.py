"""Completions per second of a window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitscope.loadtest.rates import rate_between


@given(batch=st.integers(1, 16), period=st.floats(0.05, 1), offset=st.floats(0, 1))
def test_the_rate_of_bursts_does_not_depend_on_where_the_window_cuts_them(
    batch: int, period: float, offset: float
) -> None:
    finished = [k * period for k in range(1, 60) for _ in range(batch)]
    begin = (3 + offset) * period
    assert rate_between(finished, begin, begin + 20.5 * period) == pytest.approx(batch / period)


def test_the_rate_counts_only_the_window() -> None:
    assert rate_between([0.5, 1.5, 2.5, 9.0], begin=1, end=3) == pytest.approx(1.0)
    assert rate_between([1.0, 2.0, 3.0], begin=0, end=10) == pytest.approx(1.0)
    assert rate_between([3.0, 1.0, 2.0], begin=0, end=10) == pytest.approx(1.0)
    assert rate_between([0.5], begin=0, end=1) == 0
    assert rate_between([], begin=0, end=1) == 0
    assert rate_between([5.0, 6.0], begin=0, end=1) == 0
