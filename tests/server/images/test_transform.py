"""The model's pixels are those of the checkpoint's own processor, for every photo, size and quality.

They are equal with exact decoding, and within 1 grey level on average by default.
"""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers.image_transforms import get_resize_output_image_size, get_size_with_aspect_ratio
from transformers.image_utils import get_image_size_for_max_height_width
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.server.images.samples import (
    CROPPED_LETTERBOX,
    DEIT,
    DINOV2,
    LETTERBOX,
    TOKENS,
    UNRESIZED,
    VIT,
    contract,
    difference,
    encoded,
    photos,
)
from vitscope.bundle import InputContract, Resize
from vitscope.server.images import ImageLimits, prepare_encoded
from vitscope.server.images.transform import plan_fit, transform

PROCESSORS = {
    "vit": (ViTImageProcessorPil(), VIT),
    "deit": (DeiTImageProcessorPil(), DEIT),
    "dinov2": (BitImageProcessorPil(size={"shortest_edge": 256}), DINOV2),
}


def _files(photo: Image.Image, large: bool) -> list[bytes]:
    return [
        encoded(photo, "PNG"),
        encoded(photo, "JPEG", quality=90),
        encoded(photo.resize((97, 131)), "JPEG", quality=75, subsampling=0),
        encoded(photo.resize((640, 479)), "JPEG", quality=30, progressive=True),
        *([encoded(photo.resize((2000, 1500)), "JPEG", quality=85)] if large else []),
    ]


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    large = ("astronaut.png", "china.jpg", "flower.jpg", "retina.jpg")
    return [data for name, photo in photos().items() for data in _files(photo, name in large)]


def _reference(processor: Any, image: Image.Image) -> np.ndarray:
    pixels = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    return np.moveaxis(pixels, 0, -1)


def _differences(family: str, files: list[bytes], limits: ImageLimits) -> list[float]:
    processor, expected_contract = PROCESSORS[family]
    found = []
    for data in files:
        reference = _reference(processor, Image.open(io.BytesIO(data)).convert("RGB"))
        pixels = prepare_encoded(data, expected_contract, TOKENS, limits, keep_photo=False).pixels
        assert (pixels.dtype, pixels.shape) == (np.uint8, (224, 224, 3))
        assert pixels.flags.c_contiguous
        assert not pixels.flags.writeable
        found.append(difference(pixels, reference))
    assert len(found) > 100
    return found


@pytest.mark.parametrize("family", PROCESSORS)
def test_exact_decoding_equals_the_checkpoints_own_processor(family: str, files: list[bytes]) -> None:
    assert max(_differences(family, files, ImageLimits(decoding="exact"))) == 0


@pytest.mark.parametrize("family", PROCESSORS)
def test_scaled_decoding_stays_within_a_grey_level(family: str, files: list[bytes]) -> None:
    found = _differences(family, files, ImageLimits(decoding="scaled"))
    assert 0 < np.mean(found) < 0.2  # 0: the fast path was not taken
    assert max(found) < 1


@pytest.mark.parametrize("resample", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_every_filter_equals_the_processors(resample: str) -> None:
    processor = ViTImageProcessorPil(resample=Image.Resampling[resample.upper()])
    squash = contract(mode="squash", height=224, width=224, interpolation=resample)
    image = photos()["rocket.jpg"]
    assert difference(transform(image, plan_fit(image.size, squash), squash), _reference(processor, image)) == 0


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 600), st.data())
def test_sizes_and_offsets_round_as_the_processors_do(width: int, height: int, edge: int, data: st.DataObject) -> None:
    crop = data.draw(st.integers(1, edge))
    fit = plan_fit((width, height), contract(crop, mode="shortest_edge", edge=edge, interpolation="bicubic"))
    blank = np.broadcast_to(np.uint8(0), (3, height, width))
    size = get_resize_output_image_size(blank, edge, default_to_square=False, input_data_format="channels_first")
    assert (fit.height, fit.width) == size
    assert (fit.left, fit.top) == ((size[1] - crop) // 2, (size[0] - crop) // 2)


@pytest.mark.parametrize("shape", [(301, 257), (257, 301), (256, 999)])
def test_odd_crops_equal_the_processors(shape: tuple[int, int]) -> None:
    image = photos()["coffee.png"].resize(shape)
    processor = BitImageProcessorPil(size={"shortest_edge": 250}, crop_size={"height": 197, "width": 197})
    odd = contract(197, mode="shortest_edge", edge=250, interpolation="bicubic")
    assert difference(transform(image, plan_fit(image.size, odd), odd), _reference(processor, image)) == 0


def test_a_crop_need_not_be_square() -> None:
    image = photos()["coffee.png"]
    processor = BitImageProcessorPil(size={"shortest_edge": 256}, crop_size={"height": 192, "width": 224})
    wide = InputContract.model_validate({**DINOV2.model_dump(), "height": 192})
    assert difference(transform(image, plan_fit(image.size, wide), wide), _reference(processor, image)) == 0


def test_an_image_of_the_right_size_is_not_resampled() -> None:
    image = photos()["coffee.png"].resize((224, 224))
    assert difference(transform(image, plan_fit(image.size, VIT), VIT), image) == 0


SQUARE = {"height": 224, "width": 224}
PADDED = {
    "letterbox": (
        ViTImageProcessorPil(size={"shortest_edge": 224, "longest_edge": 224}, do_pad=True, pad_size=SQUARE),
        LETTERBOX,
    ),
    "centre crop": (
        ViTImageProcessorPil(size={"max_height": 224, "max_width": 224}, resample=3, do_center_crop=True,
                             crop_size=SQUARE),
        CROPPED_LETTERBOX,
    ),
    "no resize": (ViTImageProcessorPil(do_resize=False, do_center_crop=True, crop_size=SQUARE), UNRESIZED),
}  # fmt: skip


@pytest.mark.parametrize("size", [(601, 400), (211, 333), (97, 500), (224, 224), (100, 99), (1000, 30)])
@pytest.mark.parametrize("kind", PADDED)
def test_padding_equals_the_processors(kind: str, size: tuple[int, int]) -> None:
    processor, padded = PADDED[kind]
    image = photos()["coffee.png"].resize(size)
    pixels = prepare_encoded(encoded(image, "PNG"), padded, TOKENS, ImageLimits(decoding="exact"), False).pixels
    assert pixels.flags.c_contiguous and not pixels.flags.writeable
    reference = _reference(processor, image)  # without normalisation it pads with black
    if padded.padding and padded.padding.place == "start":
        fit = plan_fit(image.size, padded)
        assert (pixels[fit.height :] == 128).all() and (pixels[:, fit.width :] == 128).all()
        pixels, reference = pixels[: fit.height, : fit.width], reference[: fit.height, : fit.width]
    assert difference(pixels, reference) == 0


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 600), st.integers(1, 600), st.booleans())
def test_letterboxes_round_as_the_processors_do(width: int, height: int, one: int, other: int, edges: bool) -> None:
    box = {"edge": one, "height": other, "width": other} if edges else {"height": one, "width": other}
    resize = Resize(mode="letterbox", interpolation="bicubic", **box)
    fit = plan_fit((width, height), LETTERBOX.model_copy(update={"resize": resize}))
    if edges:
        expected = get_size_with_aspect_ratio((height, width), one, other)
    else:
        expected = get_image_size_for_max_height_width((height, width), one, other)
    assert (fit.height, fit.width) == tuple(max(1, side) for side in expected)
