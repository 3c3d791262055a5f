"""The arrays of explain.npz: weights for explanations that are computed without torch."""

from typing import Any

import numpy as np

from vitscope.export.families import Family


def explain_arrays(model: Any, family: Family) -> dict[str, np.ndarray]:
    """Collect arrays from a frozen model. All are float32; D is the token width.

    patch_kernel [D, 3, h, w], patch_bias [D]: the patch-embedding convolution.
    cls_token [D], distillation_token [D] and register_tokens [R, D] where the family has them.
    position_embeddings [cls + distillation + rows * cols, D]: as added at the input size of the bundle, where the
    family adds any; registers have none. norm_weight, norm_bias [D], norm_eps []: the LayerNorm before or after
    pooling, where there is one.
    head_weight [C, D] (cls+mean pooling: [C, 2 D], class token first), head_bias [C]; with cls+distillation pooling
    also distillation_head_weight and distillation_head_bias, and the logits are the mean of both heads.
    """
    return {name: np.asarray(array, dtype=np.float32) for name, array in family.arrays(model).items()}
