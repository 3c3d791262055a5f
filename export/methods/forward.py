"""One forward pass of a classifier, in the traced module as in the reference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from vitscope.bundle import TokenGeometry
from vitscope.export.families import Family

Kept = Mapping[str, Any]
"""The part of one layer's attention that each method keeps, by the method's name: tensors, or None."""


@dataclass(frozen=True)
class Forward:
    """The tensors of a forward pass that a method may read.

    pixels: float32 [N, 3, H, W], normalised. logits: [N, C]. tokens: [N, T, D] after the last LayerNorm, or without
    one after the last block, before pooling. attention: of each layer, the part that each method keeps. states: what
    enters the first block and what leaves each, [N, T, D]; empty unless a method reads them.
    """

    model: Any
    family: Family
    geometry: TokenGeometry
    pixels: torch.Tensor
    logits: torch.Tensor
    tokens: torch.Tensor
    attention: list[Kept]
    states: list[torch.Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where an attention matrix stands. layer: number of the encoder block, or `layers` for the pooling attention."""

    layer: int
    layers: int
    geometry: TokenGeometry


@dataclass(frozen=True)
class Scores:
    """What one layer's attention is the softmax of, over the last axis: query @ key + bias.

    query: [N, H, T, D], scaled. key: [N, H, D, T]. bias: broadcast to [N, H, T, T]; None for none. value: [N, H, T, D].
    kernel: the softmax itself, [N, H, T, T]. A graph in which anything but `value` is multiplied with it has no fused
    kernel.
    """

    query: torch.Tensor
    key: torch.Tensor
    bias: torch.Tensor | None
    value: torch.Tensor
    kernel: torch.Tensor

    def row(self, token: int) -> torch.Tensor:
        """Compute the row of one token again, [N, H, T], for 1/T of the work of the kernel."""
        scores = self.query[:, :, token : token + 1] @ self.key
        if self.bias is not None:
            scores = scores + self.bias[..., token : token + 1, :]
        return torch.softmax(scores, dim=-1).squeeze(2)

    def matrix(self) -> torch.Tensor:
        """Compute the whole matrix again, [N, H, T, T], from transposed operands.

        The exporter merges equal expressions, and would have this one read the kernel's softmax.
        """
        scores = self.key.mT @ self.query.mT
        if self.bias is not None:
            scores = scores + self.bias.mT
        return torch.softmax(scores, dim=-2).mT


def observe(
    model: Any,
    family: Family,
    geometry: TokenGeometry,
    pixels: torch.Tensor,
    attention: list[Kept],
    options: Mapping[str, Any] | None = None,
    states: bool = False,
) -> Forward:
    """Run the model with the keyword arguments `options`. Whoever watches attention fills the list meanwhile.

    states: keep what enters the first block and what leaves each.
    """
    tokens, kept = list[torch.Tensor](), list[torch.Tensor]()
    blocks = family.blocks(model) if states else []
    hooks = [block.register_forward_hook(lambda _module, _inputs, out: kept.append(_first(out))) for block in blocks]
    hooks += [block.register_forward_pre_hook(lambda _module, given: kept.append(given[0])) for block in blocks[:1]]
    hooks.append(family.last(model).register_forward_hook(lambda _module, _inputs, out: tokens.append(_first(out))))
    try:
        logits = family.logits(model, pixels, options or {})
    finally:
        for hook in hooks:
            hook.remove()
    return Forward(model, family, geometry, pixels, logits, tokens[0], attention, kept)


def _first(out: Any) -> torch.Tensor:
    """Return the tokens of a module that may return more than them."""
    found: torch.Tensor = out[0] if isinstance(out, tuple) else out
    return found
