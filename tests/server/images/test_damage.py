"""Nothing that failed to decode is ever answered: however a file is damaged, all ways to decode agree with Pillow."""

import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.server.images.samples import TOKENS, contract, encoded, oriented, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images import Geometry, ImageLimits, prepare_encoded

SMALL = contract(28, mode="squash", height=28, width=28, interpolation="bilinear")
WAYS: dict[str, tuple[ImageLimits, bool]] = {
    "default": (ImageLimits(), False),
    "exact": (ImageLimits(decoding="exact"), False),
    "with its photo": (ImageLimits(), True),
}


def _interlaced(photo: Image.Image) -> bytes:
    """Return an Adam7 PNG, which Pillow does not write."""
    pixels, rows = np.asarray(photo), b""
    for x, y, dx, dy in (
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ):
        rows += b"".join(b"\0" + row.tobytes() for row in pixels[y::dy, x::dx])
    header = struct.pack(">IIBBBBB", *photo.size, 8, 2, 0, 0, 1)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@cache
def _files() -> dict[str, bytes]:
    photo = photos()["coffee.png"].resize((150, 100))
    both: dict[str, Any] = {"save_all": True, "append_images": [photo.rotate(180)]}
    grey = np.asarray(photo.convert("L")).astype(np.uint16) * 257
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        *(("PNG", mode, {}) for mode in ("RGB", "L", "P", "RGBA", "LA", "1")),
        ("PNG", "RGB", both),
        *(("JPEG", mode, {}) for mode in ("RGB", "L", "CMYK")),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "RGB", {"quality": 95, "subsampling": 0, "restart_marker_rows": 1}),
        ("MPO", "RGB", both),
        ("GIF", "P", {}),
        ("GIF", "P", both),
        ("GIF", "P", {"interlace": 0}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("WEBP", "RGB", both),
        *(("BMP", mode, {}) for mode in ("RGB", "P", "1", "RGBA")),
        *(("TIFF", "RGB", {"compression": name}) for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")),
        *(("TIFF", "RGB", {"compression": name, "strip_size": 4096}) for name in ("tiff_lzw", "jpeg", "zstd", "lzma")),
        *(("TIFF", "1", {"compression": name}) for name in ("group3", "group4", "tiff_ccitt")),
        ("TIFF", "RGB", both),
    ]
    files = {f"{form} {mode} {options}": encoded(photo.convert(mode), form, **options) for form, mode, options in kinds}
    files |= {f"{form} turned": oriented(photo, form, 6) for form in ("PNG", "JPEG", "WEBP", "TIFF")}
    files["PNG of 16 bits"] = encoded(Image.fromarray(grey), "PNG")
    files["PNG interlaced"] = _interlaced(photo)
    return files


def _geometry(data: bytes, way: str) -> Geometry | None:
    """Return the geometry, which includes the EXIF orientation, or None for a file that is refused."""
    limits, keep_photo = WAYS[way]
    try:
        return prepare_encoded(data, SMALL, TOKENS, limits, keep_photo).geometry
    except InvalidRequest:
        return None


def _pillow_decodes(data: bytes) -> bool:
    """Return whether Pillow decodes a file that it is asked for once."""
    try:
        Image.open(io.BytesIO(data)).convert("RGB")
    except Exception:
        return False
    return True


def _agree(data: bytes) -> bool:
    """Check one file; return whether it is accepted."""
    found = {way: _geometry(data, way) for way in WAYS}
    assert len(set(found.values())) == 1, found
    if found["default"] is None:
        return False
    assert _pillow_decodes(data), "accepted, though Pillow cannot decode it"
    return True


def _with_checksums(png: bytearray) -> bytes:
    at = 8
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        png[end : end + 4] = struct.pack(">I", zlib.crc32(png[at + 4 : end]))
        at = end + 4
    return bytes(png)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", _files())
def test_files_cut_anywhere(name: str) -> None:
    data = _files()[name]
    assert _agree(data)
    for end in range(1, len(data), max(1, len(data) // 40)):
        _agree(data[:end])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", _files())
def test_files_with_wrong_bytes_anywhere(name: str) -> None:
    data = _files()[name]
    for start in range(0, len(data), max(1, len(data) // 40)):
        damaged = bytearray(data)
        for at in range(start, min(start + 8, len(data))):
            damaged[at] ^= 0x5A
        _agree(bytes(damaged))
        if name.startswith("PNG"):
            _agree(_with_checksums(damaged))


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", _files())
def test_files_damaged_in_any_way(name: str, data: st.DataObject) -> None:
    file = bytearray(_files()[name])
    early = st.integers(0, min(len(file) - 1, 200))
    for at in data.draw(st.lists(early | st.integers(0, len(file) - 1), max_size=5)):
        file[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    if data.draw(st.booleans()):
        start, end = sorted(data.draw(st.tuples(st.integers(0, len(file)), st.integers(0, len(file)))))
        file[start:end] = data.draw(st.binary(max_size=16))
    _agree(_with_checksums(file) if name.startswith("PNG") and data.draw(st.booleans()) else bytes(file))


def test_a_png_whose_pixels_are_damaged_is_refused_in_every_way() -> None:
    """Pillow loads a PNG to find its EXIF; the error in that was once taken for one in the EXIF, and the rest black."""
    data = bytearray(_files()["PNG RGB {}"])
    for at in range(len(data) // 2, len(data) // 2 + 8):
        data[at] ^= 0x5A
    for file in (bytes(data), _with_checksums(data)):
        assert not any(_geometry(file, way) for way in WAYS)
