import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.timing import percentiles, poisson_arrivals, rate_between


@given(rate=st.floats(0.5, 500), seconds=st.floats(0.1, 20), seed=st.integers(0, 2**32 - 1))
def test_arrivals_ascend_and_lie_within_the_time(rate: float, seconds: float, seed: int) -> None:
    times = poisson_arrivals(rate, seconds, seed)
    assert (np.diff(times) >= 0).all()
    assert ((times > 0) & (times < seconds)).all()
    # Ten standard deviations: no seed gets there.
    assert abs(len(times) - rate * seconds) <= 10 * np.sqrt(rate * seconds) + 10


def test_arrivals_are_those_of_a_poisson_process() -> None:
    times = poisson_arrivals(200, 100, seed=1)
    gaps = np.diff(times)
    # Exponential gaps: their deviation equals their mean, and 1/e of them are longer than it.
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.03)
    assert (gaps > gaps.mean()).mean() == pytest.approx(np.exp(-1), abs=0.02)
    per_second = np.histogram(times, bins=100, range=(0, 100))[0]
    assert per_second.var() / per_second.mean() == pytest.approx(1, abs=0.4)


def test_one_seed_is_one_schedule() -> None:
    assert (poisson_arrivals(50, 2, seed=3) == poisson_arrivals(50, 2, seed=3)).all()
    assert len(poisson_arrivals(50, 2, seed=3)) != len(poisson_arrivals(50, 2, seed=4))


def test_percentiles_are_interpolated_milliseconds() -> None:
    found = percentiles([k / 1000 for k in range(1001)])
    assert found == pytest.approx({"p50": 500, "p95": 950, "p99": 990, "p99.9": 999})
    assert percentiles([]) == {}


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
    assert rate_between([0.5], begin=0, end=1) == 0
    assert rate_between([], begin=0, end=1) == 0
    assert rate_between([5.0, 6.0], begin=0, end=1) == 0
