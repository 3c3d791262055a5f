"""Attention to the patches, of the token or tokens that the head reads: `tokens.attention_from` in the manifest.

class_token: its softmax rows, of the last layer in `classify` and of every layer in `attention`. mean_of_patches: the
mean over all patches as queries, of the last layer. pooling_probe: the row of the query of an attention-pooling head.
"""

from collections.abc import Mapping

import numpy as np
import torch

from vitscope.bundle import ATTENTION, CLASSIFY, GraphName, Output, TokenGeometry
from vitscope.export.methods.forward import Forward, Place, Scores, Subject
from vitscope.export.methods.method import Bar, Dimensions, Method

PATCHES, PREFIX = "attention", "attention_prefix"


class Attention(Method):
    """Outputs `attention` over the patches [N, H, P] and, if there are any, `attention_prefix` over the prefix tokens.

    For class tokens the `attention` graph has both for every layer, [N, L, H, P] and [N, L, H, prefix].
    """

    name = "attention"
    # A reduced precision is held to 0.999 in each layer's mean: single sharp rows of a half-trained model fell to
    # 0.975 in PyTorch's own bfloat16 too. The floor only catches a broken head.
    bar = Bar(cosine=0.999, floor=0.95)

    def why_not(self, subject: Subject) -> str:
        return "" if subject.geometry.attention_from else "it attends within windows of patches"

    def outputs(self, dimensions: Dimensions) -> Mapping[GraphName, tuple[Output, ...]]:
        tokens = dimensions.tokens

        def rows(*lead: int) -> tuple[Output, ...]:
            patches = Output(name=PATCHES, shape=("N", *lead, tokens.patches))
            return (patches, Output(name=PREFIX, shape=("N", *lead, tokens.prefix))) if tokens.prefix else (patches,)

        last = {CLASSIFY: rows(dimensions.heads)}
        return last | {ATTENTION: rows(dimensions.layers, dimensions.heads)} if _every_layer(tokens) else last

    def trace(self, forward: Forward) -> Mapping[GraphName, tuple[torch.Tensor, ...]]:
        prefix, layers = forward.geometry.prefix, self._layers(forward)
        found = {CLASSIFY: layers[-1]}
        if _every_layer(forward.geometry):
            found[ATTENTION] = torch.stack(layers, dim=1)
        return {graph: (rows[..., prefix:], rows[..., :prefix]) if prefix else (rows,) for graph, rows in found.items()}

    def reference(self, forward: Forward) -> torch.Tensor:
        """Return float32 [N, L, H, T]; L is 1 where only the last map is offered."""
        return torch.stack(self._layers(forward), dim=1)

    def rows(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Join prefix and patches to whole rows."""
        parts = [outputs[name] for name in (PREFIX, PATCHES) if name in outputs]
        return np.concatenate(parts, axis=-1) if parts else None

    def expected(self, graph: GraphName, reference: np.ndarray) -> np.ndarray:
        return reference if graph == ATTENTION else reference[:, -1:]

    def side_branch(self, scores: Scores, place: Place) -> torch.Tensor | None:
        """Compute the rows [N, H, T] that this layer is asked for.

        The fusion holds only as long as nothing else reads its softmax, so they are computed again. For a class token
        that is 1/T of the work; the mean over patches takes the whole product, and is computed for one layer only.
        """
        if not _wanted(place):
            return None
        if _every_layer(place.geometry):
            return scores.row(0)
        return _mean(scores.matrix(), place.geometry)

    def keep(self, matrix: torch.Tensor, place: Place) -> torch.Tensor | None:
        if not _wanted(place):
            return None
        if _every_layer(place.geometry):
            return matrix[:, :, 0].clone()  # not a view, which would keep the whole matrix in memory
        return _mean(matrix, place.geometry)

    def softmaxes(self, graph: GraphName, dimensions: Dimensions) -> int:
        return {CLASSIFY: 1, ATTENTION: dimensions.layers}.get(graph, 0)

    def _layers(self, forward: Forward) -> list[torch.Tensor]:
        """Return the rows [N, H, T] of each layer that has them."""
        rows = [kept[self.name] for kept in forward.attention]
        return [row for row in rows if row is not None]


def _every_layer(tokens: TokenGeometry) -> bool:
    return tokens.attention_from == "class_token"


def _wanted(place: Place) -> bool:
    match place.geometry.attention_from:
        case "class_token":
            return place.layer < place.layers
        case "mean_of_patches":
            return place.layer == place.layers - 1
        case "pooling_probe":
            return place.layer == place.layers
        case None:
            return False


def _mean(matrix: torch.Tensor, tokens: TokenGeometry) -> torch.Tensor:
    """Average the rows of the patches, or of the pooling query. matrix: [N, H, queries, T]. Returns [N, H, T]."""
    first = tokens.prefix if tokens.attention_from == "mean_of_patches" else 0
    rows = matrix[:, :, first:].mean(dim=2)
    # A pooling query may be given the patches alone: then it attends to no prefix token.
    return torch.nn.functional.pad(rows, (tokens.prefix + tokens.patches - rows.shape[-1], 0))
