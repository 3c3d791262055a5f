"""The arrays of explain.npz: weights for explanations that are computed without torch."""

from typing import Any

import numpy as np

from vitscope.bundle import PositionKind
from vitscope.export.checkpoint.sines import is_sine
from vitscope.export.families import Family


def explain_arrays(model: Any, family: Family) -> dict[str, np.ndarray]:
    """Collect arrays from a frozen model. D is the token width. All are float32, but for numbers of pixels (int64).

    patch_kernel [D, 3, h, w], patch_bias [D]: the patch-embedding convolution, of normalised pixels. patch_stride,
    patch_padding [2]: its steps and the zeros around the image, in rows and columns.
    cls_token [D], distillation_token [D] and register_tokens [R, D] where the family has them.
    position_embeddings [cls + distillation + rows * cols, D]: as added at the input size of the bundle, where the
    family adds any; registers have none. norm_weight, norm_bias [D], norm_eps []: the LayerNorm before or after
    pooling, where there is one.
    rope [patches, 2 K]: sines and then cosines of the K angles by which queries and keys of a patch are turned, where
    the family turns any. relative_bias [heads, 2 R - 1, 2 C - 1]: what is added to the score of a query and a key by
    their distance, at [R - 1 + rows down, C - 1 + columns right], where the family adds any. Of R x C patches, or those
    of a window. Where blocks have their own, both are of the first one.
    head_weight [C, D] (cls+mean pooling: [C, 2 D], class token first), head_bias [C]; with cls+distillation pooling
    also distillation_head_weight and distillation_head_bias, and the logits are the mean of both heads.
    """
    found = family.arrays(model).items()
    return {name: array.astype(np.int64 if array.dtype.kind == "i" else np.float32) for name, array in found}


def position_kinds(arrays: dict[str, np.ndarray]) -> tuple[PositionKind, ...]:
    """Return what tells patches apart by their place, by the arrays of explain.npz."""
    found: list[PositionKind] = []
    if (table := arrays.get("position_embeddings")) is not None:
        found.append("sine" if is_sine(table) else "table")
    if "rope" in arrays:
        found.append("rope")
    if "relative_bias" in arrays:
        found.append("relative")
    return tuple(found)
