"""Asking a model about all images: answers in their places, progress, and what could not be answered."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitscope.evaluate.data import Selection, numbers
from vitscope.evaluate.errors import EvaluateError
from vitscope.evaluate.predictions import Predictions, Unreadable
from vitscope.evaluate.sources.source import Source


@dataclass(frozen=True)
class Asked:
    """What came of it. seconds: from the first image to the last answer."""

    predictions: Predictions
    unreadable: tuple[Unreadable, ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Images in a second."""
        return (len(self.predictions) + len(self.unreadable)) / max(self.seconds, 1e-9)


def ask(source: Source, selection: Selection, done: Callable[[], None] = lambda: None) -> Asked:
    """Ask `source` about every image; `done` is called after each answer.

    Raises EvaluateError for labels that the model does not have, and where no image at all was answered.
    """
    number = numbers(selection.data.labels, source.labels, f"the {source.kind} {source.name}")
    logits = np.zeros((len(selection.paths), len(source.labels)), np.float32)
    reasons: dict[int, str] = {}
    began = time.monotonic()
    for index, answer in source.answers(selection.paths):
        if isinstance(answer, str):
            reasons[index] = answer
        else:
            logits[index] = answer
        done()
    seconds = time.monotonic() - began
    unreadable = tuple(Unreadable(selection.paths[index], reasons[index]) for index in sorted(reasons))
    answered = [index for index in range(len(selection.paths)) if index not in reasons]
    if not answered:
        raise EvaluateError(
            f"none of {len(reasons):,} images was answered; of the first: {next(iter(reasons.values()))}"
        )
    predictions = Predictions(
        source.labels,
        tuple(selection.paths[index] for index in answered),
        np.array([number[selection.truth[index]] for index in answered]),
        logits[answered],
    )
    return Asked(predictions, unreadable, seconds)


def shown_path(path: Path, root: Path) -> Path:
    """Return a path below the data folder, for reports: they say nothing of this machine's folders."""
    return path.relative_to(root) if path.is_relative_to(root) else Path(*path.parts[-2:])
