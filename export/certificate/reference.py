"""The reference of the certificate: the checkpoint itself in PyTorch float32."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vitscope.export.certificate.images import read_image
from vitscope.export.checkpoint import Checkpoint
from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.checkpoint.positions import native_size, token_geometry
from vitscope.export.checkpoint.preprocess import output_size
from vitscope.export.methods import Kept, Method, observe
from vitscope.export.progress import Reporter

_SCORES = 2**25  # elements of one layer's attention matrices that a batch may take (128 MiB in float32)


@dataclass(frozen=True)
class Reference:
    """The checkpoint's answers for some images.

    pixels: uint8 [M, H, W, 3]. logits: float32 [M, C]. rows: by method, float32 [M, layers, ..., K].
    """

    pixels: np.ndarray
    logits: np.ndarray
    rows: Mapping[Method, np.ndarray]

    def __getitem__(self, part: slice) -> "Reference":
        """Select images."""
        rows = {method: rows[part] for method, rows in self.rows.items()}
        return Reference(self.pixels[part], self.logits[part], rows)


def run_reference(
    checkpoint: Checkpoint, processor: Any, files: Sequence[Path], methods: Sequence[Method], reporter: Reporter
) -> Reference:
    """Prepare the images with the checkpoint's own processor and run its own model, with eager attention.

    `checkpoint.model` must be as loaded: it is the original that the exported graphs are compared with.
    Raises ExportError for an unreadable image.
    """
    model, family, size = checkpoint.model, checkpoint.family, output_size(processor)
    tokens = token_geometry(model, family, size)
    model.set_attn_implementation("eager")
    interpolate = not family.always_interpolates and size != native_size(model, family)
    options = {"interpolate_pos_encoding": True} if interpolate else {}
    batch = max(1, min(32, _SCORES // (model.config.num_attention_heads * (tokens.prefix + tokens.patches) ** 2)))
    pixels, logits, rows = [], [], []
    steps = [files[start : start + batch] for start in range(0, len(files), batch)]
    for step in reporter.track(steps, f"running the checkpoint in PyTorch float32 on {len(files)} images"):
        images, tensors = zip(*(prepare(processor, read_image(path)) for path in step), strict=True)
        pixels.append(np.stack(images))
        found, of_methods = _run(checkpoint, torch.stack(tensors), methods, options)
        logits.append(found)
        rows.append(of_methods)
    return Reference(
        np.concatenate(pixels),
        np.concatenate(logits),
        {method: np.concatenate([part[method] for part in rows]) for method in methods},
    )


@torch.inference_mode()
def _run(
    checkpoint: Checkpoint, images: torch.Tensor, methods: Sequence[Method], options: dict[str, bool]
) -> tuple[np.ndarray, dict[Method, np.ndarray]]:
    """Compute the logits and each method's rows of one batch."""

    def keep(matrix: torch.Tensor) -> Kept:
        return {method.name: method.keep(matrix) for method in methods}

    forward = observe(checkpoint.model, checkpoint.family, images, keep, options)
    return forward.logits.numpy(), {method: method.reference(forward).numpy() for method in methods}
