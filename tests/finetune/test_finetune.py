"""The whole stage on a data set of two colours, which a small ViT learns in seconds."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

from vitscope.finetune.cli import main
from vitscope.finetune.data import augment, label_names, load_split
from vitscope.finetune.errors import FinetuneError
from vitscope.finetune.model import from_scratch
from vitscope.finetune.recipe import Scratch
from vitscope.finetune.samples import write_samples

SMALL = ["--image-size", "16", "--patch-size", "4", "--width", "32", "--depth", "2", "--heads", "2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reddish and bluish noise, 20 x 24 pixels: 48 images to train on and 16 to test."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 8)):
        for label, channel in (("red", 0), ("blue", 2)):
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 120, (20, 24, 3), np.uint8)
                pixels[..., channel] += 120
                Image.fromarray(pixels).save(folder / split / label / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def checkpoint(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "checkpoint"
    assert main([str(data), "--out", str(out), *SMALL, "--epochs", "4", "--batch-size", "8", "--seed", "1"]) == 0
    return out


def test_it_learns_and_writes_what_transformers_loads(checkpoint: Path, data: Path) -> None:
    record = json.loads((checkpoint / "finetune.json").read_text())
    assert record["test_accuracy"] == record["epochs"][-1]["accuracy"] >= 0.95
    assert record["images"] == {"train": 48, "test": 16}
    assert record["epochs"][0]["loss"] > record["epochs"][-1]["loss"]
    model = AutoModelForImageClassification.from_pretrained(checkpoint).eval()
    processor = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    assert model.config.id2label == {0: "blue", 1: "red"}
    with Image.open(data / "test/red/0.png") as image, torch.inference_mode():
        logits = model(**processor(image, return_tensors="pt")).logits
    assert model.config.id2label[int(logits.argmax())] == "red"


def test_it_leaves_samples_that_an_export_certifies_on(checkpoint: Path, data: Path) -> None:
    samples = sorted(path.relative_to(checkpoint / "samples") for path in (checkpoint / "samples").rglob("*.png"))
    assert samples == sorted(path.relative_to(data / "test") for path in (data / "test").rglob("*.png"))


def test_samples_are_spread_over_the_labels_and_bounded(tmp_path: Path) -> None:
    files = [tmp_path / "data" / label / f"{number}.png" for label in ("a", "b", "c") for number in range(200)]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels")
    assert write_samples(tmp_path / "out", files, []) == 256
    assert all(80 < len(list((tmp_path / "out/samples" / label).iterdir())) < 90 for label in ("a", "b", "c"))
    assert write_samples(tmp_path / "out", files, []) == 0  # they are there: not touched
    assert write_samples(tmp_path / "few", files[:3], files) == 8


def test_the_same_seed_gives_the_same_weights(data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert main([str(data), "--out", str(tmp_path / name), *SMALL, "--epochs", "1", "--shift", "2"]) == 0
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


@pytest.mark.parametrize("problem", [None, "multi_label_classification", "regression"])
def test_a_checkpoint_can_be_the_base_of_the_next(
    problem: str | None, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    checkpoint, out = shutil.copytree(checkpoint, tmp_path / "checkpoint"), tmp_path / "next"
    config = json.loads((checkpoint / "config.json").read_text())
    assert config["problem_type"] == "single_label_classification"
    (checkpoint / "config.json").write_text(json.dumps({**config, "problem_type": problem}))
    assert main([str(data), "--out", str(out), "--base", str(checkpoint), "--epochs", "1"]) == 0
    assert json.loads((out / "config.json").read_text())["problem_type"] == "single_label_classification"
    record = json.loads((out / "finetune.json").read_text())
    assert record["test_accuracy"] >= 0.95
    assert record["base"] == "checkpoint"  # its name, not its path
    assert json.loads((out / "config.json").read_text())["problem_type"] == "single_label_classification"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--patch-size", "5"], "--image-size 28 is not a multiple of --patch-size 5"),
        (["--heads", "7"], "--width 192 is not a multiple of --heads 7"),
        (["--base", "no/such/checkpoint-anywhere"], "--base no/such/checkpoint-anywhere: not a loadable"),
    ],
)
def test_a_bad_option_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main([str(data), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_bad_data_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(FinetuneError, match="no such folder; expected"):
        label_names(tmp_path / "train")
    (tmp_path / "train/only").mkdir(parents=True)
    with pytest.raises(FinetuneError, match="found 1 label folders"):
        label_names(tmp_path / "train")
    _, processor = from_scratch(Scratch(image_size=16), ["a", "b"])
    with pytest.raises(FinetuneError, match=r"labels \['blue', 'red'\] are not among"):
        load_split(data / "train", ["a", "b"], processor)
    for label in ("a", "b"):
        (tmp_path / "bad" / label).mkdir(parents=True)
    with pytest.raises(FinetuneError, match="no images; accepted suffixes"):
        load_split(tmp_path / "bad", ["a", "b"], processor)
    (tmp_path / "bad/a/0.png").write_bytes(b"not a png")
    with pytest.raises(FinetuneError, match=r"0\.png: not a readable image"):
        load_split(tmp_path / "bad", ["a", "b"], processor)


def test_augmentation_moves_and_mirrors_without_inventing_pixels() -> None:
    pixels = torch.arange(6 * 8, dtype=torch.uint8).reshape(1, 6, 8, 1).expand(64, 6, 8, 3).contiguous()
    same = augment(pixels, flip=False, shift=0, generator=torch.Generator().manual_seed(0))
    assert torch.equal(same, pixels)
    mirrored = augment(pixels, flip=True, shift=0, generator=torch.Generator().manual_seed(0))
    flips = [bool(torch.equal(image, pixels[0].flip(1))) for image in mirrored]
    assert 10 < sum(flips) < 54
    assert all(flipped or torch.equal(image, pixels[0]) for image, flipped in zip(mirrored, flips, strict=True))
    moved = augment(pixels, flip=False, shift=2, generator=torch.Generator().manual_seed(0))
    assert set(moved.unique().tolist()) <= set(pixels.unique().tolist())
    assert not torch.equal(moved, pixels)
