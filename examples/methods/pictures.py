"""Maps of several methods over the same photos, as one picture."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from examples.methods.forward import Maps
from examples.methods.subject import Subject
from vitscope.drawing import diverging, sequential
from vitscope.drawing.colours import COLOURS

CELL, GAP = 112, 4


def contact(subject: Subject, methods: Mapping[str, Maps], pixels: np.ndarray, classes: np.ndarray) -> Image.Image:
    """Draw a row for each image, uint8 [N, H, W, 3]: the image, then the map of each method, in order.

    A map with values of both signs has white at zero; colours go to the largest value of each map by itself.
    """
    columns = [list(pixels)]
    for method in methods.values():
        maps = np.asarray(method(subject, pixels, classes)).reshape(-1, *subject.grid)
        columns.append([_coloured(one) for one in maps])
    rows, across = len(pixels), len(columns)
    sheet = Image.new("RGB", (across * (CELL + GAP) - GAP, rows * (CELL + GAP) - GAP), "white")
    for col, column in enumerate(columns):
        for row, cell in enumerate(column):
            image = Image.fromarray(cell).resize((CELL, CELL), Image.Resampling.NEAREST)
            sheet.paste(image, (col * (CELL + GAP), row * (CELL + GAP)))
    return sheet


def _coloured(values: np.ndarray) -> np.ndarray:
    scale = diverging(values, "") if (values < 0).any() else sequential(values, "")
    shades = COLOURS[scale.colours]
    share = np.clip((values - scale.low) / max(scale.high - scale.low, 1e-30), 0, 1)
    found: np.ndarray = shades[(share * (len(shades) - 1)).round().astype(int)].astype(np.uint8)
    return found
