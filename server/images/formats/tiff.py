"""TIFF (TIFF 6.0 section 2, and BigTIFF): the number of directories, and the size of a tile."""

import struct
from collections.abc import Iterator

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.limits import ImageLimits, check_frames
from vitscope.server.images.signatures import FIELD

# Entries of one directory. Files have about 20; scientific ones have some hundred.
MAX_ENTRIES = 4096

_SAMPLES, _TILE_WIDTH, _TILE_LENGTH = 277, 322, 323
_NAMES = {_SAMPLES: "SamplesPerPixel", _TILE_WIDTH: "TileWidth", _TILE_LENGTH: "TileLength"}
# The types that TIFF 6.0 gives to these three: SHORT and LONG.
_KINDS = {3: "H", 4: "I"}


def check(data: bytes, limits: ImageLimits) -> None:
    """Raise InvalidRequest for too many directories or entries, or for tiles with too many pixels.

    A tile is decoded as a whole, and may be larger than the image that is cropped from it.
    """
    for number, (at, entries) in enumerate(_directories(data)):
        if number == 0:
            _check_tile(data, at, entries, limits)
        check_frames(FIELD, number + 1, limits)


def _layout(data: bytes) -> tuple[str, bool]:
    """Return the byte order for struct, and whether the file is a BigTIFF."""
    return "<" if data[:2] == b"II" else ">", 43 in data[2:4]


def _directories(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the offset of the first entry and the number of entries of each directory in the chain, up to a loop."""
    order, big = _layout(data)
    offset, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    seen: set[int] = set()
    try:
        (at,) = struct.unpack_from(order + offset, data, 8 if big else 4)
        while at and at not in seen:
            seen.add(at)
            (entries,) = struct.unpack_from(order + count, data, at)
            if entries > MAX_ENTRIES:
                raise InvalidRequest(FIELD, f"a TIFF directory of {entries:,} entries", f"at most {MAX_ENTRIES:,}")
            first = at + struct.calcsize(order + count)
            yield first, entries
            (at,) = struct.unpack_from(order + offset, data, first + entries * entry)
    except (struct.error, OverflowError):
        return


def _check_tile(data: bytes, at: int, entries: int, limits: ImageLimits) -> None:
    order, big = _layout(data)
    size, value = (20, 12) if big else (12, 8)
    found: dict[int, int] = {}
    for entry in range(at, min(at + entries * size, len(data) - size + 1), size):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in _NAMES:
            # If a tag is there twice or has another type, Pillow and libtiff read different values.
            if tag in found or kind not in _KINDS:
                raise InvalidRequest(FIELD, f"a TIFF file with an unusual {_NAMES[tag]}", "one, as SHORT or LONG")
            (found[tag],) = struct.unpack_from(order + _KINDS[kind], data, entry + value)
    width, length, samples = found.get(_TILE_WIDTH, 0), found.get(_TILE_LENGTH, 0), found.get(_SAMPLES, 1)
    if width * length * samples > limits.max_pixels:
        raise InvalidRequest(
            FIELD,
            f"TIFF tiles of {width}x{length} pixels x {samples} samples",
            f"at most {limits.max_pixels:,} samples in a tile",
        )
