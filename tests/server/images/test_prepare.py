"""From a request's bytes to the engine's pixels."""

import numpy as np
import pytest

from tests.server.images.samples import DINOV2, TOKENS, VIT, difference, encoded, oriented, photos
from vitscope.bundle import InputContract
from vitscope.server.errors import InvalidRequest
from vitscope.server.images import ImageLimits, prepare_encoded, prepare_raw
from vitscope.server.images.decode import decode

LIMITS = ImageLimits()


def test_raw_pixels_are_fitted_like_a_file() -> None:
    photo = photos()["chelsea.png"]
    from_file = prepare_encoded(encoded(photo, "PNG"), DINOV2, TOKENS, LIMITS, keep_photo=False)
    from_raw = prepare_raw(photo.tobytes(), *photo.size, False, DINOV2, TOKENS, LIMITS, keep_photo=False)
    assert np.array_equal(from_file.pixels, from_raw.pixels)
    assert from_file.geometry == from_raw.geometry
    assert from_file.photo is None


def test_preprocessed_pixels_are_untouched() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    prepared = prepare_raw(pixels.tobytes(), 224, 224, True, DINOV2, TOKENS, LIMITS, keep_photo=True)
    assert np.array_equal(prepared.pixels, pixels)
    assert prepared.photo is not None
    assert difference(prepared.photo, pixels) == 0


@pytest.mark.parametrize(
    ("size", "sent", "preprocessed", "field"),
    [
        ((0, 10), 0, False, "width"),
        ((10, 0), 0, False, "height"),
        ((10, 10), 299, False, "rgb"),
        ((10, 10), 400, False, "rgb"),
        ((60000, 60000), 0, False, "raw"),
        ((2**32 - 1, 2**32 - 1), 0, True, "raw"),
        ((224, 223), 224 * 223 * 3, True, "preprocessed"),
    ],
)
def test_sizes_must_agree(size: tuple[int, int], sent: int, preprocessed: bool, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        prepare_raw(bytes(sent), *size, preprocessed, VIT, TOKENS, LIMITS, keep_photo=False)
    assert refused.value.field == field


def test_a_kept_photo_is_upright() -> None:
    photo = photos()["coffee.png"]
    prepared = prepare_encoded(oriented(photo, "PNG", 8), VIT, TOKENS, LIMITS, keep_photo=True)
    assert prepared.photo is not None
    assert difference(prepared.photo, photo) == 0


def test_a_kept_photo_is_reduced_and_its_geometry_is_not() -> None:
    photo = photos()["coffee.png"].resize((3001, 2000))
    prepared = prepare_encoded(encoded(photo, "JPEG"), VIT, TOKENS, LIMITS, keep_photo=True)
    assert prepared.photo is not None
    assert prepared.photo.size == (2048, 1365)
    assert prepared.geometry.image_width == 3001
    assert difference(prepared.photo, photo.resize((2048, 1365))) < 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [(28, 28), (224, 224), (900, 200), (223, 900)])
def test_an_image_that_is_not_larger_than_the_input_gets_exact_pixels(size: tuple[int, int], kind: str) -> None:
    """Other pixels would save nothing there, and an enlarged image shows every difference."""
    data = encoded(photos()["coffee.png"].resize(size), kind)
    found = prepare_encoded(data, VIT, TOKENS, LIMITS, keep_photo=False)
    exact = prepare_encoded(data, VIT, TOKENS, ImageLimits(decoding="exact"), keep_photo=False)
    assert LIMITS.decoding == "scaled"
    assert np.array_equal(found.pixels, exact.pixels) and found.geometry == exact.geometry


@pytest.mark.parametrize("contract", [VIT, DINOV2])
def test_one_pixel_is_an_image(contract: InputContract) -> None:
    prepared = prepare_raw(b"\x01\x02\x03", 1, 1, False, contract, TOKENS, LIMITS, keep_photo=True)
    assert np.unique(prepared.pixels.reshape(-1, 3), axis=0).tolist() == [[1, 2, 3]]


def test_a_thin_image_that_resizing_would_make_too_large_is_refused() -> None:
    rgb = bytes(65535 * 3)
    with pytest.raises(InvalidRequest, match=r"65535x1 pixels, to be resized to 16776960x256"):
        prepare_raw(rgb, 65535, 1, False, DINOV2, TOKENS, LIMITS, keep_photo=False)
    assert prepare_raw(rgb, 65535, 1, False, VIT, TOKENS, LIMITS, keep_photo=False).pixels.shape == (224, 224, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("model", [VIT, DINOV2], ids=["squash", "crop"])
def test_a_scaled_photo_is_upright_and_has_the_geometry_of_the_exact_one(
    orientation: int, model: InputContract
) -> None:
    data = oriented(photos()["coffee.png"].resize((1801, 1603)), "JPEG", orientation)
    scaled, exact = (
        prepare_encoded(data, model, TOKENS, ImageLimits(decoding=decoding), keep_photo=False)  # type: ignore[arg-type]
        for decoding in ("scaled", "exact")
    )
    assert scaled.geometry == exact.geometry
    assert 0 < difference(scaled.pixels, exact.pixels) < 1


def test_a_kept_photo_is_not_scaled() -> None:
    data = encoded(photos()["coffee.png"].resize((1800, 1400)), "JPEG")
    photo = prepare_encoded(data, VIT, TOKENS, LIMITS, keep_photo=True).photo
    assert photo is not None
    assert difference(photo, decode(data, LIMITS)[0]) == 0
