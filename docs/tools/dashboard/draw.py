"""Draw the dashboard without Grafana, from its JSON and its queries to a running Prometheus.

python -m docs.tools.dashboard.draw --prometheus http://127.0.0.1:9090 --out dashboard.png --minutes 30
"""

import argparse
import io
import json
import math
import sys
import time
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from docs.tools.dashboard import charts, colours, tiles
from docs.tools.dashboard.answers import Json, Window, query_panel
from docs.tools.dashboard.card import CELL, GAP, WIDTH, Card
from docs.tools.dashboard.prometheus import ALL, Prometheus, QueryFailed, expand

FILE = Path(__file__).parents[3] / "deploy/grafana/dashboards/vitscope.json"
HEADER = 44
DPI = 100


def draw(page: Json, prometheus: Prometheus, window: Window) -> Figure:
    """Draw the page in Grafana's layout, without the panels of collapsed rows. Raises QueryFailed."""
    mpl.rcParams["font.family"] = ["DejaVu Sans"]
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in page["panels"])
    height = HEADER + bottom * (CELL + GAP) + GAP
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor=colours.PAGE)
    FigureCanvasAgg(figure)  # text can be measured only with a canvas
    _header(figure, page, height, window)
    events = [event for one in page["annotations"]["list"] for event in _events(prometheus, one, window)]
    window = replace(window, events=tuple(events))
    for panel in page["panels"]:
        card = Card.at(figure, panel["gridPos"], HEADER)
        if panel["type"] == "row":
            arrow = "▸" if panel["collapsed"] else "▾"
            card.text(6, 16, f"{arrow}  {panel['title']}", size=11, weight="bold")
            continue
        answers = query_panel(prometheus, panel, window, int(card.width))
        if panel["type"] == "stat":
            tiles.stat(card, panel, answers)
        elif panel["type"] == "table":
            tiles.table(card, panel, answers)
        elif panel["type"] == "heatmap":
            charts.heatmap(card, panel, answers, window)
        else:
            charts.graph(card, panel, answers, window)
    return figure


def _header(figure: Figure, page: Json, height: int, window: Window) -> None:
    card = Card(figure, 0, 0, WIDTH, HEADER)
    card.text(16, 22, page["title"], size=14, weight="bold")
    chosen = "   ".join(f"{one['label']}: All" for one in page["templating"]["list"] if one["type"] == "query")
    card.text(130, 22, chosen, size=9, color=colours.FAINT)
    minutes = (window.end - window.start) / 60
    card.text(WIDTH - 16, 22, f"last {minutes:g} minutes", size=9, color=colours.FAINT, ha="right")


def _events(prometheus: Prometheus, annotation: Json, window: Window) -> list[tuple[float, str]]:
    """Return when each series of an annotation's query began, and the colour of its mark."""
    step = max(window.scrape, (window.end - window.start) / 400)
    found = []
    for series in prometheus.over(expand(annotation["expr"], ALL), window.start, window.end, step):
        before = -math.inf
        for at, _ in series.points:
            if at - before > 1.5 * step:
                found.append((at, annotation["iconColor"]))
            before = at
    return found


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.tools.dashboard.draw", description=__doc__.partition("\n")[0])
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", metavar="URL")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")
    parser.add_argument("--minutes", type=float, default=60, help="how far back; default 60")
    parser.add_argument("--until", type=float, default=None, help="seconds since 1970; default now")
    parser.add_argument("--scrape", type=float, default=15, help="seconds between scrapes; default 15")
    chosen = parser.parse_args(argv)
    end = chosen.until or time.time()
    window = Window(end - 60 * chosen.minutes, end, chosen.scrape)
    try:
        figure = draw(json.loads(FILE.read_text()), Prometheus(chosen.prometheus), window)
    except QueryFailed as error:
        print(f"draw: {error}", file=sys.stderr)
        return 1
    picture = io.BytesIO()
    figure.savefig(picture, format="png", facecolor=figure.get_facecolor())
    # With a palette the file has a third of the size and looks the same.
    Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(chosen.out, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
