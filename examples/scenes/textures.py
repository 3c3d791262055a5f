"""Textures that decide the class of a scene, and shapes that say nothing about it."""

from collections.abc import Callable

import numpy as np

Coordinates = tuple[np.ndarray, np.ndarray]
"""Rows and columns of pixels, each int64 and of the same shape."""


def _dots(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    found: np.ndarray = (y % 12 - 5.5) ** 2 + (x % 12 - 5.5) ** 2 < 20
    return found


TEXTURES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "checks": lambda y, x: (y // 6 + x // 6) % 2 == 0,
    "dots": _dots,
    "level stripes": lambda y, x: y // 4 % 2 == 0,
    "upright stripes": lambda y, x: x // 4 % 2 == 0,
}
"""By class: which pixels have the second of two colours, from their rows and columns."""


def _triangle(y: np.ndarray, x: np.ndarray, radius: int) -> np.ndarray:
    found: np.ndarray = (y <= radius) & (y >= -radius) & (2 * np.abs(x) <= y + radius)
    return found


SHAPES: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "disc": lambda y, x, radius: y**2 + x**2 <= radius**2,
    "square": lambda y, x, radius: np.maximum(np.abs(y), np.abs(x)) <= radius * 7 // 8,
    "triangle": _triangle,
}
"""Which pixels belong to a shape, from their rows and columns, counted from its centre, and its radius."""


def two_colours(random: np.random.Generator) -> np.ndarray:
    """Return two colours that differ clearly, uint8 [2, 3]."""
    while True:
        colours = random.integers(0, 256, (2, 3))
        if abs(int(colours[0].sum()) - int(colours[1].sum())) > 240:
            return colours.astype(np.uint8)
