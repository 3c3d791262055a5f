"""Heat maps, and the bar that says what their colours mean."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from vitscope.drawing.fonts import width_of
from vitscope.drawing.scales import Scale
from vitscope.drawing.scene import Drawing, Item, Line, Raster, Rect, Text
from vitscope.drawing.style import LINE, MARK, MUTED, SMALL

_BAR = 12.0  # height of a colour bar


def heat_map(
    values: np.ndarray,
    scale: Scale,
    width: float,
    aspect: float = 1.0,
    smooth: bool = False,
    marks: Sequence[tuple[int, int]] = (),
    ruled: int = 0,
) -> Drawing:
    """Draw values [rows, cols] as cells, from the top left.

    aspect: width of a cell by its height. smooth: bilinear between the centres of cells. marks: cells to outline.
    ruled: a line after so many rows and columns.
    """
    rows, cols = values.shape
    cell = width / cols, width / cols / aspect
    height = rows * cell[1]
    raster = Raster(0, 0, width, height, _coloured(values, scale, width, height, smooth), smooth)
    items: list[Item] = [raster, Rect(0, 0, width, height, stroke=LINE)]
    if ruled:
        items.append(Line(ruled * cell[0], 0, ruled * cell[0], height, "#ffffff"))
        items.append(Line(0, ruled * cell[1], width, ruled * cell[1], "#ffffff"))
    thickness = 1.5 if cell[0] < 12 else 2.0
    items += [Rect(at[1] * cell[0], at[0] * cell[1], *cell, stroke=MARK, thickness=thickness) for at in marks]
    return Drawing(width, height, tuple(items))


def colour_bar(scale: Scale, width: float) -> Drawing:
    """Draw the colours from low to high, with numbers below them and the unit."""
    shades = Image.fromarray(scale.colour(np.linspace(scale.low, scale.high, 256)[None]))
    items: list[Item] = [Raster(0, 0, width, _BAR, shades), Rect(0, 0, width, _BAR, stroke=LINE)]
    taken, baseline = list[tuple[float, float]](), _BAR + 4 + SMALL
    for value in sorted(scale.ticks(), key=lambda tick: tick == (scale.low + scale.high) / 2):
        share = (value - scale.low) / (scale.high - scale.low) if scale.high > scale.low else 0.0
        text, x = scale.text(value), share * width
        long = width_of(text, SMALL)
        left = min(max(x - long / 2, 0), width - long)
        if all(left > end + 6 or left + long < start - 6 for start, end in taken):
            taken.append((left, left + long))
            items.append(Text(left, baseline, text, SMALL))
            items.append(Line(min(max(x, 0.5), width - 0.5), _BAR, min(max(x, 0.5), width - 0.5), _BAR + 3, MUTED))
    height = baseline + 4
    if scale.unit:
        items.append(Text(0, height + SMALL, scale.unit, SMALL, colour=MUTED))
        height += SMALL * 1.4
    return Drawing(width, height, tuple(items))


def _coloured(values: np.ndarray, scale: Scale, width: float, height: float, smooth: bool) -> Image.Image:
    if not smooth:
        return Image.fromarray(scale.colour(values))
    # Values are interpolated, and coloured then: in between, colours would not be those of the scale.
    size = (max(1, round(width * 2)), max(1, round(height * 2)))
    fine = Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return Image.fromarray(scale.colour(np.asarray(fine)))
