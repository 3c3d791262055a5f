"""`vitscope finetune`: its arguments."""

import argparse
import sys
from pathlib import Path
from typing import Any

from vitscope.finetune.errors import FinetuneError
from vitscope.finetune.recipe import Recipe, Scratch
from vitscope.help import Help


def main(argv: list[str] | None = None) -> int:
    """Return 0: done; 2: an expected failure, with a message on stderr."""
    arguments = _parser().parse_args(argv)
    # Not at the top: this loads torch and transformers, and --help or a mistyped option should answer at once.
    from vitscope.finetune.job import run

    try:
        run(arguments)
    except FinetuneError as error:
        print(f"vitscope finetune: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    shape, recipe = Scratch(), Recipe()
    parser = argparse.ArgumentParser(
        prog="vitscope finetune",
        formatter_class=Help,
        description="Fine-tune a Vision Transformer on DATA/train/<label>/<image>, measure it on "
        "DATA/test/<label>/<image>, and write a Hugging Face checkpoint that `vitscope export` takes.",
    )
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="folder with train/ and test/, one sub-folder per label"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint; rewritten after every epoch")
    parser.add_argument("--base", help="pre-trained checkpoint, local folder or hub id (default: random weights)")
    scratch = parser.add_argument_group("shape of a ViT from random weights (without --base)")
    for name, text in {
        "image_size": "input side in pixels",
        "patch_size": "patch side in pixels",
        "width": "token dimension",
        "depth": "encoder blocks",
        "heads": "attention heads",
        "mean": "pixel mean, 0..1",
        "std": "pixel standard deviation, 0..1",
    }.items():
        _option(scratch, name, getattr(shape, name), text)
    training = parser.add_argument_group("recipe")
    for name, text in {
        "epochs": "passes over the training images",
        "batch_size": "images in a step",
        "learning_rate": "peak learning rate",
        "weight_decay": "AdamW weight decay",
        "warmup": "share of the steps spent warming up",
        "label_smoothing": "cross-entropy label smoothing",
        "flip": "mirror images at random; wrong where left and right differ in meaning",
        "shift": "shift images at random by up to so many pixels",
        "seed": "seed of weights, order and augmentation",
    }.items():
        _option(training, name, getattr(recipe, name), text)
    return parser


def _option(group: Any, name: str, default: float | int, text: str) -> None:
    if isinstance(default, bool):
        group.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=default, help=text)
        return
    group.add_argument(
        f"--{name.replace('_', '-')}", type=type(default), default=default, help=f"{text} (default: {default})"
    )


if __name__ == "__main__":
    sys.exit(main())
