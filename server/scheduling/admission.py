"""Refusing at the door: what cannot be answered in time is refused before anything is spent on it.

Unary requests are refused at once. Items of a stream wait in line instead, and only up to half of each bound, so that a
bulk job never takes the room of interactive callers.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from server.errors import DeadlineExpired, Overloaded
from server.scheduling.decoders import DecodePool
from server.scheduling.lane import Lane
from server.scheduling.scheduler import Scheduler

# A refused caller that comes back before the queue has shrunk is only refused again; below this a retry costs more than
# it gains.
_SHORTEST_RETRY = 0.01
# Share of each bound that stream items may fill.
_BULK_SHARE = 0.5
_LOOK_AGAIN = 0.1


class Admission:
    """Bounds the requests in the house by number and bytes, and the time that each is predicted to wait.

    `max_queue_wait` is in seconds. `refused` is told the reason ("in_flight", "bytes", "queue_wait" or "deadline") of each
    refusal. Used on the event loop only.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        decoders: DecodePool,
        max_in_flight: int,
        max_bytes: int,
        max_queue_wait: float,
        refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._scheduler, self._decoders = scheduler, decoders
        self._max_in_flight, self._max_bytes, self._max_queue_wait = max_in_flight, max_bytes, max_queue_wait
        self._refused = refused
        self.in_flight = self.bytes = 0
        # asyncio's locks are fair: the line is first come, first served, and only its head looks for room.
        self._line, self._left = asyncio.Lock(), asyncio.Event()

    @asynccontextmanager
    async def place(self, size: int, bulk: bool = False) -> AsyncIterator[None]:
        """Hold a place in the house for a message of `size` bytes. Raises Overloaded when the house is full, or waits for
        a place if `bulk`. An empty house takes any message."""
        if bulk:
            await self._in_line(lambda: self._fits(size, _BULK_SHARE))
        elif not self._fits(size, 1.0):
            wait = self._wait()
            if self.in_flight < self._max_in_flight:
                raise self._refusal("bytes", f"the messages in flight have {self.bytes:,} bytes", wait, wait / 2)
            raise self._refusal(
                "in_flight", f"{self.in_flight} requests are in flight, as many as are admitted", wait, wait / 2
            )
        self.in_flight += 1
        self.bytes += size
        try:
            yield
        finally:
            self.in_flight -= 1
            self.bytes -= size
            self._left.set()

    async def admit(self, lane: Lane, deadline: float, bulk: bool = False) -> None:
        """Let one request to `lane` pass if it can be answered by `deadline` (monotonic seconds, infinite without one).

        Raises DeadlineExpired when that is over already, Overloaded with the estimated wait and the time after which a
        retry makes sense otherwise; if `bulk`, waits for the queue to get shorter.
        """
        if bulk:
            await self._in_line(lambda: self._wait() <= self._max_queue_wait * _BULK_SHARE)
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExpired("the deadline passed before the request was admitted; it was not computed")
        wait = self._wait()
        if wait > self._max_queue_wait:
            raise self._refusal("queue_wait", "the queue is full", wait, wait - self._max_queue_wait)
        # The run itself is taken at its best, and an idle engine gets the benefit of the doubt: only runs that are let
        # through can correct a prediction that has become too high.
        run = lane.costs.shortest if wait else lane.costs.shortest / 2
        if wait + run > left:
            reason = f"the answer would take longer than the {left * 1000:.0f} ms left until the deadline"
            raise self._refusal("deadline", reason, wait, wait)

    async def _in_line(self, has_room: Callable[[], bool]) -> None:
        async with self._line:
            while not has_room():
                self._left.clear()
                # Room can also come from a run that ends when everybody who waited for it has gone.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._left.wait(), _LOOK_AGAIN)

    def _fits(self, size: int, share: float) -> bool:
        few, small = self.in_flight < self._max_in_flight * share, self.bytes + size <= self._max_bytes * share
        return self.in_flight == 0 or (few and small)

    def _wait(self) -> float:
        return max(self._scheduler.predicted_wait(), self._decoders.predicted_wait())

    def _refusal(self, kind: str, reason: str, wait: float, retry_after: float) -> Overloaded:
        self._refused(kind)
        return Overloaded(reason, wait, max(_SHORTEST_RETRY, retry_after))
