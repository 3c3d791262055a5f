"""Leases: a resource is not freed while requests use it."""

import asyncio
from types import TracebackType


class Lease:
    """Counts its holders. `with lease:` holds it for the block; blocks may overlap. Used on the event loop only.

    Every request holds two (a model's and a lane's), so entering and leaving only count. The event for those who wait
    is made by the first of them.
    """

    __slots__ = ("_released", "_revoked", "holders", "taken")

    def __init__(self) -> None:
        self.holders = self.taken = 0  # now, and how often so far
        self._released: asyncio.Event | None = None
        self._revoked = False

    def __enter__(self) -> None:
        self.holders += 1
        self.taken += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.holders -= 1
        if self._released is not None and not self.holders:
            self._released.set()

    async def wait_released(self) -> None:
        """Wait until nobody holds the lease, or until it is revoked. Nobody new should enter meanwhile."""
        while self.holders and not self._revoked:
            if self._released is None:
                self._released = asyncio.Event()
            self._released.clear()
            await self._released.wait()

    def revoke(self) -> None:
        """End all waits for holders: the server stops, and the resource is freed whoever uses it."""
        self._revoked = True
        if self._released is not None:
            self._released.set()
