"""The threads that run batches. The dispatcher decides what they run."""

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import structlog

from vitscope.server.errors import NotReady
from vitscope.server.scheduling.batch import Batch
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.dispatcher import Dispatcher
from vitscope.server.scheduling.isolation import FailureObserver, Isolation, Result
from vitscope.server.scheduling.lane import Lane, slots_needed
from vitscope.server.scheduling.work import Work

log = structlog.get_logger()

BatchObserver = Callable[[Lane, int, float], None]


def _call_directly(call: Callable[[], None]) -> None:
    call()


class Scheduler:
    """Runs the work of all lanes.

    max_batch_wait: seconds for which an idle engine is held for a fuller batch; 0 never waits. observe: called with
    (lane, batch size, seconds) after each run. failed: called with (lane, reason, images) for images that could not be
    computed. hand_over: runs the function that it is given, which calls `Work.done`
    for a whole batch, on the thread where answers are wanted. That is one change of threads per batch, and leaves the
    engine's thread free for the next run.

    All methods are thread-safe. Only `remove_lane` and `close` wait for an engine.
    """

    def __init__(
        self,
        max_batch_wait: float = 0.0,
        observe: BatchObserver = lambda lane, n, seconds: None,
        hand_over: Callable[[Callable[[], None]], None] = _call_directly,
        clock: Callable[[], float] = time.monotonic,
        failed: FailureObserver = lambda lane, reason, images: None,
    ) -> None:
        self._observe, self._hand_over, self._clock = observe, hand_over, clock
        self._dispatcher, self._isolation = Dispatcher(max_batch_wait), Isolation(failed, clock)
        lock = threading.Lock()
        self._changed, self._finished = threading.Condition(lock), threading.Condition(lock)
        self._closed = False
        self._threads: list[threading.Thread] = []

    @property
    def alive(self) -> bool:
        """Whether every thread runs. False means that a bug has ended one, and the process should be replaced."""
        return all(thread.is_alive() for thread in self._threads)

    def add_lane(self, lane: Lane) -> None:
        """Accept work for a lane. Raises ValueError for a lane with too few slots."""
        needed = slots_needed(lane.engine)
        if len(lane.slots) < needed:
            raise ValueError(f"{lane.name}: found {len(lane.slots)} slots, {needed} are needed")
        with self._changed:
            self._dispatcher.lanes.append(lane)
            # One more than can run, so that one is always free to start the staged batch while another delivers.
            while len(self._threads) < needed:
                thread = threading.Thread(target=self._serve, name=f"engine-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def remove_lane(self, lane: Lane) -> None:
        """Remove a lane and return when its last batch has run. Work that still waits in it fails with NotReady."""
        with self._changed:
            self._dispatcher.lanes.remove(lane)
            left = self._dispatcher.drain(lane)
            self._finished.wait_for(lambda: not self._dispatcher.busy(lane))
        for work in left:
            work.failed(NotReady(f"{lane.name} was unloaded"))

    def expect(self, lane: Lane, work: Work) -> None:
        """Count work whose image is still being decoded. Follow it with `submit` or `cancel`."""
        with self._changed:
            self._dispatcher.expect(lane, work)

    def submit(self, lane: Lane, work: Work, pixels: np.ndarray) -> None:
        """Queue expected work.

        Raises NotReady when the scheduler or the lane is closed, and ValueError for pixels of another shape. The caller
        must then cancel the work.
        """
        with self._changed:
            if self._closed or lane not in self._dispatcher.lanes:
                raise NotReady(f"{lane.name} is shutting down")
            if pixels.shape != lane.shape:
                raise ValueError(f"{lane.name}: found pixels of shape {pixels.shape}, its graph takes {lane.shape}")
            work.pixels = pixels
            self._dispatcher.submit(lane, work, self._clock())
            if self._dispatcher.ready():
                self._changed.notify()

    def cancel(self, lane: Lane, work: Work) -> None:
        """Remove work. It is still computed if its batch runs already, and a callback may still be under way."""
        with self._changed:
            self._dispatcher.cancel(lane, work, self._clock())

    def predicted_wait(self, lane: Lane, caller: Caller) -> float:
        """Return the predicted seconds until work that `caller` submits to `lane` now would start."""
        with self._changed:
            return self._dispatcher.predicted_wait(lane, caller, self._clock())

    def shortest_wait(self, caller: Caller) -> float:
        """Return the predicted wait in the lane where it is shortest; 0 without lanes."""
        with self._changed:
            now, lanes = self._clock(), self._dispatcher.lanes
            return min((self._dispatcher.predicted_wait(lane, caller, now) for lane in lanes), default=0.0)

    def backlog(self) -> float:
        """Return the predicted seconds until everything that is pending or running has run."""
        with self._changed:
            return self._dispatcher.backlog(self._clock())

    def queue_depth(self) -> int:
        """Return the number of images that are decoded and not running yet."""
        with self._changed:
            staged = self._dispatcher.staged
            return sum(len(lane.waiting) for lane in self._dispatcher.lanes) + (len(staged) if staged else 0)

    def close(self) -> None:
        """Stop the threads after the batches that run or are staged. All other waiting work fails with NotReady."""
        with self._changed:
            self._closed = True
            self._dispatcher.max_batch_wait = 0.0
            left = [work for lane in self._dispatcher.lanes for work in self._dispatcher.drain(lane)]
            self._changed.notify_all()
        for work in left:
            work.failed(NotReady("the server is shutting down"))
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (batch := self._next()) is not None:
            # No error of one batch may end a thread that all models share.
            try:
                seconds = self._run(batch)
            except Exception as error:
                self._dispatcher.fail(batch, error)
            else:
                if seconds is not None:
                    self._learn(batch, seconds)
            del batch  # so that the engine can be freed while this thread waits for the next batch

    def _next(self) -> Batch | None:
        """Wait for a batch that may run now. Return None when the scheduler is closed and nothing is left to run."""
        with self._changed:
            while True:
                now = self._clock()
                batch = self._dispatcher.start(now)
                if batch is not None:
                    if self._dispatcher.can_stage():
                        self._changed.notify()  # another thread stages, and runs if a stream is free
                    return batch
                if self._closed and self._dispatcher.staged is None:
                    return None
                left = self._dispatcher.batch_wait_left(now)
                self._changed.wait(left if left > 0 else None)

    def _run(self, batch: Batch) -> float | None:
        """Run a batch and hand over the delivery of its answers. Return the seconds of the run, None if it failed."""
        try:
            results, as_a_whole = self._isolation.run(batch)
        finally:
            ended = self._clock()
            with self._changed:
                self._dispatcher.finish(batch)
                # A staged batch is this thread's next one, so that no other thread has to be woken for it.
                if self._closed:
                    self._changed.notify_all()
                self._finished.notify_all()
        self._hand_over(partial(self._answer, batch, results, ended))
        return ended - batch.started if as_a_whole else None

    def _answer(self, batch: Batch, results: Iterable[Result], ended: float) -> None:
        try:
            self._dispatcher.deliver(batch, results, ended)
        except Exception as error:  # outputs that are not what the graph promised
            self._dispatcher.fail(batch, error)

    def _learn(self, batch: Batch, seconds: float) -> None:
        lane, size = batch.lane, len(batch)
        try:
            lane.costs[batch.profile].observe(size, seconds)
            self._observe(lane, size, seconds)
        except Exception as error:  # must not fail the batch: its answers may be on their way to another thread
            log.error("a run could not be recorded", lane=lane.name, exc_info=error)
