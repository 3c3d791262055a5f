"""Messages in transit: those that have not arrived as a whole, and replies that their callers have not read.

The transport holds their bytes, and does not say how many. So what arrives is estimated: the growth of this process's
memory since messages were late is shared equally by the late ones. Callers are held to their part of the bytes in
flight (`Admission`); a message that does not fit any more, or takes too long, ends with its call.

Where a transport hands messages over piece by piece, as HTTP does, their bytes are counted as they are (`collect`).

A stream may be idle for as long as it likes, and the transport does not tell an idle one from one whose next message
has arrived in part. So streams are let be until memory is scarce.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from vitscope.server.errors import DeadlineExpired, Overloaded
from vitscope.server.host.memory import available_memory, give_back, resident_bytes
from vitscope.server.scheduling.admission import UNREAD, Admission, Arriving
from vitscope.server.scheduling.callers import Caller

T = TypeVar("T")

# Seconds after which a message is late.
_LATE = 0.1
_CHECK_EVERY = 0.05
# Of the memory that the server may use. Beyond it, streams that wait for a message are ended.
_SCARCE = 3 / 4
# Seconds after which the client of such a stream may try again.
_RETRY = 1.0
# Smaller replies need not be counted: a connection cannot have enough of them.
COUNTED_REPLY = 4096


class Transit:
    """Bounds what the transport holds for callers. On the event loop only.

    max_seconds: for a message to arrive. max_bytes: of a message. scarce: bytes of memory in use beyond which streams
    that wait are ended; by default a share of what there is.
    """

    def __init__(
        self,
        admission: Admission,
        max_seconds: float,
        max_bytes: int,
        memory: Callable[[], int] = resident_bytes,
        scarce: int | None = None,
    ) -> None:
        self._admission, self._max_seconds, self._max_bytes, self._memory = admission, max_seconds, max_bytes, memory
        self._scarce = int(available_memory() * _SCARCE) if scarce is None else scarce
        self._reading: dict[_Reading, None] = {}  # oldest first
        self._idle: dict[_Reading, None] = {}  # of streams, oldest first
        self._collected = 0  # bytes of messages that arrive piece by piece
        self._before = memory()  # when no message was late; without what was collected
        self._freeing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def receive(self, caller: Caller, read: Callable[[], Awaitable[T]]) -> T:
        """Return what `read` returns: one message of `caller`.

        Raises Overloaded when the bytes of messages that have not arrived are more than the caller's part, and
        DeadlineExpired when this one takes too long.
        """
        arriving = self._admission.arriving(caller)
        with arriving:
            return await self._read(_Reading(caller, arriving), self._reading, read)

    async def collect(self, caller: Caller, pieces: AsyncIterator[bytes], parse: Callable[[bytes], Awaitable[T]]) -> T:
        """Return what `parse` makes of one message of `caller`, which arrives in `pieces`. Raises as `receive` does."""
        arriving, found, size = self._admission.arriving(caller), list[bytes](), 0
        with arriving:
            try:
                async with asyncio.timeout(self._max_seconds) as limit:
                    async for piece in pieces:
                        found.append(piece)
                        size += len(piece)
                        self._collected += len(piece)
                        arriving.charge(max(UNREAD, size))
                        self._admission.check_arriving(caller, max(UNREAD, size))
            except TimeoutError:
                if limit.expired():
                    raise self._took_too_long() from None
                raise
            finally:
                self._collected -= size
            message = b"".join(found)
            found.clear()
            return await parse(message)

    async def items(self, caller: Caller, messages: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """Yield the messages of a stream. Raises Overloaded while it waits for one, when memory is scarce."""
        with suppress(StopAsyncIteration):
            while True:
                yield await self._read(_Reading(caller), self._idle, messages.__anext__)

    async def _read(self, reading: "_Reading", among: "dict[_Reading, None]", read: Callable[[], Awaitable[T]]) -> T:
        among[reading] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_CHECK_EVERY, self._check)
        try:
            return await read()
        except asyncio.CancelledError:
            if reading.ended is None:
                raise
            raise reading.ended from None
        finally:
            del among[reading]

    def hold_reply(self, caller: Caller, size: int) -> Callable[[], None]:
        """Count a reply of `size` bytes until the returned function is called; twice, as the transport copies it.

        Raises Overloaded when the caller has not read as many replies as make up its part of the bytes in flight.
        """
        self._admission.check_reply(caller, 2 * size)
        return self.hold_item(caller, size)

    def hold_item(self, caller: Caller, size: int) -> Callable[[], None]:
        """Count a reply within a stream, as `hold_reply` does. A stream is not refused: its next items wait."""
        self._admission.count(caller, 0, 2 * size)
        return lambda: self._admission.count(caller, 0, -2 * size)

    def hold_rest(self, caller: Caller, size: int) -> "Rest":
        """Count a reply of `size` bytes that is sent in pieces (`with`). Raises Overloaded as `hold_reply` does."""
        self._admission.check_reply(caller, size)
        return Rest(self._admission, caller, size)

    def _check(self) -> None:
        now = time.monotonic()
        late = [reading for reading in self._reading if now - reading.began >= _LATE]
        if not self._freeing:
            if late:
                self._charge(late)
            else:
                self._before = self._uncollected()
        for reading in late:
            if now - reading.began >= self._max_seconds:
                reading.end(self._took_too_long())
        if self._idle and not self._freeing and self._memory() > self._scarce:
            self._end_idle()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_CHECK_EVERY, self._check) if self._reading or self._idle else None

    def _took_too_long(self) -> DeadlineExpired:
        return DeadlineExpired(f"the message did not arrive within {self._max_seconds:g} s")

    def _uncollected(self) -> int:
        """Return the bytes of memory in use, without those that are counted one by one."""
        return self._memory() - self._collected

    def _end_idle(self) -> None:
        """End the newer half of the streams of whoever has most that wait."""
        of_callers: dict[Caller, list[_Reading]] = {}
        for reading in self._idle:
            of_callers.setdefault(reading.caller, []).append(reading)
        most = max(of_callers.values(), key=len)
        for reading in most[len(most) // 2 :]:
            error = Overloaded("memory is scarce, and this stream has no whole request", 0.0, _RETRY, "bytes")
            self._admission.refused_again(error, 1)
            reading.end(error)
        self._give_back()

    def _charge(self, late: "list[_Reading]") -> None:
        """Share the growth of memory among the late messages. End the newest of who holds most, if that is too much."""
        each = max(UNREAD, min((self._uncollected() - self._before) // len(late), self._max_bytes))
        of_callers: dict[Caller, list[_Reading]] = {}
        for reading in late:
            reading.charge(each)
            of_callers.setdefault(reading.caller, []).append(reading)
        ended = False
        while of_callers:
            greediest = max(of_callers, key=lambda caller: caller.held_bytes)
            if self._admission.within_share(greediest):
                break
            reading = of_callers[greediest].pop()
            if not of_callers[greediest]:
                del of_callers[greediest]
            reading.charge(0)
            reading.end(self._admission.no_room_to_wait())
            ended = True
        if ended:
            self._give_back()

    def _give_back(self) -> None:
        self._freeing = asyncio.get_running_loop().run_in_executor(None, self._free)

    def _free(self) -> None:
        """Give back the memory of ended calls, before it is taken for that of others. On a thread."""
        time.sleep(_CHECK_EVERY)  # the transport frees it when the calls have ended
        give_back()
        self._freeing = None


class Rest:
    """What has not been sent of a reply, counted among its caller's bytes in flight from entry to exit."""

    __slots__ = ("_admission", "_caller", "_left")

    def __init__(self, admission: Admission, caller: Caller, size: int) -> None:
        self._admission, self._caller, self._left = admission, caller, size

    def __enter__(self) -> Self:
        self._admission.count(self._caller, 0, self._left)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sent(self._left)

    def sent(self, size: int) -> None:
        """Count `size` bytes no more."""
        self._left -= size
        self._admission.count(self._caller, 0, -size)


class _Reading:
    """One message that is being read, by the task that makes it. arriving: what counts it, unless it is a stream's."""

    __slots__ = ("_arriving", "_task", "began", "caller", "ended")

    def __init__(self, caller: Caller, arriving: Arriving | None = None) -> None:
        self.caller, self._arriving = caller, arriving
        self.began = time.monotonic()
        self.ended: Exception | None = None
        self._task = asyncio.current_task()

    def charge(self, size: int) -> None:
        """Count `size` bytes of it."""
        if self._arriving is not None:
            self._arriving.charge(size)

    def end(self, error: Exception) -> None:
        """Have `receive` or `items` raise this error."""
        if self.ended is None and self._task is not None:
            self.ended = error
            self._task.cancel()
