"""The interface of a layer with a written-out derivative, and a chain of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Slopes:
    """Derivatives of K targets by D features, float32 [N, D, Q, K] at Q points, or [N, D, 1, K] if all are the same.

    whole: the derivative. direct: of what is left if norms keep the variance that they had, and a `Residual` is passed
    by, so that all is linear. Features come before points, so that a product with a weight reads this as the model
    itself does, and graphs hold it once.
    """

    whole: torch.Tensor
    direct: torch.Tensor

    def each(self, function: Callable[[torch.Tensor], torch.Tensor]) -> "Slopes":
        """Apply a function to both, once where they are the same."""
        whole = function(self.whole)
        return Slopes(whole, whole if self.direct is self.whole else function(self.direct))


Pull = Callable[[Slopes], Slopes]
"""Slopes by the output of a layer -> slopes by its input."""


class Layer(ABC):
    """A layer that works on one token at a time."""

    @abstractmethod
    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        """Compute the output [N, Q, D'] for `tokens` [N, Q, D], and return the derivative there with it."""


class Chain(Layer):
    """Layers, one after the other."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        pulls = list[Pull]()
        for layer in self.layers:
            tokens, pull = layer.run(tokens)
            pulls.append(pull)

        def back(slopes: Slopes) -> Slopes:
            for pull in reversed(pulls):
                slopes = pull(slopes)
            return slopes

        return tokens, back


def columns(values: torch.Tensor) -> torch.Tensor:
    """Return values [N, Q, D] as a factor of slopes, [N, D, Q, 1]."""
    return values.permute(0, 2, 1).unsqueeze(-1)
