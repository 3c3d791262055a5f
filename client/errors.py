"""The exceptions of the client, and the one place where gRPC status codes become exceptions."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

# Trailer that the server sends with RESOURCE_EXHAUSTED; see classifier.proto.
ESTIMATED_WAIT_TRAILER = "vitscope-estimated-wait-ms"

# Prefixes of the server's own UNAVAILABLE messages; gRPC's, when no server answers, begin otherwise.
SENT_BY_SERVER = ("model ", "the server ")

# What gRPC reports when it reached no server, a proxy refused, or something else than gRPC answered.
_NO_ANSWER = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNKNOWN,
)

# gRPC reports this with RESOURCE_EXHAUSTED too, but a retry cannot succeed.
_TOO_LARGE = re.compile(
    r"(?:(?P<side>CLIENT|SERVER): )?(?P<verb>received|sent) message larger than max "
    r"\((?P<size>\d+) vs\. (?P<limit>\d+)\)",
    re.IGNORECASE,
)


class ClientError(Exception):
    """A call failed, or one image of a stream did. The base class of all errors of this client.

    Status codes without a subclass, such as INTERNAL and FAILED_PRECONDITION, raise this class itself.
    """

    code: grpc.StatusCode
    """The gRPC status code."""
    message: str
    """The text of the server, or of gRPC when no server answered."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


class InvalidRequest(ClientError):
    """An argument is not acceptable; a retry cannot succeed.

    The message names the argument, its value and what is accepted. Raised for arguments that the client itself refuses
    and for status INVALID_ARGUMENT.
    """

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.INVALID_ARGUMENT, message)


class InvalidImage(InvalidRequest):
    """This image cannot be read, sent or decoded. Other images of the same stream are not affected."""


class RequestTooLarge(InvalidImage):
    """The message with this image exceeds the server's limit."""

    limit: int
    """Largest message that the server accepts, in bytes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"image: the message with it has {size:,} bytes; accepted by the server: up to {limit:,} "
            "(send a smaller or a compressed file)"
        )
        self.limit = limit


class NotFound(ClientError):
    """There is no such model or no such version of it (status NOT_FOUND). The message lists those that exist."""


class Overloaded(ClientError):
    """The server refused because the predicted wait is too long, after all retries (status RESOURCE_EXHAUSTED)."""

    estimated_wait: float | None
    """Wait that the server predicted, in seconds; None when it sent no prediction."""

    def __init__(self, message: str, estimated_wait: float | None = None) -> None:
        super().__init__(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        self.estimated_wait = estimated_wait


class DeadlineExceeded(ClientError):
    """No answer came within the timeout, retries included (status DEADLINE_EXCEEDED)."""


class Unavailable(ClientError):
    """No server can be reached, or the model is not ready, after all retries (status UNAVAILABLE)."""


def from_status(code: grpc.StatusCode, message: str, estimated_wait: float | None = None) -> ClientError:
    """Return the exception for a status; `estimated_wait` in seconds."""
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT:
            # The message starts with the path of the field. A bad image fails one item of a stream,
            # any other bad field fails every item.
            return InvalidImage(message) if message.startswith("image") else InvalidRequest(message)
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return _too_large(message) or Overloaded(message, estimated_wait)
        case grpc.StatusCode.NOT_FOUND:
            return NotFound(code, message)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(code, message)
        case grpc.StatusCode.UNAVAILABLE:
            return Unavailable(code, message)
    return ClientError(code, message)


def from_number(number: int, message: str) -> ClientError:
    """Return the exception for the number of a status code, which a stream sends for an item."""
    return from_status(_CODES.get(number, grpc.StatusCode.UNKNOWN), message)


def from_rpc_error(error: grpc.RpcError, route: str = "") -> ClientError:
    """Return the exception for a failed call, sync or asyncio.

    route: how calls get to the server when not directly. It is told where no server has answered.
    """
    # Both libraries raise objects that have these methods; the declared base class has none.
    code: grpc.StatusCode = error.code()
    message = error.details() or ""
    if route and code in _NO_ANSWER and not message.startswith(SENT_BY_SERVER):
        message = f"{message} ({route})"
    return from_status(code, message, _estimated_wait(error.trailing_metadata() or ()))


@contextmanager
def typed_errors(route: str = "") -> Iterator[None]:
    """Turn a grpc.RpcError raised inside the block into the ClientError of its status; `route` as above."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error, route) from error


def _too_large(message: str) -> InvalidRequest | None:
    found = _TOO_LARGE.search(message)
    if found is None:
        return None
    size, limit = int(found["size"]), int(found["limit"])
    if (found["side"], found["verb"].lower()) in (("CLIENT", "received"), ("SERVER", "sent")):
        return InvalidRequest(
            f"the answer has {size:,} bytes; accepted: up to {limit:,} "
            "(ask for fewer layers or heads, or smaller pictures)"
        )
    return RequestTooLarge(size, limit)


def _estimated_wait(trailers: Any) -> float | None:
    for key, value in trailers:
        if key == ESTIMATED_WAIT_TRAILER and str(value).isdigit():
            return int(value) / 1000
    return None


_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
