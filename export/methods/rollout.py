"""Everything inside of the encoder, in the graph `full`: what attention rollout (arXiv:2005.00928) is made of.

Each matrix is the softmax that the layer itself multiplies with its values. That costs the fused kernel, in this graph
alone: the others are cut from the same traced model without these outputs.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch

from vitscope.bundle import FULL, GraphName, Output, TokenGeometry
from vitscope.export.methods.forward import Forward, Place, Scores, Subject
from vitscope.export.methods.method import Bar, Dimensions, Method

MATRICES, NORMS, LENS = "matrices", "token_norms", "lens"
PARTS = ("queries", "keys", "values")


class Rollout(Method):
    """Outputs `matrices`, `queries`, `keys`, `values`, `token_norms` and `lens`; see `Graph` in bundle/manifest.py.

    softmax(queries @ keys^T / sqrt(d)) is `matrices`, but for position biases. The last state is that before the norm.
    What is certified is the mean over all queries of each matrix.
    """

    name = "rollout"
    bar = Bar(cosine=0.999, floor=0.95)

    def why_not(self, subject: Subject) -> str:
        return "" if subject.geometry.attention_from else "it attends within windows of patches"

    def observed(self, subject: Subject) -> list[torch.nn.Module]:
        return subject.family.blocks(subject.model)

    def outputs(self, dimensions: Dimensions) -> Mapping[GraphName, tuple[Output, ...]]:
        tokens, layers, heads = (
            dimensions.tokens.prefix + dimensions.tokens.patches,
            dimensions.layers,
            dimensions.heads,
        )
        found = [Output(name=MATRICES, shape=("N", layers, heads, tokens, tokens))]
        found += [Output(name=part, shape=("N", layers, heads, tokens, dimensions.head_width)) for part in PARTS]
        found.append(Output(name=NORMS, shape=("N", layers + 1, tokens)))
        if _has_lens(dimensions.tokens):
            found.append(Output(name=LENS, shape=("N", layers + 1, tokens, dimensions.labels)))
        return {FULL: tuple(found)}

    def trace(self, forward: Forward) -> Mapping[GraphName, tuple[torch.Tensor, ...]]:
        layers = [kept[self.name] for kept in forward.attention if kept[self.name] is not None]
        states = states_of(forward)
        found = [torch.stack(parts, dim=1) for parts in zip(*layers, strict=True)]
        found.append(states.square().sum(dim=-1).sqrt())
        if _has_lens(forward.geometry):
            found.append(forward.family.lens(forward.model, states, forward.geometry))
        return {FULL: tuple(found)}

    def reference(self, forward: Forward) -> torch.Tensor:
        """Return float32 [N, L, H, T]."""
        return torch.stack([kept[self.name] for kept in forward.attention if kept[self.name] is not None], dim=1)

    def rows(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        matrices = outputs.get(MATRICES)
        return None if matrices is None else matrices.mean(axis=-2)

    def side_branch(self, scores: Scores, place: Place) -> tuple[torch.Tensor, ...] | None:
        """Return matrix, query, key and value of an encoder block; the query such that 1 / sqrt(d) scales it."""
        if place.layer >= place.layers:
            return None
        query = scores.query * math.sqrt(scores.query.shape[-1])
        return scores.kernel, query, scores.key.transpose(-2, -1), scores.value

    def keep(self, matrix: torch.Tensor, place: Place) -> torch.Tensor | None:
        return matrix.mean(dim=-2) if place.layer < place.layers else None


def states_of(forward: Forward) -> torch.Tensor:
    """Return what enters the first block and what leaves each, [N, L + 1, T, D]."""
    blocks = [forward.seen[block] for block in forward.family.blocks(forward.model)]
    return torch.stack([blocks[0].given, *(block.returned for block in blocks)], dim=1)


def _has_lens(tokens: TokenGeometry) -> bool:
    """Return whether the head reads tokens one by one, or their mean: a pooling query does neither."""
    return tokens.pooling != "attention"
