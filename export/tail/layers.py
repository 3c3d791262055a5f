"""The layers behind the last attention, each with its derivative."""

from collections.abc import Sequence
from typing import Any

import torch

from vitscope.export.tail.layer import Chain, Layer, Pull, columns


class Linear(Layer):
    """A matrix product and a bias: weight [D', D], bias [D'] or None."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight, self.bias = weight, bias

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        return torch.nn.functional.linear(tokens, self.weight, self.bias), lambda gradient, _: self.back(gradient)

    def back(self, gradient: torch.Tensor) -> torch.Tensor:
        """Return the derivative, which is the same at every point."""
        points = gradient.shape[2]
        return (self.weight.T @ gradient.flatten(2)).unflatten(2, (points, -1))


class Scale(Layer):
    """An elementwise product with a vector [D], such as a layer scale."""

    def __init__(self, factor: torch.Tensor) -> None:
        self.factor = factor

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        return tokens * self.factor, lambda gradient, _: gradient * self.factor[:, None, None]


class Shift(Layer):
    """The sum with given tokens [N, 1, D], such as what a residual connection brings along."""

    def __init__(self, tokens: torch.Tensor) -> None:
        self.tokens = tokens

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        return tokens + self.tokens, lambda gradient, _: gradient


class Norm(Layer):
    """LayerNorm or, if not `centred`, RMSNorm. weight, bias: [D] or None."""

    def __init__(
        self, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float, centred: bool = True
    ) -> None:
        self.weight, self.bias, self.eps, self.centred = weight, bias, eps, centred

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        if self.centred:
            tokens = tokens - tokens.mean(dim=-1, keepdim=True)
        inverse = torch.rsqrt(tokens.square().mean(dim=-1, keepdim=True) + self.eps)
        normed = tokens * inverse
        found = normed if self.weight is None else normed * self.weight
        by_column = columns(normed), columns(inverse)

        def back(gradient: torch.Tensor, frozen: bool) -> torch.Tensor:
            if self.weight is not None:
                gradient = gradient * self.weight[:, None, None]
            if not frozen:
                along = (gradient * by_column[0]).mean(dim=1, keepdim=True)
                moved = gradient - by_column[0] * along
            else:
                moved = gradient
            if self.centred:
                moved = moved - gradient.mean(dim=1, keepdim=True)
            return moved * by_column[1]

        return found if self.bias is None else found + self.bias, back


class Residual(Layer):
    """The sum of the input and what a branch makes of it."""

    def __init__(self, *branch: Layer) -> None:
        self.branch = Chain(branch)

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        added, pull = self.branch.run(tokens)
        return tokens + added, lambda gradient, frozen: gradient if frozen else gradient + pull(gradient, frozen)


class Parallel(Layer):
    """The outputs of several layers on the same input, side by side."""

    def __init__(self, *layers: Layer) -> None:
        self.layers = layers

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        outputs, pulls = zip(*(layer.run(tokens) for layer in self.layers), strict=True)
        widths = [output.shape[-1] for output in outputs]

        def back(gradient: torch.Tensor, frozen: bool) -> torch.Tensor:
            parts = gradient.split(widths, dim=1)
            return torch.stack([pull(part, frozen) for pull, part in zip(pulls, parts, strict=True)]).sum(dim=0)

        return torch.cat(outputs, dim=-1), back


def norm_of(module: Any) -> Sequence[Layer] | None:
    """Return a norm as layers, none for an identity; None for a module that is neither."""
    if isinstance(module, torch.nn.Identity):
        return ()
    if isinstance(module, torch.nn.LayerNorm) and len(module.normalized_shape) == 1:
        return (Norm(module.weight, module.bias, module.eps),)
    if type(module).__name__ in ("RMSNorm", "RmsNorm") and getattr(module, "eps", None) is not None:
        return (Norm(module.weight, None, module.eps, centred=False),)
    return None


def linear_of(module: Any) -> Linear:
    """Return a torch.nn.Linear as a layer."""
    return Linear(module.weight, module.bias)
