"""The arrays of explain.npz of every family, against what the model itself computes."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.export.checkpoints import MAKERS as FIRST
from tests.export.families.makers import FORMS, MAKERS
from vitscope.bundle import PatchEmbedding
from vitscope.bundle.embedding import patch_embedding
from vitscope.export.checkpoint.explain import explain_arrays, position_kinds
from vitscope.export.checkpoint.positions import token_geometry
from vitscope.export.checkpoint.preprocess import fit_to, input_contract, output_size
from vitscope.export.checkpoint.sines import is_sine
from vitscope.export.families import Family, family_of
from vitscope.export.size import Size

ALL = {**FIRST, **MAKERS, **{name: form for name, form in FORMS.items() if "beit" in name or "data2vec" in name}}
RELATIVE = {"swin", "swinv2", "beit", "data2vec-vision", "beit class-token", "beit shared", "beit both",
            "data2vec-vision shared"}  # fmt: skip
NONE = {"beit none"}


def frozen(name: str, size: Size | None = None) -> tuple[Any, Family, PatchEmbedding]:
    """Make a model for a size, its weights far from those of a new one, and read its arrays as from a bundle."""
    model, processor = ALL[name]()
    model.config.architectures = [type(model).__name__]
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    family = family_of(model.config)
    processor = fit_to(processor, size) if size else processor
    tokens = token_geometry(model.eval(), family, output_size(processor))
    family.resize(model, output_size(processor))
    family.freeze(model, output_size(processor))
    arrays = explain_arrays(model, family)
    return model, family, patch_embedding(arrays, input_contract(processor), tokens, position_kinds(arrays))


def outputs(model: Any, family: Family, pixels: np.ndarray, module: Any) -> torch.Tensor:
    """Run the model and return what one of its modules gave, float32 [...] of the one image."""
    found: list[Any] = []
    hook = module.register_forward_hook(lambda _module, _inputs, out: found.append(out))
    with torch.inference_mode():
        family.logits(model, torch.from_numpy(pixels)[None], {})
    hook.remove()
    first: torch.Tensor = found[0][0]
    return first if first.ndim < 4 else first[0]


@pytest.mark.parametrize("name", list(ALL))
def test_dot_products_of_a_patch_are_the_convolution(name: str) -> None:
    model, family, embedding = frozen(name)
    side = embedding.contract
    pixels = np.random.default_rng(1).integers(0, 256, (side.height, side.width, 3), np.uint8)
    conv: Any = getattr(family, "projection")(model)  # noqa: B009  # of all families here, not of every one
    expected = outputs(model, family, embedding.normalised(pixels), conv).numpy()
    rows, cols = embedding.grid
    assert expected.shape == (len(embedding.kernel), rows, cols)
    for row, col in ((0, 0), (rows - 1, cols - 1), (rows // 2, 0)):
        np.testing.assert_allclose(embedding.embed(pixels, row, col), expected[:, row, col], atol=2e-4)
    with pytest.raises(IndexError, match=f"patch {rows},0; accepted: rows 0 to {rows - 1}"):
        embedding.embed(pixels, rows, 0)


# Those whose tokens are the convolution and the table, and nothing else before the first block.
@pytest.mark.parametrize("name", [*FIRST, "vit-msn", "ijepa", "beit absolute", "clip", "metaclip-2", "siglip"])
@pytest.mark.parametrize("size", [None, Size(48, 80)], ids=["own size", "another"])
def test_with_its_position_it_is_the_token(name: str, size: Size | None) -> None:
    if size and name in ("dinov2", "dinov2-with-registers"):
        size = Size(42, 70)
    model, family, embedding = frozen(name, size)
    side = embedding.contract
    pixels = np.random.default_rng(1).integers(0, 256, (side.height, side.width, 3), np.uint8)
    tokens = outputs(model, family, embedding.normalised(pixels), getattr(family, "embeddings")(model)).numpy()  # noqa: B009
    rows, cols = embedding.grid
    prefix, positions = len(embedding.prefix_tokens), embedding.patch_positions
    assert positions is not None and tokens.shape == (prefix + rows * cols, len(embedding.kernel))
    for row, col in ((0, 0), (rows - 1, cols - 2)):
        token = embedding.embed(pixels, row, col) + positions[row, col]
        np.testing.assert_allclose(token, tokens[prefix + row * cols + col], atol=2e-4)
    own = embedding.prefix_positions
    assert own is not None
    np.testing.assert_allclose(embedding.prefix_tokens[: len(own)] + own, tokens[: len(own)], atol=1e-5)


@pytest.mark.parametrize("name", list(ALL))
def test_the_kinds_of_positions_are_told(name: str) -> None:
    expected = ("relative",) if name in RELATIVE else () if name in NONE else ("table",)
    assert frozen(name)[2].kinds == expected


@pytest.mark.parametrize("name", ["beit", "beit shared", "data2vec-vision", "swin", "swinv2"])
def test_a_bias_is_that_of_the_first_block_by_distance(name: str) -> None:
    model, family, embedding = frozen(name)
    bias = embedding.relative_bias
    assert bias is not None
    seen: list[torch.Tensor] = []

    def attend(query: Any, key: Any, value: Any, added: Any, _scaling: float) -> Any:
        seen.append(added)
        return torch.softmax(query @ key.mT + added, dim=-1) @ value

    side = embedding.contract
    with torch.inference_mode(), family.replace(model, attend):
        family.logits(model, torch.zeros(1, 3, side.height, side.width), {})
    heads, down, right = bias.shape
    rows, cols = (down + 1) // 2, (right + 1) // 2
    own = seen[0][0].numpy()[:, -rows * cols :, -rows * cols :].reshape(heads, rows, cols, rows, cols)
    for query, key in (((0, 0), (1, 2)), ((2, 1), (0, 3)), ((3, 3), (0, 0)), ((1, 1), (1, 1))):
        at = (key[0] - query[0] + rows - 1, key[1] - query[1] + cols - 1)
        np.testing.assert_allclose(bias[:, at[0], at[1]], own[:, query[0], query[1], key[0], key[1]], atol=1e-5)


def test_sines_are_told_from_weights() -> None:
    angles = np.arange(4)[:, None] / 10000 ** (np.arange(8) / 8)
    axis = np.concatenate([np.sin(angles), np.cos(angles)], 1)
    grid = np.stack([np.concatenate([axis[col], axis[row]]) for row in range(4) for col in range(4)])
    table = np.concatenate([np.zeros((1, 32)), grid])
    assert is_sine(table) and is_sine(grid)
    assert is_sine(np.roll(grid, 16, axis=1))  # rows first
    assert not is_sine(table + 0.01)
    assert not is_sine(table[:9]) and not is_sine(np.zeros((1, 32))) and not is_sine(np.zeros((17, 30)))
