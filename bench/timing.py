"""Arrival times and percentiles: the arithmetic of load generation."""

from collections.abc import Sequence

import numpy as np

PERCENTILES = (50.0, 95.0, 99.0, 99.9)


def poisson_arrivals(rate: float, seconds: float, seed: int) -> np.ndarray:
    """float64 [n], ascending: the arrival times, in seconds from 0 up to `seconds`, of a Poisson process of `rate` per second."""
    random = np.random.default_rng(seed)
    # Six standard deviations more than expected: enough but for one run in a billion, which would merely end early.
    enough = int(rate * seconds + 6 * np.sqrt(rate * seconds) + 10)
    times = random.exponential(1 / rate, enough).cumsum()
    return times[times < seconds]


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds by name ("p50" … "p99.9"), interpolated; empty for no values."""
    if not len(seconds):
        return {}
    values = np.percentile(np.asarray(seconds, np.float64), PERCENTILES) * 1000
    return {f"p{p:g}": float(v) for p, v in zip(PERCENTILES, values, strict=True)}


def rate_between(finished: Sequence[float], begin: float, end: float) -> float:
    """Completions per second in the window, counted from the last one before `begin` to the last one before `end`.

    Replies come in bursts, a batch at a time. Counting from burst to burst leaves no part of a batch at either edge, which
    would be an error of batch / (rate x seconds). Where nothing finished before `begin`, the first completion starts the
    count. 0 for fewer than two completions.
    """
    times = np.sort(np.asarray(finished, np.float64))
    first = max(int(np.searchsorted(times, begin)) - 1, 0)
    last = int(np.searchsorted(times, end)) - 1
    return (last - first) / float(times[last] - times[first]) if last > first else 0.0
