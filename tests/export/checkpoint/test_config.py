"""config.json: what is overridden, and what is refused."""

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.export.checkpoint.edits import edit
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.errors import ExportError

CODE = {"AutoConfig": "own.OwnConfig", "AutoModelForImageClassification": "own.OwnModel",
        "AutoImageProcessor": "own.OwnProcessor"}  # fmt: skip


def refused(folder: Path, message: str) -> None:
    with pytest.raises(ExportError, match=message) as error:
        load_checkpoint(str(folder))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes 4bit"),
        ({"load_in_8bit": True}, "an unknown method 8bit"),
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
        ({"quant_method": "quanto", "weights": "int8"}, "quanto"),
        ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, "torchao"),
        ({"quant_method": "of-tomorrow"}, "of-tomorrow"),
        ({"bits": 4}, "an unknown method"),
        ("surprise", "an unknown method"),
    ],
)
def test_quantised_checkpoints_are_refused_with_the_way_out(copied: Path, settings: Any, named: str) -> None:
    edit(copied / "config.json", quantization_config=settings)
    refused(copied, rf"quantised by {named} \(quantization_config in config\.json\); .* Dequantise first")


def test_quantisation_beside_the_configuration_is_found(copied: Path) -> None:
    edit(copied / "quantize_config.json", bits=4)
    refused(copied, r"quantised by an unknown method \(quantize_config\.json\)")


@pytest.mark.parametrize("name", ["attn_implementation", "_attn_implementation"])
@pytest.mark.parametrize("value", ["flash_attention_2", "flex_attention", "nonsense", {"": "flash_attention_3"}])
def test_attention_of_the_configuration_is_overridden(copied: Path, name: str, value: Any) -> None:
    edit(copied / "config.json", **{name: value})
    assert load_checkpoint(str(copied)).model.config._attn_implementation == "sdpa"  # as with nothing configured


def test_lists_of_sides_are_numbers(copied: Path) -> None:
    edit(copied / "config.json", patch_size=[8, 8], image_size=[32, 32])
    found = load_checkpoint(str(copied))
    assert str(found.family.native_size(found.model)) == "32x32"
    assert str(found.family.patch_size(found.model)) == "8x8"
    assert (found.model.config.image_size, found.model.config.patch_size) == (32, 8)


def test_built_in_classes_take_the_place_of_custom_code(copied: Path) -> None:
    (copied / "own.py").write_text("raise SystemExit('code of the checkpoint was run')")
    edit(copied / "config.json", auto_map=CODE)
    edit(copied / "preprocessor_config.json", auto_map=CODE)
    first, second = load_checkpoint(str(copied)).notes
    assert "own.OwnModel" in first and "was not run; transformers' own ViTForImageClassification" in first
    assert "own.OwnProcessor" in second and "was not run; transformers' own ViTImageProcessorPil" in second


def test_custom_code_is_neither_run_nor_asked_for_with_a_terminal(copied: Path, tmp_path: Path) -> None:
    (copied / "own.py").write_text(f"open({str(tmp_path / 'intruder')!r}, 'w')")
    other = shutil.copytree(copied, tmp_path / "other")
    edit(copied / "config.json", auto_map=CODE, model_type="own")
    edit(other / "preprocessor_config.json", auto_map=CODE, image_processor_type="OwnProcessor")
    script = """if True:
        import sys
        from vitscope.export.cli import main
        print(*(main([folder, "--name", "x", "--out", "models", "--no-certificate"]) for folder in sys.argv[1:]))
    """
    leader, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", script, str(copied), str(other)], stdin=terminal, capture_output=True, text=True,
        timeout=300, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")},
    )  # fmt: skip
    os.close(leader)
    os.close(terminal)
    assert done.stdout.strip() == "2 2" and not (tmp_path / "intruder").exists()
    first, second = (line for line in done.stderr.splitlines() if line.startswith("vitscope export: "))
    assert "CHECKPOINT: config.json asks for code of its own (own.OwnConfig, own.OwnModel, own.OwnProcessor)" in first
    assert "its image processor is code of its own (own.OwnProcessor), and export never runs code" in second


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model_type": "vit_of_tomorrow"},
            r"has the model_type 'vit_of_tomorrow', which transformers \S+ does not know",
        ),
        (
            {"model_type": "bert", "architectures": ["BertForSequenceClassification"]},
            "BertForSequenceClassification; s",
        ),
        ({"model_type": "detr", "architectures": ["DetrForObjectDetection"]}, "DetrForObjectDetection; supported"),
        (
            {"model_type": "dpt", "architectures": ["DPTForSemanticSegmentation"], "num_hidden_layers": 12},
            "DPTForSemanticSegmentation; supported",
        ),
        ({"architectures": None}, "architecture none; supported"),
        ({"architectures": []}, "architecture none; supported"),
        ({"hidden_size": "wide"}, "cannot be loaded by transformers"),
        ({"num_channels": 1}, "num_channels is 1; accepted is 3"),
    ],
)
def test_other_models_are_named_in_one_line(copied: Path, changes: Any, message: str) -> None:
    edit(copied / "config.json", **changes)
    refused(copied, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "config.json cannot be read"), ("[1]", "config.json holds list; accepted: a JSON object"), ("{,}", "cannot")],
)
def test_a_configuration_that_is_no_json(copied: Path, content: str, message: str) -> None:
    (copied / "config.json").write_text(content)
    refused(copied, message)
