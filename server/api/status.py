"""The one table from domain errors to gRPC status codes."""

import secrets
from dataclasses import dataclass

import grpc
import structlog

from vitscope.server.errors import (
    DeadlineExpired,
    InvalidRequest,
    LoadFailed,
    ModelNotFound,
    NotReady,
    Overloaded,
    ServerError,
)

log = structlog.get_logger()

_LONGEST_MESSAGE = 1000

CODES: dict[type[ServerError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    ModelNotFound: grpc.StatusCode.NOT_FOUND,
    LoadFailed: grpc.StatusCode.FAILED_PRECONDITION,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlineExpired: grpc.StatusCode.DEADLINE_EXCEEDED,
    NotReady: grpc.StatusCode.UNAVAILABLE,
}


@dataclass(frozen=True)
class Status:
    """What the caller is told. `retry_after_ms` is 0 unless a retry makes sense after that time."""

    code: grpc.StatusCode
    message: str
    retry_after_ms: int = 0
    estimated_wait_ms: int = 0

    @property
    def trailers(self) -> tuple[tuple[str, str], ...]:
        """`grpc-retry-pushback-ms` is what gRPC's own retry policies honour (gRFC A6)."""
        if not self.retry_after_ms:
            return ()
        return (
            ("grpc-retry-pushback-ms", str(self.retry_after_ms)),
            ("vitscope-estimated-wait-ms", str(self.estimated_wait_ms)),
        )


def code_of(error: Exception) -> grpc.StatusCode:
    """The status code of any exception; what is not expected is INTERNAL."""
    return CODES[type(error)] if isinstance(error, ServerError) else grpc.StatusCode.INTERNAL


def status_of(error: Exception) -> Status:
    """The status of an expected error. Anything else is a bug: it is logged under an id, and only the id is told."""
    if isinstance(error, Overloaded):
        # Rounded up: a pushback of 0 makes gRPC's Python client wait for its deadline (seen with grpcio 1.85).
        retry_after, wait = int(error.retry_after * 1000) + 1, int(error.estimated_wait * 1000) + 1
        return Status(CODES[Overloaded], _short(str(error)), retry_after, wait)
    if isinstance(error, ServerError):
        return Status(CODES[type(error)], _short(str(error)))
    error_id = secrets.token_hex(6)
    log.error("internal error", error_id=error_id, exc_info=error)
    return Status(
        grpc.StatusCode.INTERNAL, f"internal error {error_id}; the server's log has the details under this id"
    )


def _short(message: str) -> str:
    """Messages may quote the caller, and travel in a header of limited size."""
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"
