"""The picture of one attention matrix, and of what one patch attends to."""

import math

from PIL import Image

from vitscope.client.internals.result import Array, Explained, TokenLayout
from vitscope.drawing import (
    Drawing,
    Line,
    Rect,
    Scale,
    Text,
    colour_bar,
    column,
    heat_map,
    layered,
    overlay,
    row,
    sequential,
    sheet,
    titled,
)
from vitscope.drawing.scene import Item
from vitscope.drawing.style import INK, MARK, MUTED, SMALL

_MATRIX, _PHOTO, _TALLEST = 560.0, 300.0, 320.0
_LEFT, _TOP = 64.0, 40.0  # room for the axes
_APART = 34.0  # least distance of two labels
_UNIT = "share of a token's attention"


def draw_matrix(
    explained: Explained, layer: int, head: int | None, name: str, patch: tuple[int, int] | None, image: Image.Image
) -> Drawing:
    """Draw the matrix of a layer and head as a heat map; with a patch, its row and its column over the photo, too.

    head: None for the mean over the heads of `explained`. image: upright.
    """
    of_layer = explained.matrices
    assert of_layer is not None, "the matrices were asked for"
    of_layer = of_layer[explained.layers.index(layer)]
    matrix: Array = of_layer.mean(axis=0) if head is None else of_layer[explained.heads.index(head)]
    tokens = explained.tokens
    chosen = None if patch is None else tokens.index(*patch)
    scale = sequential(matrix, _UNIT, percent=True)
    whole = column(_with_axes(matrix, scale, tokens, chosen), row(Drawing(_LEFT, 0), colour_bar(scale, 240), gap=0))
    panels = [titled("Each row is what one token attends to", whole, _note(matrix, tokens))]
    if patch is not None and chosen is not None:
        panels.append(_of_patch(explained, matrix, patch, chosen, image))
    which = f"mean of {len(of_layer)} heads" if head is None else f"head {head}"
    best = explained.classes[0]
    return sheet(
        row(*panels),
        f"Attention matrix of layer {layer}, {which}",
        f"{name}: {best.label}. Model {explained.model} v{explained.version}, {tokens.count} tokens: {_words(tokens)}.",
        "Attention says where a token reads from, not what it takes from there, nor whether it changes the answer.",
    )


def _with_axes(matrix: Array, scale: Scale, tokens: TokenLayout, chosen: int | None) -> Drawing:
    cell = _MATRIX / tokens.count
    heat = heat_map(matrix, scale, _MATRIX, ruled=tokens.prefix)
    items: list[Item] = [
        Text(_LEFT + _MATRIX / 2, _TOP - 24, "to: row, column of the patch", SMALL, "middle", colour=MUTED),
        Text(0, _TOP - 8, "from", SMALL, colour=MUTED),
        *heat.moved(_LEFT, _TOP),
    ]
    for at, text in _ticks(tokens, cell):
        middle = (at + 0.5) * cell
        items.append(Text(_LEFT - 7, _TOP + middle + SMALL * 0.35, text, SMALL, "end", colour=INK))
        items.append(Text(_LEFT + middle, _TOP - 7, text, SMALL, "middle", colour=INK))
        items.append(Line(_LEFT - 4, _TOP + middle, _LEFT, _TOP + middle, MUTED))
        items.append(Line(_LEFT + middle, _TOP - 4, _LEFT + middle, _TOP, MUTED))
    frame = Drawing(_LEFT + _MATRIX, _TOP + _MATRIX, tuple(items))
    if chosen is None:
        return frame
    # Around the cells rather than on them, which may be thinner than the line.
    begin, around = chosen * cell - 1, cell + 2
    across = Rect(_LEFT, _TOP + begin, _MATRIX, around, stroke=MARK)
    down = Rect(_LEFT + begin, _TOP, around, _MATRIX, stroke=MARK)
    return layered(frame, Drawing(frame.width, frame.height, (across, down)))


def _ticks(tokens: TokenLayout, cell: float) -> list[tuple[int, str]]:
    """Return the tokens that an axis names: the first of the sequence, and the first patch of as many rows as fit."""
    every = math.ceil(_APART / (cell * tokens.cols))
    rows = [(tokens.index(line, 0), f"{line},0") for line in range(0, tokens.rows, every)]
    if not tokens.cls:
        return rows
    return [(0, "class"), *(tick for tick in rows if tick[0] * cell >= _APART)]


def _of_patch(explained: Explained, matrix: Array, patch: tuple[int, int], chosen: int, image: Image.Image) -> Drawing:
    tokens = explained.tokens
    place = explained.geometry.place(tokens.rows, tokens.cols)
    width = min(_PHOTO, _TALLEST * place.image_size[0] / place.image_size[1])
    at = f"patch {patch[0]},{patch[1]}"
    parts = []
    for title, values, rest in (
        (f"What {at} attends to", matrix[chosen], "on the {} before the patches"),
        (f"Who attends to {at}", matrix[:, chosen], ""),
    ):
        scale = sequential(tokens.grid(values), _UNIT, percent=True)
        drawn = overlay(image, tokens.grid(values), place, scale, width, smooth=False, marks=[patch])
        share = float(values[: tokens.prefix].sum())
        note = f"{share:.1%} of it is {rest.format(_prefix(tokens))}." if rest and tokens.prefix else ""
        parts.append(titled(title, column(drawn, colour_bar(scale, min(width, 240)), gap=8), note))
    return column(*parts, gap=20)


def _note(matrix: Array, tokens: TokenLayout) -> str:
    """Say what the prefix rows and columns are, and how much attention they get."""
    if not tokens.prefix:
        return "Every row sums to 100%."
    share = float(matrix[tokens.prefix :, : tokens.prefix].sum(axis=-1).mean())
    return (
        f"Every row sums to 100%. White lines rule off the {_prefix(tokens)}, to which patches give {share:.1%} of "
        "their attention on average."
    )


def _prefix(tokens: TokenLayout) -> str:
    names = ["class token"] * tokens.cls + ["distillation token"] * tokens.distillation
    names += [f"{tokens.registers} registers"] if tokens.registers else []
    return " and ".join(names)


def _words(tokens: TokenLayout) -> str:
    prefix = f"{_prefix(tokens)}, then " if tokens.prefix else ""
    return f"{prefix}{tokens.rows} rows of {tokens.cols} patches"
