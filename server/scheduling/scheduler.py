"""The batcher: no timer, batches that grow while the engine is busy, and exactly one batch prefetched.

`concurrency` batches may run at a time, and there is one thread more than that. Each thread stages a batch (only one
thread stages at a time, so exactly one batch is prefetched), waits for its turn to run, and runs it. While it waits, work
that arrives joins the staged batch and is copied into the engine's buffer at once, so that an engine that becomes free
starts in the same moment with all that is there. An idle engine takes the first image without waiting for a second.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from server.engines.contract import Outputs, Slot
from server.errors import DeadlineExpired, NotReady
from server.scheduling.lane import Lane, Work

BatchObserver = Callable[[Lane, int, float], None]


@dataclass(eq=False)
class _Batch:
    lane: Lane
    slot: Slot
    work: list[Work] = field(default_factory=list)
    started: float = 0.0

    @property
    def full(self) -> bool:
        return len(self.work) >= self.lane.best_batch

    def add(self, work: Work, picked: float) -> None:
        work.timeline.end("queue", picked)
        np.copyto(self.slot.pixels[len(self.work)], work.pixels)
        self.work.append(work)

    def compact(self, keep: Callable[[Work], bool]) -> None:
        """Drop work that should not be computed, closing the gaps in the engine's buffer."""
        rows = [row for row, work in enumerate(self.work) if keep(work)]
        if len(rows) < len(self.work):
            for to, row in enumerate(rows):
                if to != row:
                    np.copyto(self.slot.pixels[to], self.slot.pixels[row])
            self.work = [self.work[row] for row in rows]


class Scheduler:
    """Runs the work of all lanes, oldest first.

    `max_batch_wait` (seconds) holds an idle engine for a fuller batch; 0 never waits. `observe` is told (lane, batch size,
    seconds) after each run. All methods are thread-safe.
    """

    def __init__(
        self,
        concurrency: int = 1,
        max_batch_wait: float = 0.0,
        observe: BatchObserver = lambda lane, n, seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.concurrency = concurrency
        self._max_batch_wait, self._observe, self._clock = max_batch_wait, observe, clock
        self._changed = threading.Condition()
        self._staging = threading.Lock()
        self._lanes: list[Lane] = []
        self._staged: _Batch | None = None
        self._running: list[_Batch] = []
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, args=(index,), name=f"engine-{index}", daemon=True)
            for index in range(self.threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def threads(self) -> int:
        """Threads that stage and run batches; each needs a slot of its own in every lane."""
        return self.concurrency + 1

    @property
    def alive(self) -> bool:
        """Whether every thread runs. False after start() means a bug has ended one, and the process should be replaced."""
        return all(thread.is_alive() for thread in self._threads)

    def add_lane(self, lane: Lane) -> None:
        """Take work for this lane from now on. Raises ValueError for a lane with too few slots."""
        if len(lane.slots) < self.threads:
            raise ValueError(f"{lane.name}: found {len(lane.slots)} slots, {self.threads} are needed")
        with self._changed:
            self._lanes.append(lane)

    def remove_lane(self, lane: Lane) -> None:
        """Forget a lane; work that still waits in it fails with NotReady. Returns when its last batch has run."""
        with self._changed:
            self._lanes.remove(lane)
            left = list(lane.waiting)
            lane.waiting.clear()
            self._changed.wait_for(lambda: not self._uses(lane))
        for work in left:
            work.failed(NotReady(f"{lane.name} was unloaded"))

    @contextmanager
    def expecting(self, lane: Lane) -> Iterator[None]:
        """Count one image as on its way to the queue (it is being decoded), so that predicted waits include it."""
        with self._changed:
            lane.expected += 1
        try:
            yield
        finally:
            with self._changed:
                lane.expected -= 1

    def submit(self, lane: Lane, work: Work) -> None:
        """Queue work. Raises NotReady when the scheduler or the lane is closed, ValueError for pixels of another shape."""
        expected = lane.slots[0].pixels.shape[1:]
        if work.pixels.shape != expected:
            raise ValueError(f"{lane.name}: found pixels of shape {work.pixels.shape}, its graph takes {expected}")
        with self._changed:
            if self._closed or lane not in self._lanes:
                raise NotReady(f"{lane.name} is shutting down")
            work.submitted = self._clock()
            lane.waiting.append(work)
            self._changed.notify_all()

    def cancel(self, lane: Lane, work: Work) -> None:
        """Take work out. It will not be computed unless its batch runs already; a callback may still be under way."""
        with self._changed:
            work.settled = True
            if work in lane.waiting:
                lane.waiting.remove(work)
            self._changed.notify_all()  # a staged batch takes it out and fills its place

    def predicted_wait(self) -> float:
        """Seconds until work that is submitted now would start, by the cost models: what runs, is staged, waits or is
        expected in all lanes, shared by the engine's concurrent runs."""
        with self._changed:
            now = self._clock()
            seconds = sum(
                max(0.0, batch.lane.costs.seconds(len(batch.work)) - (now - batch.started)) for batch in self._running
            )
            staged = self._staged
            for lane in self._lanes:
                count = len(lane.waiting) + lane.expected
                if staged is not None and staged.lane is lane:
                    count += len(staged.work)
                seconds += lane.costs.backlog(count)
            return seconds / self.concurrency

    def queue_depth(self) -> int:
        """Images decoded and not running yet."""
        with self._changed:
            return sum(len(lane.waiting) for lane in self._lanes) + (len(self._staged.work) if self._staged else 0)

    def close(self) -> None:
        """Stop the threads after the batches that run or are staged; everything else that waits fails with NotReady."""
        with self._changed:
            self._closed = True
            left = [work for lane in self._lanes for work in lane.waiting]
            for lane in self._lanes:
                lane.waiting.clear()
            self._changed.notify_all()
        for work in left:
            work.failed(NotReady("the server is shutting down"))
        for thread in self._threads:
            thread.join()

    def _serve(self, worker: int) -> None:
        while (batch := self._next_batch(worker)) is not None:
            # Whatever goes wrong with one batch must not end the thread that all models share.
            try:
                self._run(batch)
            except Exception as error:
                for work in batch.work:
                    if not work.settled:
                        work.failed(error)

    def _next_batch(self, worker: int) -> _Batch | None:
        """Stage a batch and wait for its turn. None when the scheduler closes."""
        with self._staging, self._changed:
            while True:
                while (lane := self._oldest_lane()) is None:
                    if self._closed:
                        return None
                    self._changed.wait()
                self._staged = batch = _Batch(lane, lane.slots[worker])
                try:
                    self._fill_until_turn(batch)
                finally:
                    self._staged = None
                    self._changed.notify_all()
                if batch.work:
                    batch.started = self._clock()
                    for work in batch.work:
                        work.timeline.end("batch", batch.started)
                        work.timeline.batch_size = len(batch.work)
                    self._running.append(batch)
                    return batch

    def _fill_until_turn(self, batch: _Batch) -> None:
        """Take in the lane's work, and what arrives, until the engine is free (and the batch has waited long enough)."""
        while True:
            batch.compact(self._wanted)
            while batch.lane.waiting and not batch.full:
                work = batch.lane.waiting.popleft()
                if self._wanted(work):
                    batch.add(work, self._clock())
            if not batch.work:
                return
            free = len(self._running) < self.concurrency
            patience = self._patience(batch)
            if free and (batch.full or patience <= 0 or self._closed):
                return
            self._changed.wait(patience if free else None)

    def _patience(self, batch: _Batch) -> float:
        """Seconds that an idle engine may be held for a fuller batch: not past a deadline, not while others wait."""
        if any(lane.waiting for lane in self._lanes if lane is not batch.lane):
            return 0.0
        now = self._clock()
        latest_start = min(work.deadline for work in batch.work) - batch.lane.costs.seconds(batch.lane.best_batch)
        return min(batch.work[0].submitted + self._max_batch_wait, latest_start) - now

    def _wanted(self, work: Work) -> bool:
        """Whether work should still be computed; answers it when its deadline has passed."""
        if work.settled:
            return False
        if self._clock() < work.deadline:
            return True
        work.settled = True
        work.failed(DeadlineExpired("the deadline passed while the request waited for the engine; it was not computed"))
        return False

    def _oldest_lane(self) -> Lane | None:
        return min(
            (lane for lane in self._lanes if lane.waiting), key=lambda lane: lane.waiting[0].submitted, default=None
        )

    def _uses(self, lane: Lane) -> bool:
        staged = [self._staged] if self._staged else []
        return any(batch.lane is lane for batch in [*staged, *self._running])

    def _run(self, batch: _Batch) -> None:
        try:
            outputs = batch.slot.run(len(batch.work))
        finally:
            with self._changed:
                self._running.remove(batch)
                self._changed.notify_all()
        ended = self._clock()
        batch.lane.costs.observe(len(batch.work), ended - batch.started)
        self._deliver(batch, outputs, ended)
        self._observe(batch.lane, len(batch.work), ended - batch.started)

    def _deliver(self, batch: _Batch, outputs: Outputs, ended: float) -> None:
        for row, work in enumerate(batch.work):
            if not work.settled:
                work.timeline.end("infer", ended)
                work.done({name: array[row] for name, array in outputs.items()})
                work.settled = True
