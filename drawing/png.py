"""Painting a drawing with Pillow."""

from PIL import Image, ImageDraw

from vitscope.drawing.fonts import drawable, font_for
from vitscope.drawing.scene import Drawing, Item, Line, Raster, Rect, Text
from vitscope.drawing.style import PAPER

_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


def paint(drawing: Drawing, scale: float = 2) -> Image.Image:
    """Paint on white, `scale` pixels to each CSS pixel. Returns RGB."""
    size = (max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale)))
    canvas = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(canvas)
    for item in drawing.items:
        _paint(item, canvas, draw, scale)
    return canvas


def _paint(item: Item, canvas: Image.Image, draw: ImageDraw.ImageDraw, scale: float) -> None:
    match item:
        case Text():
            font = font_for(item.text, item.size * scale, item.bold)
            at = (item.x * scale, item.y * scale)
            draw.text(at, drawable(item.text, font), item.colour, font, _ANCHORS[item.anchor])
        case Line():
            ends = [value * scale for value in (item.x1, item.y1, item.x2, item.y2)]
            draw.line(ends, item.colour, max(1, round(item.thickness * scale)))
        case Rect():
            left, top, right, bottom = _edges(item, scale)
            if item.fill and right > left and bottom > top:
                draw.rectangle((left, top, right - 1, bottom - 1), item.fill)
            if item.stroke:
                _outline(draw, (left, top, right, bottom), item.stroke, max(1, round(item.thickness * scale)))
        case Raster():
            left, top, right, bottom = _edges(item, scale)
            if right > left and bottom > top:
                how = Image.Resampling.BILINEAR if item.smooth else Image.Resampling.NEAREST
                canvas.paste(item.image.convert("RGB").resize((right - left, bottom - top), how), (left, top))


def _edges(item: Rect | Raster, scale: float) -> tuple[int, int, int, int]:
    # Edges are rounded, not sizes: what touches in a drawing touches in the picture.
    left, top = round(item.x * scale), round(item.y * scale)
    return left, top, round((item.x + item.width) * scale), round((item.y + item.height) * scale)


def _outline(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: str, width: int) -> None:
    """Draw four bars, half of each outside the edge."""
    left, top, right, bottom = box
    out, inside = width // 2, width - width // 2
    draw.rectangle((left - out, top - out, right + out - 1, top + inside - 1), colour)
    draw.rectangle((left - out, bottom - inside, right + out - 1, bottom + out - 1), colour)
    draw.rectangle((left - out, top - out, left + inside - 1, bottom + out - 1), colour)
    draw.rectangle((right - inside, top - out, right + out - 1, bottom + out - 1), colour)
