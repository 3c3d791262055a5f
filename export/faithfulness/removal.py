"""Taking patches away by their share in a map: curves of insertion and deletion, and SRG (arXiv:2401.06654).

SRG (symmetric relevance gain) is the area below the curve when the least relevant patches go first, less that when the
most relevant ones do. A map that says nothing has 0 on average: its order is as likely as the reverse.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vitscope.export.faithfulness.fills import spread

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Images, uint8 [N, H, W, 3], and classes, int64 [N] -> how probable each is, [N], 0..1."""

STEPS = 5
"""Parts that the patches are taken away in."""


@dataclass(frozen=True)
class Curves:
    """The scores of images while patches go, [N, steps + 1] each: with all patches, and at last with none.

    most, least: the most, or the least relevant ones first. Adding the most relevant ones first is `least`, backwards:
    the area below it is that of insertion, and the area below `most` that of deletion.
    """

    most: np.ndarray
    least: np.ndarray

    @property
    def deletion(self) -> np.ndarray:
        """The area below the curve, the most relevant patches first, [N], 0..1. Small is good."""
        return _area(self.most)

    @property
    def insertion(self) -> np.ndarray:
        """The area below the curve, the least relevant patches first, [N], 0..1. Large is good."""
        return _area(self.least)

    @property
    def gain(self) -> np.ndarray:
        """SRG of each image, [N], -1..1."""
        gain: np.ndarray = self.insertion - self.deletion
        return gain


def curves(
    score: Score,
    pixels: np.ndarray,
    without: np.ndarray,
    classes: np.ndarray,
    maps: np.ndarray,
    steps: int = STEPS,
    seed: int = 0,
) -> Curves:
    """Measure the curves of some images.

    pixels, without: uint8 [N, H, W, 3], with and without all patches. maps: [N, rows, cols], finite; patches with equal
    values go in random order.
    """
    flat = maps.reshape(len(maps), -1)
    ties = np.random.default_rng(seed).permuted(np.tile(np.arange(flat.shape[1]), (len(flat), 1)), axis=1)
    falling = np.lexsort((ties, -flat), axis=-1)
    ends = score(pixels, classes), score(without, classes)

    def curve(order: np.ndarray) -> np.ndarray:
        found = [ends[0]]
        for step in range(1, steps):
            gone = np.zeros(flat.shape, bool)
            np.put_along_axis(gone, order[:, : round(step * flat.shape[1] / steps)], True, axis=1)
            where = spread(gone.reshape(maps.shape), *pixels.shape[1:3])[..., None]
            found.append(score(np.where(where, without, pixels), classes))
        return np.stack([*found, ends[1]], axis=1).astype(np.float64)

    return Curves(curve(falling), curve(falling[:, ::-1]))


def _area(values: np.ndarray) -> np.ndarray:
    """Return the area below curves over 0..1, by trapezoids."""
    inner: np.ndarray = values[:, 1:-1].sum(axis=1)
    area: np.ndarray = (inner + (values[:, 0] + values[:, -1]) / 2) / (values.shape[1] - 1)
    return area
