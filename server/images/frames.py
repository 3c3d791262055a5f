"""Counting frames without decoding them.

Pillow counts the frames of a GIF or TIFF by walking through all of them, however many there are. A small file can hold a
million; these walks stop as soon as there are too many.
"""

import struct
from collections.abc import Iterator
from itertools import islice

from PIL import ImageFile


def count_frames(data: bytes, image: ImageFile.ImageFile, stop: int) -> int:
    """Frames of an opened image, at most `stop`. A damaged file counts as far as it can be read."""
    match image.format:
        case "GIF":
            return sum(1 for _ in islice(_gif_frames(data), stop))
        case "TIFF":
            return sum(1 for _ in islice(_tiff_directories(data), stop))
    return min(int(getattr(image, "n_frames", 1)), stop)  # the others have it in their header


def _gif_frames(data: bytes) -> Iterator[int]:
    """Offsets of the image blocks (GIF89a, section 18 on)."""
    at = 13 + _colour_table(data[10])
    try:
        while data[at] != 0x3B:
            if data[at] == 0x2C:
                yield at
                at += 11 + _colour_table(data[at + 9])
            else:
                at += 2
            while size := data[at]:
                at += size + 1
            at += 1
    except IndexError:
        return


def _colour_table(flags: int) -> int:
    """Bytes of the colour table that `flags` announces."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _tiff_directories(data: bytes) -> Iterator[int]:
    """Offsets of the chained image file directories (TIFF 6.0 section 2, and BigTIFF). A loop ends the chain."""
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    offset, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    seen: set[int] = set()
    try:
        (at,) = struct.unpack_from(order + offset, data, 8 if big else 4)
        while at and at not in seen:
            (entries,) = struct.unpack_from(order + count, data, at)
            seen.add(at)
            yield at
            (at,) = struct.unpack_from(order + offset, data, at + struct.calcsize(order + count) + entries * entry)
    except (struct.error, OverflowError):
        return
