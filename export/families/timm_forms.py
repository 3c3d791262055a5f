"""Which models of timm can be exported, by what they are built of."""

from typing import Any

import torch

from vitscope.bundle import Pooling
from vitscope.export.size import Size

POOLING: dict[str, Pooling] = {"token": "cls", "avg": "mean", "map": "attention"}
# A block of these calls attention once. (The names of the classes: timm is an extra, and is imported nowhere here.)
_BLOCKS = ("Block", "ResPostBlock", "ParallelScalingBlock", "EvaBlock", "EvaBlockPostNorm", "RelPosBlock",
           "ResPostRelPosBlock")  # fmt: skip
_ATTENTION = ("Attention", "AttentionRope", "EvaAttention", "RelPosAttention", "NoneType")


def unsupported(name: str, model: Any) -> str:
    """Return why a model of timm cannot be exported; empty if it can."""
    accepted = "accepted are its Vision Transformers (ViT, DeiT, FlexiViT, EVA, DINOv3, SigLIP, BEiT and the like)"
    blocks = getattr(model, "blocks", None)
    if not isinstance(blocks, torch.nn.ModuleList | torch.nn.Sequential) or not _has(model):
        return f"timm's {name} is a {type(model).__name__}; {accepted}"
    if other := next((kind for block in blocks if (kind := type(block).__name__) not in _BLOCKS), None):
        return f"timm's {name} has blocks of the kind {other}; accepted are those that attend once, to all tokens"
    kinds = {type(getattr(block, "attn", None)).__name__ for block in blocks}
    if other := next((kind for kind in kinds if kind not in _ATTENTION), None):
        return f"timm's {name} has attention of the kind {other}; accepted is softmax attention of all tokens"
    if len({getattr(block, "attn", block).num_heads for block in blocks}) > 1:
        return f"timm's {name} has blocks of different numbers of heads; accepted is one number"
    if not hasattr(model, "head_dist") and model.global_pool not in POOLING:
        return f"timm's {name} pools by {model.global_pool!r}; accepted are {', '.join(POOLING)}"
    if model.global_pool == "map" and getattr(model.attn_pool, "latent_len", 1) != 1:
        return f"timm's {name} pools with {model.attn_pool.latent_len} probes; accepted is 1"
    if not isinstance(getattr(model.patch_embed, "proj", None), torch.nn.Conv2d) or hasattr(
        model.patch_embed, "backbone"
    ):
        return f"timm's {name} has no patches cut by one convolution (its first layer is another network)"
    if model.patch_embed.proj.in_channels != 3:
        return f"timm's {name} takes images of {model.patch_embed.proj.in_channels} channels; accepted: 3 (RGB)"
    if reason := _unfit(model.patch_embed):
        return f"timm's {name} {reason}"
    if getattr(model, "pool_include_prefix", False):
        return f"timm's {name} pools patches and prefix tokens alike (pool_include_prefix); accepted: patches alone"
    if not isinstance(model.head, torch.nn.Linear):
        return f"timm's {name} has no classifier (its head is {type(model.head).__name__}); accepted is a linear one"
    return ""


def _has(model: Any) -> bool:
    return hasattr(model, "num_prefix_tokens") and hasattr(model, "patch_embed")


def _unfit(embed: Any) -> str:
    """Return why the patches do not fit the size; empty if they do, or if a remainder is dropped."""
    moves = getattr(embed, "dynamic_img_pad", False) or not getattr(embed, "strict_img_size", True)
    size, patch = Size(*embed.img_size), Size(*embed.patch_size)
    if not moves or (size.height % patch.height == 0 and size.width % patch.width == 0):
        return ""
    return f"is for {size} (img_size), which is not a multiple of its patch of {patch}; accepted: a multiple"
