"""The batch sizes that are run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitscope.server.engines.batches import buckets


@pytest.mark.parametrize(
    ("max_batch", "expected"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (8, (1, 2, 4, 8)), (12, (1, 2, 4, 8, 12)), (32, (1, 2, 4, 8, 16, 32))],
)
def test_buckets_double_up_to_the_largest_batch(max_batch: int, expected: tuple[int, ...]) -> None:
    assert buckets(max_batch) == expected


@given(st.integers(max_value=0))
def test_an_empty_batch_is_refused(max_batch: int) -> None:
    with pytest.raises(ValueError, match=rf"max_batch is {max_batch}; accepted: 1 and more"):
        buckets(max_batch)
