"""FP8: the matrix products of the encoder blocks on 8-bit floating-point numbers (E4M3, arXiv:2209.05433)."""

from collections.abc import Iterable, Iterator, Mapping

import ml_dtypes
import numpy as np
import onnx_ir as ir

from vitscope.export.calibrate import largest
from vitscope.export.int8 import linear_layers

E4M3 = ml_dtypes.float8_e4m3fn
LARGEST = 448.0
# Below, float16 has fewer digits, and these scales are float16 numbers.
SMALLEST_SCALE = 2.0**-14
SOFTMAX = 1.0  # no probability is larger, whatever the images

Ranges = Mapping[str, float]
"""The largest absolute value of each activation that a product reads, by its name."""


def scale(magnitude: float) -> np.float32:
    """The scale with which values up to `magnitude` fill the range of E4M3.

    A number that float16 holds too: the graph means the same in float32, where it is certified, and in float16, where it is fast.
    """
    return np.float32(np.float16(max(magnitude / LARGEST, SMALLEST_SCALE)))


def products(model: ir.Model) -> dict[str, list[str]]:
    """The products of each encoder block of a traced model ("block 3"): the linear layers, q @ k^T and softmax @ v.

    The class token's row beside the attention is not among them: it is the answer to what the model looked at, and costs next
    to nothing. Nor are the head, which is one token's work, and the patch embedding, which reads the picture itself.
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
    """The ranges of what all `products` read, on images, uint8 [M, H, W, 3]."""
    chosen = {name for names in products(model).values() for name in names}
    operands = [value for node in model.graph if node.name in chosen for value in _operands(node)]
    known = {_operands(product)[0].name or "": SOFTMAX for _, product in _attention(model)}
    unknown = [value.name or "" for value in operands if value.const_value is None and value.name not in known]
    return known | largest(model, unknown, images)


def quantize(model: ir.Model, ranges: Ranges, nodes: Iterable[str]) -> ir.Model:
    """A copy of a traced model in which the products `nodes` read E4M3 numbers, between QuantizeLinear and DequantizeLinear.

    One scale per tensor, so that the largest value becomes 448; weights are stored in E4M3 and only dequantized. Each
    DequantizeLinear feeds MatMul and nothing else, the form in which TensorRT multiplies in FP8 and keeps attention in one kernel:
    it counts on the query being scaled and the key transposed before.
    """
    model, nodes = model.clone(), set(nodes)
    zero = _constant(model.graph, "fp8/zero", np.zeros((), E4M3))  # its type is what tells QuantizeLinear to write E4M3
    rounded: dict[ir.Value, ir.Value] = {}
    for node in [node for node in model.graph if node.name in nodes]:
        for index, value in enumerate(_operands(node)):
            if value not in rounded:
                rounded[value] = _round(model.graph, node, value, ranges, zero)
            node.replace_input_with(index, rounded[value])
    return model


def _attention(model: ir.Model) -> Iterator[tuple[ir.Node, ir.Node]]:
    """(q @ k^T, softmax @ v) of each block. The softmax of the class token's row is read by something other than a MatMul."""
    for node in model.graph:
        if node.op_type == "Softmax" and node.inputs[0] is not None:
            scores, (reader, *_) = node.inputs[0].producer(), node.outputs[0].consumers()
            if scores is not None and reader.op_type == "MatMul":
                yield scores, reader


def _round(graph: ir.Graph, reader: ir.Node, value: ir.Value, ranges: Ranges, zero: ir.Value) -> ir.Value:
    """The value after E4M3, computed before `reader`."""
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
