import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition

from vitscope.server.metrics.histogram import Histogram

BOUNDS = (0.05, 0.5, 1.0, 64.0, 67108864.0)
# Exact in binary, so that sums do not depend on the order.
VALUES = st.lists(st.tuples(st.sampled_from("ab"), st.one_of(st.integers(0, 2**20), st.sampled_from(BOUNDS[1:]))))


@given(VALUES)
def test_a_scrape_is_that_of_prometheus_own_histogram(values: list[tuple[str, float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("h", "What.", ("one", "two"), registry=ours, buckets=BOUNDS)
    reference = prometheus_client.Histogram("h", "What.", ("one", "two"), registry=theirs, buckets=BOUNDS)
    for label, value in values:
        histogram.labels(label, 1).observe(value)
        reference.labels(label, 1).observe(value)
    for encode in (generate_latest, exposition.generate_latest):
        scrape, expected = (
            [line for line in encode(registry).splitlines() if b"_created" not in line] for registry in (ours, theirs)
        )
        assert scrape == expected


def test_what_is_removed_is_gone_and_counts_for_nothing_any_more() -> None:
    registry = CollectorRegistry()
    histogram = Histogram("h", "What.", ("model", "stage"), registry=registry, buckets=BOUNDS)
    kept, late = histogram.labels("a", "total"), histogram.labels("b", "total")
    kept.observe(1)
    histogram.remove_by_labels({"model": "b"})
    late.observe(1)
    assert registry.get_sample_value("h_count", {"model": "a", "stage": "total"}) == 1
    assert registry.get_sample_value("h_count", {"model": "b", "stage": "total"}) is None


def test_labels_have_to_be_all_there() -> None:
    histogram = Histogram("h", "What.", ("model", "stage"), registry=CollectorRegistry(), buckets=BOUNDS)
    with pytest.raises(ValueError, match="h: found 1 label values, accepted: model, stage"):
        histogram.labels("a")
