"""Around every RPC: count it, time it, and turn what it raises into a status."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from server.api.status import status_of
from server.errors import InvalidRequest
from server.metrics import Metrics


class ServerInterceptor(aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps the unary and the bidirectional streaming methods of every service on the server."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None:
            return None
        _, service, method = details.method.split("/", 2)
        if handler.unary_unary:
            labels = ("unary", service, method)
            return grpc.unary_unary_rpc_method_handler(
                self._unary(handler.unary_unary, labels), _reader(handler), handler.response_serializer
            )
        if handler.stream_stream:
            labels = ("bidi_stream", service, method)
            return grpc.stream_stream_rpc_method_handler(
                self._stream(handler.stream_stream, labels), _reader(handler), handler.response_serializer
            )
        return handler

    def _unary(self, behaviour: Any, labels: tuple[str, str, str]) -> Any:
        async def call(request: Any, context: Any) -> Any:
            async with _Rpc(self._metrics, labels, context):
                return await behaviour(_readable(request), context)

        return call

    def _stream(self, behaviour: Any, labels: tuple[str, str, str]) -> Any:
        async def call(requests: Any, context: Any) -> AsyncIterator[Any]:
            async with _Rpc(self._metrics, labels, context):
                async for response in behaviour(_all_readable(requests), context):
                    yield response

        return call


class _Unreadable:
    """Stands for a message that could not be parsed, until there is a call to answer."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _reader(handler: Any) -> Any:
    """The handler's deserializer, which gRPC would let end the call with UNKNOWN and a traceback in the log."""
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


class _Rpc:
    """One RPC, from start to status."""

    def __init__(self, metrics: Metrics, labels: tuple[str, str, str], context: Any) -> None:
        self._metrics, self._labels, self._context = metrics, labels, context

    async def __aenter__(self) -> None:
        self._metrics.grpc_started.labels(*self._labels).inc()
        self._began = time.monotonic()

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            self._finish(grpc.StatusCode.OK)
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            left = self._context.time_remaining()
            late = left is not None and left <= 0
            self._finish(grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED)
        elif isinstance(error, aio.AbortError):
            self._finish(self._context.code() or grpc.StatusCode.UNKNOWN)
        elif isinstance(error, Exception):
            status = status_of(error)
            self._finish(status.code)
            await self._context.abort(status.code, status.message, status.trailers)

    def _finish(self, code: grpc.StatusCode) -> None:
        self._metrics.grpc_handled.labels(*self._labels, code.name).inc()
        self._metrics.grpc_handling_seconds.labels(*self._labels).observe(time.monotonic() - self._began)
