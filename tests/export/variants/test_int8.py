"""Quantization to int8 by NNCF, on the traced model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from tests.export.tracing import traced
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.variants.blocks import linear_layers
from vitscope.export.variants.int8 import LARGEST, bypass, quantize, weight_bytes


@pytest.fixture(scope="module")
def model(checkpoints: dict[str, Path]) -> ir.Model:
    return traced(checkpoints["vit"])


@pytest.fixture(scope="module")
def quantized(model: ir.Model) -> ir.Model:
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    return quantize(model, [node for nodes in linear_layers(model).values() for node in nodes], images)


def readers_of_8_bits(model: ir.Model) -> list[tuple[str, bool]]:
    """Return (node, True if its activations are in 8 bits) for each product whose weights are in 8 bits."""
    found = []
    for node in model.graph:
        producers = [value.producer() for value in node.inputs if value is not None]
        kinds = [producer.op_type if producer else "" for producer in producers]
        if node.op_type in ("MatMul", "Gemm", "Conv") and "DequantizeLinear" in kinds[1:]:
            found.append((node.name or "", kinds[0] == "DequantizeLinear"))
    return found


def test_only_what_was_chosen_is_in_8_bits(model: ir.Model, quantized: ir.Model) -> None:
    layers = linear_layers(model)
    assert readers_of_8_bits(quantized) == [(node, True) for nodes in layers.values() for node in nodes]
    assert readers_of_8_bits(model) == [], "the traced model is left as it was"
    points = [node.inputs[2] for node in quantized.graph if node.op_type == "QuantizeLinear"]
    assert len(points) == 8
    for point in points:
        assert point is not None and point.const_value is not None and not point.const_value.numpy().any()


def test_the_size_of_the_weights(model: ir.Model, checkpoints: dict[str, Path]) -> None:
    weights = load_checkpoint(str(checkpoints["vit"])).model.num_parameters() * 4
    assert 0.9 * weights < weight_bytes(model) < 1.1 * weights < LARGEST


def test_bypassed_activations_are_not_rounded(model: ir.Model, quantized: ir.Model) -> None:
    layers = linear_layers(model)
    found = dict(readers_of_8_bits(bypass(quantized, layers["block 1 mlp"])))
    assert {node for node, rounded in found.items() if not rounded} == set(layers["block 1 mlp"])


SCRIPT = """
import sys, numpy as np, onnx_ir as ir
from onnx import helper, numpy_helper, save
sys.path.insert(0, ".")
import vitscope.export.pipeline
assert "nncf" not in sys.modules, "an export without --int8 should not wait for it"
from vitscope.export.variants.int8 import quantize
pixels = helper.make_tensor_value_info("pixels", 2, ["N", 4, 4, 3])
nodes = [helper.make_node("Cast", ["pixels"], ["x"], to=1), helper.make_node("MatMul", ["x", "w"], ["y"], "m")]
weights = [numpy_helper.from_array(np.ones((3, 8), np.float32), "w")]
graph = helper.make_graph(nodes, "g", [pixels], [helper.make_tensor_value_info("y", 1, ["N", 4, 4, 8])], weights)
model = ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))
quantize(model, ["m"], np.ones((2, 4, 4, 3), np.uint8))
import nncf.telemetry.wrapper
print(type(nncf.telemetry.wrapper.telemetry).__name__)
"""


def test_nncf_is_loaded_late_calls_nobody_and_prints_nothing() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "MagicMock\n"), done.stderr
