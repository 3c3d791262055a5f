"""BEiT and Data2Vec-vision: relative position biases, of each block or shared, and a LayerNorm after pooling."""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from vitscope.bundle import TokenGeometry
from vitscope.export.families.attention import replace_function, watch_function
from vitscope.export.families.family import Attend, Linear, See
from vitscope.export.families.heads import lens_before_norm, mean_then_norm
from vitscope.export.families.offsets import pairs
from vitscope.export.families.plain import Plain
from vitscope.export.size import Size


class Beit(Plain):
    """The head reads the mean over patches, or the class token (`use_mean_pooling`)."""

    def geometry(self, model: Any, size: Size) -> TokenGeometry:
        pooling = "mean" if model.config.use_mean_pooling else "cls"
        return super().geometry(model, size).model_copy(update={"pooling": pooling})

    def resizes(self, model: Any, size: Size) -> str:
        native, patch = self.native_size(model), self.patch_size(model)
        if patch.height != patch.width:
            return f"{self.title} has no form for patches of {patch}; accepted are square ones"
        if native.height != native.width:
            return f"{self.title} takes square position tables only, and this one is for {native}"
        return ""

    def freeze(self, model: Any, size: Size) -> None:
        super().freeze(model, size)
        patch = self.patch_size(model)
        grid = (size.height // patch.height, size.width // patch.width)
        for module in model.modules():
            if hasattr(module, "relative_position_bias_table"):
                frozen = FrozenBias(module, grid)
                module.forward = frozen.forward
                module.frozen = frozen

    def last(self, model: Any) -> torch.nn.Module:
        body = getattr(model, self.body)
        norm: torch.nn.Module = body.layernorm
        return norm

    def linear(self, model: Any, tokens: torch.Tensor) -> Linear | None:
        if not model.config.use_mean_pooling:
            return None
        return mean_then_norm(tokens[:, 1:], getattr(model, self.body).pooler.layernorm, model.classifier)

    def lens(self, model: Any, states: torch.Tensor, tokens: TokenGeometry) -> torch.Tensor:
        if not model.config.use_mean_pooling:
            return super().lens(model, states, tokens)
        return lens_before_norm(
            self.last(model)(states), getattr(model, self.body).pooler.layernorm, model.classifier, tokens
        )

    def pooling_norm(self, model: Any) -> torch.nn.Module | None:
        pooler_norm: torch.nn.Module | None = getattr(model, self.body).pooler.layernorm
        return pooler_norm or self.last(model)

    def arrays(self, model: Any) -> dict[str, np.ndarray]:
        frozen = next((module.frozen for module in model.modules() if hasattr(module, "frozen")), None)
        relative = {} if frozen is None else {"relative_bias": frozen.by_distance().detach().numpy()}
        return super().arrays(model) | relative


class Data2Vec(Beit):
    """The same layers in older code, which calls PyTorch's attention directly."""

    def watch(self, model: Any, see: See) -> AbstractContextManager[None]:
        return watch_function(see)

    def replace(self, model: Any, attend: Attend) -> AbstractContextManager[None]:
        return replace_function(attend)


class FrozenBias(torch.nn.Module):
    """The bias of a module for one grid of patches: a table interpolated once, and an index that all blocks share.

    The bias itself would be hundreds of megabytes in a large model: [heads, T, T] for each block.
    """

    index: torch.Tensor

    @torch.no_grad()
    def __init__(self, module: Any, grid: tuple[int, int]) -> None:
        super().__init__()
        (bias,) = module(grid)
        self.tokens, self.grid = bias.shape[-1], grid
        index = module.generate_relative_position_index(grid).view(-1)
        table = torch.zeros(int(index.max()) + 1, len(bias))
        table[index] = bias.permute(1, 2, 0).reshape(-1, len(bias))
        self.table = torch.nn.Parameter(table, requires_grad=False)
        self.register_buffer("index", index)

    def forward(self, *_: Any, **__: Any) -> torch.Tensor:
        """Return [1, heads, T, T]."""
        bias = torch.index_select(self.table, 0, self.index)
        return bias.view(self.tokens, self.tokens, -1).permute(2, 0, 1)[None]

    def by_distance(self) -> torch.Tensor:
        """Return the bias between patches, [heads, 2 R - 1, 2 C - 1]; see `pairs`."""
        query, key = pairs(*self.grid)
        prefix = self.tokens - self.grid[0] * self.grid[1]
        return self.table[self.index.view(self.tokens, -1)[prefix + query, prefix + key]].permute(2, 0, 1)


_BEIT = Beit("beit", "BEiT", "beit", pooling="mean", always_interpolates=True)

FAMILIES = {
    "BeitForImageClassification": _BEIT,
    "Data2VecVisionForImageClassification": Data2Vec(
        "data2vec-vision", "Data2Vec", "data2vec_vision", layers="encoder.layer", pooling="mean",
        always_interpolates=True,
    ),
}  # fmt: skip
