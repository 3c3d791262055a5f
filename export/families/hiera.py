"""Hiera: mask units instead of windows, pooled queries, and a LayerNorm after pooling; exact class maps only."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

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

    def replace(self, model: Any, attend: Attend) -> AbstractContextManager[None]:
        return nullcontext()

    def pooling_norm(self, model: Any) -> Any:
        return model.hiera.pooler.layernorm


FAMILIES = {"HieraForImageClassification": Hiera("hiera", "Hiera", "hiera")}
