"""The accuracy gate: an engine on this very machine against the float32 reference, at every batch size that it will run.

Compilers have produced engines that run and answer wrongly, on some processors and at some batch sizes only, so what was
certified elsewhere is asked again where it serves.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vitscope.bundle import CertificateEntry
from vitscope.server.engines.contract import Identity, Outputs, Slot

Run = Callable[[np.ndarray], Outputs]
"""uint8 [n, H, W, 3] -> outputs by name, batch first."""


@dataclass(frozen=True)
class Bars:
    """What is accepted: share of images with the same most probable class (at least), mean difference of the class
    probabilities (at most), cosine between attention rows of any image (at least), and how far a row's sum may be from 1."""

    top1: float
    probability: float
    cosine: float
    row_sum: float = 1e-2


REDUCED = Bars(top1=0.99, probability=1e-3, cosine=0.99)
EIGHT_BITS = Bars(top1=0.98, probability=5e-3, cosine=0.98)


def bars_of(precision: str) -> Bars:
    return EIGHT_BITS if precision in ("fp8", "int8") else REDUCED


def judge(
    run: Run, reference: Run, images: np.ndarray, batches: Sequence[int], identity: Identity, bars: Bars
) -> CertificateEntry:
    """Compare `run` with `reference` on uint8 `images` [M, H, W, 3], in batches of each of these sizes.

    The reference sees every image once. An image whose two most probable classes are closer in the reference than `bars.probability`
    has no class that could be confirmed, and counts as agreeing. The entry's shortfalls name the batch size.
    """
    expected = _joined(run_in_batches(reference, images, max(batches)))
    findings = [_compare(_joined(run_in_batches(run, images, size)), expected, bars) for size in batches]
    shortfalls = [
        f"at batch {size}, {problem}"
        for size, finding in zip(batches, findings, strict=True)
        for problem in finding.shortfalls(bars)
    ]
    return CertificateEntry(
        engine=identity.name,
        engine_version=identity.version,
        precision=identity.precision,
        images=len(images),
        top1_agreement=min(finding.top1 for finding in findings),
        max_logit_error=_worst([finding.logit_error for finding in findings]),
        mean_logit_error=_worst([finding.mean_logit_error for finding in findings]),
        min_attention_cosine=_least([finding.cosine for finding in findings]),
        mean_attention_cosine=_least([finding.mean_cosine for finding in findings]),
        non_finite=sum(finding.non_finite for finding in findings),
        shortfalls=tuple(shortfalls),
    )


def through(slot: Slot, profile: int = 0) -> Run:
    """A run that copies images into a slot, as the scheduler does."""

    def run(images: np.ndarray) -> Outputs:
        slot.pixels[: len(images)] = images
        return slot.run(len(images), profile)

    return run


def run_in_batches(run: Run, images: np.ndarray, size: int) -> Iterator[Outputs]:
    """Every image in batches of exactly `size`; the last one is filled up from the first images, whose answers it drops."""
    for start in range(0, len(images), size):
        rows = np.arange(start, start + size)
        outputs = run(np.take(images, rows, axis=0, mode="wrap"))
        yield {name: values[: len(images) - start] for name, values in outputs.items()}


def made_up_images(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Made-up photos, uint8 [count, height, width, 3]: noise of every scale, strong at the coarse ones, as in natural images
    (whose amplitude falls with spatial frequency, Field 1987)."""
    noise = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = np.inf
    waves = np.fft.rfft2(noise.standard_normal((count, 3, height, width))) / frequency
    fields = np.fft.irfft2(waves, s=(height, width)).transpose(0, 2, 3, 1)
    fields /= fields.std(axis=(1, 2), keepdims=True)
    shown: np.ndarray = np.clip(fields * 50 + noise.uniform(80, 170, (count, 1, 1, 3)), 0, 255).astype(np.uint8)
    return shown


@dataclass(frozen=True)
class _Finding:
    """What one batch size came to. None: there is no attention, or what there is cannot be compared."""

    top1: float
    probability: float
    logit_error: float | None
    mean_logit_error: float | None
    cosine: float | None
    mean_cosine: float | None
    row_sum: float | None
    non_finite: int

    def shortfalls(self, bars: Bars) -> list[str]:
        if self.non_finite:
            return [f"{self.non_finite} output values are NaN or infinite, none is accepted"]
        found = []
        if self.top1 < bars.top1:
            found.append(f"top-1 agrees on {self.top1:.1%} of the images, at least {bars.top1:.0%} is accepted")
        if self.probability > bars.probability:
            found.append(
                f"probabilities differ by {self.probability:.1e} on average, at most {bars.probability:.0e} is accepted"
            )
        if self.cosine is not None and self.cosine < bars.cosine:
            found.append(f"the attention cosine falls to {self.cosine:.4f}, at least {bars.cosine} is accepted")
        if self.row_sum is not None and self.row_sum > bars.row_sum:
            found.append(f"an attention row's sum is off by {self.row_sum:.1e}, at most {bars.row_sum:.0e} is accepted")
        return found


def _compare(found: Outputs, expected: Outputs, bars: Bars) -> _Finding:
    non_finite = sum(int(np.count_nonzero(~np.isfinite(values))) for values in found.values())
    if non_finite:
        return _Finding(0.0, 1.0, None, None, None, None, None, non_finite)
    ours, theirs = _softmax(found["logits"]), _softmax(expected["logits"])
    errors = np.abs(found["logits"].astype(np.float64) - expected["logits"])
    cosines = row_sum = None
    if "attention" in found:
        rows, expected_rows = _rows(found), _rows(expected)
        norms = np.linalg.norm(rows, axis=-1) * np.linalg.norm(expected_rows, axis=-1)
        cosines = np.clip(np.einsum("...t,...t->...", rows, expected_rows) / np.maximum(norms, 1e-30), -1, 1)
        row_sum = float(np.abs(rows.sum(-1) - 1).max())
    return _Finding(
        top1=float(_agreeing(ours, theirs, bars.probability).mean()),
        probability=float(np.abs(ours - theirs).mean()),
        logit_error=float(errors.max()),
        mean_logit_error=float(errors.mean()),
        cosine=None if cosines is None else float(cosines.min()),
        mean_cosine=None if cosines is None else float(cosines.mean()),
        row_sum=row_sum,
        non_finite=0,
    )


def _agreeing(ours: np.ndarray, theirs: np.ndarray, tie: float) -> np.ndarray:
    best = theirs.max(-1)
    agreeing: np.ndarray = best - np.take_along_axis(theirs, ours.argmax(-1)[:, None], -1)[:, 0] <= tie
    return agreeing


def _rows(outputs: Outputs) -> np.ndarray:
    """Whole rows, over prefix tokens and patches, in float64."""
    return np.concatenate([outputs["attention_prefix"], outputs["attention"]], axis=-1).astype(np.float64)


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    probabilities: np.ndarray = shifted / shifted.sum(-1, keepdims=True)
    return probabilities


def _joined(batches: Iterator[Outputs]) -> Outputs:
    parts = list(batches)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _worst(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _least(values: Sequence[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
