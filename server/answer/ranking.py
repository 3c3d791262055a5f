"""From logits to the classes that an answer names."""

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
    """The classes that were asked for. confidence: the probability of the first of all, 0..1. margin: how much higher that
    is than the second."""

    classes: list[Ranked]
    confidence: float
    margin: float


def rank(logits: np.ndarray, labels: tuple[str, ...], top_k: int, min_probability: float) -> Ranking:
    """Return the `top_k` most probable classes of float32 `logits` [C], in falling order, ties by index.

    Raises ArithmeticError when a logit is not a finite number: then no class is the answer.
    """
    # One sum tells of any infinity or NaN; in float64 finite float32 values cannot overflow it.
    if not math.isfinite(np.add.reduce(logits, dtype=np.float64)):
        raise ArithmeticError("the model's logits are not finite")
    candidates, found = np.arange(len(logits)), max(top_k, 2)
    if found < len(logits):  # sorting all classes costs more than finding the few that are asked for
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
