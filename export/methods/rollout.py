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

MATRICES, NORMS, UPDATES, LENS = "matrices", "token_norms", "updates", "lens"
PARTS = ("queries", "keys", "values")
_TELLING = 0.01


class Rollout(Method):
    """Outputs `matrices`, `queries`, `keys`, `values`, `token_norms`, `updates` and `lens`; see `Graph`.

    softmax(queries @ keys^T / sqrt(d)) is `matrices`, but for position biases. The last state is that before the norm.
    What is certified is the mean over all queries of each matrix, and the two rows of `updates` of each layer: with a
    hundredth of each token's length, beside which nothing can be told of what is added (layer scale may be 0).
    """

    name = "rollout"
    bar = Bar(cosine=0.999, floor=0.95)

    def why_not(self, subject: Subject) -> str:
        return "" if subject.geometry.attention_from else "it attends within windows of patches"

    def observed(self, subject: Subject) -> list[torch.nn.Module]:
        family, model = subject.family, subject.model
        return [*family.blocks(model), *(middle.module for middle in family.middles(model))]

    def outputs(self, dimensions: Dimensions) -> Mapping[GraphName, tuple[Output, ...]]:
        tokens, layers, heads = (
            dimensions.tokens.prefix + dimensions.tokens.patches,
            dimensions.layers,
            dimensions.heads,
        )
        found = [Output(name=MATRICES, shape=("N", layers, heads, tokens, tokens))]
        found += [Output(name=part, shape=("N", layers, heads, tokens, dimensions.head_width)) for part in PARTS]
        found.append(Output(name=NORMS, shape=("N", layers + 1, tokens)))
        found.append(Output(name=UPDATES, shape=("N", layers, 2, tokens)))
        if _has_lens(dimensions.tokens):
            found.append(Output(name=LENS, shape=("N", layers + 1, tokens, dimensions.labels)))
        return {FULL: tuple(found)}

    def trace(self, forward: Forward) -> Mapping[GraphName, tuple[torch.Tensor, ...]]:
        layers = [kept[self.name] for kept in forward.attention if kept[self.name] is not None]
        states = states_of(forward)
        found = [torch.stack(parts, dim=1) for parts in zip(*layers, strict=True)]
        found.append(_lengths(states))
        found.append(_lengths(updates_of(forward)))
        if _has_lens(forward.geometry):
            found.append(forward.family.lens(forward.model, states, forward.geometry))
        return {FULL: tuple(found)}

    def reference(self, forward: Forward) -> torch.Tensor:
        """Return float32 [N, L, H + 2, T]."""
        rows = torch.stack([kept[self.name] for kept in forward.attention if kept[self.name] is not None], dim=1)
        before = _lengths(states_of(forward))[:, :-1, None]
        return torch.cat([rows, _lengths(updates_of(forward)) + _TELLING * before], dim=2)

    def rows(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        if MATRICES not in outputs:
            return None
        before = outputs[NORMS][:, :-1, None]
        return np.concatenate([outputs[MATRICES].mean(axis=-2), outputs[UPDATES] + _TELLING * before], axis=2)

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


def updates_of(forward: Forward) -> torch.Tensor:
    """Return what attention and MLP of each block add to the tokens, [N, L, 2, T, D]."""
    family, model, found = forward.family, forward.model, list[torch.Tensor]()
    for block, middle in zip(family.blocks(model), family.middles(model), strict=True):
        ends, seen = forward.seen[block], forward.seen[middle.module]
        between = middle.state(ends.given, seen.given, seen.returned)
        found.append(torch.stack([between - ends.given, ends.returned - between], dim=1))
    return torch.stack(found, dim=1)


def _lengths(vectors: torch.Tensor) -> torch.Tensor:
    """Return the L2 norms over the last axis."""
    return vectors.square().sum(dim=-1).sqrt()


def _has_lens(tokens: TokenGeometry) -> bool:
    """Return whether the head reads tokens one by one, or their mean: a pooling query does neither."""
    return tokens.pooling != "attention"
