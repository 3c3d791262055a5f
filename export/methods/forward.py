"""One forward pass of a classifier, in the traced module as in the reference."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from vitscope.bundle import TokenGeometry
from vitscope.export.families import Family
from vitscope.export.tail import Gauge

Kept = Mapping[str, Any]
"""The part of one layer's attention that each method keeps, by the method's name; None for nothing."""


@dataclass(frozen=True)
class Subject:
    """A model that is to be explained, for one input size. gauge: what is explained of a class."""

    model: Any
    family: Family
    geometry: TokenGeometry
    gauge: Gauge = field(default_factory=Gauge)


@dataclass(frozen=True)
class Seen:
    """What a module was given and what it returned, where there are several tensors the first one."""

    given: torch.Tensor
    returned: torch.Tensor


@dataclass(frozen=True)
class Forward:
    """The tensors of a forward pass that a method may read.

    pixels: float32 [N, 3, H, W], normalised. logits: [N, C]. tokens: [N, T, D] after the last LayerNorm, or without
    one after the last block, before pooling. attention: of each layer, the part that each method keeps. seen: what the
    modules were given that a method observes. inputs: further ones of the graphs, by name; none in a reference.
    """

    subject: Subject
    pixels: torch.Tensor
    logits: torch.Tensor
    tokens: torch.Tensor
    attention: list[Kept]
    seen: Mapping[torch.nn.Module, Seen] = field(default_factory=dict)
    inputs: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def __getitem__(self, images: Any) -> "Forward":
        """Select images, by their numbers."""
        attention: list[Kept] = [
            {name: _select(kept, images) for name, kept in layer.items()} for layer in self.attention
        ]
        seen = {module: Seen(one.given[images], one.returned[images]) for module, one in self.seen.items()}
        inputs = {name: tensor[images] for name, tensor in self.inputs.items()}
        pixels, logits, tokens = (tensor[images] for tensor in (self.pixels, self.logits, self.tokens))
        return Forward(self.subject, pixels, logits, tokens, attention, seen, inputs)

    @property
    def model(self) -> Any:
        """The model that was run."""
        return self.subject.model

    @property
    def family(self) -> Family:
        """Its family."""
        return self.subject.family

    @property
    def geometry(self) -> TokenGeometry:
        """Its token sequence."""
        return self.subject.geometry


@dataclass(frozen=True)
class Place:
    """Where an attention matrix stands. layer: number of the encoder block, or `layers` for the pooling attention."""

    layer: int
    layers: int
    geometry: TokenGeometry


@dataclass(frozen=True)
class Scores:
    """What one layer's attention is the softmax of, over the last axis: query @ key + bias.

    query: [N, H, T, D], scaled. key: [N, H, D, T]. bias: broadcast to [N, H, T, T]; None for none. value: [N, H, T, D],
    what the softmax is multiplied by.
    """

    query: torch.Tensor
    key: torch.Tensor
    bias: torch.Tensor | None
    value: torch.Tensor

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
    subject: Subject,
    pixels: torch.Tensor,
    attention: list[Kept],
    options: Mapping[str, Any] | None = None,
    modules: Iterable[torch.nn.Module] = (),
    inputs: Mapping[str, torch.Tensor] | None = None,
) -> Forward:
    """Run the model with the keyword arguments `options`. Whoever watches attention fills the list meanwhile.

    modules: to be in `seen`. inputs: further ones of the graphs.
    """
    model, family, tokens, seen = subject.model, subject.family, list[torch.Tensor](), dict[torch.nn.Module, Seen]()

    def see(module: torch.nn.Module, given: Any, named: Any, out: Any) -> None:
        seen[module] = Seen(given[0] if given else named["hidden_states"], _first(out))

    hooks = [module.register_forward_hook(see, with_kwargs=True) for module in modules]
    hooks.append(family.last(model).register_forward_hook(lambda _module, _inputs, out: tokens.append(_first(out))))
    try:
        logits = family.logits(model, pixels, options or {})
    finally:
        for hook in hooks:
            hook.remove()
    return Forward(subject, pixels, logits, tokens[0], attention, seen, inputs or {})


def _first(out: Any) -> torch.Tensor:
    """Return the tokens of a module that may return more than them."""
    found: torch.Tensor = out[0] if isinstance(out, tuple) else out
    return found


def _select(kept: Any, images: Any) -> Any:
    """Select images of what a method kept: a tensor, several or nothing."""
    if isinstance(kept, tuple):
        return tuple(tensor[images] for tensor in kept)
    return None if kept is None else kept[images]
