"""The activation of a model's head: what turns its logits into the scores of an answer."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

# softmax: one class of several. sigmoid: independent labels, each with a probability of its own. none: the logits are
# the answer, as in regression.
Activation = Literal["softmax", "sigmoid", "none"]

# What two answers have in common where they agree.
AGREEMENT: Mapping[Activation, str] = {"softmax": "top-1", "sigmoid": "same labels", "none": "values"}


def probabilities(logits: np.ndarray, activation: Activation, temperature: float = 1.0) -> np.ndarray | None:
    """Return the probabilities of `logits` [N, C], float64 [N, C]; None for an activation of none, which has none.

    temperature: divides the logits first.
    """
    values = logits.astype(np.float64) / temperature
    if activation == "none":
        return None
    if activation == "sigmoid":
        exponents = np.exp(-np.abs(values))  # never overflows
        found: np.ndarray = np.where(values >= 0, 1.0, exponents) / (1 + exponents)
        return found
    shifted = np.exp(values - values.max(-1, keepdims=True))
    shares: np.ndarray = shifted / shifted.sum(-1, keepdims=True)
    return shares
