"""torchvision's Vision Transformers under timm's names: the same layers, and weights that are stacked alike."""

import re
from typing import Any

import torch

MODELS = {
    "vit_b_16": "vit_base_patch16_224",
    "vit_b_32": "vit_base_patch32_224",
    "vit_l_16": "vit_large_patch16_224",
    "vit_l_32": "vit_large_patch32_224",
    "vit_h_14": "vit_huge_patch14_224",
}
"""torchvision's name -> timm's."""

PREPROCESSING: dict[str, Any] = {
    "input_size": [3, 224, 224], "interpolation": "bilinear", "crop_pct": 0.875, "crop_mode": "center",
    "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
}  # fmt: skip
"""ViT_B_16_Weights.IMAGENET1K_V1.transforms(), and those of the other sizes."""

_RENAMED = (
    (r"encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_1\.", ".norm1."),
    (r"\.ln_2\.", ".norm2."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(?:0|linear_1)\.", ".mlp.fc1."),
    (r"\.mlp\.(?:3|linear_2)\.", ".mlp.fc2."),
    (r"(^|\.)conv_proj\.", r"\1patch_embed.proj."),
    (r"(^|\.)class_token$", r"\1cls_token"),
    (r"(^|\.)encoder\.pos_embedding$", r"\1pos_embed"),
    (r"(^|\.)encoder\.ln\.", r"\1norm."),
    (r"(^|\.)heads\.(?:head|0)\.", r"\1head."),
)


def rename(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights under timm's names. Names that torchvision does not have are left as they are."""
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in _RENAMED:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return renamed
