"""Tables as text, without a library: a server has no rich, and Markdown is not for terminals."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]], width: int | None = None) -> str:
    """Return aligned columns below their headings: numbers to the right, text to the left, no trailing spaces.

    Where a line would be longer than `width`, cells of several words take several lines; words are never cut, so that a
    narrow `width` may be exceeded.
    """
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    if width is not None:
        least = [max(len(word) for line in lines for word in line[at].split() or ("",)) for at in range(len(head))]
        _narrow(widths, least, width - 2 * (len(head) - 1))
    return "\n".join(_line(line, widths) for line in lines)


def terminal_width() -> int | None:
    """Return the columns of the terminal that standard output goes to, or of COLUMNS; None for a file or pipe."""
    if os.environ.get("COLUMNS") or (sys.stdout is not None and sys.stdout.isatty()):
        return shutil.get_terminal_size().columns
    return None


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _narrow(widths: list[int], least: Sequence[int], total: int) -> None:
    """Shrink the widest columns, none below its longest word, until all together have `total`."""
    while sum(widths) > total:
        shrinkable = [at for at in range(len(widths)) if widths[at] > least[at]]
        if not shrinkable:
            return
        widths[max(shrinkable, key=widths.__getitem__)] -= 1


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    wrapped = (
        textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False) if len(cell) > width else [cell]
        for cell, width in zip(cells, widths, strict=True)
    )
    return "\n".join(_row(parts, widths) for parts in zip_longest(*wrapped, fillvalue=""))


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [
        cell.rjust(width) if _is_number(cell) else cell.ljust(width) for cell, width in zip(cells, widths, strict=True)
    ]
    return "  ".join(aligned).rstrip()


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() or (cell[:1] == "-" and cell[1:2].isdigit())
