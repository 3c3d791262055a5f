"""Writing a drawing as SVG 1.1: text as text, pixels as embedded PNG files."""

import base64
import io
from xml.sax.saxutils import escape, quoteattr

from PIL import Image

from vitscope.drawing.fonts import FAMILIES
from vitscope.drawing.scene import Drawing, Item, Line, Raster, Rect, Text
from vitscope.drawing.style import PAPER

# Pixels to each CSS pixel of a raster: viewers enlarge in ways of their own, so nothing is left to them.
_SCALE = 2


def write(drawing: Drawing) -> str:
    """Return the SVG file of a drawing, on white."""
    size = f'width="{_n(drawing.width)}" height="{_n(drawing.height)}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {size} '
        f'viewBox="0 0 {_n(drawing.width)} {_n(drawing.height)}" font-family={quoteattr(FAMILIES)}>'
    )
    paper = f'<rect {size} fill="{PAPER}"/>'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, paper, *map(_element, drawing.items), "</svg>\n"])


def _element(item: Item) -> str:
    match item:
        case Text():
            weight = ' font-weight="bold"' if item.bold else ""
            anchor = "" if item.anchor == "start" else f' text-anchor="{item.anchor}"'
            place = f'x="{_n(item.x)}" y="{_n(item.y)}" font-size="{_n(item.size)}" fill="{item.colour}"'
            return f"<text {place}{anchor}{weight}>{escape(item.text)}</text>"
        case Line():
            ends = f'x1="{_n(item.x1)}" y1="{_n(item.y1)}" x2="{_n(item.x2)}" y2="{_n(item.y2)}"'
            return f'<line {ends} stroke="{item.colour}" stroke-width="{_n(item.thickness)}"/>'
        case Rect():
            stroke = f' stroke="{item.stroke}" stroke-width="{_n(item.thickness)}"' if item.stroke else ""
            return f'<rect {_box(item)} fill="{item.fill or "none"}"{stroke}/>'
        case Raster():
            kept = "" if item.smooth else ' style="image-rendering:pixelated"'
            return f'<image {_box(item)} preserveAspectRatio="none"{kept} xlink:href="{_data(item)}"/>'


def _data(item: Raster) -> str:
    """Return the pixels as they are to be seen, at most twice as fine as CSS pixels."""
    image = item.image.convert("RGB")
    target = (max(1, round(item.width * _SCALE)), max(1, round(item.height * _SCALE)))
    if item.smooth:
        image = image.resize(target, Image.Resampling.BILINEAR)
    else:
        # Whole numbers of pixels for each, so that all cells are alike.
        times = [max(1, goal // side) for goal, side in zip(target, image.size, strict=True)]
        image = image.resize((image.width * times[0], image.height * times[1]), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _box(item: Rect | Raster) -> str:
    return f'x="{_n(item.x)}" y="{_n(item.y)}" width="{_n(item.width)}" height="{_n(item.height)}"'


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
