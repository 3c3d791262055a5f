"""Drawings as files: the format goes by the name."""

import io
from pathlib import Path

from vitscope.drawing.png import paint
from vitscope.drawing.scene import Drawing
from vitscope.drawing.svg import write
from vitscope.whole_files import write_whole

SUFFIXES = (".png", ".svg")


def check_name(path: Path) -> None:
    """Raise ValueError for a file whose name does not say one of the formats."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: pictures are PNG or SVG files; accepted: a name ending in {' or '.join(SUFFIXES)}")


def save(drawing: Drawing, path: Path) -> None:
    """Write a file, as PNG or SVG by its name. Raises ValueError as `check_name`, and OSError as `write_whole`."""
    check_name(path)
    write_whole(path, write(drawing).encode() if path.suffix.lower() == ".svg" else png(drawing))


def png(drawing: Drawing, scale: float = 2) -> bytes:
    """Return a PNG file, `scale` pixels to each CSS pixel."""
    file = io.BytesIO()
    paint(drawing, scale).save(file, "PNG")
    return file.getvalue()
