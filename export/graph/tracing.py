"""Tracing: uint8 pixels in, logits and the outputs of the explanation methods out."""

import warnings
from collections.abc import Container, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from onnx_ir.passes.common import RemoveUnusedNodesPass

from vitscope.bundle import Graph, GraphName, Input, InputContract, TokenGeometry
from vitscope.export.families import Family
from vitscope.export.graph.attention import FusedAttention
from vitscope.export.graph.describe import GRAPHS
from vitscope.export.graph.padding import exact_padding
from vitscope.export.methods import Method, Subject, observe
from vitscope.export.tail import Gauge

OPSET = 20
INPUT = "pixels"


class PixelClassifier(torch.nn.Module):
    """A classification model that takes uint8 [N, H, W, 3] RGB, and the inputs of the methods, in their order.

    Returns logits [N, C], then the outputs of the methods, graph by graph.
    """

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(
        self,
        model: Any,
        family: Family,
        contract: InputContract,
        geometry: TokenGeometry,
        methods: Sequence[Method],
        gauge: Gauge | None = None,
    ) -> None:
        super().__init__()
        self.model, self.family, self.geometry, self.methods = model, family, geometry, tuple(methods)
        self.subject = Subject(model, family, geometry, gauge or Gauge())
        self.padding = exact_padding(contract)
        mean, std = np.array(contract.mean), np.array(contract.std)
        self.register_buffer("scale", torch.tensor(contract.rescale / std, dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(-mean / std, dtype=torch.float32))

    def forward(self, pixels: torch.Tensor, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        # The cast comes first: TensorRT moves no uint8 around.
        levels = self.padding(pixels.to(torch.float32))
        normalised = (levels * self.scale + self.offset).permute(0, 3, 1, 2)
        attend = FusedAttention(self.methods, self.family.sizes(self.model).layers, self.geometry)
        named = dict(zip(further_inputs(self.methods), inputs, strict=True))
        modules = dict.fromkeys(module for method in self.methods for module in method.observed(self.subject))
        with self.family.replace(self.model, attend):
            forward = observe(self.subject, normalised, attend.kept, modules=modules, inputs=named)
        added = [method.trace(forward) for method in self.methods]
        return forward.logits, *(tensor for name in GRAPHS for of in added for tensor in of.get(name, ()))


def further_inputs(methods: Sequence[Method]) -> dict[str, Input]:
    """Return the inputs of a traced module beside the pixels, by name."""
    return {one.name: one for method in methods for of_graph in method.inputs().values() for one in of_graph}


def trace(module: PixelClassifier, contract: InputContract, graphs: dict[GraphName, Graph]) -> ir.Model:
    """Export to ONNX with a dynamic batch: one model with the inputs and outputs of all graphs, to be cut into them."""
    names = [f"{graph}/{output.name}" for graph, entry in graphs.items() for output in entry.outputs[1:]]
    # Two images: with one, the exporter takes the batch for a constant.
    sample = torch.zeros(2, contract.height, contract.width, 3, dtype=torch.uint8)
    sizes = {"N": (2, torch.export.Dim("N")), "K": (3, torch.export.Dim("K"))}
    further = further_inputs(module.methods)
    more = [torch.zeros([sizes[str(side)][0] for side in one.shape], dtype=torch.int64) for one in further.values()]
    dynamic = [{axis: sizes[str(side)][1] for axis, side in enumerate(one.shape)} for one in further.values()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own use of its deprecated pytree interface
        warnings.filterwarnings("ignore", "# The axis name", UserWarning)  # of a batch that two inputs share
        program = torch.onnx.export(
            module.eval(),
            (sample, *more),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT, *further],
            output_names=["logits", *names],
            dynamic_shapes=({0: sizes["N"][1]}, *([tuple(dynamic)] if dynamic else [])),
            verbose=False,
        )
    assert program is not None
    _read_batch_of_pixels(program.model)
    return program.model


def _read_batch_of_pixels(model: ir.Model) -> None:
    """Take the batch from the pixels alone: every graph has them, and the exporter takes it from any input."""
    pixels, *others = model.graph.inputs
    for value in others:
        for node, index in value.uses():
            if node.op_type == "Shape" and (node.attributes.get_int("start", 0), node.attributes.get_int("end", 0)) == (
                0,
                1,
            ):
                node.replace_input_with(index, pixels)


def cut(model: ir.Model, graphs: dict[GraphName, Graph]) -> dict[GraphName, ir.Model]:
    """Cut a traced model into its graphs, each with only the nodes that its own outputs need."""
    return {name: _cut(model, name) for name in graphs}


def without(model: ir.Model, graphs: Container[str]) -> ir.Model:
    """Copy a traced model, sharing its tensors, without the outputs of some graphs and what only they need."""
    model = model.clone()
    for value in [value for value in model.graph.outputs if _owner(value) in graphs]:
        model.graph.outputs.remove(value)
    remove_unused(model)
    return model


def _cut(model: ir.Model, graph: GraphName) -> ir.Model:
    """Copy the model, sharing its tensors, and keep only the logits and the outputs of this graph."""
    model = model.clone()
    for value in list(model.graph.outputs):
        if _owner(value) in ("", graph):
            value.name = (value.name or "").rpartition("/")[2]
        else:
            model.graph.outputs.remove(value)
    remove_unused(model)
    return model


def _owner(value: ir.Value) -> str:
    """Return the graph that an output of a traced model is for; empty for the logits, which are for all."""
    return (value.name or "").rpartition("/")[0]


def remove_unused(model: ir.Model) -> None:
    """Remove nodes, weights and further inputs that no output needs, in place."""
    RemoveUnusedNodesPass()(model)
    for value in [value for value in model.graph.inputs if value.name != INPUT and not value.uses()]:
        model.graph.inputs.remove(value)
