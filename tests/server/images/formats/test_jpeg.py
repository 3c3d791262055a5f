"""Scans and segments are counted by their markers, and real photos pass."""

import struct
import time

import pytest
from PIL import Image

from tests.server.images.samples import encoded, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.decode import decode
from vitscope.server.images.formats.jpeg import check
from vitscope.server.images.limits import ImageLimits

SMALL = encoded(Image.new("RGB", (16, 16)), "JPEG")


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _table(kind: int, symbol: int) -> bytes:
    """Return a Huffman table (DHT) of one code, a single 0."""
    return _segment(0xC4, bytes([kind, 1, *[0] * 15, symbol]))


def _scans(width: int, height: int, count: int) -> bytes:
    """Return a progressive grey file of one scan of the DC coefficients and `count - 1` empty ones."""
    blocks = -(-width // 8) * -(-height // 8)
    runs = ("0" + "1" * 14) * -(-blocks // 32767)  # each ends the band of 32,767 blocks
    bits = runs + "1" * (-len(runs) % 8)
    empty = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return (
        b"\xff\xd8"
        + _segment(0xDB, b"\0" + b"\1" * 64)
        + _segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
        + _table(0x00, 0)
        + _table(0x10, 0xE0)
        + _segment(0xDA, b"\1\1\0\0\0\0")
        + bytes(-(-blocks // 8))
        + (_segment(0xDA, b"\1\1\0\1\x3f\0") + empty) * (count - 1)
        + b"\xff\xd9"
    )


def test_many_scans_are_refused() -> None:
    assert decode(_scans(64, 64, 100), ImageLimits())[0].size == (64, 64)
    with pytest.raises(InvalidRequest, match="a JPEG file of more than 100 scans; accepted: at most 100"):
        check(_scans(64, 64, 101), ImageLimits())


def test_a_large_photo_may_have_fewer_scans() -> None:
    check(_scans(7000, 7000, 20), ImageLimits())
    data = _scans(7000, 7000, 4000)
    start = time.thread_time()
    with pytest.raises(InvalidRequest, match="21 or more scans, each of 49,000,000 pixels; accepted: at most 20"):
        decode(data, ImageLimits())
    assert time.thread_time() - start < 0.1


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_progressive_photo_has_about_ten(mode: str, subsampling: int) -> None:
    photo = photos()["coffee.png"].convert(mode)
    data = encoded(photo, "JPEG", progressive=True, quality=95, subsampling=subsampling, restart_marker_blocks=7)
    scans = {"L": 6, "RGB": 10, "CMYK": 18}[mode]
    check(data, ImageLimits(max_scans=scans))
    with pytest.raises(InvalidRequest, match=f"more than {scans - 1} scans"):
        check(data, ImageLimits(max_scans=scans - 1))


def test_markers_inside_segments_and_after_the_end_do_not_count() -> None:
    limits = ImageLimits(max_scans=1)
    scan = _segment(0xDA, b"\1\1\0\0\0\0")
    check(SMALL[:2] + _segment(0xE1, scan * 5000) + SMALL[2:] + scan * 5000, limits)


@pytest.mark.parametrize(
    ("inserted", "said"),
    [
        (_segment(0xFE, b"") * 1_000_000, "more than 1,000 segments"),
        (b"\xff\xd9" * 10_000_000, "more than 1,000 segments"),
        (b"\xff" * 20_000_000, "bytes between its segments; accepted: at most 65,536"),
        (b"\0" * 20_000_000, "bytes between its segments"),
        (b"\xff\0" * 10_000_000, "bytes between its segments"),
        (b"\xff\xd0" * 10_000_000, "bytes between its segments"),
        # Pillow takes this marker to have no length, and reads what follows as segments.
        ((b"\xff\xf0\xff\xfe" + _segment(0xFE, b"") * 16_000) * 300, "more than 1,000 segments"),
    ],
    ids=["comments", "ends", "fill", "zeros", "escapes", "restarts", "hidden comments"],
)
def test_segments_and_padding_that_pillow_reads_in_python_are_bounded(inserted: bytes, said: str) -> None:
    start = time.thread_time()
    with pytest.raises(InvalidRequest, match=said):
        check(SMALL[:2] + inserted + SMALL[2:], ImageLimits())
    assert time.thread_time() - start < 0.2


def test_long_descriptions_and_profiles_pass() -> None:
    photo = photos()["coffee.png"]
    check(encoded(photo, "JPEG", icc_profile=bytes(3_000_000)), ImageLimits())
    check(SMALL[:2] + _segment(0xE1, b"x" * 65_000) * 250 + SMALL[2:], ImageLimits())


def test_the_largest_file_is_checked_quickly() -> None:
    data = SMALL[:-2] + b"\xff\0" * 10_000_000 + SMALL[-2:]
    start = time.thread_time()
    check(data, ImageLimits())
    assert time.thread_time() - start < 1


def test_truncated_files_pass() -> None:
    data = encoded(photos()["coffee.png"].resize((40, 30)), "JPEG", progressive=True)
    for end in range(3, len(data)):
        check(data[:end], ImageLimits())
