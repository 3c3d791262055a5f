"""Decoding never costs more than was predicted, and predicting costs next to nothing."""

import io
import struct
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.server.images.samples import encoded, photos
from vitscope.server.images.cost import RATES, predict
from vitscope.server.images.decode import decode
from vitscope.server.images.formats import SHAPES
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.signatures import sniff

LIMITS = ImageLimits()
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {"quality": 95, "subsampling": 0}),
    ("JPEG", {"quality": 80, "progressive": True}),
    ("PNG", {"compress_level": 1}),
    ("WEBP", {"quality": 80, "method": 0}),
    ("WEBP", {"lossless": True, "method": 0, "quality": 0}),
    ("GIF", {}),
    ("BMP", {}),
    *(("TIFF", {"compression": name}) for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
]


def _pictures() -> dict[str, Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (700, 1000, 3), np.uint8)
    return {
        "noise": Image.fromarray(noise),
        "photo": photos()["coffee.png"].resize((1000, 700)),
        "solid": Image.new("RGB", (1000, 700), (90, 120, 200)),
    }


@pytest.mark.parametrize("picture", _pictures())
@pytest.mark.parametrize(("format", "options"), OPTIONS, ids=str)
def test_decoding_takes_less_processor_time_than_predicted(format: str, options: dict[str, Any], picture: str) -> None:
    data = encoded(_pictures()[picture], format, **options)
    spent = []
    for _ in range(3):  # of this thread alone, and the least: other processes share the machine
        start = time.thread_time()
        decode(data, LIMITS)
        spent.append(time.thread_time() - start)
    assert min(spent) < 2 * predict(data, LIMITS).seconds  # 2: for processors that are slower still


@pytest.mark.parametrize(("format", "options"), OPTIONS, ids=str)
def test_the_size_is_that_of_the_image(format: str, options: dict[str, Any]) -> None:
    data = encoded(photos()["coffee.png"].resize((321, 123)), format, **options)
    shape = SHAPES[sniff(data)](data)
    assert (shape.width, shape.height) == (321, 123)
    assert shape.coding in RATES


def test_it_grows_with_pixels_strips_and_bytes() -> None:
    small, large = (encoded(photos()["coffee.png"].resize((side, side)), "PNG") for side in (100, 2000))
    assert predict(large, LIMITS).seconds > 10 * predict(small, LIMITS).seconds
    assert predict(large, LIMITS).bytes > 10 * predict(small, LIMITS).bytes
    one, many = (
        encoded(Image.new("L", (100, 9000)), "TIFF", compression="packbits", strip_size=size) for size in (2**20, 1)
    )
    assert predict(many, LIMITS).seconds > 0.3 + predict(one, LIMITS).seconds


def test_a_progressive_photo_holds_its_coefficients_and_a_large_sequential_one_is_never_held() -> None:
    def claiming(progressive: bool) -> bytes:
        data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG", progressive=progressive))
        at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
        struct.pack_into(">HH", data, at + 5, 12240, 16320)
        return bytes(data)

    assert predict(claiming(False), LIMITS).bytes < 10 * LIMITS.max_pixels
    assert predict(claiming(False), LIMITS).seconds > 0.5
    assert predict(claiming(True), LIMITS).seconds < 0.1  # it is refused
    assert predict(claiming(False), ImageLimits(decoding="exact")).seconds < 0.1


def test_what_is_refused_costs_nothing_and_what_cannot_be_read_may_cost_anything() -> None:
    assert predict(b"hello", LIMITS).seconds == 0
    unknown = predict(b"\xff\xd8\xff\xe0" + bytes(1000), LIMITS)
    assert (unknown.certain, unknown.seconds > 1) == (False, True)


@pytest.mark.parametrize(
    ("format", "options", "certain"),
    [
        ("JPEG", {}, True),
        ("JPEG", {"progressive": True}, True),  # its scans are counted
        ("WEBP", {}, True),
        ("GIF", {}, False),
        ("PNG", {}, True),
        ("BMP", {}, True),
        ("TIFF", {}, False),
    ],
)
def test_certain_is_what_cannot_take_longer(format: str, options: dict[str, Any], certain: bool) -> None:
    assert predict(encoded(photos()["coffee.png"], format, **options), LIMITS).certain is certain


@settings(max_examples=300)
@given(st.sampled_from(OPTIONS), st.data())
def test_any_bytes_get_a_prediction(option: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    file = io.BytesIO()
    Image.new("RGB", (20, 10)).save(file, option[0], **option[1])
    damaged = bytearray(file.getvalue())
    for at in data.draw(st.lists(st.integers(0, min(len(damaged) - 1, 300)), max_size=6)):
        damaged[at] = data.draw(st.integers(0, 255))
    cost = predict(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]), LIMITS)
    assert 0 <= cost.seconds < 10_000
    assert cost.bytes >= 0


def test_predicting_reads_the_header_alone() -> None:
    data = encoded(photos()["coffee.png"].resize((2000, 1500)), "JPEG", quality=95)
    start = time.thread_time()
    for _ in range(100):
        predict(data, LIMITS)
    assert (time.thread_time() - start) / 100 < 0.002
