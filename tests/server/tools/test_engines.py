"""`vitscope engines`."""

from pathlib import Path

import pytest

from tests.server.models.bundles import write_bundle
from vitscope.server.tools.engines import main


def test_every_engine_is_listed_with_yes_or_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["engine", "precisions", "here"]
    assert any(line.startswith("onnxruntime ") and line.endswith(" yes") for line in lines)
    (tensorrt,) = [line for line in lines if line.startswith("tensorrt")]
    assert "f16, bf16, f32, fp8" in tensorrt
    assert "cannot be imported" in tensorrt


def test_for_a_bundle_it_says_what_would_serve_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write_bundle(tmp_path / "models", "a", 1, tmp_path))]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("a/1 is served by openvino/f32")


def test_a_folder_that_is_no_bundle_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().out
