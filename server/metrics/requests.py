"""Metrics of requests: outcomes, durations by stage, use of deadlines, maps and repeats."""

from collections.abc import Mapping
from functools import cached_property

from vitscope.server.errors import Outcome
from vitscope.server.metrics.families import MODEL, SECONDS, VERSION, Families, SeriesByLabel
from vitscope.server.metrics.histogram import Distribution
from vitscope.server.metrics.load import LoadMetrics
from vitscope.server.metrics.quality import Quality, QualityMetrics, VersionQuality

_TIME_USED = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class RequestMetrics:
    """Counts requests by model version and engine."""

    def __init__(self, families: Families, load: LoadMetrics, quality: QualityMetrics) -> None:
        self.load, self.quality = load, quality
        self.requests = families.counter("vitscope_requests", "Images answered, by gRPC status code.", (*MODEL, "code"))
        self.stage_seconds = families.histogram(
            "vitscope_stage_seconds",
            "Seconds that answered images spent in each stage, and in total.",
            (*MODEL, "stage"),
            SECONDS,
        )
        self.deadline_used = families.histogram(
            "vitscope_deadline_used_ratio",
            "Share of the caller's deadline that had passed when the answer was ready.",
            VERSION,
            _TIME_USED,
        )
        self._explained = families.counter("vitscope_map_requests", "Images answered with maps.", (*VERSION, "method"))
        self._repeats = families.counter(
            "vitscope_repeats",
            "Images that were not computed: shared with an equal request in flight, or cached from an earlier one.",
            (*VERSION, "how"),
        )
        self._versions: dict[tuple[object, ...], VersionRequests] = {}
        self.of_no_model = self.of("", "", "")
        """For requests that reached no model: its name is not served, or it is not ready."""

    def of(self, model: str, version: int | str, engine: object) -> "VersionRequests":
        """Return the counter of requests to one model version on one engine."""
        key = (model, version, engine)
        known = self._versions.get(key)
        if known is None:
            known = self._versions[key] = VersionRequests(self, (model, str(version), str(engine or "")))
        return known

    def explained(self, model: str, version: int, method: str) -> None:
        """Count an image that was answered with maps."""
        self._explained.labels(model, version, method).inc()

    def repeated(self, model: str, version: int, how: str) -> None:
        """Count an image that was not computed itself. how: "shared" or "cached"."""
        self._repeats.labels(model, version, how).inc()

    def remove(self, model: str, version: int) -> None:
        """Ignore later requests to a model version."""
        for key in [key for key in self._versions if key[:2] == (model, version)]:
            self._versions.pop(key).removed = True


class VersionRequests:
    """Counts the requests to one model version on one engine.

    Does nothing once `removed` is set: counting would create the series of the removed version again.
    """

    removed = False

    def __init__(self, family: RequestMetrics, labels: tuple[str, str, str]) -> None:
        self._family, self._version = family, labels[:2]
        self._requests = SeriesByLabel(family.requests, labels)
        self._stages = SeriesByLabel(family.stage_seconds, labels)

    def ended(self, outcome: Outcome, times: int = 1) -> None:
        """Count images by their outcome."""
        if self.removed:
            return
        self._requests[outcome.value].inc(times)
        if outcome is Outcome.LATE:
            self._family.load.refused("expired", times)

    def answered(self, durations: Mapping[str, float], quality: Quality, deadline_used: float | None) -> None:
        """Count one answered image. durations: seconds by stage. deadline_used: see `Deadline.share_used`.

        Stages of refused requests are not observed: they take almost no time and would lower the percentiles of an
        overloaded server.
        """
        if self.removed:
            return
        self._requests["OK"].inc()
        for stage, seconds in durations.items():
            self._stages[stage].observe(seconds)
        self._quality.observe(quality)
        if deadline_used is not None:
            self._deadline_used.observe(deadline_used)

    @cached_property
    def _deadline_used(self) -> Distribution:
        return self._family.deadline_used.labels(*self._version)

    @cached_property
    def _quality(self) -> VersionQuality:
        return self._family.quality.of(*self._version)
