"""Attention in the form that engines fuse, with the side branches of the explanation methods."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from transformers import AttentionInterface

from vitscope.export.methods import Kept, Method

SideBranches = Callable[[torch.Tensor, torch.Tensor], Any]
"""Scaled query [N, H, T, D] and transposed key [N, H, D, T] -> what is returned beside the output."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    side_branches: SideBranches | None = None,
    **_: Any,
) -> tuple[torch.Tensor, Any]:
    """Compute softmax(q * scaling @ k^T) @ v, which OpenVINO and TensorRT fuse into one kernel.

    query, key, value: [N, H, T, D]. Returns [N, T, H, D], and what `side_branches` returns or else None. Side
    branches must not read the softmax: with a second reader there is no fusion.
    Raises ValueError for a mask, which has no exported form.
    """
    if attention_mask is not None:
        raise ValueError("attention with a mask has no exported form")
    query, transposed = query * scaling, key.transpose(-2, -1)
    out = (torch.softmax(query @ transposed, dim=-1) @ value).transpose(1, 2).contiguous()
    return out, side_branches(query, transposed) if side_branches else None


def register(methods: Sequence[Method]) -> str:
    """Register attention with the side branches of these methods. Returns its name in transformers' AttentionInterface.

    Beside its output it returns what each method keeps. No mask function is registered with the name, so transformers
    builds no mask: it would be all true, and cost a Where per layer.
    """
    name = "_".join(["vitscope", *(method.name for method in methods)])

    def side_branches(query: torch.Tensor, key: torch.Tensor) -> Kept:
        return {method.name: method.side_branch(query, key) for method in methods}

    AttentionInterface.register(name, partial(attend, side_branches=side_branches))
    return name
