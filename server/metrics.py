"""Every Prometheus series, declared once; docs/metrics.md explains them. Those of GPUs are in gpu.py.

Conventions: base units, seconds, histograms wide enough for 0.25 ms to 16 s. Labels are bounded: model, version, engine,
code, stage, reason; never ids. The grpc_server_* series carry the conventional names and labels of gRPC middlewares.
"""

import platform
import time
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import prometheus_client
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from vitscope.server.engines.contract import Identity
from vitscope.server.histogram import Histogram
from vitscope.server.quality import Quality
from vitscope.server.scheduling.lane import Lane

_SECONDS = tuple(round(0.00025 * 1.6**k, 6) for k in range(24))
_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512, 1024)
_SHARES = (*(round(0.05 * k, 2) for k in range(1, 20)), 0.99, 1.0)
_TIME_USED = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_PIXELS = tuple(4**k for k in range(4, 14))  # 256 to 67 million
_VERSION = ("model", "version")
_MODEL = (*_VERSION, "engine")
_METHOD = ("grpc_type", "grpc_service", "grpc_method")
_Family = TypeVar("_Family", Counter, Gauge, Histogram, prometheus_client.Histogram)


disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each counter, that nobody queries


class Metrics:
    """The series of one server, in a registry of their own."""

    def __init__(self, low_confidence: float = 0.5) -> None:
        self.low_confidence = low_confidence
        self.registry = registry = CollectorRegistry()
        self._engines: dict[tuple[str, int], Identity] = {}
        self._images: dict[tuple[object, ...], ImageMetrics] = {}
        self._batches: WeakKeyDictionary[Lane, BatchMetrics] = WeakKeyDictionary()
        self._of_versions: list[Any] = []
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        counter, gauge = partial(self._family, Counter), partial(self._family, Gauge)
        histogram = partial(self._family, Histogram)

        # Requests
        self.requests = counter("vitscope_requests", "Images answered, by gRPC status code.", (*_MODEL, "code"))
        self.stage_seconds = histogram(
            "vitscope_stage_seconds",
            "Seconds that answered images spent in each stage, and in total.",
            (*_MODEL, "stage"),
            buckets=_SECONDS,
        )
        self.deadline_used = histogram(
            "vitscope_deadline_used_ratio",
            "Share of the time that the caller gave, which had passed when the answer was ready.",
            _VERSION,
            buckets=_TIME_USED,
        )
        self.map_requests = counter("vitscope_map_requests", "Images answered with maps.", (*_VERSION, "method"))
        self.repeats = counter(
            "vitscope_repeats",
            "Images that were not computed: shared with an equal request in flight, or cached from an earlier one.",
            (*_VERSION, "how"),
        )
        self.cache_bytes = gauge("vitscope_cache_bytes", "Bytes of answers kept for repeats.")
        self.cache_evictions = counter("vitscope_cache_evictions", "Answers forgotten to make room for newer ones.")

        # Load and its limits
        self.refusals = counter(
            "vitscope_refusals",
            "Images refused at the door (in_flight, bytes, queue_wait, deadline) or given up when their deadline passed (expired).",
            ("reason",),
        )
        for reason in ("in_flight", "bytes", "queue_wait", "deadline", "expired"):
            self.refusals.labels(reason)  # a series that appears only after its first event cannot be alerted on
        self.in_flight = gauge("vitscope_in_flight", "Images admitted and not yet answered.")
        self.in_flight_limit = gauge("vitscope_in_flight_limit", "More images in flight are refused: max_in_flight.")
        self.queue_depth = gauge("vitscope_queue_depth", "Images decoded and not running yet.")
        self.backlog = gauge("vitscope_backlog_seconds", "Predicted seconds until everything admitted so far has run.")
        self.queue_wait_limit = gauge(
            "vitscope_queue_wait_limit_seconds", "A longer predicted wait is refused: max_queue_wait."
        )
        self.event_loop_lag = self._family(
            Histogram,
            "vitscope_event_loop_lag_seconds",
            "Seconds by which the event loop was late for an appointment.",
            buckets=_SECONDS,
        ).labels()
        self.cpu_cores = gauge("vitscope_cpu_cores", "Processors that this process may use, by quota and affinity.")

        # Engines
        # Prometheus' own, since engine threads count here.
        self.batch_size = self._family(
            prometheus_client.Histogram,
            "vitscope_batch_size",
            "Images in a batch that ran.",
            (*_MODEL, "graph"),
            buckets=_BATCHES,
        )
        self.engine_busy = counter(
            "vitscope_engine_busy_seconds", "Seconds in which batches ran, of all streams.", (*_MODEL, "graph")
        )
        self.engine_streams = gauge("vitscope_engine_streams", "Batches that can run at a time under load.", _MODEL)
        self.batch_size_best = gauge(
            "vitscope_batch_size_best", "Largest batch that is run, the fastest found.", _MODEL
        )
        self.engine_info = gauge(
            "vitscope_engine_info",
            "1 for the engine that serves a model version.",
            (*_MODEL, "engine_version", "device", "certified"),
        )
        self.engine_degraded = gauge(
            "vitscope_engine_degraded",
            "1 while a better engine than the one that serves is being built, or could not be.",
            _VERSION,
        )
        self.gate_agreement = gauge(
            "vitscope_gate_agreement_ratio",
            "Share of the images of the accuracy gate on which engine and float32 graph name the same class.",
            (*_MODEL, "graph"),
        )

        # Models
        self.model_ready = gauge("vitscope_model_ready", "1 where the model version serves, else 0.", _VERSION)
        self.model_loads = counter("vitscope_model_loads", "Loads of model versions, by how they ended.", ("result",))
        for result in ("ready", "failed"):
            self.model_loads.labels(result)

        # Quality
        share = partial(histogram, labels=_VERSION, buckets=_SHARES)
        self.confidence = share("vitscope_confidence_ratio", "Probability of the first class.")
        self.margin = share("vitscope_margin_ratio", "Probability of the first class, less that of the second.")
        self.entropy = share(
            "vitscope_attention_entropy_ratio",
            "Entropy of the last layer's attention of the class token over the patches: 0 one patch, 1 all alike.",
        )
        self.brightness = share("vitscope_brightness_ratio", "Mean of the pixels that the model saw: 0 black, 1 white.")
        self.image_pixels = histogram(
            "vitscope_image_pixels", "Width times height of the image as sent.", _VERSION, buckets=_PIXELS
        )
        self.low_confidence_answers = counter(
            "vitscope_low_confidence", "Answers whose first class is less probable than low_confidence.", _VERSION
        )

        self.build = Info("vitscope_build", "Versions of the service and of Python.", registry=registry)
        self.build.info({"version": service_version(), "python": platform.python_version()})

        self.grpc_started = counter("grpc_server_started", "RPCs started.", _METHOD)
        self.grpc_handled = counter("grpc_server_handled", "RPCs completed.", (*_METHOD, "grpc_code"))
        self.grpc_handling_seconds = histogram(
            "grpc_server_handling_seconds", "Seconds from start to end of an RPC.", _METHOD, buckets=_SECONDS
        )

    def _family(
        self, kind: Callable[..., _Family], name: str, text: str, labels: tuple[str, ...] = (), **options: Any
    ) -> _Family:
        family = kind(name, text, labels, registry=self.registry, **options)
        if set(_VERSION) <= set(labels):
            self._of_versions.append(family)
        return family

    def watch(
        self, in_flight: Callable[[], float], queue_depth: Callable[[], float], backlog: Callable[[], float]
    ) -> None:
        """Read the gauges of the present from these functions at each scrape."""
        self.in_flight.set_function(in_flight)
        self.queue_depth.set_function(queue_depth)
        self.backlog.set_function(backlog)

    def limits(self, in_flight: int, queue_wait: float, cpus: float) -> None:
        """What the gauges of the present are to be held against."""
        self.in_flight_limit.set(in_flight)
        self.queue_wait_limit.set(queue_wait)
        self.cpu_cores.set(cpus)

    def served_by(self, model: str, version: int, lane: Lane, certified: bool) -> None:
        """A model version is served by the engine of this lane from now on, and by no other."""
        identity = lane.engine.identity
        before = self._engines.get((model, version), identity)
        self.engine_info.remove_by_labels({"model": model, "version": str(version)})
        if before != identity:
            for gauge in (self.engine_streams, self.batch_size_best, self.gate_agreement):
                gauge.remove_by_labels({"model": model, "version": str(version), "engine": str(before)})
        self._engines[model, version] = identity
        of_engine = (identity.version, identity.device, str(certified).lower())
        self.engine_info.labels(model, version, identity, *of_engine).set(1)
        self.engine_streams.labels(model, version, identity).set(lane.streams)
        self.batch_size_best.labels(model, version, identity).set(lane.best_batch)

    def forget(self, model: str, version: int) -> None:
        """A model version is gone, and nothing of it is in flight: so are its series."""
        for family in self._of_versions:
            family.remove_by_labels({"model": model, "version": str(version)})
        self._engines.pop((model, version), None)
        for key in [key for key in self._images if key[:2] == (model, version)]:
            self._images.pop(key).gone = True

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

    def batch_ran(self, lane: Lane, size: int, seconds: float) -> None:
        """A batch of so many images ran. One that is told of when its model is gone is not counted, lest its series come back."""
        known = self._batches.get(lane)
        if known is None:
            if (lane.model, lane.version) not in self._engines:
                return
            known = self._batches[lane] = BatchMetrics(self, lane)
        known.ran(size, seconds)


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
    """What is counted of the images of one model version; nothing any more once it is `gone`."""

    gone = False

    def __init__(self, metrics: Metrics, labels: tuple[str, str, str]) -> None:
        self._metrics, self._version = metrics, labels[:2]
        self._requests = _Series(metrics.requests, labels)
        self._stages = _Series(metrics.stage_seconds, labels)
        self._expired = metrics.refusals.labels("expired")

    def answered(self, code: str, durations: Mapping[str, float]) -> None:
        """Count one image by its code, and its stages (seconds) if it was answered.

        Refusals take next to no time and would pull the percentiles of an overloaded server down.
        """
        if self.gone:
            return
        self._requests[code].inc()
        if code == "DEADLINE_EXCEEDED":
            self._expired.inc()
        if code == "OK":
            for stage, seconds in durations.items():
                self._stages[stage].observe(seconds)

    @cached_property
    def deadline_used(self) -> Any:
        return self._metrics.deadline_used.labels(*self._version)

    @cached_property
    def quality(self) -> "QualityMetrics":
        return QualityMetrics(self._metrics, self._version)


class QualityMetrics:
    """What is counted of the answers of one model version, by which its drift is seen."""

    def __init__(self, metrics: Metrics, labels: tuple[str, ...]) -> None:
        self._least = metrics.low_confidence
        self._confidence, self._margin = metrics.confidence.labels(*labels), metrics.margin.labels(*labels)
        self._entropy, self._brightness = metrics.entropy.labels(*labels), metrics.brightness.labels(*labels)
        self._pixels, self._low = metrics.image_pixels.labels(*labels), metrics.low_confidence_answers.labels(*labels)

    def observe(self, quality: Quality) -> None:
        self._confidence.observe(quality.confidence)
        self._margin.observe(quality.margin)
        if quality.entropy is not None:
            self._entropy.observe(quality.entropy)
        self._brightness.observe(quality.brightness)
        self._pixels.observe(quality.pixels)
        if quality.confidence < self._least:
            self._low.inc()


class BatchMetrics:
    """What is counted of the batches of one lane."""

    def __init__(self, metrics: Metrics, lane: Lane) -> None:
        self._size = metrics.batch_size.labels(*lane.labels)
        self._busy = metrics.engine_busy.labels(*lane.labels)

    def ran(self, size: int, seconds: float) -> None:
        self._size.observe(size)
        self._busy.inc(seconds)


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
