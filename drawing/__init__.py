"""Pictures of numbers and photos, as PNG and SVG: panels, heat maps, colour bars, ledgers. numpy and Pillow only.

Everything is a `Drawing`: blocks are made, put beside and below one another, and saved.

    scale = sequential(values, "share of attention", percent=True)
    body = row(titled("photo", photo(image, place, 300)), titled("map", overlay(image, values, place, scale, 300)))
    save(sheet(column(body, colour_bar(scale, 300)), "Attention"), Path("out.png"))

All sizes are in CSS pixels; a PNG has twice as many pixels.
"""

from vitscope.drawing.blocks import caption, sheet, titled
from vitscope.drawing.files import check_name, png, save
from vitscope.drawing.heat import colour_bar, heat_map
from vitscope.drawing.ledger import ledger
from vitscope.drawing.photo import Place, overlay, photo
from vitscope.drawing.png import paint
from vitscope.drawing.scales import Scale, diverging, number, sequential
from vitscope.drawing.scene import Drawing, Line, Raster, Rect, Text, column, layered, row
from vitscope.drawing.svg import write

__all__ = [
    "Drawing",
    "Line",
    "Place",
    "Raster",
    "Rect",
    "Scale",
    "Text",
    "caption",
    "check_name",
    "colour_bar",
    "column",
    "diverging",
    "heat_map",
    "layered",
    "ledger",
    "number",
    "overlay",
    "paint",
    "photo",
    "png",
    "row",
    "save",
    "sequential",
    "sheet",
    "titled",
    "write",
]
