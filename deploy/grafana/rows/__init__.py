"""The rows of the page. Each asks a question, and its panels answer it."""

from dataclasses import dataclass

from deploy.grafana.panels import Json


@dataclass(frozen=True)
class Line:
    """Panels side by side, each with its width; widths add up to 24. height: in units of Grafana's grid, 38 pixels."""

    height: int
    panels: tuple[tuple[int, Json], ...]


@dataclass(frozen=True)
class Row:
    """A heading and the lines below it."""

    title: str
    lines: tuple[Line, ...]
    collapsed: bool = False


def line(height: int, *panels: Json) -> Line:
    """Return a line of panels of equal width."""
    return Line(height, tuple((24 // len(panels), panel) for panel in panels))
