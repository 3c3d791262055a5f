"""Tiny checkpoints of every family with random weights, in Hugging Face format."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from vitscope.export.families import Family, family_of

LABELS = ("cup", "cat", "rocket", "flower", "temple")
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "id2label": dict(enumerate(LABELS)),
    "label2id": {name: index for index, name in enumerate(LABELS)},
}


def vit(**changes: Any) -> tuple[Any, Any]:
    config = transformers.ViTConfig(**{**SHAPE, "image_size": 32, "patch_size": 8, **changes})
    return transformers.ViTForImageClassification(config), ViTImageProcessorPil(size={"height": 32, "width": 32})


def deit(teacher: bool = False) -> tuple[Any, Any]:
    config = transformers.DeiTConfig(**SHAPE, image_size=32, patch_size=8)
    kind = transformers.DeiTForImageClassificationWithTeacher if teacher else transformers.DeiTForImageClassification
    return kind(config), DeiTImageProcessorPil(size={"height": 40, "width": 40}, crop_size={"height": 32, "width": 32})


def dinov2(registers: int = 0, **changes: Any) -> tuple[Any, Any]:
    """Make a DINOv2 with positions for 56 pixels and a processor for 42; published checkpoints have 518 and 224."""
    shape = {**SHAPE, "image_size": 56, "patch_size": 14, "mlp_ratio": 2, **changes}
    del shape["intermediate_size"]
    processor = BitImageProcessorPil(size={"shortest_edge": 48}, crop_size={"height": 42, "width": 42})
    if registers:
        registered = transformers.Dinov2WithRegistersConfig(**shape, num_register_tokens=registers)
        return transformers.Dinov2WithRegistersForImageClassification(registered), processor
    return transformers.Dinov2ForImageClassification(transformers.Dinov2Config(**shape)), processor


MAKERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "vit": vit,
    "deit": deit,
    "deit-distilled": lambda: deit(teacher=True),
    "dinov2": dinov2,
    "dinov2-with-registers": lambda: dinov2(registers=4),
}


def made(name: str) -> tuple[Any, Family]:
    """Make the model of a checkpoint, in evaluation mode, and find its family."""
    model = MAKERS[name]()[0].eval()
    model.config.architectures = [type(model).__name__]
    return model, family_of(model.config)


def save(folder: Path, made: tuple[Any, Any]) -> Path:
    """Save a checkpoint with weights of enough variance for distinct classes and attention that is far from uniform."""
    model, processor = made
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                spread = 1.0 if "classifier" in name else 0.25
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
