"""A small model in two versions, a folder of labelled photos, and a server of both."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from tests.conftest import Once
from tests.e2e.harness import RunningServer
from tests.export.checkpoints import LABELS, vit
from vitscope.calibration import Calibration
from vitscope.export.pipeline import ExportJob, export_checkpoint

TEMPERATURE = 2.0


@pytest.fixture(scope="session")
def evaluated(once: Once) -> Path:
    """A folder with the checkpoints `first` (temperature 2) and `second`, the `models` with both as versions of `pets`,
    and `data`: 40 photos, most of which the first model is right on."""
    return once("evaluated", _fill)


def _fill(folder: Path) -> None:
    photos = _photos()
    torch.manual_seed(0)
    model, processor = vit()
    pixels = processor([Image.fromarray(photo) for photo in photos], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        # Random weights tell hardly anything apart: centred and larger logits do.
        logits = model.eval()(pixels).logits
        scale = 3 / logits.std(0)
        model.classifier.bias -= logits.mean(0)
        model.classifier.weight *= scale[:, None]
        model.classifier.bias *= scale
        answers = model(pixels).logits.argmax(-1).tolist()
    for part in (model, processor):
        part.save_pretrained(folder / "first")
    Calibration(TEMPERATURE, 100).write(folder / "first")
    shutil.copytree(folder / "first", folder / "second")
    (folder / "second/calibration.json").unlink()
    with torch.no_grad():
        model.classifier.weight += 0.1 * model.classifier.weight.std() * torch.randn_like(model.classifier.weight)
    model.save_pretrained(folder / "second")
    for name in ("first", "second"):
        job = ExportJob(
            str(folder / name), folder / "models", "pets", certificate=False, attention=False, evidence=False
        )
        export_checkpoint(job)
    for number, (photo, answer) in enumerate(zip(photos, answers, strict=True)):
        label = LABELS[answer if number % 5 else (answer + 1) % len(LABELS)]
        (folder / "data" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(folder / "data" / label / f"{number:02}.png")


def _photos() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    photos = []
    for number in range(40):
        photo = (skimage.data.chelsea(), skimage.data.coffee(), skimage.data.astronaut())[number % 3]
        top, left, side = random.integers((0, 0, 40), (150, 150, 140)).tolist()
        photos.append(np.ascontiguousarray(photo[top : top + side, left : left + side]))
    return photos


@pytest.fixture(scope="session")
def served(evaluated: Path) -> Iterator[str]:
    """The address of a server with both versions."""
    arguments = ("--precision", "f32", "--image-decoding", "exact")
    with RunningServer(evaluated / "models", "--keep-versions", "2", *arguments) as running:
        yield running.address
