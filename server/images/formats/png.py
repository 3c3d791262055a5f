"""PNG (W3C, third edition, section 5): the number of chunks."""

import struct

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats.shape import Shape
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.signatures import FIELD

# Encoders put 8 KB of pixels or more into a chunk, so this is a file of 80 MB.
MAX_CHUNKS = 10_000

_HEAD = struct.Struct(">I4s")


def check(data: bytes, limits: ImageLimits) -> None:
    """Raise InvalidRequest for a file with too many chunks. Those after the pixels count: Pillow reads them too."""
    at, pixels = 8, False
    for _ in range(MAX_CHUNKS):
        if at + _HEAD.size > len(data):
            return
        length, kind = _HEAD.unpack_from(data, at)
        pixels = pixels or kind == b"IDAT"
        if pixels and kind == b"IEND":  # an IEND before the pixels does not stop Pillow
            return
        at += length + 12
    raise InvalidRequest(FIELD, f"a PNG file of more than {MAX_CHUNKS:,} chunks", f"at most {MAX_CHUNKS:,}")


def shape(data: bytes) -> Shape:
    """Return the size that the IHDR chunk declares."""
    if data[12:16] != b"IHDR" or len(data) < 29:
        return Shape(0, 0, "PNG")
    width, height, depth, _colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    return Shape(width, height, "PNG of 16 bits" if depth == 16 else "PNG interlaced" if interlaced else "PNG")
