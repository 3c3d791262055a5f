"""The layers behind the last attention, each with its derivative."""

from collections.abc import Sequence
from typing import Any

import torch

from vitscope.export.tail.layer import Chain, Layer, Pull, Slopes, columns


class Linear(Layer):
    """A matrix product and a bias: weight [D', D], bias [D'] or None."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight, self.bias = weight, bias

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        return torch.nn.functional.linear(tokens, self.weight, self.bias), lambda slopes: slopes.each(self.back)

    def back(self, slope: torch.Tensor) -> torch.Tensor:
        """Return the slope by the input, which is the same at every point."""
        found = self.weight.T @ slope.flatten(2)
        return found.view(*found.shape[:2], *slope.shape[2:])


class Scale(Layer):
    """An elementwise product with a vector [D], such as a layer scale."""

    def __init__(self, factor: torch.Tensor) -> None:
        self.factor = factor

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        by_feature = self.factor.view(-1, 1, 1)
        return tokens * self.factor, lambda slopes: slopes.each(lambda slope: slope * by_feature)


class Shift(Layer):
    """The sum with given tokens [N, 1, D], such as what a residual connection brings along."""

    def __init__(self, tokens: torch.Tensor) -> None:
        self.tokens = tokens

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        return tokens + self.tokens, lambda slopes: slopes


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
        by_column, scale = columns(normed), inverse.unsqueeze(1)  # [N, D, Q, 1] and [N, 1, Q, 1]

        def direct(slope: torch.Tensor) -> torch.Tensor:
            return (slope - slope.mean(dim=1, keepdim=True) if self.centred else slope) * scale

        def back(slopes: Slopes) -> Slopes:
            if self.weight is not None:
                by_feature = self.weight.view(-1, 1, 1)
                slopes = slopes.each(lambda slope: slope * by_feature)
            left = slopes.each(direct)
            # What the variance takes away: the part of the slope along the normed features.
            along = (slopes.whole * by_column).mean(dim=1, keepdim=True) * scale
            return Slopes(left.whole - by_column * along, left.direct)

        found = normed if self.weight is None else normed * self.weight
        return found if self.bias is None else found + self.bias, back


class Residual(Layer):
    """The sum of the input and what a branch makes of it."""

    def __init__(self, *branch: Layer) -> None:
        self.branch = Chain(branch)

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        added, pull = self.branch.run(tokens)

        def back(slopes: Slopes) -> Slopes:
            further = pull(Slopes(slopes.whole, slopes.whole)).whole
            return Slopes(slopes.whole + further, slopes.direct)

        return tokens + added, back


class Parallel(Layer):
    """The outputs of several layers on the same input, side by side."""

    def __init__(self, *layers: Layer) -> None:
        self.layers = layers

    def run(self, tokens: torch.Tensor) -> tuple[torch.Tensor, Pull]:
        outputs, pulls = zip(*(layer.run(tokens) for layer in self.layers), strict=True)
        widths = [output.shape[-1] for output in outputs]

        def back(slopes: Slopes) -> Slopes:
            wholes, directs = torch.split(slopes.whole, widths, dim=1), torch.split(slopes.direct, widths, dim=1)
            found = [pull(Slopes(*parts)) for pull, *parts in zip(pulls, wholes, directs, strict=True)]
            return Slopes(
                torch.stack([of.whole for of in found]).sum(dim=0), torch.stack([of.direct for of in found]).sum(dim=0)
            )

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
