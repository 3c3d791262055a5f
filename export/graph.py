"""Tracing the graphs of a bundle: uint8 pixels in, logits and class-token attention rows out."""

import warnings
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from onnx_ir.passes.common import RemoveUnusedNodesPass

from vitscope.bundle import ATTENTION, CLASSIFY, Graph, GraphName, InputContract, Output, TokenGeometry
from vitscope.export.attention import PLAIN, WITH_ROW
from vitscope.export.families import Family

OPSET = 20
INPUT = "pixels"


def describe_graphs(config: Any, labels: int, tokens: TokenGeometry, attention: bool) -> dict[GraphName, Graph]:
    """The graphs' entries in the manifest: `classify` with the last layer's rows, `attention` with every layer's.

    Without attention there is only `classify`, with logits.
    """
    logits, heads = Output(name="logits", shape=("N", labels)), config.num_attention_heads

    def graph(name: GraphName, *lead: int) -> Graph:
        rows = (
            Output(name="attention", shape=("N", *lead, tokens.patches)),
            Output(name="attention_prefix", shape=("N", *lead, tokens.prefix)),
        )
        return Graph(file=f"graphs/{name}.onnx", outputs=(logits, *rows) if attention else (logits,))

    graphs: dict[GraphName, Graph] = {CLASSIFY: graph(CLASSIFY, heads)}
    if attention:
        graphs[ATTENTION] = graph(ATTENTION, config.num_hidden_layers, heads)
    return graphs


def side_branches(name: GraphName, layers: int, attention: bool) -> int:
    """Blocks whose class-token row is computed beside the fused attention."""
    if not attention:
        return 0
    return 1 if name == CLASSIFY else layers


class PixelClassifier(torch.nn.Module):
    """A classification model that takes uint8 [N, H, W, 3] RGB.

    Returns logits [N, C]; with attention also the last layer's rows over the patches [N, H, P] and over the prefix tokens
    [N, H, prefix], and the same of all layers, [N, L, H, P] and [N, L, H, prefix].
    """

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(self, model: Any, family: Family, contract: InputContract, attention: bool) -> None:
        super().__init__()
        model.set_attn_implementation(WITH_ROW if attention else PLAIN)
        self.model, self.attention, self.prefix = model, attention, family.prefix(model)
        mean, std = np.array(contract.mean), np.array(contract.std)
        self.register_buffer("scale", torch.tensor(contract.rescale / std, dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(-mean / std, dtype=torch.float32))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        # The cast comes first: TensorRT moves no uint8 around.
        normalised = (pixels.to(torch.float32) * self.scale + self.offset).permute(0, 3, 1, 2)
        out = self.model(pixel_values=normalised, output_attentions=self.attention)
        if not self.attention:
            return (out.logits,)
        last, every = out.attentions[-1], torch.stack(out.attentions, dim=1)
        parts = [part for rows in (last, every) for part in (rows[..., self.prefix :], rows[..., : self.prefix])]
        return out.logits, *parts


def trace(module: PixelClassifier, contract: InputContract, graphs: dict[GraphName, Graph]) -> ir.Model:
    """Export to ONNX with a dynamic batch: one model with the outputs of all graphs, to be cut into them."""
    names = [f"{graph}/{output.name}" for graph, entry in graphs.items() for output in entry.outputs[1:]]
    # Two images: with one, the exporter takes the batch for a constant.
    sample = torch.zeros(2, contract.height, contract.width, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own use of its deprecated pytree interface
        program = torch.onnx.export(
            module.eval(),
            (sample,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=["logits", *names],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    return program.model


def cut(model: ir.Model, graphs: dict[GraphName, Graph]) -> dict[GraphName, ir.Model]:
    """Each graph of a traced model, with what leads to its own outputs and nothing else."""
    return {name: _cut(model, name) for name in graphs}


def _cut(model: ir.Model, graph: GraphName) -> ir.Model:
    """A copy, sharing the tensors, that computes only the logits and this graph's outputs."""
    model = model.clone()
    for value in list(model.graph.outputs):
        owner, _, name = (value.name or "").rpartition("/")
        if owner in ("", graph):
            value.name = name
        else:
            model.graph.outputs.remove(value)
    RemoveUnusedNodesPass()(model)
    return model
