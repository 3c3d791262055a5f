"""The interface of a layer with a written-out derivative, and a chain of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch

Pull = Callable[[torch.Tensor, bool], torch.Tensor]
"""gradient of the output [N, D', Q, K], frozen -> gradient of the input [N, D, Q, K].

Columns are Q points of the input and K targets; features come first, so that a product with a weight reads it as the
model itself does, and graphs hold it once. frozen: take norms with the variance as it was, and pass a `Residual` by, so
that what is left is linear.
"""


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

        def back(gradient: torch.Tensor, frozen: bool) -> torch.Tensor:
            for pull in reversed(pulls):
                gradient = pull(gradient, frozen)
            return gradient

        return tokens, back


def columns(values: torch.Tensor) -> torch.Tensor:
    """Return values [N, Q, D] as a factor of gradients, [N, D, Q, 1]."""
    return values.mT.unsqueeze(-1)
