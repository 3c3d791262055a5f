"""Tiny checkpoints of the families beyond those in tests/export/checkpoints.py, and of their forms by configuration."""

from collections.abc import Callable
from typing import Any

import transformers
from transformers.models.beit.image_processing_pil_beit import BeitImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.export.checkpoints import SHAPE, vit

LABELS = {key: SHAPE[key] for key in ("id2label", "label2id")}
BLOCKS = {key: value for key, value in SHAPE.items() if key not in LABELS}


def processor(side: int = 32) -> Any:
    return ViTImageProcessorPil(size={"height": side, "width": side})


def plain(kind: str, **changes: Any) -> tuple[Any, Any]:
    """Make a model whose configuration is that of ViT: ViTMSN, IJepa, Beit, Data2VecVision."""
    config = getattr(transformers, f"{kind}Config")(**{**SHAPE, "image_size": 32, "patch_size": 8, **changes})
    return getattr(transformers, f"{kind}ForImageClassification")(config), processor()


def clip(kind: str, **changes: Any) -> tuple[Any, Any]:
    """Make a model whose configuration has one part for images: CLIP, MetaClip2, Siglip."""
    vision = {**BLOCKS, "image_size": 32, "patch_size": 8, **changes}
    config = getattr(transformers, f"{kind}Config")(vision_config=vision, text_config=BLOCKS, **LABELS)
    return getattr(transformers, f"{kind}ForImageClassification")(config), processor()


def swin(kind: str, side: int = 32, **changes: Any) -> tuple[Any, Any]:
    """Make a Swin or Swinv2 with windows of 4, which its second stage does not divide at 40 pixels."""
    shape = {"embed_dim": 16, "depths": [2, 1], "num_heads": [1, 2], "window_size": 4, "patch_size": 4}
    config = getattr(transformers, f"{kind}Config")(**{**LABELS, **shape, "image_size": side, **changes})
    return getattr(transformers, f"{kind}ForImageClassification")(config), processor(side)


def hiera(**changes: Any) -> tuple[Any, Any]:
    shape = {
        "embed_dim": 16, "depths": [1, 1, 2], "num_heads": [1, 2, 4], "image_size": [64, 64], "num_query_pool": 2,
        "masked_unit_size": [4, 4], "masked_unit_attention": [True, True, False],
    }  # fmt: skip
    config = transformers.HieraConfig(**{**LABELS, **shape, **changes})
    return transformers.HieraForImageClassification(config), processor(64)


def beit(kind: str, **changes: Any) -> tuple[Any, Any]:
    """Make a model with the image processor of published BEiT and Data2Vec checkpoints."""
    return plain(kind, **changes)[0], BeitImageProcessorPil(size={"height": 32, "width": 32})


MAKERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "vit-msn": lambda: plain("ViTMSN"),
    "ijepa": lambda: plain("IJepa"),
    "beit": lambda: beit("Beit", use_relative_position_bias=True),
    "data2vec-vision": lambda: beit("Data2VecVision", use_relative_position_bias=True),
    "clip": lambda: clip("CLIP"),
    "metaclip-2": lambda: clip("MetaClip2"),
    "siglip": lambda: clip("Siglip"),
    "swin": lambda: swin("Swin"),
    "swinv2": lambda: swin("Swinv2"),
    "hiera": hiera,
}

# What configurations switch on and off within a family, by its name and the form's.
FORMS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "vit no-bias": lambda: vit(qkv_bias=False, hidden_act="gelu_pytorch_tanh"),
    "ijepa relu": lambda: plain("IJepa", hidden_act="relu", qkv_bias=False),
    "beit class-token": lambda: plain("Beit", use_relative_position_bias=True, use_mean_pooling=False),
    "beit shared": lambda: plain("Beit", use_shared_relative_position_bias=True, layer_scale_init_value=0.0),
    "beit both": lambda: plain("Beit", use_shared_relative_position_bias=True, use_relative_position_bias=True),
    "beit absolute": lambda: plain("Beit", use_absolute_position_embeddings=True),
    "beit none": lambda: plain("Beit"),
    "data2vec-vision absolute": lambda: plain(
        "Data2VecVision", use_absolute_position_embeddings=True, use_mean_pooling=False, use_mask_token=True
    ),
    "data2vec-vision shared": lambda: plain("Data2VecVision", use_shared_relative_position_bias=True),
    "clip quick-gelu": lambda: clip("CLIP", hidden_act="quick_gelu"),
    "siglip no-head": lambda: clip("Siglip", vision_use_head=False),
    "swin absolute": lambda: swin("Swin", use_absolute_embeddings=True, qkv_bias=False),
    "swin padded": lambda: swin("Swin", 40),
    "swinv2 padded": lambda: swin("Swinv2", 40),
    "swinv2 pretrained": lambda: swin("Swinv2", pretrained_window_sizes=[2, 2]),
    "hiera unpooled": lambda: hiera(num_query_pool=1),
}
