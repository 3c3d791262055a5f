"""`vitscope finetune`: arguments, progress and the files that it writes."""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn, track

from vitscope.finetune.data import label_names, load_split
from vitscope.finetune.errors import FinetuneError
from vitscope.finetune.model import Scratch, from_pretrained, from_scratch
from vitscope.finetune.train import Epoch, Recipe, train


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        run(arguments, Console(stderr=True))
    except FinetuneError as error:
        print(f"vitscope finetune: {error}", file=sys.stderr)
        return 2
    return 0


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Fine-tune, and write a Hugging Face checkpoint after every epoch, so that an interruption loses one at most."""
    labels = label_names(arguments.data / "train")
    torch.manual_seed(arguments.seed)  # before the model, whose random weights depend on it
    if arguments.base:
        model, processor = from_pretrained(arguments.base, labels)
    else:
        shape = Scratch(**{name: getattr(arguments, name) for name in Scratch.__dataclass_fields__})
        model, processor = from_scratch(shape, labels)
    training = load_split(arguments.data / "train", labels, processor, _tracker(console, "reading train"))
    test = load_split(arguments.data / "test", labels, processor, _tracker(console, "reading test"))
    recipe = Recipe(**{name: getattr(arguments, name) for name in Recipe.__dataclass_fields__})
    console.print(
        f"{len(training):,} training and {len(test):,} test images, {len(labels)} labels, "
        f"{sum(p.numel() for p in model.parameters()):,} parameters"
    )
    history: list[Epoch] = []
    began = time.monotonic()
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(), TimeRemainingColumn(), console=console,
    ) as progress:  # fmt: skip
        bar = progress.add_task("training")

        def on_step(step: int, steps: int, loss: float) -> None:
            progress.update(bar, completed=step, total=steps, description=f"training, loss {loss:.3f}")

        def on_epoch(epoch: Epoch) -> None:
            history.append(epoch)
            progress.console.print(
                f"epoch {epoch.number}/{recipe.epochs}: loss {epoch.loss:.4f}, "
                f"test accuracy {epoch.accuracy:.2%}, {epoch.seconds:.0f} s"
            )
            model.save_pretrained(arguments.out)
            processor.save_pretrained(arguments.out)
            _write_record(arguments, recipe, history, len(training), len(test), time.monotonic() - began)

        train(model, processor, training, test, recipe, on_step, on_epoch)
    console.print(f"wrote {arguments.out}: test accuracy {history[-1].accuracy:.2%}")


def _write_record(
    arguments: argparse.Namespace, recipe: Recipe, history: list[Epoch], training: int, test: int, seconds: float
) -> None:
    """Write `finetune.json` beside the weights: recipe, versions and accuracy."""
    record = {
        "base": _name(arguments.base) if arguments.base else "random weights",
        "recipe": asdict(recipe),
        "images": {"train": training, "test": test},
        "test_accuracy": history[-1].accuracy,
        "epochs": [epoch.__dict__ for epoch in history],
        "seconds": round(seconds, 1),
        "tools": {"python": platform.python_version(), **{p: version(p) for p in ("torch", "transformers")}},
    }
    (arguments.out / "finetune.json").write_text(json.dumps(record, indent=2) + "\n")


def _name(base: str) -> str:
    """Return a hub id as it is, and of a local folder only the name, without its path on this machine."""
    return Path(base).resolve().name if Path(base).is_dir() else base


def _tracker(console: Console, description: str) -> Callable[[list[Any]], Iterable[Any]]:
    return lambda items: track(items, description=description, console=console)


def _parser() -> argparse.ArgumentParser:
    shape, recipe = Scratch(), Recipe()
    parser = argparse.ArgumentParser(
        prog="vitscope finetune",
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
