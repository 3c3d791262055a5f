"""A pre-trained model for other input or patch sizes: patch embedding and positions are resized, the rest is kept."""

import copy
import math
from typing import Any

import torch
from transformers import AutoModelForImageClassification

from vitscope.finetune.errors import FinetuneError


def resized(model: Any, processor: Any, image_size: int | None, patch_size: int | None) -> tuple[Any, Any]:
    """Return model and processor for square inputs of `image_size` pixels and patches of `patch_size`; None keeps one.

    A patch of the new size gets the embedding that the old model gives it when it is scaled to the old size; positions
    are interpolated. Raises FinetuneError for sizes that do not divide and models that are not made of such patches.
    """
    old_image, old_patch = (_side(getattr(model.config, f"{name}_size", None)) for name in ("image", "patch"))
    if old_image is None or old_patch is None:
        raise FinetuneError(f"--image-size, --patch-size: {type(model).__name__} has no single size of both to change")
    image, patch = image_size or old_image, patch_size or old_patch
    if image < 1 or patch < 1 or image % patch:
        raise FinetuneError(f"--image-size {image} is not a multiple of --patch-size {patch}")
    config = copy.deepcopy(model.config)
    config.image_size, config.patch_size = image, patch
    made = AutoModelForImageClassification.from_config(config)
    state, wanted = model.state_dict(), made.state_dict()
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            state[name] = _fitted(name, tensor, wanted[name].shape, old_image // old_patch, image // patch)
    made.load_state_dict(state)
    _resize_processor(processor, image)
    return made, processor


def _fitted(name: str, tensor: torch.Tensor, shape: torch.Size, old_grid: int, grid: int) -> torch.Tensor:
    if tensor.ndim == 4 and tensor.shape[:2] == shape[:2]:
        return _scaled_patches(tensor, shape[-1])
    prefix = tensor.shape[1] - old_grid**2 if tensor.ndim == 3 else -1
    if prefix >= 0 and shape[1] == prefix + grid**2:
        return torch.cat([tensor[:, :prefix], _scaled_positions(tensor[:, prefix:], grid)], 1)
    raise FinetuneError(
        f"--image-size, --patch-size: {name} is {list(tensor.shape)} and would be {list(shape)}, which cannot be scaled"
    )


def _scaled_patches(kernel: torch.Tensor, side: int) -> torch.Tensor:
    """Return the kernel [D, 3, side, side] that answers x as `kernel` answers x scaled to its own size."""
    basis = torch.eye(side * side).reshape(-1, 1, side, side)
    size = tuple(kernel.shape[-2:])
    scale = torch.nn.functional.interpolate(basis, size, mode="bilinear", align_corners=False).flatten(1)
    return torch.einsum("dck,nk->dcn", kernel.flatten(2), scale).reshape(*kernel.shape[:2], side, side)


def _scaled_positions(table: torch.Tensor, grid: int) -> torch.Tensor:
    old = math.isqrt(table.shape[1])
    square = table.reshape(1, old, old, -1).permute(0, 3, 1, 2)
    scaled = torch.nn.functional.interpolate(square, (grid, grid), mode="bicubic", align_corners=False)
    return scaled.permute(0, 2, 3, 1).reshape(1, grid * grid, -1)


def _resize_processor(processor: Any, side: int) -> None:
    crop = getattr(processor, "crop_size", None)
    edge = getattr(processor.size, "shortest_edge", None)
    if edge and crop and getattr(processor, "do_center_crop", False):
        processor.size = {"shortest_edge": round(edge * side / crop["height"])}
    else:
        processor.size = {"height": side, "width": side}
    if crop:
        processor.crop_size = {"height": side, "width": side}


def _side(size: Any) -> int | None:
    if isinstance(size, list | tuple) and len(set(size)) == 1:
        size = size[0]
    return size if isinstance(size, int) else None
