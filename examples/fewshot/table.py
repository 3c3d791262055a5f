"""The results as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Student's t for 95 %, by the number of draws less one.
_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}
_NAMES = {"scratch": "from scratch", "probe": "probe", "lora": "LoRA", "full": "full"}


@dataclass(frozen=True)
class Cell:
    """One measurement. images: to train on, of each class. accuracy: on the test images, 0..1."""

    mode: str
    images: int
    seed: int
    accuracy: float


def table(cells: Sequence[Cell]) -> str:
    """Return Markdown: mean accuracy in per cent ± half of its 95 % interval over the draws, by images and mode."""
    modes = [mode for mode in _NAMES if any(cell.mode == mode for cell in cells)]
    head = ["images of each class", *(_NAMES[mode] for mode in modes)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for count in sorted({cell.images for cell in cells}):
        found = [[100 * cell.accuracy for cell in cells if (cell.mode, cell.images) == (mode, count)] for mode in modes]
        lines.append(f"| {count} | " + " | ".join(map(_text, found)) + " |")
    return "\n".join(lines)


def _text(values: list[float]) -> str:
    if not values:
        return "–"
    mean = f"{np.mean(values):.1f}"
    if len(values) == 1:
        return f"{mean} (one draw)"
    half = _T.get(len(values) - 1, 1.96) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean} ± {half:.1f}"
