"""WebP (RFC 9649): the size of the canvas."""

import struct

from vitscope.server.images.formats.shape import Shape
from vitscope.server.images.limits import ImageLimits, check_pixels
from vitscope.server.images.signatures import FIELD


def check(data: bytes, limits: ImageLimits) -> None:
    """Raise InvalidRequest for a canvas with too many pixels, which Pillow allocates when it opens the file."""
    check_pixels(FIELD, _canvas(data), limits)


def shape(data: bytes) -> Shape:
    """Return the size of the canvas."""
    return Shape(*_canvas(data), "WEBP lossless" if data[12:16] == b"VP8L" else "WEBP")


def _canvas(data: bytes) -> tuple[int, int]:
    """Return (width, height) from the first chunk; (0, 0) if it is truncated or unknown, which Pillow refuses."""
    chunk, body = data[12:16], data[20:30]
    if len(body) == 10:
        if chunk == b"VP8X":
            return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
        if chunk == b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if chunk == b"VP8 ":
            width, height = struct.unpack("<HH", body[6:10])
            return width & 0x3FFF, height & 0x3FFF
    return 0, 0
