"""The decode pool: threads that serve callers in turn, and an estimate of the wait for one of them."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from vitscope.server.host.loops import call_soon
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.fair import FairQueue, turns_ahead

T = TypeVar("T")
Task = Callable[[], None]

_SMOOTHING = 0.05


class DecodePool:
    """Threads for decoding and rendering; the libraries release the GIL in both. All methods are thread-safe."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._changed = threading.Condition()
        self._queue: FairQueue[Caller, Task] = FairQueue()
        self._began: dict[int, float] = {}  # start of each running task, by thread
        self._seconds = 0.0  # smoothed duration of a task
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"decode-{index}", daemon=True) for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, caller: Caller, task: Task) -> None:
        """Queue `task`, which must not raise. After `close` it is never run."""
        with self._changed:
            self._queue.push(caller, task)
            self._changed.notify()

    def cancel(self, caller: Caller, task: Task) -> None:
        """Remove a task that has not begun."""
        with self._changed:
            self._queue.remove(caller, task)

    async def run(self, caller: Caller, function: Callable[[], T]) -> T:
        """Run `function` on a decode thread and return its result. Cancelling removes it if it has not begun."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def task() -> None:
            try:
                result = function()
            except Exception as error:
                call_soon(loop, _settle, future, future.set_exception, error)
            else:
                call_soon(loop, _settle, future, future.set_result, result)

        self.submit(caller, task)
        try:
            return await future
        except asyncio.CancelledError:
            self.cancel(caller, task)
            raise

    def predicted_wait(self, caller: Caller) -> float:
        """Return the predicted seconds until a task that `caller` adds now would begin, if no others are added.

        Each task is assumed to take as long as recent ones on average, or as long as a running one has taken already if
        that is more.
        """
        with self._changed:
            idle = self.threads - len(self._began)
            ahead = turns_ahead(self._queue.counts, caller)
            if ahead < idle:
                return 0.0
            now = time.monotonic()
            each = max(self._seconds, *(now - began for began in self._began.values()), 0.0)
            return (ahead - idle + 0.5) * each / self.threads

    def close(self) -> None:
        """Drop the waiting tasks and return when the running ones have ended."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        thread = threading.get_ident()
        while True:
            with self._changed:
                while not self._queue and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                task = self._queue.pop()
                began = self._began[thread] = time.monotonic()
            task()
            del task  # so that what it holds can be freed while this thread waits for the next one
            with self._changed:
                del self._began[thread]
                seconds = time.monotonic() - began
                self._seconds += _SMOOTHING * (seconds - self._seconds) if self._seconds else seconds


def _settle(future: asyncio.Future[T], set_it: Callable[[object], None], value: object) -> None:
    if not future.done():
        set_it(value)
