"""The patch embedding as a convolution: its principal filters, and the dot products of one patch with all filters."""

from itertools import pairwise

import numpy as np
from PIL import Image

from vitscope.drawing.blocks import titled
from vitscope.drawing.colours import COLOURS
from vitscope.drawing.heat import colour_bar, heat_map
from vitscope.drawing.principal import MOST, Principal
from vitscope.drawing.scales import diverging, number
from vitscope.drawing.scene import Drawing, Item, Line, Raster, Rect, Text, column, row
from vitscope.drawing.style import INK, LINE, MUTED, SMALL

_ACROSS = 7
_TILE = 72.0
_STRIP, _WIDE = 256, 620.0  # dot products in a line, and its width


def tile(one: np.ndarray, width: float = _TILE) -> Drawing:
    """Draw a filter [3, h, w] in colours: grey is zero, and its largest value is as far from grey as can be."""
    largest = max(float(np.abs(one).max()), 1e-12)
    pixels = np.clip((one / largest + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    height = width * pixels.shape[0] / pixels.shape[1]
    picture = Raster(0, 0, width, height, Image.fromarray(pixels), smooth=False)
    return Drawing(width, height, (picture, Rect(0, 0, width, height, stroke=LINE)))


def filter_sheet(principal: Principal) -> Drawing:
    """Draw the principal filters with their shares of the variance, and how the shares fall and sum up."""
    count = min(MOST, len(principal.shares))
    texts = [f"{at + 1}: {share:.1%}" for at, share in enumerate(principal.shares[:count])]
    tiles = [column(tile(principal.filters[at]), _label(text), gap=2) for at, text in enumerate(texts)]
    lines = [row(*tiles[at : at + _ACROSS], gap=10) for at in range(0, count, _ACROSS)]
    title = f"The {count} principal filters, and the share of variance of each" if count > 1 else "Its only filter"
    shown = titled(title, column(*lines, gap=8))
    return row(shown, titled("Explained variance, summed up", _curve(principal.shares, count)))


def dot_products(values: np.ndarray, kernel: np.ndarray, patch: np.ndarray) -> Drawing:
    """Draw the dot products [D] of one patch with all filters, and the filters that answer most.

    kernel: [D, 3, h, w]. patch: its pixels as they are seen, uint8 [h, w, 3].
    """
    scale = diverging(values, "dot product, bias added")
    cell = (_WIDE - 40) / min(len(values), _STRIP)
    strips = []
    for at in range(0, len(values), _STRIP):
        line = values[None, at : at + _STRIP]
        strips.append(row(_label(f"{at}", 30), heat_map(line, scale, cell * line.size, aspect=cell / 22), gap=10))
    below = column(*strips, colour_bar(scale, 260), gap=6)
    strip = titled(f"Its {len(values)} dot products, one for each filter", below)
    strongest = np.argsort(-np.abs(values), kind="stable")[:6]
    most = [column(tile(kernel[at]), _label(f"{at}: {number(float(values[at]))}"), gap=2) for at in strongest]
    size = 110.0
    height = size * patch.shape[0] / patch.shape[1]
    pixels = Raster(0, 0, size, height, Image.fromarray(patch), smooth=False)
    alone = Drawing(size, height, (pixels, Rect(0, 0, size, height, stroke=LINE)))
    above = row(titled("The patch", alone), titled("The filters that answer most", row(*most, gap=10)))
    return column(above, strip)


def _label(text: str, width: float = _TILE) -> Drawing:
    return Drawing(width, SMALL * 1.3, (Text(0, SMALL, text, SMALL, colour=MUTED),))


def _curve(shares: np.ndarray, shown: int) -> Drawing:
    """Draw the running sum of the shares, and where the filters that are shown end."""
    width, height, left = 260.0, 190.0, 38.0
    total = np.cumsum(shares)
    xs = left + np.arange(1, len(total) + 1) / len(total) * (width - left)
    ys = height - total * (height - 8)
    items: list[Item] = []
    for share in (0, 0.5, 1.0):
        y = height - share * (height - 8)
        items += [Line(left, y, width, y, LINE), Text(left - 6, y + 4, f"{share:.0%}", SMALL, "end", colour=MUTED)]
    blue = f"#{bytes(COLOURS['signed'][40]).hex()}"
    points = [(left, height), *zip(xs.tolist(), ys.tolist(), strict=True)]
    # More points than pixels would only make the file larger.
    points = points[:: max(1, len(points) // 260)] + points[-1:]
    items += [Line(*start, *end, blue, 2) for start, end in pairwise(points)]
    x, y = float(xs[shown - 1]), float(ys[shown - 1])
    items += [Line(x, y, x, height, INK, 1)]
    text = f"{shown} of {len(total)}: {total[shown - 1]:.1%}"
    beside = x + 6 if x < width / 2 else x - 6
    items.append(Text(beside, height - 10, text, SMALL, "start" if x < width / 2 else "end"))
    items.append(Text(width, height + SMALL + 4, "number of filters", SMALL, "end", colour=MUTED))
    return Drawing(width, height + SMALL * 1.6, tuple(items))
