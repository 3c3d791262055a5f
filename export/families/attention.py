"""Watching and replacing attention: through transformers' AttentionInterface, at PyTorch's function, or in the modules.

A family takes what its modules go through.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from transformers import AttentionInterface

from vitscope.export.families.family import Attend, See

_NAME = "vitscope"


@contextmanager
def watch_modules(model: Any, modules: list[torch.nn.Module], see: See) -> Iterator[None]:
    """Run transformers' eager attention. `modules` return its matrix beside their output."""
    # At the end of each layer, so that one layer's matrices are in memory instead of all layers' (gigabytes at 518
    # pixels).
    hooks = [module.register_forward_hook(lambda _module, _inputs, out: see(out[1])) for module in modules]
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)
        for hook in hooks:
            hook.remove()


@contextmanager
def replace_interface(model: Any, attend: Attend) -> Iterator[None]:
    """Replace attention that goes through transformers' AttentionInterface.

    No mask function is registered with the name, so transformers builds no mask: it would be all true, and cost a Where
    per layer.
    """

    def run(
        _module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        scaling: float | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, None]:
        scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
        return attend(query, key, value, attention_mask, scaling).transpose(1, 2).contiguous(), None

    AttentionInterface.register(_NAME, run)
    before = model.config._attn_implementation
    model.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def replace_forward(modules: list[Any], forward: Callable[..., Any]) -> Iterator[None]:
    """Call `forward(module, ...)` instead of what the modules do themselves, where they go through neither of both."""
    for module in modules:
        module.forward = partial(forward, module)
    try:
        yield
    finally:
        for module in modules:
            del module.forward


@contextmanager
def watch_function(see: See) -> Iterator[None]:
    """Compute the matrix of every call of torch.nn.functional.scaled_dot_product_attention, beside the call itself."""
    own = torch.nn.functional.scaled_dot_product_attention

    def run(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *more: Any, **named: Any) -> torch.Tensor:
        bias, scaling = _options(query, *more, **named)
        scores = query @ key.transpose(-2, -1) * scaling
        see(torch.softmax(scores if bias is None else scores + bias, dim=-1))
        return own(query, key, value, *more, **named)

    with _instead(run):
        yield


@contextmanager
def replace_function(attend: Attend) -> Iterator[None]:
    """Replace torch.nn.functional.scaled_dot_product_attention."""

    def run(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *more: Any, **named: Any) -> torch.Tensor:
        return attend(query, key, value, *_options(query, *more, **named))

    with _instead(run):
        yield


@contextmanager
def _instead(run: Callable[..., torch.Tensor]) -> Iterator[None]:
    own = torch.nn.functional.scaled_dot_product_attention
    torch.nn.functional.scaled_dot_product_attention = run
    try:
        yield
    finally:
        torch.nn.functional.scaled_dot_product_attention = own


def _options(
    query: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[torch.Tensor | None, float]:
    """Return what is added to the scores, and the factor of the product. dropout_p is for training only.

    Raises ValueError for forms without an exported one.
    """
    if is_causal or enable_gqa or (attn_mask is not None and attn_mask.dtype == torch.bool):
        raise ValueError("attention that is causal, grouped or masked by booleans has no exported form")
    return attn_mask, query.shape[-1] ** -0.5 if scale is None else scale
