"""From nothing to a bundle: draw scenes, train a small ViT on them, export it."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from examples.scenes.scene import LABELS, Scene, draw, photos

TRAIN, VALIDATION, TEST = 6000, 400, 400
SHAPE = ("--image-size", "64", "--patch-size", "8", "--width", "96", "--depth", "4", "--heads", "4")
RECIPE = (
    "--epochs", "14", "--batch-size", "64", "--learning-rate", "0.0015", "--warmup", "0.1", "--randaugment", "0",
    "--mixup", "0", "--cutmix", "0", "--erasing", "0", "--drop-path", "0", "--threads", "1",
)  # fmt: skip


def scenes(split: str, count: int, seed: int) -> list[Scene]:
    """Draw scenes, as many of each class."""
    random, behind = np.random.default_rng(seed), photos()
    return [draw(random, behind, split, number % len(LABELS)) for number in range(count)]


def test_scenes(count: int = TEST) -> list[Scene]:
    """Draw the scenes that are measured on."""
    return scenes("test", count, seed=2)


def write(out: Path, train: int = TRAIN, validation: int = VALIDATION, test: int = TEST) -> None:
    """Write out/train, out/val and out/test, as `vitscope finetune` takes them."""
    parts = {
        "train": scenes("train", train, seed=0), "val": scenes("train", validation, seed=1), "test": test_scenes(test)
    }  # fmt: skip
    for name, drawn in parts.items():
        for label in LABELS:
            (out / name / label).mkdir(parents=True, exist_ok=True)
        for number, scene in enumerate(drawn):
            Image.fromarray(scene.image).save(out / name / LABELS[scene.label] / f"{number:05}.png")


def make(out: Path) -> tuple[Path, Path]:
    """Make data/, checkpoint/ and models/scenes/ below `out`, where they are not there. Returns checkpoint and bundle.

    Raises CalledProcessError for a step that failed.
    """
    data, checkpoint, models = out / "data", out / "checkpoint", out / "models"
    if not (data / "test").exists():
        write(data)
    if not (checkpoint / "metrics.json").exists():
        _run("finetune", data, "--from-scratch", *SHAPE, *RECIPE, "--out", checkpoint, "--overwrite")
    if not (models / "scenes").exists():
        _run("export", checkpoint, "--name", "scenes", "--out", models, "--calibration", data / "test")
    return checkpoint, models / "scenes" / "1"


def _run(*arguments: object) -> None:
    words = [str(argument) for argument in arguments]
    print(f"\n$ vitscope {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "vitscope", *words], check=True)
