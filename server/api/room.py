"""Room for calls: which are turned away by their header alone, and what may be held of the others' messages."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from vitscope.server.answer.deadline import Deadline
from vitscope.server.answer.service import Service
from vitscope.server.api.accept import Gate
from vitscope.server.api.status import Status, status_of
from vitscope.server.errors import DeadlineExpired, Overloaded
from vitscope.server.metrics.rpcs import MethodRpcs
from vitscope.server.scheduling.admission import Admission
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.transit import COUNTED_REPLY, Rest, Transit

T = TypeVar("T")

# Seconds, at most, for which a refusal holds for further calls of the same caller.
_REMEMBERED = 0.05


@dataclass(slots=True)
class _Refused:
    """A refusal that holds for a caller until a time, in monotonic seconds, and how often it was given again.

    left: seconds; it holds for calls that have no more until their deadline.
    """

    until: float
    left: float
    error: Overloaded
    status: Status
    again: int = 0


class Room:
    """Applies admission and transit to calls. A caller is the single requests of one connection."""

    def __init__(self, admission: Admission, transit: Transit, service: Service) -> None:
        self._admission, self._transit, self._service = admission, transit, service

    def gate(self, rpcs: MethodRpcs) -> Gate:
        """Return the gate of a method. It decides only while requests are being refused: `receive` decides again."""
        remembered: dict[str, _Refused] = {}  # by caller

        def turn_away(context: Any) -> Status | None:
            if not self._admission.refusing:
                return None
            now, peer, left = time.monotonic(), context.peer(), context.time_remaining()
            refused = remembered.get(peer)
            if refused is not None and now < refused.until and (math.inf if left is None else left) <= refused.left:
                refused.again += 1  # counted later, with all that follow: counting would cost as much as refusing
                return refused.status
            error = self._refusal(
                self._service.callers.find(peer, bulk=False), Deadline.within(context.time_remaining())
            )
            if error is None:
                return None
            status = status_of(error)
            rpcs.refused(status.code.name, 1)
            if isinstance(error, Overloaded):
                # The queue cannot be short enough for this caller before; of a deadline, for who has no more time.
                holds = min(error.retry_after, _REMEMBERED)
                most = math.inf if error.kind != "deadline" or left is None else left
                remembered[peer] = made = _Refused(now + holds, most, error, status)
                asyncio.get_running_loop().call_later(holds, forget, peer, made)
            return status

        def forget(peer: str, refused: _Refused) -> None:
            if remembered.get(peer) is refused:
                del remembered[peer]
            if refused.again:
                self._admission.refused_again(refused.error, refused.again)
                self._service.turned_away(refused.error, refused.again)
                rpcs.refused(refused.status.code.name, refused.again)

        return turn_away

    async def receive(self, context: Any, deadline: Deadline, gated: bool, read: Callable[[], Awaitable[T]]) -> T:
        """Return the message that `read` returns. With `gated` it is read only if there is room to answer it.

        Raises Overloaded or DeadlineExpired.
        """
        caller = self._caller(context)
        if gated and (refusal := self._refusal(caller, deadline)) is not None:
            raise refusal
        try:
            return await self._transit.receive(caller, read)
        except (Overloaded, DeadlineExpired) as error:
            if gated:
                self._service.turned_away(error)
            raise

    async def collect(
        self, caller: Caller, deadline: Deadline, pieces: AsyncIterator[bytes], parse: Callable[[bytes], Awaitable[T]]
    ) -> T:
        """Return what `parse` makes of the message that arrives in `pieces`, if there is room to answer it.

        Raises Overloaded or DeadlineExpired, before the first piece is asked for or after.
        """
        if (refusal := self._refusal(caller, deadline)) is not None:
            raise refusal
        try:
            return await self._transit.collect(caller, pieces, parse)
        except (Overloaded, DeadlineExpired) as error:
            self._service.turned_away(error)
            raise

    def hold(self, caller: Caller, size: int) -> Callable[[], None]:
        """Count a reply of `size` bytes until the returned function is called.

        Raises Overloaded for a caller who does not read.
        """
        return self._transit.hold_reply(caller, size) if size >= COUNTED_REPLY else lambda: None

    def hold_rest(self, caller: Caller, size: int) -> Rest:
        """Count what has not been sent of a reply of `size` bytes (`with`). Raises Overloaded as `hold` does."""
        return self._transit.hold_rest(caller, size)

    def hold_reply(self, context: Any, size: int) -> None:
        """Count the bytes of a reply until it has been sent. Raises Overloaded for a caller who does not read."""
        if size < COUNTED_REPLY:
            return
        release = self._transit.hold_reply(self._caller(context), size)
        context.add_done_callback(lambda context: release())

    def _refusal(self, caller: Caller, deadline: Deadline) -> Overloaded | DeadlineExpired | None:
        """Return why a call that has just arrived is refused, which is counted, or None."""
        error = self._admission.refusal(caller, deadline.at)
        if error is not None:
            self._service.turned_away(error)
        return error

    def _caller(self, context: Any) -> Caller:
        return self._service.callers.find(context.peer(), bulk=False)
