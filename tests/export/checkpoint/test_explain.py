"""The arrays of explain.npz, against the checkpoint."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.export.checkpoints import MAKERS
from vitscope.bundle import Bundle
from vitscope.export.checkpoint import load_checkpoint


@pytest.mark.parametrize("family", list(MAKERS))
def test_the_arrays_are_those_of_the_model(
    family: str, bundles: dict[str, Bundle], checkpoints: dict[str, Path]
) -> None:
    arrays, tokens = bundles[family].explain(), bundles[family].manifest.tokens
    state = {k: v.numpy() for k, v in load_checkpoint(str(checkpoints[family])).model.state_dict().items()}
    positioned = tokens.cls_tokens + tokens.distillation_tokens + tokens.patches
    assert arrays["position_embeddings"].shape == (positioned, 32)
    assert arrays["patch_kernel"].shape == (32, 3, tokens.patch_height, tokens.patch_width)
    assert ("distillation_token" in arrays) == bool(tokens.distillation_tokens)
    assert ("distillation_head_weight" in arrays) == (tokens.pooling == "cls+distillation")
    assert len(arrays.get("register_tokens", ())) == tokens.register_tokens
    assert arrays["head_weight"].shape == (5, 64 if tokens.pooling == "cls+mean" else 32)
    for name, suffix in {"norm_weight": "layernorm.weight", "cls_token": "embeddings.cls_token"}.items():
        source = next(
            value
            for key, value in state.items()
            if key.endswith(suffix) and ".layer." not in key and ".layers." not in key
        )
        np.testing.assert_array_equal(arrays[name], source.squeeze())
    for key, array in arrays.items():
        assert array.dtype == (np.int64 if key in ("patch_stride", "patch_padding") else np.float32), key
    assert bundles[family].manifest.positions == ("table",)
    assert bundles[family].embedding().prefix_tokens.shape == (tokens.prefix, 32)


def test_embeddings_can_be_rebuilt(bundles: dict[str, Bundle], checkpoints: dict[str, Path]) -> None:
    """Patch embedding in numpy, plus the stored positions, equals the input of the encoder."""
    arrays, model = bundles["vit"].explain(), load_checkpoint(str(checkpoints["vit"])).model
    image = np.random.default_rng(0).random((1, 3, 32, 32), dtype=np.float32)
    patches = image.reshape(3, 4, 8, 4, 8).transpose(1, 3, 0, 2, 4).reshape(16, -1)
    embedded = patches @ arrays["patch_kernel"].reshape(32, -1).T + arrays["patch_bias"]
    tokens = np.concatenate([arrays["cls_token"][None], embedded]) + arrays["position_embeddings"]
    with torch.inference_mode():
        expected = model.vit.embeddings(torch.from_numpy(image))[0].numpy()
    np.testing.assert_allclose(tokens, expected, atol=1e-5)
