"""Swin: attention within shifted windows, and blocks that merge patches. No map of attention, but exact class maps."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vitscope.bundle import TokenGeometry
from vitscope.export.families.arrays import arrays_of
from vitscope.export.families.attention import replace_interface
from vitscope.export.families.family import Attend, Family, Linear, See, Sizes
from vitscope.export.families.heads import norm_then_mean
from vitscope.export.families.offsets import pairs
from vitscope.export.size import Size


@dataclass(frozen=True)
class Swin(Family):
    """The head is linear on the mean of the last stage's normed patches. body: attribute of the encoder."""

    name: str
    title: str
    body: str

    def sizes(self, model: Any) -> Sizes:
        config = model.config
        heads, width = config.num_heads[-1], config.hidden_size
        return Sizes(sum(config.depths), heads, width, width // heads)

    def native_size(self, model: Any) -> Size:
        return _size(model.config.image_size)

    def merged(self, model: Any) -> tuple[int, int]:
        """Return how many of the first patches one cell of the last stage covers, in rows and columns."""
        factor = 2 ** (len(model.config.depths) - 1)
        return factor, factor

    def patch_size(self, model: Any) -> Size:
        (height, width), (rows, cols) = self.projection(model).stride, self.merged(model)
        return Size(height * rows, width * cols)

    def geometry(self, model: Any, size: Size) -> TokenGeometry:
        patch = self.patch_size(model)
        return TokenGeometry(
            patch_height=patch.height,
            patch_width=patch.width,
            grid_rows=size.height // patch.height,
            grid_cols=size.width // patch.width,
            cls_tokens=0,
            pooling="mean",
            attention_from=None,
        )

    def resizes(self, model: Any, size: Size) -> str:
        patch, native = self.patch_size(model), self.native_size(model)
        if size.height % patch.height or size.width % patch.width:
            return f"{self.title} merges patches into cells of {patch}, and pads the rest; accepted: multiples of it"
        if size == native:
            return ""
        if self.table(model) is not None and native.height != native.width:
            return f"{self.title} interpolates square position tables only; accepted: {native}"
        return self.windows_fit(model, size)

    def windows_fit(self, model: Any, size: Size) -> str:
        """Return why the windows do not fit into an input of this size; empty if they do."""
        window, patch = model.config.window_size, self.patch_size(model)
        if min(size.height // patch.height, size.width // patch.width) >= window:
            return ""
        smallest = Size(patch.height * window, patch.width * window)
        return f"{self.title}'s windows of {window} patches do not fit into its last stage; accepted: from {smallest}"

    def options(self, model: Any, size: Size) -> Mapping[str, Any]:
        other = self.table(model) is not None and size != self.native_size(model)
        return {"interpolate_pos_encoding": True} if other else {}

    @torch.no_grad()
    def freeze(self, model: Any, size: Size) -> None:
        if self.options(model, size):
            height, width = self.projection(model).stride
            empty = torch.empty(1, (size.height // height) * (size.width // width), model.config.embed_dim)
            table = torch.nn.Parameter(self.table_at(model, size, empty).clone(), requires_grad=False)
            self.embeddings(model).position_embeddings = table
        self.freeze_blocks(model, size)

    def table_at(self, model: Any, size: Size, tokens: torch.Tensor) -> torch.Tensor:
        """Return the position table at this input size, as the model interpolates it. tokens: of the right shape."""
        table: torch.Tensor = self.embeddings(model).interpolate_pos_encoding(tokens, size.height, size.width)
        return table

    def freeze_blocks(self, model: Any, size: Size) -> None:
        """Keep the masks that blocks compute from the size alone, in a pass over an empty image."""
        blocks = [block for stage in getattr(model, self.body).encoder.layers for block in stage.blocks]
        for block in blocks:
            block.get_attn_mask = _Once(block.get_attn_mask)
        self.logits(model, torch.zeros(1, 3, size.height, size.width), {})

    def last(self, model: Any) -> torch.nn.Module:
        norm: torch.nn.Module = getattr(model, self.body).layernorm
        return norm

    def linear(self, model: Any, tokens: torch.Tensor) -> Linear | None:
        return norm_then_mean(tokens, model.classifier)

    def watch(self, model: Any, see: See) -> AbstractContextManager[None]:
        return nullcontext()

    def replace(self, model: Any, attend: Attend) -> AbstractContextManager[None]:
        return replace_interface(model, attend)

    def embeddings(self, model: Any) -> Any:
        """Return the module with the patch embeddings and the position table."""
        return getattr(model, self.body).embeddings

    def projection(self, model: Any) -> Any:
        """Return the convolution of the patch embeddings."""
        return self.embeddings(model).patch_embeddings.projection

    def table(self, model: Any) -> torch.Tensor | None:
        """Return the position table, [1, first patches, D]; None for a model without one."""
        table: torch.Tensor | None = self.embeddings(model).position_embeddings
        return table

    def pooling_norm(self, model: Any) -> Any:
        """Return the LayerNorm before or after pooling."""
        return self.last(model)

    def arrays(self, model: Any) -> dict[str, np.ndarray]:
        heads, more = {"head": model.classifier}, {}
        module = next((one for one in model.modules() if hasattr(one, "relative_position_index")), None)
        if module is not None:
            window = module.window_size
            query, key = pairs(*window)
            index = module.relative_position_index.view(window[0] * window[1], -1)[query, key]
            more["relative_bias"] = self.relative(module)[index].permute(2, 0, 1)
        return arrays_of(self.projection(model), self.pooling_norm(model), self.table(model), heads, **more)

    def relative(self, module: Any) -> torch.Tensor:
        """Return what is added to the scores within a window, [entries, heads], by `relative_position_index`."""
        table: torch.Tensor = module.relative_position_bias_table
        return table


class _Once:
    """A function of the input size whose first result is a constant from then on."""

    def __init__(self, compute: Any) -> None:
        self._compute, self._found = compute, list[torch.Tensor | None]()

    def __call__(self, *arguments: Any, **named: Any) -> torch.Tensor | None:
        if not self._found:
            self._found.append(self._compute(*arguments, **named))
        return self._found[0]


def _size(given: Any) -> Size:
    return Size(*given) if isinstance(given, list | tuple) else Size(given, given)


FAMILIES = {"SwinForImageClassification": Swin("swin", "Swin", "swin")}
