"""What is explained of a class: its log-probability, or its logit where labels or outputs do not compete."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vitscope.bundle import Activation
from vitscope.export.tail.reading import Head

RANKS = 100
"""The lowest rank that a target can ask for, where there are so many classes."""


@dataclass(frozen=True)
class Gauge:
    """The target of a class, by the activation of the head. temperature: divides the logits before a softmax."""

    activation: Activation = "softmax"
    temperature: float = 1.0

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the targets of all classes, [..., C], for logits of the same shape."""
        if self.activation != "softmax":
            return logits
        return torch.log_softmax(logits if self.temperature == 1 else logits / self.temperature, dim=-1)

    def slopes(
        self, head: Head, scores: torch.Tensor, classes: torch.Tensor, widths: Sequence[int]
    ) -> list[torch.Tensor]:
        """Return the derivative of the targets of `classes` [N, K] for each feature, [N, D, Q or 1, K].

        scores: [N, Q, C] at Q points. Adding the same to all logits changes no log-probability, so it has no slope.
        """
        own = head.of_classes(classes, widths)
        if self.activation != "softmax":
            return own
        mean = head.of_weights(scores.exp(), widths)
        found = [one - other for one, other in zip(own, mean, strict=True)]
        return found if self.temperature == 1 else [slope / self.temperature for slope in found]


def chosen(logits: torch.Tensor, target_class: torch.Tensor) -> torch.Tensor:
    """Return the classes [N, K] that `target_class` means: c >= 0 is class c, -k the k-th most probable one.

    What is beyond the last class, or the last of RANKS, is taken for that. Without comparisons that choose a shape or a
    value, which engines fuse badly.
    """
    labels = logits.shape[-1]
    order = logits.topk(min(labels, RANKS), dim=-1).indices
    ranked = order.gather(1, (-1 - target_class).clamp(0, order.shape[1] - 1))
    by_rank = (target_class < 0).to(torch.int64)
    return by_rank * ranked + (1 - by_rank) * target_class.clamp(0, labels - 1)
