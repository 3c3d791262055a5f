"""FP8: the matrix products of the encoder blocks on 8-bit floating-point numbers (E4M3, arXiv:2209.05433)."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx_ir as ir

from vitscope.bundle import FP8, Certificate, GraphName, Variant
from vitscope.export.certificate.engines import Candidate, candidates
from vitscope.export.progress import Reporter
from vitscope.export.variants.blocks import linear_layers
from vitscope.export.variants.form import Source
from vitscope.export.variants.ranges import largest

E4M3 = ml_dtypes.float8_e4m3fn
LARGEST = 448.0
# Scales are float16 numbers, and smaller ones would be subnormal, with fewer digits.
SMALLEST_SCALE = 2.0**-14
SOFTMAX = 1.0  # no probability is larger, whatever the images

Ranges = Mapping[str, float]
"""The largest absolute value of each activation that a product reads, by its name."""


class Fp8:
    """FP8 in any of the encoder blocks. Whole blocks, so that the attention of a block stays one kernel.

    ONNX Runtime rounds to E4M3 as the graph says and multiplies in float32. That measures the loss of the number
    format, on any engine. It says nothing about an engine that multiplies in FP8, which has to be measured where it
    runs.
    """

    variant: Variant = FP8
    unit = "blocks"
    why_not = ""

    def __init__(self, source: Source, certificate: Certificate, reporter: Reporter) -> None:
        (self.exact,) = [candidate for candidate in candidates() if candidate.key == "onnxruntime/f32"]
        self.candidate: Candidate = replace(self.exact, precision=FP8)
        self._source = source
        self.blocks = products(source.traced)
        with reporter.stage(f"taking the ranges for fp8 from {len(source.images)} images"):
            self._ranges = activation_ranges(source.traced, source.images)

    def write(self, paths: Mapping[GraphName, Path], floats: Collection[str]) -> None:
        """Write the graphs with the blocks `floats` left in floating point."""
        nodes = [node for block, names in self.blocks.items() if block not in floats for node in names]
        self._source.write(quantize(self._source.traced, self._ranges, nodes), paths, FP8)

    def write_without(self, name: GraphName, path: Path, block: str) -> None:
        """Write one graph with only this block left in floating point."""
        self.write({name: path}, [block])


def scale(magnitude: float) -> np.float32:
    """Return the scale with which values up to `magnitude` fill the range of E4M3.

    It is a float16 number, so that the graph means the same in float32, where it is certified, and in float16, where
    it is fast.
    """
    return np.float32(np.float16(max(magnitude / LARGEST, SMALLEST_SCALE)))


def products(model: ir.Model) -> dict[str, list[str]]:
    """Find the products of each encoder block ("block 3") of a traced model: linear layers, q @ k^T and softmax @ v.

    Left out are the side branches of explanation methods, whose outputs are the explanation and cost next to nothing;
    the head, which is one token's work; and the patch embedding, which reads the pixels.
    """
    block_of = {node: half.rpartition(" ")[0] for half, nodes in linear_layers(model).items() for node in nodes}
    attention = {product.name for pair in _attention(model) for product in pair}
    blocks: dict[str, list[str]] = {}
    block = ""
    for node in model.graph:
        block = block_of.get(node.name or "", block)
        if node.name in block_of or node.name in attention:
            blocks.setdefault(block, []).append(node.name or "")
    return blocks


def activation_ranges(model: ir.Model, images: np.ndarray) -> Ranges:
    """Compute the ranges of all activations that `products` read, on images, uint8 [M, H, W, 3]."""
    chosen = {name for names in products(model).values() for name in names}
    operands = [value for node in model.graph if node.name in chosen for value in _operands(node)]
    known = {_operands(product)[0].name or "": SOFTMAX for _, product in _attention(model)}
    unknown = [value.name or "" for value in operands if value.const_value is None and value.name not in known]
    return known | largest(model, unknown, images)


def quantize(model: ir.Model, ranges: Ranges, nodes: Iterable[str]) -> ir.Model:
    """Copy a traced model so that the products `nodes` read E4M3 numbers, between QuantizeLinear and DequantizeLinear.

    There is one scale per tensor, so that the largest value becomes 448. Weights are stored in E4M3 and only
    dequantized. Each DequantizeLinear feeds MatMul and nothing else: in this form TensorRT multiplies in FP8 and
    keeps attention in one kernel. It requires that the query has been scaled and the key transposed before.
    """
    model, nodes = model.clone(), set(nodes)
    zero = _constant(model.graph, "fp8/zero", np.zeros((), E4M3))  # its type makes QuantizeLinear write E4M3
    rounded: dict[ir.Value, ir.Value] = {}
    for node in [node for node in model.graph if node.name in nodes]:
        for index, value in enumerate(_operands(node)):
            if value not in rounded:
                rounded[value] = _round(model.graph, node, value, ranges, zero)
            node.replace_input_with(index, rounded[value])
    return model


def _attention(model: ir.Model) -> Iterator[tuple[ir.Node, ir.Node]]:
    """Yield (q @ k^T, softmax @ v) of each block. A MatMul reads no softmax of a side branch."""
    for node in model.graph:
        if node.op_type == "Softmax" and node.inputs[0] is not None:
            scores, (reader, *_) = node.inputs[0].producer(), node.outputs[0].consumers()
            if scores is not None and reader.op_type == "MatMul":
                yield scores, reader


def _round(graph: ir.Graph, reader: ir.Node, value: ir.Value, ranges: Ranges, zero: ir.Value) -> ir.Value:
    """Insert nodes that round a value to E4M3, before `reader`. Returns the rounded value."""
    if value.const_value is not None:
        weight = value.const_value.numpy()
        factor = scale(float(np.abs(weight).max()))
        step = _constant(graph, f"{value.name}/scale", factor)
        narrow = _constant(graph, f"{value.name}/fp8", (weight / factor).astype(E4M3))
    else:
        step = _constant(graph, f"{value.name}/scale", scale(ranges[value.name or ""]))
        narrow = ir.val(f"{value.name}/fp8", ir.DataType.FLOAT8E4M3FN, value.shape)
        graph.insert_before(reader, ir.node("QuantizeLinear", [value, step, zero], outputs=[narrow]))
    result = ir.val(f"{value.name}/rounded", ir.DataType.FLOAT, value.shape)
    graph.insert_before(reader, ir.node("DequantizeLinear", [narrow, step, zero], outputs=[result]))
    return result


def _operands(product: ir.Node) -> list[ir.Value]:
    return [value for value in product.inputs if value is not None]


def _constant(graph: ir.Graph, name: str, array: np.ndarray | np.generic) -> ir.Value:
    value = ir.val(name, const_value=ir.tensor(np.asarray(array), name=name))
    graph.register_initializer(value)
    return value
