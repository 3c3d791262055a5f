"""Mosaics, and the share of a map that lies in the right cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vitscope.export.faithfulness import CHANCE, mosaics, pointing

RANDOM = np.random.default_rng(0)


def images(classes: np.ndarray, side: int = 28) -> np.ndarray:
    """Return images that are filled with ten times their class."""
    return np.broadcast_to((classes * 10).astype(np.uint8)[:, None, None, None], (len(classes), side, side, 3))


@given(
    arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 7)), st.integers(2, 9), st.integers(2, 9),
    st.integers(0, 20),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_mosaics_show_four_classes_and_every_image_once(classes: np.ndarray, rows: int, cols: int, most: int) -> None:
    made = mosaics(images(classes), classes, rows, cols, most)
    assert len(made.pixels) == len(made.members) <= most and made.pixels.shape[1:] == (28, 28, 3)
    assert len(np.unique(made.members)) == made.members.size
    for one, members, pixels in zip(made.classes, made.members, made.pixels, strict=True):
        assert len(set(one.tolist())) == 4 and (classes[members] == one).all()
        assert [pixels[0, 0, 0], pixels[0, -1, 0], pixels[-1, 0, 0], pixels[-1, -1, 0]] == (one * 10).tolist()
        border = 28 * (rows // 2) // rows
        assert pixels[border - 1, 0, 0] != pixels[border, 0, 0]  # cells meet where patches do


def test_as_many_mosaics_as_there_can_be() -> None:
    classes = np.repeat(np.arange(5), 8)
    assert len(mosaics(images(classes), classes, 4, 4, 99).pixels) == 10
    assert len(mosaics(images(classes), classes, 1, 4, 99).pixels) == 0  # a single row of patches
    assert len(mosaics(images(classes % 3), classes % 3, 4, 4, 99).pixels) == 0


@given(arrays(np.float32, (2, 1, 5, 7), elements=st.floats(-9, 9, width=32)))
@settings(deadline=None, max_examples=60)
def test_a_map_that_is_the_same_for_all_classes_has_a_quarter(values: np.ndarray) -> None:
    np.testing.assert_allclose(pointing(np.repeat(values, 4, axis=1)), CHANCE)


@pytest.mark.parametrize(("rows", "cols"), [(2, 2), (4, 6), (5, 7)])
def test_maps_that_point_to_the_right_cell_have_all(rows: int, cols: int) -> None:
    right = np.full((3, 4, rows, cols), -1.0)
    down, across = rows // 2, cols // 2
    for cell, (of_rows, of_cols) in enumerate(
        (of_rows, of_cols)
        for of_rows in (slice(None, down), slice(down, None))
        for of_cols in (slice(None, across), slice(across, None))
    ):
        right[:, cell, of_rows, of_cols] = RANDOM.uniform(0.1, 1, right[:, cell, of_rows, of_cols].shape)
    np.testing.assert_allclose(pointing(right), 1)
    np.testing.assert_allclose(pointing(right[:, ::-1]), 0)
    np.testing.assert_allclose(pointing(-np.ones_like(right)), CHANCE)
