"""What decoding a file will cost, predicted from its header."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats import SHAPES
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.signatures import sniff


@dataclass(slots=True)
class Cost:
    """An upper bound of what decoding one file takes.

    seconds: of one processor. bytes: of memory, beyond the file itself. certain: it cannot take longer by more than a
    quarter of a second, whatever the file holds behind its header; where false, a damaged or hostile file may. width,
    height: of the picture, 0 where unknown.
    """

    seconds: float
    bytes: int
    certain: bool
    width: int = 0
    height: int = 0


class Rate(NamedTuple):
    """Nanoseconds per pixel and per byte of the file, bytes of memory per pixel, and whether that is sure."""

    pixel: float
    byte: float
    memory: float
    certain: bool = False


# Measured with Pillow 13 on one core of 3 GHz over noise, a photo and one colour, of 3 to 50 million pixels: the least
# rates under which none of them falls. Memory includes the picture in its own mode, in RGB, and turned upright.
RATES: Final[Mapping[str, Rate]] = {
    "JPEG": Rate(4, 13, 8, certain=True),
    "JPEG CMYK": Rate(10, 18, 14, certain=True),
    "JPEG in scans": Rate(6, 36, 14, certain=True),
    "JPEG in uncounted scans": Rate(6, 36, 14),
    "JPEG other": Rate(40, 100, 14),
    "PNG": Rate(16, 11, 12, certain=True),
    "PNG of 16 bits": Rate(36, 11, 16, certain=True),
    "PNG interlaced": Rate(20, 11, 12, certain=True),
    "WEBP": Rate(28, 80, 24, certain=True),
    "WEBP lossless": Rate(28, 12, 24, certain=True),
    "AVIF": Rate(16, 130, 24),
    "HEIF": Rate(16, 180, 24),
    "GIF": Rate(12, 6, 10),
    "BMP": Rate(6, 1, 12, certain=True),
    "BMP run lengths": Rate(300, 130, 12),
    "TIFF": Rate(6, 1, 16),
    "TIFF CCITT": Rate(14, 30, 10),
    "TIFF LZW": Rate(14, 4, 16),
    "TIFF Deflate": Rate(36, 7, 20),
    "TIFF JPEG": Rate(6, 14, 16),
    "TIFF LZMA": Rate(90, 40, 20),
    "TIFF other": Rate(40, 100, 20),
}
# Other machines are slower, and this one had other work.
_MARGIN: Final = 2.0
# Whatever a file is, to open it and to resize it takes this long.
_LEAST_SECONDS: Final = 0.002
_LEAST_BYTES: Final = 2**20


def predict(data: bytes, limits: ImageLimits) -> Cost:
    """Return what decoding `data` will cost at most, from its header alone: in microseconds, and without an error.

    A file that is refused by its first bytes costs nothing. One whose header cannot be read is taken to be as large as
    the limits allow.
    """
    try:
        shape = SHAPES[sniff(data)](data)
    except InvalidRequest:
        return Cost(0.0, 0, certain=True)
    pixels, rate = shape.width * shape.height, RATES[shape.coding]
    most = limits.max_pixels_scaled if shape.scalable else limits.max_pixels
    known = 0 < pixels <= most
    if not known:  # a larger one is refused
        pixels = most if pixels == 0 else 0
    seconds = (pixels * rate.pixel * shape.passes + len(data) * rate.byte) / 1e9 + shape.parts * shape.part_seconds
    return Cost(
        seconds=_MARGIN * seconds + _LEAST_SECONDS,
        # What is scalable is never held as a whole where that would be more than the limit.
        bytes=int(min(pixels, limits.max_pixels) * rate.memory) + len(data) + _LEAST_BYTES,
        certain=rate.certain and (known or pixels == 0),
        width=shape.width,
        height=shape.height,
    )
