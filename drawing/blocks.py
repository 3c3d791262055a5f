"""Text around pictures: headings, notes and the sheet that holds it all."""

from vitscope.drawing.fonts import shortened, width_of, wrapped
from vitscope.drawing.scene import Drawing, Rect, Text, column
from vitscope.drawing.style import BODY, HEADING, LEADING, MARGIN, MUTED, PAPER, SMALL, TITLE

_LEAST = 120.0  # width of a heading and its note, above and below whatever is narrower


def caption(text: str, width: float, size: float = SMALL, bold: bool = False, colour: str = MUTED) -> Drawing:
    """Set a text in lines of at most `width`."""
    lines = wrapped(text, size, width)
    items = [Text(0, (at + 0.78) * size * LEADING, line, size, "start", bold, colour) for at, line in enumerate(lines)]
    return Drawing(width, len(lines) * size * LEADING, tuple(items))


def titled(title: str, block: Drawing, note: str = "") -> Drawing:
    """Put a heading above a block, cut to its width or a little more, and a note below it."""
    shown = shortened(title, HEADING, max(block.width, _LEAST), bold=True)
    head = Drawing(width_of(shown, HEADING, bold=True), HEADING * 1.5, (Text(0, HEADING, shown, HEADING, bold=True),))
    parts = [head, block]
    if note:
        parts.append(caption(note, max(block.width, _LEAST)))
    return column(*parts, gap=3)


def sheet(body: Drawing, title: str, subtitle: str = "", foot: str = "") -> Drawing:
    """Put a title above and a foot below a body, with a margin around."""
    width = max(body.width, 260)
    head = Text(0, TITLE, shortened(title, TITLE, width, bold=True), TITLE, bold=True)
    parts = [Drawing(width, TITLE * 1.3, (head,))]
    if subtitle:
        parts.append(caption(subtitle, width, BODY))
    parts += [Drawing(0, 10), body]
    if foot:
        parts += [Drawing(0, 8), caption(foot, width)]
    inner = column(*parts, gap=2)
    paper = Rect(0, 0, width + 2 * MARGIN, inner.height + 2 * MARGIN, PAPER)
    return Drawing(paper.width, paper.height, (paper, *inner.moved(MARGIN, MARGIN)))
