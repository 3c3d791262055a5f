"""Loading checkpoints from folders and from the hub, and the errors for damaged ones."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.export.checkpoints import LABELS
from tests.hub import Hub, serve
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.errors import ExportError


@pytest.fixture
def copied(checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(checkpoints["vit"], tmp_path / "copied")


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_is_loaded(copied: Path) -> None:
    checkpoint = load_checkpoint(str(copied))
    assert (checkpoint.source, checkpoint.labels, checkpoint.family.name) == ("copied", LABELS, "vit")
    assert not checkpoint.model.training and checkpoint.processor.backend == "pil"


def test_the_digest_covers_weights_and_configuration(copied: Path) -> None:
    before = load_checkpoint(str(copied)).weights_sha256
    edit(copied / "preprocessor_config.json", resample=3)
    resampled = load_checkpoint(str(copied)).weights_sha256
    tensors = load_file(copied / "model.safetensors")
    tensors["classifier.bias"] = tensors["classifier.bias"] + 1
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    assert len({before, resampled, load_checkpoint(str(copied)).weights_sha256}) == 3


def test_a_head_that_was_never_trained_is_refused(copied: Path) -> None:
    tensors = {k: v for k, v in load_file(copied / "model.safetensors").items() if "classifier" not in k}
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ExportError, match=r"weights lack classifier\.bias, classifier\.weight"):
        load_checkpoint(str(copied))


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "this folder has no config.json"),
        ("preprocessor_config.json", "no preprocessor_config.json .* --processor FOLDER_OR_ID"),
        ("model.safetensors", "no weights beside its config.json; accepted: model.safetensors"),
    ],
)
def test_a_missing_file_is_explained(copied: Path, missing: str, message: str) -> None:
    (copied / missing).unlink()
    with pytest.raises(ExportError, match=message):
        load_checkpoint(str(copied))


def test_another_architecture_is_refused(copied: Path) -> None:
    edit(copied / "config.json", architectures=["ResNetForImageClassification"], model_type="resnet")
    with pytest.raises(ExportError, match=r"ResNetForImageClassification; supported are .*ViT.*DINOv2"):
        load_checkpoint(str(copied))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_weights_that_are_cut_short_are_explained(copied: Path, share: float) -> None:
    weights = copied / "model.safetensors"
    os.truncate(weights, int(weights.stat().st_size * share))
    with pytest.raises(ExportError, match="cannot be loaded by transformers: "):
        load_checkpoint(str(copied))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(copied: Path, value: float) -> None:
    tensors = load_file(copied / "model.safetensors")
    tensors["classifier.bias"][1] = value
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ExportError, match=r"classifier\.bias holds NaN or infinite values; accepted"):
        load_checkpoint(str(copied))


def test_a_head_of_another_shape_is_named(copied: Path) -> None:
    edit(copied / "config.json", id2label={str(n): f"label {n}" for n in range(7)}, label2id={})
    with pytest.raises(ExportError, match=r"classifier\.bias is \[5\] in its weights, and \[7\] by its config\.json"):
        load_checkpoint(str(copied))


def test_labels_that_are_not_numbered_from_0_are_refused(copied: Path) -> None:
    edit(copied / "config.json", id2label={str(n + 3): name for n, name in enumerate(LABELS)})
    with pytest.raises(ExportError, match=r"id2label in config\.json numbers its labels \[3, 4.*accepted: 0 to 4"):
        load_checkpoint(str(copied))


def test_repeated_labels_are_found(copied: Path) -> None:
    assert load_checkpoint(str(copied)).repeated_labels == ()
    edit(copied / "config.json", id2label=dict(enumerate(("cat", "cup", "cat", "dog", "cup"))), label2id={})
    assert load_checkpoint(str(copied)).repeated_labels == ("cat", "cup")


@pytest.mark.parametrize("source", ["./missing", "../missing", "/missing/here", "no such/thing/here", "", "a/b/c"])
def test_invalid_hub_ids_are_not_requested_from_the_hub(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "vitscope.export.checkpoint.hub.snapshot_download", lambda *_, **__: pytest.fail("the hub was asked")
    )
    with pytest.raises(ExportError, match=r"no such folder; accepted|this folder has no config\.json"):
        load_checkpoint(source)


def test_a_file_is_no_checkpoint(copied: Path) -> None:
    with pytest.raises(ExportError, match=r"config\.json: a file; accepted: a folder"):
        load_checkpoint(str(copied / "config.json"))


def test_a_file_of_weights_does_not_say_what_it_is_for(copied: Path) -> None:
    with pytest.raises(ExportError, match=r"model\.safetensors: a file of weights .*--architecture NAME"):
        load_checkpoint(str(copied / "model.safetensors"))


@pytest.fixture
def hub(checkpoints: dict[str, Path]) -> Iterator[Hub]:
    """A stand-in hub with one model, `team/vit`."""
    with serve({"team/vit": checkpoints["vit"]}) as hub:
        yield hub


def test_hub_ids(hub: Hub, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Run in a process of its own, since the client reads the hub's address when it is imported."""
    script = """if True:
        from vitscope.export.checkpoint import load_checkpoint
        from vitscope.export.errors import ExportError
        found = load_checkpoint("team/vit")
        print(found.source, found.weights_sha256)
        try:
            load_checkpoint("team/other")
        except ExportError as error:
            print(error)
    """
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == f"team/vit {load_checkpoint(str(checkpoints['vit'])).weights_sha256}"
    assert "team/other" in second and "could not be fetched" in second
