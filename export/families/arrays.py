"""The arrays of explain.npz that families have in common."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def arrays_of(
    projection: Any, norm: Any, table: torch.Tensor | None, heads: Mapping[str, Any], **more: torch.Tensor
) -> dict[str, np.ndarray]:
    """Collect the patch embedding, the position table, the norm of the head and the linear heads.

    norm: left out unless it is a LayerNorm. table: [1, T, D], or None. heads: by their prefix. more: by name.
    """
    tensors = {**convolution(projection), **more}
    if table is not None:
        tensors["position_embeddings"] = table[0]
    if isinstance(norm, torch.nn.LayerNorm):
        tensors |= {"norm_weight": norm.weight, "norm_bias": norm.bias, "norm_eps": torch.tensor(norm.eps)}
    for prefix, head in heads.items():
        tensors[f"{prefix}_weight"], tensors[f"{prefix}_bias"] = head.weight, head.bias
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def convolution(projection: Any) -> dict[str, torch.Tensor]:
    """Collect a patch embedding: kernel, bias, and its steps and the zeros around an image, in pixels."""
    padding = (0, 0) if isinstance(projection.padding, str) else projection.padding
    return {
        "patch_kernel": projection.weight,
        "patch_bias": torch.zeros(len(projection.weight)) if projection.bias is None else projection.bias,
        "patch_stride": torch.tensor(projection.stride),
        "patch_padding": torch.tensor(padding),
    }
