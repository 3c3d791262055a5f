"""Admission: a request that cannot be answered in time is refused before any work is spent on it.

A single request is refused at once; an item of a stream first waits its turn. The bounds on requests in flight are
shared by dynamic thresholds (Choudhury and Hahne 1998): a caller may hold no more than is left free. One caller alone
gets half, two get a third each, and a new caller always finds room.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from vitscope.server.errors import DeadlineExpired, Overloaded
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.decoders import DecodePool
from vitscope.server.scheduling.fair import turns_ahead
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler

# Seconds. A caller that retries before the queue has shrunk is only refused again, so shorter retries cost more than
# they gain.
_MIN_RETRY = 0.01
# Share of the permitted queue time that streams fill. A longer queue would not raise their throughput.
_BULK_SHARE = 0.5
_RECHECK_SECONDS = 0.1
# Bytes of a message that gRPC receives before anybody reads it: its window for one call.
UNREAD = 2**15
_SMOOTHING = 0.05
_REFUSING_SECONDS = 1.0


class Admission:
    """Bounds the number and bytes of the requests in flight, and the predicted wait of each.

    max_queue_wait: seconds. refused: called with the reason of refusals ("in_flight", "bytes", "queue_wait" or
    "deadline") and their number. Used on the event loop only.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        decoders: DecodePool,
        max_in_flight: int,
        max_bytes: int,
        max_queue_wait: float,
        refused: Callable[[str, int], None] = lambda reason, times: None,
    ) -> None:
        self._scheduler, self._decoders = scheduler, decoders
        self._max_in_flight, self._max_bytes, self._max_queue_wait = max_in_flight, max_bytes, max_queue_wait
        self._refused = refused
        self.in_flight = self.bytes = 0
        self._arriving: dict[Caller, int] = {}
        self._last_refusal = -_REFUSING_SECONDS
        self._seconds_each = 0.0  # smoothed, of an image in a queue
        self._freed = asyncio.Event()

    def refusal(self, caller: Caller, deadline: float) -> Overloaded | DeadlineExpired | None:
        """Return why a call of which nothing but its header has been read is refused, or None if there is room for it.

        Which lane it is for is not known yet, so it is refused only where every lane would. The errors are those of
        `admit`. They are returned: once raised, an error holds its traceback, and through it the call.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            return DeadlineExpired("the deadline passed before the request was read; it was not computed")
        if (full := self._no_room(caller, UNREAD)) is not None:
            return full
        if not self.refusing:  # `admit` looks at the wait; until it has refused somebody, once is enough
            return None
        wait = max(self._scheduler.shortest_wait(caller), self._decoders.predicted_wait(caller))
        return self._too_long(wait + self._wait_behind_arriving(caller, wait), 0.0, left)

    def arriving(self, caller: Caller) -> "Arriving":
        """Return a context manager that counts a call of `caller` as in flight while its message is read."""
        return Arriving(self, caller)

    @property
    def refusing(self) -> bool:
        """Whether requests were refused within the last second."""
        return time.monotonic() - self._last_refusal < _REFUSING_SECONDS

    def refused_again(self, error: Overloaded, times: int) -> None:
        """Count further requests that were refused for the same reason."""
        self._refused(error.kind, times)
        self._last_refusal = time.monotonic()

    def check_reply(self, caller: Caller, size: int) -> None:
        """Check that a reply of `size` bytes may be kept until `caller` reads it. Raises Overloaded."""
        if self.bytes and caller.held_bytes + size > self._max_bytes - self.bytes:
            reason = f"this caller has not read {caller.held_bytes:,} bytes of what was sent to it"
            raise self._refusal("bytes", reason, 0.0, 0.0)

    def check_arriving(self, caller: Caller, size: int) -> None:
        """Check that a message of which `size` bytes have arrived, and are counted, may go on. Raises Overloaded."""
        if self.bytes > size and not self.within_share(caller):
            reason = f"the messages in flight have {self.bytes:,} bytes, {caller.held_bytes:,} of them this caller's"
            raise self._refusal("bytes", reason, 0.0, 0.0)

    def no_room_to_wait(self) -> Overloaded:
        """Return the refusal of a call whose message is late, when there is no room to wait for it."""
        reason = f"the message is late, and {self.bytes:,} bytes are held already"
        return self._refusal("bytes", reason, 0.0, 0.0)

    def within_share(self, caller: Caller) -> bool:
        """Return whether `caller` holds no more bytes than are left free."""
        return caller.held_bytes <= max(self._max_bytes - self.bytes, 0)

    async def wait_for_place(self, caller: Caller, size: int) -> None:
        """Wait until `place` would accept a message of `size` bytes from this caller."""
        await self._wait_in_order(caller.place_lock, lambda: self._reason_to_refuse(caller, size) is None)

    def place(self, caller: Caller, size: int) -> "Place":
        """Return a context manager that counts a message of `size` bytes as in flight.

        Raises Overloaded when the server, or the caller's part of it, is full. An empty server accepts any message.
        """
        if (full := self._no_room(caller, size)) is not None:
            raise full
        return Place(self, caller, size)

    async def wait_for_queue(self, lane: Lane, caller: Caller, decoders: DecodePool | None = None) -> None:
        """Wait until the queues of `lane` and of the pool that decodes the image are short enough for a stream's item.

        decoders: see `admit`.
        """
        limit = self._max_queue_wait * _BULK_SHARE
        await self._wait_in_order(caller.queue_lock, lambda: self._predicted_wait(lane, caller, decoders) <= limit)

    def admit(self, lane: Lane, caller: Caller, deadline: float, decoders: DecodePool | None = None) -> None:
        """Check that a request to `lane` can be answered by `deadline` (monotonic seconds, infinite without one).

        decoders: the pool that will decode the image; by default the one for images of small and certain cost.

        Raises DeadlineExpired when the deadline has passed already, and otherwise Overloaded with the estimated wait
        and the time after which a retry makes sense.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExpired("the deadline passed before the request was admitted; it was not computed")
        wait = self._predicted_wait(lane, caller, decoders)
        # The run is estimated by the fastest one, and by half of it on an idle engine: only admitted requests can
        # correct a prediction that has become too high.
        refusal = self._too_long(wait, lane.shortest_run if wait else lane.shortest_run / 2, left)
        if refusal is not None:
            raise refusal

    def count(self, caller: Caller, requests: int, size: int) -> None:
        """Add to the requests and bytes in flight of `caller`; negative numbers subtract."""
        self.in_flight += requests
        self.bytes += size
        caller.held += requests
        caller.held_bytes += size
        if requests < 0:
            self._freed.set()

    def _no_room(self, caller: Caller, size: int) -> Overloaded | None:
        """Return why a message of `size` bytes cannot be accepted now, or None."""
        found = self._reason_to_refuse(caller, size)
        if found is None:
            return None
        kind, reason = found
        wait = self._scheduler.backlog()
        return self._refusal(kind, reason, wait, wait / 2)

    def _too_long(self, wait: float, run: float, left: float) -> Overloaded | None:
        """Return a refusal if a predicted wait is over the limit, or does not leave `run` of the `left` seconds."""
        if wait > self._max_queue_wait:
            return self._refusal("queue_wait", "the queue is full", wait, wait - self._max_queue_wait)
        if wait + run > left:
            reason = f"the answer would take longer than the {left * 1000:.0f} ms left until the deadline"
            return self._refusal("deadline", reason, wait, wait)
        return None

    def _wait_behind_arriving(self, caller: Caller, wait: float) -> float:
        """Return the predicted seconds for the images before one of `caller` whose messages are still being read.

        No queue counts them yet: without this, every call that arrives while one is read would be let in.
        """
        queued = self.in_flight - sum(self._arriving.values())
        if wait > 0 and queued > 0:
            self._seconds_each += _SMOOTHING * (wait / queued - self._seconds_each)
        return turns_ahead(self._arriving, caller) * self._seconds_each if self._arriving else 0.0

    def count_arriving(self, caller: Caller, calls: int) -> None:
        """Add to the calls of `caller` whose messages are being read; negative numbers subtract."""
        now = self._arriving.get(caller, 0) + calls
        if now:
            self._arriving[caller] = now
        else:
            del self._arriving[caller]

    async def _wait_in_order(self, lock: asyncio.Lock, has_room: Callable[[], bool]) -> None:
        async with lock:  # asyncio's locks are first come, first served
            while not has_room():
                self._freed.clear()
                # The queue also gets shorter when a run ends whose requests were all cancelled; no event says so.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._freed.wait(), _RECHECK_SECONDS)

    def _reason_to_refuse(self, caller: Caller, size: int) -> tuple[str, str] | None:
        """Return the kind and the text of why the message cannot be accepted now; None if it can."""
        if not self.in_flight and not self.bytes:
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

    def _predicted_wait(self, lane: Lane, caller: Caller, decoders: DecodePool | None) -> float:
        return max(self._scheduler.predicted_wait(lane, caller), (decoders or self._decoders).predicted_wait(caller))

    def _refusal(self, kind: str, reason: str, wait: float, retry_after: float) -> Overloaded:
        self._refused(kind, 1)
        self._last_refusal = time.monotonic()
        return Overloaded(reason, wait, max(_MIN_RETRY, retry_after), kind)


class Place:
    """One request's part of the bounds on requests in flight, held from entry to exit."""

    __slots__ = ("_admission", "_caller", "_size")

    def __init__(self, admission: Admission, caller: Caller, size: int) -> None:
        self._admission, self._caller, self._size = admission, caller, size

    def __enter__(self) -> None:
        self._admission.count(self._caller, 1, self._size)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.count(self._caller, -1, -self._size)


class Arriving(Place):
    """A call whose message is being read. Its place is for the bytes that gRPC may hold of it."""

    __slots__ = ()

    def __init__(self, admission: Admission, caller: Caller) -> None:
        super().__init__(admission, caller, UNREAD)

    def __enter__(self) -> None:
        super().__enter__()
        self._admission.count_arriving(self._caller, 1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.count_arriving(self._caller, -1)
        super().__exit__(kind, error, trace)

    def charge(self, size: int) -> None:
        """Count `size` bytes instead."""
        self._admission.count(self._caller, 0, size - self._size)
        self._size = size
