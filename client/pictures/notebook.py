"""The view of a result in a notebook: HTML without scripts, styles of its own or outside requests."""

import base64
from html import escape

from vitscope.client.pictures.view import MapView, View
from vitscope.drawing import Scale, colour_bar, column, heat_map, png

_MAPS, _WIDTH = 4, 150.0  # of so many maps the first are shown


def html_of(view: View) -> str:
    """Return a table of the classes with bars, and the first maps beside it."""
    rows = "".join(_row(*one) for one in view.classes)
    maps = "".join(_map(one, view.scale_of(one)) for one in view.maps[:_MAPS])
    more = f"<div>and {len(view.maps) - _MAPS} more maps</div>" if len(view.maps) > _MAPS else ""
    table = f'<table style="border-collapse:collapse">{rows}</table>'
    shown = f'<div style="display:flex;gap:16px;flex-wrap:wrap;align-items:flex-start">{table}{maps}{more}</div>'
    return f'<div><div style="margin-bottom:4px"><b>{escape(view.title)}</b></div>{shown}</div>'


def _row(label: str, share: float, text: str) -> str:
    filled = f"width:{100 * min(max(share, 0), 1):.0f}px;background:#2166ac;height:10px"
    bar = f'<div style="width:100px;background:#cbd2dc;height:10px"><div style="{filled}"></div></div>'
    cells = (escape(label), bar, escape(text))
    return "<tr>" + "".join(f'<td style="text-align:left;padding:1px 8px">{cell}</td>' for cell in cells) + "</tr>"


def _map(one: MapView, scale: Scale) -> str:
    drawing = column(heat_map(one.values, scale, _WIDTH), colour_bar(scale, _WIDTH), gap=6)
    data = base64.b64encode(png(drawing)).decode()
    size = f'width="{drawing.width:.0f}" height="{drawing.height:.0f}"'
    title = escape(one.title, quote=True)
    return f'<div><div>{title}</div><img alt="{title}" {size} src="data:image/png;base64,{data}"></div>'
