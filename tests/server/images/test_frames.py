"""Frames are counted as Pillow counts them, without walking a hostile file to its end."""

import io
import struct
import time

import pytest
from PIL import Image, ImageFile

from server.images.frames import count_frames
from tests.server.images.samples import encoded, photos


def _frames(count: int) -> list[Image.Image]:
    photo = photos()["coffee.png"]
    return [photo.crop((10 * i, 5 * i, 10 * i + 40, 5 * i + 30)) for i in range(count)]


def _opened(data: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "PNG", "MPO"])
@pytest.mark.parametrize("frames", [2, 7])
def test_agrees_with_pillow(format: str, frames: int) -> None:
    first, *rest = _frames(frames)
    data = encoded(first, format, save_all=True, append_images=rest)
    image = _opened(data)
    assert count_frames(data, image, 1000) == frames == getattr(image, "n_frames", 1)
    assert count_frames(data, image, 1) == 1


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "PNG", "JPEG", "BMP"])
def test_a_still_has_one(format: str) -> None:
    data = encoded(_frames(1)[0], format)
    assert count_frames(data, _opened(data), 1000) == 1


def test_bigtiff_pages() -> None:
    first, *rest = _frames(3)
    data = encoded(first, "TIFF", save_all=True, append_images=rest, big_tiff=True)
    assert count_frames(data, _opened(data), 1000) == 3


def test_comments_and_local_palettes_are_walked_over() -> None:
    first, *rest = _frames(4)
    data = encoded(first, "GIF", save_all=True, append_images=rest, comment=b"x" * 700, disposal=2, loop=0)
    assert count_frames(data, _opened(data), 1000) == 4


def test_a_million_tiny_frames_cost_nothing() -> None:
    gif = bytearray(encoded(Image.new("L", (1, 1)), "GIF"))
    block = gif[gif.index(b"\x2c\x00\x00\x00\x00", 13) : -1]
    data = bytes(gif[:-1]) + bytes(block) * 1_000_000 + b";"
    image = _opened(data)
    start = time.perf_counter()
    assert count_frames(data, image, 1001) == 1001
    assert time.perf_counter() - start < 0.5  # Pillow's own count takes tens of seconds


def test_a_tiff_that_loops_ends() -> None:
    data = bytearray(encoded(_frames(1)[0], "TIFF"))
    (at,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, at)
    struct.pack_into("<I", data, at + 2 + 12 * entries, at)
    assert count_frames(bytes(data), _opened(bytes(data)), 1000) == 1


@pytest.mark.parametrize("format", ["GIF", "TIFF"])
def test_cut_off_files_count_as_far_as_they_go(format: str) -> None:
    first, *rest = _frames(5)
    data = encoded(first, format, save_all=True, append_images=rest)
    image = _opened(data)
    for end in range(20, len(data), 97):
        assert 0 <= count_frames(data[:end], image, 1000) <= 5
