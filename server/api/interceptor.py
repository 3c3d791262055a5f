"""Around every RPC: count it, time it, give it a deadline, and turn what it raises into a status."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from vitscope.server.answer.deadline import Deadline
from vitscope.server.api import deadlines
from vitscope.server.api.status import status_of
from vitscope.server.errors import InvalidRequest
from vitscope.server.metrics.rpcs import MethodRpcs, RpcMetrics


class ServerInterceptor(aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps the unary and the bidirectional streaming methods of every service on the server, each of them once."""

    def __init__(self, metrics: RpcMetrics) -> None:
        self._metrics = metrics
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        wrapped = self._wrapped.get(details.method)
        if wrapped is None:
            handler = await continuation(details)
            if handler is None:
                return None
            wrapped = self._wrapped[details.method] = self._wrap(handler, details.method)
        return wrapped

    def _wrap(self, handler: Any, path: str) -> Any:
        _, service, method = path.split("/", 2)
        if handler.unary_unary:
            rpcs = self._metrics.of("unary", service, method)
            return grpc.unary_unary_rpc_method_handler(
                _unary(handler.unary_unary, rpcs), _reader(handler), handler.response_serializer
            )
        if handler.stream_stream:
            rpcs = self._metrics.of("bidi_stream", service, method)
            return grpc.stream_stream_rpc_method_handler(
                _stream(handler.stream_stream, rpcs), _reader(handler), handler.response_serializer
            )
        return handler


def _unary(behaviour: Any, rpcs: MethodRpcs) -> Any:
    async def call(request: Any, context: Any) -> Any:
        began, deadline = rpcs.start(), deadlines.begin(context)
        try:
            response = await behaviour(_readable(request), context)
        except BaseException as error:
            await _end(error, rpcs, began, deadline, context)
            raise
        rpcs.finish(began, "OK")
        return response

    return call


def _stream(behaviour: Any, rpcs: MethodRpcs) -> Any:
    async def call(requests: Any, context: Any) -> AsyncIterator[Any]:
        began, deadline = rpcs.start(), deadlines.begin(context)
        try:
            async for response in behaviour(_all_readable(requests), context):
                yield response
        except BaseException as error:
            await _end(error, rpcs, began, deadline, context)
            raise
        rpcs.finish(began, "OK")

    return call


async def _end(error: BaseException, rpcs: MethodRpcs, began: float, deadline: Deadline, context: Any) -> None:
    """Count an RPC that failed, and abort it with the status of its error, unless it has ended already."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        late = deadline.missed(time.monotonic())
        code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
        rpcs.finish(began, code.name)
    elif isinstance(error, aio.AbortError):
        rpcs.finish(began, (context.code() or grpc.StatusCode.UNKNOWN).name)
    elif isinstance(error, Exception):
        status = status_of(error)
        rpcs.finish(began, status.code.name)
        await context.abort(status.code, status.message, status.trailers)


class _Unreadable:
    """Stands for a message that could not be parsed, until there is a call to answer."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _reader(handler: Any) -> Any:
    """Return the handler's deserializer; were it to raise, gRPC would end the call with UNKNOWN and log a traceback."""
    parse = handler.request_deserializer

    def read(data: bytes) -> Any:
        try:
            return parse(data)
        except Exception as error:
            return _Unreadable(error)

    return read if parse else None


def _readable(request: Any) -> Any:
    if isinstance(request, _Unreadable):
        raise InvalidRequest("request", f"bytes that cannot be parsed ({request.error})", "the message of this method")
    return request


async def _all_readable(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _readable(request)
