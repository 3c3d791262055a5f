"""What the search for a variant has to know about int8 or fp8."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx_ir as ir

from vitscope.bundle import Graph, GraphName, Variant
from vitscope.export.certificate.engines import Candidate
from vitscope.export.graph import cut
from vitscope.export.graph.weights import write_graphs


@dataclass(frozen=True)
class Source:
    """What variants are made from: the traced model, its graphs as in the manifest, and the folder of the new bundle.

    images: uint8 [M, H, W, 3], for the ranges of activations.
    """

    traced: ir.Model
    graphs: Mapping[GraphName, Graph]
    folder: Path
    images: np.ndarray

    def write(self, model: ir.Model, paths: Mapping[GraphName, Path], variant: Variant) -> None:
        """Cut a quantized model into graphs and write them to `paths`, beside their weights file."""
        parts = cut(model, {name: self.graphs[name] for name in paths})
        write_graphs({path: parts[name] for name, path in paths.items()}, weights_file(variant))


class Form(Protocol):
    """A kind of quantization, applied to any of a model's blocks.

    unit: plural of what `blocks` are, for progress. why_not: the reason why it cannot be made or measured here, or
    empty. candidate: the engine that runs it. exact: the engine that runs the float32 graphs to rank against.
    """

    variant: Variant
    unit: str
    why_not: str
    candidate: Candidate
    exact: Candidate

    @property
    def blocks(self) -> Collection[str]:
        """Names of what can be left in floating point, first to last."""
        ...

    def write(self, paths: Mapping[GraphName, Path], floats: Collection[str]) -> None:
        """Write the graphs with the blocks `floats` left in floating point."""
        ...

    def write_without(self, name: GraphName, path: Path, block: str) -> None:
        """Write one graph in which a block is not rounded, to measure how much it adds to the error."""
        ...


def variant_file(graph: Graph, variant: Variant) -> str:
    """Return the path in the bundle of a graph's variant."""
    return str(Path(graph.file).with_suffix(f".{variant}.onnx"))


def weights_file(variant: Variant) -> str:
    """Return the name of the weights file that the variants of all graphs share."""
    return f"weights.{variant}.bin"
