"""Accepts calls from gRPC many at a time, and refuses those that a gate turns away before anything is made of them.

grpc.aio asks gRPC for one call at a time, and makes two tasks and half a dozen futures of each. When more calls arrive
than it can ask for, they queue inside gRPC, unseen and without bound, until each has used up its deadline. Here a gated
method has a queue of its own in gRPC, many calls are asked for at a time, and a refusal costs about half of what
grpc.aio's own would.

grpc.aio has no interface for this. What is used of its inside is in this file only. Where it is missing in another
version of grpcio, `make_server` returns a plain server: the methods then refuse the same calls by themselves.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from grpc import aio
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from vitscope.server.api.status import Status

log = structlog.get_logger()

Gate = Callable[[Any], Status | None]
"""Called with the context of a call that has just arrived. Returns the status to refuse it with, or None."""

# Calls of one method that are asked for at a time. More would only move the queue from gRPC into the event loop.
_ACCEPTED = 256
_NEEDED = (
    *(f"AioServer.{name}" for name in ("_make_request_call_future", "_request_call", "_request_registered_call")),
    *("_ServicerContext", "_send_error_status_from_server", "SendInitialMetadataOperation"),
)


def make_server(options: Sequence[tuple[str, int]], gates: Mapping[str, Gate]) -> aio.Server:
    """Return a server that is not started. gates: by path of the method ("/service/method")."""
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_worth_logging)
    server = aio.server(options=options)
    if gates and has_what_gates_need():
        gated = _gated_server()(server._loop, None, (), (), [*options], None)  # type: ignore[attr-defined]
        gated.gates = {path.encode(): gate for path, gate in gates.items()}
        # Without a handler of its own a registered method is looked up like any other.
        gated.add_registered_method_handlers(dict.fromkeys(gates))
        server._server = gated  # type: ignore[attr-defined]
    return server


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Leave out what grpc.aio logs as an error when a caller has left before its reply was sent."""
    return not (record.exc_info and isinstance(record.exc_info[1], aio.InternalError))


def has_what_gates_need() -> bool:
    """Return whether this version of grpcio has every part of its inside that gates are made of."""
    found: list[Any] = []
    for name in _NEEDED:
        part: Any = cygrpc
        for piece in name.split("."):
            part = getattr(part, piece, None)
        found.append(part)
    if not all(found):
        missing = [name for name, part in zip(_NEEDED, found, strict=True) if not part]
        log.warning("this version of grpcio has no gates; refusing calls costs more", missing=missing)
    return all(found)


def _gated_server() -> Any:
    """Return the class. It is made only where the class that it extends is known to fit."""

    class GatedServer(cygrpc.AioServer):  # type: ignore[misc]
        """The server inside an `aio.Server`, with gates before its loop."""

        gates: Mapping[bytes, Gate]

        def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[Any]:
            """Return the next call that passes. grpc.aio's loop asks for one after the other."""
            queues: dict[bytes | None, _Accepted] = self.__dict__.setdefault("queues", {})
            queue = queues.get(method)
            if queue is None:
                queue = queues[method] = _Accepted()
                loop = asyncio.get_running_loop()
                request = self._request_call if method is None else lambda: self._request_registered_call(method)
                gate = None if method is None else self.gates[method]
                queue.tasks = [loop.create_task(_accept(request, gate, queue)) for _ in range(_ACCEPTED if gate else 1)]
            return queue.next()

    return GatedServer


class _Accepted:
    """The calls of one method that have passed, in order, for the one who takes them."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self._ready: deque[Any] = deque()
        self._failed: BaseException | None = None
        self._taker: asyncio.Future[Any] | None = None

    def next(self) -> asyncio.Future[Any]:
        """Return a future of the next call."""
        taker: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._ready:
            taker.set_result(self._ready.popleft())
        elif self._failed is not None:
            taker.set_exception(self._failed)
        else:
            self._taker = taker
        return taker

    def put(self, call: Any) -> None:
        taker, self._taker = self._taker, None
        if taker is None or taker.done():
            self._ready.append(call)
        else:
            taker.set_result(call)

    def fail(self, error: BaseException) -> None:
        """Tell the taker that no more calls come: the server shuts down."""
        self._failed = error
        taker, self._taker = self._taker, None
        if taker is not None and not taker.done():
            taker.set_exception(error)


async def _accept(request: Callable[[], Any], gate: Gate | None, accepted: _Accepted) -> None:
    """Ask for calls until the server shuts down; hand over those that pass and refuse the others."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            call = await request()
        except Exception as error:  # no more calls
            accepted.fail(error)
            return
        status = None if gate is None else _ask(gate, call, loop)
        if status is None:
            accepted.put(call)
        else:
            try:
                await cygrpc._send_error_status_from_server(
                    call,
                    status.code.value[0],
                    status.message,
                    status.trailers,
                    cygrpc.SendInitialMetadataOperation((), 0),
                    loop,
                )
            except Exception:  # its caller has left
                log.debug("a refusal was not sent", exc_info=True)
        del call, status


def _ask(gate: Gate, call: Any, loop: asyncio.AbstractEventLoop) -> Status | None:
    """Return the refusal of the gate. Its failure lets the call pass: the method decides again."""
    try:
        return gate(cygrpc._ServicerContext(call, None, None, loop))
    except Exception as error:
        log.error("a gate failed", exc_info=error)
        return None
