"""Explanation methods of a few lines each, as further files in METHODS would define them."""

from collections.abc import Mapping

import numpy as np
import torch

from vitscope.bundle import CLASSIFY, GraphName, Output
from vitscope.export.methods import Bar, Dimensions, Forward, Method, Place, Scores


class PatchSimilarity(Method):
    """The product of each patch token with the class token, after the last LayerNorm, [N, P]."""

    name = "patch_similarity"
    bar = Bar(cosine=0.9999, floor=0.99)

    def outputs(self, dimensions: Dimensions) -> Mapping[GraphName, tuple[Output, ...]]:
        return {CLASSIFY: (Output(name="patch_similarity", shape=("N", dimensions.tokens.patches)),)}

    def trace(self, forward: Forward) -> Mapping[GraphName, tuple[torch.Tensor, ...]]:
        return {CLASSIFY: (self._products(forward),)}

    def reference(self, forward: Forward) -> torch.Tensor:
        return self._products(forward)[:, None]

    def rows(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        return outputs.get("patch_similarity")

    def _products(self, forward: Forward) -> torch.Tensor:
        patches, class_token = forward.tokens[:, forward.geometry.prefix :], forward.tokens[:, :1]
        return (patches * class_token).sum(dim=-1)


class HeadMean(Method):
    """The class token's row of the last layer's attention matrix, averaged over heads, [N, T]. Keeps whole matrices."""

    name = "head_mean"
    bar = Bar(cosine=0.999, floor=0.95)

    def outputs(self, dimensions: Dimensions) -> Mapping[GraphName, tuple[Output, ...]]:
        tokens = dimensions.tokens
        return {CLASSIFY: (Output(name="head_mean", shape=("N", tokens.prefix + tokens.patches)),)}

    def trace(self, forward: Forward) -> Mapping[GraphName, tuple[torch.Tensor, ...]]:
        return {CLASSIFY: (self._row(forward),)}

    def reference(self, forward: Forward) -> torch.Tensor:
        return self._row(forward)[:, None]

    def rows(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        return outputs.get("head_mean")

    def side_branch(self, scores: Scores, place: Place) -> torch.Tensor:
        return scores.matrix().mean(dim=1)

    def keep(self, matrix: torch.Tensor, place: Place) -> torch.Tensor:
        return matrix.mean(dim=1)

    def softmaxes(self, graph: GraphName, dimensions: Dimensions) -> int:
        return 1 if graph == CLASSIFY else 0

    def _row(self, forward: Forward) -> torch.Tensor:
        matrix = forward.attention[-1][self.name]
        assert matrix is not None
        return matrix[:, 0]
