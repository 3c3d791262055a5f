"""BMP: a bound on files that Pillow would decode in Python."""

import struct

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats.shape import Shape
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.mangled import changed_line_ends, is_text
from vitscope.server.images.signatures import FIELD, FORMATS

# A bound on pixels and on bytes, since each takes time: 1920x1080 fits, and two million of each take about a second.
MAX_RUN_LENGTH = 2**21


def check(data: bytes, limits: ImageLimits) -> None:
    """Raise InvalidRequest for a large file in a run-length encoding, which Pillow decodes in Python."""
    found = shape(data)
    size = int.from_bytes(data[2:6], "little")
    # Pillow would read the wrong pixels without an error. Writers that leave the size out do not make text of it.
    if size != len(data) and (is_text(data) or changed_line_ends(data)):
        raise InvalidRequest(FIELD, f"a BMP file of {size:,} bytes by its header, but of {len(data):,}", FORMATS)
    if found.coding == "BMP run lengths" and max(found.width * found.height, len(data)) > MAX_RUN_LENGTH:
        raise InvalidRequest(
            FIELD,
            f"a run-length encoded BMP of {found.width}x{found.height} pixels in {len(data):,} bytes",
            f"at most {MAX_RUN_LENGTH:,} pixels and bytes in that encoding, or an uncompressed BMP, or a PNG",
        )


def shape(data: bytes) -> Shape:
    """Return the size and the encoding that the header declares."""
    try:
        (header,) = struct.unpack_from("<I", data, 14)
        if header < 40:  # the header of 12 bytes has no compression field
            width, height = struct.unpack_from("<HH", data, 18)
            return Shape(width, height, "BMP")
        width, height = struct.unpack_from("<Ii", data, 18)
        (compression,) = struct.unpack_from("<I", data, 30)
    except struct.error:
        return Shape(0, 0, "BMP")
    return Shape(width, abs(height), "BMP run lengths" if compression in (1, 2) else "BMP")
