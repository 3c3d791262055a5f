"""SwinV2: Swin with cosine attention, and biases from a small network."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from vitscope.export.families.attention import replace_forward
from vitscope.export.families.family import Attend
from vitscope.export.families.swin import Swin
from vitscope.export.size import Size

_MOST = math.log(100)  # of a head's logit_scale


class SwinV2(Swin):
    """Windows are as wide as at the size that the checkpoint was made for; other sizes are padded to them."""

    def refuses(self, config: Any) -> str:
        # Their table has a row for a class token that does not exist, and no input fits it.
        if config.use_absolute_embeddings:
            return "use_absolute_embeddings is true, which transformers cannot run for SwinV2; accepted: false"
        return ""

    def windows_fit(self, model: Any, size: Size) -> str:
        return ""

    def relative(self, module: Any) -> torch.Tensor:
        return _biases(module)

    @contextmanager
    def replace(self, model: Any, attend: Attend) -> Iterator[None]:
        modules = [module for module in model.modules() if hasattr(module, "continuous_position_bias_mlp")]
        with replace_forward(modules, lambda module, *given, **_: (_attention(module, attend, *given),)):
            yield

    @torch.no_grad()
    def freeze(self, model: Any, size: Size) -> None:
        super().freeze(model, size)
        for module in model.modules():
            if hasattr(module, "continuous_position_bias_mlp"):
                # The network reads nothing but the offsets: its answers are constants.
                table = module.continuous_position_bias_mlp(module.relative_coords_table)
                module.continuous_position_bias_mlp = _Constant(table)


def _attention(
    module: Any, attend: Attend, tokens: torch.Tensor, mask: torch.Tensor | None = None, *_: Any
) -> torch.Tensor:
    """Attend within windows. tokens: [N * windows, T, D]. mask: [windows, T, T], or None. Returns tokens."""
    count, length = tokens.shape[:2]
    split = (count, length, module.num_attention_heads, module.attention_head_size)
    query, key, value = (part(tokens).view(split).transpose(1, 2) for part in (module.query, module.key, module.value))
    query, key = (torch.nn.functional.normalize(part, dim=-1) for part in (query, key))
    query = query * module.logit_scale.clamp(max=_MOST).exp()
    bias = _biases(module)[module.relative_position_index.view(-1)].view(length, length, -1).permute(2, 0, 1)[None]
    if mask is not None:
        # transformers adds the mask twice.
        of_batch = (2 * mask)[None, :, None].expand(count // len(mask), -1, -1, -1, -1)
        bias = bias + of_batch.reshape(-1, 1, length, length)
    return attend(query, key, value, bias, 1.0).transpose(1, 2).reshape(count, length, -1)


def _biases(module: Any) -> torch.Tensor:
    """Return what is added to the scores, [entries, heads]."""
    table = module.continuous_position_bias_mlp(module.relative_coords_table).view(-1, module.num_attention_heads)
    return 16 * torch.sigmoid(table)


class _Constant(torch.nn.Module):
    """Gives the same table, whatever it is asked."""

    table: torch.Tensor

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table)

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.table


FAMILIES = {"Swinv2ForImageClassification": SwinV2("swinv2", "SwinV2", "swinv2")}
