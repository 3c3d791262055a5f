"""Arrival times of an open loop."""

from collections.abc import Iterator
from itertools import takewhile
from random import Random


def poisson(rate: float, start: float, random: Random) -> Iterator[float]:
    """Yield the arrival times of a Poisson process of `rate` arrivals per second: seconds from `start` on, without end.

    The sum of several such processes is a Poisson process of the sum of their rates, so that a load may be spread over
    any number of users and workers. The process is stationary from the start: the first arrival is a whole gap after
    it.
    """
    time = start
    while True:
        time += random.expovariate(rate)
        yield time


def schedule(rate: float, seconds: float, seed: int) -> list[float]:
    """Return the arrival times of a Poisson process from 0 up to `seconds`, in order. One seed is one schedule."""
    return list(takewhile(lambda time: time < seconds, poisson(rate, 0.0, Random(seed))))
