"""Time series panels: lines and heat maps."""

import math
from datetime import datetime

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from docs.tools.dashboard import colours
from docs.tools.dashboard.answers import Answer, Json, Window, look
from docs.tools.dashboard.card import TITLE, Card, plain
from docs.tools.dashboard.units import formatted

LEGEND_LINE = 17
SMALL = 7.8
_STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


def graph(card: Card, panel: Json, answers: list[Answer], window: Window) -> None:
    card.frame(panel["title"])
    if not answers:
        card.wrapped("No data", 30)
        return
    defaults = panel["fieldConfig"]["defaults"]
    looks = [look(panel, answer) for answer in answers]
    drawn = [
        colours.colour(found["color"]["fixedColor"]) if "color" in found else colours.PALETTE[n % len(colours.PALETTE)]
        for n, found in enumerate(looks)
    ]
    units = [str(found.get("unit", defaults["unit"])) for found in looks]
    right = [found.get("custom.axisPlacement") == "right" for found in looks]
    lines = _legend(
        card, [(a.name, c, formatted(a.series.last, u)) for a, c, u in zip(answers, drawn, units, strict=True)]
    )
    axes = card.axes(58, TITLE + 8, 52 if any(right) else 14, 26 + LEGEND_LINE * lines)
    other = plain(axes.twinx()) if any(right) else axes
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    base: dict[float, float] = {}
    for answer, found, shade, on_right in zip(answers, looks, drawn, right, strict=True):
        on = other if on_right else axes
        times, values = with_gaps(answer)
        if stacked and "custom.lineStyle" not in found:
            below = np.array([base.get(at, 0.0) for at in times])
            base |= {at: low + value for at, low, value in zip(times, below, values, strict=True) if value == value}
            on.fill_between(times, below, below + values, color=shade, alpha=0.6, linewidth=0)
            values = values + below
        style = (0, (5, 4)) if "custom.lineStyle" in found else "solid"
        on.plot(times, values, color=shade, linewidth=1.3, linestyle=style)
    _scale(axes, defaults)
    if any(right):
        _scale(other, {"unit": next(u for u, r in zip(units, right, strict=True) if r), "max": None})
        other.grid(False)
    _times(axes, window)


def heatmap(card: Card, panel: Json, answers: list[Answer], window: Window) -> None:
    """Draw cumulative shares by `le` as shares of each bucket, without those below `filterValues`."""
    card.frame(panel["title"])
    bounds = sorted((float(answer.series.labels["le"]), answer) for answer in answers)
    times = sorted({at for answer in answers for at, _ in answer.series.points})
    if not times:
        card.wrapped("No data", 30)
        return
    rows = np.array([[dict(answer.series.points).get(at, np.nan) for at in times] for _, answer in bounds])
    cells = np.diff(rows, axis=0, prepend=0)
    cells[~(cells > panel["options"]["filterValues"]["le"])] = np.nan
    finite = [number for number, (bound, _) in enumerate(bounds) if bound < float("inf")]
    axes = card.axes(58, TITLE + 8, 14, 26)
    step = min(np.diff(times), default=window.scrape)
    columns = np.append(np.array(times) - step, times[-1])
    exponent = panel["options"]["color"]["exponent"]
    axes.pcolormesh(columns, np.arange(len(finite) + 1), cells[finite] ** exponent, cmap="viridis", vmin=0, vmax=1)
    axes.grid(False)
    axes.set_ylim(0, len(finite))
    unit = panel["options"]["yAxis"]["unit"]
    marks = range(0, len(finite), max(1, len(finite) // 5))
    axes.set_yticks([mark + 1 for mark in marks], [formatted(bounds[finite[mark]][0], unit) for mark in marks])
    _times(axes, window)


def with_gaps(answer: Answer) -> tuple[np.ndarray, np.ndarray]:
    """Return times and values, with a NaN where points are missing."""
    times = np.array([at for at, _ in answer.series.points], float)
    values = np.array([value for _, value in answer.series.points], float)
    steps = np.diff(times)
    holes = np.flatnonzero(steps > 1.5 * steps.min(initial=np.inf))
    return np.insert(times, holes + 1, times[holes] + 1e-3), np.insert(values, holes + 1, np.nan)


def _scale(axes: Axes, defaults: Json) -> None:
    """Scale an axis from 0 to the panel's `max` or to the largest value. Draws dashed lines at its thresholds."""
    highest = defaults.get("max") or max(1e-9, axes.get_ylim()[1])
    steps = [step for step in defaults.get("thresholds", {}).get("steps", []) if step["value"] is not None]
    for step in steps:
        axes.axhline(step["value"], color=colours.colour(step["color"]), linewidth=1, linestyle=(0, (5, 4)))
    axes.set_ylim(0, highest)
    if defaults["unit"] == "bytes":
        axes.yaxis.set_major_locator(MultipleLocator(2 ** math.ceil(math.log2(highest / 5))))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: formatted(value, defaults["unit"])))


def _times(axes: Axes, window: Window) -> None:
    """Draw the time axis and the marks of annotations."""
    axes.set_xlim(window.start, window.end)
    step = next((step for step in _STEPS if step >= (window.end - window.start) / 5), _STEPS[-1])
    axes.xaxis.set_major_locator(MultipleLocator(step))
    pattern = "%H:%M" if step >= 60 else "%H:%M:%S"
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: datetime.fromtimestamp(at).strftime(pattern)))
    for at, name in window.events:
        axes.axvline(at, color=colours.colour(name), linewidth=0.9, linestyle=(0, (4, 3)), alpha=0.8)


def _legend(card: Card, entries: list[tuple[str, str, str]]) -> int:
    """Write names, colours and last values along the lower edge. Returns the number of lines."""
    placed, x, line = [], 14.0, 0
    for name, shade, last in entries:
        wide = card.width_of(name, SMALL)
        width = 18 + wide + 6 + card.width_of(last, SMALL) + 14
        if x + width > card.width and x > 14:
            x, line = 14.0, line + 1
        placed.append((x, wide, line, name, shade, last))
        x += width
    for x, wide, number, name, shade, last in placed:
        y = card.height - 12 - LEGEND_LINE * (line - number)
        card.box(x, y - 1.5, 13, 3, shade)
        card.text(x + 18, y, name, size=SMALL)
        card.text(x + 24 + wide, y, last, size=SMALL, color=colours.FAINT)
    return line + 1
