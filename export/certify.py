"""The parity certificate: every engine and precision against the checkpoint, on real images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vitscope.bundle import ATTENTION, Certificate, CertificateEntry, GraphName
from vitscope.export.engines import Candidate, candidates, processor_name
from vitscope.export.errors import ExportError
from vitscope.export.progress import Reporter
from vitscope.export.reference import Reference

# Three bits of mantissa turn more near-ties than seven do; who asks for fp8 takes that for its speed.
TOP1_AGREEMENT: Mapping[str, float] = {"f32": 0.99, "bf16": 0.99, "int8": 0.99, "fp8": 0.98}
F32_LOGIT_ERROR = 1e-4  # largest absolute difference, float32 only
# Float32 is held to it in every single row. A reduced precision is held to it in each layer's mean over images and heads:
# single sharp rows of a half-trained model fell to 0.975 in PyTorch's own bfloat16 too, so there the floor only catches a broken
# head.
ATTENTION_COSINE = 0.999
REDUCED_FLOOR = 0.95
BATCH = 8


@dataclass
class Differences:
    """What one engine's answers came to, over all graphs.

    cosines: by graph and layer, of whole rows (prefix and patches together), one for each image and head.
    """

    agreeing: list[np.ndarray] = field(default_factory=list)
    logit_errors: list[np.ndarray] = field(default_factory=list)
    cosines: dict[tuple[str, int], list[np.ndarray]] = field(default_factory=dict)
    non_finite: int = 0

    def add(self, graph: str, outputs: dict[str, np.ndarray], logits: np.ndarray, rows: np.ndarray) -> None:
        """Compare one batch of outputs with reference logits [N, C] and rows [N, L, H, T] of the graph's layers."""
        self.agreeing.append(outputs["logits"].argmax(-1) == logits.argmax(-1))
        self.logit_errors.append(np.abs(outputs["logits"] - logits).ravel())
        self.non_finite += sum(int(np.count_nonzero(~np.isfinite(value))) for value in outputs.values())
        if "attention" in outputs:
            found = np.concatenate([outputs["attention_prefix"], outputs["attention"]], axis=-1).reshape(rows.shape)
            for layer, cosines in enumerate(np.moveaxis(_cosine(found, rows), 1, 0)):
                self.cosines.setdefault((graph, layer), []).append(cosines.ravel())

    def entry(self, candidate: Candidate, images: int) -> CertificateEntry:
        """The measurement with its shortfalls in words. Differences are None where outputs are not finite."""
        top1 = float(np.concatenate(self.agreeing).mean())
        least = TOP1_AGREEMENT[candidate.precision]
        worst = mean = lowest = layer_mean = None
        shortfalls = []
        if top1 < least:
            shortfalls.append(f"top-1 agrees on {top1:.1%} of the images, at least {least:.0%} is accepted")
        if self.non_finite:
            shortfalls.append(f"{self.non_finite} output values are NaN or infinite, none is accepted")
        else:
            errors = np.concatenate(self.logit_errors)
            worst, mean = float(errors.max()), float(errors.mean())
            layers = [np.concatenate(cosines) for cosines in self.cosines.values()]
            if layers:
                lowest = float(np.clip(min(layer.min() for layer in layers), -1, 1))
                layer_mean = float(np.clip(min(layer.mean() for layer in layers), -1, 1))
            if candidate.precision == "f32":
                shortfalls += _f32_shortfalls(worst, lowest)
            elif lowest is not None and layer_mean is not None:
                shortfalls += _reduced_shortfalls(layer_mean, lowest)
        return CertificateEntry(
            engine=candidate.engine, engine_version=candidate.version, precision=candidate.precision, images=images,
            top1_agreement=top1, max_logit_error=worst, mean_logit_error=mean,
            min_attention_cosine=lowest, mean_attention_cosine=layer_mean,
            non_finite=self.non_finite, shortfalls=tuple(shortfalls),
        )  # fmt: skip


def certify(
    graphs: Mapping[GraphName, Path], reference: Reference, images_sha256: str, reporter: Reporter
) -> Certificate:
    """Run every graph on every engine and precision available here and compare it with the reference."""
    entries, not_measured = [], {}
    for candidate in candidates():
        if candidate.missing:
            not_measured[candidate.key] = candidate.missing
        else:
            entries.append(measure(candidate, graphs, reference, reporter))
    return Certificate(
        images_sha256=images_sha256, processor=processor_name(), entries=tuple(entries), not_measured=not_measured
    )


def measure(
    candidate: Candidate, graphs: Mapping[GraphName, Path], reference: Reference, reporter: Reporter
) -> CertificateEntry:
    """One engine and precision over all graphs."""
    differences, images = Differences(), len(reference.pixels)
    steps = [(name, start) for name in graphs for start in range(0, images, BATCH)]
    runs = {}
    for name, start in reporter.track(steps, f"comparing {candidate.engine} {candidate.precision}"):
        if name not in runs:
            runs = {name: candidate.load(graphs[name])}  # one at a time: a large model is in memory once
        part = slice(start, start + BATCH)
        rows = reference.rows[part] if name == ATTENTION else reference.rows[part, -1:]
        differences.add(name, runs[name](reference.pixels[part]), reference.logits[part], rows)
    return differences.entry(candidate, images)


def require(certificate: Certificate, allow_uncertified: bool) -> None:
    """Raises ExportError for entries below a bar; `allow_uncertified` lets the reduced precisions pass, never float32."""
    failed = [e for e in certificate.entries if not e.passed and not (allow_uncertified and e.precision != "f32")]
    if not failed:
        return
    details = "; ".join(f"{e.engine} {e.precision}: {', '.join(e.shortfalls)}" for e in failed)
    hint = "float32 must match: this checkpoint cannot be published"
    if all(e.precision != "f32" for e in failed):
        hint = "with --allow-uncertified it is published all the same, and the server will not use that precision"
    raise ExportError(
        f"the certificate fails on {failed[0].images} images, so nothing was published: {details} ({hint})"
    )


def _f32_shortfalls(logit_error: float, cosine: float | None) -> list[str]:
    shortfalls = []
    if logit_error > F32_LOGIT_ERROR:
        shortfalls.append(f"logits differ by up to {logit_error:.1e}, at most {F32_LOGIT_ERROR:.0e} is accepted")
    if cosine is not None and cosine < ATTENTION_COSINE:
        shortfalls.append(f"the attention cosine falls to {cosine:.5f}, at least {ATTENTION_COSINE} is accepted")
    return shortfalls


def _reduced_shortfalls(layer_mean: float, cosine: float) -> list[str]:
    shortfalls = []
    if layer_mean < ATTENTION_COSINE:
        shortfalls.append(
            f"the mean attention cosine of a layer is {layer_mean:.5f}, at least {ATTENTION_COSINE} is accepted"
        )
    if cosine < REDUCED_FLOOR:
        shortfalls.append(f"the attention cosine falls to {cosine:.5f}, at least {REDUCED_FLOOR} is accepted")
    return shortfalls


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosine: np.ndarray = np.einsum("...t,...t->...", a, b) / norms
    return cosine
