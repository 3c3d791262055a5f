"""Every failure of a call, and the one place where status codes become exceptions."""

import re
from typing import Any

import grpc

# Set by the server beside RESOURCE_EXHAUSTED; see classifier.proto.
ESTIMATED_WAIT_TRAILER = "vitscope-estimated-wait-ms"

# gRPC itself says so under RESOURCE_EXHAUSTED too, which is otherwise an overload that passes.
_TOO_LARGE = re.compile(
    r"(?:(?P<side>CLIENT|SERVER): )?(?P<verb>received|sent) message larger than max \((?P<size>\d+) vs\. (?P<limit>\d+)\)",
    re.IGNORECASE,
)


class ClientError(Exception):
    """A call, or one image of many, failed.

    `code` is the gRPC status code and `message` the server's own text. Raised as such only for codes without a class of
    their own, such as INTERNAL.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


class InvalidRequest(ClientError):
    """An argument is not acceptable; the message names it, what was found and what is accepted. Do not retry."""

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.INVALID_ARGUMENT, message)


class InvalidImage(InvalidRequest):
    """This image cannot be read, sent or decoded; other images may well be fine."""


class RequestTooLarge(InvalidImage):
    """The message with this image is larger than the server takes. `limit`: the largest message that it takes, in bytes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"image: the message with it has {size:,} bytes; accepted by the server: up to {limit:,} (send a smaller or a "
            "compressed file)"
        )
        self.limit = limit


class NotFound(ClientError):
    """There is no such model, or no such version of it."""


class Overloaded(ClientError):
    """The server refused because the wait would be too long, also after the retries.

    `estimated_wait` is the wait that the server predicted, in seconds, or None when it did not say.
    """

    def __init__(self, message: str, estimated_wait: float | None = None) -> None:
        super().__init__(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        self.estimated_wait = estimated_wait


class DeadlineExceeded(ClientError):
    """No answer within the timeout."""


class Unavailable(ClientError):
    """No server can be reached, or the model is not ready, also after the retries."""


def from_status(code: grpc.StatusCode, message: str, estimated_wait: float | None = None) -> ClientError:
    """The exception for a status; `estimated_wait` in seconds."""
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT:
            # The message begins with the path of the field; a bad image is a matter of one item, the rest of the caller.
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
    """The exception for the number of a status code, as an item of a stream carries it."""
    return from_status(_CODES.get(number, grpc.StatusCode.UNKNOWN), message)


def from_rpc_error(error: grpc.RpcError) -> ClientError:
    """The exception for a failed call, sync or asyncio."""
    # Both libraries raise objects that have these methods; the declared base class has none.
    code: grpc.StatusCode = error.code()
    return from_status(code, error.details() or "", _estimated_wait(error.trailing_metadata() or ()))


def _too_large(message: str) -> InvalidRequest | None:
    found = _TOO_LARGE.search(message)
    if found is None:
        return None
    size, limit = int(found["size"]), int(found["limit"])
    if (found["side"], found["verb"].lower()) in (("CLIENT", "received"), ("SERVER", "sent")):
        return InvalidRequest(
            f"the answer has {size:,} bytes; accepted: up to {limit:,} (ask for fewer layers or heads, or smaller pictures)"
        )
    return RequestTooLarge(size, limit)


def _estimated_wait(trailers: Any) -> float | None:
    for key, value in trailers:
        if key == ESTIMATED_WAIT_TRAILER and str(value).isdigit():
            return int(value) / 1000
    return None


_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
