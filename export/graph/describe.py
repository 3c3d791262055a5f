"""The graphs' entries in the manifest."""

import math
from collections.abc import Sequence
from typing import get_args

from vitscope.bundle import CLASSIFY, Graph, GraphName, Output, TokenGeometry
from vitscope.export.families import Sizes
from vitscope.export.methods import Dimensions, Method

GRAPHS: tuple[GraphName, ...] = get_args(GraphName)
"""In the order in which a traced module returns their outputs."""


def describe_graphs(
    sizes: Sizes, labels: int, tokens: TokenGeometry, methods: Sequence[Method]
) -> dict[GraphName, Graph]:
    """Describe the graphs: each has the logits and the outputs of the methods, in their order.

    Other graphs than `classify` are left out if no method adds outputs to them.
    """
    dimensions = Dimensions(sizes.layers, sizes.heads, sizes.head_width, labels, tokens)
    added = [method.outputs(dimensions) for method in methods]
    logits = Output(name="logits", shape=("N", labels))
    outputs = {name: tuple(output for of in added for output in of.get(name, ())) for name in GRAPHS}
    inputs = {name: tuple(one for method in methods for one in method.inputs().get(name, ())) for name in GRAPHS}
    return {
        name: Graph(file=f"graphs/{name}.onnx", inputs=inputs[name], outputs=(logits, *further))
        for name, further in outputs.items()
        if further or name == CLASSIFY
    }


def output_bytes(graph: Graph) -> int:
    """Return the bytes of a graph's outputs for one image."""
    return sum(4 * math.prod(int(side) for side in output.shape[1:]) for output in graph.outputs)


def softmaxes(graph: GraphName, sizes: Sizes, tokens: TokenGeometry, methods: Sequence[Method]) -> int:
    """Count the Softmax nodes of a graph: one for each encoder block or attention-pooling head, and the methods'."""
    dimensions = Dimensions(sizes.layers, sizes.heads, sizes.head_width, 0, tokens)
    own = sizes.layers + (tokens.pooling == "attention")
    return own + sum(method.softmaxes(graph, dimensions) for method in methods)
