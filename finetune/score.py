"""How good weights are on the validation images, and which of two are better."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Score:
    """accuracy: 0..1. loss: mean negative log-likelihood of the true class, in nats; it decides between equals."""

    accuracy: float
    loss: float

    @classmethod
    def of(cls, logits: np.ndarray, truth: np.ndarray) -> "Score":
        """Measure float [N, C] logits against int64 [N] labels."""
        values = logits.astype(np.float64)
        values -= values.max(-1, keepdims=True)
        likelihood = values[np.arange(len(truth)), truth] - np.log(np.exp(values).sum(-1))
        return cls(float((logits.argmax(-1) == truth).mean()), float(-likelihood.mean()))

    @property
    def rank(self) -> float:
        """One number, larger for better: differences in loss count for less than one image in ten million."""
        return self.accuracy - min(self.loss, 100.0) * 1e-9

    def __gt__(self, other: "Score") -> bool:
        """Return whether this is better."""
        return self.rank > other.rank
