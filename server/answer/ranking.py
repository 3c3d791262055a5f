"""From logits to the top-k classes."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Ranked:
    """One class: index in the labels, name, softmax probability and raw logit."""

    index: int
    label: str
    probability: float
    logit: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """The requested classes.

    confidence: probability of the most probable class, 0..1. margin: by how much that exceeds the second.
    """

    classes: list[Ranked]
    confidence: float
    margin: float


def rank(logits: np.ndarray, labels: tuple[str, ...], top_k: int, min_probability: float) -> Ranking:
    """Return the `top_k` most probable classes of float32 `logits` [C], in descending order, ties by index.

    Raises ArithmeticError when a logit is not finite: then there is no valid ranking.
    """
    # The sum is not finite if any logit is not; in float64 finite float32 values cannot overflow it.
    if not math.isfinite(np.add.reduce(logits, dtype=np.float64)):
        raise ArithmeticError("the model's logits are not finite")
    candidates, found = np.arange(len(logits)), max(top_k, 2)
    if found < len(logits):  # sorting all classes costs more than selecting the few
        candidates = np.flatnonzero(logits >= np.partition(logits, -found)[-found])
    order = candidates[np.argsort(-logits[candidates], kind="stable")][:found]
    ranked = logits[order].tolist()
    total = float(np.add.reduce(np.exp(logits - logits[order[0]]), dtype=np.float64))
    probabilities = [math.exp(logit - ranked[0]) / total for logit in ranked]
    classes = [
        Ranked(index, labels[index], probability, logit)
        for index, logit, probability in zip(order.tolist()[:top_k], ranked, probabilities, strict=False)
        if probability >= min_probability
    ]
    return Ranking(classes, probabilities[0], probabilities[0] - sum(probabilities[1:2]))
