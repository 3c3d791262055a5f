"""A mark on the photo at the position that Geometry gives to a cell is in that cell of the model's input."""

from typing import get_args

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.server.images.samples import (
    CROPPED_LETTERBOX,
    DEIT,
    DINOV2,
    LETTERBOX,
    TOKENS,
    UNRESIZED,
    VIT,
    contract,
    oriented,
)
from vitscope.bundle import InputContract, TokenGeometry
from vitscope.server.images import Geometry, ImageLimits, prepare_encoded, prepare_raw

LIMITS = ImageLimits()
ODD = contract(197, mode="shortest_edge", edge=211, interpolation="bilinear")
ODD_TOKENS = TokenGeometry(
    patch_height=14, patch_width=14, grid_rows=14, grid_cols=14, pooling="cls"
)  # 1 pixel is left over
MODELS = {"squash": (VIT, TOKENS), "squash+crop": (DEIT, TOKENS), "crop": (DINOV2, TOKENS), "odd": (ODD, ODD_TOKENS)}
SIZES = [(701, 467), (333, 901), (1024, 1024)]


def _geometry(size: tuple[int, int], contract: InputContract, tokens: TokenGeometry) -> Geometry:
    return prepare_raw(bytes(size[0] * size[1] * 3), *size, False, contract, tokens, LIMITS, False).geometry


def _corner(geometry: Geometry, column: float, row: float) -> tuple[float, float]:
    m = geometry.grid_to_image
    return m[0] * column + m[1] * row + m[2], m[3] * column + m[4] * row + m[5]


def _checkerboard(size: tuple[int, int], geometry: Geometry) -> Image.Image:
    photo = Image.new("L", size, 128)
    draw = ImageDraw.Draw(photo)
    for row in range(geometry.grid_rows):
        for column in range(geometry.grid_cols):
            x0, y0 = _corner(geometry, column, row)
            x1, y1 = _corner(geometry, column + 1, row + 1)
            draw.rectangle((round(x0), round(y0), round(x1) - 1, round(y1) - 1), fill=255 * ((row + column) % 2))
    return photo.convert("RGB")


def _cells(pixels: np.ndarray, tokens: TokenGeometry) -> np.ndarray:
    height, width = tokens.grid_rows * tokens.patch_height, tokens.grid_cols * tokens.patch_width
    blocks = pixels[:height, :width, 0].reshape(
        tokens.grid_rows, tokens.patch_height, tokens.grid_cols, tokens.patch_width
    )
    return blocks.mean(axis=(1, 3))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_checkerboard_on_the_photo_fills_the_cells(size: tuple[int, int], model: str, orientation: int) -> None:
    contract, tokens = MODELS[model]
    photo = _checkerboard(size, _geometry(size, contract, tokens))
    prepared = prepare_encoded(oriented(photo, "PNG", orientation), contract, tokens, LIMITS, keep_photo=False)
    assert prepared.geometry.exif_orientation == orientation
    assert (prepared.geometry.image_width, prepared.geometry.image_height) == size
    cells = _cells(prepared.pixels, tokens)
    odd = np.indices(cells.shape).sum(axis=0) % 2 == 1
    # A shift by one of the 14 to 16 pixels of a patch would change the mean by 255/16.
    assert cells[odd].min() > 255 - 25
    assert cells[~odd].max() < 25
    assert abs(cells[odd].mean() - (255 - cells[~odd].mean())) < 2


PADDED = {"letterbox": LETTERBOX, "cropped letterbox": CROPPED_LETTERBOX, "not resized": UNRESIZED}


@pytest.mark.parametrize("size", [(701, 467), (333, 901), (512, 512), (218, 190)])
@pytest.mark.parametrize("model", PADDED)
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_checkerboard_fills_the_cells_that_lie_on_the_photo(
    size: tuple[int, int], model: str, orientation: int
) -> None:
    contract = PADDED[model]
    assert contract.padding is not None
    photo = _checkerboard(size, _geometry(size, contract, TOKENS))
    prepared = prepare_encoded(oriented(photo, "PNG", orientation), contract, TOKENS, LIMITS, keep_photo=False)
    geometry, cells = prepared.geometry, _cells(prepared.pixels, TOKENS)
    corners = [[(*_corner(geometry, c, r), *_corner(geometry, c + 1, r + 1)) for c in range(14)] for r in range(14)]
    x0, y0, x1, y1 = np.moveaxis(np.array(corners), -1, 0)
    inside = (x0 >= 0) & (y0 >= 0) & (x1 <= size[0]) & (y1 <= size[1])
    outside = (x1 <= 0) | (y1 <= 0) | (x0 >= size[0]) | (y0 >= size[1])
    odd = np.indices(cells.shape).sum(axis=0) % 2 == 1
    assert inside.sum() > 30 and (cells[inside & odd] > 255 - 25).all() and (cells[inside & ~odd] < 25).all()
    assert (cells[outside] == contract.padding.fill[0]).all()
    seen = np.array(geometry.seen)
    assert (seen[:2] >= 0).all() and (seen[2:] <= size).all()
    if contract.resize.mode == "letterbox":
        assert geometry.seen == (0, 0, *size) and (outside.any() or size in ((512, 512), (218, 190)))
    assert geometry.resize_mode == contract.resize.mode


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("cell", [(0, 0), (3, 11), (13, 13)])
def test_a_dot_is_found_in_its_cell(size: tuple[int, int], model: str, cell: tuple[int, int]) -> None:
    contract, tokens = MODELS[model]
    x, y = _corner(_geometry(size, contract, tokens), cell[1] + 0.5, cell[0] + 0.5)
    photo = Image.new("RGB", size)
    ImageDraw.Draw(photo).rectangle((x - 3, y - 3, x + 3, y + 3), fill="white")
    pixels = prepare_encoded(oriented(photo, "PNG", 1), contract, tokens, LIMITS, keep_photo=False).pixels
    rows, columns = np.nonzero(pixels[..., 0] > 127)
    middle = ((cell[0] + 0.5) * tokens.patch_height, (cell[1] + 0.5) * tokens.patch_width)
    assert abs(rows.mean() + 0.5 - middle[0]) < 1
    assert abs(columns.mean() + 0.5 - middle[1]) < 1


def test_squashing_sees_everything() -> None:
    geometry = _geometry((640, 480), VIT, TOKENS)
    assert geometry.seen == (0, 0, 640, 480)
    assert geometry.grid_to_image == pytest.approx((640 / 14, 0, 0, 0, 480 / 14, 0))
    assert geometry.resize_mode == "squash"


def test_a_centre_crop_sees_the_centre() -> None:
    geometry = _geometry((1600, 900), DINOV2, TOKENS)  # resized to 455x256, cropped at (115, 16)
    assert geometry.seen == pytest.approx((115 * 1600 / 455, 16 * 900 / 256, 339 * 1600 / 455, 240 * 900 / 256))
    x0, y0, x1, y1 = geometry.seen
    assert (x1 - x0) * (y1 - y0) / (1600 * 900) == pytest.approx(0.43, abs=0.01)
    assert geometry.resize_mode == "shortest_edge"


def test_a_remainder_below_a_patch_is_not_seen() -> None:
    geometry = _geometry((211, 211), ODD, ODD_TOKENS)  # cropped at 7; 14 patches of 14 of the 197 pixels
    assert geometry.seen == (7, 7, 7 + 196, 7 + 196)


def test_preprocessed_pixels_are_the_image() -> None:
    geometry = prepare_raw(bytes(224 * 224 * 3), 224, 224, True, DINOV2, TOKENS, LIMITS, False).geometry
    assert geometry.grid_to_image == (16, 0, 0, 0, 16, 0)
    assert geometry.seen == (0, 0, 224, 224)
    assert (geometry.resize_mode, geometry.image_width, geometry.exif_orientation) == ("none", 224, 1)


def test_the_grid_ends_where_seen_ends() -> None:
    for size in SIZES:
        for model, tokens in MODELS.values():
            geometry = _geometry(size, model, tokens)
            corners = (*_corner(geometry, 0, 0), *_corner(geometry, tokens.grid_cols, tokens.grid_rows))
            assert geometry.seen == pytest.approx(corners)


def test_modes_are_those_of_the_contract_and_none() -> None:
    annotation = Geometry.__annotations__["resize_mode"]
    assert set(get_args(annotation)) == {"squash", "shortest_edge", "letterbox", "none"}
