"""The options that set a field of the recipe or of the shape, with their texts."""

import argparse
from typing import Any

SCRATCH = {
    "image_size": "input side in pixels; with --base, the model is resized",
    "patch_size": "patch side in pixels; likewise",
    "width": "token dimension",
    "depth": "encoder blocks; deeper models need more images",
    "heads": "attention heads",
    "mean": "pixel mean, 0..1",
    "std": "pixel standard deviation, 0..1",
}
RECIPE = {
    "epochs": "passes over the training images, at most",
    "patience": "epochs without a better validation result before the end",
    "batch_size": "images in a batch",
    "accumulate": "batches in a step: more with less memory",
    "learning_rate": "peak learning rate",
    "layer_decay": "learning rate of each layer, as a share of that of the one above",
    "weight_decay": "AdamW weight decay, of matrices only",
    "warmup": "share of the steps spent warming up",
    "label_smoothing": "cross-entropy label smoothing",
    "ema": "decay of the average of the weights, per step; 0: none",
    "drop_path": "stochastic depth: rate at which the last block is skipped",
    "lora_rank": "rank of the matrices of --mode lora",
}
AUGMENTATION = {
    "flip": "mirror images; wrong where left and right differ in meaning (default: on)",
    "shift": "move images by up to so many pixels",
    "randaugment": "magnitude of RandAugment, 0 to 10",
    "mixup": "mix pairs of images: alpha of the Beta distribution",
    "cutmix": "paste parts of images into others: alpha, as for mixup",
    "erasing": "probability of a rectangle of noise",
}
_FIXED = {"accumulate", "lora_rank"}


def add_options(group: Any, texts: dict[str, str], defaults: object) -> None:
    """Add one option for each text. None stands for one that is not given; its type is that of the default."""
    shape = texts is SCRATCH
    for name, text in texts.items():
        flag, default = f"--{name.replace('_', '-')}", getattr(defaults, name)
        if isinstance(default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
            continue
        shown = f" (default: {default})" if shape or name in _FIXED else ""
        group.add_argument(flag, type=type(default), help=f"{text}{shown}", metavar=type(default).__name__.upper()[:5])
    if texts is RECIPE:
        group.add_argument(
            "--class-weights", action=argparse.BooleanOptionalAction,
            help="count rare classes for more (default: where one class has three times the images of another)",
        )  # fmt: skip
