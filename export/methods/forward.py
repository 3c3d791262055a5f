"""One forward pass of a classifier, in the traced module as in the reference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from vitscope.export.checkpoint.families import Family

Kept = Mapping[str, torch.Tensor | None]
"""The part of one layer's attention that each method keeps, by the method's name."""


@dataclass(frozen=True)
class Forward:
    """The tensors of a forward pass that a method may read.

    pixels: float32 [N, 3, H, W], normalised. logits: [N, C]. tokens: [N, T, D] after the last LayerNorm, before
    pooling. attention: of each layer, the part that each method keeps.
    """

    model: Any
    family: Family
    pixels: torch.Tensor
    logits: torch.Tensor
    tokens: torch.Tensor
    attention: list[Kept]


def observe(
    model: Any,
    family: Family,
    pixels: torch.Tensor,
    keep: Callable[[Any], Kept],
    options: Mapping[str, bool] | None = None,
) -> Forward:
    """Run the model with the keyword arguments `options`.

    `keep` reduces what each attention module returns beside its output. It is called at the end of each layer, so that
    one layer's matrices are in memory instead of all layers' (gigabytes at 518 pixels).
    """
    attention: list[Kept] = []
    tokens: list[torch.Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, out: attention.append(keep(out[1])))
        for module in family.attentions(model)
    ]
    hooks.append(family.norm(model).register_forward_hook(lambda _module, _inputs, out: tokens.append(out)))
    try:
        logits = model(pixel_values=pixels, **(options or {})).logits
    finally:
        for hook in hooks:
            hook.remove()
    return Forward(model, family, pixels, logits, tokens[0], attention)
