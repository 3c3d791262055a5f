"""Pools of threads that serve callers by equal shares of time, and an estimate of the wait for one of them."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from vitscope.server.host.loops import call_soon
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.shares import FairShares

T = TypeVar("T")
Task = Callable[[], None]

_SMOOTHING = 0.05
# What a task is thought to take until one has been measured, in seconds.
_UNKNOWN = 1e-3
# Seconds to wait for the threads at the end. A task that takes longer is ended with the process.
_CLOSE_SECONDS = 5.0


class DecodePool:
    """Threads for work whose libraries release the GIL. All methods are thread-safe.

    name: of the threads. per_caller: how many of them one caller may occupy; all by default. begin: called first on
    each thread.
    """

    def __init__(
        self,
        threads: int,
        name: str = "decode",
        per_caller: int | None = None,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self.threads = threads
        self._per_caller = threads if per_caller is None else per_caller
        self._begin = begin
        self._changed = threading.Condition()
        self._queue: FairShares[Caller, Task] = FairShares()
        # Caller, when it began, and the predicted seconds of the task of each thread.
        self._running: dict[int, tuple[Caller, float, float]] = {}
        self._occupied: Counter[Caller] = Counter()  # threads of each caller, where they are limited
        self._may = None if self._per_caller >= threads else self._has_room
        self._usual = 0.0  # smoothed seconds of a task
        self._drift = 1.0  # smoothed ratio of the seconds that tasks take to those that were predicted
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{index}", daemon=True) for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, caller: Caller, task: Task, seconds: float | None = None) -> None:
        """Queue `task`, which must not raise, and is predicted to take so many seconds. After `close` it never runs."""
        with self._changed:
            self._queue.push(caller, task, seconds or self._usual or _UNKNOWN)
            self._changed.notify()

    def cancel(self, caller: Caller, task: Task) -> None:
        """Remove a task that has not begun."""
        with self._changed:
            self._queue.remove(caller, task)

    async def run(self, caller: Caller, function: Callable[[], T], seconds: float | None = None) -> T:
        """Run `function` on a thread and return its result. Cancelling removes it if it has not begun."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def task() -> None:
            try:
                result = function()
            except Exception as error:
                call_soon(loop, _settle, future, future.set_exception, error)
            else:
                call_soon(loop, _settle, future, future.set_result, result)

        self.submit(caller, task, seconds)
        try:
            return await future
        except asyncio.CancelledError:
            self.cancel(caller, task)
            raise

    def predicted_wait(self, caller: Caller) -> float:
        """Return the predicted seconds until a task that `caller` adds now would begin, if no others are added.

        Tasks are assumed to take what was predicted, corrected by how recent ones differed from that; a running one
        twice what it has taken already if that is more.
        """
        with self._changed:
            occupied = not self._has_room(caller)
            idle = self.threads - len(self._running)
            if idle and not occupied and self._queue.waiting(self._may) < idle:
                return 0.0
            now = time.monotonic()
            ahead = self._queue.seconds_ahead(caller, self._may) * self._drift
            for whose, began, expected in self._running.values():
                if not occupied or whose is caller:
                    ahead += max(expected * self._drift, now - began) / 2
            return ahead / (self._per_caller if occupied else self.threads)

    def close(self) -> None:
        """Drop the waiting tasks and return when the running ones have ended, or after some seconds."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
        until = time.monotonic() + _CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _has_room(self, caller: Caller) -> bool:
        return self._occupied[caller] < self._per_caller

    def _serve(self) -> None:
        self._begin()
        thread = threading.get_ident()
        while True:
            with self._changed:
                task = self._next(thread)
            if task is None:
                return
            task()
            del task  # so that what it holds can be freed while this thread waits for the next one
            with self._changed:
                self._ended(thread)

    def _next(self, thread: int) -> Task | None:
        """Wait for a task that `thread` is to run. Return None at the end."""
        while not self._closed:
            popped = self._queue.pop(self._may)
            if popped is not None:
                caller, task, expected = popped
                self._running[thread] = caller, time.monotonic(), expected
                if self._may is not None:
                    self._occupied[caller] += 1
                return task
            self._changed.wait()
        return None

    def _ended(self, thread: int) -> None:
        caller, began, expected = self._running.pop(thread)
        seconds = time.monotonic() - began
        self._usual += _SMOOTHING * (seconds - self._usual) if self._usual else seconds
        self._drift += _SMOOTHING * (min(max(seconds / expected, 0.1), 10.0) - self._drift)
        self._queue.charge(caller, seconds - expected)
        if self._may is not None:
            self._occupied[caller] -= 1
            if not self._occupied[caller]:
                del self._occupied[caller]
        if not self._running and not self._queue:
            self._queue.forget()


def _settle(future: asyncio.Future[T], set_it: Callable[[object], None], value: object) -> None:
    if not future.done():
        set_it(value)
