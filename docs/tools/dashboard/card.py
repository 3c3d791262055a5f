"""The rectangle of a panel, and what can be drawn in it."""

import textwrap
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from docs.tools.dashboard import colours

# Pixels of Grafana's grid.
WIDTH, CELL, GAP, TITLE = 1680, 30, 8, 28
COLUMNS = 24


def plain(axes: Axes) -> Axes:
    """Remove frame, background and tick marks."""
    axes.set_facecolor("none")
    axes.tick_params(colors=colours.FAINT, labelsize=7.5, length=0, pad=4)
    axes.spines[:].set_visible(False)
    return axes


@dataclass(frozen=True)
class Card:
    """A rectangle of a figure, in pixels from its upper left corner."""

    figure: Figure
    left: float
    top: float
    width: float
    height: float

    @classmethod
    def at(cls, figure: Figure, place: dict[str, int], offset: float) -> "Card":
        """Place a card by a panel's `gridPos`. offset: pixels above the grid."""
        column = (WIDTH - GAP) / COLUMNS
        return cls(
            figure,
            GAP + place["x"] * column,
            offset + place["y"] * (CELL + GAP),
            place["w"] * column - GAP,
            place["h"] * (CELL + GAP) - GAP,
        )

    def frame(self, title: str, fill: str = colours.CARD) -> None:
        """Draw background, border and title."""
        self._rectangle(fill)
        self.text(10, 15, title, size=9.5, weight="bold")

    def axes(self, left: float, top: float, right: float, bottom: float) -> Axes:
        """Axes within these margins."""
        x, y = self._fraction(left, self.height - bottom)
        width, height = self.width - left - right, self.height - top - bottom
        axes = self.figure.add_axes((x, y, width / self._size[0], height / self._size[1]))
        axes.grid(True, color=colours.GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        return plain(axes)

    def text(self, x: float, y: float, text: str, size: float = 8, **style: Any) -> None:
        style = {"color": colours.TEXT, "va": "center"} | style
        self.figure.text(*self._fraction(x, y), text, fontsize=size, **style)

    def width_of(self, text: str, size: float = 8, weight: str = "normal") -> float:
        """Return the width of a text in pixels."""
        probe = self.figure.text(0, 0, text, fontsize=size, fontweight=weight)
        width = probe.get_window_extent().width
        probe.remove()
        return float(width)

    def wrapped(self, text: str, width: int) -> None:
        """Write a text in the middle, wrapped at `width` characters."""
        self.text(self.width / 2, self.height / 2, textwrap.fill(text, width), ha="center", color=colours.FAINT)

    def box(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        Card(self.figure, self.left + x, self.top + y, width, height)._rectangle(fill, border=False)

    def _rectangle(self, fill: str, border: bool = True) -> None:
        x, y = self._fraction(0, self.height)
        edge = colours.BORDER if border else "none"
        wide, high = self._size
        self.figure.add_artist(
            Rectangle(
                (x, y), self.width / wide, self.height / high, facecolor=fill, edgecolor=edge, linewidth=0.8, zorder=-1
            )
        )

    def _fraction(self, x: float, y: float) -> tuple[float, float]:
        """Convert a point of the card to fractions of the figure."""
        wide, high = self._size
        return (self.left + x) / wide, 1 - (self.top + y) / high

    @property
    def _size(self) -> tuple[float, float]:
        wide, high = self.figure.get_size_inches() * self.figure.dpi
        return float(wide), float(high)
