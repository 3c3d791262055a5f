"""Encoders that add one position table to the patch embeddings: most Vision Transformers of transformers."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal

import numpy as np
import torch

from vitscope.bundle import Pooling, TokenGeometry
from vitscope.export.families.arrays import arrays_of
from vitscope.export.families.attention import replace_interface, watch_modules
from vitscope.export.families.blocks import reader
from vitscope.export.families.family import Attend, Family, Linear, See, Sizes
from vitscope.export.families.heads import norm_then_mean
from vitscope.export.size import Size
from vitscope.export.tail import Head, Reader, Reading
from vitscope.export.tail.layers import linear_of

# The tokens that are read in the last attention.
_READ: dict[Pooling, tuple[int, ...]] = {"cls": (0,), "cls+mean": (0,), "cls+distillation": (0, 1)}


@dataclass(frozen=True)
class Plain(Family):
    """The attribute names of the parts of a Hugging Face classification model.

    body: attribute of the transformer in the classification model. layers: path of the encoder blocks in the body.
    attention: of the attention in a block. norm: of the LayerNorm after the last block. heads: attributes of the linear
    classifier(s), by their prefix in explain.npz. always_interpolates: the model interpolates its position table for
    any input size by default; otherwise only with `interpolate_pos_encoding`.
    """

    name: str
    title: str
    body: str
    layers: str = "layers"
    attention: str = "attention"
    norm: str = "layernorm"
    pooling: Pooling = "cls"
    cls_tokens: Literal[0, 1] = 1
    distillation_tokens: Literal[0, 1] = 0
    always_interpolates: bool = False
    heads: Mapping[str, str] = field(default_factory=lambda: {"head": "classifier"})

    # Where the parts are; other layouts override these.

    def config(self, model: Any) -> Any:
        """Return the configuration of the encoder."""
        return model.config

    def embeddings(self, model: Any) -> Any:
        """Return the module with the position table, the patch embeddings and any prefix tokens."""
        return getattr(model, self.body).embeddings

    def projection(self, model: Any) -> Any:
        """Return the convolution of the patch embeddings."""
        return self.embeddings(model).patch_embeddings.projection

    def table(self, model: Any) -> torch.Tensor | None:
        """Return the position table, [1, prefix tokens with a position + patches, D]; None for a model without one."""
        table: torch.Tensor | None = self.embeddings(model).position_embeddings
        return table

    def set_table(self, model: Any, table: torch.nn.Parameter, size: Size) -> None:
        """Make this the table, which is for one input size."""
        embeddings = self.embeddings(model)
        embeddings.position_embeddings, embeddings.image_size = table, (size.height, size.width)
        embeddings.interpolate_pos_encoding = lambda *_: embeddings.position_embeddings

    def class_token(self, model: Any) -> torch.Tensor:
        """Return the class token, [D]."""
        token: torch.Tensor = self.embeddings(model).cls_token[0, 0]
        return token

    def blocks(self, model: Any) -> list[torch.nn.Module]:
        """Return the encoder blocks, first to last."""
        return list(attrgetter(self.layers)(getattr(model, self.body)))

    def pooling_norm(self, model: Any) -> torch.nn.Module | None:
        """Return the LayerNorm before or after pooling; None for a model without one."""
        return self.last(model)

    def registers(self, model: Any) -> int:
        """Count the learned tokens without position between the class token and the patches (arXiv:2309.16588)."""
        return getattr(self.config(model), "num_register_tokens", 0)

    # Family

    def sizes(self, model: Any) -> Sizes:
        config = self.config(model)
        return Sizes(config.num_hidden_layers, config.num_attention_heads, config.hidden_size)

    def native_size(self, model: Any) -> Size:
        return Size(*self.embeddings(model).patch_embeddings.image_size)

    def patch_size(self, model: Any) -> Size:
        return Size(*self.projection(model).kernel_size)

    def geometry(self, model: Any, size: Size) -> TokenGeometry:
        patch = self.patch_size(model)
        return TokenGeometry(
            patch_height=patch.height,
            patch_width=patch.width,
            grid_rows=size.height // patch.height,
            grid_cols=size.width // patch.width,
            cls_tokens=self.cls_tokens,
            distillation_tokens=self.distillation_tokens,
            register_tokens=self.registers(model),
            pooling=self.pooling,
            attention_from="class_token" if self.cls_tokens else "mean_of_patches",
        )

    def resizes(self, model: Any, size: Size) -> str:
        native, patch = self.native_size(model), self.patch_size(model)
        if not self.always_interpolates and size == native:
            return ""
        # transformers interpolates the table as a square grid of square patches; other tables only fit their own size.
        if native.height == native.width and patch.height == patch.width:
            return ""
        return (
            f"the position table is for {native} with patches of {patch}, and {self.title} interpolates square tables "
            f"only; accepted: {'no size' if self.always_interpolates else native}"
        )

    def options(self, model: Any, size: Size) -> Mapping[str, Any]:
        interpolate = not self.always_interpolates and size != self.native_size(model)
        return {"interpolate_pos_encoding": True} if interpolate else {}

    @torch.inference_mode()
    def table_at(self, model: Any, size: Size) -> torch.Tensor | None:
        """Return the table that the model adds at this input size, by its own interpolation; None without one."""
        table = self.table(model)
        if table is None or (size == self.native_size(model) and not self.always_interpolates):
            return table
        tokens = self.geometry(model, size)
        length = tokens.cls_tokens + tokens.distillation_tokens + tokens.patches
        empty = torch.empty(1, length, self.sizes(model).width)
        at: torch.Tensor = self.embeddings(model).interpolate_pos_encoding(empty, size.height, size.width)
        return at

    def freeze(self, model: Any, size: Size) -> None:
        table = self.table_at(model, size)
        if table is not None:
            self.set_table(model, torch.nn.Parameter(table.detach().clone(), requires_grad=False), size)

    def last(self, model: Any) -> torch.nn.Module:
        norm: torch.nn.Module = getattr(getattr(model, self.body), self.norm)
        return norm

    def linear(self, model: Any, tokens: torch.Tensor) -> Linear | None:
        return norm_then_mean(tokens[:, self.cls_tokens :], model.classifier) if self.pooling == "mean" else None

    def reading(self, model: Any) -> Reading | str:
        readers = list[Reader]()
        for token in _READ[self.geometry(model, self.native_size(model)).pooling]:
            found = reader(self.blocks(model)[-1], self.sizes(model).layers - 1, token, self.last(model))
            if isinstance(found, str):
                return found
            readers.append(found)
        heads = [linear_of(getattr(model, attribute)) for attribute in self.heads.values()]
        return Reading(tuple(readers), Head(tuple(heads), shared=len(heads) == 1), self.averaged(model))

    def averaged(self, model: Any) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """Return what takes the patches out of the last tokens, if the head reads their mean beside a token's."""
        prefix = self.cls_tokens + self.distillation_tokens + self.registers(model)
        return (lambda tokens: tokens[:, prefix:]) if self.pooling == "cls+mean" else None

    def watch(self, model: Any, see: See) -> AbstractContextManager[None]:
        return watch_modules(model, [getattr(block, self.attention) for block in self.blocks(model)], see)

    def replace(self, model: Any, attend: Attend) -> AbstractContextManager[None]:
        return replace_interface(model, attend)

    def arrays(self, model: Any) -> dict[str, np.ndarray]:
        more, embeddings = {}, self.embeddings(model)
        if self.cls_tokens:
            more["cls_token"] = self.class_token(model)
        if self.distillation_tokens:
            more["distillation_token"] = embeddings.distillation_token[0, 0]
        if self.registers(model):
            more["register_tokens"] = embeddings.register_tokens[0]
        heads = {prefix: getattr(model, attribute) for prefix, attribute in self.heads.items()}
        return arrays_of(self.projection(model), self.pooling_norm(model), self.table(model), heads, **more)
