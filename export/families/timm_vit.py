"""Vision Transformers of timm: ViT, DeiT and DeiT-3, FlexiViT, MAE, CLIP, SigLIP, EVA-02, DINOv3, BEiT and others.

All of them reach transformers as TimmWrapperForImageClassification, and call PyTorch's attention function, whatever is
before it: rotary positions, normed queries and keys, relative position biases, layer scale.
"""

import warnings
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from vitscope.bundle import TokenGeometry
from vitscope.bundle.manifest import AttentionFrom
from vitscope.export.families.arrays import convolution
from vitscope.export.families.attention import replace_function, watch_function
from vitscope.export.families.family import Attend, Family, Linear, See, Sizes
from vitscope.export.families.heads import lens, lens_before_norm, mean_then_norm, norm_then_mean
from vitscope.export.families.timm_blocks import reading_of
from vitscope.export.families.timm_forms import POOLING, unsupported
from vitscope.export.families.timm_positions import other_positions
from vitscope.export.size import Size
from vitscope.export.tail import Reading

ARCHITECTURE = "TimmWrapperForImageClassification"


class TimmVit(Family):
    """Whatever timm builds of patches, equal blocks and a head on the class token, the mean or a pooling probe."""

    name, title = "timm-vit", "timm ViT"

    def refuses(self, config: Any) -> str:
        import timm

        with torch.device("meta"):
            model = timm.create_model(config.architecture, num_classes=config.num_labels, **(config.model_args or {}))
        return unsupported(config.architecture, model)

    def sizes(self, model: Any) -> Sizes:
        timm_model = model.timm_model
        attention = getattr(timm_model.blocks[-1], "attn", None) or timm_model.blocks[-1]
        heads, width = attention.num_heads, timm_model.embed_dim
        return Sizes(len(timm_model.blocks), heads, width, getattr(attention, "head_dim", width // heads))

    def native_size(self, model: Any) -> Size:
        return Size(*model.timm_model.patch_embed.img_size)

    def patch_size(self, model: Any) -> Size:
        embed = model.timm_model.patch_embed
        return Size(*(side // cells for side, cells in zip(embed.img_size, embed.grid_size, strict=True)))

    def geometry(self, model: Any, size: Size) -> TokenGeometry:
        timm_model, patch = model.timm_model, self.patch_size(model)
        distilled = hasattr(timm_model, "head_dist")
        pooling = "cls+distillation" if distilled else POOLING[timm_model.global_pool]
        has_class_token = timm_model.cls_token is not None
        source: AttentionFrom = "class_token" if has_class_token else "mean_of_patches"
        return TokenGeometry(
            patch_height=patch.height,
            patch_width=patch.width,
            grid_rows=size.height // patch.height,
            grid_cols=size.width // patch.width,
            cls_tokens=1 if has_class_token else 0,
            distillation_tokens=1 if distilled else 0,
            register_tokens=timm_model.num_prefix_tokens - has_class_token - distilled,
            pooling=pooling,
            attention_from="pooling_probe" if pooling == "attention" else source,
        )

    def resizes(self, model: Any, size: Size) -> str:
        native, patch = self.native_size(model), self.patch_size(model)
        if size == native:
            return ""
        if not hasattr(model.timm_model, "set_input_size"):
            return f"timm's {type(model.timm_model).__name__} takes no other size than that of its weights, {native}"
        if size.height % patch.height or size.width % patch.width:
            return f"not a multiple of the patch of {patch}"
        return ""

    def resize(self, model: Any, size: Size) -> None:
        if size != self.native_size(model):
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # timm's own use of a deprecated index
                model.timm_model.set_input_size(img_size=(size.height, size.width))

    def freeze(self, model: Any, size: Size) -> None:
        pass  # it was built for its size

    def last(self, model: Any) -> torch.nn.Module:
        norm: torch.nn.Module = model.timm_model.norm
        return norm

    def linear(self, model: Any, tokens: torch.Tensor) -> Linear | None:
        timm_model = model.timm_model
        if timm_model.global_pool != "avg":
            return None
        patches = tokens[:, timm_model.num_prefix_tokens :]
        norm = timm_model.fc_norm
        if isinstance(norm, torch.nn.LayerNorm):
            return mean_then_norm(patches, norm, timm_model.head)
        return norm_then_mean(patches, timm_model.head) if isinstance(norm, torch.nn.Identity) else None

    def blocks(self, model: Any) -> list[torch.nn.Module]:
        return list(model.timm_model.blocks)

    def lens(self, model: Any, states: torch.Tensor, tokens: TokenGeometry) -> torch.Tensor:
        timm_model = model.timm_model
        heads = [timm_model.head, *([timm_model.head_dist] if tokens.distillation_tokens else [])]
        normed, norm = timm_model.norm(states), timm_model.fc_norm
        if tokens.pooling == "mean" and isinstance(norm, torch.nn.LayerNorm):
            return lens_before_norm(normed, norm, timm_model.head, tokens)
        return lens(heads, norm(normed), tokens)

    def reading(self, model: Any) -> Reading | str:
        return reading_of(model.timm_model)

    def watch(self, model: Any, see: See) -> AbstractContextManager[None]:
        _call_the_function(model)
        return watch_function(see)

    def replace(self, model: Any, attend: Attend) -> AbstractContextManager[None]:
        _call_the_function(model)
        return replace_function(attend)

    def arrays(self, model: Any) -> dict[str, np.ndarray]:
        timm_model, tokens = model.timm_model, self.geometry(model, self.native_size(model))
        tensors = {**convolution(timm_model.patch_embed.proj), "head_weight": timm_model.head.weight}
        head_bias = timm_model.head.bias
        tensors["head_bias"] = torch.zeros(len(timm_model.head.weight)) if head_bias is None else head_bias
        for name, attribute in (("cls_token", "cls_token"), ("distillation_token", "dist_token")):
            if getattr(timm_model, attribute, None) is not None:
                tensors[name] = getattr(timm_model, attribute)[0, 0]
        if tokens.distillation_tokens:
            tensors["distillation_head_weight"] = timm_model.head_dist.weight
            tensors["distillation_head_bias"] = timm_model.head_dist.bias
        if getattr(timm_model, "reg_token", None) is not None:
            tensors["register_tokens"] = timm_model.reg_token[0]
        if getattr(timm_model, "pos_embed", None) is not None:
            tensors |= _positions(timm_model.pos_embed[0], tokens, tensors.get("register_tokens"))
        tensors |= other_positions(timm_model)
        norm = timm_model.norm if isinstance(timm_model.norm, torch.nn.LayerNorm) else timm_model.fc_norm
        if isinstance(norm, torch.nn.LayerNorm):
            tensors |= {"norm_weight": norm.weight, "norm_bias": norm.bias, "norm_eps": torch.tensor(norm.eps)}
        return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def _call_the_function(model: Any) -> None:
    """Have attention computed by PyTorch's function, whatever TIMM_FUSED_ATTN says."""
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = True


def _positions(table: torch.Tensor, tokens: TokenGeometry, registers: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Return the table with rows for the class token, the distillation token and the patches.

    A token without a row of its own gets zeros. Registers that have rows get them added.
    """
    first = tokens.cls_tokens + tokens.distillation_tokens
    own = len(table) - tokens.patches  # rows of prefix tokens
    given, of_registers, of_patches = table[: min(own, first)], table[first:own], table[own:]
    missing = table.new_zeros(first - len(given), table.shape[1])
    found = {"position_embeddings": torch.cat([given, missing, of_patches])}
    if registers is not None and len(of_registers):
        found["register_tokens"] = registers + of_registers
    return found


FAMILIES = {ARCHITECTURE: TimmVit()}
