"""Maps in words."""

import numpy as np
import pytest

from vitscope.client.pictures.words import region, regions, where


@pytest.mark.parametrize(
    ("row", "col", "grid", "name"),
    [
        (0, 0, (14, 14), "top left"), (7, 7, (14, 14), "centre"), (13, 7, (14, 14), "bottom"), (7, 0, (14, 14), "left"),
        (0, 6, (5, 7), "top right"), (4, 3, (5, 7), "bottom"), (0, 0, (1, 1), "centre"), (1, 1, (2, 2), "bottom right"),
    ],
)  # fmt: skip
def test_nine_regions(row: int, col: int, grid: tuple[int, int], name: str) -> None:
    assert region(row, col, grid) == name


def test_shares_of_what_is_positive() -> None:
    values = np.zeros((6, 6), np.float32)
    values[0, 0], values[5, 5], values[2, 2], values[3, 0] = 3, 1, -9, np.nan
    assert regions(values)[:2] == [("top left", 0.75), ("bottom right", 0.25)]
    assert where(values) == "at the top left (75%) and the bottom right (25%); even would be 11% each"
    assert where(-np.abs(values)) == "nowhere"
