"""T(n): what a batch of n images costs on one engine."""

import threading
from bisect import bisect_left
from collections.abc import Mapping

# Weight of a new observation in the drift factor: about the last twenty batches count.
_SMOOTHING = 0.1
# A batch size is worth its latency only if it gives this much more throughput than the next smaller one.
_WORTHWHILE = 1.02


class CostModel:
    """Seconds of a run by batch size: measured at warm-up, interpolated between, and scaled by what is observed since.

    The input of a ViT has one size, so T depends on n alone; load on the same cores makes all sizes slower alike, which is
    what the one drift factor follows.
    """

    def __init__(self, measured: Mapping[int, float]) -> None:
        if not measured or min(measured) < 1 or min(measured.values()) <= 0:
            raise ValueError(f"expected positive seconds for sizes from 1, found {dict(measured)}")
        self.measured = dict(sorted(measured.items()))
        self._sizes, self._seconds = list(self.measured), list(self.measured.values())
        self.best_batch = self._best_batch()
        """The smallest measured size beyond which bigger ones give next to no more throughput."""
        self._drift = 1.0
        self._lock = threading.Lock()

    def seconds(self, n: int) -> float:
        """Predicted seconds of a batch of `n` images; 0 for n = 0."""
        return self._warm(n) * self._drift if n > 0 else 0.0

    def backlog(self, n: int) -> float:
        """Predicted seconds of `n` waiting images, run in batches of the best size."""
        full, rest = divmod(n, self.best_batch)
        return full * self.seconds(self.best_batch) + self.seconds(rest)

    def observe(self, n: int, seconds: float) -> None:
        """Learn from a run of `n` images."""
        # Bounded, so that one stalled run (a suspended machine) does not make the server refuse for minutes.
        ratio = min(max(seconds / self._warm(n), 0.1), 10.0)
        with self._lock:
            self._drift += _SMOOTHING * (ratio - self._drift)

    @property
    def shortest(self) -> float:
        """Seconds of the fastest run ever measured at warm-up: no answer can be had in less."""
        return min(self._seconds)

    def largest_within(self, factor: float, limit: int) -> int:
        """The largest size up to `limit` whose run takes at most `factor` times that of the smallest; at least 1."""
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
