"""Heads of every kind, from checkpoint to reply, against transformers' own pipeline on the same photo."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import pipeline

from tests.conftest import Once
from tests.e2e.harness import RunningServer
from tests.export.checkpoints import save, vit
from vitscope import Client, InvalidRequest
from vitscope.client.commands.classify import main as classify
from vitscope.client.commands.models import main as models_command
from vitscope.export.pipeline import ExportJob, export_checkpoint

LABELS = ("cat", "dog", "grass", "sky", "water", "sand", "snow")
POSE = ("x", "y", "angle")
# name: labels, problem_type, the activation
HEADS: dict[str, tuple[tuple[str, ...], str | None, str]] = {
    "classes": (LABELS, None, "softmax"),
    "tags": (LABELS, "multi_label_classification", "sigmoid"),
    "binary": (("defect",), None, "sigmoid"),
    "age": (("age",), "regression", "none"),
    "pose": (POSE, "regression", "none"),
}


def checkpoint(folder: Path, labels: tuple[str, ...], problem: str | None) -> Path:
    names = dict(enumerate(labels))
    label2id = {label: index for index, label in names.items()}
    model, processor = vit(num_hidden_layers=1, id2label=names, label2id=label2id, problem_type=problem)
    save(folder, (model, processor))
    if labels == POSE:  # in pixels: values of thousands, beside an angle in radians
        with torch.no_grad():
            model.classifier.weight *= torch.tensor([[3000.0], [3000.0], [0.3]])
        model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def heads(once: Once, calibration: Path) -> Path:
    """A folder with `checkpoints`, one for each head, and the `models` that they are exported to."""

    def fill(folder: Path) -> None:
        for name, (labels, problem, _) in HEADS.items():
            source = checkpoint(folder / "checkpoints" / name, labels, problem)
            job = ExportJob(
                str(source), folder / "models", name,
                calibration=calibration, attention=False, evidence=False, allow_uncertified=True,
                certificate=name in ("tags", "age"),
            )  # fmt: skip
            export_checkpoint(job)

    return once("heads", fill)


@pytest.fixture(scope="module")
def server(heads: Path) -> Iterator[RunningServer]:
    with RunningServer(heads / "models", "--precision", "f32", "--image-decoding", "exact") as running:
        yield running


@pytest.mark.parametrize("name", HEADS)
def test_answers_are_those_of_the_pipeline(heads: Path, server: RunningServer, photo: bytes, name: str) -> None:
    labels, _, activation = HEADS[name]
    asked: Any = pipeline("image-classification", str(heads / "checkpoints" / name), use_fast=False)
    expected = asked(Image.open(io.BytesIO(photo)), top_k=len(labels))
    with Client(server.address) as client:
        model = client.get_model(name)
        result = client.classify(photo, model=name, top_k=len(labels))
    assert (model.activation, result.activation) == (activation, activation)
    scores = [one.logit if activation == "none" else one.probability for one in result.classes]
    assert [one.label for one in result.classes] == [one["label"] for one in expected]
    assert scores == pytest.approx([one["score"] for one in expected], abs=1e-4, rel=1e-4)
    if activation == "none":
        assert {one.probability for one in result.classes} == {0.0}
    for entry in model.certificate:
        assert entry.passed or entry.precision != "f32"
        assert entry.logit_spread > 0 and (entry.max_probability_error == 0) == (activation == "none")


def test_min_probability(server: RunningServer, photo: bytes) -> None:
    with Client(server.address) as client:
        everything = client.classify(photo, model="tags", top_k=10).classes
        applying = client.classify(photo, model="tags", top_k=10, min_probability=0.5).classes
        assert applying == tuple(one for one in everything if one.probability >= 0.5)
        assert 1 < len(applying) < len(everything), "a model that finds all labels or none proves nothing"
        assert client.classify(photo, model="pose", min_probability=0).classes
        with pytest.raises(InvalidRequest, match=r"min_probability: 0.5; accepted: 0: this model's answers are plain"):
            client.classify(photo, model="pose", min_probability=0.5)


def test_quality_signals(server: RunningServer, photo: bytes) -> None:
    with Client(server.address) as client:
        for name in HEADS:
            client.classify(photo, model=name)
    for signal in ("confidence", "margin"):
        observed = {name: server.metric(f"vitscope_{signal}_ratio_count", model=name) for name in HEADS}
        assert {name for name, count in observed.items() if count} == {"classes", "tags", "binary"}
    assert server.metric("vitscope_brightness_ratio_count", model="pose")


def test_the_command_line(
    server: RunningServer, photo: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(photo)
    described = {
        "classes": "one class of these",
        "tags": "each label by itself",
        "pose": "values without probabilities",
    }
    for name, text in described.items():
        assert models_command([name, "--server", server.address]) == 0
        assert text in capsys.readouterr().out
    assert classify([str(file), "--model", "pose", "--server", server.address]) == 0
    shown = capsys.readouterr().out
    assert "%" not in shown and "█" not in shown and "angle" in shown
    assert classify([str(file), "--model", "tags", "--server", server.address]) == 0
    assert "█" in capsys.readouterr().out


def test_head_overrides_the_checkpoint(heads: Path, tmp_path: Path) -> None:
    checkpoint = str(heads / "checkpoints/classes")
    job = ExportJob(checkpoint, tmp_path, "tags", certificate=False, head="sigmoid", evidence=False)
    assert export_checkpoint(job)[0].manifest.activation == "sigmoid"
