"""Run-length encoded files have a limit, since Pillow decodes them in Python."""

import struct
import time

import pytest

from tests.server.images.samples import encoded, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.decode import decode
from vitscope.server.images.formats.bmp import check
from vitscope.server.images.limits import ImageLimits


def _run_length_encoded(width: int, height: int, runs: bytes, header: int = 40) -> bytes:
    start = 14 + header + 1024
    return (
        b"BM"
        + struct.pack("<IHHI", start + len(runs), 0, 0, start)
        + struct.pack("<IiiHHIIiiII", header, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0).ljust(header, b"\0")
        + b"".join(bytes([level, level, level, 0]) for level in range(256))
        + runs
    )


@pytest.mark.parametrize("height", [7000, -7000])
@pytest.mark.parametrize("header", [40, 124])
def test_many_pixels_are_refused(height: int, header: int) -> None:
    with pytest.raises(InvalidRequest, match=r"run-length encoded BMP of 7000x7000 pixels in .*at most 2,097,152"):
        check(_run_length_encoded(7000, height, b"", header), ImageLimits())


def test_many_runs_are_refused_however_few_the_pixels() -> None:
    data = _run_length_encoded(100, 100, b"\x01\x00" * 5_000_000)
    start = time.thread_time()
    with pytest.raises(InvalidRequest, match=r"100x100 pixels in 10,001,078 bytes"):
        decode(data, ImageLimits())
    assert time.thread_time() - start < 0.2


def test_small_files_are_decoded() -> None:
    image, _ = decode(_run_length_encoded(4, 2, b"\x04\x50\x00\x00\x04\xa0\x00\x00\x00\x01"), ImageLimits())
    assert [image.getpixel((0, y)) for y in (0, 1)] == [(0xA0,) * 3, (0x50,) * 3]


def test_a_screenshot_fits_and_uncompressed_files_have_no_such_limit() -> None:
    check(_run_length_encoded(1920, 1080, b""), ImageLimits())
    check(encoded(photos()["coffee.png"].resize((2000, 2000)), "BMP"), ImageLimits())
