"""Every mode learns, and leaves what plain transformers loads."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    Dinov2Config,
    Dinov2Model,
    ViTImageProcessor,
)

from tests.finetune.conftest import SMALL, Finetune, two_colours


def record(checkpoint: Path) -> dict:
    return json.loads((checkpoint / "finetune.json").read_text())


def check_answers(checkpoint: Path, data: Path) -> None:
    model = AutoModelForImageClassification.from_pretrained(checkpoint).eval()
    processor = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    assert model.config.id2label == {0: "blue", 1: "red"}
    for label in ("red", "blue"):
        with Image.open(data / f"test/{label}/0.png") as image, torch.inference_mode():
            logits = model(**processor(image, return_tensors="pt")).logits
        assert model.config.id2label[int(logits.argmax())] == label


def test_from_scratch(base: Path, data: Path) -> None:
    found = record(base)
    assert found["test_accuracy"] >= 0.95 <= found["validation_accuracy"]
    assert found["images"] == {"train": 32, "validation": 8, "test": 8}
    assert found["epochs"][0]["train_loss"] > found["epochs"][-1]["train_loss"]
    assert [epoch["number"] for epoch in found["epochs"]] == [1, 2, 3, 4]
    assert found["base"] == "random weights"
    check_answers(base, data)


def test_what_is_left(base: Path, data: Path) -> None:
    names = {path.name for path in base.iterdir()}
    assert names == {
        "README.md", "calibration.json", "config.json", "finetune.json", "metrics.json", "model.safetensors",
        "pictures", "predictions.csv", "preprocessor_config.json", "samples",
    }  # fmt: skip
    umask = os.umask(0)
    os.umask(umask)
    for path in base.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o777 == 0o666 & ~umask, path
    samples = sorted(path.relative_to(base / "samples") for path in (base / "samples").rglob("*.png"))
    assert samples == sorted(path.relative_to(data / "test") for path in (data / "test").rglob("*.png"))
    assert str(data) not in "".join(path.read_text() for path in base.glob("*.*") if path.suffix in (".json", ".md"))


def test_probe_trains_the_head_alone(base: Path, data: Path, finetune: Finetune) -> None:
    out = finetune("--base", str(base), "--mode", "probe")
    assert record(out)["test_accuracy"] >= 0.95
    assert record(out)["base"] == "base"  # its name, not its path
    before, after = (load_file(folder / "model.safetensors") for folder in (base, out))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    check_answers(out, data)


def test_lora_leaves_an_ordinary_checkpoint(base: Path, data: Path, finetune: Finetune) -> None:
    out = finetune("--base", str(base), "--mode", "lora", "--epochs", "3", "--learning-rate", "1e-2")
    assert record(out)["test_accuracy"] >= 0.95
    before, after = (load_file(folder / "model.safetensors") for folder in (base, out))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(".attention." in name or "classifier" in name for name in changed)
    assert not list(out.glob("adapter*"))
    check_answers(out, data)


def test_full_with_everything_switched_on(base: Path, data: Path, finetune: Finetune) -> None:
    out = finetune(
        "--base", str(base), "--mode", "full", "--epochs", "4", "--ema", "0.9", "--mixup", "0.2", "--cutmix", "1",
        "--erasing", "0.2", "--randaugment", "2", "--shift", "1", "--drop-path", "0.1", "--layer-decay", "0.9",
        "--accumulate", "2", "--class-weights", "--no-flip", "--learning-rate", "1e-3",
    )  # fmt: skip
    assert record(out)["test_accuracy"] >= 0.95
    assert record(out)["class_weights"]
    before, after = (load_file(folder / "model.safetensors") for folder in (base, out))
    assert all(not torch.equal(before[name], after[name]) for name in before if before[name].ndim == 2)
    check_answers(out, data)


def test_auto_stops_after_a_probe_that_is_always_right(base: Path, finetune: Finetune) -> None:
    out = finetune("--base", str(base))
    assert record(out)["stages"] == ["probe", "full"]
    assert record(out)["best"] == {"stage": "probe", "epoch": 1}
    assert [epoch["stage"] for epoch in record(out)["epochs"]] == ["probe"]


def test_auto_unfreezes_where_validation_says_so(data: Path, tmp_path: Path, finetune: Finetune) -> None:
    """A backbone that sees no colour gives a probe nothing to find; training all of it does."""
    model = finetune(*SMALL, "--epochs", "1", out="blind")
    weights = load_file(model / "model.safetensors")
    weights["vit.embeddings.patch_embeddings.projection.weight"].zero_()
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    out = finetune("--base", str(model), "--epochs", "8", "--learning-rate", "5e-3", "--layer-decay", "1")
    assert record(out)["best"]["stage"] == "full"
    assert {epoch["stage"] for epoch in record(out)["epochs"]} == {"probe", "full"}
    assert record(out)["validation_accuracy"] > 0.9


@pytest.mark.parametrize("mode", ["probe", "full"])
def test_a_backbone_without_a_head_gets_one(data: Path, tmp_path: Path, finetune: Finetune, mode: str) -> None:
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=28, patch_size=14
    )
    Dinov2Model(config).save_pretrained(tmp_path / "backbone")
    ViTImageProcessor(size={"height": 28, "width": 28}).save_pretrained(tmp_path / "backbone")
    out = finetune("--base", str(tmp_path / "backbone"), "--mode", mode, "--epochs", "3", "--learning-rate", "3e-3")
    assert record(out)["test_accuracy"] >= 0.95
    assert json.loads((out / "config.json").read_text())["architectures"] == ["Dinov2ForImageClassification"]


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_the_base_does_not_decide_what_kind_of_answer_it_is(
    problem: str, base: Path, tmp_path: Path, finetune: Finetune
) -> None:
    other = shutil.copytree(base, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    assert config["problem_type"] == "single_label_classification"
    (other / "config.json").write_text(json.dumps({**config, "problem_type": problem}))
    out = finetune("--base", str(other), "--mode", "probe")
    assert json.loads((out / "config.json").read_text())["problem_type"] == "single_label_classification"


def test_the_same_seed_gives_the_same_weights(base: Path, finetune: Finetune) -> None:
    options = ["--base", str(base), "--mode", "full", "--epochs", "1", "--mixup", "0.2", "--drop-path", "0.2"]
    one, two, other = (
        finetune(*options, "--seed", seed, out=out) for seed, out in (("3", "a"), ("3", "b"), ("4", "c"))
    )
    weights = [(folder / "model.safetensors").read_bytes() for folder in (one, two, other)]
    assert weights[0] == weights[1] != weights[2]


def test_worker_processes_change_nothing(base: Path, finetune: Finetune) -> None:
    options = ["--base", str(base), "--mode", "full", "--epochs", "1"]
    one, two = (finetune(*options, "--workers", number, out=f"out{number}") for number in ("0", "1"))
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()


def test_training_ends_early_and_keeps_the_best_epoch(base: Path, finetune: Finetune) -> None:
    out = finetune(
        "--base", str(base), "--mode", "full", "--epochs", "30", "--patience", "2", "--learning-rate", "0.05"
    )
    epochs = record(out)["epochs"]
    assert len(epochs) < 30
    best = max(range(len(epochs)), key=lambda n: (epochs[n]["validation_accuracy"], -epochs[n]["validation_loss"]))
    assert record(out)["best"]["epoch"] == best + 1 == len(epochs) - 2
    assert record(out)["validation_accuracy"] == epochs[best]["validation_accuracy"]


def test_uneven_classes_are_weighted_unasked(base: Path, tmp_path: Path, finetune: Finetune) -> None:
    source = two_colours(tmp_path / "uneven", 12)
    for number in range(3, 12):
        (source / "red" / f"{number}.png").unlink()
    out = finetune("--base", str(base), "--mode", "probe", source=source)
    assert record(out)["class_weights"] and record(out)["labels"] == {"blue": 8, "red": 1}
    assert not record(
        finetune("--base", str(base), "--mode", "probe", "--no-class-weights", source=source, out="even")
    )["class_weights"]


def test_a_model_is_measured_on_the_files_that_it_left(base: Path, data: Path) -> None:
    metrics = json.loads((base / "metrics.json").read_text())
    model = AutoModelForImageClassification.from_pretrained(base).eval()
    processor = AutoImageProcessor.from_pretrained(base, backend="pil")
    paths = sorted((data / "test").rglob("*.png"))
    right = []
    for path in paths:
        with Image.open(path) as image, torch.inference_mode():
            logits = model(**processor(image, return_tensors="pt")).logits
        right.append(model.config.id2label[int(logits.argmax())] == path.parent.name)
    assert record(base)["test_accuracy"] == np.mean(right)
    assert metrics["images"] == 8
