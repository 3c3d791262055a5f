"""Engines with a cost function and a clock of their own, for tests of measuring.

A run takes no real time; it only advances the clock.
"""

import threading
from collections.abc import Callable, Sequence

import numpy as np

from vitscope.server.engines.contract import Identity, Outputs, Profile

Cost = Callable[[Profile, int], float]


class Clock:
    """A clock that runs advance. Reading it adds the longest of the runs since the last reading, as they ran
    together."""

    def __init__(self) -> None:
        self._now = self._longest = 0.0
        self._lock = threading.Lock()

    def ran(self, seconds: float) -> None:
        with self._lock:
            self._longest = max(self._longest, seconds)

    def __call__(self) -> float:
        with self._lock:
            self._now, self._longest = self._now + self._longest, 0.0
            return self._now


class TimedEngine:
    """An engine whose batch of n takes `cost(profile, n)` seconds on `clock`."""

    def __init__(self, clock: Clock, cost: Cost, profiles: Sequence[Profile], max_batch: int) -> None:
        self.clock, self.cost, self.profiles, self.max_batch = clock, cost, tuple(profiles), max_batch
        self.identity = Identity("timed", "1", "f32", "none")
        self.closed = False

    def slot(self) -> "TimedSlot":
        return TimedSlot(self)

    def close(self) -> None:
        self.closed = True


class TimedSlot:
    def __init__(self, engine: TimedEngine) -> None:
        self.pixels = np.zeros((engine.max_batch, 1, 1, 3), np.uint8)
        self._engine = engine

    def run(self, n: int, profile: int = 0) -> Outputs:
        assert not self._engine.closed
        self._engine.clock.ran(self._engine.cost(self._engine.profiles[profile], n))
        return {}
