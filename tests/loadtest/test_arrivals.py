from itertools import islice
from random import Random

import numpy as np

from vitscope.loadtest.arrivals import poisson

SAMPLES = 20_000


def test_gaps_are_exponential() -> None:
    times = np.array([5.0, *islice(poisson(40.0, 5.0, Random(1)), SAMPLES)])
    gaps = np.sort(np.diff(times))
    expected = 1 - np.exp(-40.0 * gaps)
    found = np.arange(1, SAMPLES + 1) / SAMPLES
    # Kolmogorov and Smirnov's bound, passed by chance once in a thousand seeds.
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
