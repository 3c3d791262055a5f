"""Metrics of engines: which serve, and their batches."""

from weakref import WeakKeyDictionary

from prometheus_client import Counter, Histogram

from vitscope.server.engines.contract import Identity
from vitscope.server.metrics.families import LANE, MODEL, VERSION, Families
from vitscope.server.scheduling.lane import Lane

_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512, 1024)


class EngineMetrics:
    """Shows the engine of each model version and counts its batches."""

    def __init__(self, families: Families) -> None:
        # Engine threads observe it.
        self._batch_size = families.threads_histogram(
            "vitscope_batch_size", "Images in a batch that ran.", LANE, _BATCHES
        )
        self._busy = families.counter(
            "vitscope_engine_busy_seconds", "Seconds in which batches ran, of all streams.", LANE
        )
        self._failed = families.counter(
            "vitscope_compute_failures",
            "Images that could not be computed: the engine failed on them, or the model's outputs are not finite.",
            (*LANE, "reason"),
        )
        self._streams = families.gauge("vitscope_engine_streams", "Batches that can run at a time under load.", MODEL)
        self._best_batch = families.gauge(
            "vitscope_batch_size_best", "Largest batch that is run, the fastest found.", MODEL
        )
        self._info = families.gauge(
            "vitscope_engine_info",
            "1 for the engine that serves a model version.",
            (*MODEL, "engine_version", "device", "certified"),
        )
        self._degraded = families.gauge(
            "vitscope_engine_degraded",
            "1 while a better engine than the one that serves is being built, or could not be.",
            VERSION,
        )
        self._gate_agreement = families.gauge(
            "vitscope_gate_agreement_ratio",
            "Share of the images of the accuracy gate on which engine and float32 graph name the same class.",
            LANE,
        )
        self._serving: dict[tuple[str, int], Identity] = {}
        self._batches: WeakKeyDictionary[Lane, tuple[Histogram, Counter]] = WeakKeyDictionary()

    def serves(self, model: str, version: int, lane: Lane, certified: bool) -> None:
        """Show the engine of this lane as the only one that serves a model version."""
        identity = lane.engine.identity
        before = self._serving.get((model, version), identity)
        self._info.remove_by_labels({"model": model, "version": str(version)})
        if before != identity:
            for gauge in (self._streams, self._best_batch, self._gate_agreement):
                gauge.remove_by_labels({"model": model, "version": str(version), "engine": str(before)})
        self._serving[model, version] = identity
        of_engine = (identity.version, identity.device, str(certified).lower())
        self._info.labels(model, version, identity, *of_engine).set(1)
        self._show_failures(lane)
        self._streams.labels(model, version, identity).set(lane.streams)
        self._best_batch.labels(model, version, identity).set(lane.best_batch)

    def degraded(self, model: str, version: int, degraded: bool) -> None:
        """Show whether a better engine than the one that serves is being built, or could not be."""
        self._degraded.labels(model, version).set(degraded)

    def gate(self, model: str, version: int, engine: str, graph: str, agreement: float) -> None:
        """Show the share of the gate's images on which an engine agrees with the float32 graph, 0..1."""
        self._gate_agreement.labels(model, version, engine, graph).set(agreement)

    def batch_ran(self, lane: Lane, size: int, seconds: float) -> None:
        """Count a batch. On any thread.

        Ignored once the model version is removed: counting would create its series again.
        """
        known = self._batches.get(lane)
        if known is None:
            if (lane.model, lane.version) not in self._serving:
                return
            known = (self._batch_size.labels(*lane.labels), self._busy.labels(*lane.labels))
            self._batches[lane] = known
            self._show_failures(lane)
        sizes, busy = known
        sizes.observe(size)
        busy.inc(seconds)

    def images_failed(self, lane: Lane, reason: str, images: int) -> None:
        """Count images that could not be computed. reason: "engine" or "not_finite". On any thread."""
        if (lane.model, lane.version) in self._serving:
            self._failed.labels(*lane.labels, reason).inc(images)

    def _show_failures(self, lane: Lane) -> None:
        """Show the counters from 0 on: of a counter that begins at 1, Prometheus sees no increase."""
        for reason in ("engine", "not_finite"):
            self._failed.labels(*lane.labels, reason)

    def remove(self, model: str, version: int) -> None:
        """Ignore later batches of a model version."""
        self._serving.pop((model, version), None)
