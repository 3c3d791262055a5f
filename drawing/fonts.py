"""Fonts: the first installed one that has all characters of a text; without any, the one that Pillow brings."""

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import cast

from PIL import ImageFont

# What SVG viewers take, by the first name that they have. The first faces below are as wide.
FAMILIES = "Arial, Helvetica, 'Liberation Sans', 'Noto Sans', sans-serif"
_FACES = (
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"), ("Arial.ttf", "Arial Bold.ttf"),
    ("arial.ttf", "arialbd.ttf"), ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf"),
)  # fmt: skip
# For labels in other scripts; regular only.
_SCRIPTS = ("NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "wqy-microhei.ttc", "PingFang.ttc", "msyh.ttc")
# Pillow's own font (Aileron) has ASCII and little more.
_PLAIN = str.maketrans({"−": "-", "–": "-", "—": "-", "×": "x", "·": "-", "•": "-", "→": "->", "↔": "-"})
_NONE = "\U0010ffff"  # is no character, so that it is drawn as the sign of a missing one


def font_for(text: str, size: float, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return a font, `size` in pixels, that has all characters of a text; if none has them, the first installed one."""
    characters = frozenset(text)
    fonts = list(_fonts(size, bold))
    return next((font for font in fonts if all(_has(font, c) for c in characters)), fonts[0])


def drawable(text: str, font: ImageFont.FreeTypeFont) -> str:
    """Return the text in characters that the font has, as far as there are any that mean the same."""
    return "".join(c if _has(font, c) else _plain(c) for c in text)


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Return the width of a line of text. Measured large, as small sizes are rounded to whole pixels."""
    font = font_for(text, 100, bold)
    return font.getlength(drawable(text, font)) * size / 100


def cleaned(text: str) -> str:
    """Return the text on one line, without characters that cannot be printed."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, size: float, width: float, bold: bool = False) -> str:
    """Return the text cut in its middle to fit a width: the ends tell labels apart best."""
    text = cleaned(text)
    if width_of(text, size, bold) <= width:
        return text
    for kept in range(min(len(text) - 1, 400), 1, -1):
        head = kept * 3 // 5
        cut = f"{text[:head].rstrip()}…{text[len(text) - (kept - head) :].lstrip()}"
        if width_of(cut, size, bold) <= width:
            return cut
    return "…"


def wrapped(text: str, size: float, width: float) -> list[str]:
    """Return the lines of a text, broken between words, and within a word only where it is too long for a line."""
    lines, line = list[str](), ""
    for word in cleaned(text).split():
        longer = f"{line} {word}".lstrip()
        if width_of(longer, size) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while width_of(word, size) > width and len(word) > 1:
            fits = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or width_of(word[:n], size) <= width)
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line]


def _fonts(size: float, bold: bool) -> Iterator[ImageFont.FreeTypeFont]:
    for regular, strong in _FACES:
        if (found := _installed(strong if bold else regular, size)) is not None:
            yield found
    for name in _SCRIPTS:
        if (found := _installed(name, size)) is not None:
            yield found
    yield _own(size)


@cache
def _installed(name: str, size: float) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


@cache
def _own(size: float) -> ImageFont.FreeTypeFont:
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))


@cache
def _has(font: ImageFont.FreeTypeFont, character: str) -> bool:
    # Pillow tells nothing about a font's characters, but draws those that are missing all alike.
    return character.isspace() or bytes(font.getmask(character)) != bytes(font.getmask(_NONE))


def _plain(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character.translate(_PLAIN)).encode("ascii", "ignore").decode()
    return plain or character
