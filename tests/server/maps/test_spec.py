"""Indices of layers and heads, chosen or refused."""

import pytest

from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.spec import choose


def test_indices_are_ascending_and_once() -> None:
    assert choose("layers", [4, 0, -2, 0], 6, lowest=-6) == (0, 4)
    assert choose("heads", "all", 3) == (0, 1, 2)
    assert choose("heads", (), 3) == ()


@pytest.mark.parametrize(
    ("wanted", "lowest", "accepted"),
    [([6], -6, "-6 to 5"), ([-7], -6, "-6 to 5"), ([-1], 0, "0 to 5"), ([0] * 7, 0, "each of the 6 once at most")],
)
def test_an_index_that_does_not_exist_is_refused(wanted: list[int], lowest: int, accepted: str) -> None:
    with pytest.raises(InvalidRequest, match=accepted) as refused:
        choose("layers", wanted, 6, lowest)
    assert refused.value.field == "layers"
