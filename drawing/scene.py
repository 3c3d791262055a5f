"""What a picture consists of, and how pictures are put beside and below one another."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from PIL import Image

from vitscope.drawing.style import GAP, INK

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Text:
    """One line of text. x, y: of its anchor, on the baseline."""

    x: float
    y: float
    text: str
    size: float
    anchor: Anchor = "start"
    bold: bool = False
    colour: str = INK


@dataclass(frozen=True)
class Rect:
    """A rectangle with its upper left corner at (x, y). fill, stroke: colours, or none. The stroke lies on the edge."""

    x: float
    y: float
    width: float
    height: float
    fill: str | None = None
    stroke: str | None = None
    thickness: float = 1.0


@dataclass(frozen=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str = INK
    thickness: float = 1.0


@dataclass(frozen=True, eq=False)
class Raster:
    """Pixels, stretched to a rectangle. smooth: bilinear; otherwise each pixel becomes a rectangle of one colour."""

    x: float
    y: float
    width: float
    height: float
    image: Image.Image
    smooth: bool = True


Item: TypeAlias = Text | Rect | Line | Raster


@dataclass(frozen=True)
class Drawing:
    """A picture of `width` x `height` CSS pixels. Items come in the order in which they are drawn."""

    width: float
    height: float
    items: tuple[Item, ...] = ()

    def moved(self, x: float, y: float) -> Iterator[Item]:
        """Yield the items, moved to the right and down."""
        for item in self.items:
            if isinstance(item, Line):
                yield replace(item, x1=item.x1 + x, x2=item.x2 + x, y1=item.y1 + y, y2=item.y2 + y)
            else:
                yield replace(item, x=item.x + x, y=item.y + y)


def row(*drawings: Drawing, gap: float = GAP, align: Literal["top", "bottom"] = "top") -> Drawing:
    """Put drawings beside one another."""
    height = max((one.height for one in drawings), default=0.0)
    items, x = list[Item](), 0.0
    for one in drawings:
        items += one.moved(x, 0.0 if align == "top" else height - one.height)
        x += one.width + gap
    return Drawing(max(x - gap, 0.0), height, tuple(items))


def column(*drawings: Drawing, gap: float = GAP) -> Drawing:
    """Put drawings below one another, at the same left edge."""
    items, y = list[Item](), 0.0
    for one in drawings:
        items += one.moved(0.0, y)
        y += one.height + gap
    return Drawing(max((one.width for one in drawings), default=0.0), max(y - gap, 0.0), tuple(items))


def layered(*drawings: Drawing) -> Drawing:
    """Put drawings on top of one another, at the same upper left corner."""
    return Drawing(
        max(one.width for one in drawings),
        max(one.height for one in drawings),
        tuple(item for one in drawings for item in one.items),
    )
