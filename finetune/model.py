"""The initial weights: a pre-trained checkpoint with a new head, or a small ViT with random weights."""

from collections.abc import Sequence
from typing import Any

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

# From its own module: without torchvision, the name that transformers exports gives a warning first.
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
from transformers.utils import logging

from vitscope.finetune.errors import FinetuneError
from vitscope.finetune.recipe import Scratch


def quiet() -> None:
    """Keep transformers from writing between the lines of the progress display."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def from_scratch(shape: Scratch, labels: Sequence[str]) -> tuple[Any, Any]:
    """Create a randomly initialised `ViTForImageClassification` and its processor (plain resize, one mean and std).

    Raises FinetuneError for a shape that does not divide evenly.
    """
    for name, value in (("image-size", shape.image_size), ("patch-size", shape.patch_size), ("width", shape.width),
                        ("depth", shape.depth), ("heads", shape.heads)):  # fmt: skip
        if value < 1:
            raise FinetuneError(f"--{name} is {value}; accepted: 1 or more")
    if not shape.std > 0:
        raise FinetuneError(f"--std is {shape.std}; accepted: more than 0")
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


def from_pretrained(source: str, labels: Sequence[str]) -> tuple[Any, Any]:
    """Load a pre-trained checkpoint (local folder or hub id) and replace its head by one for `labels`.

    A backbone without a head, such as a `Dinov2Model`, gets one. Raises FinetuneError if it cannot be read.
    """
    try:
        config = AutoConfig.from_pretrained(source)
        processor = AutoImageProcessor.from_pretrained(source, backend="pil")
        model = AutoModelForImageClassification.from_pretrained(
            source, ignore_mismatched_sizes=True, dtype="float32", **_label_maps(labels)
        )
    except Exception as error:  # whatever a damaged file makes the readers of configurations and weights raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FinetuneError(f"--base {source}: not a loadable image classification checkpoint: {reason}") from error
    channels = getattr(config, "num_channels", 3)
    if channels != 3:
        raise FinetuneError(f"--base {source}: takes images of {channels} channels; accepted: 3 (RGB)")
    return model, processor


def width_of(model: Any) -> int:
    """Return the token dimension of a model; of several stages, that of the last."""
    config = model.config
    for name in ("hidden_size", "embed_dim", "hidden_dim"):
        if isinstance(value := getattr(config, name, None), int):
            return value
    sizes = getattr(config, "hidden_sizes", None) or getattr(config, "neck_hidden_sizes", None)
    return int(sizes[-1]) if sizes else 768


def _label_maps(labels: Sequence[str]) -> dict[str, Any]:
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {name: index for index, name in enumerate(labels)},
        # What is trained here: exactly one label per image. A base's own `problem_type` would stay in config.json, and
        # say of a model for one label that its scores are of several, or no probabilities at all.
        "problem_type": "single_label_classification",
    }
