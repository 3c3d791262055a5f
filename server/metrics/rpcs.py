"""Metrics of RPCs, under the conventional names and labels of gRPC middlewares."""

import time

from vitscope.server.metrics.families import SECONDS, Families, SeriesByLabel

_METHOD = ("grpc_type", "grpc_service", "grpc_method")


class RpcMetrics:
    """Counts and times RPCs by method."""

    def __init__(self, families: Families) -> None:
        self.started = families.counter("grpc_server_started", "RPCs started.", _METHOD)
        self.handled = families.counter("grpc_server_handled", "RPCs completed.", (*_METHOD, "grpc_code"))
        self.seconds = families.histogram(
            "grpc_server_handling_seconds", "Seconds from start to end of an RPC.", _METHOD, SECONDS
        )

    def of(self, kind: str, service: str, method: str) -> "MethodRpcs":
        """Return the counter of one method. kind: "unary" or "bidi_stream"."""
        return MethodRpcs(self, (kind, service, method))


class MethodRpcs:
    """Counts the RPCs of one method."""

    def __init__(self, family: RpcMetrics, labels: tuple[str, str, str]) -> None:
        self._started = family.started.labels(*labels)
        self._seconds = family.seconds.labels(*labels)
        self._handled = SeriesByLabel(family.handled, labels)

    def start(self) -> float:
        """Count a start. Return the time, for `finish`."""
        self._started.inc()
        return time.monotonic()

    def finish(self, began: float, code: str) -> None:
        """Count an end, by the name of its status code."""
        self._handled[code].inc()
        self._seconds.observe(time.monotonic() - began)

    def refused(self, code: str, times: int) -> None:
        """Count RPCs that were refused as soon as they arrived."""
        self._started.inc(times)
        self._handled[code].inc(times)
        self._seconds.observe(0.0, times)
