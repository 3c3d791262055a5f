"""Attention in the form that engines fuse, with the side branches of the explanation methods."""

from collections.abc import Sequence

import torch

from vitscope.bundle import TokenGeometry
from vitscope.export.methods import Kept, Method, Place, Scores


class FusedAttention:
    """Computes softmax(q * scaling @ k^T + bias) @ v, which OpenVINO and TensorRT fuse into one kernel.

    kept: what the methods' side branches gave in each layer so far. Only what is for the graph `full` may read the
    kernel's softmax: with a second reader there is no fusion.
    """

    def __init__(self, methods: Sequence[Method], layers: int, geometry: TokenGeometry) -> None:
        self._methods, self._layers, self._geometry = methods, layers, geometry
        self.kept: list[Kept] = []

    def __call__(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        bias: torch.Tensor | None,
        scaling: float,
    ) -> torch.Tensor:
        """Compute one layer. query, key, value: [N, H, T, D]. Returns [N, H, T, D]."""
        query, transposed = query if scaling == 1 else query * scaling, key.transpose(-2, -1)
        scores = query @ transposed
        if bias is not None:
            scores = scores + bias
        place = Place(len(self.kept), self._layers, self._geometry)
        kernel = torch.softmax(scores, dim=-1)
        of_layer = Scores(query, transposed, bias, value, kernel)
        self.kept.append({method.name: method.side_branch(of_layer, place) for method in self._methods})
        return kernel @ value
