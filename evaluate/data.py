"""The labelled images that a model is measured on, with the model's own numbers of their labels."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitscope.dataset import TEST, VALIDATION, Dataset
from vitscope.evaluate.errors import EvaluateError

_NAMED = 5


@dataclass(frozen=True)
class Selection:
    """The images of one split. truth: indices into the labels of the data set."""

    data: Dataset
    split: str
    paths: tuple[Path, ...]
    truth: tuple[int, ...]


def select(data: Dataset, split: str | None) -> Selection:
    """Return the images of a split: `test` where none is named, or else `validation`.

    Raises EvaluateError for one that is not there.
    """
    if split is None:
        split = next((name for name in (TEST, VALIDATION) if name in data.splits), None)
        if split is None:
            raise EvaluateError("--data: has training images only; name them with --split train to measure on these")
    if split not in data.splits:
        raise EvaluateError(f"--split {split}: not in this data set; accepted: {', '.join(data.splits)}")
    images = data.splits[split]
    return Selection(data, split, tuple(one.path for one in images), tuple(one.label for one in images))


def root_of(data: str, paths: Sequence[Path]) -> Path:
    """Return the folder that reports name images relative to: of a hub data set, where its images lie."""
    return Path(data) if Path(data).is_dir() else Path(os.path.commonpath(paths))


def numbers(labels: Sequence[str], model: Sequence[str], name: str) -> tuple[int, ...]:
    """Return the model's number of each label of the data set; names have to be the same.

    Raises EvaluateError, which names both sides, for a label that the model lacks or has several times.
    """
    counts = Counter(model)
    if unknown := [label for label in labels if not counts[label]]:
        raise EvaluateError(
            f"--data: {len(unknown)} of its {len(labels)} labels are unknown to {name}: {_listed(unknown)}; that model "
            f"has {len(model)}: {_listed(model)}"
        )
    if repeated := [label for label in labels if counts[label] > 1]:
        raise EvaluateError(
            f"--data: {name} has several classes named {_listed(repeated)}, so that it cannot be told which is meant; "
            "accepted: a model whose labels differ"
        )
    return tuple(list(model).index(label) for label in labels)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
