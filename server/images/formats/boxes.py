"""Boxes of ISO base media files (ISO/IEC 14496-12), and the items and properties of HEIF (ISO/IEC 23008-12)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

# Boxes at one level, and items. A phone's photo of 200 megapixels has 800 tiles.
MAX_BOXES = 2**14


@dataclass(frozen=True)
class Box:
    """A box. start, end: offsets of its contents."""

    kind: bytes
    start: int
    end: int


@dataclass
class Pictures:
    """What the `meta` box says of the pictures of a file.

    sizes: (width, height) of each `ispe` property, by its number from 1. items: the numbers of the properties of each
    item. primary: the item to be shown. coded: the number of `item`s, as `iinf` counts them.
    """

    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    items: dict[int, list[int]] = field(default_factory=dict)
    primary: int = 0
    coded: int = 0

    def size(self, item: int) -> tuple[int, int]:
        """Return (width, height) of an item; (0, 0) where the file does not say."""
        return next((self.sizes[number] for number in self.items.get(item, []) if number in self.sizes), (0, 0))


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes from `start` to `end`, as far as they can be read, and at most MAX_BOXES."""
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        stop = min(start + size if size else end, end)
        if stop < start + head:
            return
        yield Box(kind, start + head, stop)
        start = stop


def find(data: bytes, start: int, end: int, *path: bytes) -> Iterator[Box]:
    """Yield the boxes at a path of kinds, such as `meta`, `iprp`, `ipco`."""
    for box in boxes(data, start, end):
        if box.kind == path[0]:
            inner = box.start + (4 if box.kind == b"meta" else 0)  # a full box: version and flags come first
            if len(path) == 1:
                yield box
            else:
                yield from find(data, inner, box.end, *path[1:])


def pictures(data: bytes) -> Pictures:
    """Return what is said of the pictures, as far as it can be read."""
    found = Pictures()
    try:
        for meta in find(data, 0, len(data), b"meta"):
            for box in boxes(data, meta.start + 4, meta.end):
                if box.kind == b"pitm":
                    (found.primary,) = struct.unpack_from(">I" if data[box.start] else ">H", data, box.start + 4)
                elif box.kind == b"iinf":
                    (found.coded,) = struct.unpack_from(">I" if data[box.start] else ">H", data, box.start + 4)
                elif box.kind == b"iprp":
                    _properties(data, box, found)
    except (struct.error, IndexError):
        pass
    return found


def _properties(data: bytes, iprp: Box, found: Pictures) -> None:
    for box in boxes(data, iprp.start, iprp.end):
        if box.kind == b"ipco":
            for number, entry in enumerate(boxes(data, box.start, box.end), 1):
                if entry.kind == b"ispe":
                    found.sizes[number] = struct.unpack_from(">II", data, entry.start + 4)
        elif box.kind == b"ipma":
            _associations(data, box, found)


def _associations(data: bytes, box: Box, found: Pictures) -> None:
    version, flags = data[box.start], data[box.start + 3]
    (count,) = struct.unpack_from(">I", data, box.start + 4)
    at, item, wide = box.start + 8, ">I" if version else ">H", flags & 1
    for _ in range(min(count, MAX_BOXES)):
        (number,) = struct.unpack_from(item, data, at)
        at += struct.calcsize(item)
        entries = data[at]
        at += 1
        step = 2 if wide else 1
        bodies = data[at : min(at + entries * step, box.end)]
        at += entries * step
        found.items[number] = (
            [int.from_bytes(bodies[i : i + 2], "big") & 0x7FFF for i in range(0, len(bodies) - 1, 2)]
            if wide
            else [body & 0x7F for body in bodies]
        )
