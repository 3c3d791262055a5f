"""The errors of requests and how requests end, independent of transports.

Each transport has one table from `Outcome` to its own codes. An exception that is not a `ServerError` is a bug.
"""

from enum import Enum
from typing import ClassVar


class Outcome(Enum):
    """How a request ended. Values are the canonical status codes (google.rpc.Code), which label the metrics."""

    OK = "OK"
    INVALID = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    NOT_LOADED = "FAILED_PRECONDITION"
    REFUSED = "RESOURCE_EXHAUSTED"
    LATE = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    NOT_READY = "UNAVAILABLE"
    FAILED = "INTERNAL"


class ServerError(Exception):
    """An expected failure. Its message is meant for the caller."""

    outcome: ClassVar[Outcome]


class InvalidRequest(ServerError):
    """A field of the request cannot be used.

    The message reads "<field>: <found>; accepted: <accepted>". `field` is a bare name, such as "layers" or "width".
    Each transport replaces it by the field's path in its own requests (`described`), such as "maps.layers".
    """

    outcome = Outcome.INVALID

    def __init__(self, field: str, found: str, accepted: str) -> None:
        self.field, self.found, self.accepted = field, found, accepted
        super().__init__(self.described(field))

    def described(self, field: str) -> str:
        """Return the message, with `field` as the name of the field."""
        return f"{field}: {self.found}; accepted: {self.accepted}"


class ModelNotFound(ServerError):
    """There is no model of this name, or not in this version."""

    outcome = Outcome.NOT_FOUND


class NotReady(ServerError):
    """The model or the server exists but cannot serve now: loading, failed or draining."""

    outcome = Outcome.NOT_READY


class LoadFailed(ServerError):
    """A model that an operator asked for could not be loaded."""

    outcome = Outcome.NOT_LOADED


class Overloaded(ServerError):
    """The predicted wait is longer than the caller's deadline or the server's limit. Times are in seconds.

    kind: which bound it was: "in_flight", "bytes", "queue_wait" or "deadline".
    """

    outcome = Outcome.REFUSED

    def __init__(self, reason: str, estimated_wait: float, retry_after: float, kind: str = "queue_wait") -> None:
        super().__init__(
            f"{reason}; estimated wait {estimated_wait * 1000:.0f} ms, retry after {retry_after * 1000:.0f} ms"
        )
        self.estimated_wait, self.retry_after, self.kind = estimated_wait, retry_after, kind


class ComputeFailed(ServerError):
    """An image could not be computed. The log has the details under `error_id`; the caller is told no more."""

    outcome = Outcome.FAILED

    def __init__(self, what: str, error_id: str) -> None:
        super().__init__(f"{what}, error {error_id}; the server's log has the details under this id")
        self.error_id = error_id


class DeadlineExpired(ServerError):
    """The caller's deadline passed before the request was computed."""

    outcome = Outcome.LATE


def outcome_of(error: BaseException) -> Outcome:
    """Return how a request ended that raised `error`; anything unexpected has failed."""
    return error.outcome if isinstance(error, ServerError) else Outcome.FAILED
