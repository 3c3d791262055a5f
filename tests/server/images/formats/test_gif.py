"""The checked size of a GIF is the one that Pillow allocates, and reading a malicious file ends early."""

import contextlib
import io
import struct
import sys
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.server.images.samples import encoded, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats.gif import check
from vitscope.server.images.limits import ImageLimits

HEADER = b"GIF89a" + struct.pack("<HH", 1, 1) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
DISPOSAL = b"\x21\xf9\x04" + bytes([2 << 2]) + b"\0\0\0\0"


def _frame(width: int, height: int, left: int = 0, top: int = 0) -> bytes:
    return b"\x2c" + struct.pack("<4H", left, top, width, height) + b"\0\x02\x02\x4c\x01\0"


def _animation(count: int) -> bytes:
    photo = photos()["coffee.png"]
    first, *rest = [photo.crop((10 * i, 5 * i, 10 * i + 40, 5 * i + 30)) for i in range(count)]
    return encoded(first, "GIF", save_all=True, append_images=rest, comment=b"x" * 700, disposal=2, loop=0)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_frames_are_counted_as_pillow_counts_them(count: int) -> None:
    data = _animation(count)
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == count
    check(data, ImageLimits(max_frames=count))
    with pytest.raises(InvalidRequest, match=f"more than {count - 1} frames"):
        check(data, ImageLimits(max_frames=count - 1))


def test_a_first_frame_larger_than_the_canvas_is_refused_before_it_is_allocated() -> None:
    tracemalloc.start()
    with pytest.raises(InvalidRequest, match="60000x60000 pixels; accepted: at most 50,000,000 pixels"):
        check(HEADER + DISPOSAL + _frame(60000, 60000) + b";", ImageLimits())
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_frame_counts_with_its_offset() -> None:
    with pytest.raises(InvalidRequest, match="60001x60002 pixels"):
        check(HEADER + _frame(1, 2, 60000, 60000), ImageLimits())


PIECES = [
    *(b"\x21", b"\x2c", b"\0", b"\1", b"\x0d", b"\xf9", b"\xfe", b"\xff"),
    *(b"\x0bNETSCAPE2.0", b"\x03\1\0\0", b"\x04\x08\0\0\0"),
    *(DISPOSAL, _frame(1, 1), _frame(300, 200), b"\x21\xff\x0bNETSCAPE2.0\0", b"\x21\x01\0", b"\x21\xfe\0"),
]  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_every_frame_that_pillow_finds_is_checked(pieces: list[bytes]) -> None:
    data = HEADER + b"".join(pieces) + _frame(300, 200) + b";"
    with contextlib.suppress(Exception):
        width, height = Image.open(io.BytesIO(data)).size
        with pytest.raises(InvalidRequest, match=f"{width}x{height} pixels"):
            check(data, ImageLimits(max_pixels=width * height - 1))


@pytest.mark.parametrize(
    "body",
    [
        _frame(1, 1) * 1_000_000,
        _frame(1, 1)[:-3] + b"\1a" * 10_000_000,
        b"\x21\xfe" + b"\1a" * 10_000_000,
        b"\x21\xfe\0" * 7_000_000,
        b"\1" * 20_000_000,
    ],
    ids=["frames", "sub-blocks", "comments", "extensions", "stray bytes"],
)
def test_too_many_blocks_are_refused_early(body: bytes) -> None:
    start = time.thread_time()
    with pytest.raises(InvalidRequest, match=r"more than (1,000 frames|262,144 blocks); accepted: at most"):
        check(HEADER + body, ImageLimits())
    # Counting branches, as `make coverage` does, takes longer than reading them.
    assert time.thread_time() - start < (0.5 if sys.gettrace() is None else 5)


def test_truncated_files_pass() -> None:
    data = _animation(5)
    for end in range(6, len(data), 97):
        check(data[:end], ImageLimits(max_frames=5))
