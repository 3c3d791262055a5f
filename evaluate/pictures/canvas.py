"""The look of the pictures: sizes, colours and fonts, the same in all of them."""

import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# As wide as a model card's column of text, with twice the pixels for fine screens.
WIDTH, SCALE, DPI = 860, 2, 100
BLUE, ORANGE, RED, GREEN = "#2b6cb0", "#dd6b20", "#c53030", "#2f855a"
GREY, INK = "#a0aec0", "#1a202c"
# After matplotlib's own, whichever of these are installed, for labels in other scripts.
_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Noto Sans Arabic",
    "Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Hebrew",
)  # fmt: skip


@contextmanager
def picture(path: Path, height: int, width: int = WIDTH, trim: bool = False) -> Iterator[Figure]:
    """Give a figure of `width` x `height` points (1/100 inch) to draw on, and save it when the block ends.

    trim: cut white borders off.
    """
    installed = set(font_manager.get_font_names())
    style: Any = {
        "font.family": ["DejaVu Sans", *(font for font in _FONTS if font in installed)],
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": GREY,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "xtick.color": INK,
        "ytick.color": INK,
        "legend.frameon": False,
        # A label may hold a dollar sign.
        "text.parse_math": False,
        "figure.constrained_layout.use": True,
    }
    with mpl.rc_context(style), warnings.catch_warnings():
        # A character that no installed font has is drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI * SCALE, facecolor="white")
        FigureCanvasAgg(figure)
        yield figure
        figure.savefig(path, metadata={"Software": None}, bbox_inches="tight" if trim else None, pad_inches=0.08)


def shortened(text: str, width: int, lines: int = 1) -> str:
    """Return text of at most `lines` lines of `width` characters; what was cut ends with an ellipsis."""
    parts = textwrap.wrap("".join(c if c.isprintable() else " " for c in text), width, break_long_words=True)
    parts = parts or [""]
    if len(parts) > lines:
        parts = parts[:lines]
        parts[-1] = parts[-1][: width - 1].rstrip() + "…"
    return "\n".join(part.strip() for part in parts)


def middle_cut(text: str, width: int) -> str:
    """Return text of at most `width` characters on one line, cut in its middle: the ends tell labels apart best."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(shown) <= width:
        return shown
    head = (width - 1) * 3 // 5
    return f"{shown[:head].rstrip()}…{shown[len(shown) - (width - 1 - head) :].lstrip()}"
