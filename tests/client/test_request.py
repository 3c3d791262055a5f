"""Requests from images and options."""

import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vitscope import InvalidImage, InvalidRequest, RenderingOptions
from vitscope.client.evidence import When
from vitscope.client.request import Options, classify_request
from vitscope.v1 import maps_pb2

FILE = b"\xff\xd8 any bytes: the server decodes them"


@pytest.mark.parametrize("image", [FILE, bytearray(FILE), memoryview(FILE)])
def test_bytes_are_sent_unchanged(image: Any) -> None:
    assert classify_request(image).image.encoded == FILE


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(FILE)
    assert classify_request(path).image.encoded == classify_request(str(path)).image.encoded == FILE
    with pytest.raises(InvalidImage, match=r"none\.jpg: No such file"):
        classify_request(tmp_path / "none.jpg")


def test_an_array_is_sent_as_pixels_also_when_it_is_a_view() -> None:
    pixels = np.arange(2 * 6 * 3, dtype=np.uint8).reshape(2, 6, 3)
    raw = classify_request(pixels[:, ::2], preprocessed=True).image.raw
    assert (raw.width, raw.height, raw.preprocessed) == (3, 2, True)
    assert raw.rgb == pixels[:, ::2].tobytes()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((2, 2), np.uint8),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((2, 2, 3), np.float32),
        np.zeros((1, 2, 2, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused_with_what_was_found(image: Any) -> None:
    with pytest.raises(InvalidImage, match=f"array of {image.dtype} .*accepted: uint8 "):
        classify_request(image)


def test_something_else_is_refused() -> None:
    with pytest.raises(InvalidImage, match="image: int; accepted: bytes"):
        classify_request(3)  # type: ignore[arg-type]


def test_a_pillow_image_is_turned_upright() -> None:
    image = Image.new("RGB", (4, 2))
    image.getexif()[0x0112] = 6
    raw = classify_request(image).image.raw
    assert (raw.width, raw.height) == (2, 4)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_other_pillow_modes_are_sent_losslessly_for_the_server_to_convert(mode: str) -> None:
    image = Image.new(mode, (3, 2), 1)
    received = Image.open(io.BytesIO(classify_request(image).image.encoded))
    assert (received.mode, received.size) == (mode, (3, 2))
    assert received.tobytes() == image.tobytes()
    with pytest.raises(InvalidImage, match="accepted with preprocessed: RGB"):
        classify_request(image, preprocessed=True)


def damaged_png() -> Image.Image:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(file, "PNG")
    content = bytearray(file.getvalue())
    content[len(content) // 2 : len(content) // 2 + 40] = b"\xff" * 40
    return Image.open(io.BytesIO(bytes(content)))


def test_a_damaged_lazy_image_is_refused_each_time() -> None:
    # Pillow fails once; the second attempt would pass with black from the damage on.
    image = damaged_png()
    for _ in range(3):
        with pytest.raises(InvalidImage, match=r"image: Pillow image of mode RGB cannot be read: "):
            classify_request(image)


def closed_image() -> Image.Image:
    image = Image.new("RGB", (2, 2))
    image.close()
    return image


def image_of_a_closed_file() -> Image.Image:
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, "PNG")
    image = Image.open(file)
    file.close()
    return image


def image_with_a_broken_chunk() -> Image.Image:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(file, "PNG")
    content = file.getvalue()
    return Image.open(io.BytesIO(content[:45] + b"\0" * (len(content) - 45)))


def released_view() -> memoryview:
    view = memoryview(b"abc")
    view.release()
    return view


class Unreadable(os.PathLike[str]):
    def __fspath__(self) -> str:
        raise RuntimeError("the archive is locked")


class NoPath(os.PathLike[bytes]):
    def __fspath__(self) -> bytes:
        return b"photo.jpg"


@pytest.mark.parametrize(
    "make",
    [closed_image, image_of_a_closed_file, image_with_a_broken_chunk, released_view, Unreadable, NoPath, dict],
)
def test_any_object_that_cannot_be_read_is_an_invalid_image(make: Any) -> None:
    with pytest.raises(InvalidImage, match=r"^INVALID_ARGUMENT: image: "):
        classify_request(make())


def test_preprocessed_is_refused_for_a_file_and_for_this_image_alone() -> None:
    with pytest.raises(InvalidImage, match="preprocessed: set for an image file"):
        classify_request(FILE, preprocessed=True)


def test_an_image_too_large_for_a_message_is_refused() -> None:
    with pytest.raises(InvalidImage, match=r"image: too large to send; accepted: up to 67,"):
        classify_request(np.zeros((5000, 5000, 3), np.uint8))


def test_options_without_maps() -> None:
    request = classify_request(FILE, model="fashion", version=3, top_k=7, min_probability=0.25)
    assert (request.model, request.version, request.top_k, request.min_probability) == ("fashion", 3, 7, 0.25)
    assert not request.HasField("maps")


def test_map_options() -> None:
    def maps(**options: Any) -> maps_pb2.MapOptions:
        return classify_request(FILE, **options).maps

    assert list(maps(attention="last").layers) == []
    assert maps(attention="all").all_layers
    assert list(maps(attention=[0, -1]).layers) == [0, -1]
    assert list(maps(attention="last", heads=(2, 3)).heads) == [2, 3]
    assert maps(attention="last", heads="all").all_heads
    assert maps(attention="last", dtype="uint8").dtype == maps_pb2.DATA_TYPE_UINT8
    assert not maps(attention="last").HasField("rendering")
    drawn = maps(
        attention="last", rendering=RenderingOptions("heat_map", "inferno", 0.75, 512, "jpeg", "nearest")
    ).rendering
    assert (drawn.kind, drawn.color_map) == (maps_pb2.RENDERING_KIND_HEAT_MAP, maps_pb2.COLOR_MAP_INFERNO)
    assert (drawn.format, drawn.upsampling) == (maps_pb2.PICTURE_FORMAT_JPEG, maps_pb2.UPSAMPLING_NEAREST)
    assert (drawn.opacity, drawn.size) == (0.75, 512)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": -1}, "top_k: -1; accepted: whole number from 0"),
        ({"top_k": 1.5}, "top_k: 1.5; accepted: whole number from 0"),
        ({"version": 2**32}, "version: 4294967296; accepted: whole number from 0"),
        ({"min_probability": "half"}, "min_probability: 'half'; accepted: number"),
        ({"heads": [0]}, "heads: set without attention"),
        ({"rendering": RenderingOptions()}, "rendering: set without attention"),
        ({"when": When.margin_below(0.5)}, "when: set without attention"),
        ({"classes": 0}, 'classes: set without evidence; accepted: together with method="evidence"'),
        ({"versus": 0, "method": "cam"}, "versus: set without evidence"),
        ({"mode": "direct", "attention": "last"}, "mode: set without evidence"),
        ({"method": "evidence", "classes": [1.5]}, r"classes: \[1.5\]; accepted: a list of whole number from 0s"),
        ({"method": "evidence", "classes": [-1]}, r"classes: \[-1\]; accepted"),
        ({"method": "evidence", "classes": ["\ud800"]}, "classes: .*; accepted: a list of texts"),
        ({"method": "evidence", "versus": "\ud800"}, "versus: .*; accepted: text"),
        ({"method": "evidence", "versus": -1}, "versus: -1; accepted: whole number from 0"),
        ({"method": "evidence", "versus": 1, "versus_rank": 2}, "versus: 1 beside versus_rank; accepted: one of them"),
        ({"method": "evidence", "mode": "exact"}, "mode: 'exact'; accepted: integrated, gradient, direct"),
        ({"method": "evidence", "when": When("never", 0.5)}, "when: 'never'; accepted: always, confidence_below"),
        ({"method": "evidence", "when": When("margin_below", "x")}, "when: 'x'; accepted: number"),
        ({"method": "evidence", "when": 0.5}, "when: 0.5; accepted: When.confidence_below"),
        ({"attention": "first"}, 'attention: \'first\'; accepted: "last", "all" or layer numbers'),
        ({"attention": ["0"]}, r"attention: \['0'\]; accepted: a list of whole numbers"),
        ({"attention": "last", "heads": "mean"}, "heads: 'mean'; accepted: \"all\" or head numbers"),
        ({"attention": "last", "heads": [-1]}, r"heads: \[-1\]; accepted: a list of whole number from 0s"),
        ({"attention": "last", "dtype": "float64"}, "dtype: 'float64'; accepted: float32, float16, uint8"),
        (
            {"attention": "last", "rendering": RenderingOptions(color_map="jet")},
            "rendering.color_map: 'jet'; accepted: viridis, inferno, cividis, grey",
        ),
    ],
)
def test_a_wrong_option_is_named_with_what_is_accepted(options: Options, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        classify_request(FILE, **options)
    assert not isinstance(caught.value, InvalidImage)


@given(st.integers(), st.floats(), st.lists(st.integers()))
def test_any_number_is_sent_or_refused_by_name(top_k: int, probability: float, layers: list[int]) -> None:
    try:
        request = classify_request(FILE, top_k=top_k, min_probability=probability, attention=layers)
    except InvalidRequest as error:
        assert error.message.split(":")[0] in ("top_k", "min_probability", "attention")
    else:
        assert request.top_k == top_k
        assert list(request.maps.layers) == layers


def test_a_path_that_may_never_end_is_refused(tmp_path: Path) -> None:
    for path, found in (("/dev/zero", "a device or socket"), (tmp_path, "a folder"), ("a\0b", "null byte")):
        with pytest.raises(InvalidImage, match=found):
            classify_request(path)


def test_a_named_pipe_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(FILE,))
    writer.start()
    assert classify_request(tmp_path / "pipe").image.encoded == FILE
    writer.join()


def test_a_file_is_read_up_to_the_limit_of_a_message(tmp_path: Path) -> None:
    with (tmp_path / "endless.jpg").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InvalidImage, match="too large to send"):
        classify_request(tmp_path / "endless.jpg")


def test_another_method_is_asked_for_by_name() -> None:
    assert classify_request(b"x").HasField("maps") is False
    assert classify_request(b"x", method="attention", attention="last").maps.method == maps_pb2.MAP_METHOD_ATTENTION
    with pytest.raises(InvalidRequest, match=r"method: 'palmistry'; accepted: .*attention"):
        classify_request(b"x", method="palmistry")
