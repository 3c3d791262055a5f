"""Quantization with the evidence branch: what it computes, and with which weights."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from tests.export.tracing import traced
from vitscope.bundle import CLASSIFY, EVIDENCE, Graph
from vitscope.export.graph import cut
from vitscope.export.graph.weights import write_graphs
from vitscope.export.methods import Attention, Evidence
from vitscope.export.variants import fp8, int8
from vitscope.export.variants.blocks import linear_layers
from vitscope.export.variants.graft import graft, trunk

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
CLASSES = np.tile([[0, -1]], (8, 1))


@pytest.fixture(scope="module")
def model(checkpoints: dict[str, Path]) -> ir.Model:
    return traced(checkpoints["vit"], [Attention(), Evidence(4)])


@pytest.fixture(scope="module")
def smoothed(model: ir.Model) -> ir.Model:
    """With no layer in 8 bits, NNCF may still move scales between weights."""
    return int8.quantize(model, [], IMAGES)


def outputs(model: ir.Model, folder: Path) -> dict[str, np.ndarray]:
    """Run the evidence graph of a traced model."""
    graphs = {name: Graph(file=name, outputs=()) for name in (CLASSIFY, EVIDENCE)}
    write_graphs({folder / f"{name}.onnx": part for name, part in cut(model, graphs).items()}, "weights.bin")
    session = onnxruntime.InferenceSession(folder / f"{EVIDENCE}.onnx")
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pixels": IMAGES, "target_class": CLASSES}), strict=True))


def test_a_trunk_asks_for_pixels_alone_and_a_graft_gives_the_model_back(model: ir.Model, tmp_path: Path) -> None:
    stem = trunk(model)
    assert [value.name for value in stem.graph.inputs] == ["pixels"]
    assert [value.name for value in stem.graph.outputs] == [
        value.name for value in model.graph.outputs if not (value.name or "").startswith("evidence/")
    ]
    expected, found = outputs(model, tmp_path / "whole"), outputs(graft(stem, model), tmp_path / "grafted")
    assert expected.keys() == found.keys() and "evidence_ledger" in found
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, name)


def test_smoothing_does_not_reach_the_evidence_branch(model: ir.Model, smoothed: ir.Model, tmp_path: Path) -> None:
    expected = outputs(model, tmp_path / "whole")
    found = outputs(smoothed, tmp_path / "int8")
    np.testing.assert_array_equal(found["evidence_class"], expected["evidence_class"])
    for name in ("logits", "evidence", "evidence_gradient", "evidence_direct"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-4 * np.abs(expected[name]).max())


def test_only_the_blocks_are_quantized(model: ir.Model, smoothed: ir.Model) -> None:
    """The branch multiplies with the same weights as the last block, and is none of its layers."""
    assert linear_layers(model) == linear_layers(trunk(model)) and fp8.products(model) == fp8.products(trunk(model))
    nodes = [node for block in fp8.products(model).values() for node in block]
    quantized = fp8.quantize(model, dict.fromkeys(_values(model), 1.0), nodes)
    for branch in (quantized, smoothed):
        kept = {node.name for node in trunk(model).graph}
        readers = [node for node in branch.graph if node.name not in kept and node.op_type == "MatMul"]
        weights = [value.const_value for node in readers for value in node.inputs if value and value.const_value]
        assert len(readers) > 6 and len(weights) >= 6
        assert all(weight.dtype == ir.DataType.FLOAT for weight in weights)


def _values(model: ir.Model) -> list[str]:
    return [value.name or "" for node in model.graph for value in node.outputs]
