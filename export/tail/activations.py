"""Activations and gates of MLPs, with their derivatives."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from vitscope.export.tail.layer import Layer, Pull, columns

Both = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""values -> the function and its derivative there, elementwise."""


class Activated(Layer):
    """An elementwise function."""

    def __init__(self, both: Both) -> None:
        self.both = both

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        found, slope = self.both(tokens)
        factor = columns(slope)
        return found, lambda slopes: slopes.each(lambda one: one * factor)


class Glu(Layer):
    """The product of one half of the features, through an activation, and the other half. gate: which half, 0 or 1."""

    def __init__(self, both: Both, gate: int = 0) -> None:
        self.both, self.gate = both, gate

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        halves = tokens.chunk(2, dim=-1)
        gate, value = halves[self.gate], halves[1 - self.gate]
        opened, slope = self.both(gate)
        factors = [columns(value * slope), columns(opened)]
        first, second = factors[self.gate], factors[1 - self.gate]
        return opened * value, lambda slopes: slopes.each(lambda one: torch.cat([one * first, one * second], dim=1))


def both_of(module: Any) -> Both | None:
    """Return an activation module with its derivative, None for one that is not among those known here."""
    if isinstance(module, torch.nn.GELU):
        return _gelu_tanh if module.approximate == "tanh" else _gelu
    return _KNOWN.get(type(module).__name__)


def _gelu(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    share = 0.5 * (1 + torch.erf(x * math.sqrt(0.5)))
    return x * share, share + x * torch.exp(-0.5 * x.square()) * (1 / math.sqrt(2 * math.pi))


def _gelu_tanh(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    factor = math.sqrt(2 / math.pi)
    squared = x.square()
    bent = torch.tanh(x * (factor + factor * 0.044715 * squared))
    share = 0.5 * (1 + bent)
    return x * share, share + 0.5 * x * (1 - bent.square()) * (factor + 3 * factor * 0.044715 * squared)


def _swish(sharpness: float) -> Both:
    def both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        share = torch.sigmoid(sharpness * x)
        found = x * share
        return found, share + sharpness * found * (1 - share)

    return both


def _relu(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    found = torch.relu(x)
    return found, torch.sign(found)


_KNOWN: Mapping[str, Both] = {
    "GELUActivation": _gelu,
    "GELUTanh": _gelu_tanh,
    "NewGELUActivation": _gelu_tanh,
    "FastGELUActivation": _gelu_tanh,
    "AccurateGELUActivation": _gelu_tanh,
    "GELU": _gelu,
    "QuickGELUActivation": _swish(1.702),
    "QuickGELU": _swish(1.702),
    "SiLUActivation": _swish(1.0),
    "SiLU": _swish(1.0),
    "ReLU": _relu,
}
