"""Accepts calls from gRPC many at a time, and refuses those that a gate turns away before anything is made of them.

grpc.aio asks gRPC for one call at a time, in a loop that waits for several futures for each. When more calls arrive
than it can ask for, they queue inside gRPC, unseen and without bound, until each has used up its deadline. Here a gated
method has a queue of its own in gRPC, many calls are asked for at a time, each is begun by the task that received it,
and a refusal costs about half of what grpc.aio's own would.

grpc.aio has no interface for this. What is used of its inside is in this file only. Where it is missing in another
version of grpcio, `make_server` returns a plain server: the methods then refuse the same calls by themselves.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
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
_PARAMETERS = {
    "_handle_rpc": ("method_name", "method_resolver", "interceptors", "rpc_state", "loop", "concurrency_exceeded"),
    "_schedule_rpc_coro": ("rpc_coro", "rpc_state", "loop", "method_name"),
}


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
    missing = [name for name in _NEEDED if _part(name) is None]
    for name, parameters in _PARAMETERS.items():
        function = _part(name)
        if function is None or tuple(inspect.signature(function).parameters) != parameters:
            missing.append(name)
    if missing:
        log.warning("this version of grpcio has no gates; refusing calls costs more", missing=missing)
    return not missing


def _part(name: str) -> Any:
    part: Any = cygrpc
    for piece in name.split("."):
        part = getattr(part, piece, None)
    return part


def _gated_server() -> Any:
    """Return the class. It is made only where the class that it extends is known to fit."""

    class GatedServer(cygrpc.AioServer):  # type: ignore[misc]
        """The server inside an `aio.Server`, with gates in place of its loop for the methods that have one."""

        gates: Mapping[bytes, Gate]

        def add_generic_rpc_handlers(self, handlers: Any) -> None:
            """Keep the handlers, too: the ones that grpc.aio keeps cannot be read."""
            super().add_generic_rpc_handlers(handlers)
            self._methods.handlers.extend(handlers)

        def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[Any]:
            """Return the next call, as grpc.aio's loop asks for it; of a gated method there is none, only its end."""
            if method is None:
                return super()._make_request_call_future(None)  # type: ignore[no-any-return]
            loop = asyncio.get_running_loop()
            end: asyncio.Future[Any] = loop.create_future()
            accept = _Accept(method, self.gates[method], lambda: self._request_registered_call(method), self._methods)
            # asyncio itself keeps no task alive.
            tasks = [loop.create_task(accept.run(loop, end)) for _ in range(_ACCEPTED)]
            end.add_done_callback(lambda end: tasks.clear())
            return end

        @property
        def _methods(self) -> "_Methods":
            return self.__dict__.setdefault("methods", _Methods())  # type: ignore[no-any-return]

    return GatedServer


class _Methods:
    """Finds the handler of a call, as gRPC's own resolver does."""

    def __init__(self) -> None:
        self.handlers: list[grpc.GenericRpcHandler] = []  # type: ignore[type-arg]

    def resolve_handler(self, details: Any) -> Any:
        return next((found for handler in self.handlers if (found := handler.service(details)) is not None), None)


class _Accept:
    """Accepts the calls of one method, refuses those that its gate turns away, and begins the others."""

    def __init__(self, method: bytes, gate: Gate, request: Callable[[], Any], methods: _Methods) -> None:
        self._name, self._gate, self._request, self._methods = method.decode(), gate, request, methods
        self._calls = set[asyncio.Task[None]]()

    async def run(self, loop: asyncio.AbstractEventLoop, end: asyncio.Future[Any]) -> None:
        """Accept calls until the server shuts down, which `end` gets as its exception."""
        while True:
            try:
                call = await self._request()
            except Exception as error:  # no more calls
                if not end.done():
                    end.set_exception(error)
                return
            status = _ask(self._gate, call, loop)
            if status is None:
                self._begin(call, loop)
            else:
                await _refuse(call, status, loop)
            del call, status

    def _begin(self, call: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Begin a call as grpc.aio's loop does: its task also waits for the caller to leave."""
        answer = cygrpc._handle_rpc(self._name, self._methods, (), call, loop, False)
        task = loop.create_task(cygrpc._schedule_rpc_coro(answer, call, loop, self._name))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)


async def _refuse(call: Any, status: Status, loop: asyncio.AbstractEventLoop) -> None:
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


def _ask(gate: Gate, call: Any, loop: asyncio.AbstractEventLoop) -> Status | None:
    """Return the refusal of the gate. Its failure lets the call pass: the method decides again."""
    try:
        return gate(cygrpc._ServicerContext(call, None, None, loop))
    except Exception as error:
        log.error("a gate failed", exc_info=error)
        return None
