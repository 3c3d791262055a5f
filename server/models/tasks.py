"""Background tasks that end with the server."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from vitscope.server.errors import NotReady

T = TypeVar("T")


class Tasks:
    """Tasks that `close` cancels. Used on the event loop only."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`, which goes on if its caller is cancelled. Raises NotReady once closed."""
        if self._closed:
            work.close()
            raise NotReady("the server is shutting down")
        task = self.spawn(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise NotReady("the server is shutting down") from None
            raise

    async def close(self) -> None:
        """Cancel all tasks, wait until they have ended, and run no more."""
        self._closed = True
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved here, since the caller may have been cancelled
