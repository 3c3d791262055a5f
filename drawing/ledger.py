"""A bar of parts that add up to a total."""

import math
from collections.abc import Callable, Iterable, Sequence

from vitscope.drawing.colours import COLOURS
from vitscope.drawing.fonts import width_of
from vitscope.drawing.scene import Drawing, Item, Line, Rect, Text
from vitscope.drawing.style import BODY, INK, LINE, MUTED, SMALL

_ROW = 22.0
_MINUS, _PLUS = (f"#{bytes(COLOURS['signed'][at]).hex()}" for at in (50, 205))


def signed(values: Iterable[float]) -> Callable[[float], str]:
    """Return how numbers are written below one another: with a sign, and three digits of the largest of them."""
    most = max((abs(value) for value in values if math.isfinite(value)), default=0.0) or 1.0
    decimals = min(8, max(0, 2 - math.floor(math.log10(most))))

    def text(value: float) -> str:
        shown = f"{value:+,.{decimals}f}".replace("-", "−")
        return shown if shown.strip("+−0.,") else "0"

    return text


def ledger(
    parts: Sequence[tuple[str, float]],
    total: tuple[str, float],
    width: float,
    unit: str = "",
    text: Callable[[float], str] | None = None,
) -> Drawing:
    """Draw one bar below the other, each from where the one before ended, and last the total, from zero.

    What raises the total is orange, what lowers it blue, as in the maps. The parts should add up to the total; what is
    missing is shown as a part of its own, so that the bars meet in any case. text: how numbers are written, with three
    digits of the largest unless given.
    """
    parts = list(parts)
    rest = total[1] - sum(value for _, value in parts)
    if abs(rest) > 0.005 * max(abs(total[1]), *(abs(value) for _, value in parts), 1e-9):
        parts.append(("not explained", rest))
    text = text or signed([total[1], *(value for _, value in parts)])
    ends = [0.0]
    for _, value in parts:
        ends.append(ends[-1] + value)
    low, high = min(*ends, total[1], 0.0), max(*ends, total[1], 0.0)
    names = max(width_of(name, BODY, bold=True) for name, _ in (*parts, total)) + 12
    numbers = max(width_of(text(value), BODY, bold=True) for _, value in (*parts, total)) + 14
    room, span = max(width - names - numbers, 40.0), max(high - low, 1e-12)

    def place(value: float) -> float:
        return names + (value - low) / span * room

    items, y = list[Item](), 0.0
    for at, (name, value) in enumerate(parts):
        start, end = place(ends[at]), place(ends[at + 1])
        items += _bar(name, text(value), value, (start, end), y, width)
        items.append(Line(end, y + 3, end, y + _ROW + 3, MUTED, 1))
        y += _ROW
    items.append(Line(0, y + 1, width, y + 1, LINE, 1))
    items += _bar(total[0], text(total[1]), total[1], (place(0.0), place(total[1])), y + 2, width, bold=True)
    y += _ROW + 2
    items.append(Line(place(0.0), 0, place(0.0), y, INK, 1))
    items.append(Text(place(0.0), y + SMALL + 1, "0", SMALL, "middle", colour=MUTED))
    if unit:
        items.append(Text(width, y + SMALL + 1, unit, SMALL, "end", colour=MUTED))
    return Drawing(width, y + SMALL * 1.5, tuple(items))


def _bar(
    name: str, text: str, value: float, ends: tuple[float, float], y: float, width: float, bold: bool = False
) -> list[Item]:
    baseline = y + _ROW / 2 + BODY * 0.36
    left, right = min(ends), max(ends)
    return [
        Text(0, baseline, name, BODY, bold=bold),
        Rect(left, y + 4, max(right - left, 1.0), _ROW - 8, _PLUS if value >= 0 else _MINUS),
        Text(width, baseline, text, BODY, "end", bold),
    ]
