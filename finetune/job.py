"""One run of `vitscope finetune`: progress, and the files that it writes."""

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn, track

from vitscope.finetune.data import image_files, label_names, load_split
from vitscope.finetune.model import from_pretrained, from_scratch
from vitscope.finetune.recipe import Recipe, Scratch
from vitscope.finetune.samples import SAMPLES, write_samples
from vitscope.finetune.train import Epoch, train


def run(arguments: argparse.Namespace) -> None:
    """Fine-tune, and write a Hugging Face checkpoint after every epoch, so that an interruption loses one at most.

    Raises FinetuneError.
    """
    console = Console(stderr=True)
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
            if epoch.number == 1:
                _write_samples(arguments, labels, progress.console)
            _write_record(arguments, recipe, history, len(training), len(test), time.monotonic() - began)

        train(model, processor, training, test, recipe, on_step, on_epoch)
    console.print(f"wrote {arguments.out}: test accuracy {history[-1].accuracy:.2%}")
    name = arguments.out.resolve().name
    console.print(f"next: vitscope export {arguments.out} --name {name} --out models/", soft_wrap=True)


def _write_samples(arguments: argparse.Namespace, labels: list[str], console: Console) -> None:
    test, training = (image_files(arguments.data / split, labels) for split in ("test", "train"))
    if count := write_samples(arguments.out, test, training):
        console.print(f"copied {count:,} images to {arguments.out / SAMPLES}, for the export to compare engines on")
    else:
        console.print(f"{arguments.out / SAMPLES} was there and has been left as it is")


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
