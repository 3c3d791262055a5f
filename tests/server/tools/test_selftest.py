"""`vitscope selftest`."""

from pathlib import Path

import numpy as np
import pytest

from tests.bundle.sample import MANIFEST
from tests.server.models.bundles import write_bundle
from tests.server.tools.photos import photos
from vitscope.bundle import CLASSIFY, open_bundle
from vitscope.server.engines.contract import Outputs
from vitscope.server.engines.onnxruntime import OnnxRuntimeSlot
from vitscope.server.engines.openvino import OpenVinoSlot
from vitscope.server.tools import selftest
from vitscope.server.tools.images import read_images
from vitscope.server.tools.limit import OPERATIONS, limit_bundle
from vitscope.server.tools.selftest import arithmetic, main


def test_each_engine_is_compared_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
    assert main([str(path), "--engine", "onnxruntime", "--max-batch", "2"]) == 0
    printed = capsys.readouterr()
    rates, gates = printed.out.split("\n\n")[1:3]
    assert [line.split()[:2] for line in rates.splitlines()[1:]] == [["onnxruntime/f32", "1"], ["onnxruntime/f32", "2"]]
    assert all(line.endswith("%") for line in rates.splitlines()[1:])
    assert gates.splitlines()[1].split()[:3] == ["onnxruntime/f32", "classify", "100.0%"]
    assert "building, comparing and measuring" in printed.err


def test_an_engine_that_answers_wrongly_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "_limit", lambda *_: None)
    right = OpenVinoSlot.run
    monkeypatch.setattr(
        OpenVinoSlot, "run", lambda slot, n, profile=0: {k: -v for k, v in right(slot, n, profile).items()}
    )
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
    assert main([str(path), "--engine", "openvino", "--max-batch", "2"]) == 1
    assert "at batch 2, top-1 agrees on" in " ".join(capsys.readouterr().out.split())  # broken at 80 columns


def test_own_images_replace_made_up_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    right = OnnxRuntimeSlot.run

    def run(slot: OnnxRuntimeSlot, n: int, profile: int = 0) -> Outputs:
        seen.append(slot.pixels[:n].copy())
        return right(slot, n, profile)

    monkeypatch.setattr(OnnxRuntimeSlot, "run", run)
    monkeypatch.setattr(selftest, "_limit", lambda *_: None)
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
    photos(tmp_path / "photos", 8)
    assert main([str(path), "--engine", "onnxruntime", "--max-batch", "2", "--images", str(tmp_path / "photos")]) == 0
    expected = read_images(tmp_path / "photos", open_bundle(path).manifest)
    np.testing.assert_array_equal(np.concatenate(seen[:4]), expected)
    assert main([str(path), "--images", str(tmp_path / "none")]) == 2
    assert "none: no such folder" in capsys.readouterr().err


def test_an_engine_that_is_not_here_is_a_failure_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(write_bundle(tmp_path / "models", "a", 1, tmp_path)), "--engine", "tensorrt"]) == 1
    assert "tensorrt/f16: not here: TensorRT cannot be imported" in capsys.readouterr().err


def test_the_arithmetic_of_a_vit_b_is_the_published_one() -> None:
    tokens = MANIFEST.tokens.model_copy(
        update={"patch_height": 16, "patch_width": 16, "grid_rows": 14, "grid_cols": 14}
    )
    vit_b = MANIFEST.model_copy(update={"tokens": tokens, "layers": 12, "heads": 12, "width": 768})
    assert arithmetic(vit_b) == pytest.approx(35.1e9, rel=0.01)  # 17.56 G multiply-adds


def test_the_limit_bundle_has_as_many_operations_as_it_says(tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    opened = limit_bundle(tmp_path, MANIFEST)
    graph = onnx.load(opened.graph_path(CLASSIFY)).graph
    shapes = {tensor.name: tensor.dims for tensor in graph.initializer}
    rows = shapes["start"][1]
    products = [shapes[node.input[1]] for node in graph.node if node.op_type == "MatMul" and node.output != ["logits"]]
    assert sum(2 * rows * k * n for k, n in products) == OPERATIONS
    session = onnxruntime.InferenceSession(opened.graph_path(CLASSIFY))
    (logits,) = session.run(None, {"pixels": np.full((2, 28, 28, 3), 200, np.uint8)})
    assert logits.shape == (2, 2)
    assert 1e-3 < np.abs(logits).max() < 6e4, "half precision must hold it"
