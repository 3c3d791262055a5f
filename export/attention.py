"""Attention as it is exported: the form that engines fuse, and the class token's row beside it."""

from functools import partial
from typing import Any

import torch
from transformers import AttentionInterface

PLAIN = "vitscope"
WITH_ROW = "vitscope_with_row"


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    row: bool = False,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """softmax(q * scaling @ k^T) @ v, which OpenVINO and TensorRT fuse into one kernel; with `row`, also that softmax for
    the first token.

    query, key, value: [N, H, T, D]. Returns ([N, T, H, D], [N, H, T] or None). The fusion holds only as long as nothing
    else reads the softmax, so the row is computed again, for 1/T of the work.
    Raises ValueError for a mask, which has no exported form.
    """
    if attention_mask is not None:
        raise ValueError("attention with a mask has no exported form")
    query, transposed = query * scaling, key.transpose(-2, -1)
    out = (torch.softmax(query @ transposed, dim=-1) @ value).transpose(1, 2).contiguous()
    return out, torch.softmax(query[:, :, :1] @ transposed, dim=-1).squeeze(2) if row else None


# No mask functions go with these names, so transformers builds no mask: it would be all true, and cost a Where per layer.
AttentionInterface.register(PLAIN, attend)
AttentionInterface.register(WITH_ROW, partial(attend, row=True))
