"""Position tables and patch grids at other input sizes."""

import pytest
import torch

from tests.export.checkpoints import MAKERS, vit
from vitscope.export.checkpoint.families import FAMILIES
from vitscope.export.checkpoint.positions import freeze_positions, grid, position_table
from vitscope.export.checkpoint.preprocess import Size
from vitscope.export.errors import ExportError

VIT = FAMILIES["ViTForImageClassification"]
BY_NAME = {family.name: family for family in FAMILIES.values()}


@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize("size", [Size(70, 42), Size(42, 42)], ids=str)
def test_frozen_model_equals_the_model_that_interpolates(name: str, size: Size) -> None:
    model, family = MAKERS[name]()[0].eval(), BY_NAME[name]
    pixels = torch.rand(2, 3, size.height, size.width)
    options = {} if family.always_interpolates else {"interpolate_pos_encoding": True}
    with torch.inference_mode():
        expected = model(pixels, **options).logits
        freeze_positions(model, family, size)
        torch.testing.assert_close(model(pixels).logits, expected, rtol=0, atol=1e-6)
    rows, cols = grid(model, family, size)
    assert position_table(model, family, size).shape == (1, family.positioned_prefix() + rows * cols, 32)


def test_the_native_table_is_left_as_it_is() -> None:
    model, _ = vit()
    torch.testing.assert_close(
        position_table(model, VIT, Size(32, 32)), model.vit.embeddings.position_embeddings.detach(), rtol=0, atol=0
    )


def test_a_table_that_is_not_square_serves_its_own_size_only() -> None:
    model, _ = vit(image_size=[32, 48])
    assert grid(model, VIT, Size(32, 48)) == (4, 6)
    with pytest.raises(ExportError, match="accepted: 32x48"):
        grid(model, VIT, Size(48, 48))


def test_smaller_than_a_patch() -> None:
    with pytest.raises(ExportError, match="smaller than one patch of 8x8"):
        grid(vit()[0], VIT, Size(32, 7))
