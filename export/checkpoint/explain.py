"""The arrays of explain.npz: weights for explanations that are computed without torch."""

from typing import Any

import numpy as np

from vitscope.export.checkpoint.families import Family


def explain_arrays(model: Any, family: Family) -> dict[str, np.ndarray]:
    """Collect arrays from a model with frozen positions. All are float32; D is the token width.

    patch_kernel [D, 3, h, w], patch_bias [D]: the patch-embedding convolution.
    cls_token [D]; distillation_token [D] and register_tokens [R, D] where the family has them.
    position_embeddings [cls + distillation + rows * cols, D]: as added at the input size of the bundle; registers
    have none. norm_weight, norm_bias [D], norm_eps []: the LayerNorm before pooling.
    head_weight [C, D] (cls+mean pooling: [C, 2 D], class token first), head_bias [C]; with cls+distillation pooling
    also distillation_head_weight and distillation_head_bias, and the logits are the mean of both heads.
    """
    embeddings, norm = family.embeddings(model), family.norm(model)
    projection = embeddings.patch_embeddings.projection
    tensors = {
        "patch_kernel": projection.weight,
        "patch_bias": projection.bias,
        "cls_token": embeddings.cls_token[0, 0],
        "position_embeddings": embeddings.position_embeddings[0],
        "norm_weight": norm.weight,
        "norm_bias": norm.bias,
    }
    if family.distillation_tokens:
        tensors["distillation_token"] = embeddings.distillation_token[0, 0]
    if family.register_tokens(model):
        tensors["register_tokens"] = embeddings.register_tokens[0]
    for prefix, head in family.classifiers(model).items():
        tensors[f"{prefix}_weight"], tensors[f"{prefix}_bias"] = head.weight, head.bias
    arrays = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    return {**arrays, "norm_eps": np.array(norm.eps, dtype=np.float32)}
