"""The reference of the certificate: the checkpoint itself in PyTorch float32."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vitscope.bundle import Activation, Scale, TokenGeometry
from vitscope.export.certificate.images import read_image
from vitscope.export.checkpoint import Checkpoint
from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.checkpoint.positions import token_geometry
from vitscope.export.checkpoint.preprocess import output_size
from vitscope.export.errors import ExportError
from vitscope.export.methods import Kept, Method, Place, Subject, observe
from vitscope.export.progress import Reporter

_SCORES = 2**25  # elements of one layer's attention matrices that a batch may take (128 MiB in float32)


@dataclass(frozen=True)
class Reference:
    """The checkpoint's answers for some images.

    pixels: uint8 [M, H, W, 3]. logits: float32 [M, C], finite. rows: by method, float32 [M, layers, ..., K].
    activation, temperature: of the head.
    """

    pixels: np.ndarray
    logits: np.ndarray
    rows: Mapping[Method, np.ndarray]
    activation: Activation = "softmax"
    temperature: float = 1.0

    @property
    def scale(self) -> Scale:
        """The size of the logits, over all images."""
        return Scale.of(self.logits, self.activation, self.temperature)

    def __getitem__(self, part: slice) -> "Reference":
        """Select images."""
        rows = {method: rows[part] for method, rows in self.rows.items()}
        return Reference(self.pixels[part], self.logits[part], rows, self.activation, self.temperature)


def run_reference(
    checkpoint: Checkpoint,
    processor: Any,
    files: Sequence[Path],
    methods: Sequence[Method],
    reporter: Reporter,
    activation: Activation = "softmax",
    temperature: float = 1.0,
) -> Reference:
    """Prepare the images with the checkpoint's own processor and run its own model, with eager attention.

    `checkpoint.model` must be as loaded: it is the original that the exported graphs are compared with.
    Raises ExportError for an unreadable image, and for a model whose answers are NaN or infinite.
    """
    model, family, size = checkpoint.model, checkpoint.family, output_size(processor)
    tokens = token_geometry(model, family, size)
    options = family.options(model, size)
    batch = max(1, min(32, _SCORES // (family.sizes(model).heads * (tokens.prefix + tokens.patches) ** 2)))
    pixels, logits, rows = [], [], []
    steps = [files[start : start + batch] for start in range(0, len(files), batch)]
    methods = [method for method in methods if method.name != "evidence"]
    for step in reporter.track(steps, f"running the checkpoint in PyTorch float32 on {len(files)} images"):
        images, tensors = zip(*(prepare(processor, read_image(path)) for path in step), strict=True)
        pixels.append(np.stack(images))
        found, of_methods = _run(checkpoint, tokens, torch.stack(tensors), methods, options)
        _refuse_non_finite(step, found)
        logits.append(found)
        rows.append(of_methods)
    return Reference(
        np.concatenate(pixels),
        np.concatenate(logits),
        {method: np.concatenate([part[method] for part in rows]) for method in methods},
        activation,
        temperature,
    )


def _refuse_non_finite(files: Sequence[Path], logits: np.ndarray) -> None:
    for file, values in zip(files, logits, strict=True):
        if not np.isfinite(values).all():
            raise ExportError(
                f"CHECKPOINT: its own logits of {file} hold NaN or infinite values, in PyTorch float32; accepted: a "
                "model whose answers are finite"
            )


@torch.inference_mode()
def _run(
    checkpoint: Checkpoint,
    tokens: TokenGeometry,
    images: torch.Tensor,
    methods: Sequence[Method],
    options: Mapping[str, Any],
) -> tuple[np.ndarray, dict[Method, np.ndarray]]:
    """Compute the logits and each method's rows of one batch."""
    model, family, kept = checkpoint.model, checkpoint.family, list[Kept]()
    layers = family.sizes(model).layers

    def see(matrix: torch.Tensor) -> None:
        place = Place(len(kept), layers, tokens)
        kept.append({method.name: method.keep(matrix, place) for method in methods})

    with family.watch(model, see):
        forward = observe(Subject(model, family, tokens), images, kept, options)
    return forward.logits.numpy(), {method: method.reference(forward).numpy() for method in methods}
