"""Arrival times are those of a Poisson process."""

from itertools import islice
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitscope.loadtest.arrivals import poisson, schedule

SAMPLES = 20_000


def test_gaps_are_exponential() -> None:
    times = np.array([5.0, *islice(poisson(40.0, 5.0, Random(1)), SAMPLES)])
    gaps = np.sort(np.diff(times))
    expected = 1 - np.exp(-40.0 * gaps)
    found = np.arange(1, SAMPLES + 1) / SAMPLES
    # The Kolmogorov-Smirnov bound, which one seed in a thousand exceeds.
    assert np.abs(found - expected).max() < 1.95 / np.sqrt(SAMPLES)


def test_many_sources_together_are_one_poisson_process() -> None:
    seconds, sources, rate = 200, 50, 1.0
    counts = np.zeros(seconds)
    for source in range(sources):
        for time in poisson(rate, 0.0, Random(f"0/0/{source}")):
            if time >= seconds:
                break
            counts[int(time)] += 1
    # The count of a second has the mean 50 and the variance 50; six standard errors of each.
    assert abs(counts.mean() - 50) < 6 * np.sqrt(50 / seconds)
    assert abs(counts.var() - 50) < 6 * 50 * np.sqrt(2 / seconds)


def test_the_first_arrival_is_a_whole_gap_after_the_start() -> None:
    firsts = [next(poisson(2.0, 0.0, Random(seed))) for seed in range(4000)]
    assert abs(np.mean(firsts) - 0.5) < 6 * 0.5 / np.sqrt(4000)


@given(rate=st.floats(0.5, 500), seconds=st.floats(0.1, 20), seed=st.integers(0, 2**32 - 1))
def test_a_schedule_ascends_and_lies_within_its_time(rate: float, seconds: float, seed: int) -> None:
    times = np.array(schedule(rate, seconds, seed))
    assert (np.diff(times) >= 0).all()
    assert ((times > 0) & (times < seconds)).all()
    # Ten standard deviations: no seed gets there.
    assert abs(len(times) - rate * seconds) <= 10 * np.sqrt(rate * seconds) + 10


def test_a_schedule_is_a_poisson_process() -> None:
    times = np.array(schedule(200, 100, seed=1))
    gaps = np.diff(times)
    # Gaps are exponential: their deviation equals their mean, and 1/e of them are longer than it.
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.03)
    assert (gaps > gaps.mean()).mean() == pytest.approx(np.exp(-1), abs=0.02)
    per_second = np.histogram(times, bins=100, range=(0, 100))[0]
    assert per_second.var() / per_second.mean() == pytest.approx(1, abs=0.4)


def test_one_seed_is_one_schedule() -> None:
    assert schedule(50, 2, seed=3) == schedule(50, 2, seed=3)
    assert len(schedule(50, 2, seed=3)) != len(schedule(50, 2, seed=4))
