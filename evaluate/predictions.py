"""A model's logits for labelled images."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from vitscope.bundle import probabilities
from vitscope.evaluate.errors import EvaluateError


@dataclass(frozen=True)
class Unreadable:
    """An image that the model could not be asked about, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Predictions:
    """What a model with a softmax head answered, and what is true.

    labels: the C class names in the order of the logits. paths: of the N images. truth: int64 [N], indices into
    labels. logits: float32 [N, C], not divided by any temperature. Raises EvaluateError for shapes that do not fit, no
    image at all, one label, and values that are not finite.
    """

    labels: tuple[str, ...]
    paths: tuple[Path, ...]
    truth: np.ndarray
    logits: np.ndarray

    def __post_init__(self) -> None:
        images, classes = len(self.paths), len(self.labels)
        if self.truth.shape != (images,) or self.logits.shape != (images, classes):
            raise EvaluateError(
                f"predictions: truth is {list(self.truth.shape)} and logits {list(self.logits.shape)}; accepted for "
                f"{images} images and {classes} labels: [{images}] and [{images}, {classes}]"
            )
        if not images:
            raise EvaluateError("predictions: no image; at least 1 is needed")
        if classes < 2:
            raise EvaluateError(f"predictions: {classes} label; accepted: a model that chooses between 2 or more")
        if self.truth.min() < 0 or self.truth.max() >= classes:
            raise EvaluateError(f"predictions: truth goes from {self.truth.min()} to {self.truth.max()}; "
                                f"accepted: 0 to {classes - 1}")  # fmt: skip
        finite = np.isfinite(self.logits).all(-1)
        if not finite.all():
            first = self.paths[int(finite.argmin())]
            raise EvaluateError(f"{first}: the model's logits hold NaN or infinite values; accepted: finite ones")

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The class with the largest logit, the first of equals: int64 [N]."""
        found: np.ndarray = self.logits.argmax(-1)
        return found

    @property
    def correct(self) -> np.ndarray:
        """Whether that is the true class: bool [N]."""
        found: np.ndarray = self.predicted == self.truth
        return found

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """Return softmax(logits / temperature), float64 [N, C]."""
        found = probabilities(self.logits.astype(np.float64) / temperature, "softmax")
        assert found is not None
        return found
