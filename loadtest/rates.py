"""Completions per second."""

from bisect import bisect_left
from collections.abc import Sequence


def rate_between(finished: Sequence[float], begin: float, end: float) -> float:
    """Return completions per second from the last one before `begin` to the last one before `end`.

    finished: times in seconds, in any order. 0 for fewer than two completions in that time. Replies come in bursts, one
    batch at a time. Counting from burst to burst cuts no batch in two, which would be an error of batch / (rate x
    seconds). Where nothing finished before `begin`, the first completion starts the count.
    """
    times = sorted(finished)
    first = max(bisect_left(times, begin) - 1, 0)
    last = bisect_left(times, end) - 1
    return (last - first) / (times[last] - times[first]) if last > first else 0.0
