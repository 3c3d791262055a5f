"""The course of a training run, for its learning curves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One epoch. Losses are means over images, in nats; accuracy is on the validation images, 0..1.

    number: from 1. stage: what was trained, where a run has several, such as "probe" and then "full"; empty for one.
    """

    number: int
    train_loss: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    learning_rate: float | None = None
    stage: str = ""
