"""The caller's photo, as it is drawn on."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitscope.client.errors import InvalidImage
from vitscope.client.pictures.photo import read_photo


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def test_every_kind_of_image_that_can_be_classified(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(36, dtype=np.uint8).reshape(3, 4, 3))
    (tmp_path / "a.png").write_bytes(encoded(image))
    for given in (
        image, np.asarray(image), encoded(image), bytearray(encoded(image)), memoryview(encoded(image)),
        tmp_path / "a.png", str(tmp_path / "a.png"),
    ):  # fmt: skip
        assert (np.asarray(read_photo(given, (4, 3))) == np.asarray(image)).all()


def test_colours_are_those_of_the_server() -> None:
    clear = Image.new("RGBA", (2, 2), (10, 20, 30, 0))
    assert read_photo(encoded(clear)).getpixel((0, 0)) == (10, 20, 30)
    deep = Image.fromarray(np.full((2, 2), 0x8080, np.uint16))
    assert read_photo(encoded(deep)).getpixel((0, 0)) == (128, 128, 128)


def test_a_large_photo_is_reduced_and_still_the_same() -> None:
    large = encoded(Image.new("RGB", (2600, 1733), "red"), "JPEG")
    assert max(read_photo(large, (2600, 1733)).size) <= 2048


@pytest.mark.parametrize("given", [b"no image", Path("nowhere.jpg"), np.zeros((2, 2), np.float64), 7])
def test_what_cannot_be_read_is_said(given: object) -> None:
    with pytest.raises(InvalidImage, match="image: cannot be read here, to be drawn on: "):
        read_photo(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(3, 4), (40, 31), (400, 290)])
def test_another_image_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidImage, match=f"image: 40x30 pixels; accepted: the image of this result, of {size[0]}x"):
        read_photo(Image.new("RGB", (40, 30)), size)
    assert read_photo(Image.new("RGB", (40, 30)), (400, 300)).size == (40, 30)
