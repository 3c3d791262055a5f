"""The image processor is the one that transformers takes, from wherever it is."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import AutoImageProcessor

from tests.export.checkpoint.edits import edit
from tests.hub import client_of, serve
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.cli import main
from vitscope.export.errors import ExportError

NOISE = Image.fromarray(np.random.default_rng(4).integers(0, 256, (70, 90, 3), np.uint8))


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    return {**json.loads((folder / "preprocessor_config.json").read_text()), **changes}


def nest(folder: Path, **changes: Any) -> None:
    """Write the processor as transformers 5 does for a multimodal processor: nested."""
    nested = {"image_processor": settings(folder, **changes), "processor_class": "SomeProcessor"}
    (folder / "processor_config.json").write_text(json.dumps(nested))


def refused(folder: Path, message: str, **options: str) -> None:
    with pytest.raises(ExportError, match=message) as error:
        load_checkpoint(str(folder), **options)
    assert "\n" not in str(error.value)


def test_the_nested_processor_has_priority_as_in_transformers(copied: Path) -> None:
    before = load_checkpoint(str(copied))
    nest(copied, image_mean=[0.1, 0.2, 0.3], resample=3)
    found = load_checkpoint(str(copied))
    reference = AutoImageProcessor.from_pretrained(copied, backend="pil")
    np.testing.assert_array_equal(
        prepare(found.processor, NOISE)[1], reference(NOISE, return_tensors="np")["pixel_values"][0]
    )
    assert found.processor.image_mean == (0.1, 0.2, 0.3) and found.weights_sha256 != before.weights_sha256
    (copied / "preprocessor_config.json").unlink()
    alone = load_checkpoint(str(copied))
    assert alone.processor.image_mean == (0.1, 0.2, 0.3)
    nested = json.loads((copied / "processor_config.json").read_text())
    nested["image_processor"]["resample"] = 2
    (copied / "processor_config.json").write_text(json.dumps(nested))
    assert load_checkpoint(str(copied)).weights_sha256 != alone.weights_sha256


def test_a_processor_without_an_image_processor_leaves_it_to_the_other_file(copied: Path) -> None:
    (copied / "processor_config.json").write_text('{"processor_class": "SomeProcessor"}')
    assert load_checkpoint(str(copied)).processor.image_mean == (0.5, 0.5, 0.5)
    (copied / "preprocessor_config.json").unlink()
    refused(copied, r"no preprocessor_config\.json \(or processor_config\.json\) says how images were prepared")


def test_it_is_fetched_from_the_hub(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nest(copied, image_mean=[0.1, 0.2, 0.3])
    with serve({"team/vit": copied}) as hub, client_of(hub, tmp_path / "cache", monkeypatch):
        found = load_checkpoint("team/vit")
    assert found.processor.image_mean == (0.1, 0.2, 0.3)
    assert found.weights_sha256 == load_checkpoint(str(copied)).weights_sha256


def test_it_can_come_from_the_base(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a Trainer without `processing_class` needs: it saves no processor."""
    base = shutil.copytree(copied, tmp_path / "base")
    (base / "model.safetensors").unlink()
    nest(base, image_mean=[0.1, 0.2, 0.3])
    (copied / "preprocessor_config.json").unlink()
    edit(copied / "config.json", _name_or_path="team/base")
    refused(copied, r"give --processor FOLDER_OR_ID .* was made of \(config\.json names team/base\)")
    found = load_checkpoint(str(copied), processor=str(base))
    assert found.processor.image_mean == (0.1, 0.2, 0.3)
    with serve({"team/base": base}) as hub, client_of(hub, tmp_path / "cache", monkeypatch):
        assert load_checkpoint(str(copied), processor="team/base").weights_sha256 == found.weights_sha256
        assert "model.safetensors" not in hub.fetched()
        refused(copied, "--processor team/none: .* could not be fetched", processor="team/none")
    nest(base, image_mean=[0.3, 0.2, 0.1])
    assert load_checkpoint(str(copied), processor=str(base)).weights_sha256 != found.weights_sha256
    refused(copied, r"--processor \S+/config\.json: a file", processor=str(copied / "config.json"))
    refused(copied, "--processor ./none: there is no such folder", processor="./none")
    refused(copied, r"--processor \S+: has neither preprocessor_config", processor=str(copied))


def test_what_transformers_would_read_otherwise_elsewhere_is_said(copied: Path) -> None:
    edit(copied / "preprocessor_config.json", resample="bicubic")
    (note,) = load_checkpoint(str(copied)).notes
    assert "resample is the text 'bicubic'" in note and "reads as bilinear with Pillow" in note
    edit(copied / "preprocessor_config.json", resample=0)
    (note,) = load_checkpoint(str(copied)).notes
    assert "where training used torchvision" in note and "may be the other one than Pillow's" in note
    edit(copied / "preprocessor_config.json", image_processor_type="ViTImageProcessorFast")
    refused(copied, r"ViTImageProcessorFast resizes to the nearest pixel .* --processor with ViTImageProcessor$")
    edit(copied / "preprocessor_config.json", do_resize=False)
    assert load_checkpoint(str(copied)).notes == ()
    edit(copied / "preprocessor_config.json", resample=2, do_resize=True)
    assert load_checkpoint(str(copied)).notes == ()
    assert load_checkpoint(str(copied)).trained_with == "ViTImageProcessorFast (torchvision)"
    edit(copied / "preprocessor_config.json", image_processor_type=None, feature_extractor_type="ViTFeatureExtractor")
    assert load_checkpoint(str(copied)).trained_with == "ViTFeatureExtractor (pil)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": "large"}, "its image processor cannot be loaded by transformers: ValueError: Could not convert"),
        ({"size": {"height": 32, "depth": 3}}, "its image processor cannot be loaded by transformers"),
        ({"image_processor_type": "ProcessorOfTomorrow"}, "its image processor cannot be loaded by transformers"),
    ],
)
def test_settings_that_make_no_sense_are_explained(copied: Path, changes: Any, message: str) -> None:
    edit(copied / "preprocessor_config.json", **changes)
    refused(copied, message)


def test_the_command_says_what_it_is_made_of(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another size than the position table's, names of a file, and sides as lists with --size."""
    monkeypatch.setenv("COLUMNS", "200")
    edit(copied / "preprocessor_config.json", size={"height": 48, "width": 48}, image_mean=0.5)
    edit(copied / "config.json", patch_size=[8, 8], image_size=[32, 32])
    (tmp_path / "names.json").write_text(json.dumps(["a", "b", "c", "d", "e"]))
    arguments = [str(copied), "--name", "x", "--out", str(tmp_path / "models"), "--no-certificate", "--no-attention"]
    arguments += ["--no-evidence", "--labels", str(tmp_path / "names.json")]
    assert main(arguments) == 0
    warning = "warning: CHECKPOINT: its image processor makes 48x48, and config.json says 32x32"
    assert warning in capsys.readouterr().err
    assert main([*arguments, "--size", "40"]) == 0
    assert "warning" not in capsys.readouterr().err
    first, second = (json.loads((tmp_path / f"models/x/{n}/manifest.json").read_text()) for n in (1, 2))
    assert (first["input"]["height"], second["input"]["height"]) == (48, 40)
    assert first["provenance"]["processor"] == "ViTImageProcessor (torchvision or pil)"
    assert first["labels"] == ["a", "b", "c", "d", "e"]
