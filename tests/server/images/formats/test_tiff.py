"""Pages are counted as Pillow counts them, and the size of a tile has a limit."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.server.images.samples import difference, encoded, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.decode import decode
from vitscope.server.images.formats.tiff import check
from vitscope.server.images.limits import ImageLimits


def _pages(count: int, **options: bool) -> bytes:
    photo = photos()["coffee.png"]
    first, *rest = [photo.crop((10 * i, 5 * i, 10 * i + 40, 5 * i + 30)) for i in range(count)]
    return encoded(first, "TIFF", save_all=True, append_images=rest, **options)


def _tiled(side: int, tile: list[tuple[int, int, int]], samples: int = 1) -> bytes:
    """Return a grey, deflated, little-endian image. tile: entries (tag, type, value) for its single tile."""
    pixels = zlib.compress(bytes(side**2))
    entries = [(256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, samples), *tile]
    start = 8 + 2 + 12 * (len(entries) + 2) + 4
    entries += [(324, 4, start), (325, 4, len(pixels))]
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + pixels


@pytest.mark.parametrize("big_tiff", [False, True])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_pages_are_counted_as_pillow_counts_them(count: int, big_tiff: bool) -> None:
    data = _pages(count, big_tiff=big_tiff)
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == count
    check(data, ImageLimits(max_frames=count))
    with pytest.raises(InvalidRequest, match=f"more than {count - 1} frames"):
        check(data, ImageLimits(max_frames=count - 1))


def test_a_loop_of_directories_ends() -> None:
    data = bytearray(_pages(1))
    (at,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, at)
    struct.pack_into("<I", data, at + 2 + 12 * entries, at)
    check(bytes(data), ImageLimits(max_frames=1))


def test_a_tile_larger_than_the_limit_is_refused_however_small_the_image() -> None:
    with pytest.raises(InvalidRequest, match=r"tiles of 20000x20000 pixels.*at most 50,000,000 samples"):
        check(_tiled(1, [(322, 4, 20000), (323, 4, 20000)]), ImageLimits())
    with pytest.raises(InvalidRequest, match="tiles of 4096x4096 pixels x 4 samples"):
        check(_tiled(1, [(322, 3, 4096), (323, 3, 4096)], samples=4), ImageLimits())


@pytest.mark.parametrize(
    "tile",
    [
        [(322, 17, 20000), (322, 4, 16), (323, 4, 16)],
        [(322, 4, 16), (322, 4, 20000), (323, 4, 16)],
        [(322, 4, 16), (323, 16, 20000)],
    ],
    ids=["of another type first", "twice", "of another type"],
)
def test_a_tile_size_that_can_be_read_in_two_ways_is_refused(tile: list[tuple[int, int, int]]) -> None:
    with pytest.raises(InvalidRequest, match=r"unusual Tile(Width|Length); accepted: one, as SHORT or LONG"):
        check(_tiled(16, tile), ImageLimits())


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiled_images_are_decoded(big: bool, compression: str | None) -> None:
    photo = np.asarray(photos()["coffee.png"].resize((300, 200)))
    file = io.BytesIO()
    tifffile.imwrite(file, photo, bigtiff=big, tile=(64, 64), compression=compression, photometric="rgb")
    assert difference(decode(file.getvalue(), ImageLimits())[0], photo) == 0
    assert decode(_tiled(16, [(322, 3, 16), (323, 3, 16)]), ImageLimits())[0].size == (16, 16)


def test_many_entries_are_refused() -> None:
    data = b"II\x2b\0\x08\0\0\0" + struct.pack("<QQ", 16, 1_000_000) + bytes(20_000_000)
    start = time.thread_time()
    with pytest.raises(InvalidRequest, match="directory of 1,000,000 entries; accepted: at most 4,096"):
        check(data, ImageLimits())
    assert time.thread_time() - start < 0.1


def test_truncated_files_pass() -> None:
    data = _pages(5)
    for end in range(4, len(data), 97):
        check(data[:end], ImageLimits(max_frames=5))


def _strips(count: int, kind: int = 273) -> bytes:
    fields = [(256, 4, 1, 10), (257, 4, 1, count), (kind, 4, count, 200)]
    body = b"II\x2a\0\x08\0\0\0" + struct.pack("<H", len(fields))
    return (body + b"".join(struct.pack("<HHII", *entry) for entry in fields)).ljust(200, b"\0") + bytes(4 * count)


@pytest.mark.parametrize(("kind", "name"), [(273, "strips"), (279, "strips"), (324, "tiles"), (325, "tiles")])
def test_strips_and_tiles_are_limited(kind: int, name: str) -> None:
    check(_strips(25_000, kind), ImageLimits())
    with pytest.raises(InvalidRequest, match=f"a TIFF file of 25,001 {name}; accepted: at most 25,000"):
        check(_strips(25_001, kind), ImageLimits())


def test_entries_that_share_their_bytes_are_refused() -> None:
    fields = [(256 + number, 1, 90_000, 8) for number in range(100)]
    body = b"II\x2a\0\x08\0\0\0" + struct.pack("<H", len(fields))
    data = body + b"".join(struct.pack("<HHII", *entry) for entry in fields) + bytes(100_000)
    data = data.replace(struct.pack("<HH", 256, 1), struct.pack("<HH", 700, 1)).replace(
        struct.pack("<HH", 257, 1), struct.pack("<HH", 701, 1)
    )
    with pytest.raises(InvalidRequest, match=r"TIFF (entries of [\d,]+ bytes in a file of|file with an unusual)"):
        check(data, ImageLimits())
