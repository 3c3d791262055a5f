"""Position embeddings: how alike each pair of places is, as a board of maps and as one enlarged map."""

import numpy as np
from PIL import Image

from vitscope.drawing.blocks import titled
from vitscope.drawing.heat import colour_bar, heat_map
from vitscope.drawing.scales import Scale, diverging
from vitscope.drawing.scene import Drawing, Item, Raster, Rect, column, row
from vitscope.drawing.style import MARK

BOARD, ONE = 560.0, 300.0  # widths
_PIXELS = 2  # to a CSS pixel
_GAP = 6  # pixels between the maps of a board
_FINEST = 16  # maps side by side


def similarities(vectors: np.ndarray) -> np.ndarray:
    """Return the cosine similarity of every two of [rows, cols, D], as float32 [rows, cols, rows, cols]."""
    rows, cols, _ = vectors.shape
    flat = vectors.reshape(rows * cols, -1).astype(np.float32)
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    found: np.ndarray = (flat @ flat.T).reshape(rows, cols, rows, cols)
    return found


def board(alike: np.ndarray, scale: Scale, width: float = BOARD, mark: tuple[int, int] | None = None) -> Drawing:
    """Draw one map for each position, where that position is. alike: [rows, cols, rows, cols].

    Of a grid of more than 16 columns or rows only every second, third and so on is shown, and the marked one.
    """
    chosen = [np.arange(0, side, every(alike.shape)) for side in alike.shape[:2]]
    cell = max(1, int((width * _PIXELS / len(chosen[1]) - _GAP) // alike.shape[3]))
    size = [side * cell + _GAP for side in alike.shape[2:]]
    canvas = np.full((len(chosen[0]) * size[0] - _GAP, len(chosen[1]) * size[1] - _GAP, 3), 255, np.uint8)
    for down, at in enumerate(chosen[0]):
        for right, col in enumerate(chosen[1]):
            one = scale.colour(alike[at, col]).repeat(cell, 0).repeat(cell, 1)
            canvas[down * size[0] : (down + 1) * size[0] - _GAP, right * size[1] : (right + 1) * size[1] - _GAP] = one
    height, across = (side / _PIXELS for side in canvas.shape[:2])
    items: list[Item] = [Raster(0, 0, across, height, Image.fromarray(canvas), smooth=False)]
    if mark is not None and all(at in shown for at, shown in zip(mark, chosen, strict=True)):
        top, left = (int(np.searchsorted(shown, at)) * step / _PIXELS for at, shown, step in zip(
            mark, chosen, size, strict=True))  # fmt: skip
        items.append(Rect(left, top, (size[1] - _GAP) / _PIXELS, (size[0] - _GAP) / _PIXELS, stroke=MARK, thickness=2))
    return Drawing(across, height, tuple(items))


def every(shape: tuple[int, ...]) -> int:
    """Return which positions of a grid a board shows: each (1), every second (2) and so on."""
    return -(-max(shape[:2]) // _FINEST)


def position_board(
    alike: np.ndarray, unit: str, chosen: tuple[int, int] | None = None, prefix: np.ndarray | None = None
) -> Drawing:
    """Draw the board, and beside it the map of the chosen position, and that of a prefix token [rows, cols]."""
    known = [alike.min()] + ([] if prefix is None else [prefix.min()])
    scale = Scale(float(min(known)), 1.0, "viridis", unit)
    step = every(alike.shape)
    which = "each position" if step == 1 else f"one position of {step} in each direction"
    left = titled(
        f"One map for {which}, at its place",
        column(board(alike, scale, mark=chosen), colour_bar(scale, ONE), gap=10),
    )
    right = list[Drawing]()
    if chosen is not None:
        one = heat_map(alike[chosen], scale, ONE, marks=[chosen])
        right.append(titled(f"The map of row {chosen[0]}, column {chosen[1]}", one, _words(alike[chosen], chosen)))
    if prefix is not None:
        small = heat_map(prefix, scale, ONE if chosen is None else ONE / 2)
        right.append(titled("The class token", small))
    return row(left, column(*right)) if right else left


def biases(bias: np.ndarray, unit: str) -> Drawing:
    """Draw what each head adds to a score by the distance from query to key, [heads, 2 R - 1, 2 C - 1]."""
    scale = diverging(bias, unit)
    heads, down, right = bias.shape
    across = min(heads, 4 if heads <= 8 else 6)
    width = min(ONE, (BOARD + 200) / across - 20)
    middle = (down // 2, right // 2)
    maps = [titled(f"Head {head}", heat_map(bias[head], scale, width, marks=[middle])) for head in range(heads)]
    rows = [row(*maps[at : at + across], gap=20) for at in range(0, heads, across)]
    return column(*rows, colour_bar(scale, ONE), gap=14)


def _words(one: np.ndarray, chosen: tuple[int, int]) -> str:
    """Name the place that is most like the chosen one."""
    others = one.copy()
    others[chosen] = -np.inf
    if not np.isfinite(others).any():
        return ""
    at = np.unravel_index(int(np.argmax(others)), one.shape)
    return f"Most alike: row {at[0]}, column {at[1]} ({others[at]:.2f})"
