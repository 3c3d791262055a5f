"""Tiny models of timm with random weights, saved as timm saves them for the hub."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

LABELS = ("cup", "cat", "rocket", "flower", "temple")
SHAPE = {"embed_dim": 48, "depth": 1, "num_heads": 3, "img_size": 32, "patch_size": 8}

MODELS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ViT": ("vit_tiny_patch16_224", {}),
    "DeiT-3": ("deit3_small_patch16_224", {}),
    "DeiT distilled": ("deit_tiny_distilled_patch16_224", {}),
    "FlexiViT": ("flexivit_small", {}),
    "MAE, mean of patches": ("vit_base_patch16_224", {"global_pool": "avg"}),
    "registers, mean, no class token": ("vit_betwixt_patch16_reg4_gap_256", {}),
    "SO150M, registers with positions": ("vit_so150m_patch16_reg4_gap_256", {}),
    "SigLIP, pooling probe": ("vit_base_patch16_siglip_224", {}),
    "SO400M, its own widths": (
        "vit_so400m_patch14_siglip_224",
        {
            "embed_dim": 1152,
            "num_heads": 16,
            "patch_size": 14,
            "img_size": 56,
        },
    ),
    "registers, pooling probe without them": ("vit_so150m_patch16_reg4_map_256", {}),
    "CLIP": ("vit_base_patch16_clip_224", {}),
    "DINOv2, registers": ("vit_small_patch14_reg4_dinov2", {}),
    "EVA-02, RoPE, SwiGLU": ("eva02_tiny_patch14_224", {}),
    "DINOv3, RoPE, registers": ("vit_small_patch16_dinov3", {}),
    "RoPE of each block": ("vit_small_patch16_rope_mixed_224", {}),
    "Perception Encoder, probe": ("vit_pe_core_tiny_patch16_384", {"attn_pool_num_heads": 2}),
    "BEiT, relative positions": ("beit_base_patch16_224", {}),
    "BEiT v2, class token": ("beitv2_base_patch16_224", {"global_pool": "token"}),
    "QK-norm, parallel MLP": ("vit_base_patch16_xp_224", {}),
    "relative positions, no class token": ("vit_relpos_small_patch16_224", {}),
    "norms after blocks": ("vit_base_patch16_rpn_224", {}),
    "AIMv2, RMSNorm, SwiGLU": ("aimv2_large_patch14_224", {}),
}
"""What each stands for -> its name in timm, and arguments beside those of its size."""


def save(folder: Path, name: str, **arguments: Any) -> Path:
    """Save a model with weights of enough variance for distinct classes."""
    import timm

    given = {**SHAPE, **arguments}
    model = timm.create_model(name, num_classes=len(LABELS), **given)
    generator, spread = torch.Generator().manual_seed(7), 0.25 * (SHAPE["embed_dim"] / given["embed_dim"]) ** 0.5
    with torch.no_grad():
        for parameter, tensor in model.named_parameters():
            if tensor.ndim > 1:
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * (1.0 if "head" in parameter else spread))
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(dict(model.state_dict()), folder / "model.safetensors")
    settings = {**model.pretrained_cfg, "input_size": [3, 32, 32], "crop_pct": 0.9, "interpolation": "bicubic"}
    config = {
        "architecture": name,
        "num_classes": len(LABELS),
        "num_features": model.num_features,
        "label_names": list(LABELS),
        "model_args": given,
        "pretrained_cfg": {key: value for key, value in settings.items() if value is not None and key != "custom_load"},
    }
    (folder / "config.json").write_text(json.dumps(config, default=str))
    return folder
