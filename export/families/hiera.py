"""Hiera: mask units instead of windows, pooled queries, and a LayerNorm after pooling; exact class maps only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from vitscope.export.families.attention import replace_forward
from vitscope.export.families.family import Attend, Linear
from vitscope.export.families.heads import mean_then_norm
from vitscope.export.families.swin import Swin
from vitscope.export.size import Size


class Hiera(Swin):
    """Tokens are kept unit by unit; `linear` puts them back into rows."""

    def merged(self, model: Any) -> tuple[int, int]:
        rows, cols = (stride**model.config.num_query_pool for stride in model.config.query_stride)
        return rows, cols

    def resizes(self, model: Any, size: Size) -> str:
        native, config = self.native_size(model), model.config
        if size == native:
            return ""
        unit = Size(*(stride * side for stride, side in zip(config.patch_stride, config.masked_unit_size, strict=True)))
        if size.height % unit.height or size.width % unit.width:
            return f"{self.title}'s mask units cover {unit}; accepted: multiples of it"
        if native.height != native.width:
            return f"{self.title} interpolates square position tables only; accepted: {native}"
        return ""

    def table_at(self, model: Any, size: Size, tokens: torch.Tensor) -> torch.Tensor:
        embeddings = self.embeddings(model)
        own = embeddings.position_embeddings
        table: torch.Tensor = embeddings.interpolate_pos_encoding(tokens, own, size.height, size.width)
        return table

    def freeze_blocks(self, model: Any, size: Size) -> None:
        """Set the order of tokens of each stage, which the encoder has for the checkpoint's own size."""
        config, encoder = model.config, model.hiera.encoder
        grid = [side // stride for side, stride in zip((size.height, size.width), config.patch_stride, strict=True)]
        schedule = [config.query_stride] * (len(config.depths) - 1)
        for stage in range(len(config.depths)):
            encoder.schedule[stage] = schedule, grid
            if stage < config.num_query_pool:
                grid = [side // stride for side, stride in zip(grid, config.query_stride, strict=True)]
                schedule = schedule[1:]

    def last(self, model: Any) -> torch.nn.Module:
        block: torch.nn.Module = model.hiera.encoder.stages[-1].layers[-1]
        return block

    def linear(self, model: Any, tokens: torch.Tensor) -> Linear | None:
        encoder = model.hiera.encoder
        rows = encoder.reroll(tokens, stage_idx=len(encoder.stages) - 1).flatten(1, 2)
        return mean_then_norm(rows, self.pooling_norm(model), model.classifier)

    @contextmanager
    def replace(self, model: Any, attend: Attend) -> Iterator[None]:
        modules = [module for module in model.modules() if hasattr(module, "use_mask_unit_attn")]
        with replace_forward(modules, lambda module, tokens, *_, **__: (_attention(module, attend, tokens), None)):
            yield

    def pooling_norm(self, model: Any) -> Any:
        return model.hiera.pooler.layernorm


def _attention(module: Any, attend: Attend, tokens: torch.Tensor) -> torch.Tensor:
    """Attend within mask units, or to all tokens, in the four dimensions that engines fuse: units join the batch.

    tokens: [N, T, D], of unit after unit for each place in a unit. Returns [N, T / stride, D'], where each query is the
    largest of `stride` tokens.
    """
    count, length, _ = tokens.shape
    stride, heads, width = module.query_stride, module.num_heads, module.head_dim
    each = stride * module.window_size if module.use_mask_unit_attn else length
    units = length // each
    parts = module.qkv(tokens).reshape(count, each, units, 3, heads, width).permute(3, 0, 2, 4, 1, 5)
    query, key, value = parts.reshape(3, count * units, heads, each, width).unbind(0)
    if stride > 1:
        query = query.reshape(count * units, heads, stride, each // stride, width).amax(dim=2)
    found = attend(query, key, value, None, module.scale)
    found = found.reshape(count, units, heads, -1, width).permute(0, 3, 1, 2, 4)
    joined: torch.Tensor = module.proj(found.reshape(count, length // stride, heads * width))
    return joined


FAMILIES = {"HieraForImageClassification": Hiera("hiera", "Hiera", "hiera")}
