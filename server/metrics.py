"""Every Prometheus series, declared once.

Conventions: base units, seconds, histograms wide enough for 0.25 ms to 16 s. Labels are bounded: model, version, engine,
code, stage, reason; never ids. The grpc_server_* series carry the conventional names and labels of gRPC middlewares.
"""

import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from server.engines.contract import Identity

_SECONDS = tuple(round(0.00025 * 1.6**k, 6) for k in range(24))
_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512, 1024)
_MODEL = ("model", "version", "engine")
_METHOD = ("grpc_type", "grpc_service", "grpc_method")


disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each counter, that nobody queries


class Metrics:
    """The series of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._engines: dict[tuple[str, int], tuple[str, ...]] = {}
        self._images: dict[tuple[object, ...], ImageMetrics] = {}
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        self.requests = Counter(
            "vitscope_requests", "Images answered, by gRPC status code.", (*_MODEL, "code"), registry=registry
        )
        self.stage_seconds = Histogram(
            "vitscope_stage_seconds",
            "Seconds that answered images spent in each stage, and in total.",
            (*_MODEL, "stage"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch_size = Histogram(
            "vitscope_batch_size",
            "Images in a batch that ran.",
            (*_MODEL, "graph"),
            buckets=_BATCHES,
            registry=registry,
        )
        self.map_requests = Counter(
            "vitscope_map_requests", "Images answered with maps.", ("model", "version", "method"), registry=registry
        )
        self.repeats = Counter(
            "vitscope_repeats",
            "Images that were not computed: shared with an equal request in flight, or cached from an earlier one.",
            ("model", "version", "how"),
            registry=registry,
        )
        self.cache_bytes = Gauge("vitscope_cache_bytes", "Bytes of answers kept for repeats.", registry=registry)
        self.cache_evictions = Counter(
            "vitscope_cache_evictions", "Answers forgotten to make room for newer ones.", registry=registry
        )
        self.refusals = Counter(
            "vitscope_refusals",
            "Images refused at the door (in_flight, bytes, queue_wait, deadline) or given up when their deadline passed (expired).",
            ("reason",),
            registry=registry,
        )
        self.in_flight = Gauge("vitscope_in_flight", "Images admitted and not yet answered.", registry=registry)
        self.queue_depth = Gauge("vitscope_queue_depth", "Images decoded and not running yet.", registry=registry)
        self.backlog = Gauge(
            "vitscope_backlog_seconds", "Predicted seconds until everything admitted so far has run.", registry=registry
        )
        self.model_ready = Gauge(
            "vitscope_model_ready", "1 where the model version serves, else 0.", ("model", "version"), registry=registry
        )
        self.engine_info = Gauge(
            "vitscope_engine_info",
            "1 for the engine that serves a model version.",
            (*_MODEL, "engine_version", "device", "certified"),
            registry=registry,
        )
        self.gate_agreement = Gauge(
            "vitscope_gate_agreement_ratio",
            "Share of the images of the accuracy gate on which engine and float32 graph name the same class.",
            (*_MODEL, "graph"),
            registry=registry,
        )
        self.engine_degraded = Gauge(
            "vitscope_engine_degraded",
            "1 while a better engine than the one that serves is being built, or could not be.",
            ("model", "version"),
            registry=registry,
        )
        self.build = Info("vitscope_build", "Versions of the service and of Python.", registry=registry)
        self.build.info({"version": service_version(), "python": platform.python_version()})

        self.grpc_started = Counter("grpc_server_started", "RPCs started.", _METHOD, registry=registry)
        self.grpc_handled = Counter(
            "grpc_server_handled", "RPCs completed.", (*_METHOD, "grpc_code"), registry=registry
        )
        self.grpc_handling_seconds = Histogram(
            "grpc_server_handling_seconds",
            "Seconds from start to end of an RPC.",
            _METHOD,
            buckets=_SECONDS,
            registry=registry,
        )

        for reason in ("in_flight", "bytes", "queue_wait", "deadline", "expired"):
            self.refusals.labels(reason)  # a series that appears only after its first event cannot be alerted on

    def watch(
        self, in_flight: Callable[[], float], queue_depth: Callable[[], float], backlog: Callable[[], float]
    ) -> None:
        """Read the gauges of the present from these functions at each scrape."""
        self.in_flight.set_function(in_flight)
        self.queue_depth.set_function(queue_depth)
        self.backlog.set_function(backlog)

    def served_by(self, model: str, version: int, identity: Identity, certified: bool) -> None:
        """A model version is served by this engine from now on, and by no other."""
        of_engine = (str(identity), identity.version, identity.device, str(certified).lower())
        before = self._engines.get((model, version))
        if before not in (None, of_engine):
            self.engine_info.remove(model, version, *before)
        self._engines[model, version] = of_engine
        self.engine_info.labels(model, version, *of_engine).set(1)

    def rpcs(self, kind: str, service: str, method: str) -> "RpcMetrics":
        """The series of one RPC method."""
        return RpcMetrics(self, (kind, service, method))

    def images(self, model: str, version: int | str, engine: object) -> "ImageMetrics":
        """The series of one model version on one engine; all empty for what never reached a model: a name that is not served here,
        a model that is not ready."""
        key = (model, version, engine)
        known = self._images.get(key)
        if known is None:
            known = self._images[key] = ImageMetrics(self, (model, str(version), str(engine or "")))
        return known


class RpcMetrics:
    """What is counted of the RPCs of one method."""

    def __init__(self, metrics: Metrics, labels: tuple[str, str, str]) -> None:
        self._started = metrics.grpc_started.labels(*labels)
        self._seconds = metrics.grpc_handling_seconds.labels(*labels)
        self._handled = _Series(metrics.grpc_handled, labels)

    def start(self) -> float:
        """Count a start; returns the time, for `finish`."""
        self._started.inc()
        return time.monotonic()

    def finish(self, began: float, code: str) -> None:
        self._handled[code].inc()
        self._seconds.observe(time.monotonic() - began)


class ImageMetrics:
    """What is counted of the images of one model version."""

    def __init__(self, metrics: Metrics, labels: tuple[str, str, str]) -> None:
        self._requests = _Series(metrics.requests, labels)
        self._stages = _Series(metrics.stage_seconds, labels)
        self._expired = metrics.refusals.labels("expired")

    def answered(self, code: str, durations: Mapping[str, float]) -> None:
        """Count one image by its code, and its stages if it was answered.

        Refusals take next to no time and would pull the percentiles of an overloaded server down.
        """
        self._requests[code].inc()
        if code == "DEADLINE_EXCEEDED":
            self._expired.inc()
        if code == "OK":
            for stage, seconds in durations.items():
                self._stages[stage].observe(seconds)


class _Series(dict[str, Any]):
    """Series of a family by the value of its last label. `family.labels` checks and locks each time; this does once."""

    def __init__(self, family: Any, labels: tuple[str, ...]) -> None:
        self._family, self._labels = family, labels

    def __missing__(self, last: str) -> Any:
        series = self[last] = self._family.labels(*self._labels, last)
        return series


def service_version() -> str:
    """Version of the installed distribution; "unknown" when run from a source tree that was never installed."""
    try:
        return version("vitscope")
    except PackageNotFoundError:
        return "unknown"
