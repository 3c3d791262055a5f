"""T(n): the run time of a batch of n images on one engine."""

import threading
from bisect import bisect_left
from collections.abc import Mapping

# Weight of a new observation in the drift factor: about the last twenty batches count.
_SMOOTHING = 0.1
# A larger batch size is worth its latency only if it has this many times the throughput of the best smaller one.
_WORTHWHILE = 1.02


class CostModel:
    """Seconds of a run by batch size, measured at warm-up, interpolated, and scaled by a drift factor.

    The input of a ViT has one size, so T depends on n alone. Other load on the same cores slows all sizes alike, so one
    factor, updated by `observe`, is enough. Thread-safe.
    """

    def __init__(self, measured: Mapping[int, float]) -> None:
        if not measured or min(measured) < 1 or min(measured.values()) <= 0:
            raise ValueError(f"expected positive seconds for sizes from 1, found {dict(measured)}")
        self.measured = dict(sorted(measured.items()))
        self._sizes, self._seconds = list(self.measured), list(self.measured.values())
        self.best_batch = self._best_batch()
        """The smallest measured size beyond which larger ones give hardly more throughput."""
        self._drift = 1.0
        self._lock = threading.Lock()

    def seconds(self, n: int) -> float:
        """Return the predicted seconds of a batch of `n` images; 0 for n = 0."""
        return self._warm(n) * self._drift if n > 0 else 0.0

    def backlog(self, n: int) -> float:
        """Return the predicted seconds of `n` waiting images, run in batches of the best size."""
        full, rest = divmod(n, self.best_batch)
        return full * self.seconds(self.best_batch) + self.seconds(rest)

    def observe(self, n: int, seconds: float) -> None:
        """Update the drift factor from a run of `n` images."""
        # Bounded, so that one stalled run (a suspended machine) does not cause refusals for minutes.
        ratio = min(max(seconds / self._warm(n), 0.1), 10.0)
        with self._lock:
            self._drift += _SMOOTHING * (ratio - self._drift)

    @property
    def shortest_run(self) -> float:
        """Seconds of the fastest run measured at warm-up, the lower bound of every answer."""
        return min(self._seconds)

    def largest_within(self, factor: float, limit: int) -> int:
        """Return the largest size up to `limit` that takes at most `factor` times the run of one image; at least 1."""
        longest = factor * self._warm(1)
        return max((n for n in range(1, limit + 1) if self._warm(n) <= longest), default=1)

    def _best_batch(self) -> int:
        best = self._sizes[0]
        for size in self._sizes[1:]:
            if size / self.measured[size] >= _WORTHWHILE * best / self.measured[best]:
                best = size
        return best

    def _warm(self, n: int) -> float:
        at = bisect_left(self._sizes, n)
        if at == len(self._sizes):
            return self._seconds[-1] * n / self._sizes[-1]
        if at == 0:
            return self._seconds[0]
        (n0, n1), (t0, t1) = self._sizes[at - 1 : at + 1], self._seconds[at - 1 : at + 1]
        return t0 + (t1 - t0) * (n - n0) / (n1 - n0)
