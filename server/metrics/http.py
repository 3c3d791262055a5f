"""Metrics of HTTP requests."""

import time
from collections.abc import Callable

from vitscope.server.metrics.families import SECONDS, Families


class HttpMetrics:
    """Counts and times HTTP requests by route, and counts connections. On the event loop."""

    def __init__(self, families: Families) -> None:
        self._requests = families.counter(
            "vitscope_http_requests", "Requests to the JSON API, by route and HTTP status.", ("route", "status")
        )
        self._seconds = families.histogram(
            "vitscope_http_request_seconds",
            "Seconds from the header of a request to the last byte of its reply.",
            ("route",),
            SECONDS,
        )
        self._connections = families.gauge("vitscope_http_connections", "Open connections to the HTTP port.")
        self._closed = families.counter(
            "vitscope_http_connections_closed",
            "Connections to the HTTP port that the server closed to protect itself, by reason.",
            ("reason",),
        )
        for reason in ("limit", "header", "deaf"):
            self._closed.labels(reason)

    def finished(self, route: str, status: int, began: float) -> None:
        """Count a request that ended. began: monotonic seconds. status: 499 for a client that left before its reply."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(time.monotonic() - began)

    def closed(self, reason: str) -> None:
        """Count a connection that was closed. reason: "limit", "header" or "deaf"."""
        self._closed.labels(reason).inc()

    def watch(self, connections: Callable[[], int]) -> None:
        """Read the number of open connections from this function."""
        self._connections.set_function(connections)
