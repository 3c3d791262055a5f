"""JPEGs are scaled as far as allowed, and files that are unusual in any way are decoded by Pillow."""

import io
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.server.images.samples import DEIT, DINOV2, TOKENS, VIT, contract, difference, encoded, photos
from vitscope.bundle import InputContract
from vitscope.server.errors import InvalidRequest
from vitscope.server.images import ImageLimits, prepare_encoded
from vitscope.server.images.decode import decode
from vitscope.server.images.header import open_image
from vitscope.server.images.scaled import HEADROOM, Scaled, decode_scaled

LIMITS = ImageLimits()
EXACT = ImageLimits(decoding="exact")
LANCZOS = contract(mode="shortest_edge", edge=224, interpolation="lanczos")
CONTRACTS = {"vit": VIT, "deit": DEIT, "dinov2": DINOV2, "lanczos": LANCZOS}
# Width and height, chroma subsampling (0: none, 1: 4:2:2, 2: 4:2:0), progressive.
SIZES = [
    ((500, 375), 2, False),
    ((640, 480), 2, True),
    ((717, 717), 1, False),
    ((1350, 1350), 0, True),
    ((1023, 768), 0, False),
    ((1400, 1400), 2, False),
    ((2000, 1500), 2, True),
]
FASHION = Path(__file__).parents[3] / "examples" / "fashion"


def _photo(name: str, size: tuple[int, int]) -> Image.Image:
    return photos()[name].resize(size)


def _scaled(data: bytes, to: tuple[int, int] = (224, 224)) -> Scaled | None:
    return decode_scaled(data, open_image(data, LIMITS), to)


def _pixels(data: bytes, contract: InputContract, limits: ImageLimits) -> np.ndarray:
    return prepare_encoded(data, contract, TOKENS, limits, keep_photo=False).pixels


@pytest.mark.parametrize(
    ("size", "to", "shape", "extent"),
    [
        ((640, 480), (224, 224), (480, 640), (640, 480)),
        ((1343, 1800), (224, 224), (1800, 1343), (1343, 1800)),
        ((1344, 1801), (224, 224), (901, 672), (672, 900.5)),
        ((2003, 1501), (111, 111), (376, 501), (500.75, 375.25)),
        ((2003, 1501), (28, 28), (188, 251), (250.375, 187.625)),
        ((60, 900), (28, 28), (900, 60), (60, 900)),
    ],
)
def test_the_factor_leaves_headroom_in_both_axes(
    size: tuple[int, int], to: tuple[int, int], shape: tuple[int, int], extent: tuple[float, float]
) -> None:
    scaled = _scaled(encoded(_photo("coffee.png", size), "JPEG"), to)
    assert scaled is not None
    assert scaled.pixels.shape == (*shape, 3)
    assert scaled.extent == extent


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 700), st.integers(1, 700)),
    st.tuples(st.integers(1, 99), st.integers(1, 99)),
)
def test_a_photo_is_never_scaled_below_the_headroom(size: tuple[int, int], to: tuple[int, int]) -> None:
    scaled = _scaled(encoded(Image.new("RGB", size), "JPEG"), to)
    assert scaled is not None
    if scaled.extent != size:
        assert all(extent >= HEADROOM * target for extent, target in zip(scaled.extent, to, strict=True))
    for held, extent in zip(scaled.pixels.shape[1::-1], scaled.extent, strict=True):
        assert 0 <= held - extent < 1


@cache
def _files() -> list[bytes]:
    names = ["coffee.png", "china.jpg", "brick.png"]
    return [
        encoded(_photo(name, size), "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
        for name, quality in zip(names, (60, 80, 95), strict=True)
        for size, subsampling, progressive in SIZES
    ]


@pytest.mark.parametrize("family", CONTRACTS)
def test_within_a_grey_level_of_pillow(family: str) -> None:
    found = [difference(*(_pixels(data, CONTRACTS[family], limits) for limits in (LIMITS, EXACT))) for data in _files()]
    assert 0 < np.mean(found) < 0.3
    assert max(found) < 1


@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "rocket.jpg"])
def test_grey_files_are_within_a_grey_level_too(name: str) -> None:
    data = encoded(_photo(name, (1600, 1200)).convert("L"), "JPEG")
    assert difference(_pixels(data, VIT, LIMITS), _pixels(data, VIT, EXACT)) < 1


def test_a_size_that_the_factor_does_not_divide_is_not_shifted() -> None:
    data = encoded(_photo("coffee.png", (1401, 1401)), "JPEG", quality=90)
    scaled = _scaled(data)
    assert scaled is not None
    assert scaled.extent == (700.5, 700.5)
    # Taking all 701 pixels as the image would cost 0.6 grey levels here.
    assert difference(_pixels(data, VIT, LIMITS), _pixels(data, VIT, EXACT)) < 0.3


def test_nearest_is_not_scaled() -> None:
    nearest = contract(mode="squash", height=224, width=224, interpolation="nearest")
    data = encoded(_photo("coffee.png", (2000, 1500)), "JPEG")
    assert difference(_pixels(data, nearest, LIMITS), _pixels(data, nearest, EXACT)) == 0


@pytest.mark.parametrize(
    ("format", "mode"), [("JPEG", "CMYK"), ("PNG", "RGB"), ("WEBP", "RGB"), ("TIFF", "RGB"), ("GIF", "P")]
)
def test_other_formats_are_not_decoded(format: str, mode: str) -> None:
    assert _scaled(encoded(_photo("coffee.png", (800, 600)).convert(mode), format)) is None


def test_images_that_stay_too_large_are_not_decoded() -> None:
    assert _scaled(encoded(Image.new("RGB", (2400, 1800)), "JPEG"), (1300, 1000)) is None


def test_the_first_picture_of_several_is_used() -> None:
    red, blue = (Image.new("RGB", (800, 600), colour) for colour in ((250, 0, 0), (0, 0, 250)))
    scaled = _scaled(encoded(red, "MPO", save_all=True, append_images=[blue]))
    assert scaled is not None
    assert difference(scaled.pixels, np.broadcast_to((250, 0, 0), scaled.pixels.shape)) < 3


def _damaged() -> dict[str, bytes]:
    data = encoded(_photo("coffee.png", (900, 900)), "JPEG", quality=80)
    holed = bytearray(data)
    holed[len(data) // 2 : len(data) // 2 + 300] = bytes(300)
    start = data.index(b"\xff\xc0")
    taller = data[: start + 5] + struct.pack(">H", 1800) + data[start + 7 :]
    return {"cut": data[: len(data) // 2], "no end": data[:-2], "hole": bytes(holed), "taller": taller}


@pytest.mark.parametrize("name", _damaged())
def test_damaged_files_are_decoded_or_refused_by_pillow(name: str) -> None:
    data = _damaged()[name]
    assert _scaled(data) is None
    answers: list[Any] = []
    for limits in (LIMITS, EXACT):
        try:
            answers.append(_pixels(data, VIT, limits))
        except InvalidRequest as refused:
            answers.append(str(refused))
    scaled, exact = answers
    assert isinstance(exact, str) == isinstance(scaled, str)
    assert scaled == exact if isinstance(exact, str) else difference(scaled, exact) < 0.5


@settings(max_examples=150)
@given(data=st.data(), progressive=st.booleans())
@pytest.mark.filterwarnings("ignore")
def test_malformed_files_get_the_same_error_as_from_pillow(data: st.DataObject, progressive: bool) -> None:
    file = bytearray(encoded(_photo("coffee.png", (130, 100)), "JPEG", quality=50, progressive=progressive))
    early = st.integers(0, 700)
    for at in data.draw(st.lists(early | st.integers(0, len(file) - 1), max_size=4)):
        file[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    small = contract(28, mode="squash", height=28, width=28, interpolation="bilinear")
    refused = []
    for decoding in ("scaled", "exact"):
        limits = ImageLimits(max_pixels=1_000_000, decoding=decoding)  # type: ignore[arg-type]
        try:
            prepared = prepare_encoded(bytes(file), small, TOKENS, limits, keep_photo=False)
            assert prepared.pixels.shape == (28, 28, 3)
            refused.append(None)
        except InvalidRequest as error:
            refused.append(str(error))
    assert refused[0] == refused[1]


def test_the_trained_example_predicts_the_same_class() -> None:
    """Compare 28x28 pixels of a scaled photo with those of the example's own processor."""
    model = transformers.ViTForImageClassification.from_pretrained(FASHION).eval()
    processor = ViTImageProcessorPil.from_pretrained(FASHION)
    small = contract(28, mode="squash", height=28, width=28, interpolation="bilinear")
    both: dict[str, list[np.ndarray]] = {"scaled": [], "exact": []}
    for number, file in enumerate(sorted((FASHION / "samples").glob("*.png"))):
        photo = Image.open(file).convert("RGB")
        for size in ((184, 171), (350, 341), (764, 681)):
            data = encoded(photo.resize(size, Image.Resampling.BICUBIC), "JPEG", quality=70 + number % 25)
            for decoding, found in both.items():
                found.append(_pixels(data, small, ImageLimits(decoding=decoding)))  # type: ignore[arg-type]
    with torch.inference_mode():
        classes = []
        for found in both.values():
            pixels = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2) / 255
            classes.append(model((pixels - processor.image_mean[0]) / processor.image_std[0]).logits.argmax(1))
    assert len(classes[0]) > 300
    assert len(classes[0].unique()) == 10
    assert (classes[0] == classes[1]).float().mean() >= 0.999


def test_the_error_of_a_truncated_file_says_so() -> None:
    data = encoded(_photo("coffee.png", (900, 900)), "JPEG")
    with pytest.raises(InvalidRequest, match=r"a JPEG file that cannot be decoded \(.*truncated"):
        _pixels(data[: len(data) // 2], VIT, LIMITS)
    assert decode(data, LIMITS)[0].size == Image.open(io.BytesIO(data)).size
