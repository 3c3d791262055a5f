"""T(n): seconds that engines take for a batch of n images, measured in turns so that they can be compared."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from vitscope.server.engines.contract import Engine, Slot
from vitscope.server.models.errors import LoadAbandoned
from vitscope.server.models.warmup import open_slots

# The shortest run counts: what else the machine did meanwhile is noise here, and the cost model follows load by itself.
# Short runs are repeated for at least this many seconds, because noise comes in bursts.
_REPEATS, _AT_LEAST = 3, 0.15
# A batch size whose run takes longer is the last one measured: batches of several seconds are never worth the wait.
_LONGEST = 1.0
# Sizes are doubled until the rate has not grown by this factor twice in a row.
_GAIN = 1.02


class Bench:
    """One profile of an engine under its full load: all its streams run at the same time.

    seconds: results of `measure` by batch size.
    """

    def __init__(self, engine: Engine, profile: int = 0, clock: Callable[[], float] = time.perf_counter) -> None:
        self.engine, self._clock = engine, clock
        self.seconds: dict[int, float] = {}
        self.streams = engine.profiles[profile].streams
        self._profile, self._slots = profile, open_slots(engine, self.streams)

    @property
    def next_size(self) -> int | None:
        """The next batch size worth measuring: 1, 2, 4, … and the engine's largest, while the rate grows."""
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
        """Return the seconds until all streams have run a batch of `n` that they began together."""
        began = self._clock()
        for run in [threads.submit(slot.run, n, self._profile) for slot in self._slots]:
            run.result()
        return self._clock() - began


def measure(benches: Sequence[Bench], stopping: Callable[[], bool] = lambda: False) -> None:
    """Fill `seconds` of the benches with the shortest of several runs at each batch size; the benches take turns.

    Raises LoadAbandoned between two runs once `stopping` returns True.
    """
    with ThreadPoolExecutor(max(bench.streams for bench in benches)) as threads:
        while sizes := {bench: size for bench in benches if (size := bench.next_size)}:
            for bench, size in sizes.items():
                bench.run(size, threads)  # engines prepare kernels for each new shape
            for bench, best in _shortest(sizes, threads, stopping).items():
                bench.seconds[sizes[bench]] = best


def time_one_image(slot: Slot, repeats: int = 2) -> float:
    """Return the shortest seconds of a batch of one in the first profile, nothing else running: a quick check of
    `measure`."""
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
