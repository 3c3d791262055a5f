"""A wrapper around every RPC: it counts and times it, sets its deadline, and turns errors into a status."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import grpc
from grpc import aio

from vitscope.server.answer.deadline import Deadline
from vitscope.server.api import deadlines
from vitscope.server.api.messages import all_readable, reader, receive
from vitscope.server.api.room import Room
from vitscope.server.api.status import status_of
from vitscope.server.errors import InvalidRequest
from vitscope.server.metrics.rpcs import MethodRpcs, RpcMetrics

# Bytes of a call's headers, names and values and 32 for each, as HTTP/2 counts them.
MAX_HEADERS = 16 * 1024

Receive = Callable[[Any, Deadline], Awaitable[Any]]


class ObservedServer:
    """Registers services on a gRPC server, with each of their methods wrapped.

    An interceptor would do the same, but costs each RPC one more coroutine and look-up.

    room: what bounds the messages that gRPC holds; without, nothing does. gated: paths of the methods whose message is
    read only if there is room to answer it.
    """

    def __init__(
        self, server: aio.Server, metrics: RpcMetrics, room: Room | None = None, gated: Collection[str] = ()
    ) -> None:
        self._server, self._metrics, self._room, self._gated = server, metrics, room, gated
        self._wrapped: dict[str, Any] = {}
        self._too_large: dict[str, Any] = {}

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Do nothing: the generic handler finds the same methods. Called by generated code.

        With registered methods grpc.aio waited for about ten futures per RPC instead of one or two: 12 % of the event
        loop's time in a profile of a model that computes nothing (grpcio 1.85).
        """

    def add_generic_rpc_handlers(self, handlers: Iterable[Any]) -> None:
        """Register handlers that look up methods by themselves. Called by generated code."""
        self._server.add_generic_rpc_handlers(tuple(_Wrapping(handler, self) for handler in handlers))

    def wrap(self, handler: Any, details: grpc.HandlerCallDetails) -> Any:
        """Return the handler of a call, wrapped."""
        path = details.method
        if _size(details.invocation_metadata) > MAX_HEADERS:
            known, make = self._too_large, self._refusing
        else:
            known, make = self._wrapped, self._wrap
        found = known.get(path)
        if found is None:
            found = known[path] = make(handler, path)
        return found

    def _wrap(self, handler: Any, path: str) -> Any:
        read, write = reader(handler), handler.response_serializer
        if handler.unary_unary:
            # As a stream of one message: gRPC would read it before it calls the method.
            call = _unary(handler.unary_unary, self._rpcs("unary", path), self._receive(path), self._write(write))
            return grpc.stream_unary_rpc_method_handler(call, read, None)
        if handler.unary_stream:
            call = _server_stream(handler.unary_stream, self._rpcs("server_stream", path), self._receive(path))
            return grpc.stream_stream_rpc_method_handler(call, read, write)
        if handler.stream_stream:
            call = _stream(handler.stream_stream, self._rpcs("bidi_stream", path))
            return grpc.stream_stream_rpc_method_handler(call, read, write)
        return handler

    def _refusing(self, handler: Any, path: str) -> Any:
        """Return a handler that refuses calls with too many headers."""

        async def refuse(context: Any, deadline: Deadline) -> Any:
            size = _size(context.invocation_metadata())
            raise InvalidRequest("headers", f"{size:,} bytes of metadata", f"up to {MAX_HEADERS:,}")

        kind = {(False, False): "unary", (False, True): "server_stream", (True, True): "bidi_stream"}
        rpcs = self._rpcs(kind[bool(handler.request_streaming), bool(handler.response_streaming)], path)
        return grpc.stream_unary_rpc_method_handler(_unary(None, rpcs, refuse, None))

    def _rpcs(self, kind: str, path: str) -> MethodRpcs:
        _, service, method = path.split("/", 2)
        return self._metrics.of(kind, service, method)

    def _receive(self, path: str) -> Receive:
        room, gated = self._room, path in self._gated
        if room is None:
            return lambda context, deadline: receive(context)
        return lambda context, deadline: room.receive(context, deadline, gated, lambda: receive(context))

    def _write(self, write: Any) -> Callable[[Any, Any], Any]:
        """Return what turns a reply into bytes, which are counted until they are sent."""
        room = self._room

        def serialized(response: Any, context: Any) -> Any:
            data = write(response) if write else response
            if room is not None:
                room.hold_reply(context, len(data))
            return data

        return serialized


class _Wrapping(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Wraps the methods that another handler finds."""

    def __init__(self, handler: Any, server: ObservedServer) -> None:
        self._handler, self._server = handler, server

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        found = self._handler.service(details)
        return found and self._server.wrap(found, details)


def _size(metadata: Any) -> int:
    return sum(len(name) + len(value) + 32 for name, value in metadata)


def _unary(behaviour: Any, rpcs: MethodRpcs, receive: Receive, write: Any) -> Any:
    async def call(requests: Any, context: Any) -> Any:
        began, deadline = rpcs.start(), deadlines.begin(context)
        try:
            response = write(await behaviour(await receive(context, deadline), context), context)
        except BaseException as error:
            await _end(error, rpcs, began, deadline, context)
            raise
        rpcs.finish(began, "OK")
        return response

    return call


def _server_stream(behaviour: Any, rpcs: MethodRpcs, receive: Receive) -> Any:
    async def call(requests: Any, context: Any) -> AsyncIterator[Any]:
        began, deadline = rpcs.start(), deadlines.begin(context)
        try:
            async for response in behaviour(await receive(context, deadline), context):
                yield response
        except BaseException as error:
            await _end(error, rpcs, began, deadline, context)
            raise
        rpcs.finish(began, "OK")

    return call


def _stream(behaviour: Any, rpcs: MethodRpcs) -> Any:
    async def call(requests: Any, context: Any) -> AsyncIterator[Any]:
        began, deadline = rpcs.start(), deadlines.begin(context)
        try:
            async for response in behaviour(all_readable(requests), context):
                yield response
        except BaseException as error:
            await _end(error, rpcs, began, deadline, context)
            raise
        rpcs.finish(began, "OK")

    return call


async def _end(error: BaseException, rpcs: MethodRpcs, began: float, deadline: Deadline, context: Any) -> None:
    """Count an RPC that failed. Abort it with the status of its error unless it has ended already."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        late = deadline.missed(time.monotonic())
        code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
        rpcs.finish(began, code.name)
    elif isinstance(error, aio.AbortError):
        rpcs.finish(began, (context.code() or grpc.StatusCode.UNKNOWN).name)
        _let_go(error)
    elif isinstance(error, Exception):
        status = status_of(error)
        rpcs.finish(began, status.code.name)
        try:
            await context.abort(status.code, status.message, status.trailers)
        except aio.InternalError:  # the call has ended meanwhile, and nobody waits for its status
            raise asyncio.CancelledError from None
        except aio.AbortError as aborted:
            _let_go(aborted)
            raise


def _let_go(aborted: aio.AbortError) -> None:
    """Have the error of an aborted call hold nothing when gRPC has seen it.

    gRPC keeps it with the call. It holds the frames that it went through, these the call, and the message. Such cycles
    are collected late; never, if gRPC asked for the call before the server froze what it had made at its start.
    """

    def let_go() -> None:
        aborted.__traceback__ = aborted.__context__ = aborted.__cause__ = None

    asyncio.get_running_loop().call_soon(let_go)
