"""What the export has to know about an explanation method."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vitscope.bundle import GraphName, Input, Output, TokenGeometry
from vitscope.export.methods.forward import Forward, Place, Scores, Subject


@dataclass(frozen=True)
class Dimensions:
    """The sizes that output shapes are made of. head_width: of a query, key or value. labels: classes of the head."""

    layers: int
    heads: int
    head_width: int
    labels: int
    tokens: TokenGeometry


@dataclass(frozen=True)
class Bar:
    """The least cosine between a graph's rows and those of the checkpoint that the certificate accepts.

    cosine: for every row in float32; in a reduced precision for each layer's mean over images and heads. floor: for
    every row in a reduced precision.
    A cosine cannot tell rows apart that are positive and nearly flat, such as norms: subtract each row's mean in `rows`
    and `reference` then. A row of zeros fails.
    """

    cosine: float
    floor: float


class Method(ABC):
    """An explanation method: the outputs that it adds to the graphs, and how they are certified.

    name: as in the manifest and the certificate. bar: for the certificate. of_best_class: its rows are about the most
    probable class, so that they are compared only where that is the same.

    What `side_branch` and `keep` return for a layer is in `Forward.attention`, for `trace` and `reference`
    respectively.
    """

    name: str
    bar: Bar
    of_best_class: bool = False

    @abstractmethod
    def outputs(self, dimensions: Dimensions) -> Mapping[GraphName, tuple[Output, ...]]:
        """Describe the outputs that it adds to each graph."""

    @abstractmethod
    def trace(self, forward: Forward) -> Mapping[GraphName, tuple[torch.Tensor, ...]]:
        """Compute these outputs, in the same order, in the traced module."""

    @abstractmethod
    def reference(self, forward: Forward) -> torch.Tensor:
        """Compute the rows of the original checkpoint: float32 [N, layers, ..., K]; layers is 1 if there is one map."""

    @abstractmethod
    def rows(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Take the rows to compare from a graph's outputs: [N, ..., K]. Returns None for a graph without them."""

    def expected(self, graph: GraphName, reference: np.ndarray) -> np.ndarray:
        """Select the rows of the reference that a graph computes. By default all."""
        return reference

    def why_not(self, subject: Subject) -> str:
        """Return why this model cannot be explained so, as the end of a sentence; empty, as by default, if it can."""
        return ""

    def inputs(self) -> Mapping[GraphName, tuple[Input, ...]]:
        """Describe the inputs that it adds to each graph. They are in `Forward.inputs`. By default none."""
        return {}

    def observed(self, subject: Subject) -> Iterable[torch.nn.Module]:
        """List the modules whose input and output it needs in `Forward.seen`. By default none."""
        return ()

    def side_branch(self, scores: Scores, place: Place) -> Any:
        """Compute, beside the fused kernel of a layer, what `trace` needs of its attention. By default nothing.

        The exporter merges equal expressions: a branch that computes softmax(query @ key) as the kernel does would
        read the kernel's softmax and undo the fusion. Lint counts the Softmax nodes to find that out.
        """
        return None

    def keep(self, matrix: torch.Tensor, place: Place) -> Any:
        """Copy what `reference` needs of a layer's attention matrix [N, H, T, T]. By default nothing."""
        return None

    def softmaxes(self, graph: GraphName, dimensions: Dimensions) -> int:
        """Count the Softmax nodes that it adds to a graph. By default none."""
        return 0
