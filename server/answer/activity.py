"""The open calls, and whether the server is draining."""

import asyncio
from types import TracebackType
from typing import Self


class Activity:
    """Counts open calls (`with activity:`). On the event loop only.

    draining: set when nothing more may be read from streams.
    """

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self._open = self._begun = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> Self:
        self._open += 1
        self._begun += 1
        self._idle.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open -= 1
        if not self._open:
            self._idle.set()

    async def ended(self) -> None:
        """Wait until no call is open."""
        await self._idle.wait()

    async def quiet(self, seconds: float) -> None:
        """Wait until no call has been open for `seconds`."""
        while True:
            await self._idle.wait()
            begun = self._begun
            await asyncio.sleep(seconds)
            if self._idle.is_set() and self._begun == begun:
                return
