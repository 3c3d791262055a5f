"""Room for calls: which are turned away by their header alone, and what gRPC may hold of the others' messages."""

import time
from collections.abc import Awaitable, Callable
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
from vitscope.server.scheduling.transit import COUNTED_REPLY, Transit

T = TypeVar("T")

# Seconds, at most, for which a refusal holds for further calls of the same caller.
_REMEMBERED = 0.02


@dataclass(frozen=True, slots=True)
class _Refused:
    """A refusal that holds until a time, in monotonic seconds."""

    until: float
    error: Overloaded
    status: Status


class Room:
    """Applies admission and transit to gRPC calls. A caller is the single requests of one connection."""

    def __init__(self, admission: Admission, transit: Transit, service: Service) -> None:
        self._admission, self._transit, self._service = admission, transit, service
        self._refused: dict[str, _Refused] = {}  # the last refusal by caller

    def gate(self, rpcs: MethodRpcs) -> Gate:
        """Return the gate of a method. It decides only while requests are being refused: `receive` decides again."""

        def turn_away(context: Any) -> Status | None:
            if not self._admission.refusing:
                self._refused.clear()
                return None
            now, peer = time.monotonic(), context.peer()
            refused = self._refused.get(peer)
            if refused is not None and now < refused.until:
                self._admission.refuse_again(refused.error)
                self._service.turned_away(refused.error)
                status = refused.status
            else:
                found = self._ask(context, peer, now)
                if found is None:
                    return None
                status = found
            rpcs.start()
            rpcs.finish(now, status.code.name)
            return status

        return turn_away

    def _ask(self, context: Any, peer: str, now: float) -> Status | None:
        try:
            self._arrive(self._service.callers.find(peer, bulk=False), Deadline.within(context.time_remaining()))
        except Overloaded as error:
            status = status_of(error)
            # The queue cannot be short enough for this caller before. Asking again would only cost time.
            if error.kind != "deadline":
                self._refused[peer] = _Refused(now + min(error.retry_after, _REMEMBERED), error, status)
            return status
        except DeadlineExpired as error:
            return status_of(error)
        return None

    async def receive(self, context: Any, deadline: Deadline, gated: bool, read: Callable[[], Awaitable[T]]) -> T:
        """Return the message that `read` returns. With `gated` it is read only if there is room to answer it.

        Raises Overloaded or DeadlineExpired.
        """
        caller = self._caller(context)
        if gated:
            self._arrive(caller, deadline)
        try:
            return await self._transit.receive(caller, read)
        except (Overloaded, DeadlineExpired) as error:
            if gated:
                self._service.turned_away(error)
            raise

    def hold_reply(self, context: Any, size: int) -> None:
        """Count the bytes of a reply until it has been sent. Raises Overloaded for a caller who does not read."""
        if size < COUNTED_REPLY:
            return
        release = self._transit.hold_reply(self._caller(context), size)
        context.add_done_callback(lambda context: release())

    def _arrive(self, caller: Caller, deadline: Deadline) -> None:
        try:
            self._admission.arrive(caller, deadline.at)
        except (Overloaded, DeadlineExpired) as error:
            self._service.turned_away(error)
            raise

    def _caller(self, context: Any) -> Caller:
        return self._service.callers.find(context.peer(), bulk=False)
