"""Boards of how alike positions are."""

import numpy as np

from tests.drawing.test_pictures import texts
from vitscope.drawing import Raster, Scale
from vitscope.drawing.board import biases, board, position_board, similarities


def test_similarity_is_that_of_directions() -> None:
    vectors = np.array([[[1.0, 0], [0, 2]], [[3, 3], [0, 0]]])
    alike = similarities(vectors)
    assert alike.shape == (2, 2, 2, 2)
    np.testing.assert_allclose(alike[0, 0], [[1, 0], [0.5**0.5, 0]], atol=1e-6)
    assert alike[1, 1, 1, 1] == 0  # of a position that is zero


def test_the_map_of_each_position_stands_where_it_is() -> None:
    rows, cols = 3, 4
    alike = np.zeros((rows, cols, rows, cols), np.float32)
    for at in np.ndindex(rows, cols):
        alike[at][at] = 1
    (raster,) = board(alike, Scale(0, 1), 200).items
    assert isinstance(raster, Raster)
    pixels = np.asarray(raster.image)
    cell = (pixels.shape[1] + 6) // cols // cols - 1
    for row, col in np.ndindex(rows, cols):
        top, left = row * (rows * cell + 6), col * (cols * cell + 6)
        one = pixels[top : top + rows * cell : cell, left : left + cols * cell : cell]
        assert (one == Scale(0, 1).colour(alike[row, col])).all()


def test_of_a_large_grid_every_second_position_is_shown() -> None:
    alike = similarities(np.random.default_rng(0).normal(size=(20, 24, 8)))
    shown = texts(position_board(alike, "cosine similarity", (3, 3)))
    assert "One map for one position of 2 in each direction, at its place" in shown
    assert "The map of row 3, column 3" in shown


def test_the_enlarged_map_and_the_class_token() -> None:
    alike = similarities(np.random.default_rng(0).normal(size=(2, 3, 8)))
    shown = texts(position_board(alike, "cosine similarity", (1, 2), np.zeros((2, 3))))
    assert {"The map of row 1, column 2", "The class token", "cosine similarity", "1"} <= set(shown)
    assert any(text.startswith("Most alike: row ") for text in shown)
    assert texts(position_board(similarities(np.ones((1, 1, 2))), "x", (0, 0)))


def test_biases_of_each_head() -> None:
    bias = np.random.default_rng(0).normal(size=(9, 5, 7))
    shown = texts(biases(bias, "added to the score"))
    assert [text for text in shown if text.startswith("Head")] == [f"Head {head}" for head in range(9)]
