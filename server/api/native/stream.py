"""One ClassifyStream: items are read ahead within a window and answered in the order in which they finish."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

from vitscope.server.errors import NotReady

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class ItemStream(Generic[Item, Answer]):
    """Answers items by `answer`, which never raises, `window` of them at a time.

    A place in the window is taken before an item is read and given back when its answer has been written. So no more
    items are read from a caller that does not read answers. When `draining` is set, reading stops; items that were read
    are answered.
    """

    def __init__(self, answer: Callable[[Item], Awaitable[Answer]], window: int, draining: asyncio.Event) -> None:
        self._answer, self._draining = answer, draining
        self._window = asyncio.Semaphore(window)
        self._answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def answers(self, items: AsyncIterator[Item]) -> AsyncGenerator[Answer, None]:
        """Yield the answers in the order in which they are ready.

        Raises NotReady when the server drains, or the error of reading. Items that were read before are answered in
        either case.
        """
        reader = self._spawn(self._read(items))
        # If the caller leaves after the last answer, nobody awaits the reader: retrieve its error to avoid a warning.
        reader.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer
                self._window.release()
            await reader
        finally:
            for task in self._tasks:
                task.cancel()

    async def _read(self, items: AsyncIterator[Item]) -> None:
        drained = self._spawn(self._draining.wait())
        answering: set[asyncio.Task[None]] = set()
        try:
            while True:
                await self._window.acquire()
                reading = self._spawn(_next(items))
                await asyncio.wait((reading, drained), return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    raise NotReady("the server is shutting down; what is not answered yet can be sent to another")
                item = reading.result()
                if item is None:
                    return
                task = self._spawn(self._put_answer(item))
                answering.add(task)
                task.add_done_callback(answering.discard)
        finally:
            if answering:
                await asyncio.wait(answering)
            self._answers.put_nowait(None)

    async def _put_answer(self, item: Item) -> None:
        self._answers.put_nowait(await self._answer(item))

    def _spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _next(items: AsyncIterator[Item]) -> Item | None:
    return await anext(items, None)
