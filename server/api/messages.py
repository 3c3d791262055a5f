"""Reading the messages of calls. What a caller sends never makes a traceback."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from vitscope.server.errors import InvalidRequest

# Seconds within which a call that its caller has left is cancelled. Its end is read first.
_LEAVING = 0.1


class _Unreadable:
    """A message that could not be parsed. The error is raised inside the call, where it becomes a status."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def reader(handler: Any) -> Any:
    """Return a deserializer that does not raise: gRPC would end the call with UNKNOWN and log a traceback."""
    parse = handler.request_deserializer

    def read(data: bytes) -> Any:
        try:
            return parse(data)
        except Exception as error:
            return _Unreadable(error)

    return read if parse else None


async def receive(context: Any) -> Any:
    """Return the message of a call that has one. Raises InvalidRequest."""
    message = await context.read()
    if message is aio.EOF:  # type: ignore[attr-defined]
        await asyncio.sleep(_LEAVING)
        raise InvalidRequest("request", "no message", "the message of this method")
    return _readable(message)


async def all_readable(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yield the messages of a stream. Raises InvalidRequest."""
    async for request in requests:
        yield _readable(request)


def _readable(request: Any) -> Any:
    if isinstance(request, _Unreadable):
        raise InvalidRequest("request", f"bytes that cannot be parsed ({request.error})", "the message of this method")
    return request
