"""What stands in the place of patches that are taken away."""

from typing import get_args

import numpy as np

from vitscope.bundle import Fill

FILLS: tuple[Fill, ...] = get_args(Fill)


def filled(pixels: np.ndarray, fill: Fill, rows: int, cols: int) -> np.ndarray:
    """Return images [N, H, W, 3] from which all patches of a grid are taken away.

    patch_mean: each patch becomes its own mean colour, so that what is lost is what it shows. mean_colour: all become
    the mean colour of these images. pixels: uint8.
    """
    if fill == "mean_colour":
        colour = pixels.reshape(-1, 3).mean(axis=0, dtype=np.float64).round().astype(np.uint8)
        return np.broadcast_to(colour, pixels.shape)
    height, width = pixels.shape[1:3]
    down, across = (_means(side, grid) for side, grid in ((height, rows), (width, cols)))
    means = np.einsum("rh,nhwc,kw->nrkc", down, pixels.astype(np.float64), across, optimize=True)
    return spread(means.round().astype(np.uint8), height, width)


def spread(cells: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return cells [N, rows, cols, ...] as pixels [N, height, width, ...]."""
    tall = cells[:, _cell_of(height, cells.shape[1])]
    return tall[:, :, _cell_of(width, cells.shape[2])]


def _cell_of(side: int, grid: int) -> np.ndarray:
    cells: np.ndarray = np.arange(side) * grid // side
    return cells


def _means(side: int, grid: int) -> np.ndarray:
    """Return the matrix [grid, side] that takes the mean of each cell."""
    belongs = _cell_of(side, grid) == np.arange(grid)[:, None]
    means: np.ndarray = belongs / belongs.sum(axis=1, keepdims=True)
    return means
