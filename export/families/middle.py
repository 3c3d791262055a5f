"""The state of the tokens between attention and MLP, which tells apart what each adds to them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

# What reads that state first: the norm before the MLP, or where norms come last the MLP itself.
_NORM_FIRST = ("layernorm_after", "norm2", "layer_norm2")
_NORM_LAST = ("ResPostBlock", "EvaBlockPostNorm", "ResPostRelPosBlock")


@dataclass(frozen=True)
class Middle:
    """Where a block has the state.

    module: what is to be observed. state: what makes the state, [N, T, D], of what entered the block, what the module
    was given, and what it returned.
    """

    module: torch.nn.Module
    state: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def middle(block: Any) -> Middle:
    """Return where an encoder block has it. Raises ValueError for a block that is built otherwise.

    A parallel block has no such state: it is what there would be if attention added first. Where one product gives
    what both add, its bias counts as the MLP's.
    """
    if hasattr(block, "in_split"):
        return _parallel(block)
    if type(block).__name__ in _NORM_LAST:
        return Middle(block.mlp, _given)
    for name in _NORM_FIRST:
        if isinstance(norm := getattr(block, name, None), torch.nn.Module):
            return Middle(norm, _given)
    raise ValueError(f"a {type(block).__name__} has no state between attention and MLP that is known")


def _parallel(block: Any) -> Middle:
    if block.out_proj is None:
        return Middle(block.attn_out_proj, lambda entered, given, returned: entered + block.ls(returned))
    width = block.num_heads * block.head_dim

    def of_both(entered: torch.Tensor, given: torch.Tensor, returned: torch.Tensor) -> torch.Tensor:
        own = torch.nn.functional.linear(given[..., :width], block.out_proj.weight[:, :width])
        return entered + torch.as_tensor(block.ls(own))

    return Middle(block.out_proj, of_both)


def _given(entered: torch.Tensor, given: torch.Tensor, returned: torch.Tensor) -> torch.Tensor:
    return given
