"""Where a checkpoint is: folders as people have them, and the hub's refusals."""

import shutil
from pathlib import Path

import pytest

from tests.export.checkpoint.edits import edit
from tests.hub import client_of, serve
from vitscope.calibration import Calibration
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.head import temperature_of
from vitscope.export.errors import ExportError


def refused(source: str, message: str) -> None:
    with pytest.raises(ExportError, match=message) as error:
        load_checkpoint(source)
    assert "\n" not in str(error.value)


def test_the_step_of_a_trainer_is_named(copied: Path, tmp_path: Path) -> None:
    trainer = tmp_path / "trainer"
    for step in ("checkpoint-500", "checkpoint-1000"):
        shutil.copytree(copied, trainer / step)
    (trainer / "runs").mkdir()
    refused(str(trainer), r"no config\.json, but checkpoint-500/, checkpoint-1000/ have one: give \S+/checkpoint-1000;")
    shutil.copy(copied / "config.json", trainer)
    refused(f"{trainer}/", r"no weights beside its config\.json, but .* have them: give \S+trainer/checkpoint-1000;")


def test_a_folder_without_anything_is_explained(tmp_path: Path) -> None:
    refused(str(tmp_path), r"this folder has no config\.json; accepted: a folder with config\.json, or a hub id")


def test_what_the_hub_refuses_is_said_in_one_line(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Calibration(2.5).write(copied)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/README.md").write_text("# no model")
    models = {"team/closed": copied, "team/empty": tmp_path / "empty", "team/vit": copied}
    with serve(models, closed=frozenset({"team/closed"})) as hub, client_of(hub, tmp_path / "cache", monkeypatch):
        refused("team/none", "CHECKPOINT team/none: .* on the Hugging Face hub it could not be fetched")
        refused("team/closed", "could not be fetched .*(restricted|gated|403)")
        refused("team/empty", r"CHECKPOINT team/empty: this model on the hub has no config\.json")
        before = load_checkpoint("team/vit")
        assert temperature_of(before.folder, "softmax") == 2.5
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert load_checkpoint("team/vit").weights_sha256 == before.weights_sha256  # of the cache
    refused("team/unknown", "could not be fetched")


def test_a_clone_is_a_folder(copied: Path) -> None:
    (copied / ".git").mkdir()
    edit(copied / ".git/config.json", model_type="surprise")
    assert load_checkpoint(str(copied)).source == "copied"
