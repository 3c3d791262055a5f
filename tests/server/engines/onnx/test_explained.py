"""What explains classes stays in float32 where the rest is in half precision."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from tests.server.engines.graphs import CLASSES, HEIGHT, WIDTH, write_explaining_graph
from vitscope.server.engines.onnx.precision import Arithmetic, float32_tensors, retype


@pytest.fixture
def graph(tmp_path: Path) -> onnx.ModelProto:
    write_explaining_graph(tmp_path / "graph.onnx")
    return onnx.load(tmp_path / "graph.onnx")


def outputs(model: onnx.ModelProto, pixels: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pixels": pixels, "target_class": classes}), strict=True))


@pytest.mark.parametrize("precision", ["f16", "bf16"])
def test_what_the_logits_do_not_need_is_computed_in_float32(graph: onnx.ModelProto, precision: Arithmetic) -> None:
    changed = retype(graph, precision)
    onnx.checker.check_model(changed, full_check=True)
    kept = float32_tensors(changed)
    assert {"evidence", "evidence_ledger", "log_probabilities", "weight", "share_of_patch"} <= kept
    assert not {"mean", f"logits_{precision}"} & kept
    weights = {tensor.name: tensor.data_type for tensor in changed.graph.initializer}
    assert weights["weights_f32"] == TensorProto.FLOAT
    assert weights["matrix"] == {"f16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}[precision]
    assert {value.name: value.type for value in changed.graph.output} == {
        value.name: value.type for value in graph.graph.output
    }


def test_its_sums_add_up_in_half_precision(graph: onnx.ModelProto) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 20, (4, HEIGHT, WIDTH, 3), np.uint8)
    classes = random.integers(-CLASSES, CLASSES, (4, 2))
    found, expected = (outputs(model, pixels, classes) for model in (retype(graph, "f16"), graph))
    np.testing.assert_array_equal(found["evidence_class"], expected["evidence_class"])
    np.testing.assert_allclose(found["evidence"], expected["evidence"], atol=0.01, rtol=0.01)
    ledger = found["evidence_ledger"].astype(np.float64)
    total = ledger[..., 1:4].sum(-1) + found["evidence"].sum(-1)
    np.testing.assert_allclose(total, ledger[..., 0], atol=1e-4)
