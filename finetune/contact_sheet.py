"""Training images as the model will see them: one row for each class, the image itself and augmented copies."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from vitscope.finetune.batches import augmented
from vitscope.finetune.pixels import Images
from vitscope.finetune.recipe import Recipe

_COLUMNS, _ROWS = 8, 12
_SIDE, _GAP, _TEXT = 96, 4, 16


def contact_sheet(images: Images, labels: Sequence[str], recipe: Recipe, seed: int) -> Image.Image:
    """Return the sheet; of more than twelve classes the first twelve."""
    rows = min(len(labels), _ROWS)
    height = _SIDE + _TEXT + _GAP
    sheet = Image.new("RGB", (_COLUMNS * (_SIDE + _GAP) + _GAP, rows * height + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for row in range(rows):
        first = int(np.flatnonzero(images.labels == row)[0])
        pixels = images[first]
        top = row * height + _GAP
        draw.text((_GAP, top), f"{labels[row]}: the image, then as it is trained on", fill="black")
        for column in range(_COLUMNS):
            random = np.random.default_rng((seed, column, first))
            shown = augmented(pixels, recipe, random) if column else pixels
            sheet.paste(_sized(shown), (_GAP + column * (_SIDE + _GAP), top + _TEXT))
    return sheet


def _sized(pixels: np.ndarray) -> Image.Image:
    """Return a square picture; small images keep their pixels visible."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    how = Image.Resampling.NEAREST if max(image.size) < _SIDE else Image.Resampling.BICUBIC
    return image.resize((_SIDE, _SIDE), how)
