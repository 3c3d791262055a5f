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


def rank(logits: np.ndarray, labels: tuple[str, ...], top_k: int, min_probability: float) -> list[Ranked]:
    """The `top_k` most probable classes of float32 `logits` [C], in falling order, ties by index.

    Raises ArithmeticError when a logit is not a finite number: no class is the answer then.
    """
    # One sum tells of any infinity or NaN; in float64 finite float32 values cannot overflow it.
    if not math.isfinite(np.add.reduce(logits, dtype=np.float64)):
        raise ArithmeticError("the model's logits are not finite")
    candidates = np.arange(len(logits))
    if top_k < len(logits):  # sorting all classes costs more than finding the few that are asked for
        candidates = np.flatnonzero(logits >= np.partition(logits, -top_k)[-top_k])
    order = candidates[np.argsort(-logits[candidates], kind="stable")][:top_k]
    ranked = logits[order].tolist()
    total = float(np.add.reduce(np.exp(logits - logits[order[0]]), dtype=np.float64))
    return [
        Ranked(index, labels[index], probability, logit)
        for index, logit in zip(order.tolist(), ranked, strict=True)
        if (probability := math.exp(logit - ranked[0]) / total) >= min_probability
    ]
