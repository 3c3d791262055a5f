"""When requests arrive."""

from collections.abc import Iterator
from random import Random


def poisson(rate: float, start: float, random: Random) -> Iterator[float]:
    """The arrival times, in seconds from `start` on and without end, of a Poisson process of `rate` arrivals a second.

    Several processes together are a Poisson process again, of the sum of their rates: the load may be spread over any number
    of users and workers. It is stationary from the start: the first arrival is a whole gap after it.
    """
    time = start
    while True:
        time += random.expovariate(rate)
        yield time
