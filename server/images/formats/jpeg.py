"""JPEG (ITU-T T.81, annex B): the number of segments and scans, found by their markers."""

import re
import struct
from collections.abc import Iterator

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats import exif
from vitscope.server.images.formats.shape import Shape
from vitscope.server.images.limits import ImageLimits, check_pixels, check_scalable
from vitscope.server.images.signatures import FIELD, FORMATS

# A photo has about 20. A long colour profile or description takes one for each 64 KB.
MAX_SEGMENTS = 1000
# Bytes before the first scan that belong to no segment. The format allows fill bytes; encoders write none.
MAX_PADDING = 2**16
# For an image of max_pixels. Even an empty scan takes time for every pixel; progressive colour photos have 10 scans,
# and CMYK ones 18.
MAX_SCANS_OF_LARGEST = 20

# Inside a scan, 0xff is followed by 0, by a restart marker (0xd0 to 0xd7) or by the marker that ends the scan.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
# Files of more bytes are not searched for all their scans when their cost is predicted.
_COUNTED = 2**19
# Bytes per search. Other threads have to wait during one search, since it holds the GIL.
_STRIDE = 2**20
_START_OF_SCAN, _END_OF_IMAGE, _APP1, _JPEG_LS = 0xDA, 0xD9, 0xE1, 0xF7
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL, _PROGRESSIVE = {0xC0, 0xC1}, 0xC2
_WITH_LENGTH = {*range(0xC0, 0xC8), *range(0xC9, 0xD0), *range(0xDA, 0xF0), 0xFE}


def check(data: bytes, limits: ImageLimits) -> None:
    """Raise InvalidRequest for a file with too many segments, pixels or scans.

    A scan of a few bytes takes time for every pixel.
    """
    _check_exif(data)
    check_size = check_scalable if shape(data).scalable else check_pixels
    at, segments, scans, padding, pixels = 2, 0, 0, 0, 0
    while at < len(data) - 1:
        stop = min(at + _STRIDE, len(data))
        found = _MARKER.search(data, at, stop)
        end = found.start() if found else stop - 1
        if not scans:
            padding += end - at
            _check_padding(padding)
        if not found:
            at = end
            continue
        marker, at = data[end + 1], end + 2
        if scans and marker == _END_OF_IMAGE:
            return
        if marker in _START_OF_FRAME and len(data) >= at + 7:
            height, width = struct.unpack_from(">HH", data, at + 3)
            check_size(FIELD, (width, height), limits)
            pixels = max(pixels, width * height)
        if marker in _WITH_LENGTH:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
        if marker == _JPEG_LS and not scans:
            raise InvalidRequest(FIELD, "a JPEG-LS image", FORMATS)
        segments += 1
        scans += marker == _START_OF_SCAN
        _check_segments(segments)
        _check_scans(scans, pixels, limits)


def _check_exif(data: bytes) -> None:
    """Pillow joins all EXIF segments, and reads the result when it opens the file."""
    parts, size = list[bytes](), 0
    for marker, at in _segments(data):
        if marker == _APP1 and data.startswith(b"Exif\0\0", at + 2):
            parts.append(data[at + 8 : at + int.from_bytes(data[at : at + 2], "big")])
            size += len(parts[-1])
            if size > exif.MAX_BYTES:
                break
    if parts and (size > exif.MAX_BYTES or exif.is_heavy(b"".join(parts))):
        raise InvalidRequest(FIELD, f"a JPEG file with EXIF of {exif.LIMITS}", "a file without it")


def _check_padding(padding: int) -> None:
    if padding > MAX_PADDING:
        accepted = f"at most {MAX_PADDING:,}"
        raise InvalidRequest(FIELD, f"a JPEG file with {padding:,} or more bytes between its segments", accepted)


def _check_segments(segments: int) -> None:
    if segments > MAX_SEGMENTS:
        raise InvalidRequest(FIELD, f"a JPEG file of more than {MAX_SEGMENTS:,} segments", f"at most {MAX_SEGMENTS:,}")


def _check_scans(scans: int, pixels: int, limits: ImageLimits) -> None:
    if scans > limits.max_scans:
        raise InvalidRequest(FIELD, f"a JPEG file of more than {limits.max_scans} scans", f"at most {limits.max_scans}")
    if scans * pixels > MAX_SCANS_OF_LARGEST * limits.max_pixels:
        most = MAX_SCANS_OF_LARGEST * limits.max_pixels // pixels
        raise InvalidRequest(
            FIELD, f"a JPEG file of {scans} or more scans, each of {pixels:,} pixels", f"at most {most}"
        )


def shape(data: bytes) -> Shape:
    """Return the size of the first picture. Scalable: its only scan has all components, so none has to be kept.

    Everything else makes the decoder keep the coefficients of the whole picture.
    """
    frame: tuple[int, int, int, int] | None = None
    for marker, at in _segments(data):
        if marker in _START_OF_FRAME and len(data) >= at + 8:
            height, width, components = struct.unpack_from(">HHB", data, at + 3)
            frame = marker, height, width, components
        if marker == _START_OF_SCAN and frame and len(data) > at + 2:
            return _shape(data, frame, data[at + 2])
    return Shape(0, 0, "JPEG other")


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the marker of each segment up to the first scan, and the offset behind it."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, at, at + MAX_PADDING)
        if not found:
            return
        marker, at = data[found.end() - 1], found.end()
        yield marker, at
        if marker == _START_OF_SCAN:
            return
        if marker in _WITH_LENGTH:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))


def _shape(data: bytes, frame: tuple[int, int, int, int], components_of_scan: int) -> Shape:
    kind, height, width, components = frame
    if kind in _SEQUENTIAL and components_of_scan == components:
        return (
            Shape(width, height, "JPEG", scalable=True) if components in (1, 3) else Shape(width, height, "JPEG CMYK")
        )
    if kind in _SEQUENTIAL or kind == _PROGRESSIVE:
        # Counting takes a millisecond for each megabyte or two, during which nothing else runs.
        if len(data) > _COUNTED:
            return Shape(width, height, "JPEG in uncounted scans", passes=10 / 3)
        return Shape(width, height, "JPEG in scans", passes=max(1.0, data.count(b"\xff\xda") / 3))
    return Shape(width, height, "JPEG other")
