"""Curves of insertion and deletion, on a model whose answer is known: a sum over the patches that are there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vitscope.export.faithfulness import FILLS, curves, filled, interval

ROWS, COLS, SIDE = 3, 5, 4
IMAGES = np.random.default_rng(1).integers(1, 256, (6, ROWS * SIDE, COLS * SIDE, 3), dtype=np.uint8)
NOTHING = np.zeros_like(IMAGES)
CLASSES = np.zeros(6, np.int64)
WEIGHTS = np.random.default_rng(2).dirichlet(np.ones(ROWS * COLS), 6)


def present(pixels: np.ndarray) -> np.ndarray:
    """Return which patches are not black, bool [N, P]."""
    cells = pixels.reshape(-1, ROWS, SIDE, COLS, SIDE, 3)
    return cells.any(axis=(2, 4, 5)).reshape(len(pixels), -1)


def additive(pixels: np.ndarray, _: np.ndarray) -> np.ndarray:
    """Score 6 images by the weights of the patches that they have."""
    scores: np.ndarray = (WEIGHTS * present(pixels)).sum(axis=1)
    return scores


maps = arrays(np.float32, (6, ROWS, COLS), elements=st.floats(-5, 5, width=32), unique=True)


@settings(deadline=None, max_examples=30)
@given(maps)
def test_srg_turns_with_the_map_and_is_bounded(values: np.ndarray) -> None:
    found = curves(additive, IMAGES, NOTHING, CLASSES, values)
    np.testing.assert_allclose(found.gain, -curves(additive, IMAGES, NOTHING, CLASSES, -values).gain, atol=1e-12)
    assert (np.abs(found.gain) <= 1).all()
    assert (found.most[:, 0] == found.least[:, 0]).all() and (found.most[:, -1] == 0).all()
    np.testing.assert_array_equal(found.most, curves(additive, IMAGES, NOTHING, CLASSES, np.arctan(values)).most)


@settings(deadline=None, max_examples=30)
@given(maps)
def test_no_map_beats_the_one_that_the_model_goes_by(values: np.ndarray) -> None:
    exact = curves(additive, IMAGES, NOTHING, CLASSES, WEIGHTS.reshape(6, ROWS, COLS))
    other = curves(additive, IMAGES, NOTHING, CLASSES, values)
    assert (exact.deletion <= other.deletion + 1e-12).all() and (exact.insertion >= other.insertion - 1e-12).all()
    assert (exact.gain > 0).all()


def test_a_map_that_says_nothing_gains_nothing_on_average() -> None:
    flat = np.zeros((6, ROWS, COLS))
    gains = [curves(additive, IMAGES, NOTHING, CLASSES, flat, seed=seed).gain for seed in range(300)]
    assert abs(np.mean(gains)) < 0.02 < np.std(gains)


def test_a_fifth_of_the_patches_goes_at_each_step() -> None:
    seen = []

    def count(pixels: np.ndarray, _: np.ndarray) -> np.ndarray:
        seen.append(present(pixels).sum(axis=1))
        return seen[-1] / (ROWS * COLS)

    found = curves(count, IMAGES, NOTHING, CLASSES, WEIGHTS.reshape(6, ROWS, COLS))
    assert {tuple(set(row.tolist())) for row in seen} == {(15,), (12,), (9,), (6,), (3,), (0,)}
    np.testing.assert_allclose(found.gain, 0, atol=1e-12)
    np.testing.assert_allclose(found.deletion, 0.5)


@pytest.mark.parametrize("fill", FILLS)
@given(st.integers(1, 7), st.integers(1, 9), st.data())
@settings(deadline=None, max_examples=30)
def test_fills_are_what_the_patches_are_on_average(fill: str, rows: int, cols: int, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(rows, 20), st.integers(cols, 20), st.just(3)))
    pixels = data.draw(arrays(np.uint8, shape))
    found = filled(pixels, fill, rows, cols)  # type: ignore[arg-type]
    assert found.shape == pixels.shape and found.dtype == np.uint8
    if fill == "mean_colour":
        assert len(np.unique(found.reshape(-1, 3), axis=0)) == 1
        np.testing.assert_allclose(found[0, 0, 0], pixels.mean(axis=(0, 1, 2)), atol=0.51)
    else:
        np.testing.assert_array_equal(filled(found, fill, rows, cols), found)  # type: ignore[arg-type]
        first = pixels[:, : -(-shape[1] // rows), : -(-shape[2] // cols)]
        np.testing.assert_allclose(found[:, 0, 0], first.mean(axis=(1, 2)), atol=0.51)


@given(arrays(np.float64, st.integers(1, 40), elements=st.floats(-1, 1)))
@settings(deadline=None, max_examples=30)
def test_an_interval_holds_the_mean(values: np.ndarray) -> None:
    found = interval(values)
    assert values.min() - 1e-9 <= found.low <= found.mean + 1e-9 and found.mean <= found.high + 1e-9
    assert found.high <= values.max() + 1e-9


def test_an_interval_of_many_values_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.2, 400)
    found = interval(values)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)
