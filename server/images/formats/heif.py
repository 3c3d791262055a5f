"""AVIF and HEIC (HEIF, ISO/IEC 23008-12): the size of the picture, and of all the tiles that it may be made of."""

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats import exif
from vitscope.server.images.formats.boxes import MAX_BOXES, find, pictures
from vitscope.server.images.formats.shape import Shape
from vitscope.server.images.limits import ImageLimits, check_frames, check_pixels
from vitscope.server.images.signatures import FIELD

# Pixels of all items, per pixel that an image may have: its tiles, its alpha, a depth map, a thumbnail, a gain map.
MAX_ITEMS = 4
# Every sample of an animation has an entry of 4 bytes in this table.
_SAMPLES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz")


def check(data: bytes, limits: ImageLimits) -> None:
    """Raise InvalidRequest for a picture of too many pixels, or made of too many."""
    if exif.holds_heavy(data):
        raise InvalidRequest(FIELD, f"an AVIF or HEIC file with EXIF of {exif.LIMITS}", "a file without it")
    found = pictures(data)
    if found.coded >= MAX_BOXES:
        raise InvalidRequest(FIELD, f"an AVIF or HEIC file of {found.coded:,} items", f"at most {MAX_BOXES - 1:,}")
    for size in found.sizes.values():
        check_pixels(FIELD, size, limits)
    total = sum(width * height for width, height in map(found.size, found.items))
    if total > MAX_ITEMS * limits.max_pixels:
        raise InvalidRequest(
            FIELD, f"an AVIF or HEIC file with tiles of {total:,} pixels", f"at most {MAX_ITEMS * limits.max_pixels:,}"
        )
    for box in find(data, 0, len(data), *_SAMPLES):
        check_frames(FIELD, int.from_bytes(data[box.start + 8 : box.start + 12], "big"), limits)


def shape(data: bytes) -> Shape:
    """Return the size of the primary picture, and how often its pixels are there, as tiles and as other pictures."""
    found = pictures(data)
    width, height = found.size(found.primary)
    total = sum(w * h for w, h in map(found.size, found.items))
    coding = "HEIF" if data[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"msf1") else "AVIF"
    return Shape(width, height, coding, passes=min(8.0, max(1.0, total / max(1, width * height))))
