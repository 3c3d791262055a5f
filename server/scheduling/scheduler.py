"""The threads that run batches, around the dispatcher that decides which."""

import threading
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from vitscope.server.engines.contract import Outputs
from vitscope.server.errors import NotReady
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.dispatcher import Dispatcher
from vitscope.server.scheduling.lane import Lane, slots_needed
from vitscope.server.scheduling.work import Batch, Work

BatchObserver = Callable[[Lane, int, float], None]


def _here(call: Callable[[], None]) -> None:
    call()


class Scheduler:
    """Runs the work of all lanes.

    `max_batch_wait` (seconds) holds an idle engine for a fuller batch; 0 never waits. `observe` is told (lane, batch size,
    seconds) after each run. `hand_over` calls what answers a whole batch (`Work.done` of each) where answers are wanted:
    one change of threads for all of them, and the engine's thread is free for the next run. All methods are thread-safe; none waits for an engine but `remove_lane` and `close`.
    """

    def __init__(
        self,
        max_batch_wait: float = 0.0,
        observe: BatchObserver = lambda lane, n, seconds: None,
        hand_over: Callable[[Callable[[], None]], None] = _here,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observe, self._hand_over, self._clock = observe, hand_over, clock
        self._dispatcher = Dispatcher(max_batch_wait)
        lock = threading.Lock()
        self._changed, self._finished = threading.Condition(lock), threading.Condition(lock)
        self._closed = False
        self._threads: list[threading.Thread] = []

    @property
    def alive(self) -> bool:
        """Whether every thread runs. False means a bug has ended one, and the process should be replaced."""
        return all(thread.is_alive() for thread in self._threads)

    def add_lane(self, lane: Lane) -> None:
        """Take work for this lane from now on. Raises ValueError for a lane with too few slots."""
        needed = slots_needed(lane.engine)
        if len(lane.slots) < needed:
            raise ValueError(f"{lane.name}: found {len(lane.slots)} slots, {needed} are needed")
        with self._changed:
            self._dispatcher.lanes.append(lane)
            # One more than can run, so that one is always at hand to start the staged batch while another delivers.
            while len(self._threads) < needed:
                thread = threading.Thread(target=self._serve, name=f"engine-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def remove_lane(self, lane: Lane) -> None:
        """Forget a lane; work that still waits in it fails with NotReady. Returns when its last batch has run."""
        with self._changed:
            self._dispatcher.lanes.remove(lane)
            left = self._dispatcher.drain(lane)
            self._finished.wait_for(lambda: not self._dispatcher.busy(lane))
        for work in left:
            work.failed(NotReady(f"{lane.name} was unloaded"))

    def expect(self, lane: Lane, work: Work) -> None:
        """Count work as on its way to the queue (its image is being decoded). It ends in `submit` or `cancel`."""
        with self._changed:
            self._dispatcher.expect(lane, work)

    def submit(self, lane: Lane, work: Work, pixels: np.ndarray) -> None:
        """Queue expected work. Raises NotReady when the scheduler or the lane is closed, ValueError for pixels of another
        shape; the work is then to be cancelled."""
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
        """Take work out. It will not be computed unless its batch runs already; a callback may still be under way."""
        with self._changed:
            self._dispatcher.cancel(lane, work, self._clock())

    def predicted_wait(self, lane: Lane, caller: Caller) -> float:
        """Seconds until work that `caller` submits to `lane` now would start, by the cost models."""
        with self._changed:
            return self._dispatcher.predicted_wait(lane, caller, self._clock())

    def backlog(self) -> float:
        """Predicted seconds until everything that is here now has run."""
        with self._changed:
            return self._dispatcher.backlog(self._clock())

    def queue_depth(self) -> int:
        """Images decoded and not running yet."""
        with self._changed:
            staged = self._dispatcher.staged
            return sum(len(lane.waiting) for lane in self._dispatcher.lanes) + (len(staged) if staged else 0)

    def close(self) -> None:
        """Stop the threads after the batches that run or are staged; everything else that waits fails with NotReady."""
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
            # Whatever goes wrong with one batch must not end a thread that all models share.
            try:
                self._run(batch)
            except Exception as error:
                self._dispatcher.fail(batch, error)
            del batch  # while this thread waits for the next one, the engine may be freed

    def _next(self) -> Batch | None:
        """Wait for a batch that may run now. None when the scheduler has closed and nothing is left to run."""
        with self._changed:
            while True:
                now = self._clock()
                batch = self._dispatcher.start(now)
                if batch is not None:
                    if self._dispatcher.unstaged():
                        self._changed.notify()  # for another thread to stage, and to run if a stream is free
                    return batch
                if self._closed and self._dispatcher.staged is None:
                    return None
                patience = self._dispatcher.patience(now)
                self._changed.wait(patience if patience > 0 else None)

    def _run(self, batch: Batch) -> None:
        size = len(batch)
        try:
            outputs = batch.slot.run(size, batch.profile)
        finally:
            ended = self._clock()
            with self._changed:
                self._dispatcher.finish(batch)
                if self._closed:
                    self._changed.notify_all()
                elif self._dispatcher.ready() or self._dispatcher.unstaged():
                    self._changed.notify()  # this thread has answers to deliver first
                self._finished.notify_all()
        self._hand_over(partial(self._answer, batch, outputs, ended))
        batch.lane.costs[batch.profile].observe(size, ended - batch.started)
        self._observe(batch.lane, size, ended - batch.started)

    def _answer(self, batch: Batch, outputs: Outputs, ended: float) -> None:
        try:
            self._dispatcher.deliver(batch, outputs, ended)
        except Exception as error:  # outputs that are not what the graph promised
            self._dispatcher.fail(batch, error)
