"""GridPG: whether the map of a class lies where that class is, in pictures made of four images of different classes.

A map that is the same for all classes has 25 %: what it gives to one cell it takes from the others.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

CELLS = 4
CHANCE = 1 / CELLS


@dataclass(frozen=True)
class Mosaics:
    """pixels: uint8 [M, H, W, 3]. classes, members: of the four cells, row by row, and their images; int64 [M, 4]."""

    pixels: np.ndarray
    classes: np.ndarray
    members: np.ndarray


def mosaics(pixels: np.ndarray, classes: np.ndarray, rows: int, cols: int, most: int, seed: int = 0) -> Mosaics:
    """Make up to `most` mosaics out of images [N, H, W, 3]: of four classes each, every image in one mosaic at most.

    rows, cols: the grid of patches, at whose borders the cells meet. There may be none to make.
    """
    random = np.random.default_rng(seed)
    left = {label: list(random.permutation(np.flatnonzero(classes == label))) for label in np.unique(classes)}
    members = list[list[int]]()
    while len(members) < most and min(rows, cols) > 1:
        fullest = sorted((label for label in left if left[label]), key=lambda label: -len(left[label]))[:CELLS]
        if len(fullest) < CELLS:
            break
        members.append([int(left[label].pop()) for label in random.permutation(fullest)])
    chosen = np.array(members, np.int64).reshape(-1, CELLS)
    down, right = (side * (grid // 2) // grid for side, grid in zip(pixels.shape[1:3], (rows, cols), strict=True))
    made = [_joined([pixels[index] for index in one], down, right) for one in chosen]
    return Mosaics(np.array(made, np.uint8).reshape(-1, *pixels.shape[1:]), classes[chosen], chosen)


def pointing(maps: np.ndarray) -> np.ndarray:
    """Return the share of the positive values that lie in the right cell, mean over the four classes, [M], 0..1.

    maps: of the classes of each mosaic, [M, 4, rows, cols]. A map without positive values counts as chance.
    """
    positive = np.maximum(maps.astype(np.float64), 0)
    down, right = maps.shape[2] // 2, maps.shape[3] // 2
    cells = [positive[:, cell, _rows(cell, down), _cols(cell, right)].sum(axis=(1, 2)) for cell in range(CELLS)]
    whole = positive.sum(axis=(2, 3))
    shares = np.where(whole > 0, np.stack(cells, axis=1) / np.where(whole > 0, whole, 1), CHANCE)
    found: np.ndarray = shares.mean(axis=1)
    return found


def _joined(images: list[np.ndarray], down: int, right: int) -> np.ndarray:
    height, width = images[0].shape[:2]
    whole = Image.new("RGB", (width, height))
    for cell, image in enumerate(images):
        size = (right if cell % 2 == 0 else width - right, down if cell < 2 else height - down)
        whole.paste(
            Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), (cell % 2 * right, cell // 2 * down)
        )
    return np.asarray(whole)


def _rows(cell: int, down: int) -> slice:
    return slice(None, down) if cell < 2 else slice(down, None)


def _cols(cell: int, right: int) -> slice:
    return slice(None, right) if cell % 2 == 0 else slice(right, None)
