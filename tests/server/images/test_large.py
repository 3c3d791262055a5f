"""Photos of more pixels than may be held are decoded at a reduced size, and only where that holds few."""

import struct

import pytest
from PIL import Image

from tests.server.images.samples import DINOV2, TOKENS, VIT, contract, difference, encoded, oriented, photos
from vitscope.bundle import InputContract
from vitscope.server.errors import InvalidRequest
from vitscope.server.images import ImageLimits, prepare_encoded
from vitscope.server.images.decode import UPRIGHT

ROOMY = ImageLimits()
# A photo of 3 megapixels is as large for these limits as one of 200 is for those of a server.
TIGHT = ImageLimits(max_pixels=700_000)

SMALL = contract(28, mode="squash", height=28, width=28, interpolation="bilinear")


def _photo() -> Image.Image:
    return photos()["coffee.png"].resize((2001, 1503))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("model", [VIT, DINOV2], ids=["squash", "crop"])
@pytest.mark.parametrize("keep_photo", [False, True])
def test_a_large_photo_has_the_pixels_and_the_geometry_of_the_whole_one(
    orientation: int, model: InputContract, keep_photo: bool
) -> None:
    small = contract(100, **{**model.resize.model_dump(exclude_none=True), **_smaller(model)})
    data = oriented(_photo(), "JPEG", orientation)
    whole, large = (prepare_encoded(data, small, TOKENS, limits, keep_photo) for limits in (ROOMY, TIGHT))
    assert large.geometry == whole.geometry
    assert difference(large.pixels, whole.pixels) < 1


def _smaller(model: InputContract) -> dict[str, int]:
    return {"edge": 110} if model.resize.edge else {"width": 100, "height": 100}


def test_its_photo_is_upright_and_as_large_as_a_rendering_may_be() -> None:
    data = oriented(photos()["coffee.png"].resize((4500, 3000)), "JPEG", 6)
    large = prepare_encoded(data, VIT, TOKENS, ImageLimits(max_pixels=4_000_000), keep_photo=True)
    whole = prepare_encoded(data, VIT, TOKENS, ROOMY, keep_photo=True)
    assert large.photo is not None
    assert whole.photo is not None
    assert large.photo.size == whole.photo.size == (2048, 1365)
    assert difference(large.photo, whole.photo) < 2


@pytest.mark.parametrize("keep_photo", [False, True])
def test_a_damaged_large_photo_is_refused(keep_photo: bool) -> None:
    data = encoded(_photo(), "JPEG")
    with pytest.raises(InvalidRequest, match=r"a JPEG file that cannot be decoded \(.*truncated"):
        prepare_encoded(data[: len(data) // 2], SMALL, TOKENS, TIGHT, keep_photo)


def _claiming(width: int, height: int, **options: object) -> bytes:
    data = bytearray(encoded(Image.new(str(options.pop("mode", "RGB")), (16, 16)), "JPEG", **options))
    at = next(at for at in range(len(data)) if data[at] == 0xFF and data[at + 1] in (0xC0, 0xC2))
    struct.pack_into(">HH", data, at + 5, height, width)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "most"),
    [
        (_claiming(30000, 20000), "250,000,000"),
        (_claiming(16320, 12240, progressive=True), "50,000,000"),
        (_claiming(16320, 12240, mode="CMYK"), "50,000,000"),
    ],
    ids=["600 megapixels", "progressive", "CMYK"],
)
def test_what_cannot_be_reduced_without_holding_it_is_limited_as_ever(data: bytes, most: str) -> None:
    with pytest.raises(InvalidRequest, match=f"accepted: at most {most} pixels"):
        prepare_encoded(data, VIT, TOKENS, ROOMY, keep_photo=False)


def test_exact_decoding_and_models_that_need_all_pixels_refuse_it() -> None:
    data = encoded(_photo(), "JPEG")
    nearest = contract(28, mode="squash", height=28, width=28, interpolation="nearest")
    exact = ImageLimits(max_pixels=TIGHT.max_pixels, decoding="exact")
    wide = contract(500, mode="squash", height=500, width=500, interpolation="bilinear")
    for model, limits in ((SMALL, exact), (nearest, TIGHT), (wide, TIGHT)):
        with pytest.raises(InvalidRequest, match="pixels; accepted: at most 700,000 pixels"):
            prepare_encoded(data, model, TOKENS, limits, keep_photo=False)


def test_orientations_are_those_of_exif() -> None:
    assert set(UPRIGHT) == set(range(2, 9))
