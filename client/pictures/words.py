"""What a map shows, in a sentence."""

import numpy as np
from numpy.typing import NDArray

_DOWN, _RIGHT = ("top", "middle", "bottom"), ("left", "centre", "right")


def region(row: float, col: float, grid: tuple[int, int]) -> str:
    """Name the part of an image, of nine, that a cell lies in: "top left", "centre", "bottom right"."""
    down = _DOWN[min(2, int(3 * (row + 0.5) / grid[0]))]
    right = _RIGHT[min(2, int(3 * (col + 0.5) / grid[1]))]
    if right == "centre":
        return "centre" if down == "middle" else down
    return right if down == "middle" else f"{down} {right}"


def regions(values: NDArray[np.float32]) -> list[tuple[str, float]]:
    """Sum up what is positive in each of nine parts, as shares of all of it, largest first."""
    positive = np.maximum(np.nan_to_num(values), 0)
    total = float(positive.sum())
    found: dict[str, float] = {}
    for (row, col), value in np.ndenumerate(positive):
        name = region(row, col, (values.shape[0], values.shape[1]))
        found[name] = found.get(name, 0.0) + float(value)
    return sorted(((name, value / total if total else 0.0) for name, value in found.items()), key=lambda one: -one[1])


def where(values: NDArray[np.float32], most: int = 2) -> str:
    """Say where most of what is positive lies: "at the bottom left (41%) and the centre (22%); 11% each is even"."""
    largest = [(name, share) for name, share in regions(values)[:most] if share > 0]
    if not largest:
        return "nowhere"
    return f"at the {' and the '.join(f'{name} ({share:.0%})' for name, share in largest)}; even would be 11% each"
