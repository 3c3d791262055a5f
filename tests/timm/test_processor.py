"""timm's evaluation transform against the pixels that the server makes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.checkpoint.timm_processor import TimmProcessor
from vitscope.export.errors import ExportError
from vitscope.server.images.transform import plan_fit, transform

_CONFIG = {"architecture": "vit_tiny_patch16_224", "pretrained_cfg": {"input_size": [3, 31, 31], "crop_pct": 0.9}}


def _processor(**changes: Any) -> TimmProcessor:
    return TimmProcessor({**_CONFIG, "pretrained_cfg": {**_CONFIG["pretrained_cfg"], **changes}})  # type: ignore[dict-item]


@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([0.6, 0.875, 0.9, 0.95, 1.0]),
    st.sampled_from(["center", "squash"]),
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


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("crop_mode", "border"),
        ("input_size", [1, 31, 31]),
        ("input_size", [3, 31, 62]),
        ("interpolation", "hamming"),
    ],
)
def test_steps_that_the_contract_cannot_express_are_refused(field: str, found: object) -> None:
    with pytest.raises(ExportError, match=field):
        _processor(**{field: found})
