"""Attention as it is exported: the form that engines fuse, and the class token's row beside it."""

from collections.abc import Iterable
from typing import Any

import torch
from transformers import AttentionInterface

NAME = "vitscope"
_ROW = "vitscope_cls_row"


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """softmax(q * scaling @ k^T) @ v, and the class token's row of that softmax where `keep_rows` asked for it.

    query, key, value: [N, H, T, D]. Returns ([N, T, H, D], [N, H, T] or None). OpenVINO and TensorRT fuse this form into
    one kernel, provided that nothing else reads the softmax: hence the row is computed again, for 1/T of the work.
    """
    if attention_mask is not None:
        raise ValueError("attention with a mask has no exported form")
    query, transposed = query * scaling, key.transpose(-2, -1)
    out = (torch.softmax(query @ transposed, dim=-1) @ value).transpose(1, 2).contiguous()
    if not getattr(module, _ROW, False):
        return out, None
    return out, torch.softmax(query[:, :, :1] @ transposed, dim=-1).squeeze(2)


def keep_rows(modules: Iterable[torch.nn.Module], kept: Iterable[torch.nn.Module]) -> None:
    """Of these attention modules, those in `kept` return their class token's row, the others nothing."""
    chosen = set(kept)
    for module in modules:
        setattr(module, _ROW, module in chosen)


# No mask function goes with the name, so transformers builds no mask: it would be all true, and cost a Where per layer.
AttentionInterface.register(NAME, attend)
