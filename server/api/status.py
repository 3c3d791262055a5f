"""From domain errors to gRPC status codes."""

import secrets
from dataclasses import dataclass

import grpc
import structlog

from vitscope.server.errors import Outcome, Overloaded, ServerError, outcome_of

log = structlog.get_logger()

_LONGEST_MESSAGE = 1000

CODES = {outcome: grpc.StatusCode[outcome.value] for outcome in Outcome}


@dataclass(frozen=True)
class Status:
    """The status that the caller gets. `retry_after_ms` is 0 unless a retry makes sense after that time."""

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


def status_of(error: Exception) -> Status:
    """Return the status of an error.

    An unexpected error is a bug: it is logged under an id, and the caller gets only the id.
    """
    code = CODES[outcome_of(error)]
    if isinstance(error, Overloaded):
        # Rounded up: a pushback of 0 makes gRPC's Python client wait for its deadline (seen with grpcio 1.85).
        retry_after, wait = int(error.retry_after * 1000) + 1, int(error.estimated_wait * 1000) + 1
        return Status(code, _short(str(error)), retry_after, wait)
    if isinstance(error, ServerError):
        return Status(code, _short(str(error)))
    error_id = secrets.token_hex(6)
    log.error("internal error", error_id=error_id, exc_info=error)
    return Status(code, f"internal error {error_id}; the server's log has the details under this id")


def _short(message: str) -> str:
    """Truncate a message so that it fits in a header, since messages may quote the caller."""
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"
