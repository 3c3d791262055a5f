"""timm's evaluation transform against the pixels that the server makes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vitscope.bundle import TokenGeometry
from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.checkpoint.timm_processor import TimmProcessor
from vitscope.export.errors import ExportError
from vitscope.server.images.geometry import locate
from vitscope.server.images.transform import plan_fit, transform

_CONFIG = {"architecture": "vit_tiny_patch16_224", "pretrained_cfg": {"input_size": [3, 31, 31], "crop_pct": 0.9}}


def _processor(**changes: Any) -> TimmProcessor:
    return TimmProcessor({**_CONFIG, "pretrained_cfg": {**_CONFIG["pretrained_cfg"], **changes}})  # type: ignore[dict-item]


@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([0.6, 0.875, 0.9, 0.95, 1.0, 1.3]),
    st.sampled_from(["center", "squash", "border"]),
    st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
)
def test_the_server_makes_the_same_pixels(width: int, height: int, share: float, mode: str, filter_: str) -> None:
    processor = _processor(crop_pct=share, crop_mode=mode, interpolation=filter_)
    noise = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    photo, contract = Image.fromarray(noise), processor.contract()
    pixels, tensor = prepare(processor, photo)
    np.testing.assert_array_equal(transform(photo, plan_fit(photo.size, contract), contract), pixels)
    normalised = (pixels / 255 - np.array(contract.mean)) / np.array(contract.std)
    np.testing.assert_allclose(tensor.numpy(), normalised.transpose(2, 0, 1), atol=1e-5)


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(90, 60), (40, 90)])
def test_cells_of_the_grid_lie_on_the_photo(mode: str, size: tuple[int, int]) -> None:
    """A bright square of the photo is under the cell that sees it."""
    contract = _processor(crop_mode=mode, input_size=[3, 32, 32], mean=[0.0] * 3).contract()
    tokens = TokenGeometry(patch_height=4, patch_width=4, grid_rows=8, grid_cols=8, pooling="cls")
    photo, (x, y) = np.zeros((size[1], size[0], 3), np.uint8), (size[0] // 2 + 7, size[1] // 2 - 11)
    photo[y - 4 : y + 4, x - 4 : x + 4] = 255
    image = Image.fromarray(photo)
    fit = plan_fit(size, contract)
    cells = transform(image, fit, contract).mean(axis=2).reshape(8, 4, 8, 4).mean(axis=(1, 3))
    row, column = (float((cells.sum(axis=axis) * (np.arange(8) + 0.5)).sum() / cells.sum()) for axis in (1, 0))
    a, _, left, _, b, top = locate(size, 1, fit, contract, tokens).grid_to_image
    np.testing.assert_allclose((a * column + left, b * row + top), (x, y), atol=1.5)


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("crop_mode", "top"),
        ("input_size", [1, 31, 31]),
        ("input_size", [3, 31, 62]),
        ("interpolation", "hamming"),
        ("mean", [0.5, 2.0, 0.5]),
        ("std", [0.2, 0.0, 0.2]),
        ("crop_pct", -1.0),
        ("input_size", [3, 5000, 5000]),
        ("input_size", [3, -1, -1]),
    ],
)
def test_steps_that_the_contract_cannot_express_are_refused(field: str, found: object) -> None:
    with pytest.raises(ExportError, match=field):
        _processor(**{field: found})


@pytest.mark.parametrize(
    ("field", "found"),
    [("mean", 0.5), ("std", ["a", "b", "c"]), ("input_size", 32), ("interpolation", "random"), ("crop_pct", "0.9")],
)
def test_values_of_another_kind_are_refused_in_one_line(field: str, found: object) -> None:
    with pytest.raises(ExportError, match=r"pretrained_cfg of config\.json") as error:
        _processor(**{field: found})
    assert "\n" not in str(error.value)
