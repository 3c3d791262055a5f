"""The checkpoint itself in PyTorch float32: what every engine is held to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vitscope.export.checkpoint import Checkpoint
from vitscope.export.images import read_image
from vitscope.export.positions import native_size
from vitscope.export.preprocess import Size, prepare
from vitscope.export.progress import Reporter

_SCORES = 2**25  # elements of one layer's attention matrices that a batch may take (128 MiB in float32)


@dataclass(frozen=True)
class Reference:
    """What the checkpoint says to some images.

    pixels: uint8 [M, H, W, 3]. logits: float32 [M, C]. rows: float32 [M, L, H, T], each layer's class-token row.
    """

    pixels: np.ndarray
    logits: np.ndarray
    rows: np.ndarray


def run_reference(
    checkpoint: Checkpoint, processor: Any, size: Size, files: Sequence[Path], tokens: int, reporter: Reporter
) -> Reference:
    """Prepare the images with the checkpoint's own processor and run its own model, with eager attention.

    `checkpoint.model` must be as loaded: it is the original that the exported graphs are compared with.
    Raises ExportError for an unreadable image.
    """
    model, family = checkpoint.model, checkpoint.family
    model.set_attn_implementation("eager")
    interpolate = not family.always_interpolates and size != native_size(model, family)
    options = {"interpolate_pos_encoding": True} if interpolate else {}
    batch = max(1, min(32, _SCORES // (model.config.num_attention_heads * tokens**2)))
    pixels, logits, rows = [], [], []
    steps = [files[start : start + batch] for start in range(0, len(files), batch)]
    for step in reporter.track(steps, f"running the checkpoint in PyTorch float32 on {len(files)} images"):
        images, tensors = zip(*(prepare(processor, read_image(path)) for path in step), strict=True)
        out, kept = _run(model, family.attentions(model), torch.stack(tensors), options)
        pixels.append(np.stack(images))
        logits.append(out)
        rows.append(kept)
    return Reference(np.concatenate(pixels), np.concatenate(logits), np.concatenate(rows))


@torch.inference_mode()
def _run(
    model: Any, attentions: list[Any], images: torch.Tensor, options: dict[str, bool]
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and class-token rows. Hooks take the row as each layer returns its matrix, so that one layer's matrices are
    in memory instead of all layers' (gigabytes at 518 pixels)."""
    rows: list[torch.Tensor] = []
    hooks = [a.register_forward_hook(lambda _m, _i, out: rows.append(out[1][:, :, 0].clone())) for a in attentions]
    try:
        logits = model(pixel_values=images, **options).logits
    finally:
        for hook in hooks:
            hook.remove()
    return logits.numpy(), torch.stack(rows, dim=1).numpy()
