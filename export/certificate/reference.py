"""The reference of the certificate: the checkpoint itself in PyTorch float32."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vitscope.bundle import Activation, Scale
from vitscope.export.certificate.evidence import IMAGES, Batch, EvidenceReference, evidence_reference, run_evidence
from vitscope.export.certificate.images import read_image
from vitscope.export.checkpoint import Checkpoint
from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.checkpoint.positions import token_geometry
from vitscope.export.checkpoint.preprocess import output_size
from vitscope.export.errors import ExportError
from vitscope.export.methods import Evidence, Forward, Kept, Method, Place, Subject, observe
from vitscope.export.progress import Reporter
from vitscope.export.tail import Gauge

_SCORES = 2**25  # elements of one layer's attention matrices that a batch may take (128 MiB in float32)


@dataclass(frozen=True)
class Reference:
    """The checkpoint's answers for some images.

    pixels: uint8 [M, H, W, 3]. logits: float32 [M, C], finite. rows: by method, float32 [M, layers, ..., K].
    activation, temperature: of the head. evidence: of some of the images; None without that method.
    """

    pixels: np.ndarray
    logits: np.ndarray
    rows: Mapping[Method, np.ndarray]
    activation: Activation = "softmax"
    temperature: float = 1.0
    evidence: EvidenceReference | None = None

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
    gauge: Gauge | None = None,
) -> Reference:
    """Prepare the images with the checkpoint's own processor and run its own model, with eager attention.

    `checkpoint.model` must be as loaded: it is the original that the exported graphs are compared with.
    Raises ExportError for an unreadable image, and for a model whose answers are NaN or infinite.
    """
    model, family, size = checkpoint.model, checkpoint.family, output_size(processor)
    gauge = gauge or Gauge()
    subject = Subject(model, family, token_geometry(model, family, size), gauge)
    tokens, wanted = subject.geometry, _evidence_images(methods, len(files))
    options = family.options(model, size)
    batch = max(1, min(32, _SCORES // (family.sizes(model).heads * (tokens.prefix + tokens.patches) ** 2)))
    pixels, logits = list[np.ndarray](), list[np.ndarray]()
    rows, evidence = list[dict[Method, np.ndarray]](), list[Batch]()
    steps = [files[start : start + batch] for start in range(0, len(files), batch)]
    for step in reporter.track(steps, f"running the checkpoint in PyTorch float32 on {len(files)} images"):
        images, tensors = zip(*(prepare(processor, read_image(path)) for path in step), strict=True)
        pixels.append(np.stack(images))
        forward = _run(subject, torch.stack(tensors), methods, options)
        _refuse_non_finite(step, forward.logits.numpy())
        done = sum(map(len, logits))
        logits.append(forward.logits.numpy())
        rows.append({method: method.reference(forward).numpy() for method in _by_rows(methods)})
        if len(chosen := wanted[(wanted >= done) & (wanted < done + len(step))]):
            evidence.append(run_evidence(forward[chosen - done]))
    reference = Reference(
        np.concatenate(pixels),
        np.concatenate(logits),
        {method: np.concatenate([part[method] for part in rows]) for method in _by_rows(methods)},
        gauge.activation,
        gauge.temperature,
    )
    if not evidence:
        return reference
    return replace(reference, evidence=evidence_reference(wanted, evidence, reference.scale))


def _by_rows(methods: Sequence[Method]) -> list[Method]:
    """Leave out evidence, which is compared by more than rows, and on fewer images."""
    return [method for method in methods if not isinstance(method, Evidence)]


def _evidence_images(methods: Sequence[Method], count: int) -> np.ndarray:
    """Return the numbers of the images that evidence is compared on."""
    if not any(isinstance(method, Evidence) for method in methods):
        return np.empty(0, np.int64)
    return np.linspace(0, count - 1, min(count, IMAGES)).round().astype(np.int64)


def _refuse_non_finite(files: Sequence[Path], logits: np.ndarray) -> None:
    for file, values in zip(files, logits, strict=True):
        if not np.isfinite(values).all():
            raise ExportError(
                f"CHECKPOINT: its own logits of {file} hold NaN or infinite values, in PyTorch float32; accepted: a "
                "model whose answers are finite"
            )


@torch.no_grad()
def _run(subject: Subject, images: torch.Tensor, methods: Sequence[Method], options: Mapping[str, Any]) -> Forward:
    """Run one batch, keeping what each method needs of it."""
    kept, modules = list[Kept](), [module for method in methods for module in method.observed(subject)]
    layers = subject.family.sizes(subject.model).layers

    def see(matrix: torch.Tensor) -> None:
        place = Place(len(kept), layers, subject.geometry)
        kept.append({method.name: method.keep(matrix, place) for method in methods})

    with subject.family.watch(subject.model, see):
        return observe(subject, images, kept, options, modules)
