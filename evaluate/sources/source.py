"""What all sources of predictions have in common."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from vitscope.evaluate.errors import EvaluateError

Answer = tuple[int, np.ndarray | str]
"""The index of an image with its logits, float32 [C], or the reason why there are none."""


class Source(Protocol):
    """A model that can be asked about images.

    name: for people, such as "fashion version 1". kind: "checkpoint", "bundle" or "server". labels: class names in the
    order of the logits. temperature: that its probabilities are made with. settings: how it runs, name to value.
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def temperature(self) -> float: ...
    @property
    def settings(self) -> Mapping[str, object]: ...

    def answers(self, images: Sequence[Path]) -> Iterator[Answer]:
        """Yield an answer for each image, in any order. Raises EvaluateError where none can be had at all."""
        ...


def require_softmax(activation: str, what: str) -> None:
    """Raise EvaluateError for a head whose answers are not one class of several."""
    if activation == "softmax":
        return
    found = {
        "sigmoid": "gives each label a probability of its own (sigmoid), as for images with several labels",
        "none": "answers with plain values, as in regression",
    }.get(activation, f"has the activation {activation!r}")
    raise EvaluateError(f"{what} {found}; accepted: a model that chooses one class of several (softmax)")
