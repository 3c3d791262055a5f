"""A contact sheet: images with a few words below each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from vitscope.evaluate.pictures.canvas import GREY, WIDTH, picture, shortened

COLUMNS, MOST = 5, 20
_THUMB = 320  # pixels of the longer side
_CHARACTERS = 23  # of a line below an image


@dataclass(frozen=True)
class Cell:
    """One image. lines: text and colour of what stands below it, each over two lines of text at most."""

    path: Path
    lines: tuple[tuple[str, str], ...]


def draw_sheet(cells: Sequence[Cell], title: str, path: Path) -> None:
    """Draw at most 20 images, five in a row."""
    cells = cells[:MOST]
    rows = -(-len(cells) // COLUMNS)
    texts = [[(shortened(text, _CHARACTERS, 2), colour) for text, colour in cell.lines] for cell in cells]
    most = max(sum(text.count("\n") + 1 for text, _ in lines) for lines in texts)
    side = (WIDTH - 30) / COLUMNS
    height = side + 13 * most + 12
    total = rows * height + 40
    with picture(path, round(total)) as figure:
        figure.set_layout_engine("none")
        figure.text(15 / WIDTH, 1 - 14 / total, title, fontsize=10, va="center")
        for number, (cell, lines) in enumerate(zip(cells, texts, strict=True)):
            row, column = divmod(number, COLUMNS)
            left, top = 15 + column * side, 34 + row * height
            box = ((left + 5) / WIDTH, 1 - (top + side - 5) / total, (side - 10) / WIDTH, (side - 10) / total)
            axes = figure.add_axes(box)
            axes.set_axis_off()
            _show(axes, cell.path)
            below = top + side
            for text, colour in lines:
                figure.text((left + side / 2) / WIDTH, 1 - below / total, text, fontsize=8, color=colour, ha="center",
                            va="top", linespacing=1.15)  # fmt: skip
                below += 13 * (text.count("\n") + 1)


def _show(axes: Any, path: Path) -> None:
    pixels = thumbnail(path)
    if pixels is None:
        axes.text(0.5, 0.5, "cannot be\nread here", ha="center", va="center", color=GREY, transform=axes.transAxes)
        return
    axes.imshow(pixels, interpolation="nearest" if max(pixels.shape[:2]) < 64 else "antialiased")


def thumbnail(path: Path) -> np.ndarray | None:
    """Return an image as uint8 [H, W, 3], upright, transparency on white; None if it cannot be read."""
    try:
        with Image.open(path) as file:
            file.draft("RGB", (_THUMB, _THUMB))
            upright = ImageOps.exif_transpose(file)
            upright.thumbnail((_THUMB, _THUMB))
            if upright.mode.startswith("I;16") or upright.mode in ("I", "F"):
                upright = _eight_bits(upright)
            rgba = upright.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    white = Image.new("RGBA", rgba.size, "white")
    return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return a deep grey image spread over 0..255."""
    values = np.asarray(image).astype(np.float64)
    low, high = values.min(), values.max()
    return Image.fromarray(((values - low) * (255 / max(high - low, 1e-9))).astype(np.uint8))
