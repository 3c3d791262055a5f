"""From logits to the top-k classes."""

import math
from dataclasses import dataclass

import numpy as np

# Up to so many classes are looked for one after the other, which for a few is faster than any sorting.
_FEW = 16


@dataclass(slots=True)
class Ranked:
    """One class: index in the labels, name, softmax probability and raw logit."""

    index: int
    label: str
    probability: float
    logit: float


@dataclass(slots=True)
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
    found = _largest(logits, min(max(top_k, 2), len(logits)))
    largest = found[0][1]
    total = float(np.add.reduce(np.exp(logits - np.float32(largest)), dtype=np.float64))
    probabilities = [math.exp(logit - largest) / total for _, logit in found]
    classes = [
        Ranked(index, labels[index], probability, logit)
        for (index, logit), probability in zip(found[:top_k], probabilities, strict=False)
        if probability >= min_probability
    ]
    return Ranking(classes, probabilities[0], probabilities[0] - sum(probabilities[1:2]))


def _largest(logits: np.ndarray, count: int) -> list[tuple[int, float]]:
    """Return index and value of the `count` largest logits, in falling order, ties by index."""
    if count > _FEW:
        order = np.argsort(-logits, kind="stable")[:count]
        return list(zip(order.tolist(), logits[order].tolist(), strict=True))
    rest, found = logits.copy(), []
    for _ in range(count):
        index = int(rest.argmax())  # the first of equals
        found.append((index, rest.item(index)))
        rest[index] = -math.inf
    return found
