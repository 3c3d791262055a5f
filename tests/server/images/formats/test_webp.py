"""The canvas is read from each kind of first chunk."""

import pytest

from tests.server.images.samples import encoded, oriented, photos
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats.webp import check
from vitscope.server.images.limits import ImageLimits


def test_a_decompression_bomb_is_refused_before_its_canvas_is_allocated() -> None:
    data = bytearray(oriented(photos()["coffee.png"].resize((8, 8)), "WEBP", 3))
    assert data[12:16] == b"VP8X"  # the header that files with EXIF have
    data[24:30] = (16000 - 1).to_bytes(3, "little") * 2
    with pytest.raises(InvalidRequest, match="16000x16000 pixels; accepted: at most 50,000,000"):
        check(bytes(data), ImageLimits())


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("animated", [False, True])
def test_the_size_is_read_from_each_kind_of_header(lossless: bool, animated: bool) -> None:
    photo = photos()["coffee.png"].resize((123, 45))
    frames = {"save_all": True, "append_images": [photo.rotate(180)]} if animated else {}
    data = encoded(photo, "WEBP", lossless=lossless, **frames)
    check(data, ImageLimits(max_pixels=123 * 45))
    with pytest.raises(InvalidRequest, match=r"123x45 pixels"):
        check(data, ImageLimits(max_pixels=123 * 45 - 1))


def test_truncated_files_pass() -> None:
    data = encoded(photos()["coffee.png"].resize((40, 30)), "WEBP")
    for end in range(12, 40):
        check(data[:end], ImageLimits())
