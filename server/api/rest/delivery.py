"""Sending replies: as a whole, or in pieces, of which no more is held than has not been sent."""

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass

from aiohttp import web

from vitscope.server.answer.deadline import Deadline
from vitscope.server.api.connections import connection_of
from vitscope.server.api.rest.container import CONTENT_TYPE, Container
from vitscope.server.api.room import Room
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.transit import Rest


@dataclass(slots=True)
class Whole:
    """A reply that is sent as a whole. It is counted twice, as the transport copies it."""

    response: web.Response

    def hold(self, room: Room, caller: Caller, held: ExitStack) -> None:
        """Count its bytes until `held` ends. Raises Overloaded."""
        held.callback(room.hold(caller, self.response.content_length or 0))

    async def send(self, request: web.Request) -> bool:
        """Send it, and have it read. Returns whether it was."""
        return await connection_of(request).deliver(_write(request, self.response))


class Streamed:
    """A reply that is sent in pieces, each when the last one has been read. What is left is counted.

    Each has the time that a whole reply has, and all have until the deadline: whoever is slower is cut off, which
    the length in the header tells.
    """

    def __init__(self, container: Container, deadline: Deadline) -> None:
        self.response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE})
        self.response.content_length = container.size
        self._container, self._deadline = container, deadline
        self._unread: Rest | None = None

    def hold(self, room: Room, caller: Caller, held: ExitStack) -> None:
        """Count the bytes that have not been sent until `held` ends. Raises Overloaded."""
        self._unread = held.enter_context(room.hold_rest(caller, self._container.values))

    async def send(self, request: web.Request) -> bool:
        """Send it, and have it read. Returns whether it was."""
        assert self._unread is not None
        connection = connection_of(request)
        if not await connection.deliver(_begin(request, self.response, self._container.head), self._left()):
            return False
        for piece in self._container.pieces:
            if not await connection.deliver(self.response.write(piece), self._left()):
                return False
            self._unread.sent(len(piece))
        return True

    def _left(self) -> float:
        """Return the seconds until the deadline."""
        return self._deadline.at - time.monotonic() if math.isfinite(self._deadline.at) else math.inf


Reply = Whole | Streamed


async def _write(request: web.Request, response: web.Response) -> None:
    await response.prepare(request)
    await response.write_eof()


async def _begin(request: web.Request, response: web.StreamResponse, head: bytes) -> None:
    await response.prepare(request)
    await response.write(head)
