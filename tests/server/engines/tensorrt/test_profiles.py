"""The optimisation profiles of a plan."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitscope.server.engines.batches import buckets
from vitscope.server.engines.tensorrt.profiles import Range, ranges

LARGEST = st.integers(1, 1000)


@pytest.mark.parametrize(
    ("max_batch", "expected"),
    [
        (1, [(1, 1, 1)]),
        (2, [(1, 1, 1), (2, 2, 2)]),
        (8, [(1, 1, 1), (2, 8, 8)]),
        (9, [(1, 1, 1), (2, 8, 8), (9, 9, 9)]),
        (32, [(1, 1, 1), (2, 8, 8), (9, 32, 32)]),
    ],
)
def test_one_image_a_few_and_many_have_ranges_of_their_own(max_batch: int, expected: list[tuple[int, ...]]) -> None:
    assert ranges(buckets(max_batch)) == tuple(Range(*sizes) for sizes in expected)


@given(LARGEST)
def test_every_batch_is_in_one_range_and_fills_its_bucket_by_more_than_half(max_batch: int) -> None:
    sizes, spans = buckets(max_batch), ranges(buckets(max_batch))
    for n in range(1, max_batch + 1):
        bucket = min(size for size in sizes if size >= n)
        assert bucket < 2 * n or n == 1
        assert sum(span.min <= bucket <= span.max for span in spans) == 1
    assert all(span.min <= span.opt <= span.max for span in spans)
