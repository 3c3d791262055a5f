"""Refusing at the door: what cannot be answered in time is refused before anything is spent on it.

A single request is refused at once; an item of a stream waits in its caller's line first. The house is shared by dynamic
thresholds (Choudhury and Hahne 1998): a caller may hold no more of it than is left free, so that one caller alone gets half
of it, two get a third each, and who comes anew finds room.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from vitscope.server.errors import DeadlineExpired, Overloaded
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.decoders import DecodePool
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler

# A refused caller that comes back before the queue has shrunk is only refused again; below this a retry costs more than
# it gains.
_SHORTEST_RETRY = 0.01
# A stream fills this share of the time that may be spent in the queue; what it gains beyond that is only a longer queue.
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
        self._left = asyncio.Event()

    async def wait_for_place(self, caller: Caller, size: int) -> None:
        """Wait at the caller's door until there is a place for a message of `size` bytes."""
        await self._in_line(caller.door, lambda: self._objection(caller, size) is None)

    def place(self, caller: Caller, size: int) -> "Place":
        """A place in the house for a message of `size` bytes, held while it is entered (`with`). Raises Overloaded when the house,
        or the caller's part of it, is full. An empty house takes any message."""
        objection = self._objection(caller, size)
        if objection is not None:
            kind, reason = objection
            wait = self._scheduler.backlog()
            raise self._refusal(kind, reason, wait, wait / 2)
        return Place(self, caller, size)

    async def line_up(self, lane: Lane, caller: Caller) -> None:
        """Wait in the caller's line until the queue of `lane` is short enough for a stream's item."""
        await self._in_line(caller.line, lambda: self._wait(lane, caller) <= self._max_queue_wait * _BULK_SHARE)

    def admit(self, lane: Lane, caller: Caller, deadline: float) -> None:
        """Let one request to `lane` pass if it can be answered by `deadline` (monotonic seconds, infinite without one).

        Raises DeadlineExpired when that is over already, Overloaded with the estimated wait and the time after which a
        retry makes sense otherwise.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExpired("the deadline passed before the request was admitted; it was not computed")
        wait = self._wait(lane, caller)
        if wait > self._max_queue_wait:
            raise self._refusal("queue_wait", "the queue is full", wait, wait - self._max_queue_wait)
        # The run itself is taken at its best, and an idle engine gets the benefit of the doubt: only runs that are let
        # through can correct a prediction that has become too high.
        run = lane.shortest if wait else lane.shortest / 2
        if wait + run > left:
            reason = f"the answer would take longer than the {left * 1000:.0f} ms left until the deadline"
            raise self._refusal("deadline", reason, wait, wait)

    def count(self, caller: Caller, requests: int, size: int) -> None:
        """So many requests and bytes of `caller` more (or fewer) are in the house."""
        self.in_flight += requests
        self.bytes += size
        caller.held += requests
        caller.held_bytes += size
        if requests < 0:
            self._left.set()

    async def _in_line(self, line: asyncio.Lock, has_room: Callable[[], bool]) -> None:
        async with line:  # asyncio's locks are first come, first served
            while not has_room():
                self._left.clear()
                # Room can also come from a run that ends when everybody who waited for it has gone.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._left.wait(), _LOOK_AGAIN)

    def _objection(self, caller: Caller, size: int) -> tuple[str, str] | None:
        """Kind and text of why the house cannot take the message now."""
        if not self.in_flight:
            return None
        free = self._max_in_flight - self.in_flight
        if caller.held >= free:
            return "in_flight", f"{self.in_flight} requests are in flight, {caller.held} of them this caller's"
        if caller.held_bytes + size > self._max_bytes - self.bytes:
            return (
                "bytes",
                f"the messages in flight have {self.bytes:,} bytes, {caller.held_bytes:,} of them this caller's",
            )
        return None

    def _wait(self, lane: Lane, caller: Caller) -> float:
        return max(self._scheduler.predicted_wait(lane, caller), self._decoders.predicted_wait(caller))

    def _refusal(self, kind: str, reason: str, wait: float, retry_after: float) -> Overloaded:
        self._refused(kind)
        return Overloaded(reason, wait, max(_SHORTEST_RETRY, retry_after))


class Place:
    """A place in the house, held from entry to exit."""

    __slots__ = ("_admission", "_caller", "_size")

    def __init__(self, admission: Admission, caller: Caller, size: int) -> None:
        self._admission, self._caller, self._size = admission, caller, size

    def __enter__(self) -> None:
        self._admission.count(self._caller, 1, self._size)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.count(self._caller, -1, -self._size)
