"""What a data set is: label names, and the labelled images of each split."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, order=True)
class LabelledImage:
    """One image file. `label` is an index into the labels of its data set."""

    path: Path
    label: int


@dataclass(frozen=True)
class Dataset:
    """Labelled images, sorted by label and name within each split.

    labels: the label names, sorted. splits: some of `train`, `validation`, `test`, in this order; none is empty.
    notes: what a user should know of how the data were read, one line each. fingerprint: changes with the labels, with
    any image's pixels or name, and with the division into splits.
    """

    labels: tuple[str, ...]
    splits: Mapping[str, tuple[LabelledImage, ...]]
    notes: tuple[str, ...] = ()
    fingerprint: str = field(default="", compare=False)

    def counts(self, split: str) -> list[int]:
        """Return the number of images of each label in a split; zeros for a split that is not there."""
        numbers = [0] * len(self.labels)
        for image in self.splits.get(split, ()):
            numbers[image.label] += 1
        return numbers
