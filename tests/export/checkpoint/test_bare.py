"""Files of weights of models of transformers: another checkpoint's config.json gives the shape."""

import json
import resource
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from tests.export.checkpoints import LABELS, save, vit
from tests.export.families.makers import clip, swin
from vitscope.export.checkpoint import Checkpoint, load_checkpoint
from vitscope.export.errors import ExportError


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("base"), vit())


def _state(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(str(folder)).model.state_dict())


def _same(found: Checkpoint, folder: Path) -> bool:
    expected = _state(folder)
    return all(torch.equal(tensor, expected[name]) for name, tensor in found.model.state_dict().items())


@pytest.mark.parametrize(
    ("prefix", "place"), [("", ""), ("model.", "state_dict"), ("module._orig_mod.", "model"), ("net.vit.", "")]
)
def test_weights_are_found_wherever_training_left_them(prefix: str, place: str, base: Path, tmp_path: Path) -> None:
    state: dict[str, Any] = {prefix + name: tensor for name, tensor in _state(base).items()}
    if prefix:
        state["criterion.weight"] = torch.ones(5)
    path = tmp_path / "last.ckpt"
    torch.save({place: state, "loss": torch.ones(1), "model_ema": {"a": 1}} if place else state, path)
    found = load_checkpoint(str(path), architecture=str(base))
    assert _same(found, base) and found.labels == LABELS and found.source == "last"
    said = " ".join(found.notes)
    assert ("criterion" in said) == bool(prefix) and ("EMA" in said) == bool(place) and "--processor" in said


def test_the_names_that_are_in_files(base: Path, tmp_path: Path) -> None:
    """transformers renames weights as it loads them: files have the names of earlier versions."""
    state = safetensors.torch.load_file(base / "model.safetensors")
    torch.save({f"model.{name}": tensor for name, tensor in state.items()}, tmp_path / "w.pt")
    assert _same(load_checkpoint(str(tmp_path / "w.pt"), architecture=str(base / "config.json")), base)


@pytest.mark.parametrize("made", [lambda: clip("CLIP"), lambda: swin("Swin")], ids=["clip", "swin"])
def test_other_families(made: Any, tmp_path: Path) -> None:
    source = save(tmp_path / "c", made())
    torch.save({"state_dict": {f"model.{n}": t for n, t in _state(source).items()}}, tmp_path / "w.ckpt")
    assert _same(load_checkpoint(str(tmp_path / "w.ckpt"), architecture=str(source)), source)


def test_a_base_model_gives_the_shape_and_labels_the_head(base: Path, tmp_path: Path) -> None:
    """The configuration of a model without a classifier, such as google/vit-base-patch16-224-in21k."""
    config = json.loads((base / "config.json").read_text()) | {"architectures": ["ViTModel"]}
    del config["id2label"], config["label2id"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    names, weights = tmp_path / "names.txt", tmp_path / "w.pth"
    names.write_text("\n".join(LABELS))
    torch.save(_state(base), weights)
    found = load_checkpoint(str(weights), architecture=str(tmp_path), labels=str(names), processor=str(base))
    assert _same(found, base) and found.labels == LABELS
    with pytest.raises(ExportError, match=r"5 outputs.*names 0 labels; give --labels FILE with 5 names"):
        load_checkpoint(str(weights), architecture=str(tmp_path), processor=str(base))
    with pytest.raises(ExportError, match="give --processor"):
        load_checkpoint(str(weights), architecture=str(tmp_path), labels=str(names))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: {n: t for n, t in s.items() if n != "classifier.weight"}, r"holds no classifier\.weight"),
        (lambda s: {n: t for n, t in s.items() if "norm" not in n}, "lack"),
        (lambda s: {**s, "vit.layers.9.x": torch.ones(2)}, "does not have"),
        (lambda s: {n: t.to(torch.int8) for n, t in s.items()}, "Dequantise"),
        (lambda _: {"optimizer": 3}, "no weights found"),
    ],
    ids=["headless", "missing", "surplus", "int8", "none"],
)
def test_other_weights_are_refused(change: Any, reason: str, base: Path, tmp_path: Path) -> None:
    torch.save(change(_state(base)), tmp_path / "w.pt")
    with pytest.raises(ExportError, match=reason) as error:
        load_checkpoint(str(tmp_path / "w.pt"), architecture=str(base))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("architecture", ["{tmp}/nowhere", "{tmp}", "{tmp}/w.pt"])
def test_an_architecture_that_is_not_there(architecture: str, base: Path, tmp_path: Path) -> None:
    torch.save(_state(base), tmp_path / "w.pt")
    with pytest.raises(ExportError, match="--architecture"):
        load_checkpoint(str(tmp_path / "w.pt"), architecture=architecture.format(tmp=tmp_path))


@pytest.mark.parametrize("room", [100, 20_000])
def test_a_full_disk_of_temporary_files_is_said_to_be_that(room: int, base: Path, tmp_path: Path) -> None:
    """That of the configuration, and that of the weights, for which safetensors has an error of its own."""
    torch.save(_state(base), tmp_path / "w.pt")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(ExportError, match=r"temporary files cannot be written to \S+: .*; TMPDIR names another"):
            load_checkpoint(str(tmp_path / "w.pt"), architecture=str(base))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
