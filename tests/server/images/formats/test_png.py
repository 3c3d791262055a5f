"""Chunks are bounded, before and after the pixels."""

import struct
import time
import zlib

import pytest

from tests.server.images.samples import encoded, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.decode import decode
from vitscope.server.images.formats.png import check
from vitscope.server.images.limits import ImageLimits


def _chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


START = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
PIXELS = _chunk(b"IDAT", zlib.compress(b"\0\x50"))
END = _chunk(b"IEND")
TEXT = _chunk(b"tEXt", b"a\0b")


@pytest.mark.parametrize(
    "data",
    [
        START + TEXT * 300_000 + PIXELS + END,
        START + PIXELS + TEXT * 300_000 + END,
        START + END + TEXT * 300_000 + PIXELS + END,
        START + _chunk(b"IDAT") * 300_000 + PIXELS + END,
    ],
    ids=["before the pixels", "after them", "after an early end", "pixels"],
)
def test_many_chunks_are_refused(data: bytes) -> None:
    start = time.thread_time()
    with pytest.raises(InvalidRequest, match="more than 10,000 chunks; accepted: at most 10,000"):
        decode(data, ImageLimits())
    assert time.thread_time() - start < 0.2


def test_what_follows_the_end_is_not_counted() -> None:
    assert decode(START + PIXELS + END + bytes(1_000_000), ImageLimits())[0].size == (1, 1)


def test_texts_within_the_bound_are_accepted() -> None:
    assert decode(START + TEXT * 9_000 + PIXELS + END, ImageLimits())[0].getpixel((0, 0)) == (0x50,) * 3


def test_truncated_files_pass() -> None:
    data = encoded(photos()["coffee.png"].resize((40, 30)), "PNG")
    for end in range(8, len(data), 7):
        check(data[:end], ImageLimits())
