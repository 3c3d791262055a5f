"""What the graph `full` gives, compared with the model itself."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from vitscope.bundle import TokenGeometry
from vitscope.export.families import Family
from vitscope.export.methods import Forward, Subject, observe
from vitscope.export.methods.rollout import states_of


@torch.inference_mode()
def watched(
    model: Any, family: Family, tokens: TokenGeometry, pixels: torch.Tensor, options: Mapping[str, Any] | None = None
) -> tuple[np.ndarray, Forward]:
    """Run the model with its own attention. Returns the matrices of its blocks, [N, L, H, T, T], and the rest."""
    seen: list[torch.Tensor] = []
    with family.watch(model, lambda matrix: seen.append(matrix.clone())):
        forward = observe(Subject(model, family, tokens), pixels, [], options, modules=family.blocks(model))
    return torch.stack(seen[: family.sizes(model).layers], dim=1).numpy(), forward


@torch.inference_mode()
def added(forward: Forward, options: Mapping[str, Any] | None = None) -> np.ndarray:
    """Return the norms of what attention and MLP add, [N, L, 2, T].

    By runs of the model in which the MLP of one block gives nothing.
    """
    subject, found = forward.subject, []
    for block in forward.family.blocks(forward.model):
        with _silent(block):
            alone = observe(subject, forward.pixels, [], options, modules=[block]).seen[block]
        ends = forward.seen[block]
        parts = (alone.returned - ends.given, ends.returned - alone.returned)
        found.append(torch.stack([part.norm(dim=-1) for part in parts], dim=1))
    return torch.stack(found, dim=1).numpy()


@contextmanager
def _silent(block: Any) -> Iterator[None]:
    """Have the MLP of a block give zeros."""
    if hasattr(block, "in_split"):
        last = [block.mlp_out_proj]
    elif "Post" in type(block).__name__:
        last = [block.norm2]
    else:
        mlp = [getattr(block, name) for name in ("mlp", "intermediate", "output") if hasattr(block, name)]
        last = [[module for part in mlp for module in part.modules() if isinstance(module, torch.nn.Linear)][-1]]
    parameters = [parameter for module in last for parameter in module.parameters()]
    before = [parameter.detach().clone() for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.data.zero_()
        yield
    finally:
        for parameter, values in zip(parameters, before, strict=True):
            parameter.data.copy_(values)


def assert_inside(
    outputs: Mapping[str, np.ndarray], matrices: np.ndarray, forward: Forward, accuracy: float = 1e-4
) -> None:
    """Compare every output of the graph `full` with what `watched` has returned for the same images."""
    tokens, logits = forward.geometry, forward.logits.numpy()
    np.testing.assert_allclose(outputs["matrices"], matrices, atol=accuracy / 10)
    np.testing.assert_allclose(outputs["matrices"].sum(axis=-1), 1, atol=1e-5)
    _assert_scores(outputs)
    np.testing.assert_allclose(outputs["updates"], added(forward), rtol=accuracy, atol=accuracy)
    norms = states_of(forward).norm(dim=-1).numpy()
    np.testing.assert_allclose(outputs["token_norms"], norms, rtol=accuracy, atol=accuracy)
    if tokens.pooling == "attention":
        assert "lens" not in outputs
    else:
        np.testing.assert_allclose(
            as_pooled(outputs["lens"][:, -1], tokens), logits, atol=accuracy * max(1, logits.std())
        )


def _assert_scores(outputs: Mapping[str, np.ndarray]) -> None:
    """Check that softmax(q k^T / sqrt(d) + bias) is the matrix, where the bias does not depend on the image."""
    queries, keys = outputs["queries"], outputs["keys"]
    scores = queries @ keys.swapaxes(-1, -2) / np.sqrt(queries.shape[-1])
    matrices = outputs["matrices"].astype(np.float64)
    certain = (matrices > 1e-30).all(axis=(0, -1), keepdims=True)  # elsewhere float32 has lost the score
    bias = np.where(certain, np.log(np.maximum(matrices, 1e-30)) - scores, 0)
    bias -= bias.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(bias, np.broadcast_to(bias[:1], bias.shape), atol=2e-3)


def as_pooled(tokens_read: np.ndarray, tokens: TokenGeometry) -> np.ndarray:
    """Pool what the lens gives for each token, [N, T, C], as the head does."""
    patches = tokens_read[:, tokens.prefix :].mean(axis=1)
    return {
        "cls": tokens_read[:, 0],
        "cls+distillation": tokens_read[:, :2].mean(axis=1),
        "cls+mean": tokens_read[:, 0] + patches,
        "mean": patches,
    }[tokens.pooling]
