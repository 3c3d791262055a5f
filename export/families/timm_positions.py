"""Positions of timm's models that are no table of tokens: rotations, and biases by distance."""

from typing import Any

import torch

from vitscope.export.families.offsets import by_distance


@torch.no_grad()
def other_positions(model: Any) -> dict[str, torch.Tensor]:
    """Collect `rope` [patches, 2 K], sines and then cosines, and `relative_bias` [heads, 2 R - 1, 2 C - 1].

    Of a model where each block has its own, they are those of the first block; of rotations, of all its heads.
    """
    found, grid = {}, tuple(model.patch_embed.grid_size)
    if getattr(model, "rope", None) is not None:
        rope = model.rope.get_embed(shape=grid)
        if rope.ndim > 2:  # layers, heads, patches, sines and cosines
            sines, cosines = rope[0].chunk(2, dim=-1)
            rope = torch.cat([part.transpose(0, 1).flatten(1) for part in (sines, cosines)], dim=-1)
        found["rope"] = rope
    if (bias := _bias(model)) is not None:
        found["relative_bias"] = by_distance(bias, *grid)
    return found


def _bias(model: Any) -> torch.Tensor | None:
    """Return what the first block adds to its scores, [1, heads, T, T]; None for a model without such a bias."""
    for module in model.modules():
        for method in ("get_bias", "_get_rel_pos_bias"):
            if hasattr(module, method) and getattr(module, "relative_position_bias_table", module) is not None:
                bias: torch.Tensor = getattr(module, method)()
                return bias
    shared = getattr(model, "rel_pos_bias", None)
    return None if shared is None else shared()
