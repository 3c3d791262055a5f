"""Maps land on the caller's own photo: every resize mode, odd sizes, each EXIF orientation, both sides real code."""

import io
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from vitscope.bundle import InputContract, Padding, Resize, TokenGeometry
from vitscope.client.model import InputContract as ClientInput
from vitscope.client.model import Model
from vitscope.client.model import TokenGeometry as ClientTokens
from vitscope.client.pictures.patches import exploded, model_view
from vitscope.client.pictures.photo import read_photo
from vitscope.drawing import Place, Scale, overlay, paint, photo
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import Prepared, prepare_encoded

THREE = (0.5, 0.5, 0.5)
INTO = {"height": 70, "width": 98}
TOKENS = TokenGeometry(patch_height=14, patch_width=14, grid_rows=5, grid_cols=7, pooling="cls")
START, CENTRE = Padding(place="start", fill=(90, 90, 90)), Padding(place="centre", fill=(90, 90, 90))
MODES = {
    "squash": (Resize(mode="squash", height=70, width=98, interpolation="bilinear"), None),
    "crop": (Resize(mode="shortest_edge", edge=112, interpolation="bicubic"), None),
    "letterbox": (Resize(mode="letterbox", height=70, width=98, interpolation="bilinear"), CENTRE),
    "letterbox at the start": (Resize(mode="letterbox", height=70, width=98, interpolation="bilinear"), START),
    "none": (Resize(mode="none", interpolation="bilinear"), CENTRE),
}
SIZES = {"wide": (331, 203), "high": (147, 401), "small": (61, 43)}


def checkerboard(size: tuple[int, int], side: int = 5) -> np.ndarray:
    """Return squares, black or white at random, so that no turn or mirroring gives the same: uint8 [H, W]."""
    squares = np.random.default_rng(4).integers(0, 2, (side, side)) * 255
    rows, cols = (np.arange(length) * side // length for length in (size[1], size[0]))
    return squares[rows][:, cols].astype(np.uint8)


def stored(upright: Image.Image, orientation: int) -> bytes:
    """Return a JPEG that is stored turned, with the EXIF tag that turns it upright."""
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    turned = upright.transpose(turns[orientation]) if orientation in turns else upright
    turned.save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def prepared(mode: str, data: bytes) -> tuple[Prepared, InputContract]:
    resize, padding = MODES[mode]
    contract = InputContract(**INTO, resize=resize, padding=padding, mean=THREE, std=THREE)
    return prepare_encoded(data, contract, TOKENS, ImageLimits(), keep_photo=False), contract


def place_of(one: Prepared) -> Place:
    geometry = one.geometry
    matrix = np.array(geometry.grid_to_image).reshape(2, 3)
    return Place((geometry.image_width, geometry.image_height), matrix, (5, 7), geometry.seen)


def brightness(pixels: np.ndarray) -> np.ndarray:
    """Return the mean of each patch of the model's own pixels, [5, 7], 0..1: a map whose right place is known."""
    means: np.ndarray = pixels.mean(axis=2).reshape(5, 14, 7, 14).mean(axis=(1, 3)) / 255
    return means


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", MODES)
def test_a_map_of_brightness_lies_on_what_is_bright(mode: str, orientation: int) -> None:
    """Each patch is drawn where the photo is as bright as the patch's pixels in the model's input."""
    size = tuple(SIZES.values())[orientation % 3]
    upright = Image.fromarray(checkerboard(size)).convert("RGB")
    data = stored(upright, orientation)
    one, _ = prepared(mode, data)
    place, values = place_of(one), brightness(one.pixels)
    assert read_photo(data, place.image_size).size == size
    # As many pixels as the photo has, and each cell in one colour.
    drawing = overlay(read_photo(data), values, place, Scale(0, 1, "grey"), size[0], smooth=False, opacity=1)
    drawn, photo_pixels = np.asarray(paint(drawing, 1))[..., 0], np.asarray(upright)[..., 0] / 255
    compared = 0
    for (row, col), value in np.ndenumerate(values):
        left, top = place.at(col, row)
        right, bottom = place.at(col + 1, row + 1)
        if left < 0 or top < 0 or right > size[0] or bottom > size[1]:
            continue
        compared += 1
        inner = (slice(round(top), max(round(bottom), round(top) + 1)),
                 slice(round(left), max(round(right), round(left) + 1)))  # fmt: skip
        centre = drawn[int((top + bottom) / 2), int((left + right) / 2)]
        assert abs(centre / 255 - value) < 0.02
        assert abs(photo_pixels[inner].mean() - value) < 0.13
    assert compared >= 4 and np.ptp(values) > 0.6


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", SIZES)
def test_the_patches_drawn_are_those_of_the_model(mode: str, shape: str) -> None:
    values = np.random.default_rng(2).integers(
        0, 256, (SIZES[shape][1] // 4 + 1, SIZES[shape][0] // 4 + 1, 3), np.uint8
    )
    file = io.BytesIO()
    Image.fromarray(values).resize(SIZES[shape], Image.Resampling.BICUBIC).save(file, "PNG")
    one, contract = prepared(mode, file.getvalue())
    place = place_of(one)
    view = model_view(read_photo(file.getvalue(), place.image_size), place, model(contract))
    apart = np.abs(np.asarray(view).astype(int) - one.pixels)
    # A resize of the part alone has other pixels at its edges than the part of a resize of all.
    assert np.median(apart) <= 1
    assert apart.mean() < 3


def model(contract: InputContract) -> Model:
    """Describe the model as a server does, as far as patches are concerned."""
    mode: Literal["squash"] = "squash"
    client = ClientInput(98, 70, mode, (), contract.resize.interpolation, THREE, THREE,
                         contract.padding.fill if contract.padding else ())  # fmt: skip
    found = object.__new__(Model)
    tokens = ClientTokens(14, 14, 5, 7, 1, 0, 0, "cls", "class_token")
    for name, value in {"input": client, "tokens": tokens}.items():
        object.__setattr__(found, name, value)
    return found


def test_what_was_cropped_away_is_grey_and_the_rest_is_not() -> None:
    data = stored(Image.new("RGB", (200, 100), (200, 30, 30)), 1)
    one, _ = prepared("crop", data)
    drawn = np.asarray(paint(photo(read_photo(data), place_of(one), 200), 1)).astype(int)
    colourful = np.ptp(drawn[50], axis=1) > 60
    left, _, right, _ = one.geometry.seen
    assert colourful[int(left) + 2 : int(right) - 2].all()
    assert not colourful[2 : int(left) - 2].any() and not colourful[int(right) + 2 : -2].any()


def test_an_exploded_view_has_each_pixel_of_each_patch() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (10, 14, 3), np.uint8)
    drawing = exploded(Image.fromarray(pixels), (5, 7), 140)
    (raster,) = drawing.items
    found = np.asarray(raster.image)  # type: ignore[union-attr]
    step = found.shape[1] / 7
    times = 280 // 7 * 0.84 // 2
    assert (found[0, 0] == pixels[0, 0]).all() and (found[int(times), int(times)] == pixels[1, 1]).all()
    assert (found[-1, -1] == pixels[-1, -1]).all()
    assert (found[:, int(step) - 2] == 255).all()
