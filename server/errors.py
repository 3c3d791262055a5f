"""Everything that can go wrong with a request, without a word about transports.

`api/status.py` is the one place where these become gRPC status codes. An exception that is not a `ServerError` is a bug.
"""


class ServerError(Exception):
    """An expected failure. Its message is meant for the caller."""


class InvalidRequest(ServerError):
    """The caller sent something that cannot be used.

    The message reads "<field>: <found>; accepted: <accepted>". `field` is a path in the request message, such as
    "image.encoded" or "maps.layers".
    """

    def __init__(self, field: str, found: str, accepted: str) -> None:
        super().__init__(f"{field}: {found}; accepted: {accepted}")
        self.field = field


class ModelNotFound(ServerError):
    """There is no such model, or no such version of it."""


class NotReady(ServerError):
    """The model or the server exists but cannot serve now: loading, failed or draining."""


class LoadFailed(ServerError):
    """A model that was asked for by hand could not be loaded."""


class Overloaded(ServerError):
    """The predicted wait is longer than the caller's deadline or the server's limit. Times are in seconds."""

    def __init__(self, reason: str, estimated_wait: float, retry_after: float) -> None:
        super().__init__(
            f"{reason}; estimated wait {estimated_wait * 1000:.0f} ms, retry after {retry_after * 1000:.0f} ms"
        )
        self.estimated_wait = estimated_wait
        self.retry_after = retry_after


class DeadlineExpired(ServerError):
    """The caller's deadline passed before the request was computed."""
