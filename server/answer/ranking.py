"""From logits to the top-k classes, by the activation of the model's head."""

import math
from dataclasses import dataclass

import numpy as np

from vitscope.bundle import Activation

# Up to so many classes are looked for one after the other, which for a few is faster than any sorting.
_FEW = 16


@dataclass(slots=True)
class Ranked:
    """One class: index in the labels, name, probability (0 where the head has no activation) and raw logit."""

    index: int
    label: str
    probability: float
    logit: float


@dataclass(slots=True)
class Ranking:
    """The requested classes, and how decided the answer is; None where there are only values.

    confidence: softmax: probability of the most probable class, 0..1; sigmoid: of the least certain label, that it
    applies or that it does not, 0.5..1. margin: by how much that exceeds the probability of the second class, or of the
    opposite.
    """

    classes: list[Ranked]
    confidence: float | None
    margin: float | None


def rank(
    logits: np.ndarray,
    labels: tuple[str, ...],
    top_k: int,
    min_probability: float,
    activation: Activation = "softmax",
    temperature: float = 1.0,
) -> Ranking:
    """Return the `top_k` classes of float32 `logits` [C] with the highest scores, in descending order, ties by index.

    min_probability: classes below it are left out; it has to be 0 without an activation. temperature: divides the
    logits where probabilities are made of them. Raises ArithmeticError when a logit is not finite: then there is no
    valid ranking.
    """
    # The sum is not finite if any logit is not; in float64 finite float32 values cannot overflow it.
    if not math.isfinite(np.add.reduce(logits, dtype=np.float64)):
        raise ArithmeticError("the model's logits are not finite")
    found = _largest(logits, min(max(top_k, 2), len(logits)))
    confidence: float | None
    margin: float | None
    if activation == "softmax":
        probabilities = _softmax(logits, found, temperature)
        confidence, margin = probabilities[0], probabilities[0] - sum(probabilities[1:2])
    elif activation == "sigmoid":
        probabilities = [_sigmoid(logit / temperature) for _, logit in found]
        confidence = _sigmoid(float(np.minimum.reduce(np.abs(logits))) / temperature)
        margin = 2 * confidence - 1
    else:
        probabilities, confidence, margin = [0.0] * len(found), None, None
    classes = [
        Ranked(index, labels[index], probability, logit)
        for (index, logit), probability in zip(found[:top_k], probabilities, strict=False)
        if probability >= min_probability
    ]
    return Ranking(classes, confidence, margin)


def _softmax(logits: np.ndarray, found: list[tuple[int, float]], temperature: float) -> list[float]:
    largest = found[0][1]
    behind = logits - np.float32(largest)
    if temperature != 1:
        behind /= temperature
    total = float(np.add.reduce(np.exp(behind), dtype=np.float64))
    return [math.exp((logit - largest) / temperature) / total for _, logit in found]


def _sigmoid(logit: float) -> float:
    exponent = math.exp(-abs(logit))  # never overflows
    return (1.0 if logit >= 0 else exponent) / (1 + exponent)


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
