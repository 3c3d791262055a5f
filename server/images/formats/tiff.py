"""TIFF (TIFF 6.0, and BigTIFF): the number of directories, the strips or tiles, and the bytes of all fields."""

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats.directory import Entry, Layout
from vitscope.server.images.formats.shape import Shape
from vitscope.server.images.limits import ImageLimits, check_frames, check_pixels
from vitscope.server.images.signatures import FIELD, FORMATS

# Entries of one directory. Files have about 20; scientific ones have some hundred.
MAX_ENTRIES = 4096
# Strips or tiles, each of which Pillow decodes by itself: one for each row of 7,000, in three planes, is 21,000.
MAX_PARTS = 25_000
PART_SECONDS = 4e-5

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _SAMPLES = 256, 257, 258, 259, 277
_STRIPS, _TILES, _TILE_WIDTH, _TILE_LENGTH = 273, 324, 322, 323
_SUBFILE_TYPE, _MAKE, _SUB_DIRECTORIES, _DNG_VERSION = 254, 271, 330, 50706
# Maker -> the kind of its raw photos that are TIFF files otherwise.
_RAW = {"NIKON": "NEF", "SONY": "ARW", "PENTAX": "PEF", "SAMSUNG": "SRW", "HASSELBLAD": "3FR", "PHASE ONE": "IIQ"}
_NAMES = {
    _WIDTH: "ImageWidth",
    _LENGTH: "ImageLength",
    _COMPRESSION: "Compression",
    _SAMPLES: "SamplesPerPixel",
    _TILE_WIDTH: "TileWidth",
    _TILE_LENGTH: "TileLength",
}
_PARTS = {_STRIPS: "strips", _TILES: "tiles", 279: "strips", 325: "tiles"}  # offsets, and byte counts
# Compression -> the key of its rate.
_CODINGS = {
    1: "TIFF",
    2: "TIFF CCITT",
    3: "TIFF CCITT",
    4: "TIFF CCITT",
    5: "TIFF LZW",
    7: "TIFF JPEG",
    8: "TIFF Deflate",
    32773: "TIFF",
    32946: "TIFF Deflate",
    34925: "TIFF LZMA",
}


def check(data: bytes, limits: ImageLimits) -> None:
    """Raise InvalidRequest for too many directories, entries or parts, and for parts with too many pixels.

    A tile is decoded as a whole, and may be larger than the image that is cropped from it.
    """
    layout = Layout.of(data)
    for number, (at, entries) in enumerate(layout.chain(data)):
        if entries > MAX_ENTRIES:
            raise InvalidRequest(FIELD, f"a TIFF directory of {entries:,} entries", f"at most {MAX_ENTRIES:,}")
        if number == 0:
            _check_first(data, layout, list(layout.entries(data, at, entries)), limits)
        check_frames(FIELD, number + 1, limits)


def shape(data: bytes) -> Shape:
    """Return the size and the compression of the first page, and the number of its strips or tiles."""
    layout = Layout.of(data)
    at, entries = next(layout.chain(data), (0, 0))
    found = {entry.tag: entry for entry in layout.entries(data, at, min(entries, MAX_ENTRIES))}

    def value(tag: int, default: int) -> int:
        return (tag in found and layout.value(data, found[tag])) or default

    # More parts, and larger ones, are refused.
    parts = min(MAX_PARTS, max((found[tag].count for tag in (_STRIPS, _TILES) if tag in found), default=0))
    width, height = value(_WIDTH, 0), value(_LENGTH, 0)
    tiles = parts * value(_TILE_WIDTH, 0) * value(_TILE_LENGTH, 0)
    return Shape(
        width,
        height,
        _CODINGS.get(value(_COMPRESSION, 1), "TIFF other"),
        # Tiles may cover more than the image, and samples of 16 bits take twice as long.
        passes=min(16.0, max(1.0, tiles / max(1, width * height))) * (2 if value(_BITS, 1) > 8 else 1),
        parts=parts,
        part_seconds=PART_SECONDS,
    )


def _check_raw(data: bytes, layout: Layout, entries: list[Entry]) -> None:
    """Raise InvalidRequest for a camera's raw photo, whose first picture is a thumbnail or what the sensor saw."""
    found = {entry.tag: entry for entry in entries}
    if _DNG_VERSION in found:
        raise InvalidRequest(FIELD, "a raw photo (DNG)", FORMATS)
    reduced = _SUBFILE_TYPE in found and (layout.value(data, found[_SUBFILE_TYPE]) or 0) & 1
    if reduced and _SUB_DIRECTORIES in found and _MAKE in found:
        make = layout.text(data, found[_MAKE])
        name = next((name for start, name in _RAW.items() if make.upper().startswith(start)), None)
        if name:
            raise InvalidRequest(FIELD, f"a raw photo of a camera ({name})", FORMATS)


def _check_first(data: bytes, layout: Layout, entries: list[Entry], limits: ImageLimits) -> None:
    _check_raw(data, layout, entries)
    found: dict[int, int] = {}
    for entry in entries:
        if entry.tag in _NAMES:
            # If a tag is there twice or has another type, Pillow and libtiff read different values.
            if entry.tag in found or entry.kind not in (3, 4):
                raise InvalidRequest(FIELD, f"a TIFF file with an unusual {_NAMES[entry.tag]}", "one, as SHORT or LONG")
            found[entry.tag] = layout.value(data, entry) or 0
        if entry.tag in _PARTS and entry.count > MAX_PARTS:
            raise InvalidRequest(FIELD, f"a TIFF file of {entry.count:,} {_PARTS[entry.tag]}", f"at most {MAX_PARTS:,}")
    # Pillow reads each value into memory of its own, so that entries that share one would take far more than the file.
    held = sum(entry.size for entry in entries if entry.size <= len(data))
    if held > 2 * len(data):
        raise InvalidRequest(
            FIELD, f"TIFF entries of {held:,} bytes in a file of {len(data):,}", "entries that do not overlap"
        )
    check_pixels(FIELD, (found.get(_WIDTH, 0), found.get(_LENGTH, 0)), limits)
    width, length, samples = found.get(_TILE_WIDTH, 0), found.get(_TILE_LENGTH, 0), found.get(_SAMPLES, 1)
    if width * length * samples > limits.max_pixels:
        raise InvalidRequest(
            FIELD,
            f"TIFF tiles of {width}x{length} pixels x {samples} samples",
            f"at most {limits.max_pixels:,} samples in a tile",
        )
