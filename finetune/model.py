"""The initial weights: a pre-trained checkpoint with a new head, or a small ViT with random weights."""

from dataclasses import dataclass
from typing import Any

from transformers import AutoImageProcessor, AutoModelForImageClassification, ViTConfig, ViTForImageClassification

# From its own module: without torchvision, the name that transformers exports gives a warning first.
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from vitscope.finetune.errors import FinetuneError


@dataclass(frozen=True)
class Scratch:
    """Shape of a ViT trained from random weights. Sizes are in pixels; `width` is the token dimension."""

    image_size: int = 28
    patch_size: int = 4
    width: int = 192
    depth: int = 6
    heads: int = 6
    mean: float = 0.5
    std: float = 0.5


def from_scratch(shape: Scratch, labels: list[str]) -> tuple[Any, Any]:
    """Create a randomly initialised `ViTForImageClassification` and its processor (plain resize, one mean and std).

    Raises FinetuneError for a shape that does not divide evenly.
    """
    if shape.image_size % shape.patch_size:
        raise FinetuneError(f"--image-size {shape.image_size} is not a multiple of --patch-size {shape.patch_size}")
    if shape.width % shape.heads:
        raise FinetuneError(f"--width {shape.width} is not a multiple of --heads {shape.heads}")
    config = ViTConfig(
        image_size=shape.image_size,
        patch_size=shape.patch_size,
        hidden_size=shape.width,
        intermediate_size=4 * shape.width,
        num_hidden_layers=shape.depth,
        num_attention_heads=shape.heads,
        **_label_maps(labels),
    )
    size = {"height": shape.image_size, "width": shape.image_size}
    processor = ViTImageProcessorPil(size=size, image_mean=[shape.mean] * 3, image_std=[shape.std] * 3)
    return ViTForImageClassification(config), processor


def from_pretrained(source: str, labels: list[str]) -> tuple[Any, Any]:
    """Load a pre-trained checkpoint (local folder or hub id) and replace its head by one for `labels`.

    Raises FinetuneError if the checkpoint cannot be read.
    """
    try:
        processor = AutoImageProcessor.from_pretrained(source, backend="pil")
        model = AutoModelForImageClassification.from_pretrained(
            source, ignore_mismatched_sizes=True, **_label_maps(labels)
        )
    except (OSError, ValueError) as error:
        raise FinetuneError(f"--base {source}: not a loadable image classification checkpoint: {error}") from error
    return model, processor


def _label_maps(labels: list[str]) -> dict[str, Any]:
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {name: index for index, name in enumerate(labels)},
        # What it is trained for. A base may have been trained for something else, and readers go by this.
        "problem_type": "single_label_classification",
    }
