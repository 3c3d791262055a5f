"""What decoding a file will cost, predicted from its header in microseconds."""

import struct
from dataclasses import dataclass
from typing import Final

from vitscope.server.images.limits import ImageLimits


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of decoding one file.

    seconds: of processor time. bytes: of memory, beside the file. certain: whether no file with this header costs much
    more. Where it is False, the other two are guesses.
    """

    seconds: float
    bytes: int
    certain: bool


# Seconds for each pixel and each byte of a file, on a slow processor; ordinary files cost less.
_PER_PIXEL: Final = {"JPEG": 6e-9, "PNG": 15e-9, "WEBP": 25e-9, "GIF": 15e-9, "BMP": 5e-9, "TIFF": 30e-9}
_PER_BYTE: Final = 20e-9
_LEAST: Final = 2e-4
# Beyond this, fitting the shorter side to a model makes the longer one so long that resizing costs more than decoding.
_MAX_ASPECT: Final = 8
# Metadata takes time too, in ways that a header does not tell.
_MAX_BYTES: Final = 8 * 2**20


def predict(data: bytes, limits: ImageLimits) -> Cost:
    """Predict the cost of a file. Never raises: what is not a readable header is not certain."""
    try:
        name, size, plain = _look(data)
    except (struct.error, IndexError):
        return Cost(_LEAST, 0, False)
    width, height = size
    pixels = width * height
    if pixels > limits.max_pixels:
        return Cost(_LEAST, 0, True)  # refused from its header
    seconds = _LEAST + pixels * _PER_PIXEL.get(name, 0) + len(data) * _PER_BYTE
    certain = plain and pixels > 0 and max(size) <= _MAX_ASPECT * min(size) and len(data) <= _MAX_BYTES
    return Cost(seconds, pixels * 8, certain)


def _look(data: bytes) -> tuple[str, tuple[int, int], bool]:
    """Return the format, (width, height), and whether the file is of an ordinary form."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG", *_jpeg(data)
    if data.startswith(b"\x89PNG"):
        width, height, bits, _, _, _, interlaced = struct.unpack_from(">II5B", data, 16)
        return "PNG", (width, height), bits <= 8 and not interlaced
    if data[8:12] == b"WEBP":
        return "WEBP", *_webp(data)
    if data.startswith(b"GIF8"):
        return "GIF", struct.unpack_from("<HH", data, 6), len(data) < 2**20
    if data.startswith(b"BM"):
        width, height = struct.unpack_from("<ii", data, 18)
        return "BMP", (width, abs(height)), struct.unpack_from("<I", data, 30) == (0,)
    if data[:4] in (b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0"):
        return "TIFF", (4096, 4096), False
    # Refused by its first bytes, unless it is of a format that this table does not know.
    return "", (64, 64), False


def _jpeg(data: bytes) -> tuple[tuple[int, int], bool]:
    at = 2
    for _ in range(64):
        marker, length = struct.unpack_from(">xBH", data, at)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return (width, height), marker in (0xC0, 0xC1)
        at += 2 + length
    return (4096, 4096), False


def _webp(data: bytes) -> tuple[tuple[int, int], bool]:
    body = data[20:30]
    if data[12:16] == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return (width & 0x3FFF, height & 0x3FFF), True
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), True
    return (int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1), not body[0] & 2
