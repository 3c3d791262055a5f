"""The decode pool: native threads, and an estimate of how long its backlog takes."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_SMOOTHING = 0.05


class DecodePool:
    """Threads for decoding and drawing; Pillow releases the GIL in both."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._lock = threading.Lock()
        self._waiting = 0
        self._seconds = 0.0
        self._began: dict[int, float] = {}  # of what runs, by thread

    async def run(self, task: Callable[[], T]) -> T:
        """Run `task` on a decode thread. Cancelling the caller takes the task out if it has not begun."""
        with self._lock:
            self._waiting += 1
        future = self._pool.submit(self._timed, task)
        # A task that is cancelled before it begins never reaches _timed's own accounting.
        future.add_done_callback(lambda f: self._leave() if f.cancelled() else None)
        return await asyncio.wrap_future(future)

    def predicted_wait(self) -> float:
        """Seconds until a task that is added now would begin: from the mean of recent ones, or from what the running ones
        have taken already where that is more."""
        with self._lock:
            ahead = self._waiting - self.threads
            if ahead < 0:
                return 0.0
            now = time.monotonic()
            each = max(self._seconds, *(now - began for began in self._began.values()), 0.0)
            return (ahead + 0.5) * each / self.threads

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _timed(self, task: Callable[[], T]) -> T:
        began, thread = time.monotonic(), threading.get_ident()
        with self._lock:
            self._began[thread] = began
        try:
            return task()
        finally:
            seconds = time.monotonic() - began
            with self._lock:
                del self._began[thread]
                self._waiting -= 1
                self._seconds += _SMOOTHING * (seconds - self._seconds) if self._seconds else seconds

    def _leave(self) -> None:
        with self._lock:
            self._waiting -= 1
