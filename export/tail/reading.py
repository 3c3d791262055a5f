"""How a head reads tokens: the description that a family gives of its model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from vitscope.export.tail.layer import Layer
from vitscope.export.tail.layers import Linear


@dataclass(frozen=True)
class Reader:
    """One token whose last attention is explained: a class token, or the query of an attention-pooling head.

    layer: number of that attention, as they are called: an encoder block, or the number of blocks for a pooling head.
    token: its row among the queries. attended: module that is given the tokens [N, T, D] whose values are read. values:
    what computes these, with their heads joined, [N, T, H * d].
    output: the layers behind the heads' joined results, as long as they are linear: an output projection, then a layer
    scale. source: module whose input [N, T, D] the token comes from; None where nothing is carried past the attention.
    tail: from what was carried, [N, 1, D] or None, to the layers from there to the features that the head reads.
    rest: these features [D] if there were nothing to read, such as the bias of the last norm.
    """

    layer: int
    token: int
    attended: torch.nn.Module
    values: Linear
    output: tuple[Layer, ...]
    source: torch.nn.Module | None
    tail: Callable[[torch.Tensor | None], Sequence[Layer]]
    rest: torch.Tensor


@dataclass(frozen=True)
class Head:
    """Linear classifiers, whose mean is the logits. Each reads all the features, side by side, or its own alone.

    shared: one classifier reads [N, D * features]. Otherwise there is one for each feature.
    """

    linears: tuple[Linear, ...]
    shared: bool = True

    def run(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Compute the logits [N, Q, C] for features [N, Q, D], one for each reader and one for the mean of patches."""
        if self.shared:
            features = [torch.cat(list(features), dim=-1)] if len(features) > 1 else features
        logits = [linear.run(feature)[0] for linear, feature in zip(self.linears, features, strict=True)]
        return torch.stack(logits).mean(dim=0) if len(logits) > 1 else logits[0]

    def of_classes(self, classes: torch.Tensor, widths: Sequence[int]) -> list[torch.Tensor]:
        """Return the derivative of the logits of `classes` [N, K] for each feature, [N, D, 1, K]."""
        count, targets = classes.shape
        rows = [linear.weight.index_select(0, classes.flatten()) for linear in self.linears]
        return self._divide([row.view(count, targets, -1).mT.unsqueeze(2) for row in rows], widths)

    def of_weights(self, weights: torch.Tensor, widths: Sequence[int]) -> list[torch.Tensor]:
        """Return the derivative of logits weighted by `weights` [N, Q, C], for each feature, [N, D, Q, 1]."""
        return self._divide([linear.back(weights.mT.unsqueeze(-1)) for linear in self.linears], widths)

    def _divide(self, gradients: list[torch.Tensor], widths: Sequence[int]) -> list[torch.Tensor]:
        if self.shared:
            return list(torch.split(gradients[0], list(widths), dim=1)) if len(widths) > 1 else gradients
        return [gradient / len(gradients) for gradient in gradients]


@dataclass(frozen=True)
class Reading:
    """A head, taken apart. Its features are those of the readers, in order, and then the mean of patches, if read.

    averaged: from the last tokens [N, T, D] to the patches [N, P, D] whose mean is a feature; None where it is none.
    """

    readers: tuple[Reader, ...]
    head: Head
    averaged: Callable[[torch.Tensor], torch.Tensor] | None = None

    @property
    def modules(self) -> list[torch.nn.Module]:
        """The modules that have to be observed."""
        found = [module for reader in self.readers for module in (reader.attended, reader.source) if module is not None]
        return list(dict.fromkeys(found))
