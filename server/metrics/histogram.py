"""A histogram that is observed a dozen times for each image.

The one of prometheus_client takes two locks and searches the buckets one by one: 2.5 to 5 µs an observation, 8 % of the
service's time for an image. This one takes no lock, so only one thread may use it: the event loop's, which also answers
scrapes.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Distribution:
    """Counts of values by bucket, and their sum."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self._bounds, value)] += times
        self.sum += value * times


class Histogram(Collector):
    """A distribution for each set of label values, with prometheus_client's interface.

    buckets: upper bounds, ascending.
    """

    def __init__(
        self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry, buckets: Sequence[float]
    ) -> None:
        self._name, self._text, self._labels, self._buckets = name, text, tuple(labels), tuple(buckets)
        self._bounds = [*map(floatToGoString, self._buckets), "+Inf"]
        self._children: dict[tuple[str, ...], Distribution] = {}
        registry.register(self)

    def labels(self, *values: object) -> Distribution:
        """Return the distribution of these label values, in the order of the labels.

        Raises ValueError for a wrong number of values.
        """
        if len(values) != len(self._labels):
            raise ValueError(f"{self._name}: found {len(values)} label values, accepted: {', '.join(self._labels)}")
        key = tuple(map(str, values))
        return self._children.setdefault(key, Distribution(self._buckets))

    def remove_by_labels(self, labels: dict[str, str]) -> None:
        """Remove the distributions that have these values."""
        wanted = {self._labels.index(name): value for name, value in labels.items()}
        for key in [key for key in self._children if all(key[at] == value for at, value in wanted.items())]:
            del self._children[key]

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for key, child in self._children.items():
            total, buckets = 0, []
            for bound, count in zip(self._bounds, child.counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric(key, buckets, child.sum)
        yield family
