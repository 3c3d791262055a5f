"""The loss: cross-entropy with soft targets, label smoothing and weights for rare classes."""

from collections.abc import Sequence

import torch

# How much larger the largest class has to be than the smallest before weights are used unasked.
UNEVEN = 3.0


def class_weights(counts: Sequence[int]) -> torch.Tensor:
    """Return float32 [C]: inversely proportional to the square root of the images of each class, 1 on average.

    The root is between no correction, which gives rare classes up, and full correction, which trusts single images of
    them too much.
    """
    numbers = torch.tensor(counts, dtype=torch.float64).clamp(min=1)
    weights = numbers.rsqrt()
    return (weights * numbers.sum() / (weights * numbers).sum()).float()


def is_uneven(counts: Sequence[int]) -> bool:
    """Return whether the largest class has at least three times the images of the smallest."""
    return max(counts) >= UNEVEN * max(min(counts), 1)


def cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.0, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean over a batch of float [N, C] logits against targets: float [N, C] shares, or int64 [N] labels."""
    if weights is not None:
        weights = weights.to(logits.device)
    return torch.nn.functional.cross_entropy(logits.float(), targets, weight=weights, label_smoothing=smoothing)
