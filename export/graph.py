"""Tracing the graphs of a bundle: uint8 pixels in, logits and class-token attention rows out."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from bundle import ATTENTION, CLASSIFY, Graph, GraphName, InputContract, Output
from export.attention import NAME, keep_rows
from export.families import Family

OPSET = 20
INPUT = "pixels"


@dataclass(frozen=True)
class GraphPlan:
    """What a graph holds. `rows`: blocks whose class-token row is computed, first to last; none without attention."""

    name: GraphName
    rows: tuple[int, ...]

    @property
    def file(self) -> str:
        """Path in the bundle."""
        return f"graphs/{self.name}.onnx"


def plan_graphs(layers: int, attention: bool) -> list[GraphPlan]:
    """`classify` with the last layer's rows; `attention` with every layer's. Without attention, `classify` alone."""
    if not attention:
        return [GraphPlan(CLASSIFY, ())]
    return [GraphPlan(CLASSIFY, (layers - 1,)), GraphPlan(ATTENTION, tuple(range(layers)))]


def describe(plan: GraphPlan, labels: int, heads: int, prefix: int, patches: int) -> Graph:
    """The graph's entry in the manifest."""
    outputs = [Output(name="logits", shape=("N", labels))]
    if plan.rows:
        lead = ("N", heads) if plan.name == CLASSIFY else ("N", len(plan.rows), heads)
        outputs.append(Output(name="attention", shape=(*lead, patches)))
        outputs.append(Output(name="attention_prefix", shape=(*lead, prefix)))
    return Graph(file=plan.file, outputs=tuple(outputs))


class PixelClassifier(torch.nn.Module):
    """A classification model that takes uint8 [N, H, W, 3] RGB.

    Returns logits [N, C] and, as far as the plan has rows, attention over the patches and over the prefix tokens:
    [N, H, P] and [N, H, prefix] of the last layer for `classify`, [N, L, H, P] and [N, L, H, prefix] for `attention`.
    """

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(self, model: Any, family: Family, contract: InputContract, plan: GraphPlan) -> None:
        super().__init__()
        model.set_attn_implementation(NAME)
        modules = family.attentions(model)
        keep_rows(modules, [modules[index] for index in plan.rows])
        self.model, self.plan, self.prefix = model, plan, family.prefix(model)
        mean, std = np.array(contract.mean), np.array(contract.std)
        self.register_buffer("scale", torch.tensor(contract.rescale / std, dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(-mean / std, dtype=torch.float32))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        # The cast comes first: TensorRT moves no uint8 around.
        normalised = (pixels.to(torch.float32) * self.scale + self.offset).permute(0, 3, 1, 2)
        out = self.model(pixel_values=normalised, output_attentions=bool(self.plan.rows))
        if not self.plan.rows:
            return (out.logits,)
        rows = out.attentions[-1] if self.plan.name == CLASSIFY else torch.stack(out.attentions, dim=1)
        return out.logits, rows[..., self.prefix :], rows[..., : self.prefix]


def trace(module: PixelClassifier, contract: InputContract, graph: Graph) -> ir.Model:
    """Export to ONNX with a dynamic batch."""
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
            output_names=[output.name for output in graph.outputs],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    return program.model
