"""T(n): how long engines take for a batch of n images, measured in turns so that they can be compared."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from vitscope.server.engines.contract import Engine, Slot
from vitscope.server.models.warmup import open_slots

# The shortest counts: what else the machine did meanwhile is noise here, and the cost model follows load by itself. Short
# runs are repeated until they have had this many seconds, because noise comes in bursts.
_REPEATS, _AT_LEAST = 3, 0.15
# A size whose run takes longer is the last that is measured: nobody waits for a batch of several seconds.
_LONGEST = 1.0
# Sizes are doubled until the rate has not grown by this factor two times running.
_GAIN = 1.02


class LoadAbandoned(Exception):
    """Loading was given up because the server stops."""


class Bench:
    """One profile of an engine under its full load: all its streams run at the same time.

    `seconds` by batch size is what `measure` found.
    """

    def __init__(self, engine: Engine, profile: int = 0, clock: Callable[[], float] = time.perf_counter) -> None:
        self.engine, self._clock = engine, clock
        self.seconds: dict[int, float] = {}
        self.streams = engine.profiles[profile].streams
        self._profile, self._slots = profile, open_slots(engine, self.streams)

    @property
    def wants(self) -> int | None:
        """The next batch size worth measuring: 1, 2, 4, … and the engine's largest, while bigger batches gain."""
        sizes = list(self.seconds)
        if not sizes:
            return 1
        if sizes[-1] == self.engine.max_batch or self.seconds[sizes[-1]] > _LONGEST:
            return None
        rates = [size / self.seconds[size] for size in sizes]
        if len(rates) > 2 and max(rates[-2:]) < _GAIN * max(rates[:-2]):
            return None
        return min(2 * sizes[-1], self.engine.max_batch)

    def run(self, n: int, threads: ThreadPoolExecutor) -> float:
        """Seconds until all streams have run a batch of `n` that they began together."""
        began = self._clock()
        for run in [threads.submit(slot.run, n, self._profile) for slot in self._slots]:
            run.result()
        return self._clock() - began


def measure(benches: Sequence[Bench], stopping: Callable[[], bool] = lambda: False) -> None:
    """Fill the benches' `seconds`: the shortest of several runs at each size, the benches in turns.

    Raises LoadAbandoned between two runs when `stopping` says so.
    """
    with ThreadPoolExecutor(max(bench.streams for bench in benches)) as threads:
        while sizes := {bench: size for bench in benches if (size := bench.wants)}:
            for bench, size in sizes.items():
                bench.run(size, threads)  # engines prepare kernels for each new shape
            for bench, best in _shortest(sizes, threads, stopping).items():
                bench.seconds[sizes[bench]] = best


def lone_run(slot: Slot, repeats: int = 2) -> float:
    """Shortest seconds of one image, alone, in the latency profile: what `measure` would find, at a glance."""
    with ThreadPoolExecutor(1) as thread:
        return min(_timed(lambda: thread.submit(slot.run, 1).result()) for _ in range(repeats))


def _timed(task: Callable[[], object]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


def _shortest(sizes: dict[Bench, int], threads: ThreadPoolExecutor, stopping: Callable[[], bool]) -> dict[Bench, float]:
    runs: dict[Bench, list[float]] = {bench: [] for bench in sizes}
    while any(len(found) < _REPEATS or sum(found) < _AT_LEAST for found in runs.values()):
        for bench, found in runs.items():
            if stopping():
                raise LoadAbandoned("the server is shutting down")
            found.append(bench.run(sizes[bench], threads))
    return {bench: min(found) for bench, found in runs.items()}
