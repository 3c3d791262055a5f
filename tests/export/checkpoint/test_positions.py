"""Patch grids and what depends on the input size."""

import pytest
import torch

from tests.export.checkpoints import MAKERS, made, vit
from vitscope.export.checkpoint.positions import token_geometry
from vitscope.export.errors import ExportError
from vitscope.export.families import FAMILIES
from vitscope.export.size import Size

VIT = FAMILIES["ViTForImageClassification"]


@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize(("rows", "cols"), [(5, 3), (3, 3)])
def test_a_frozen_model_equals_the_model_that_interpolates(name: str, rows: int, cols: int) -> None:
    model, family = made(name)
    patch = family.patch_size(model)
    size = Size(rows * patch.height, cols * patch.width)
    tokens = token_geometry(model, family, size)
    assert (tokens.grid_rows, tokens.grid_cols) == (rows, cols)
    pixels = torch.rand(2, 3, size.height, size.width)
    with torch.inference_mode():
        expected = model(pixels, **family.options(model, size)).logits
        family.freeze(model, size)
        torch.testing.assert_close(model(pixels).logits, expected, rtol=0, atol=1e-6)


def test_the_native_table_is_left_as_it_is() -> None:
    model, family = made("vit")
    before = model.vit.embeddings.position_embeddings.detach().clone()
    family.freeze(model, Size(32, 32))
    torch.testing.assert_close(model.vit.embeddings.position_embeddings.detach(), before, rtol=0, atol=0)


def test_a_table_that_is_not_square_serves_its_own_size_only() -> None:
    model, _ = vit(image_size=[32, 48])
    tokens = token_geometry(model, VIT, Size(32, 48))
    assert (tokens.grid_rows, tokens.grid_cols) == (4, 6)
    with pytest.raises(ExportError, match="accepted: 32x48"):
        token_geometry(model, VIT, Size(48, 48))


def test_smaller_than_a_patch() -> None:
    with pytest.raises(ExportError, match="smaller than one patch of 8x8"):
        token_geometry(vit()[0], VIT, Size(32, 7))
