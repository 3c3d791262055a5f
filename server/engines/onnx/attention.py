"""Each layer's attention as one `Attention` node (ONNX, opset 23).

ONNX Runtime has fused kernels for that node on a GPU, and does not fuse the products and the softmax that are exported.
"""

from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from vitscope.server.engines.onnx.opset import raised

_OPSET, _IR_VERSION = 23, 11  # the first opset with Attention, and the file format that goes with it
# Transpositions of [N, T, heads, width] to [N, heads, T, width], or back, and to the keys' [N, heads, width, T].
_HEADS_FIRST, _KEYS_LAST = [0, 2, 1, 3], [0, 2, 3, 1]


class NotFused(ValueError):
    """The attention of some layer has another form than the one that is exported."""


def with_attention_nodes(model: ModelProto, layers: int) -> ModelProto:
    """Copy an exported float32 graph, with the softmax(q * scale @ k^T) @ v of each layer as one `Attention` node.

    The node takes q, k and v as [N, T, heads * width], before they are split into heads; fused kernels read that layout
    directly. The class token's attention rows, which are computed beside it, stay as they are.
    layers: how many the model has. Raises NotFused where another number has that form, OpsetError for operators whose
    meaning may change up to opset 23.
    """
    graph = model.graph
    found = _Finder(graph).layers()
    if len(found) != layers:
        raise NotFused(
            f"{len(found)} of {layers} layers have the attention that `vitscope export` writes; accepted: all"
        )
    fused = {layer.output: layer.node() for layer in found}
    nodes = _needed([fused.get(node.output[0], node) for node in graph.node], {value.name for value in graph.output})
    read = {name for node in nodes for name in node.input}
    weights = [tensor for tensor in graph.initializer if tensor.name in read]
    return helper.make_model(
        helper.make_graph(nodes, graph.name, graph.input, graph.output, weights),
        opset_imports=raised(model, _OPSET),
        ir_version=max(model.ir_version, _IR_VERSION),
    )


@dataclass(frozen=True)
class _Layer:
    """The attention of one layer. query, key, value, output: names of tensors [N, T, heads * width]."""

    query: str
    key: str
    value: str
    output: str
    heads: int
    scale: float

    def node(self) -> NodeProto:
        return helper.make_node(
            "Attention",
            [self.query, self.key, self.value],
            [self.output],
            name=f"{self.output}_attention",
            q_num_heads=self.heads,
            kv_num_heads=self.heads,
            scale=self.scale,
        )


class _OtherForm(Exception):
    """A node or tensor does not have the form that is looked for."""


class _Finder:
    """Finds layers by their softmax, following tensors to the nodes that produce and read them."""

    def __init__(self, graph: GraphProto) -> None:
        self._nodes = graph.node
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._producers = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def layers(self) -> list[_Layer]:
        found = []
        for node in self._nodes:
            try:
                found.append(self._layer(node))
            except _OtherForm:
                continue
        return found

    def _layer(self, softmax: NodeProto) -> _Layer:
        if softmax.op_type != "Softmax" or _attribute(softmax, "axis") not in (None, -1, 3):
            raise _OtherForm
        scores, weighted = self._producer(softmax.input[0], "MatMul"), self._reader(softmax.output[0], "MatMul")
        scaled = self._producer(scores.input[0], "Mul")
        scale = self._constant(scaled.input[1])
        query, *heads = self._split(scaled.input[0], _HEADS_FIRST)
        key, *heads_of_keys = self._split(scores.input[1], _KEYS_LAST)
        value, *heads_of_values = self._split(weighted.input[1], _HEADS_FIRST)
        transposed = self._reader(weighted.output[0], "Transpose")
        joined = self._reader(transposed.output[0], "Reshape")
        if (
            scale.size != 1
            or not heads == heads_of_keys == heads_of_values
            or _attribute(transposed, "perm") != _HEADS_FIRST
            or self._constant(joined.input[1])[2:].tolist() != [heads[0] * heads[1]]
        ):
            raise _OtherForm
        return _Layer(query, key, value, joined.output[0], heads[0], float(scale.item()))

    def _split(self, name: str, order: list[int]) -> tuple[str, int, int]:
        """Return the tensor of which `name` is made by splitting it into heads and transposing it to `order`.

        Also returns the number of heads and their width.
        """
        transposed = self._producer(name, "Transpose")
        split = self._producer(transposed.input[0], "Reshape")
        shape = self._constant(split.input[1])
        if _attribute(transposed, "perm") != order or len(shape) != 4 or min(shape[2:]) < 1:
            raise _OtherForm
        return split.input[0], int(shape[2]), int(shape[3])

    def _producer(self, name: str, operator: str) -> NodeProto:
        """Return the node that produces a tensor, if it is an `operator`."""
        node = self._producers.get(name)
        if node is None or node.op_type != operator:
            raise _OtherForm
        return node

    def _reader(self, name: str, operator: str) -> NodeProto:
        """Return the only node that reads a tensor, if it is an `operator`."""
        readers = self._readers.get(name, [])
        if len(readers) != 1 or readers[0].op_type != operator:
            raise _OtherForm
        return readers[0]

    def _constant(self, name: str) -> np.ndarray:
        if name not in self._constants:
            raise _OtherForm
        values: np.ndarray = numpy_helper.to_array(self._constants[name])
        return values


def _attribute(node: NodeProto, name: str) -> object:
    """Return the value of an attribute, None where the node does not have it."""
    return next((helper.get_attribute_value(found) for found in node.attribute if found.name == name), None)


def _needed(nodes: list[NodeProto], outputs: set[str]) -> list[NodeProto]:
    """Return the nodes that `outputs` depend on, in their order."""
    wanted, needed = set(outputs), list[NodeProto]()
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            needed.append(node)
            wanted.update(node.input)
    return needed[::-1]
