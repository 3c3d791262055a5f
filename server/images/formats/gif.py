"""GIF (GIF89a, sections 18 to 26): the canvas, and the number of frames, found without decoding them."""

import struct
from collections.abc import Iterator

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats.shape import Shape
from vitscope.server.images.limits import ImageLimits, check_frames, check_pixels
from vitscope.server.images.signatures import FIELD

# Blocks and sub-blocks. A sub-block holds up to 255 bytes and encoders fill them, so this is a file of 60 MB.
MAX_BLOCKS = 2**18


def check(data: bytes, limits: ImageLimits) -> None:
    """Raise InvalidRequest for a file of too many pixels, frames or blocks.

    The first frame may be larger than the canvas, and Pillow allocates it when it opens the file.
    """
    for number, (left, top, width, height) in enumerate(_frames(data)):
        if number == 0:
            canvas_width, canvas_height = struct.unpack_from("<HH", data, 6)
            check_pixels(FIELD, (max(canvas_width, left + width), max(canvas_height, top + height)), limits)
        check_frames(FIELD, number + 1, limits)


def shape(data: bytes) -> Shape:
    """Return the size of the canvas; the first frame may be larger, which `check` bounds."""
    width, height = struct.unpack_from("<HH", data, 6) if len(data) >= 10 else (0, 0)
    return Shape(width, height, "GIF")


def _frames(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield left, top, width and height of each image block."""
    left = MAX_BLOCKS + 1
    try:
        at = 13 + _colour_table(data[10])
        while left > 0:
            block = data[at]
            if block == 0x3B:
                return
            if block == 0x2C:
                yield struct.unpack_from("<4H", data, at + 1)
                at, left = _skip(data, at + 11 + _colour_table(data[at + 9]), left)
            elif block == 0x21:
                at, left = _skip(data, _extension(data, at), left)
            else:  # like Pillow, which goes on at the next byte
                at, left = at + 1, left - 1
    except (IndexError, struct.error):
        return
    raise InvalidRequest(FIELD, f"a GIF file of more than {MAX_BLOCKS:,} blocks", f"at most {MAX_BLOCKS:,}")


def _skip(data: bytes, at: int, left: int) -> tuple[int, int]:
    """Return the offset after the sub-blocks at `at`, and how many of the `left` remain. Stops after `left` of them."""
    for used in range(left):
        size = data[at]
        at += size + 1
        if not size:
            return at, left - used - 1
    return at, 0


def _extension(data: bytes, at: int) -> int:
    """Return the offset from which Pillow looks for the end of the extension at `at`.

    The sub-blocks before it are read by Pillow even when they are empty, which the format does not allow.
    """
    label, first = data[at + 1], at + 2
    if label == 0xFE:
        return first
    second = first + data[first] + 1
    loops = label == 0xFF and data.startswith(b"NETSCAPE2.0", first + 1, second)
    return second + data[second] + 1 if loops else second


def _colour_table(flags: int) -> int:
    """Return the bytes of the colour table that `flags` declare."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
