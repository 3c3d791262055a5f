"""Bars from zero to one, with a name before and a number behind each."""

from collections.abc import Sequence

from vitscope.drawing.colours import COLOURS
from vitscope.drawing.fonts import shortened
from vitscope.drawing.scene import Drawing, Item, Rect, Text
from vitscope.drawing.style import BODY, LINE

_ROW, _NUMBERS = 20.0, 58.0
_BLUE = f"#{bytes(COLOURS['signed'][45]).hex()}"


def bars(shares: Sequence[tuple[str, float, str]], width: float, strong: Sequence[int] = (0,)) -> Drawing:
    """Draw shares (name, 0 to 1, text). strong: rows in bold."""
    names = width * 0.42
    room = width - names - _NUMBERS - 8
    items = list[Item]()
    for at, (name, share, text) in enumerate(shares):
        y, bold = at * _ROW, at in strong
        baseline = y + _ROW / 2 + BODY * 0.36
        items += [
            Text(0, baseline, shortened(name, BODY, names - 8, bold), BODY, bold=bold),
            Rect(names, y + 5, room, _ROW - 10, LINE),
            Rect(names, y + 5, room * min(max(share, 0.0), 1.0), _ROW - 10, _BLUE),
            Text(width, baseline, text, BODY, "end", bold),
        ]
    return Drawing(width, len(shares) * _ROW, tuple(items))
