"""Metric families in one registry. The series of a model version are removed together with it."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

from vitscope.server.metrics.histogram import Histogram

disable_created_metrics()  # type: ignore[no-untyped-call]  # they add a series to each counter, and nobody queries them

Family = TypeVar("Family", Counter, Gauge, Histogram, prometheus_client.Histogram)

VERSION = ("model", "version")
MODEL = (*VERSION, "engine")
LANE = (*MODEL, "graph")

SECONDS = tuple(round(0.00025 * 1.6**k, 6) for k in range(24))
"""0.25 ms to 12 s."""


class Families:
    """Creates families. Labels have bounded values: model, version, engine, code, stage, reason; never ids."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_versions: list[Any] = []

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        return self._made(Counter, name, text, labels)

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        return self._made(Gauge, name, text, labels)

    def histogram(self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
        """Return a histogram that only the event loop observes; see histogram.py."""
        return self._made(Histogram, name, text, labels, buckets=buckets)

    def threads_histogram(
        self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]
    ) -> prometheus_client.Histogram:
        """Return a histogram that several threads observe."""
        return self._made(prometheus_client.Histogram, name, text, labels, buckets=buckets)

    def remove(self, model: str, version: int) -> None:
        """Remove all series of a model version."""
        for family in self._of_versions:
            family.remove_by_labels({"model": model, "version": str(version)})

    def _made(self, kind: Callable[..., Family], name: str, text: str, labels: Sequence[str], **options: Any) -> Family:
        family = kind(name, text, tuple(labels), registry=self.registry, **options)
        if set(VERSION) <= set(labels):
            self._of_versions.append(family)
        return family


class SeriesByLabel(dict[str, Any]):
    """The series of a family by the value of its last label.

    Looking a series up by all labels costs more than counting does.
    """

    def __init__(self, family: Any, labels: tuple[str, ...]) -> None:
        self._family, self._labels = family, labels

    def __missing__(self, last: str) -> Any:
        series = self[last] = self._family.labels(*self._labels, last)
        return series
