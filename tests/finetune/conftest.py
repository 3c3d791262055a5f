"""A data set of two colours, which a small ViT learns in seconds, and checkpoints made of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitscope.finetune.cli import main

SMALL = ["--image-size", "16", "--patch-size", "8", "--width", "32", "--depth", "2", "--heads", "2"]
SHORT = ["--batch-size", "8", "--threads", "1"]


def two_colours(folder: Path, count: int, seed: int = 0) -> Path:
    """Reddish and bluish noise, 20 x 24 pixels."""
    random = np.random.default_rng(seed)
    for label, channel in (("red", 0), ("blue", 2)):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 120, (20, 24, 3), np.uint8)
            pixels[..., channel] += 120
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 images to train on, 8 to validate and 8 to test."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (split, count) in enumerate({"train": 16, "val": 4, "test": 4}.items()):
        two_colours(folder / split, count, seed)
    return folder


Finetune = Callable[..., Path]


@pytest.fixture
def finetune(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finetune:
    """Run the command on the two colours; return the folder of the checkpoint.

    As where matplotlib is not installed: drawing takes longer than training. `base` has pictures.
    """
    monkeypatch.setattr("vitscope.evaluate.report.find_spec", lambda _: None)

    def run(*options: str, out: str = "out", source: Path = data) -> Path:
        folder = tmp_path / out
        assert main([str(source), "--out", str(folder), *SHORT, *options]) == 0
        return folder

    return run


@pytest.fixture(scope="session")
def base(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint from random weights, four epochs."""
    out = tmp_path_factory.mktemp("base") / "base"
    assert main([str(data), "--out", str(out), *SMALL, *SHORT, "--epochs", "4", "--seed", "1"]) == 0
    return out
