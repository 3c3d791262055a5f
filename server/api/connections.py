"""The connections of the HTTP port: bounded in number, and in what each may hold while it sends or reads nothing.

aiohttp bounds pipelined requests, the lines of a header and what is read ahead of a body. It does not bound how many
connections there are, how long or large a header as a whole may be, and how long a client may take to read. What is
used of its inside is in this file only.
"""

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web

from vitscope.server.api.half_closed import AGAIN, SOON, Begun, is_broken
from vitscope.server.api.http.log import http_logger
from vitscope.server.scheduling.callers import Caller, Callers

# Bytes of a header, as for gRPC's calls. Browsers send the cookies of all that serves on one host name.
MAX_HEADER = 16 * 1024
MAX_HEADERS = 100
# Seconds for a header to arrive once its first byte has, and for a connection to be idle.
HEADER_SECONDS, IDLE_SECONDS = 10.0, 60.0
# Seconds for which the rest of a body that nobody wants is received, so that its sender gets to read the reply.
LINGER_SECONDS = 2.0
# Bytes of a body that are read ahead.
_AHEAD = 2**16
_TOO_LARGE = (
    f"HTTP/1.1 431 {HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE.phrase}\r\n"
    "Content-Length: 0\r\nConnection: close\r\n\r\n"
).encode()


class Connections:
    """The open connections. Beyond `most`, another one is closed for each that is new.

    It is of the address that has most, and the one that has done nothing for longest; one whose client waits for an
    answer only if there is no other. So somebody who opens many keeps nobody else out, and probes least of all.
    closed: called with the reason of each that is closed.
    """

    def __init__(self, most: int, closed: Callable[[str], None] = lambda reason: None) -> None:
        self._most, self.closed = most, closed
        self._open = dict[Connection, None]()  # oldest first

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: "Connection") -> None:
        """Count a new connection, and close another one if there are too many."""
        self._open[connection] = None
        if len(self._open) > self._most:
            addresses = Counter(each.address for each in self._open)
            worst = min(self._open, key=lambda each: (-addresses[each.address], each.answering, each.since))
            self.remove(worst)
            worst.end("limit")

    def remove(self, connection: "Connection") -> None:
        """Forget a connection that has ended."""
        self._open.pop(connection, None)


class Connection(web.RequestHandler):
    """One connection. Closed when its client is too slow, or too much, with a header or with reading a reply.

    send_seconds: for a reply to be read. peer: its name as a caller. since: monotonic seconds at which it last began to
    wait for its client. answering: whether its client waits for an answer that is being computed.

    A client may end its sending after a request, and gets its answer all the same; then the connection is closed.
    """

    __slots__ = (
        "_answered",
        "_connections",
        "_ended",
        "_header",
        "_late",
        "_payload",
        "_send_seconds",
        "address",
        "answering",
        "peer",
        "since",
    )

    def __init__(self, server: web.Server, connections: Connections, send_seconds: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            logger=http_logger(),
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            read_bufsize=_AHEAD,
            max_line_size=MAX_HEADER // 2,
            max_field_size=MAX_HEADER // 2,
            max_headers=MAX_HEADERS,
            auto_decompress=False,
        )
        self._connections, self._send_seconds = connections, send_seconds
        self._header = 0  # bytes of a header that is not complete
        self._late: asyncio.TimerHandle | None = None  # what ends it
        self._payload: Any = None  # the body of the newest request
        self._ended, self._answered = False, 0  # whether the client has ended its sending; requests
        self.address = self.peer = ""
        self.answering, self.since = False, time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin. A write is not done before the client has read."""
        super().connection_made(transport)
        self.address, port, *_ = transport.get_extra_info("peername") or ("", 0)
        self.peer = f"http:{self.address}:{port}"
        if isinstance(transport, asyncio.WriteTransport):
            transport.set_write_buffer_limits(high=0)
        self._connections.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End, and have the handler of the request cancelled."""
        self._connections.remove(self)
        self._header_ended()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, and bound the size and the time of a header that is not complete."""
        requests, of_body = self._request_count, self._payload is not None and not self._payload.is_eof()
        super().data_received(data)
        if self._request_count > requests:
            self._header_ended()
            self._payload = self._messages[-1][1]
        elif data and not of_body:
            self._header += len(data)
            if self._late is None:
                self._late = self._loop.call_later(HEADER_SECONDS, self.end, "header")
            if self._header > MAX_HEADER:
                if self._current_request is None and self.transport is not None:
                    self.transport.write(_TOO_LARGE)
                    self.force_close()
                    self._connections.closed("header")
                else:
                    self.end("header")

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp lets every such connection be closed
        """Stay open for a client that has ended its sending, and waits for answers to what it has sent as a whole."""
        if self._request_count == self._answered or not self._payload.is_eof() or self.transport is None:
            return False
        self._ended, request = True, self._current_request
        writer = None if request is None else request._payload_writer
        if writer is None or not getattr(writer, "output_size", 0):  # else the answer itself shows whether it is taken
            self.transport = Begun(self.transport, partial(setattr, self, "transport"))  # type: ignore[assignment]
        self._loop.call_later(SOON, self._look)
        return True

    def _look(self) -> None:
        """End if the client that has ended its sending has left."""
        if self.transport is None:
            return
        if is_broken(self.transport):
            self.transport.abort()
        else:
            self._loop.call_later(AGAIN, self._look)

    async def finish_response(self, request: Any, resp: web.StreamResponse, start_time: float | None) -> Any:
        """Send a reply, and have it read."""
        delivered = await self.deliver(super().finish_response(request, resp, start_time))
        self._answered += 1
        if not self._messages and self._payload.is_eof() and self.transport is not None:
            # aiohttp counts a request twice whose body ended after its answer had begun, and then stops before it has
            # parsed all of those that are sent in a row.
            self.data_received(b"")
        if self._ended and self._answered == self._request_count:
            self.close()
        return resp, not delivered

    async def deliver(self, sending: Awaitable[object], seconds: float = math.inf) -> bool:
        """Send something, and wait until it has been read. Returns False for a client that left, or is cut off.

        seconds: that are left for it, where that is less than there are for any reply.
        """
        self.answering, self.since = False, time.monotonic()
        try:
            async with asyncio.timeout(min(self._send_seconds, seconds)):
                await sending
                while self.transport is not None and self.transport.get_write_buffer_size():
                    # Not paused before the loop has tried to write.
                    await (self._drain_helper() if self.writing_paused else asyncio.sleep(0))
        except TimeoutError:
            self.end("deaf")
            return False
        except ConnectionError:
            return False
        return self.transport is not None

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Return the reply to what cannot be parsed, or to a bug in a handler, which is logged."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or message is None:
            return super().handle_error(request, status, exc, message)
        detail = f"request: {message.partition(chr(10))[0].rstrip(':')[:200]}; accepted: HTTP/1.1"
        found = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, "code": "INVALID_ARGUMENT"}
        response = web.Response(status=status, body=json.dumps(found).encode(), content_type="application/problem+json")
        response.force_close()
        return response

    def end(self, reason: str) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self._connections.closed(reason)
            self.transport.abort()

    def _header_ended(self) -> None:
        self._header = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None


def connection_of(request: web.Request) -> Connection:
    """Return the connection of a request."""
    assert isinstance(request.protocol, Connection)
    return request.protocol


def caller_of(request: web.Request, callers: Callers) -> Caller:
    """Return who asks: the single requests of one connection, as over gRPC."""
    return callers.find(connection_of(request).peer, bulk=False)
